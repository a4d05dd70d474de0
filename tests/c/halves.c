/* A file's other name, and its two halves each by itself. */

#include "common.h"

struct source {
    const char *text;
    size_t left;
};

static ptrdiff_t
yield_text(void *context, void *buffer, size_t len)
{
    struct source *source = (struct source *) context;
    size_t count = len < source->left ? len : source->left;

    memcpy(buffer, source->text, count);
    source->text += count;
    source->left -= count;
    return (ptrdiff_t) count;
}

static void
check_rename(ezdfs_store *store)
{
    bool exists;
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/old.txt"), "hello",
                                            5, NULL, NULL, &error), error);
    CHECK_OK(ezdfs_store_rename(store, TEXT("images/old.txt"),
                                TEXT("images/new.txt"), &info, &error), error);
    CHECK(info.size == 5 && strcmp(info.mime_type, "text/plain") == 0);
    CHECK_OK(ezdfs_store_exists(store, TEXT("images/old.txt"), &exists, &error),
             error);
    CHECK(!exists);
    CHECK(ezdfs_store_rename(store, TEXT("images/old.txt"), TEXT("images/x.txt"),
                             NULL, &error) == EZDFS_RESULT_NOT_FOUND);
    CHECK(ezdfs_store_rename(store, TEXT("images/new.txt"), TEXT("../x.txt"),
                             NULL, NULL) == EZDFS_RESULT_INVALID_NAME);
}

static void
check_metadata(ezdfs_store *store)
{
    uint64_t rows;
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    CHECK_OK(ezdfs_store_put_metadata(store, TEXT("images/m/a.png"), 7, 1500000000,
                                      TEXT("image/png"), &info, &error), error);
    CHECK(info.size == 7 && info.mtime == 1500000000);
    CHECK_OK(ezdfs_store_put_metadata(store, TEXT("images/m/b.png"), 7, 0, NULL, 0,
                                      NULL, &error), error);
    CHECK_OK(ezdfs_store_stat(store, TEXT("images/m/a.png"), &info, &error), error);
    CHECK(strcmp(info.mime_type, "image/png") == 0);
    CHECK(ezdfs_store_put_metadata(store, TEXT("images/m/c.png"), 7, 0, "\xff", 1,
                                   NULL, &error) == EZDFS_RESULT_INVALID_INPUT);
    CHECK_OK(ezdfs_store_delete_metadata(store, TEXT("images/m/a.png"), &error),
             error);
    CHECK(ezdfs_store_delete_metadata(store, TEXT("images/m/a.png"), &error)
          == EZDFS_RESULT_NOT_FOUND);
    CHECK_OK(ezdfs_store_delete_metadata_directory(store, TEXT("images/m"), &rows,
                                                   &error), error);
    CHECK(rows == 1);
}

static void
check_data(ezdfs_store *store)
{
    int32_t fd = -1;
    char buffer[8];
    uint64_t size = 5;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    struct source source = {"bytes", 5};

    CHECK_OK(ezdfs_store_put_data(store, TEXT("images/d/a.bin"), yield_text, &source,
                                  &size, &size, &error), error);
    CHECK(size == 5);
    CHECK_OK(ezdfs_store_open_data(store, TEXT("images/d/a.bin"), &fd, &size, &error),
             error);
    CHECK(size == 5 && read(fd, buffer, sizeof(buffer)) == 5);
    CHECK(memcmp(buffer, "bytes", 5) == 0 && close(fd) == 0);
    CHECK_OK(ezdfs_store_delete_data(store, TEXT("images/d/a.bin"), &error), error);
    CHECK_OK(ezdfs_store_delete_data(store, TEXT("images/d/a.bin"), &error), error);
    CHECK(ezdfs_store_open_data(store, TEXT("images/d/a.bin"), &fd, NULL, &error)
          == EZDFS_RESULT_NOT_FOUND);
    CHECK_OK(ezdfs_store_delete_data_directory(store, TEXT("images/d"), &error),
             error);
    CHECK(ezdfs_store_put_data(store, TEXT("images/d/a.bin"), NULL, NULL, NULL, NULL,
                               &error) == EZDFS_RESULT_INVALID_INPUT);
}

static void
check_serve(ezdfs_store *store)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_request request = EZDFS_INIT(ezdfs_request);
    const char *source = NULL;
    ezdfs_file *file = NULL;

    request.path = "/images/new.txt";
    request.path_len = strlen(request.path);
    request.flags = EZDFS_SERVE_READ;
    CHECK_OK(ezdfs_store_serve(store, &request, &file, &source, &error), error);
    CHECK(strcmp(source, "database") == 0 || strcmp(source, "cache") == 0);
    ezdfs_file_free(file);
    request.path = "/images/none.txt";
    request.path_len = strlen(request.path);
    CHECK(ezdfs_store_serve(store, &request, &file, NULL, &error)
          == EZDFS_RESULT_NOT_FOUND);
    request.path = "/original/new.txt";
    request.path_len = strlen(request.path);
    CHECK(ezdfs_store_serve(store, &request, &file, &source, &error)
          == EZDFS_RESULT_DENIED);
    CHECK(source == NULL);
}

int
main(int argc, char **argv)
{
    ezdfs_store *store;

    CHECK(argc > 1);
    store = store_in(argv[1]);
    check_rename(store);
    check_metadata(store);
    check_data(store);
    check_serve(store);
    ezdfs_store_free(store);
    return 0;
}
