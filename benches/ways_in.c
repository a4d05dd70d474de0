/*
 * The two ways in which an event loop can open a stored file, side by side:
 * threads of the host that block in ezdfs_store_open(), 32 as in nginx's
 * default pool, and ezdfs_store_open_start() with its queue. Each keeps
 * IN_FLIGHT look-ups going. Caches off: every look-up is a query and an open.
 *
 *     ways_in DSN ROOT ID
 *
 * Prints for each round and way: name, look-ups a second, and the CPU
 * microseconds of this process for one look-up.
 */

#include <ezdfs.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 32, IN_FLIGHT = 64, LOOK_UPS = 10000, ROUNDS = 5 };

static ezdfs_store *store;
static const char *id;

static void
must(ezdfs_result result, const ezdfs_error *error)
{
    if (result != EZDFS_RESULT_OK) {
        fprintf(stderr, "ways_in: %s\n", error->message);
        exit(1);
    }
}

/* A pool as nginx has it: tasks behind a mutex, completions behind another,
 * an eventfd to wake the loop. */
static pthread_mutex_t tasks_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t tasks_ready = PTHREAD_COND_INITIALIZER;
static int tasks, done, wake_up;
static pthread_mutex_t done_mutex = PTHREAD_MUTEX_INITIALIZER;

static void *
worker(void *unused)
{
    uint64_t one = 1;
    ezdfs_file *file;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    (void) unused;
    for (;;) {
        pthread_mutex_lock(&tasks_mutex);
        while (tasks == 0) {
            pthread_cond_wait(&tasks_ready, &tasks_mutex);
        }
        tasks--;
        pthread_mutex_unlock(&tasks_mutex);
        must(ezdfs_store_open(store, id, strlen(id), &file, &error), &error);
        ezdfs_file_free(file);
        pthread_mutex_lock(&done_mutex);
        done++;
        pthread_mutex_unlock(&done_mutex);
        if (write(wake_up, &one, sizeof(one)) != sizeof(one)) {
            exit(1);
        }
    }
    return NULL;
}

static void
post(int count)
{
    pthread_mutex_lock(&tasks_mutex);
    tasks += count;
    pthread_cond_broadcast(&tasks_ready);
    pthread_mutex_unlock(&tasks_mutex);
}

static void
by_threads(void)
{
    int left = LOOK_UPS, count;
    uint64_t counter;

    post(IN_FLIGHT);
    while (left > 0) {
        if (read(wake_up, &counter, sizeof(counter)) != sizeof(counter)) {
            exit(1);
        }
        pthread_mutex_lock(&done_mutex);
        count = done;
        done = 0;
        pthread_mutex_unlock(&done_mutex);
        left -= count;
        if (left >= IN_FLIGHT) {
            post(count);
        } else if (left + count > IN_FLIGHT) {
            post(left + count - IN_FLIGHT);
        }
    }
}

static void
by_queue(void)
{
    int left = LOOK_UPS, started = 0;
    uint64_t ticket;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_queue *queue;
    ezdfs_completion completion = EZDFS_INIT(ezdfs_completion);
    struct pollfd ready;

    must(ezdfs_queue_new(&queue, &error), &error);
    ready.fd = ezdfs_queue_fd(queue);
    ready.events = POLLIN;
    while (left > 0) {
        while (started < LOOK_UPS && started - (LOOK_UPS - left) < IN_FLIGHT) {
            must(ezdfs_store_open_start(store, queue, id, strlen(id), NULL,
                                        &ticket, &error), &error);
            started++;
        }
        poll(&ready, 1, -1);
        while (ezdfs_queue_next(queue, &completion, &error) == EZDFS_RESULT_OK
               && completion.ticket != 0)
        {
            must(completion.result, &error);
            ezdfs_file_free(completion.file);
            left--;
        }
    }
    ezdfs_queue_free(queue);
}

static double
seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void
measure(const char *name, void (*way)(void))
{
    double wall = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);

    way();
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%s %.0f %.2f\n", name, LOOK_UPS / wall, cpu * 1e6 / LOOK_UPS);
}

int
main(int argc, char **argv)
{
    int i;
    pthread_t thread;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_options *options = ezdfs_options_new();
    const char *settings[][2] = {
        {"dsn", argc > 3 ? argv[1] : ""},
        {"root", argc > 3 ? argv[2] : ""},
        {"cache_ttl", "0"},
    };

    if (argc != 4) {
        fprintf(stderr, "usage: ways_in DSN ROOT ID\n");
        return 2;
    }
    id = argv[3];
    for (i = 0; i < 3; i++) {
        must(ezdfs_options_set(options, settings[i][0], strlen(settings[i][0]),
                               settings[i][1], strlen(settings[i][1]),
                               &error), &error);
    }
    must(ezdfs_store_new(options, &store, &error), &error);
    wake_up = eventfd(0, 0);
    for (i = 0; i < THREADS; i++) {
        pthread_create(&thread, NULL, worker, NULL);
    }
    for (i = 0; i < ROUNDS; i++) {
        measure("threads", by_threads);
        measure("queue", by_queue);
    }
    return 0;
}
