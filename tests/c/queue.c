/* Look-ups whose outcomes an event loop waits for. */

#include "common.h"

#include <poll.h>

#define LOOK_UPS 50

static ezdfs_queue *queue;

static bool
take(ezdfs_completion *completion, ezdfs_error *error)
{
    CHECK(ezdfs_queue_next(queue, completion, error) == EZDFS_RESULT_OK);
    return completion->ticket != 0;
}

/* Waits for the descriptor, as an event loop does. */
static bool
next(ezdfs_completion *completion, ezdfs_error *error)
{
    struct pollfd ready = {0, POLLIN, 0};

    ready.fd = ezdfs_queue_fd(queue);
    CHECK(poll(&ready, 1, 60000) == 1);
    return take(completion, error);
}

static void
nothing_waits(void)
{
    ezdfs_completion completion = EZDFS_INIT(ezdfs_completion);
    struct pollfd ready = {0, POLLIN, 0};

    ready.fd = ezdfs_queue_fd(queue);
    completion.ticket = 7;
    CHECK(!take(&completion, NULL));
    CHECK(poll(&ready, 1, 0) == 0);
}

/* One who does not wait for the mount has the first byte, from one or the other. */
static void
check_content(const ezdfs_file *file)
{
    char byte = 0;
    const uint8_t *content = ezdfs_file_content(file);

    if (content != NULL) {
        byte = (char)*content;
    } else {
        CHECK(ezdfs_file_in_memory(file));
        CHECK(pread(ezdfs_file_fd(file), &byte, 1, 0) == 1);
    }
    CHECK(byte == 'x');
}

/* Says whether the answer was there at once. */
static bool
serve(ezdfs_store *store, const char *path, const char *raw, uint64_t flags,
      ezdfs_result expected)
{
    uint64_t ticket;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_request request = EZDFS_INIT(ezdfs_request);
    ezdfs_completion completion = EZDFS_INIT(ezdfs_completion);

    request.path = path;
    request.path_len = strlen(path);
    request.raw_path = raw;
    request.raw_path_len = raw == NULL ? 0 : strlen(raw);
    request.flags = flags;
    CHECK_OK(ezdfs_store_serve_start(store, queue, &request, &request,
                                     &ticket, &completion, &error), error);
    if (ticket != 0) {
        CHECK(next(&completion, &error));
        CHECK(completion.ticket == ticket);
    }
    CHECK(completion.data == &request);
    CHECK(completion.result == expected);
    CHECK(expected == EZDFS_RESULT_OK || error.code == expected);
    CHECK((completion.file != NULL) == (expected == EZDFS_RESULT_OK));
    if (completion.file != NULL && flags == EZDFS_SERVE_READ) {
        check_content(completion.file);
    }
    ezdfs_file_free(completion.file);
    return ticket == 0;
}

/* What is served is told by the name; where ids and URLs begin does not matter. */
static void
serve_with(const char *directory, const char *name_prefix,
           const char *url_prefix, const char *picture, const char *original)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;
    ezdfs_options *options = options_in(directory);
    char path[256];

    CHECK_OK(ezdfs_options_set(options, TEXT("name_prefix"), TEXT(name_prefix),
                               &error), error);
    CHECK_OK(ezdfs_options_set(options, TEXT("url_prefix"), TEXT(url_prefix),
                               &error), error);
    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    ezdfs_options_free(options);
    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT(picture), "x", 1, NULL,
                                            NULL, &error), error);
    CHECK(snprintf(path, sizeof(path), "/%s", picture) < (int) sizeof(path));
    serve(store, path, NULL, 0, EZDFS_RESULT_OK);
    CHECK(snprintf(path, sizeof(path), "/%s", original) < (int) sizeof(path));
    serve(store, path, NULL, 0, EZDFS_RESULT_DENIED);
    serve(store, path, NULL, EZDFS_SERVE_ORIGINALS, EZDFS_RESULT_NOT_FOUND);
    ezdfs_store_free(store);
}

int
main(int argc, char **argv)
{
    int i, seen = 0, numbers[LOOK_UPS];
    bool at_once = false;
    uint64_t tickets[LOOK_UPS];
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;
    ezdfs_completion completion = EZDFS_INIT(ezdfs_completion);

    CHECK(argc > 1);
    store = store_in(argv[1]);
    CHECK_OK(ezdfs_queue_new(&queue, &error), error);
    nothing_waits();

    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/a.png"), "x",
                                            1, NULL, NULL, &error), error);
    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("images/50%25.png"),
                                            "x", 1, NULL, NULL, &error),
             error);
    CHECK_OK(ezdfs_store_create_from_memory(store, TEXT("original/a/b"), "x",
                                            1, NULL, NULL, &error), error);

    serve(store, "/images/a.png", "/images/a.png", 0, EZDFS_RESULT_OK);
    serve(store, "/images/a.png", NULL, 0, EZDFS_RESULT_OK);

    /* Read elsewhere each time, and often, it is in memory at last. */
    for (i = 0; i < 10; i++) {
        at_once = serve(store, "/images/a.png", NULL, EZDFS_SERVE_READ,
                        EZDFS_RESULT_OK);
        CHECK(i > 1 || !at_once);
    }
    CHECK(at_once);
    CHECK(serve(store, "/images/a.png", NULL,
                EZDFS_SERVE_READ|EZDFS_SERVE_BLOCKING, EZDFS_RESULT_OK));

    serve(store, "/images/50%.png", "/images/50%25.png", 0, EZDFS_RESULT_OK);
    serve(store, "/images/50%25.png", "/images/50%2525.png", 0,
          EZDFS_RESULT_OK);
    serve(store, "/images/b.png", NULL, 0, EZDFS_RESULT_NOT_FOUND);
    serve(store, "/images/b.png", NULL, 0, EZDFS_RESULT_NOT_FOUND);
    serve(store, "/original/a/b", NULL, EZDFS_SERVE_DRAFTS,
          EZDFS_RESULT_DENIED);
    serve(store, "/original/a/b", NULL, EZDFS_SERVE_ORIGINALS,
          EZDFS_RESULT_OK);
    serve(store, "/images/../original/a/b", NULL, 0,
          EZDFS_RESULT_INVALID_NAME);
    serve(store, "/images/a.png", "/images%2Fa.png", 0,
          EZDFS_RESULT_INVALID_NAME);

    serve_with(argv[1], "var", "/", "one/storage/images/b.png",
               "one/storage/original/images/b");
    serve_with(argv[1], "var/two", "http://static.example.com/",
               "storage/images/c.png", "storage/original/images/c");
    serve_with(argv[1], "files", "/", "images/d.png", "original/images/d");

    /* Every look-up that is not cancelled comes once, with its own data. */
    for (i = 0; i < LOOK_UPS; i++) {
        numbers[i] = i;
        CHECK_OK(ezdfs_store_open_start(store, queue, TEXT("images/a.png"),
                                        &numbers[i], &tickets[i], &error),
                 error);
    }
    for (i = 0; i < LOOK_UPS; i += 2) {
        ezdfs_queue_cancel(queue, tickets[i]);
    }
    while (seen < LOOK_UPS / 2) {
        while (take(&completion, &error)) {
            i = *(int *) completion.data;
            CHECK(i % 2 == 1 && completion.ticket == tickets[i]);
            numbers[i] = 0;
            CHECK_OK(completion.result, error);
            ezdfs_file_free(completion.file);
            seen++;
        }
    }
    nothing_waits();
    ezdfs_queue_cancel(queue, tickets[1]);

    /* What is under way when the queue goes is given up. */
    for (i = 0; i < LOOK_UPS; i++) {
        CHECK_OK(ezdfs_store_open_start(store, queue, TEXT("images/a.png"),
                                        NULL, &tickets[i], &error), error);
    }
    ezdfs_queue_free(queue);
    ezdfs_store_free(store);
    return 0;
}
