/* Files that legacy has soft-deleted go to the trash, and from there for good. Such
   a one, and a live one, are in the store already. */

#include "common.h"

#include <dirent.h>

#define GONE "var/site/storage/images/gone.png"
#define LIVE "var/site/storage/images/live.png"

struct told {
    int calls;
    bool goes_on;
};

static bool
hear(void *context, const char *id, size_t id_len, bool has_file)
{
    struct told *told = (struct told *) context;

    CHECK(id_len == strlen(GONE) && memcmp(id, GONE, id_len) == 0);
    CHECK(has_file);
    told->calls++;
    return told->goes_on;
}

static int
is_there(const char *directory, const char *id)
{
    char path[512];

    CHECK(snprintf(path, sizeof(path), "%s/%s", directory, id) < (int) sizeof(path));
    return access(path, F_OK) == 0;
}

static void
purge(const char *directory, ezdfs_store *store)
{
    char state[512];
    uint64_t none = 0;
    const char *globs[1] = { "**/gone.png" };
    struct told told = { 0, false };
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_purged purged = EZDFS_INIT(ezdfs_purged);
    ezdfs_purge_options options = EZDFS_INIT(ezdfs_purge_options);

    CHECK(ezdfs_store_purge(store, NULL, &purged, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(ezdfs_store_purge(store, &options, &purged, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(strstr(error.message, "state") != NULL);

    /* Nothing is remembered where files are stored. */
    CHECK(snprintf(state, sizeof(state), "%s/state", directory) < (int) sizeof(state));
    options.state = state;
    options.state_len = strlen(state);
    CHECK(ezdfs_store_purge(store, &options, &purged, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(!is_there(directory, "state"));
    CHECK(snprintf(state, sizeof(state), "%s/../state", directory)
          < (int) sizeof(state));
    options.state_len = strlen(state);

    options.flags = EZDFS_PURGE_DRY_RUN | 128;
    CHECK(ezdfs_store_purge(store, &options, &purged, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    options.flags = 0;

    /* It is seen for the first time. */
    CHECK_OK(ezdfs_store_purge(store, &options, &purged, &error), error);
    CHECK(purged.kept == 1 && purged.due == 0 && purged.files == 0);
    CHECK(purged.journal[0] == '\0');

    options.grace = &none;
    options.due = hear;
    options.context = &told;
    CHECK(ezdfs_store_purge(store, &options, &purged, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(told.calls == 1 && is_there(directory, GONE));
    told.goes_on = true;

    options.exclude = globs;
    options.exclude_len = 1;
    CHECK_OK(ezdfs_store_purge(store, &options, &purged, &error), error);
    CHECK(told.calls == 1 && purged.foreign == 1 && is_there(directory, GONE));
    options.exclude = NULL;
    options.exclude_len = 0;

    options.flags = EZDFS_PURGE_DRY_RUN;
    CHECK_OK(ezdfs_store_purge(store, &options, &purged, &error), error);
    CHECK(told.calls == 2 && purged.due == 1 && is_there(directory, GONE));
    options.flags = 0;

    options.max_remove = &none;
    CHECK(ezdfs_store_purge(store, &options, &purged, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    CHECK(is_there(directory, GONE));
    options.max_remove = NULL;

    CHECK_OK(ezdfs_store_purge(store, &options, &purged, &error), error);
    CHECK(purged.due == 1 && purged.files == 1 && purged.kept == 0);
    CHECK(purged.journal[0] != '\0');
    CHECK(!is_there(directory, GONE) && is_there(directory, LIVE));
}

/* Has what went today gone long ago: a folder of the trash is named after its day. */
static void
age_trash(const char *directory)
{
    int aged = 0;
    char trash[512], from[1024], to[1024];
    DIR *entries;
    struct dirent *entry;

    CHECK(snprintf(trash, sizeof(trash), "%s/.ezdfs-trash", directory)
          < (int) sizeof(trash));
    CHECK((entries = opendir(trash)) != NULL);
    while ((entry = readdir(entries)) != NULL && !aged) {
        if (strlen(entry->d_name) == strlen("2001-01-01") && entry->d_name[0] == '2') {
            snprintf(from, sizeof(from), "%s/%s", trash, entry->d_name);
            snprintf(to, sizeof(to), "%s/2001-01-01", trash);
            CHECK(rename(from, to) == 0);
            aged = 1;
        }
    }
    CHECK(closedir(entries) == 0 && aged);
}

static void
empty_trash(const char *directory, ezdfs_store *store)
{
    uint64_t none = 0;
    ezdfs_error error = EZDFS_INIT(ezdfs_error);
    ezdfs_emptied emptied = EZDFS_INIT(ezdfs_emptied);
    ezdfs_empty_options options = EZDFS_INIT(ezdfs_empty_options);

    /* What went today stays until the day is over. */
    emptied.files = 7;
    CHECK_OK(ezdfs_store_empty_trash(store, NULL, &emptied, &error), error);
    CHECK(emptied.files == 0 && emptied.needed == 0);
    options.flags = 128;
    CHECK(ezdfs_store_empty_trash(store, &options, &emptied, &error)
          == EZDFS_RESULT_INVALID_INPUT);

    age_trash(directory);
    options.flags = 0;
    options.max_remove = &none;
    CHECK(ezdfs_store_empty_trash(store, &options, &emptied, &error)
          == EZDFS_RESULT_INVALID_INPUT);
    options.flags = EZDFS_PURGE_DRY_RUN;
    CHECK_OK(ezdfs_store_empty_trash(store, &options, &emptied, &error), error);
    CHECK(emptied.files == 1);
    CHECK_OK(ezdfs_store_empty_trash(store, NULL, &emptied, &error), error);
    CHECK(emptied.files == 1);
    CHECK_OK(ezdfs_store_empty_trash(store, NULL, &emptied, &error), error);
    CHECK(emptied.files == 0);
}

int
main(int argc, char **argv)
{
    ezdfs_store *store;

    CHECK(argc > 1);
    store = store_in(argv[1]);
    purge(argv[1], store);
    empty_trash(argv[1], store);
    ezdfs_store_free(store);
    return 0;
}
