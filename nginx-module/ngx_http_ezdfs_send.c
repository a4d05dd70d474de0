
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


/* digits that surely fit off_t */
#define NGX_HTTP_EZDFS_RANGE_DIGITS  18


static ngx_int_t ngx_http_ezdfs_set_conditions(ngx_http_request_t *r);
static ngx_int_t ngx_http_ezdfs_set_if_modified(ngx_http_request_t *r);
static ngx_uint_t ngx_http_ezdfs_valid_range(ngx_str_t *range);
static ngx_uint_t ngx_http_ezdfs_directio(ngx_http_request_t *r, ngx_fd_t fd,
    off_t size);


ngx_int_t
ngx_http_ezdfs_send(ngx_http_request_t *r, ngx_http_ezdfs_ctx_t *ctx)
{
    off_t                       size;
    size_t                      i;
    ngx_int_t                   rc;
    ngx_log_t                  *log;
    u_char                     *content;
    ngx_buf_t                  *b;
    ezdfs_file                 *file;
    ezdfs_http                  http;
    ngx_chain_t                 out;

    log = r->connection->log;
    log->action = "sending response to client";

    file = ctx->file;

    http.struct_size = sizeof(ezdfs_http);

    if (ezdfs_file_http(file, &http, NULL) != EZDFS_RESULT_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    size = (off_t) http.content_length;

    if (ngx_http_ezdfs_set_headers(r, &http) != NGX_OK
        || ngx_http_ezdfs_set_conditions(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->allow_ranges = 1;

    /* we need to allocate all before the header would be sent */

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    content = (u_char *) ezdfs_file_content(file);

    if (content == NULL) {
        b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
        if (b->file == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ngx_http_ezdfs_name(ctx, &b->file->name) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        /* the error page is not the file */

        for (i = 0; i < http.headers_len; i++) {
            ngx_http_ezdfs_clear_header(r, http.headers[i].name);
        }

        ngx_http_ezdfs_clear_description(r);
    }

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    if (content) {
        b->pos = content;
        b->last = content + size;
        b->start = b->pos;
        b->end = b->last;
        b->memory = 1;

    } else {
        b->file_pos = 0;
        b->file_last = size;

        b->in_file = b->file_last ? 1 : 0;
        b->sync = (b->last_buf || b->in_file) ? 0 : 1;

        b->file->fd = ezdfs_file_fd(file);
        b->file->log = log;
        b->file->directio = ngx_http_ezdfs_directio(r, b->file->fd, size);
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/*
 * The filters of nginx evaluate preconditions and ranges.  Where they depart
 * from RFC 9110 they are shown other request headers; the list of headers that
 * variables and other modules read stays as it is.
 */

static ngx_int_t
ngx_http_ezdfs_set_conditions(ngx_http_request_t *r)
{
    ngx_http_headers_in_t  *in;

    if (r != r->main) {
        return NGX_OK;
    }

    in = &r->headers_in;

    /* dates count only without tags; the filter asks for both to agree */

    if (in->if_match) {
        in->if_unmodified_since = NULL;
    }

    if (in->if_none_match) {
        in->if_modified_since = NULL;
    }

    /* a malformed range is to be ignored; the filter answers 416 */

    if (in->range && !ngx_http_ezdfs_valid_range(&in->range->value)) {
        in->range = NULL;
    }

    return ngx_http_ezdfs_set_if_modified(r);
}


/*
 * "if_modified_since exact", the default of nginx, sends the whole file for a
 * date after its modification: such a date is shown to the filter as equal.
 */

static ngx_int_t
ngx_http_ezdfs_set_if_modified(ngx_http_request_t *r)
{
    time_t                     since;
    ngx_table_elt_t           *h;
    ngx_http_core_loc_conf_t  *clcf;

    h = r->headers_in.if_modified_since;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (h == NULL || clcf->if_modified_since != NGX_HTTP_IMS_EXACT) {
        return NGX_OK;
    }

    since = ngx_parse_http_time(h->value.data, h->value.len);

    if (since <= r->headers_out.last_modified_time) {
        return NGX_OK;
    }

    h = ngx_palloc(r->pool, sizeof(ngx_table_elt_t));
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = *r->headers_in.if_modified_since;

    h->value.data = ngx_pnalloc(r->pool,
                                sizeof("Mon, 28 Sep 1970 06:00:00 GMT") - 1);
    if (h->value.data == NULL) {
        return NGX_ERROR;
    }

    h->value.len = ngx_http_time(h->value.data,
                                 r->headers_out.last_modified_time)
                   - h->value.data;

    r->headers_in.if_modified_since = h;

    return NGX_OK;
}


/*
 * Whether a range set is one that the range filter reads: "0-99, 200-, -100".
 * Numbers that may not fit off_t count as malformed.  Other units than bytes
 * are left to the filter, which ignores them.
 */

static ngx_uint_t
ngx_http_ezdfs_valid_range(ngx_str_t *range)
{
    u_char  *p, *last, *start;
    size_t   first;

    p = range->data;
    last = p + range->len;

    if (range->len < 6
        || ngx_strncasecmp(p, (u_char *) "bytes=", 6) != 0)
    {
        return 1;
    }

    p += 6;

    for ( ;; ) {
        while (p < last && *p == ' ') { p++; }

        for (start = p; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }

        first = p - start;

        if (p == last || *p++ != '-') {
            return 0;
        }

        for (start = p; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }

        if (first + (p - start) == 0
            || first > NGX_HTTP_EZDFS_RANGE_DIGITS
            || p - start > NGX_HTTP_EZDFS_RANGE_DIGITS)
        {
            return 0;
        }

        while (p < last && *p == ' ') { p++; }

        if (p == last) {
            return 1;
        }

        if (*p++ != ',') {
            return 0;
        }
    }
}


static ngx_uint_t
ngx_http_ezdfs_directio(ngx_http_request_t *r, ngx_fd_t fd, off_t size)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (size < clcf->directio) {
        return 0;
    }

    if (ngx_directio_on(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, ngx_errno,
                      ngx_directio_on_n " failed");
        return 0;
    }

    return 1;
}
