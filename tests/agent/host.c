/*
 * A host that asks for files with a store of the options that are its arguments,
 * `key=value`: for each line that it reads, the id of a file, it writes the size of
 * that, or why there is none.  What the library tells goes to standard error.
 */

#include <ezdfs.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
tell(ezdfs_log_level level, const char *message)
{
    fprintf(stderr, "%d %s\n", (int) level, message);
}

static void
require(ezdfs_result result, const ezdfs_error *error)
{
    if (result != EZDFS_RESULT_OK) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    int i;
    char id[256];
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_result result;
    ezdfs_store *store;
    ezdfs_options *options = ezdfs_options_new();

    ezdfs_set_log_handler(tell);

    for (i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (value == NULL) {
            return 1;
        }

        require(ezdfs_options_set(options, argv[i], (size_t) (value - argv[i]),
                                  value + 1, strlen(value + 1), &error),
                &error);
    }

    require(ezdfs_store_new(options, &store, &error), &error);
    ezdfs_options_free(options);

    while (fgets(id, sizeof(id), stdin) != NULL) {
        result = ezdfs_store_stat(store, id, strcspn(id, "\n"), &info, &error);

        if (result == EZDFS_RESULT_OK) {
            printf("%llu\n", (unsigned long long) info.size);
        } else {
            printf("%s\n", ezdfs_result_name(result));
        }

        fflush(stdout);
    }

    ezdfs_store_free(store);
    return 0;
}
