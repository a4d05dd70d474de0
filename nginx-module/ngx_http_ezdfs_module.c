
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


/* descriptors of a worker, and those of each store: connections, files */
#define NGX_HTTP_EZDFS_OWN_FILES    32
#define NGX_HTTP_EZDFS_STORE_FILES  32


static ngx_int_t ngx_http_ezdfs_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_ezdfs_init_process(ngx_cycle_t *cycle);
static void ngx_http_ezdfs_log(ezdfs_log_level level, const char *message);
static void ngx_http_ezdfs_exit_process(ngx_cycle_t *cycle);

static ngx_int_t ngx_http_ezdfs_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_ezdfs_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_ezdfs_module_ctx = {
    ngx_http_ezdfs_add_variables,          /* preconfiguration */
    ngx_http_ezdfs_init,                   /* postconfiguration */

    ngx_http_ezdfs_create_main_conf,       /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_ezdfs_create_loc_conf,        /* create location configuration */
    ngx_http_ezdfs_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_ezdfs_module = {
    NGX_MODULE_V1,
    &ngx_http_ezdfs_module_ctx,            /* module context */
    ngx_http_ezdfs_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_ezdfs_init_module,            /* init module */
    ngx_http_ezdfs_init_process,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_ezdfs_exit_process,           /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


/* nginx itself compares the limit with worker_connections. */

static ngx_int_t
ngx_http_ezdfs_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t                   limit, floor;
    struct rlimit                rlmt;
    ngx_core_conf_t             *ccf;
    ngx_http_ezdfs_main_conf_t  *emcf;

    emcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_ezdfs_module);

    if (emcf == NULL || emcf->stores.nelts == 0) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ccf->rlimit_nofile != NGX_CONF_UNSET) {
        limit = ccf->rlimit_nofile;

    } else if (getrlimit(RLIMIT_NOFILE, &rlmt) == 0) {
        limit = rlmt.rlim_cur;

    } else {
        return NGX_OK;
    }

    floor = NGX_HTTP_EZDFS_OWN_FILES
            + NGX_HTTP_EZDFS_STORE_FILES * emcf->stores.nelts;

    if (limit < floor) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "a worker may open %ui files, and ezdfs needs %ui "
                      "besides those of connections: requests will be answered "
                      "with 503; raise \"worker_rlimit_nofile\"",
                      limit, floor);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ezdfs_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ezdfs_error                   err;
    ngx_http_ezdfs_store_t      **stores;
    ngx_http_ezdfs_main_conf_t   *emcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    emcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_ezdfs_module);

    if (emcf == NULL || emcf->stores.nelts == 0) {
        return NGX_OK;
    }

    ezdfs_set_log_handler(ngx_http_ezdfs_log);

    stores = emcf->stores.elts;

    for (i = 0; i < emcf->stores.nelts; i++) {

        ngx_memzero(&err, sizeof(ezdfs_error));
        err.struct_size = sizeof(ezdfs_error);

        if (ezdfs_store_new(stores[i]->options, &stores[i]->store, &err)
            != EZDFS_RESULT_OK)
        {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "cannot open ezdfs_store \"%V\": %s",
                          &stores[i]->name, err.message);
            return NGX_ERROR;
        }

        if (ezdfs_store_share_stats(stores[i]->store, stores[i]->zone->data,
                                    ezdfs_stats_zone_size(), &err)
            != EZDFS_RESULT_OK)
        {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "ezdfs_metrics of ezdfs_store \"%V\" will be "
                          "those of one worker: %s",
                          &stores[i]->name, err.message);
        }
    }

    return ngx_http_ezdfs_open_queue(cycle);
}


/*
 * What ezdfs tells of itself comes on threads of its own, too.  Like nginx's
 * thread pools, they log to the cycle's log: a message goes out by one write().
 */

static void
ngx_http_ezdfs_log(ezdfs_log_level level, const char *message)
{
    ngx_uint_t  ngx_level;

    switch (level) {

    case EZDFS_LOG_LEVEL_ERROR:
        ngx_level = NGX_LOG_ERR;
        break;

    case EZDFS_LOG_LEVEL_WARN:
        ngx_level = NGX_LOG_WARN;
        break;

    default:
        ngx_level = NGX_LOG_NOTICE;
    }

    ngx_log_error(ngx_level, ngx_cycle->log, 0, "%s", message);
}


static void
ngx_http_ezdfs_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_ezdfs_store_t      **stores;
    ngx_http_ezdfs_main_conf_t   *emcf;

    if (ngx_http_ezdfs_queue == NULL) {
        return;
    }

    ngx_http_ezdfs_close_queue();

    emcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_ezdfs_module);

    if (emcf == NULL) {
        return;
    }

    stores = emcf->stores.elts;

    for (i = 0; i < emcf->stores.nelts; i++) {
        ezdfs_store_free(stores[i]->store);
        stores[i]->store = NULL;
    }

    ezdfs_set_log_handler(NULL);
}


/*
 * Headers of a refusal belong to the answer only as long as that keeps the
 * status: an error_page may turn it into something else.
 */

static ngx_int_t
ngx_http_ezdfs_header_filter(ngx_http_request_t *r)
{
    char                  *value;
    ngx_uint_t             seconds;
    ngx_http_ezdfs_ctx_t  *ctx;

    if (r != r->main
        || (r->err_status != NGX_HTTP_SERVICE_UNAVAILABLE
            && r->err_status != NGX_HTTP_NOT_ALLOWED))
    {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_ezdfs_get_ctx(r);

    if (ctx == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx->refused && r->err_status == NGX_HTTP_NOT_ALLOWED) {

        if (ngx_http_ezdfs_push_header(r, "Allow", "GET, HEAD") == NULL) {
            return NGX_ERROR;
        }
    }

    if (ctx->answered && r->err_status == NGX_HTTP_SERVICE_UNAVAILABLE) {

        seconds = ezdfs_result_retry_after(ctx->code);

        if (seconds) {
            value = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1);
            if (value == NULL) {
                return NGX_ERROR;
            }

            ngx_sprintf((u_char *) value, "%ui%Z", seconds);

            if (ngx_http_ezdfs_push_header(r, "Retry-After", value) == NULL) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_ezdfs_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_ezdfs_header_filter;

    return NGX_OK;
}
