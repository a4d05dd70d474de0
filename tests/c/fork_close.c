/* A child writes on after its parent has closed its connections. */

#include "common.h"

#include <sys/socket.h>
#include <sys/wait.h>

#define ROUNDS 6

/* Seconds. A child that takes longer is stuck. */
#define PATIENCE 60

static void
store_one(ezdfs_store *store, const char *what, int round)
{
    char name[64];
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    snprintf(name, sizeof(name), "images/%s/%d", what, round);
    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT(name), TEXT(name), NULL,
                                            NULL, &error), error);
}

static int
is_lost(ezdfs_store *store, const char *what, int round)
{
    char name[64];
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    snprintf(name, sizeof(name), "images/%s/%d", what, round);
    if (ezdfs_store_stat(store, TEXT(name), &info, &error) == EZDFS_RESULT_OK) {
        return 0;
    }
    fprintf(stderr, "%s: %s\n", name, error.message);
    return 1;
}

/* One says to the other that it has done its part, and waits for that. */
static void
say(int line)
{
    CHECK(write(line, "x", 1) == 1);
}

static void
hear(int line)
{
    char byte;

    CHECK(read(line, &byte, 1) == 1);
}

static void
be_the_child(ezdfs_store *store, int line, int round)
{
    alarm(PATIENCE);
    store_one(store, "child/early", round);
    say(line);
    hear(line);
    store_one(store, "child/late", round);
    ezdfs_store_free(store);
    /* What belongs to the parent is left alone on purpose; a new program hides
       that from leak checkers. */
    execl("/bin/true", "true", (char *) NULL);
    _exit(1);
}

int
main(int argc, char **argv)
{
    int i, status, line[2], lost = 0;
    pid_t child;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;
    ezdfs_options *options;

    CHECK(argc > 1);
    ezdfs_store_free(store_in(argv[1]));
    options = options_in(argv[1]);
    for (i = 0; i < ROUNDS; i++) {
        CHECK_OK(ezdfs_store_new(options, &store, &error), error);
        store_one(store, "parent", i);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, line) == 0);
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            close(line[0]);
            be_the_child(store, line[1], i);
        }
        close(line[1]);
        hear(line[0]);
        lost += is_lost(store, "child/early", i);
        ezdfs_store_free(store);
        /* Another program comes and goes. */
        ezdfs_store_free(store_in(argv[1]));
        say(line[0]);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        close(line[0]);
    }
    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    ezdfs_options_free(options);
    for (i = 0; i < ROUNDS; i++) {
        lost += is_lost(store, "parent", i) + is_lost(store, "child/early", i)
                + is_lost(store, "child/late", i);
    }
    ezdfs_store_free(store);
    CHECK(lost == 0);
    return 0;
}
