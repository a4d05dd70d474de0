/* What the C programs share. Each gets an empty directory as its argument. */

#ifndef COMMON_H
#define COMMON_H

#include <ezdfs.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

#define CHECK_OK(result, error)                                               \
    do {                                                                      \
        if ((result) != EZDFS_RESULT_OK) {                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,                \
                    (error).message);                                         \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

/* A text and its length, as most functions take it. */
#define TEXT(text) (text), strlen(text)

/* Options for a SQLite store whose database and root are in `directory`. */
static inline ezdfs_options *
options_in(const char *directory)
{
    char dsn[512];
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_options *options = ezdfs_options_new();

    CHECK(options != NULL);
    CHECK(snprintf(dsn, sizeof(dsn), "sqlite:%s/../db.sqlite", directory)
          < (int) sizeof(dsn));
    CHECK_OK(ezdfs_options_set(options, TEXT("dsn"), TEXT(dsn), &error),
             error);
    CHECK_OK(ezdfs_options_set(options, TEXT("root"), TEXT(directory),
                               &error),
             error);
    return options;
}

/* Such a store, with its table. */
static inline ezdfs_store *
store_in(const char *directory)
{
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_store *store;
    ezdfs_options *options = options_in(directory);

    CHECK_OK(ezdfs_store_new(options, &store, &error), error);
    ezdfs_options_free(options);
    CHECK_OK(ezdfs_store_create_schema(store, &error), error);
    return store;
}

#endif
