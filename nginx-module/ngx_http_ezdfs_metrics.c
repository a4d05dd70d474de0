
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


/* what may be counted between asking for the length and writing */
#define NGX_HTTP_EZDFS_METRICS_SLACK  4096


static ngx_int_t ngx_http_ezdfs_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_ezdfs_metrics_handler(ngx_http_request_t *r);
static uint32_t ngx_http_ezdfs_metrics_format(ngx_http_request_t *r);
static ngx_buf_t *ngx_http_ezdfs_write_metrics(ngx_http_request_t *r,
    uint32_t format);


/*
 * The counters of a store, which all workers share.  A zone of the same name
 * and size is kept when nginx is reloaded.
 */

ngx_int_t
ngx_http_ezdfs_add_zone(ngx_conf_t *cf, ngx_http_ezdfs_store_t *store)
{
    size_t     size;
    ngx_str_t  name;

    name.len = sizeof("ezdfs_") - 1 + store->name.len;

    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(name.data, "ezdfs_%V", &store->name);

    /* what the pool itself takes is less than an eighth, and a few pages */

    size = ezdfs_stats_zone_size();
    size = ngx_align(size + size / 8 + 8 * ngx_pagesize, ngx_pagesize);

    store->zone = ngx_shared_memory_add(cf, &name, size,
                                        &ngx_http_ezdfs_module);
    if (store->zone == NULL) {
        return NGX_ERROR;
    }

    store->zone->init = ngx_http_ezdfs_init_zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ezdfs_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t  *shpool;

    if (data) {
        shm_zone->data = data;
        return NGX_OK;
    }

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        shm_zone->data = shpool->data;
        return NGX_OK;
    }

    /* larger than a page, and so aligned to one */

    shpool->data = ngx_slab_calloc(shpool, ezdfs_stats_zone_size());
    if (shpool->data == NULL) {
        return NGX_ERROR;
    }

    shm_zone->data = shpool->data;

    return NGX_OK;
}


char *
ngx_http_ezdfs_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_ezdfs_metrics_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ezdfs_metrics_handler(ngx_http_request_t *r)
{
    uint32_t     format;
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;
    const char  *type;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {

        if (ngx_http_ezdfs_push_header(r, "Allow", "GET, HEAD") == NULL) {
            return NGX_ERROR;
        }

        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    format = ngx_http_ezdfs_metrics_format(r);

    b = ngx_http_ezdfs_write_metrics(r, format);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    type = ezdfs_metrics_content_type(format);

    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = ngx_strchr(type, ';') - type;
    r->headers_out.content_type_lowcase = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;

    if (b->last == b->pos) {
        /* no store, nothing to say */
        r->header_only = 1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* What the client accepts; no field of nginx's own has it in every build. */

static uint32_t
ngx_http_ezdfs_metrics_format(ngx_http_request_t *r)
{
    uint32_t          format;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    format = EZDFS_METRICS_PROMETHEUS;

    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].key.len == sizeof("accept") - 1
            && ngx_strncmp(header[i].lowcase_key, "accept", 6) == 0)
        {
            format = ezdfs_metrics_format((char *) header[i].value.data,
                                          header[i].value.len);
        }
    }

    return format;
}


static ngx_buf_t *
ngx_http_ezdfs_write_metrics(ngx_http_request_t *r, uint32_t format)
{
    size_t                        len, size;
    ngx_buf_t                    *b;
    ngx_uint_t                    i;
    ezdfs_error                   err;
    ezdfs_named_store            *named;
    ngx_http_ezdfs_store_t      **stores;
    ngx_http_ezdfs_main_conf_t   *emcf;

    emcf = ngx_http_get_module_main_conf(r, ngx_http_ezdfs_module);
    stores = emcf->stores.elts;

    named = ngx_pcalloc(r->pool,
                        emcf->stores.nelts * sizeof(ezdfs_named_store) + 1);
    if (named == NULL) {
        return NULL;
    }

    for (i = 0; i < emcf->stores.nelts; i++) {
        named[i].struct_size = sizeof(ezdfs_named_store);
        named[i].name = (char *) stores[i]->name.data;
        named[i].name_len = stores[i]->name.len;
        named[i].store = stores[i]->store;
    }

    err.struct_size = sizeof(ezdfs_error);

    if (ezdfs_metrics_write(named, i, format, NULL, 0, &size, &err)
        != EZDFS_RESULT_OK)
    {
        goto failed;
    }

    size += NGX_HTTP_EZDFS_METRICS_SLACK;

    b = ngx_create_temp_buf(r->pool, size);
    if (b == NULL) {
        return NULL;
    }

    if (ezdfs_metrics_write(named, i, format, (char *) b->last, size, &len,
                            &err)
        != EZDFS_RESULT_OK)
    {
        goto failed;
    }

    if (len > size) {
        return NULL;
    }

    b->last += len;

    return b;

failed:

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "cannot write ezdfs_metrics: %s", err.message);

    return NULL;
}
