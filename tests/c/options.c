/* Options are refused by name, and nothing is touched on failure. */

#include "common.h"

static void
refused(ezdfs_options *options, const char *key, const char *value)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);

    CHECK(ezdfs_options_set(options, TEXT(key), TEXT(value), &error)
          == EZDFS_RESULT_INVALID_CONFIG);
    CHECK(error.code == EZDFS_RESULT_INVALID_CONFIG);
    CHECK(strstr(error.message, key) != NULL);
    CHECK(strstr(error.message, "hunter2") == NULL);
}

int
main(int argc, char **argv)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store = NULL;
    ezdfs_options *options = ezdfs_options_new();

    CHECK(argc > 1);

    refused(options, "no_such_key", "x");
    refused(options, "cache_ttl", "soon");
    refused(options, "dsn", "mysql://user:hunter2@host");
    refused(options, "root", "relative");
    refused(options, "dsn", "mysql://user:hunter2@host/\xff");
    CHECK(ezdfs_options_set(options, TEXT("\xff"), TEXT("x"), NULL)
          == EZDFS_RESULT_INVALID_CONFIG);

    CHECK(ezdfs_options_check(options, &error)
          == EZDFS_RESULT_INVALID_CONFIG);
    CHECK(strstr(error.message, "dsn") != NULL);
    CHECK(ezdfs_store_new(options, &store, &error)
          == EZDFS_RESULT_INVALID_CONFIG);
    CHECK(store == NULL);
    ezdfs_options_free(options);

    options = options_in(argv[1]);
    CHECK_OK(ezdfs_options_check(options, &error), error);
    ezdfs_options_free(options);

    /* Freeing nothing is allowed; using nothing is an error, not a crash. */
    ezdfs_options_free(NULL);
    ezdfs_store_free(NULL);
    ezdfs_queue_free(NULL);
    ezdfs_file_free(NULL);
    CHECK(ezdfs_options_set(NULL, TEXT("root"), TEXT("/"), &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(ezdfs_store_new(NULL, &store, NULL) == EZDFS_RESULT_INVALID_INPUT);
    CHECK(ezdfs_store_check_schema(NULL, NULL) == EZDFS_RESULT_INVALID_INPUT);

    CHECK(strcmp(ezdfs_result_name(EZDFS_RESULT_OK), "ok") == 0);
    CHECK(strcmp(ezdfs_result_name(EZDFS_RESULT_NOT_FOUND), "not_found") == 0);
    CHECK(strcmp(ezdfs_result_name(12345), "unknown") == 0);
    CHECK(ezdfs_result_http_status(EZDFS_RESULT_NOT_FOUND) == 404);
    CHECK(ezdfs_result_http_status(EZDFS_RESULT_UNAVAILABLE) == 503);
    CHECK(ezdfs_result_retry_after(EZDFS_RESULT_UNAVAILABLE) > 0);
    CHECK(ezdfs_result_retry_after(EZDFS_RESULT_NOT_FOUND) == 0);
    return 0;
}
