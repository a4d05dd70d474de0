/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The blocks <EzdfsStore>, and what becomes of them: counters in the parent, stores in its children.
 */

#include <sys/mman.h>

#include "mod_ezdfs.h"

APLOG_USE_MODULE(ezdfs);

/* In the order of the configuration. */
static mod_ezdfs_store *first_store;
static server_rec *main_server;

mod_ezdfs_store *mod_ezdfs_first_store(void)
{
    return first_store;
}

mod_ezdfs_store *mod_ezdfs_find_store(const char *name)
{
    mod_ezdfs_store *store = first_store;

    while (store && strcmp(store->name, name) != 0) {
        store = store->next;
    }
    return store;
}

/* With the configuration, before it is read again. */
static apr_status_t forget_stores(void *unused)
{
    first_store = NULL;
    return APR_SUCCESS;
}

static apr_status_t free_options(void *options)
{
    ezdfs_options_free(options);
    return APR_SUCCESS;
}

static mod_ezdfs_store *add_store(apr_pool_t *p, const char *name)
{
    mod_ezdfs_store *store = apr_pcalloc(p, sizeof(*store));
    mod_ezdfs_store **place = &first_store;

    store->name = apr_pstrdup(p, name);
    store->options = ezdfs_options_new();
    if (!store->options) {
        return NULL;
    }
    apr_pool_cleanup_register(p, store->options, free_options, apr_pool_cleanup_null);
    if (!first_store) {
        apr_pool_cleanup_register(p, NULL, forget_stores, apr_pool_cleanup_null);
    }
    while (*place) {
        place = &(*place)->next;
    }
    *place = store;
    return store;
}

/* A value whose key was forgotten may hold a password: it is not repeated in a message. */
static int is_key(const char *word)
{
    return word[0] && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-")] == '\0';
}

/* One line of a block: an option and its value. */
static const char *set_option(cmd_parms *cmd, mod_ezdfs_store *store, apr_table_t *seen,
                              const char *line)
{
    apr_pool_t *p = cmd->temp_pool;
    ezdfs_error err = EZDFS_INIT(ezdfs_error);
    const char *key, *value;

    line = ap_resolve_env(p, line);
    key = ap_getword_conf(p, &line);
    if (!is_key(key)) {
        return "no option name where one is expected";
    }
    if (!*line) {
        return apr_psprintf(p, "\"%s\" takes one value", key);
    }
    value = ap_getword_conf(p, &line);
    if (*line) {
        return apr_psprintf(p, "\"%s\" takes one value", key);
    }
    if (*value && value[strlen(value) - 1] == ';') {
        return apr_psprintf(p, "\"%s\" ends with a semicolon, which is nginx's", key);
    }
    if (apr_table_get(seen, key)) {
        return apr_psprintf(p, "duplicate \"%s\"", key);
    }
    apr_table_setn(seen, key, "");
    if (ezdfs_options_set(store->options, key, strlen(key), value, strlen(value), &err)
        != EZDFS_RESULT_OK) {
        return apr_psprintf(p, "invalid \"%s\": %s", key, err.message);
    }
    return NULL;
}

/* The lines up to the block's end; the first that is refused ends it. */
static const char *read_options(cmd_parms *cmd, mod_ezdfs_store *store)
{
    char line[MAX_STRING_LEN];
    apr_table_t *seen = apr_table_make(cmd->temp_pool, 8);
    ezdfs_error err = EZDFS_INIT(ezdfs_error);
    apr_status_t status;

    while ((status = ap_cfg_getline(line, sizeof(line), cmd->config_file)) == APR_SUCCESS) {
        const char *refused;

        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        if (!ap_cstr_casecmp(line, "</EzdfsStore>")) {
            if (ezdfs_options_check(store->options, &err) != EZDFS_RESULT_OK) {
                return apr_psprintf(cmd->pool, "invalid EzdfsStore \"%s\": %s", store->name,
                                    err.message);
            }
            return NULL;
        }
        refused = set_option(cmd, store, seen, line);
        if (refused) {
            return apr_psprintf(cmd->pool, "%s in EzdfsStore \"%s\", line %u", refused,
                                store->name, cmd->config_file->line_number);
        }
    }
    if (status != APR_EOF) {
        return apr_psprintf(cmd->pool, "a line too long in EzdfsStore \"%s\"", store->name);
    }
    return apr_psprintf(cmd->pool, "EzdfsStore \"%s\" has no </EzdfsStore>", store->name);
}

const char *mod_ezdfs_store_block(cmd_parms *cmd, void *section, const char *args)
{
    const char *end = ap_strrchr_c(args, '>');
    const char *name;
    mod_ezdfs_store *store;

    if (!end || end[1]) {
        return "<EzdfsStore> is not closed by \">\"";
    }
    args = apr_pstrmemdup(cmd->temp_pool, args, end - args);
    name = ap_getword_conf(cmd->temp_pool, &args);
    if (!*name || *args || !ap_cstr_casecmp(name, "off")) {
        return "<EzdfsStore> takes the name of a store, which is not \"off\"";
    }
    if (mod_ezdfs_find_store(name)) {
        return apr_psprintf(cmd->pool, "duplicate EzdfsStore \"%s\"", name);
    }
    store = add_store(cmd->pool, name);
    return store ? read_options(cmd, store) : "out of memory";
}

/*
 * Memory for the counters of a store, which lasts as long as the parent: what was counted before
 * a restart stays, unless that brought another build, whose counters may be others. Pages of its
 * own, for the library wants it aligned.
 */
static void *counters_of(process_rec *process, const char *name)
{
    const char *key = apr_psprintf(process->pool, "mod_ezdfs:%u:%" APR_SIZE_T_FMT ":%s",
                                   ezdfs_version_number(), ezdfs_stats_zone_size(), name);
    void *memory = NULL;

    if (apr_pool_userdata_get(&memory, key, process->pool) == APR_SUCCESS && memory) {
        return memory;
    }
    memory = mmap(NULL, ezdfs_stats_zone_size(), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    apr_pool_userdata_setn(memory, key, apr_pool_cleanup_null, process->pool);
    return memory;
}

int mod_ezdfs_share_counters(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    mod_ezdfs_store *store;

    /* Run twice at a start: the first time is to read the configuration alone. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    for (store = first_store; store; store = store->next) {
        store->counters = counters_of(s->process, store->name);
        if (!store->counters) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, errno, s,
                         "no shared memory for the counters of EzdfsStore \"%s\"", store->name);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* What the library tells of itself comes on threads of its own, too. */
static void log_message(ezdfs_log_level level, const char *message)
{
    int severity = level == EZDFS_LOG_LEVEL_ERROR  ? APLOG_ERR
                   : level == EZDFS_LOG_LEVEL_WARN ? APLOG_WARNING
                                                   : APLOG_NOTICE;

    ap_log_error(APLOG_MARK, severity, 0, main_server, "%s", message);
}

/*
 * In each child, after the fork. Nothing closes them: a child of the prefork MPM is ended in a
 * signal's handler, wherever it stands, and the end of the process closes all that there is.
 */
void mod_ezdfs_open_stores(apr_pool_t *pchild, server_rec *s)
{
    mod_ezdfs_store *store;

    main_server = s;
    if (first_store) {
        ezdfs_set_log_handler(log_message);
    }
    for (store = first_store; store; store = store->next) {
        ezdfs_error err = EZDFS_INIT(ezdfs_error);

        if (ezdfs_store_new(store->options, &store->store, &err) != EZDFS_RESULT_OK) {
            store->store = NULL;
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "cannot open EzdfsStore \"%s\": %s",
                         store->name, err.message);
            continue;
        }
        if (ezdfs_store_share_stats(store->store, store->counters, ezdfs_stats_zone_size(), &err)
            != EZDFS_RESULT_OK) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         "metrics of EzdfsStore \"%s\" will be those of one child: %s",
                         store->name, err.message);
        }
    }
}
