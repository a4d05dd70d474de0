/* A store that was used before fork() works in the parent and in the child. */

#include "common.h"

#include <sys/wait.h>

int
main(int argc, char **argv)
{
    int i, status;
    pid_t child;
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;

    CHECK(argc > 1);
    store = store_in(argv[1]);
    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/a"), "x", 1,
                                            NULL, NULL, &error), error);

    for (i = 0; i < 3; i++) {
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            CHECK_OK(ezdfs_store_stat(store, TEXT("images/a"), &info, &error),
                     error);
            CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/b"),
                                                    "yy", 2, NULL, NULL,
                                                    &error), error);
            ezdfs_store_free(store);
            /* What belongs to the parent is left alone on purpose; a new
               program hides that from leak checkers. */
            execl("/bin/true", "true", (char *) NULL);
            _exit(1);
        }
        CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/a"), "zzz",
                                                3, NULL, NULL, &error),
                 error);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    CHECK_OK(ezdfs_store_stat(store, TEXT("images/b"), &info, &error), error);
    CHECK(info.size == 2);
    ezdfs_store_free(store);
    return 0;
}
