/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The store is asked, and what it says becomes a response: headers of the core, preconditions,
 * ranges and sending of httpd.
 */

#include <apr_portable.h>

#include "mod_ezdfs.h"

APLOG_USE_MODULE(ezdfs);

/* Smaller ones are read by one call. */
#define SENDFILE_MIN (64 * 1024)

/* Without the prefix that belongs to the section; a path that has none stays as it is. */
static const char *strip(const char *path, const char *prefix)
{
    apr_size_t len = prefix ? strlen(prefix) : 0;

    return len && strncmp(path, prefix, len) == 0 && path[len] == '/' ? path + len : path;
}

static ezdfs_result look_up(request_rec *r, const mod_ezdfs_request *asked, uint64_t flags,
                            ezdfs_file **file, const char **source, ezdfs_error *err)
{
    const mod_ezdfs_section *section = asked->section;
    ezdfs_request request = EZDFS_INIT(ezdfs_request);

    request.path = strip(asked->path, section->strip_prefix);
    request.path_len = strlen(request.path);
    if (asked->raw_path) {
        request.raw_path = strip(asked->raw_path, section->strip_prefix);
        request.raw_path_len = asked->raw_path_len - (request.raw_path - asked->raw_path);
    }
    request.flags = flags;
    if (section->drafts > 0) {
        request.flags |= EZDFS_SERVE_DRAFTS;
    }
    if (section->internal > 0) {
        request.flags |= EZDFS_SERVE_ORIGINALS;
    }
    if (!r->header_only) {
        request.flags |= EZDFS_SERVE_READ;
    }
    return ezdfs_store_serve(section->store->store, &request, file, source, err);
}

static int may_use_sendfile(request_rec *r, const ezdfs_file *file, const ezdfs_http *http)
{
    core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return core->enable_sendfile == ENABLE_SENDFILE_ON && !r->header_only
           && http->content_length >= SENDFILE_MIN && !ezdfs_file_content(file);
}

/* For logs: %{ezdfs_status}n and others. */
static void note(request_rec *r, ezdfs_result code, const char *source, apr_interval_time_t took)
{
    apr_table_setn(r->notes, "ezdfs_status", ezdfs_result_name(code));
    if (source) {
        apr_table_setn(r->notes, "ezdfs_source", source);
    }
    apr_table_setn(r->notes, "ezdfs_time",
                   apr_psprintf(r->pool, "%" APR_TIME_T_FMT ".%06" APR_TIME_T_FMT,
                                apr_time_sec(took), apr_time_usec(took)));
}

static int severity(const ezdfs_error *err)
{
    switch (err->code) {
    case EZDFS_RESULT_NOT_FOUND:
        /* A row whose file is missing is a fault, a missing row is not. */
        return err->os_errno ? APLOG_ERR : APLOG_INFO;
    case EZDFS_RESULT_INVALID_NAME:
    case EZDFS_RESULT_DENIED:
        return APLOG_INFO;
    case EZDFS_RESULT_INTERNAL:
        return APLOG_CRIT;
    default:
        return APLOG_ERR;
    }
}

static int refuse(request_rec *r, const ezdfs_error *err)
{
    unsigned seconds = ezdfs_result_retry_after(err->code);

    ap_log_rerror(APLOG_MARK, severity(err), 0, r, "%s", err->message);
    if (seconds) {
        apr_table_setn(r->err_headers_out, "Retry-After", apr_psprintf(r->pool, "%u", seconds));
    }
    return ezdfs_result_http_status(err->code);
}

static int is_said(const request_rec *r, const char *name)
{
    return apr_table_get(r->headers_out, name) || apr_table_get(r->err_headers_out, name);
}

/* An application that has redirected here may have described what it sends. */
static void describe(request_rec *r, const ezdfs_http *http, int is_described)
{
    char *date = apr_palloc(r->pool, APR_RFC822_DATE_LEN);
    apr_size_t i;

    if (!is_described || !r->content_type) {
        ap_set_content_type(r, http->content_type);
    }
    apr_table_setn(r->headers_out, "ETag", apr_pstrdup(r->pool, http->etag));

    /* As the row says: httpd's own function would put today in place of a date in the future. */
    r->mtime = apr_time_from_sec(http->last_modified);
    apr_rfc822_date(date, r->mtime);
    apr_table_setn(r->headers_out, "Last-Modified", date);

    for (i = 0; i < http->headers_len; i++) {
        const ezdfs_header *header = &http->headers[i];

        if (is_described && is_said(r, header->name)) {
            continue;
        }
        apr_table_setn(r->headers_out, header->name, header->value);
    }
    /* What a permission was asked for is not for caches that others share. */
    if (is_described && !is_said(r, "Cache-Control") && !is_said(r, "Expires")) {
        apr_table_setn(r->headers_out, "Cache-Control", "private");
    }
    ap_set_accept_ranges(r);
    ap_set_content_length(r, (apr_off_t)http->content_length);
}

/* Dates count only without tags (RFC 9110, 13.2.2); httpd's own function asks for both to agree. */
static int meets_conditions(request_rec *r)
{
    static const char *const pairs[][2] = { { "If-Match", "If-Unmodified-Since" },
                                            { "If-None-Match", "If-Modified-Since" } };
    apr_table_t *asked = r->headers_in;
    int i, status;

    for (i = 0; i < 2; i++) {
        if (apr_table_get(asked, pairs[i][0]) && apr_table_get(asked, pairs[i][1])) {
            r->headers_in = r->headers_in == asked ? apr_table_copy(r->pool, asked) : r->headers_in;
            apr_table_unset(r->headers_in, pairs[i][1]);
        }
    }
    status = ap_meets_conditions(r);
    r->headers_in = asked;      /* as logs and other modules know it */
    return status;
}

static apr_status_t free_file(void *file)
{
    ezdfs_file_free(file);
    return APR_SUCCESS;
}

/*
 * For sendfile(2): the descriptor is this request's alone, for httpd moves its offset where
 * something has to read it after all. Never mapped: a file that is cut short would end the child.
 */
static void insert_file(request_rec *r, apr_bucket_brigade *bb, ezdfs_file *file, apr_off_t size)
{
    apr_os_file_t descriptor = ezdfs_file_fd(file);
    apr_file_t *opened = NULL;
    apr_bucket *bucket;

    apr_pool_cleanup_register(r->pool, file, free_file, apr_pool_cleanup_null);
    apr_os_file_put(&opened, &descriptor,
                    APR_FOPEN_READ | APR_FOPEN_SENDFILE_ENABLED | APR_FOPEN_NOCLEANUP, r->pool);
    bucket = apr_brigade_insert_file(bb, opened, 0, size, r->pool);
    apr_bucket_file_enable_mmap(bucket, 0);
}

static int send_file(request_rec *r, ezdfs_file *file, const ezdfs_http *http, int is_alone,
                     ap_filter_t *next)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);
    apr_size_t size = (apr_size_t)http->content_length;
    apr_status_t status;

    if (size > 0 && is_alone) {
        insert_file(r, bb, file, (apr_off_t)size);
    } else if (size > 0) {
        APR_BRIGADE_INSERT_TAIL(bb, mod_ezdfs_bucket_create(file, size, c->bucket_alloc));
    } else {
        ezdfs_file_free(file);
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(c->bucket_alloc));

    status = ap_pass_brigade(next, bb);
    if (status == APR_SUCCESS || r->status != HTTP_OK || c->aborted) {
        return OK;
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "the file could not be read to its end");
    /* What was sent is not whole: nothing may follow it that could be taken for its rest. */
    c->keepalive = AP_CONN_CLOSE;
    return AP_FILTER_ERROR;
}

/*
 * Looks up, and sends to `next`, which takes the file in place of what an application has
 * answered, or is the request's own chain. Returns the status where there is nothing to send.
 */
int mod_ezdfs_answer(request_rec *r, const mod_ezdfs_request *asked, ap_filter_t *next)
{
    apr_time_t start = apr_time_now();
    const char *source = NULL;
    ezdfs_file *file = NULL;
    ezdfs_error err = EZDFS_INIT(ezdfs_error);
    ezdfs_result code;
    ezdfs_http http = EZDFS_INIT(ezdfs_http);
    int is_alone = 0, status;

    if (!asked->section->store->store) {
        return HTTP_INTERNAL_SERVER_ERROR;      /* the child's log has said why */
    }
    code = look_up(r, asked, 0, &file, &source, &err);
    if (code == EZDFS_RESULT_OK) {
        code = ezdfs_file_http(file, &http, &err);
    }
    if (code == EZDFS_RESULT_OK && may_use_sendfile(r, file, &http)) {
        ezdfs_file_free(file);
        file = NULL;
        is_alone = 1;
        code = look_up(r, asked, EZDFS_SERVE_ALONE, &file, &source, &err);
        if (code == EZDFS_RESULT_OK) {
            code = ezdfs_file_http(file, &http, &err);
        }
    }
    note(r, code, source, apr_time_now() - start);
    if (code != EZDFS_RESULT_OK) {
        ezdfs_file_free(file);
        return refuse(r, &err);
    }
    describe(r, &http, asked->section->internal > 0);
    /* An application that was sent something has done it, whatever the conditions. */
    status = r->method_number == M_GET ? meets_conditions(r) : OK;
    if (status != OK) {
        ezdfs_file_free(file);
        return status;
    }
    return send_file(r, file, &http, is_alone, next);
}
