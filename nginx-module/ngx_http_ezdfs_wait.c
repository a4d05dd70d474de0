
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


/* how long one who has closed its side is waited for, in milliseconds */
#define NGX_HTTP_EZDFS_HALF_CLOSED  3000


static void ngx_http_ezdfs_test_reading(ngx_http_request_t *r);
static ngx_uint_t ngx_http_ezdfs_is_reset(ngx_connection_t *c);
static void ngx_http_ezdfs_give_up(ngx_event_t *ev);
static void ngx_http_ezdfs_stop_waiting(ngx_http_ezdfs_ctx_t *ctx);


ngx_int_t
ngx_http_ezdfs_wait(ngx_http_request_t *r, ngx_http_ezdfs_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = r->connection;
    c->log->action = "waiting for ezdfs store";

    ngx_http_ezdfs_hold_worker();

    if (!r->discard_body && !r->post_action) {

        r->read_event_handler = ngx_http_ezdfs_test_reading;

        if (c->read->ready) {
            /* what came together with the request may have been its end */
            ngx_post_event(c->read, &ngx_posted_events);

        } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
            ngx_http_ezdfs_cancel(ctx);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    r->main->count++;

    return NGX_DONE;
}


/*
 * A client that has closed its side after the request (nc -N) waits for the
 * answer, as far as anybody can tell: static files are sent to it.  One that has
 * left looks the same over HTTP/1.  So it gets what the store says soon, and
 * nobody asks the store much longer for one that has left.
 */

static void
ngx_http_ezdfs_test_reading(ngx_http_request_t *r)
{
    char                   buf[1];
    ngx_event_t           *rev;
    ngx_connection_t      *c;
    ngx_http_ezdfs_ctx_t  *ctx;

    c = r->connection;
    rev = c->read;

    /* streams are closed one by one, by who leaves */

    if (r->http_version >= NGX_HTTP_VERSION_20) {
        ngx_http_test_reading(r);
        return;
    }

    if (ngx_http_ezdfs_is_reset(c)) {
        rev->pending_eof = 1;
        ngx_http_test_reading(r);
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_ezdfs_module);

    if ((rev->pending_eof || recv(c->fd, buf, 1, MSG_PEEK) == 0)
        && !ctx->half_closed.timer_set)
    {
        ctx->half_closed.handler = ngx_http_ezdfs_give_up;
        ctx->half_closed.data = ctx;
        ctx->half_closed.log = c->log;

        ngx_add_timer(&ctx->half_closed, NGX_HTTP_EZDFS_HALF_CLOSED);
    }

    ngx_http_block_reading(r);
}


static ngx_uint_t
ngx_http_ezdfs_is_reset(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1
           || err != 0;
}


static void
ngx_http_ezdfs_give_up(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    c->read->pending_eof = 1;
    ngx_http_test_reading(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_ezdfs_stop_waiting(ngx_http_ezdfs_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->half_closed.timer_set) {
        ngx_del_timer(&ctx->half_closed);
    }

    if (r->read_event_handler == ngx_http_ezdfs_test_reading) {
        r->read_event_handler = ngx_http_block_reading;
    }

    r->connection->log->action = NULL;
}


/* Goes on with a request that waited. */

void
ngx_http_ezdfs_complete(ezdfs_completion *completion, ezdfs_error *err)
{
    ngx_int_t              rc;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = completion->data;
    ctx->ticket = 0;

    r = ctx->request;
    c = r->connection;

    ngx_http_ezdfs_stop_waiting(ctx);

    if (ngx_http_get_module_ctx(r, ngx_http_ezdfs_module) != ctx) {
        /* post_action redirected the request when its client went away */
        ezdfs_file_free(completion->file);
        return;
    }

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_ezdfs_answer(r, ctx, completion, err);

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);
}


/* Runs when the request is terminated or freed, whichever comes first. */

void
ngx_http_ezdfs_cancel(void *data)
{
    ngx_http_ezdfs_ctx_t *ctx = data;

    if (ctx->ticket == 0) {
        return;
    }

    ngx_http_ezdfs_stop_waiting(ctx);

    if (ngx_http_ezdfs_queue == NULL) {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "ezdfs: cancel \"%V\"", &ctx->path);

    ezdfs_queue_cancel(ngx_http_ezdfs_queue, ctx->ticket);
    ctx->ticket = 0;

    ngx_http_ezdfs_release_worker();
}
