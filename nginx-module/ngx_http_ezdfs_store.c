
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


typedef struct {
    ngx_http_ezdfs_store_t     *store;
    ngx_array_t                 keys;       /* of ngx_str_t */
} ngx_http_ezdfs_block_t;


static ngx_http_ezdfs_store_t *ngx_http_ezdfs_add_store(ngx_conf_t *cf,
    ngx_http_ezdfs_main_conf_t *emcf, ngx_str_t *name);
static void ngx_http_ezdfs_store_cleanup(void *data);
static char *ngx_http_ezdfs_option(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static ngx_uint_t ngx_http_ezdfs_is_key(ngx_str_t *text);


char *
ngx_http_ezdfs_store_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ezdfs_main_conf_t *emcf = conf;

    char                    *rv;
    ngx_str_t               *value;
    ngx_conf_t               save;
    ezdfs_error              err;
    ngx_http_ezdfs_block_t   block;

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "empty ezdfs_store name");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ezdfs_find_store(emcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate ezdfs_store \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    block.store = ngx_http_ezdfs_add_store(cf, emcf, &value[1]);
    if (block.store == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_array_init(&block.keys, cf->temp_pool, 8, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_ezdfs_option;
    cf->handler_conf = (void *) &block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_memzero(&err, sizeof(ezdfs_error));
    err.struct_size = sizeof(ezdfs_error);

    if (ezdfs_options_check(block.store->options, &err) != EZDFS_RESULT_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid ezdfs_store \"%V\": %s",
                           &block.store->name, err.message);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_http_ezdfs_store_t *
ngx_http_ezdfs_add_store(ngx_conf_t *cf, ngx_http_ezdfs_main_conf_t *emcf,
    ngx_str_t *name)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_ezdfs_store_t   *store, **storep;

    store = ngx_pcalloc(cf->pool, sizeof(ngx_http_ezdfs_store_t));
    if (store == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    store->options = ezdfs_options_new();
    if (store->options == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_ezdfs_store_cleanup;
    cln->data = store;

    store->name = *name;

    storep = ngx_array_push(&emcf->stores);
    if (storep == NULL) {
        return NULL;
    }

    *storep = store;

    if (ngx_http_ezdfs_add_zone(cf, store) != NGX_OK) {
        return NULL;
    }

    return store;
}


ngx_http_ezdfs_store_t *
ngx_http_ezdfs_find_store(ngx_http_ezdfs_main_conf_t *emcf, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_http_ezdfs_store_t  **stores;

    stores = emcf->stores.elts;

    for (i = 0; i < emcf->stores.nelts; i++) {

        if (stores[i]->name.len == name->len
            && ngx_strncmp(stores[i]->name.data, name->data, name->len) == 0)
        {
            return stores[i];
        }
    }

    return NULL;
}


static void
ngx_http_ezdfs_store_cleanup(void *data)
{
    ngx_http_ezdfs_store_t *store = data;

    ezdfs_store_free(store->store);
    ezdfs_options_free(store->options);
}


/* The handler of each directive inside an ezdfs_store block. */

static char *
ngx_http_ezdfs_option(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_ezdfs_block_t *block = conf;

    ngx_str_t               *value, *key, *store;
    ngx_uint_t               i;
    ezdfs_error              err;

    value = cf->args->elts;
    store = &block->store->name;

    /* a value whose key was forgotten may hold a password */

    if (!ngx_http_ezdfs_is_key(&value[0])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no option name where one is expected "
                           "in ezdfs_store \"%V\"", store);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts != 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in ezdfs_store \"%V\" takes one value",
                           &value[0], store);
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    key = block->keys.elts;

    for (i = 0; i < block->keys.nelts; i++) {

        if (key[i].len == value[0].len
            && ngx_strncmp(key[i].data, value[0].data, key[i].len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"%V\" in ezdfs_store \"%V\"",
                               &value[0], store);
            return NGX_CONF_ERROR;
        }
    }

    key = ngx_array_push(&block->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    *key = value[0];

    ngx_memzero(&err, sizeof(ezdfs_error));
    err.struct_size = sizeof(ezdfs_error);

    if (ezdfs_options_set(block->store->options,
                          (char *) value[0].data, value[0].len,
                          (char *) value[1].data, value[1].len, &err)
        != EZDFS_RESULT_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" in ezdfs_store \"%V\": %s",
                           &value[0], store, err.message);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_ezdfs_is_key(ngx_str_t *text)
{
    u_char  *p, *last;

    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        if ((*p < 'a' || *p > 'z') && (*p < 'A' || *p > 'Z')
            && (*p < '0' || *p > '9') && *p != '_' && *p != '-')
        {
            return 0;
        }
    }

    return text->len != 0;
}
