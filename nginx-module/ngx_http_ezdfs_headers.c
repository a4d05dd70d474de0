
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


static ngx_int_t ngx_http_ezdfs_keep_private(ngx_http_request_t *r);
static ngx_table_elt_t *ngx_http_ezdfs_find_header(ngx_http_request_t *r,
    const char *key);


ngx_int_t
ngx_http_ezdfs_set_headers(ngx_http_request_t *r, ezdfs_http *http)
{
    size_t                     i, len;
    u_char                    *etag;
    ngx_table_elt_t           *h;
    ngx_http_core_loc_conf_t  *clcf;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = (off_t) http->content_length;
    r->headers_out.last_modified_time = (time_t) http->last_modified;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* the application that redirected here may have said what it sends */

    if (!clcf->internal || r->headers_out.content_type.len == 0) {
        len = ngx_strlen(http->content_type);

        r->headers_out.content_type_len = len;
        r->headers_out.content_type.len = len;
        r->headers_out.content_type.data = (u_char *) http->content_type;
        r->headers_out.content_type_lowcase = NULL;
    }

    if (clcf->etag) {
        len = ngx_strlen(http->etag) + 1;

        etag = ngx_pnalloc(r->pool, len);
        if (etag == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(etag, http->etag, len);

        h = ngx_http_ezdfs_push_header(r, "ETag", (char *) etag);
        if (h == NULL) {
            return NGX_ERROR;
        }

        r->headers_out.etag = h;
    }

    for (i = 0; i < http->headers_len; i++) {

        if (clcf->internal
            && ngx_http_ezdfs_find_header(r, http->headers[i].name))
        {
            continue;
        }

        if (ngx_http_ezdfs_push_header(r, http->headers[i].name,
                                       http->headers[i].value)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    /* only who was given X-Accel-Redirect knows for whom the file is */

    if (r->upstream && r->upstream->headers_in.x_accel_redirect) {
        return ngx_http_ezdfs_keep_private(r);
    }

    return NGX_OK;
}


/*
 * What a permission was asked for is not for caches that others share, unless
 * the application says so.  "expires" of the location has the last word.
 */

static ngx_int_t
ngx_http_ezdfs_keep_private(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;
#if (nginx_version < 1023000)
    ngx_table_elt_t  **known;
#endif

    if (ngx_http_ezdfs_find_header(r, "Cache-Control")
        || ngx_http_ezdfs_find_header(r, "Expires"))
    {
        return NGX_OK;
    }

    h = ngx_http_ezdfs_push_header(r, "Cache-Control", "private");
    if (h == NULL) {
        return NGX_ERROR;
    }

#if (nginx_version >= 1023000)
    r->headers_out.cache_control = h;
#else
    if (r->headers_out.cache_control.elts == NULL
        && ngx_array_init(&r->headers_out.cache_control, r->pool, 1,
                          sizeof(ngx_table_elt_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    known = ngx_array_push(&r->headers_out.cache_control);
    if (known == NULL) {
        return NGX_ERROR;
    }

    *known = h;
#endif

    return NGX_OK;
}


ngx_table_elt_t *
ngx_http_ezdfs_push_header(ngx_http_request_t *r, const char *key,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.len = ngx_strlen(key);
    h->key.data = (u_char *) key;
    h->value.len = ngx_strlen(value);
    h->value.data = (u_char *) value;
    h->lowcase_key = NULL;

    return h;
}


static ngx_table_elt_t *
ngx_http_ezdfs_find_header(ngx_http_request_t *r, const char *key)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(key);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) key, len) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


void
ngx_http_ezdfs_clear_header(ngx_http_request_t *r, const char *key)
{
    ngx_table_elt_t  *h;

    while ((h = ngx_http_ezdfs_find_header(r, key)) != NULL) {
        h->hash = 0;
    }
}


/*
 * An error is not the file that an application, which redirected here, has
 * described, and nobody may keep it as long.
 */

void
ngx_http_ezdfs_clear_description(ngx_http_request_t *r)
{
    ngx_http_ezdfs_clear_header(r, "Content-Disposition");
    ngx_http_ezdfs_clear_header(r, "Cache-Control");
    ngx_http_ezdfs_clear_header(r, "Expires");

    r->headers_out.expires = NULL;

#if (nginx_version >= 1023000)
    r->headers_out.cache_control = NULL;
#else
    ngx_memzero(&r->headers_out.cache_control, sizeof(ngx_array_t));
#endif
}
