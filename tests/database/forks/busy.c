/* A process that forks while its threads read, write, open and close: each child
   and each thread stores files. Arguments: an empty directory, a DSN, how many
   forks; the table is there. Passes if every write that was acknowledged is
   there, and nobody hangs. */

#include "common.h"

#include <pthread.h>
#include <sys/wait.h>

/* So many children write at a time, so many threads of each kind work. */
#define CHILDREN 4
#define THREADS 1

/* A child that takes longer is stuck. */
#define PATIENCE 20

static ezdfs_options *options;
static ezdfs_store *shared;
static int over;

static int
is_over(void)
{
    return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

static void
set(const char *key, const char *value)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    CHECK_OK(ezdfs_options_set(options, TEXT(key), TEXT(value), &error), error);
}

static ezdfs_store *
another_store(void)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;

    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    return store;
}

/* Stores the file of this writer and number; its bytes are its name. */
static void
store_one(ezdfs_store *store, const char *writer, unsigned number)
{
    char name[64];
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    snprintf(name, sizeof(name), "images/%s/%u", writer, number);
    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT(name), TEXT(name), NULL,
                                            NULL, &error), error);
}

static unsigned
is_lost(ezdfs_store *store, const char *writer, unsigned number)
{
    char name[64];
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    snprintf(name, sizeof(name), "images/%s/%u", writer, number);
    if (ezdfs_store_stat(store, TEXT(name), &info, &error) == EZDFS_RESULT_OK
        && info.size == strlen(name))
    {
        return 0;
    }
    fprintf(stderr, "acknowledged and lost: %s\n", name);
    return 1;
}

static void *
look_up(void *unused)
{
    unsigned i;
    char name[64];
    ezdfs_info info = EZDFS_INIT(ezdfs_info);
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_result result;

    for (i = 0; !is_over(); i++) {
        snprintf(name, sizeof(name), "images/child/%u", i % 100);
        result = ezdfs_store_stat(shared, TEXT(name), &info, &error);
        if (result != EZDFS_RESULT_NOT_FOUND) {
            CHECK_OK(result, error);
        }
    }
    return unused;
}

static void *
write_files(void *writer)
{
    size_t count;

    for (count = 0; !is_over(); count++) {
        store_one(shared, (const char *) writer, (unsigned) count);
    }
    return (void *) count;
}

/* Opens and closes connections all the time. */
static void *
come_and_go(void *writer)
{
    size_t count;
    ezdfs_store *store;

    for (count = 0; !is_over(); count++) {
        store = another_store();
        store_one(store, (const char *) writer, (unsigned) count);
        ezdfs_store_free(store);
    }
    return (void *) count;
}

/* Of a child: its process while it runs, 0 before it and after it has failed. */
#define STORED (-1)

static pid_t *children;
static unsigned ended, failed;

static void
wait_for_a_child(unsigned begun)
{
    int status;
    unsigned i;
    pid_t child = wait(&status);

    CHECK(child > 0);
    for (i = 0; i < begun && children[i] != child; i++);
    CHECK(i < begun);
    ended++;
    if (status == 0) {
        children[i] = STORED;
        return;
    }
    children[i] = 0;
    failed++;
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "a child was stuck, and killed by signal %d\n",
                WTERMSIG(status));
    }
}

/* Ends early where children fail: each may take its whole time. */
static unsigned
fork_children(unsigned forks)
{
    unsigned i;

    for (i = 0; i < forks && failed < CHILDREN; i++) {
        if (i - ended >= CHILDREN) {
            wait_for_a_child(i);
        }
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            alarm(PATIENCE);
            store_one(shared, "child", i);
            _exit(0);
        }
    }
    while (ended < i) {
        wait_for_a_child(i);
    }
    return i;
}

int
main(int argc, char **argv)
{
    static const char *writers[2 * THREADS] = { "a", "b" };
    unsigned i, forks, lost = 0;
    size_t number;
    pthread_t readers[THREADS], threads[2 * THREADS];
    void *counts[2 * THREADS];

    CHECK(argc > 3);
    forks = (unsigned) atoi(argv[3]);
    children = (pid_t *) calloc(forks, sizeof(*children));
    CHECK(children != NULL);
    options = options_in(argv[1]);
    set("dsn", argv[2]);
    set("cache_ttl", "0");
    set("cache_negative_ttl", "0");
    set("durability", "rename");
    set("query_timeout", "30s");
    set("connect_timeout", "30s");
    shared = another_store();

    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&readers[i], NULL, look_up, NULL) == 0);
    }
    for (i = 0; i < 2 * THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL,
                             i < THREADS ? write_files : come_and_go,
                             (void *) writers[i]) == 0);
    }
    forks = fork_children(forks);
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_join(readers[i], NULL) == 0);
    }
    for (i = 0; i < 2 * THREADS; i++) {
        CHECK(pthread_join(threads[i], &counts[i]) == 0);
    }
    ezdfs_store_free(shared);

    shared = another_store();
    for (i = 0; i < forks; i++) {
        lost += children[i] == STORED ? is_lost(shared, "child", i) : 0;
    }
    for (i = 0; i < 2 * THREADS; i++) {
        CHECK(counts[i] != NULL);
        for (number = 0; number < (size_t) counts[i]; number++) {
            lost += is_lost(shared, writers[i], (unsigned) number);
        }
    }
    ezdfs_store_free(shared);
    ezdfs_options_free(options);
    free(children);
    fprintf(stderr, "%u of %u children failed, %u acknowledged files lost\n",
            failed, forks, lost);
    return failed > 0 || lost > 0;
}
