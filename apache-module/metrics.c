/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "mod_ezdfs.h"

APLOG_USE_MODULE(ezdfs);

/* What may be counted between asking for the length and writing. */
#define SLACK 4096

static int fail(request_rec *r, const ezdfs_error *err)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "cannot write metrics: %s", err->message);
    return HTTP_INTERNAL_SERVER_ERROR;
}

int mod_ezdfs_metrics_handler(request_rec *r)
{
    const mod_ezdfs_store *store;
    ezdfs_named_store *named;
    ezdfs_error err = EZDFS_INIT(ezdfs_error);
    const char *accept;
    apr_size_t size, len;
    uint32_t format;
    char *text;
    int n = 0, refused;

    if (!r->handler || strcmp(r->handler, MOD_EZDFS_METRICS_HANDLER) != 0) {
        return DECLINED;
    }
    refused = mod_ezdfs_refuse_writing(r);
    if (refused != OK) {
        return refused;
    }

    for (store = mod_ezdfs_first_store(); store; store = store->next) {
        n++;
    }
    named = apr_pcalloc(r->pool, (n + 1) * sizeof(*named));
    n = 0;
    for (store = mod_ezdfs_first_store(); store; store = store->next) {
        if (store->store) {
            named[n].struct_size = sizeof(named[n]);
            named[n].name = store->name;
            named[n].name_len = strlen(store->name);
            named[n++].store = store->store;
        }
    }
    accept = apr_table_get(r->headers_in, "Accept");
    format = ezdfs_metrics_format(accept ? accept : "", accept ? strlen(accept) : 0);

    if (ezdfs_metrics_write(named, n, format, NULL, 0, &size, &err) != EZDFS_RESULT_OK) {
        return fail(r, &err);
    }
    size += SLACK;
    text = apr_palloc(r->pool, size);
    if (ezdfs_metrics_write(named, n, format, text, size, &len, &err) != EZDFS_RESULT_OK) {
        return fail(r, &err);
    }
    if (len > size) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ap_set_content_type(r, ezdfs_metrics_content_type(format));
    ap_set_content_length(r, (apr_off_t)len);
    ap_rwrite(text, (int)len, r);
    return OK;
}
