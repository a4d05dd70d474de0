/* A child works on, whatever the threads of its parent hold when it is forked. A
   third argument says how many forks. */

#include "common.h"

#include <pthread.h>
#include <sys/wait.h>

#define FORKS 300
#define THREADS 2

/* Seconds. A child that takes longer is stuck. */
#define PATIENCE 60

static ezdfs_store *store;
static int over;

static void
ask(void)
{
    ezdfs_stats stats = EZDFS_INIT(ezdfs_stats);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    CHECK_OK(ezdfs_store_stats(store, &stats, &error), error);
    CHECK(stats.size_mismatches == 0);
}

static void *
use(void *unused)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        ask();
    }
    return unused;
}

int
main(int argc, char **argv)
{
    int i, status, forks;
    pid_t child;
    pthread_t threads[THREADS];
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_options *options;

    CHECK(argc > 1);
    forks = argc > 3 ? atoi(argv[3]) : FORKS;
    options = options_in(argv[1]);
    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    ezdfs_options_free(options);
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, use, NULL) == 0);
    }
    for (i = 0; i < forks; i++) {
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(PATIENCE);
            ask();
            /* What belongs to the parent is left alone on purpose; a new
               program hides that from leak checkers. */
            execl("/bin/true", "true", (char *) NULL);
            _exit(1);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    ezdfs_store_free(store);
    return 0;
}
