
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


#define NGX_HTTP_EZDFS_HOLD_INTERVAL  60000


static void ngx_http_ezdfs_queue_handler(ngx_event_t *ev);
static void ngx_http_ezdfs_hold_handler(ngx_event_t *ev);


/* of this worker */

ezdfs_queue              *ngx_http_ezdfs_queue;

static ngx_connection_t  *ngx_http_ezdfs_queue_connection;

/*
 * A worker that shuts down leaves as soon as no timer is set.  This one is set
 * while any request waits for its store, so that such requests are finished.
 */

static ngx_event_t        ngx_http_ezdfs_hold_event;
static ngx_uint_t         ngx_http_ezdfs_waiting;


ngx_int_t
ngx_http_ezdfs_open_queue(ngx_cycle_t *cycle)
{
    ezdfs_error        err;
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    ngx_memzero(&err, sizeof(ezdfs_error));
    err.struct_size = sizeof(ezdfs_error);

    if (ezdfs_queue_new(&ngx_http_ezdfs_queue, &err) != EZDFS_RESULT_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "cannot open ezdfs queue: %s", err.message);
        return NGX_ERROR;
    }

    c = ngx_get_connection(ezdfs_queue_fd(ngx_http_ezdfs_queue), cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    /* the descriptor is the queue's, nginx must not close it */

    c->shared = 1;

    rev = c->read;
    rev->log = cycle->log;
    rev->handler = ngx_http_ezdfs_queue_handler;

    /* not a client: worker_shutdown_timeout must not touch it */

    rev->channel = 1;

    /* level-triggered: the descriptor is readable until it is drained */

    if (ngx_add_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT) == NGX_ERROR) {
        ngx_free_connection(c);
        return NGX_ERROR;
    }

    ngx_http_ezdfs_queue_connection = c;

    ngx_http_ezdfs_hold_event.handler = ngx_http_ezdfs_hold_handler;
    ngx_http_ezdfs_hold_event.data = c;
    ngx_http_ezdfs_hold_event.log = cycle->log;

    return NGX_OK;
}


void
ngx_http_ezdfs_close_queue(void)
{
    ngx_connection_t  *c;

    c = ngx_http_ezdfs_queue_connection;

    if (c) {
        ngx_del_event(c->read, NGX_READ_EVENT, 0);
        ngx_close_connection(c);
        ngx_http_ezdfs_queue_connection = NULL;
    }

    ezdfs_queue_free(ngx_http_ezdfs_queue);
    ngx_http_ezdfs_queue = NULL;
}


void
ngx_http_ezdfs_hold_worker(void)
{
    if (ngx_http_ezdfs_waiting++ == 0) {
        ngx_add_timer(&ngx_http_ezdfs_hold_event,
                      NGX_HTTP_EZDFS_HOLD_INTERVAL);
    }
}


void
ngx_http_ezdfs_release_worker(void)
{
    if (--ngx_http_ezdfs_waiting == 0) {
        ngx_del_timer(&ngx_http_ezdfs_hold_event);
    }
}


static void
ngx_http_ezdfs_queue_handler(ngx_event_t *ev)
{
    ezdfs_error       err;
    ezdfs_completion  completion;

    err.struct_size = sizeof(ezdfs_error);
    completion.struct_size = sizeof(ezdfs_completion);

    /* one by one, as finishing one request may destroy another waiting one */

    while (ezdfs_queue_next(ngx_http_ezdfs_queue, &completion, &err)
           == EZDFS_RESULT_OK
           && completion.ticket)
    {
        ngx_http_ezdfs_release_worker();
        ngx_http_ezdfs_complete(&completion, &err);
    }
}


static void
ngx_http_ezdfs_hold_handler(ngx_event_t *ev)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "ezdfs: %ui requests waiting", ngx_http_ezdfs_waiting);

    ngx_add_timer(ev, NGX_HTTP_EZDFS_HOLD_INTERVAL);
}
