
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


static void ngx_http_ezdfs_start(ngx_http_request_t *r,
    ngx_http_ezdfs_ctx_t *ctx, ezdfs_completion *completion, ezdfs_error *err);
static void ngx_http_ezdfs_log_error(ngx_http_request_t *r,
    ezdfs_error *error);
static ngx_http_ezdfs_ctx_t *ngx_http_ezdfs_create_ctx(ngx_http_request_t *r);
static void ngx_http_ezdfs_cleanup(void *data);
static ngx_uint_t ngx_http_ezdfs_failed(ngx_connection_t *c);


ngx_int_t
ngx_http_ezdfs_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ezdfs_error            err;
    ezdfs_completion       completion;
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = ngx_http_ezdfs_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        ctx->refused = 1;
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    err.struct_size = sizeof(ezdfs_error);
    completion.struct_size = sizeof(ezdfs_completion);

    ngx_http_ezdfs_start(r, ctx, &completion, &err);

    if (ctx->ticket) {
        return ngx_http_ezdfs_wait(r, ctx);
    }

    return ngx_http_ezdfs_answer(r, ctx, &completion, &err);
}


/* Either ctx->ticket or the completion is set at the end. */

static void
ngx_http_ezdfs_start(ngx_http_request_t *r, ngx_http_ezdfs_ctx_t *ctx,
    ezdfs_completion *completion, ezdfs_error *err)
{
    u_char                     *p, *last;
    ezdfs_result                code;
    ezdfs_request               request;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_ezdfs_loc_conf_t  *elcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    elcf = ngx_http_get_module_loc_conf(r, ngx_http_ezdfs_module);

    ngx_memzero(&request, sizeof(ezdfs_request));
    request.struct_size = sizeof(ezdfs_request);

    request.path = (char *) r->uri.data;
    request.path_len = r->uri.len;

    /* a rewritten URI has no other spelling on the wire */

    if (r->valid_unparsed_uri) {
        p = r->unparsed_uri.data;
        last = p + r->unparsed_uri.len;

        while (p < last && *p != '?' && *p != '#') { p++; }

        request.raw_path = (char *) r->unparsed_uri.data;
        request.raw_path_len = p - r->unparsed_uri.data;
    }

    if (elcf->drafts) {
        request.flags |= EZDFS_SERVE_DRAFTS;
    }

    /* only an internal redirect that the site authorised gets here */

    if (clcf->internal) {
        request.flags |= EZDFS_SERVE_ORIGINALS;
    }

    /* O_DIRECT would be set for all who share the descriptor */

    if (clcf->directio != NGX_OPEN_FILE_DIRECTIO_OFF) {
        request.flags |= EZDFS_SERVE_ALONE;
    }

    if (r->method != NGX_HTTP_HEAD) {
        request.flags |= EZDFS_SERVE_READ;
    }

    /* threads, where there are any, read instead of this one */

    if (clcf->aio != NGX_HTTP_AIO_THREADS) {
        request.flags |= EZDFS_SERVE_BLOCKING;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "ezdfs: start \"%V\" in \"%V\" flags:%uL",
                   &r->uri, &elcf->store->name, request.flags);

    code = ezdfs_store_serve_start(ctx->store, ngx_http_ezdfs_queue, &request,
                                   ctx, &ctx->ticket, completion, err);

    if (code != EZDFS_RESULT_OK) {
        ctx->ticket = 0;
        completion->result = code;
        completion->file = NULL;
        completion->source = NULL;
    }
}


ngx_int_t
ngx_http_ezdfs_answer(ngx_http_request_t *r, ngx_http_ezdfs_ctx_t *ctx,
    ezdfs_completion *completion, ezdfs_error *err)
{
    ctx->code = completion->result;
    ctx->file = completion->file;
    ctx->source = completion->source;
    ctx->time = ngx_current_msec - ctx->time;
    ctx->answered = 1;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "ezdfs: \"%V\" %s", &ctx->path,
                   ezdfs_result_name(ctx->code));

    if (ctx->code != EZDFS_RESULT_OK) {
        ngx_http_ezdfs_log_error(r, err);
        ngx_http_ezdfs_clear_description(r);
        return ezdfs_result_http_status(ctx->code);
    }

    return ngx_http_ezdfs_send(r, ctx);
}


static void
ngx_http_ezdfs_log_error(ngx_http_request_t *r, ezdfs_error *error)
{
    ngx_uint_t                 level;
    ngx_http_core_loc_conf_t  *clcf;

    switch (error->code) {

    case EZDFS_RESULT_NOT_FOUND:

        /* a row whose file is missing is a fault, a missing row is not */

        level = error->os_errno ? NGX_LOG_ERR : NGX_LOG_INFO;

        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        if (!clcf->log_not_found) {
            return;
        }

        break;

    case EZDFS_RESULT_INVALID_NAME:
    case EZDFS_RESULT_DENIED:
        level = NGX_LOG_INFO;
        break;

    case EZDFS_RESULT_INTERNAL:
        level = NGX_LOG_CRIT;
        break;

    default:
        level = NGX_LOG_ERR;
    }

    ngx_log_error(level, r->connection->log, 0, "ezdfs: %s", error->message);
}


static ngx_http_ezdfs_ctx_t *
ngx_http_ezdfs_create_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *pcln;
    ngx_http_cleanup_t         *cln;
    ngx_http_ezdfs_ctx_t       *ctx;
    ngx_http_ezdfs_loc_conf_t  *elcf;

    pcln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_ezdfs_ctx_t));
    if (pcln == NULL) {
        return NULL;
    }

    ctx = pcln->data;
    ngx_memzero(ctx, sizeof(ngx_http_ezdfs_ctx_t));

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    elcf = ngx_http_get_module_loc_conf(r, ngx_http_ezdfs_module);

    ctx->request = r;
    ctx->store = elcf->store->store;
    ctx->path = r->uri;
    ctx->time = ngx_current_msec;

    pcln->handler = ngx_http_ezdfs_cleanup;

    cln->handler = ngx_http_ezdfs_cancel;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_ezdfs_module);

    return ctx;
}


ngx_http_ezdfs_ctx_t *
ngx_http_ezdfs_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ezdfs_module);

    if (ctx || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    /*
     * a redirect reset the module context, the cleanup handler still has it;
     * subrequests share the pool
     */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_ezdfs_cleanup) {
            ctx = cln->data;

            if (ctx->request == r) {
                return ctx;
            }
        }
    }

    return NULL;
}


static void
ngx_http_ezdfs_cleanup(void *data)
{
    ngx_http_ezdfs_ctx_t *ctx = data;

    if (ctx->file && ngx_http_ezdfs_failed(ctx->request->connection)) {
        ezdfs_file_distrust(ctx->file);
    }

    ezdfs_file_free(ctx->file);
}


/*
 * Whether sending ended because of the file.  Of sendfile() an error tells not
 * whose it is; a client that has gone is one that nothing can be read from.
 */

static ngx_uint_t
ngx_http_ezdfs_failed(ngx_connection_t *c)
{
    u_char   byte;
    ssize_t  n;

    if (!c->error) {
        return 0;
    }

    n = recv(c->fd, &byte, 1, MSG_PEEK|MSG_DONTWAIT);

    return n > 0 || (n == -1 && ngx_socket_errno == NGX_EAGAIN);
}


/* The table name that was looked up, NUL-terminated; empty when none was. */

ngx_int_t
ngx_http_ezdfs_name(ngx_http_ezdfs_ctx_t *ctx, ngx_str_t *name)
{
    char    *buf, none[1];
    size_t   len, cap;

    /* the first round asks for the length */

    buf = none;
    cap = 0;

    for ( ;; ) {

        if (ctx->file) {
            len = ezdfs_file_name(ctx->file, buf, cap);

        } else {
            len = ezdfs_store_name_of_path(ctx->store, (char *) ctx->path.data,
                                           ctx->path.len, buf, cap);
        }

        if (len <= cap) {
            break;
        }

        buf = ngx_pnalloc(ctx->request->pool, len + 1);
        if (buf == NULL) {
            return NGX_ERROR;
        }

        cap = len;
    }

    if (cap) {
        buf[len] = '\0';
        name->data = (u_char *) buf;

    } else {
        name->data = (u_char *) "";
    }

    name->len = len;

    return NGX_OK;
}
