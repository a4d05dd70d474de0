
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


static char *ngx_http_ezdfs_check_threads(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_ezdfs_use_threads(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf);
static void ngx_http_ezdfs_warn_of_threads(ngx_conf_t *cf,
    ngx_http_ezdfs_loc_conf_t *conf);
static char *ngx_http_ezdfs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


static ngx_conf_post_t  ngx_http_ezdfs_threads_post = {
    ngx_http_ezdfs_check_threads
};


ngx_command_t  ngx_http_ezdfs_commands[] = {

    /* ezdfs_store name { key value; ... }; http */
    { ngx_string("ezdfs_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_ezdfs_store_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    /* ezdfs name; location */
    { ngx_string("ezdfs"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_ezdfs,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    /* ezdfs_drafts on | off; default off; http, server, location */
    { ngx_string("ezdfs_drafts"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_ezdfs_loc_conf_t, drafts),
      NULL },

    /* ezdfs_threads on | off; default on; http, server, location */
    { ngx_string("ezdfs_threads"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_ezdfs_loc_conf_t, threads),
      &ngx_http_ezdfs_threads_post },

    /* ezdfs_metrics; location */
    { ngx_string("ezdfs_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_ezdfs_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


void *
ngx_http_ezdfs_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_ezdfs_main_conf_t  *emcf;

    emcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_ezdfs_main_conf_t));
    if (emcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&emcf->stores, cf->pool, 4,
                       sizeof(ngx_http_ezdfs_store_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return emcf;
}


void *
ngx_http_ezdfs_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_ezdfs_loc_conf_t  *conf;

    /*
     * set by ngx_pcalloc():
     *
     *     conf->store = NULL;
     *     conf->name = { 0, NULL };
     */

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_ezdfs_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->drafts = NGX_CONF_UNSET;
    conf->threads = NGX_CONF_UNSET;

    return conf;
}


/* Only here is every store known, whatever the order of the directives. */

char *
ngx_http_ezdfs_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_ezdfs_loc_conf_t *prev = parent;
    ngx_http_ezdfs_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_ezdfs_main_conf_t  *emcf;

    ngx_conf_merge_value(conf->drafts, prev->drafts, 0);
    ngx_conf_merge_value(conf->threads, prev->threads, 1);

    if (conf->name.data) {
        emcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ezdfs_module);

        conf->store = ngx_http_ezdfs_find_store(emcf, &conf->name);

        if (conf->store == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown ezdfs_store \"%V\" "
                          "in \"ezdfs\" directive in %s:%ui",
                          &conf->name, conf->file_name, conf->line);
            return NGX_CONF_ERROR;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* "if" and "limit_except" blocks keep the handler of their location */

    if (clcf->noname && conf->store == NULL) {
        conf->store = prev->store;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL && conf->store) {
        clcf->handler = ngx_http_ezdfs_handler;
    }

    if (conf->store && conf->threads && clcf->aio == NGX_HTTP_AIO_OFF) {

        if (ngx_http_ezdfs_use_threads(cf, clcf) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        if (clcf->aio == NGX_HTTP_AIO_OFF) {
            ngx_http_ezdfs_warn_of_threads(cf, conf);
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ezdfs_check_threads(ngx_conf_t *cf, void *post, void *data)
{
#if !(NGX_THREADS)
    ngx_flag_t *fp = data;

    if (*fp) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ezdfs_threads on\" "
                           "is unsupported on this platform: "
                           "the module was built without \"--with-threads\"");
        return NGX_CONF_ERROR;
    }

#endif

    return NGX_CONF_OK;
}


/*
 * A mount that hangs must not hold up the worker: what is not in memory is read
 * by nginx's threads, as with "aio threads".
 */

static char *
ngx_http_ezdfs_use_threads(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf)
{
#if (NGX_THREADS)

    clcf->thread_pool = ngx_thread_pool_add(cf, NULL);
    if (clcf->thread_pool == NULL) {
        return NGX_CONF_ERROR;
    }

    clcf->aio = NGX_HTTP_AIO_THREADS;

#endif

    return NGX_CONF_OK;
}


/* Once: what is to be done is the same for all locations. */

static void
ngx_http_ezdfs_warn_of_threads(ngx_conf_t *cf, ngx_http_ezdfs_loc_conf_t *conf)
{
    ngx_http_ezdfs_main_conf_t  *emcf;

    emcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ezdfs_module);

    if (emcf->without_threads || conf->name.data == NULL) {
        return;
    }

    emcf->without_threads = 1;

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "the ezdfs module was built without \"--with-threads\": "
                  "a mount that hangs holds up all requests of a worker; "
                  "build it again, or set \"aio threads\", or accept that by "
                  "\"ezdfs_threads off\" in %s:%ui",
                  conf->file_name, conf->line);
}


static char *
ngx_http_ezdfs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ezdfs_loc_conf_t *elcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (elcf->name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    elcf->name = value[1];
    elcf->file_name = cf->conf_file->file.name.data;
    elcf->line = cf->conf_file->line;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_ezdfs_handler;

    return NGX_CONF_OK;
}
