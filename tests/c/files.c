/* Storing, reading, listing and deleting, the thread waiting. */

#include "common.h"

#include <errno.h>
#include <fcntl.h>

/* Yields `left` bytes in small pieces, or an error before the last one. */
struct source {
    size_t left;
    int fails;
};

static ptrdiff_t
yield_bytes(void *context, void *buffer, size_t len)
{
    struct source *source = (struct source *) context;
    size_t count = len < 1000 ? len : 1000;

    if (source->fails && source->left <= 1000) {
        return -ECONNRESET;
    }
    if (count > source->left) {
        count = source->left;
    }
    memset(buffer, 'c', count);
    source->left -= count;
    return (ptrdiff_t) count;
}

static bool
count_files(void *context, const char *id, size_t id_len,
            const ezdfs_info *info)
{
    CHECK(id_len > 0 && id[0] != '/');
    CHECK(info->size > 0);
    return ++*(int *) context < 2;
}

int
main(int argc, char **argv)
{
    int count = 0, fd;
    char buffer[64], path[512];
    bool exists;
    size_t len;
    uint64_t rows, size = 5;
    ezdfs_http http = EZDFS_INIT(ezdfs_http);
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_file *file = NULL;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;
    struct source source = {5000, 0};
    ezdfs_create_options known = EZDFS_INIT(ezdfs_create_options);

    CHECK(argc > 1);
    store = store_in(argv[1]);

    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/1/memory.txt"),
                                            "hello", 5, NULL, &info, &error),
             error);
    CHECK(info.size == 5 && strcmp(info.mime_type, "text/plain") == 0);

    known.mime_type = "image/png";
    known.mime_type_len = strlen(known.mime_type);
    known.mtime = 1500000000;
    CHECK_OK(ezdfs_store_create(store, TEXT("images/1/callback.png"),
                                yield_bytes, &source, &known, &info, &error),
             error);
    CHECK(info.size == 5000 && info.mtime == 1500000000);

    source.left = 5000;
    source.fails = 1;
    CHECK(ezdfs_store_create(store, TEXT("images/1/aborted"), yield_bytes,
                             &source, NULL, NULL, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK_OK(ezdfs_store_exists(store, TEXT("images/1/aborted"), &exists,
                                &error), error);
    CHECK(!exists);

    snprintf(path, sizeof(path), "%s/images/1/memory.txt", argv[1]);
    fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    known.size = &size;
    CHECK_OK(ezdfs_store_create_from_fd(store, TEXT("images/2/fd.png"), fd,
                                        &known, NULL, &error), error);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    size = 6;
    CHECK(ezdfs_store_create_from_fd(store, TEXT("images/2/size.png"), fd,
                                     &known, NULL, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(close(fd) == 0);

    CHECK_OK(ezdfs_store_open(store, TEXT("images/2/fd.png"), &file, &error),
             error);
    CHECK(read(ezdfs_file_fd(file), buffer, sizeof(buffer)) == 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);
    CHECK_OK(ezdfs_file_info(file, &info, &error), error);
    CHECK(info.size == 5 && info.mtime == 1500000000);
    CHECK_OK(ezdfs_file_http(file, &http, &error), error);
    CHECK(strcmp(http.content_type, "image/png") == 0);
    CHECK(strcmp(http.etag, "\"1500000000-5\"") == 0);
    CHECK(http.content_length == 5 && http.last_modified == 1500000000);
    CHECK(http.headers_len == 1);
    CHECK(strcmp(http.headers[0].name, "X-Content-Type-Options") == 0);
    len = ezdfs_file_name(file, buffer, sizeof(buffer));
    CHECK(len == strlen("images/2/fd.png"));
    CHECK(ezdfs_file_name(file, buffer, 3) == len);
    ezdfs_file_free(file);

    len = ezdfs_store_uri(store, TEXT("images/2/fd.png"), buffer,
                          sizeof(buffer));
    CHECK(len == 16 && memcmp(buffer, "/images/2/fd.png", len) == 0);
    CHECK(ezdfs_store_id_from_uri(store, TEXT("/images/2/fd.png"), NULL, 0)
          == 15);
    CHECK(ezdfs_store_uri(store, TEXT("a/../b"), buffer, sizeof(buffer)) == 0);

    file = NULL;
    CHECK(ezdfs_store_open(store, TEXT("images/missing"), &file, &error)
          == EZDFS_RESULT_NOT_FOUND);
    CHECK(file == NULL && error.os_errno == 0);
    CHECK(ezdfs_store_stat(store, TEXT("../x"), &info, &error)
          == EZDFS_RESULT_INVALID_NAME);
    CHECK(ezdfs_store_stat(store, "a\0b", 3, &info, &error)
          == EZDFS_RESULT_INVALID_NAME);
    CHECK(unlink(path) == 0);
    CHECK(ezdfs_store_open(store, TEXT("images/1/memory.txt"), &file, &error)
          == EZDFS_RESULT_NOT_FOUND);
    CHECK(error.os_errno == ENOENT);

    CHECK_OK(ezdfs_store_list(store, NULL, 0, count_files, &count, &error),
             error);
    CHECK(count == 2);

    CHECK_OK(ezdfs_store_delete(store, TEXT("images/2/fd.png"), &error),
             error);
    CHECK(ezdfs_store_delete(store, TEXT("images/2/fd.png"), NULL)
          == EZDFS_RESULT_NOT_FOUND);
    CHECK(ezdfs_store_delete_directory(store, "", 0, &rows, &error)
          == EZDFS_RESULT_INVALID_NAME);
    CHECK_OK(ezdfs_store_delete_directory(store, TEXT("images"), &rows,
                                          &error), error);
    CHECK(rows == 2);
    ezdfs_store_free(store);
    return 0;
}
