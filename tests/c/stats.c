/* Processes that count in memory they share, and what is written of it. */

#include "common.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define CHILDREN 3

static const char id[] = "images/missing";

static char text[65536];

static size_t
write_metrics(const ezdfs_store *store, uint32_t format)
{
    size_t            len;
    ezdfs_error       error = EZDFS_INIT(ezdfs_error);
    ezdfs_named_store named = EZDFS_INIT(ezdfs_named_store);

    named.name = "ma\"in";
    named.name_len = strlen(named.name);
    named.store = store;
    CHECK_OK(ezdfs_metrics_write(&named, 1, format, text, sizeof(text) - 1, &len,
                                 &error), error);
    CHECK(len > 0 && len < sizeof(text));
    text[len] = '\0';
    return len;
}

static void
look_up(const char *directory, void *memory)
{
    bool           exists;
    ezdfs_error    error = EZDFS_INIT(ezdfs_error);
    ezdfs_store   *store;
    ezdfs_options *options;

    options = options_in(directory);
    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    ezdfs_options_free(options);
    CHECK_OK(ezdfs_store_share_stats(store, memory, ezdfs_stats_zone_size(),
                                     &error), error);
    CHECK_OK(ezdfs_store_exists(store, id, strlen(id), &exists, &error), error);
    CHECK(!exists);
    CHECK(ezdfs_store_exists(store, "../x", 4, &exists, &error) == EZDFS_RESULT_INVALID_NAME);
    ezdfs_store_free(store);
}

int
main(int argc, char **argv)
{
    int            i, status;
    bool           exists;
    void          *memory;
    size_t         size;
    pid_t          child;
    ezdfs_error    error = EZDFS_INIT(ezdfs_error);
    ezdfs_stats    stats = EZDFS_INIT(ezdfs_stats);
    ezdfs_store   *store;
    ezdfs_options *options;

    CHECK(argc > 1);
    options = options_in(argv[1]);
    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    CHECK_OK(ezdfs_store_create_schema(store, &error), error);
    ezdfs_store_free(store);

    size = ezdfs_stats_zone_size();
    memory = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);

    for (i = 0; i < CHILDREN; i++) {
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            look_up(argv[1], memory);
            /* A new program hides from leak checkers what the runtime has. */
            execl("/bin/true", "true", (char *) NULL);
            _exit(1);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }

    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    CHECK(ezdfs_store_share_stats(store, memory, size - 1, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(ezdfs_store_share_stats(store, NULL, size, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK_OK(ezdfs_store_share_stats(store, memory, size, &error), error);
    /* As the child of a process that has done it. */
    CHECK_OK(ezdfs_store_share_stats(store, memory, size, &error), error);

    write_metrics(store, EZDFS_METRICS_PROMETHEUS);
    CHECK(strstr(text, "ezdfs_lookups_total{store=\"ma\\\"in\",source=\"database\"} 3\n"));
    CHECK(strstr(text, "ezdfs_operations_total{store=\"ma\\\"in\",outcome=\"invalid_name\"} 3\n"));
    CHECK(strstr(text, "ezdfs_connections{store=\"ma\\\"in\"} 0\n"));
    CHECK_OK(ezdfs_store_stats(store, &stats, &error), error);
    CHECK(stats.lookups_database == 3 && stats.lookups_cache == 0);
    CHECK(stats.operations_not_found == 3 && stats.operations_ok == 0);
    CHECK(ezdfs_store_stats(NULL, &stats, &error) == EZDFS_RESULT_INVALID_INPUT);
    CHECK(strstr(ezdfs_metrics_content_type(EZDFS_METRICS_PROMETHEUS), "text/plain"));
    size = write_metrics(store, EZDFS_METRICS_OPENMETRICS);
    CHECK(strcmp(text + size - 6, "# EOF\n") == 0);
    CHECK_OK(ezdfs_metrics_write(NULL, 0, EZDFS_METRICS_PROMETHEUS, NULL, 0, &size,
                                 &error), error);
    CHECK(size == 0);
    CHECK(ezdfs_metrics_write(NULL, 1, EZDFS_METRICS_PROMETHEUS, NULL, 0, &size, &error)
          == EZDFS_RESULT_INVALID_INPUT);

    ezdfs_store_free(store);

    /* Used before, it counts for itself. */
    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    CHECK_OK(ezdfs_store_exists(store, id, strlen(id), &exists, &error), error);
    CHECK(ezdfs_store_share_stats(store, memory, ezdfs_stats_zone_size(), &error)
          == EZDFS_RESULT_INVALID_INPUT);
    ezdfs_store_free(store);
    ezdfs_options_free(options);
    return 0;
}
