/* A process that forks while a statement of its own waits for a lock. Arguments:
   an empty directory, a DSN; the table is there, and somebody writes to it until
   this program says "refused". */

#include "common.h"

#include <pthread.h>
#include <sys/wait.h>

#define REFUSED 7

/* Seconds. A child that takes longer is stuck. */
#define PATIENCE 60

static ezdfs_store *store;

static void *
write_one(void *unused)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/waits"), "x", 1,
                                            NULL, NULL, &error), error);
    return unused;
}

/* What a child gets to hear that looks for a file. */
static int
fork_one(void)
{
    int status;
    pid_t child = fork();
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_result result;

    CHECK(child >= 0);
    if (child == 0) {
        alarm(PATIENCE);
        result = ezdfs_store_stat(store, TEXT("images/none"), &info, &error);
        if (result == EZDFS_RESULT_UNAVAILABLE
            && strstr(error.message, "forked") != NULL)
        {
            _exit(REFUSED);
        }
        CHECK(result == EZDFS_RESULT_NOT_FOUND);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
    int told;
    pthread_t writer;
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_options *options;

    CHECK(argc > 2);
    options = options_in(argv[1]);
    CHECK_OK(ezdfs_options_set(options, TEXT("dsn"), TEXT(argv[2]), &error),
             error);
    CHECK_OK(ezdfs_options_set(options, TEXT("query_timeout"), TEXT("60s"),
                               &error), error);
    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    ezdfs_options_free(options);

    CHECK(pthread_create(&writer, NULL, write_one, NULL) == 0);
    /* Until the writer waits, a fork finds nothing under way. */
    do {
        told = fork_one();
    } while (told == 0);
    CHECK(told == REFUSED);
    puts("refused");
    fflush(stdout);

    CHECK(pthread_join(writer, NULL) == 0);
    CHECK_OK(ezdfs_store_stat(store, TEXT("images/waits"), &info, &error),
             error);
    CHECK(fork_one() == 0);
    ezdfs_store_free(store);
    return 0;
}
