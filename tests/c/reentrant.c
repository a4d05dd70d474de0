/* Callbacks that call the library themselves, for the same store. */

#include "common.h"

struct calls {
    ezdfs_store *store;
    size_t left;
    int listed;
};

static ptrdiff_t
yield_after_asking(void *context, void *buffer, size_t len)
{
    bool exists;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    struct calls *calls = (struct calls *) context;
    size_t count = len < calls->left ? len : calls->left;

    CHECK_OK(ezdfs_store_exists(calls->store, TEXT("images/first.txt"), &exists,
                                &error), error);
    CHECK(exists);
    CHECK_OK(ezdfs_store_create_from_memory(calls->store, TEXT("images/inner.txt"),
                                            "inner", 5, NULL, NULL, &error), error);
    memset(buffer, 'o', count);
    calls->left -= count;
    return (ptrdiff_t) count;
}

static bool
open_listed(void *context, const char *id, size_t id_len, const ezdfs_info *info)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_file *file = NULL;
    struct calls *calls = (struct calls *) context;

    CHECK_OK(ezdfs_store_open(calls->store, id, id_len, &file, &error), error);
    ezdfs_file_free(file);
    CHECK(info->size > 0);
    calls->listed++;
    return true;
}

int
main(int argc, char **argv)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    struct calls calls = {NULL, 20, 0};

    CHECK(argc > 1);
    calls.store = store_in(argv[1]);
    CHECK_OK(ezdfs_store_create_from_memory(calls.store, TEXT("images/first.txt"),
                                            "first", 5, NULL, NULL, &error), error);
    CHECK_OK(ezdfs_store_create(calls.store, TEXT("images/outer.txt"),
                                yield_after_asking, &calls, NULL, &info, &error),
             error);
    CHECK(info.size == 20);
    CHECK_OK(ezdfs_store_list(calls.store, NULL, 0, open_listed, &calls, &error),
             error);
    CHECK(calls.listed == 3);

    /* What fails leaves what it would have filled in as it was. */
    memset(&info, 7, sizeof(info));
    info.struct_size = sizeof(info);
    CHECK(ezdfs_store_stat(calls.store, TEXT("images/none.txt"), &info, &error)
          == EZDFS_RESULT_NOT_FOUND);
    CHECK(info.mime_type[0] == 7);

    ezdfs_store_free(calls.store);
    return 0;
}
