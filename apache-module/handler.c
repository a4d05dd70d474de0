/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A request on its way through httpd's hooks. The file system is not asked for it: no directory is
 * walked, and nothing guesses a type from its name.
 */

#include "mod_ezdfs.h"

APLOG_USE_MODULE(ezdfs);

static char ours;

int mod_ezdfs_is_ours(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &ezdfs_module) == &ours;
}

/* By a rule of a directory, which may be anybody's and lead wherever a client says. */
static int was_rewritten(const request_rec *prev)
{
    return prev->handler && strcmp(prev->handler, "redirect-handler") == 0;
}

/* A section that is internal does not exist for clients. */
static int is_out_of_reach(const request_rec *r, const mod_ezdfs_section *section)
{
    return section->internal > 0 && !r->main && (!r->prev || was_rewritten(r->prev));
}

int mod_ezdfs_translate(request_rec *r)
{
    const mod_ezdfs_section *section = mod_ezdfs_section_of(r);

    if (!section->store || r->proxyreq) {
        return DECLINED;
    }
    if (is_out_of_reach(r, section)) {
        return HTTP_NOT_FOUND;
    }
    ap_set_module_config(r->request_config, &ezdfs_module, &ours);
    r->filename = apr_pstrcat(r->pool, "ezdfs:", r->uri, NULL);
    /* Else mod_dir takes it for what a FallbackResource is for. */
    r->finfo.filetype = APR_REG;
    return OK;
}

int mod_ezdfs_map_to_storage(request_rec *r)
{
    return mod_ezdfs_is_ours(r) ? OK : DECLINED;
}

int mod_ezdfs_check_type(request_rec *r)
{
    return mod_ezdfs_is_ours(r) ? OK : DECLINED;
}

/* The section may be known only now: where a rewrite has led into it. */
int mod_ezdfs_fixup(request_rec *r)
{
    const mod_ezdfs_section *section = mod_ezdfs_section_of(r);

    if (!section->store || r->proxyreq) {
        return DECLINED;
    }
    if (is_out_of_reach(r, section)) {
        return HTTP_NOT_FOUND;
    }
    if (!mod_ezdfs_is_ours(r)) {
        /* A rewrite has led here, and others have guessed by the name meanwhile. */
        r->content_type = NULL;
        r->content_encoding = NULL;
        r->content_languages = NULL;
    }
    r->handler = MOD_EZDFS_HANDLER;
    return OK;
}

/*
 * The path as it stood on the wire, where it is another spelling of what is asked for: not after a
 * redirect or a rewrite.
 */
static void find_raw_path(request_rec *r, mod_ezdfs_request *asked)
{
    const char *raw = r->unparsed_uri;
    apr_size_t len;
    char *decoded;

    if (r->main || r->prev || !raw || raw[0] != '/') {
        return;
    }
    len = strcspn(raw, "?#");
    if (strlen(r->uri) == len && memcmp(r->uri, raw, len) == 0) {
        return;
    }
    decoded = apr_pstrmemdup(r->pool, raw, len);
    if (ap_normalize_path(decoded, AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_DECODE_UNRESERVED
                                       | AP_NORMALIZE_MERGE_SLASHES)
        && ap_unescape_url(decoded) == OK && strcmp(decoded, r->uri) == 0) {
        asked->raw_path = raw;
        asked->raw_path_len = len;
    }
}

int mod_ezdfs_refuse_writing(request_rec *r)
{
    /* HEAD is among them. */
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
    return r->method_number == M_GET ? ap_discard_request_body(r) : HTTP_METHOD_NOT_ALLOWED;
}

int mod_ezdfs_handler(request_rec *r)
{
    mod_ezdfs_request asked = { mod_ezdfs_section_of(r), r->uri };
    int refused;

    if (!r->handler || strcmp(r->handler, MOD_EZDFS_HANDLER) != 0) {
        return DECLINED;
    }
    if (!asked.section->store) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "the handler ezdfs needs the directive Ezdfs");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    refused = mod_ezdfs_refuse_writing(r);
    if (refused != OK) {
        return refused;
    }
    find_raw_path(r, &asked);
    return mod_ezdfs_answer(r, &asked, r->output_filters);
}
