/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * X-Accel-Redirect, as nginx has it: an application that has checked a permission names a file,
 * which is sent in place of its own body. An internal section has to serve that path.
 */

#include "mod_ezdfs.h"

APLOG_USE_MODULE(ezdfs);

static const char header_name[] = "X-Accel-Redirect";

/* No answer has it twice, and no client ever sees it. */
static const char *take_header(request_rec *r)
{
    const char *target = apr_table_get(r->headers_out, header_name);

    if (!target) {
        target = apr_table_get(r->err_headers_out, header_name);
    }
    if (target) {
        apr_table_unset(r->headers_out, header_name);
        apr_table_unset(r->err_headers_out, header_name);
    }
    return target;
}

static void clear(request_rec *r, const char *const *names)
{
    for (; *names; names++) {
        apr_table_unset(r->headers_out, *names);
        apr_table_unset(r->err_headers_out, *names);
    }
}

/* What the application said of its own body. */
static void clear_body_headers(request_rec *r)
{
    static const char *const names[] = { "Content-Length", "Content-Encoding", "Content-Range",
                                         "Content-Language", "Content-MD5", "Content-Digest",
                                         "Digest", "Repr-Digest", "Transfer-Encoding", "ETag",
                                         "Last-Modified", "Location", "X-Accel-Buffering",
                                         "X-Accel-Charset", "X-Accel-Expires",
                                         "X-Accel-Limit-Rate", NULL };

    clear(r, names);
    r->content_encoding = NULL;
    r->content_languages = NULL;
    r->status = HTTP_OK;
    r->status_line = NULL;
}

/* An error is not the file that it has described, and nobody may keep it as long. */
static void clear_description(request_rec *r)
{
    static const char *const names[] = { "Content-Disposition", "Cache-Control", "Expires", NULL };

    clear(r, names);
}

void mod_ezdfs_insert_filter(request_rec *r)
{
    if (!r->main && mod_ezdfs_section_of(r)->accel_redirect > 0) {
        ap_add_output_filter("EZDFS_ACCEL_REDIRECT", NULL, r, r->connection);
    }
}

/*
 * httpd itself may have refused the application's answer by the validators that are in it: what the
 * header says is nobody's business then either.
 */
void mod_ezdfs_insert_error_filter(request_rec *r)
{
    if (mod_ezdfs_section_of(r)->accel_redirect > 0 && take_header(r)) {
        clear_description(r);
    }
}

static char redirecting;

/* The path that an application names is not one for rules that lead clients to the application. */
int mod_ezdfs_translate_redirect(request_rec *r)
{
    int is_named = r->main
                   && ap_get_module_config(r->main->request_config, &ezdfs_module) == &redirecting;

    return is_named ? mod_ezdfs_translate(r) : DECLINED;
}

/* Sends the file, or returns the status that takes its place. */
static int redirect(ap_filter_t *f, const char *target)
{
    request_rec *r = f->r, *sub;
    mod_ezdfs_request asked = { 0 };
    int status;

    if (target[0] != '/') {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "%s to \"%s\", which is no path", header_name,
                      target);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ap_set_module_config(r->request_config, &ezdfs_module, &redirecting);
    sub = ap_sub_req_lookup_uri(target, r, NULL);
    ap_set_module_config(r->request_config, &ezdfs_module, NULL);
    asked.section = mod_ezdfs_section_of(sub);
    asked.path = sub->uri;
    status = sub->status;
    if (status == HTTP_OK && (!asked.section->store || asked.section->internal <= 0)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "%s to \"%s\", where no section has Ezdfs and \"EzdfsInternal On\"",
                      header_name, target);
        status = HTTP_INTERNAL_SERVER_ERROR;
    }
    status = status == HTTP_OK ? mod_ezdfs_answer(r, &asked, f->next) : status;
    ap_destroy_sub_req(sub);
    return status;
}

/* In place of a body: the error's own page, or, of "not modified", nothing. */
static apr_status_t send_status(ap_filter_t *f, int status)
{
    request_rec *r = f->r;
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, list);

    if (status == HTTP_NOT_MODIFIED) {
        r->status = status;
    } else {
        clear_description(r);
        APR_BRIGADE_INSERT_TAIL(bb, ap_bucket_error_create(status, NULL, r->pool, list));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(list));
    return ap_pass_brigade(f->next, bb);
}

apr_status_t mod_ezdfs_discard_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_brigade_cleanup(bb);
    return APR_SUCCESS;
}

/*
 * An error's page has taken the request's filters away, this one among them, while the application
 * may have more of its body to write: that must not follow the page.
 */
static void discard_the_rest(ap_filter_t *f)
{
    ap_filter_t *filter = f->r->output_filters;

    while (filter && filter != f) {
        filter = filter->next;
    }
    if (!filter) {
        ap_add_output_filter(MOD_EZDFS_DISCARD, NULL, f->r, f->r->connection);
    }
}

apr_status_t mod_ezdfs_redirect_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    static char replaced;
    const char *target;
    apr_status_t sent;
    int status;

    if (f->ctx == &replaced) {
        apr_brigade_cleanup(bb);        /* the application's body */
        return APR_SUCCESS;
    }
    target = take_header(f->r);
    if (!target) {
        ap_remove_output_filter(f);
        return ap_pass_brigade(f->next, bb);
    }
    f->ctx = &replaced;
    apr_brigade_cleanup(bb);
    clear_body_headers(f->r);
    status = redirect(f, target);
    sent = status == OK || !ap_is_HTTP_VALID_RESPONSE(status) ? APR_SUCCESS
                                                              : send_status(f, status);
    discard_the_rest(f);
    return sent;
}
