
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#include "ngx_http_ezdfs_module.h"


static ngx_int_t ngx_http_ezdfs_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_ezdfs_source_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_ezdfs_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_ezdfs_name_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_ezdfs_found(ngx_http_variable_value_t *v,
    const char *text);
static ngx_int_t ngx_http_ezdfs_escape(ngx_http_request_t *r, ngx_str_t *text);


static ngx_http_variable_t  ngx_http_ezdfs_vars[] = {

    { ngx_string("ezdfs_status"), NULL, ngx_http_ezdfs_status_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("ezdfs_source"), NULL, ngx_http_ezdfs_source_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("ezdfs_time"), NULL, ngx_http_ezdfs_time_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("ezdfs_name"), NULL, ngx_http_ezdfs_name_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("ezdfs_name_escaped"), NULL, ngx_http_ezdfs_name_variable,
      1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_ezdfs_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = ngx_http_ezdfs_get_ctx(r);

    if (ctx == NULL || !ctx->answered) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_ezdfs_found(v, ezdfs_result_name(ctx->code));
}


static ngx_int_t
ngx_http_ezdfs_source_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = ngx_http_ezdfs_get_ctx(r);

    if (ctx == NULL || ctx->source == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_ezdfs_found(v, ctx->source);
}


/* Seconds, as $upstream_response_time. */

static ngx_int_t
ngx_http_ezdfs_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                *p;
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = ngx_http_ezdfs_get_ctx(r);

    if (ctx == NULL || !ctx->answered) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%T.%03M", (time_t) (ctx->time / 1000),
                         ctx->time % 1000)
             - p;
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* As the table has it, or, fit for a header, as it is spelt in a URL. */

static ngx_int_t
ngx_http_ezdfs_name_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t              name;
    ngx_http_ezdfs_ctx_t  *ctx;

    ctx = ngx_http_ezdfs_get_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ngx_http_ezdfs_name(ctx, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (name.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (data && ngx_http_ezdfs_escape(r, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    v->data = name.data;
    v->len = name.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* A text that stays. */

static ngx_int_t
ngx_http_ezdfs_found(ngx_http_variable_value_t *v, const char *text)
{
    v->data = (u_char *) text;
    v->len = ngx_strlen(text);
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ezdfs_escape(ngx_http_request_t *r, ngx_str_t *text)
{
    u_char     *p;
    uintptr_t   escape;

    escape = ngx_escape_uri(NULL, text->data, text->len, NGX_ESCAPE_URI);

    if (escape == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, text->len + 2 * escape);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_escape_uri(p, text->data, text->len, NGX_ESCAPE_URI);

    text->data = p;
    text->len += 2 * escape;

    return NGX_OK;
}


ngx_int_t
ngx_http_ezdfs_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_ezdfs_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}
