/* Structs of another header's size: of a newer one, of one that there never was. */

#include "common.h"

#define CANARY 0x5a

/* A struct as a newer header has it, and what follows it in the program. */
#define NEWER(type)                                                           \
    struct {                                                                  \
        type known;                                                           \
        unsigned char added[24];                                              \
        unsigned char canary[16];                                             \
    }

#define SET_NEWER(newer)                                                      \
    do {                                                                      \
        memset(&(newer), CANARY, sizeof(newer));                              \
        (newer).known.struct_size = sizeof((newer).known)                     \
                                    + sizeof((newer).added);                  \
    } while (0)

static int
are_all(const unsigned char *bytes, size_t len, unsigned char byte)
{
    size_t i;

    for (i = 0; i < len && bytes[i] == byte; i++);
    return i == len;
}

/* What the library does not know is zero, and nothing behind it is written. */
#define CHECK_NEWER(newer)                                                    \
    do {                                                                      \
        CHECK(are_all((newer).added, sizeof((newer).added), 0));              \
        CHECK(are_all((newer).canary, sizeof((newer).canary), CANARY));       \
        CHECK((newer).known.struct_size                                       \
              == sizeof((newer).known) + sizeof((newer).added));              \
    } while (0)

static void
outputs_of_a_newer_header(ezdfs_store *store)
{
    ezdfs_file *file;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    NEWER(ezdfs_info) info;
    NEWER(ezdfs_http) http;
    NEWER(ezdfs_stats) stats;
    NEWER(ezdfs_error) newer_error;

    SET_NEWER(info);
    CHECK_OK(ezdfs_store_stat(store, TEXT("images/a.txt"), &info.known, &error),
             error);
    CHECK(info.known.size == 5 && strcmp(info.known.mime_type, "text/plain") == 0);
    CHECK_NEWER(info);

    CHECK_OK(ezdfs_store_open(store, TEXT("images/a.txt"), &file, &error), error);
    SET_NEWER(http);
    CHECK_OK(ezdfs_file_http(file, &http.known, &error), error);
    CHECK(http.known.content_length == 5);
    CHECK_NEWER(http);
    ezdfs_file_free(file);

    SET_NEWER(stats);
    CHECK_OK(ezdfs_store_stats(store, &stats.known, &error), error);
    CHECK(stats.known.created == 1);
    CHECK_NEWER(stats);

    SET_NEWER(newer_error);
    CHECK(ezdfs_store_stat(store, TEXT("images/none"), &info.known,
                           &newer_error.known) == EZDFS_RESULT_NOT_FOUND);
    CHECK(newer_error.known.code == EZDFS_RESULT_NOT_FOUND);
    CHECK_NEWER(newer_error);
}

/* What a newer header has may be left at zero, and is refused where it is not. */
static void
inputs_of_a_newer_header(ezdfs_store *store)
{
    size_t len;
    ezdfs_file *file = NULL;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    NEWER(ezdfs_request) request;
    NEWER(ezdfs_create_options) options;
    struct {
        ezdfs_named_store known;
        unsigned char added[sizeof(size_t)];
    } named[2];

    memset(&request, 0, sizeof(request));
    request.known.struct_size = sizeof(request.known) + sizeof(request.added);
    request.known.path = "/images/a.txt";
    request.known.path_len = strlen(request.known.path);
    CHECK_OK(ezdfs_store_serve(store, &request.known, &file, NULL, &error), error);
    ezdfs_file_free(file);
    request.added[sizeof(request.added) - 1] = 1;
    CHECK(ezdfs_store_serve(store, &request.known, &file, NULL, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(strstr(error.message, "ezdfs_request") != NULL);
    request.added[sizeof(request.added) - 1] = 0;
    request.known.flags = (uint64_t) 1 << 63;
    CHECK(ezdfs_store_serve(store, &request.known, &file, NULL, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(strstr(error.message, "flags") != NULL);

    memset(&options, 0, sizeof(options));
    options.known.struct_size = sizeof(options.known) + sizeof(options.added);
    options.added[0] = 1;
    CHECK(ezdfs_store_create_from_memory(store, TEXT("images/b.txt"), "hello", 5,
                                         &options.known, NULL, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(strstr(error.message, "ezdfs_create_options") != NULL);

    /* Elements of an array lie as far apart as the program has them. */
    memset(named, 0, sizeof(named));
    named[0].known.struct_size = named[1].known.struct_size = sizeof(named[0]);
    named[0].known.name = named[1].known.name = "main";
    named[0].known.name_len = named[1].known.name_len = 4;
    named[0].known.store = named[1].known.store = store;
    CHECK_OK(ezdfs_metrics_write(&named[0].known, 2, EZDFS_METRICS_PROMETHEUS,
                                 NULL, 0, &len, &error), error);
    CHECK(len > 0);
    named[1].known.struct_size = sizeof(named[1].known);
    CHECK(ezdfs_metrics_write(&named[0].known, 2, EZDFS_METRICS_PROMETHEUS,
                              NULL, 0, &len, &error) == EZDFS_RESULT_INVALID_INPUT);
}

/* Nothing is done where a size is refused, and nothing is written. */
static void
sizes_that_never_were(ezdfs_store *store)
{
    size_t i, sizes[4];
    bool exists;
    uint64_t ticket;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_error untouched, wrong;
    ezdfs_info info;
    ezdfs_create_options options = EZDFS_INIT(ezdfs_create_options);
    ezdfs_completion completion = EZDFS_INIT(ezdfs_completion);
    ezdfs_queue *queue;

    sizes[0] = 0;
    sizes[1] = sizeof(size_t);
    sizes[2] = sizeof(options) - 1;     /* the smallest of them */
    sizes[3] = (size_t) -1;
    for (i = 0; i < 4; i++) {
        memset(&info, CANARY, sizeof(info));
        info.struct_size = sizes[i];
        CHECK(ezdfs_store_create_from_memory(store, TEXT("images/c.txt"), "hello", 5,
                                             NULL, &info, &error)
              == EZDFS_RESULT_INVALID_INPUT);
        CHECK(strstr(error.message, "ezdfs_info") != NULL);
        CHECK(info.mime_type[0] == CANARY && info.struct_size == sizes[i]);

        memset(&wrong, CANARY, sizeof(wrong));
        wrong.struct_size = sizes[i];
        untouched = wrong;
        CHECK(ezdfs_store_create_from_memory(store, TEXT("images/c.txt"), "hello", 5,
                                             NULL, NULL, &wrong)
              == EZDFS_RESULT_INVALID_INPUT);
        CHECK(memcmp(&wrong, &untouched, sizeof(wrong)) == 0);

        options.struct_size = sizes[i];
        CHECK(ezdfs_store_create_from_memory(store, TEXT("images/c.txt"), "hello", 5,
                                             &options, NULL, &error)
              == EZDFS_RESULT_INVALID_INPUT);
        CHECK(strstr(error.message, "ezdfs_create_options") != NULL);
    }
    CHECK_OK(ezdfs_store_exists(store, TEXT("images/c.txt"), &exists, &error), error);
    CHECK(!exists);
    CHECK(ezdfs_store_stat(store, TEXT("images/a.txt"), NULL, &error)
          == EZDFS_RESULT_INVALID_INPUT);

    /* An outcome stays in the queue. */
    CHECK_OK(ezdfs_queue_new(&queue, &error), error);
    CHECK_OK(ezdfs_store_open_start(store, queue, TEXT("images/a.txt"), NULL,
                                    &ticket, &error), error);
    do {
        completion.struct_size = 0;
        CHECK(ezdfs_queue_next(queue, &completion, &error)
              == EZDFS_RESULT_INVALID_INPUT);
        completion.struct_size = sizeof(completion);
        CHECK_OK(ezdfs_queue_next(queue, &completion, &error), error);
    } while (completion.ticket == 0);
    CHECK(completion.ticket == ticket && completion.result == EZDFS_RESULT_OK);
    ezdfs_file_free(completion.file);
    ezdfs_queue_free(queue);
}

int
main(int argc, char **argv)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;

    CHECK(argc > 1);
    store = store_in(argv[1]);
    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/a.txt"), "hello", 5,
                                            NULL, NULL, &error), error);
    outputs_of_a_newer_header(store);
    inputs_of_a_newer_header(store);
    sizes_that_never_were(store);
    ezdfs_store_free(store);
    return 0;
}
