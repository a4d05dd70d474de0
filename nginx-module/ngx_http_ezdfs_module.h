
/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */


#ifndef _NGX_HTTP_EZDFS_MODULE_H_INCLUDED_
#define _NGX_HTTP_EZDFS_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <ezdfs.h>


typedef struct {
    ngx_str_t                   name;
    ezdfs_options              *options;    /* parsed in the master */
    ezdfs_store                *store;      /* of this process */
    ngx_shm_zone_t             *zone;       /* what it has counted */
} ngx_http_ezdfs_store_t;


typedef struct {
    ngx_array_t                 stores;     /* of ngx_http_ezdfs_store_t * */
    ngx_uint_t                  without_threads;    /* unsigned  told:1 */
} ngx_http_ezdfs_main_conf_t;


typedef struct {
    ngx_http_ezdfs_store_t     *store;
    ngx_flag_t                  drafts;
    ngx_flag_t                  threads;

    ngx_str_t                   name;       /* of the store, until merged */
    u_char                     *file_name;
    ngx_uint_t                  line;
} ngx_http_ezdfs_loc_conf_t;


typedef struct {
    ngx_http_request_t         *request;
    ezdfs_store                *store;
    ezdfs_file                 *file;
    uint64_t                    ticket;     /* 0 unless waiting */
    ngx_event_t                 half_closed;    /* the client's side */
    ngx_str_t                   path;       /* as looked up */
    ezdfs_result                code;
    const char                 *source;     /* NULL: not looked up */
    ngx_msec_t                  time;       /* started; then, taken */

    unsigned                    answered:1;
    unsigned                    refused:1;
} ngx_http_ezdfs_ctx_t;


/* configuration: ngx_http_ezdfs_conf.c */

void *ngx_http_ezdfs_create_main_conf(ngx_conf_t *cf);
void *ngx_http_ezdfs_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_ezdfs_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/* the block ezdfs_store: ngx_http_ezdfs_store.c */

char *ngx_http_ezdfs_store_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_http_ezdfs_store_t *ngx_http_ezdfs_find_store(
    ngx_http_ezdfs_main_conf_t *emcf, ngx_str_t *name);

/* the request: ngx_http_ezdfs_handler.c */

ngx_int_t ngx_http_ezdfs_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_ezdfs_answer(ngx_http_request_t *r,
    ngx_http_ezdfs_ctx_t *ctx, ezdfs_completion *completion, ezdfs_error *err);
ngx_http_ezdfs_ctx_t *ngx_http_ezdfs_get_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_ezdfs_name(ngx_http_ezdfs_ctx_t *ctx, ngx_str_t *name);

/* what was counted: ngx_http_ezdfs_metrics.c */

ngx_int_t ngx_http_ezdfs_add_zone(ngx_conf_t *cf,
    ngx_http_ezdfs_store_t *store);
char *ngx_http_ezdfs_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* while the store is asked: ngx_http_ezdfs_wait.c */

ngx_int_t ngx_http_ezdfs_wait(ngx_http_request_t *r,
    ngx_http_ezdfs_ctx_t *ctx);
void ngx_http_ezdfs_complete(ezdfs_completion *completion, ezdfs_error *err);
void ngx_http_ezdfs_cancel(void *data);

/* $ezdfs_status and others: ngx_http_ezdfs_variables.c */

ngx_int_t ngx_http_ezdfs_add_variables(ngx_conf_t *cf);

/* the response: ngx_http_ezdfs_send.c */

ngx_int_t ngx_http_ezdfs_send(ngx_http_request_t *r,
    ngx_http_ezdfs_ctx_t *ctx);

/* its headers: ngx_http_ezdfs_headers.c */

ngx_int_t ngx_http_ezdfs_set_headers(ngx_http_request_t *r, ezdfs_http *http);
ngx_table_elt_t *ngx_http_ezdfs_push_header(ngx_http_request_t *r,
    const char *key, const char *value);
void ngx_http_ezdfs_clear_header(ngx_http_request_t *r, const char *key);
void ngx_http_ezdfs_clear_description(ngx_http_request_t *r);

/* completions in the event loop: ngx_http_ezdfs_queue.c */

ngx_int_t ngx_http_ezdfs_open_queue(ngx_cycle_t *cycle);
void ngx_http_ezdfs_close_queue(void);
void ngx_http_ezdfs_hold_worker(void);
void ngx_http_ezdfs_release_worker(void);


extern ezdfs_queue   *ngx_http_ezdfs_queue;
extern ngx_module_t   ngx_http_ezdfs_module;
extern ngx_command_t  ngx_http_ezdfs_commands[];


#endif /* _NGX_HTTP_EZDFS_MODULE_H_INCLUDED_ */
