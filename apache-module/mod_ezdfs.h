/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef MOD_EZDFS_H
#define MOD_EZDFS_H

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include <apr_buckets.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include <ezdfs.h>

#define MOD_EZDFS_HANDLER          "ezdfs"
#define MOD_EZDFS_DISCARD          "EZDFS_DISCARD"
#define MOD_EZDFS_METRICS_HANDLER  "ezdfs-metrics"

/* An <EzdfsStore>. */
typedef struct mod_ezdfs_store {
    const char *name;
    ezdfs_options *options;     /* parsed in the parent */
    ezdfs_store *store;         /* of this process; NULL in the parent */
    void *counters;             /* that all children share */
    struct mod_ezdfs_store *next;
} mod_ezdfs_store;

/* What the directives of a section say; -1 and NULL are nothing. */
typedef struct {
    mod_ezdfs_store *store;
    int is_off;                 /* "Ezdfs Off" */
    int drafts;
    int internal;
    int accel_redirect;
    const char *strip_prefix;
} mod_ezdfs_section;

/* What a request asks of a store. */
typedef struct {
    const mod_ezdfs_section *section;
    const char *path;           /* decoded */
    const char *raw_path;       /* as on the wire; NULL where it was rewritten */
    apr_size_t raw_path_len;
} mod_ezdfs_request;

extern module AP_MODULE_DECLARE_DATA ezdfs_module;

/* configuration: config.c */
extern const command_rec mod_ezdfs_commands[];
void *mod_ezdfs_create_section(apr_pool_t *p, char *dir);
void *mod_ezdfs_merge_sections(apr_pool_t *p, void *base, void *add);
const mod_ezdfs_section *mod_ezdfs_section_of(const request_rec *r);

/* the stores: stores.c */
mod_ezdfs_store *mod_ezdfs_first_store(void);
mod_ezdfs_store *mod_ezdfs_find_store(const char *name);
const char *mod_ezdfs_store_block(cmd_parms *cmd, void *section, const char *args);
int mod_ezdfs_share_counters(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void mod_ezdfs_open_stores(apr_pool_t *pchild, server_rec *s);

/* the request: handler.c */
int mod_ezdfs_is_ours(const request_rec *r);
int mod_ezdfs_translate(request_rec *r);
int mod_ezdfs_map_to_storage(request_rec *r);
int mod_ezdfs_check_type(request_rec *r);
int mod_ezdfs_fixup(request_rec *r);
int mod_ezdfs_refuse_writing(request_rec *r);   /* OK of GET and HEAD */
int mod_ezdfs_handler(request_rec *r);

/* the answer: answer.c */
int mod_ezdfs_answer(request_rec *r, const mod_ezdfs_request *asked, ap_filter_t *next);

/* the file's bytes: bucket.c */
apr_bucket *mod_ezdfs_bucket_create(ezdfs_file *file, apr_size_t length,
                                    apr_bucket_alloc_t *list);

/* X-Accel-Redirect: redirect.c */
void mod_ezdfs_insert_filter(request_rec *r);
void mod_ezdfs_insert_error_filter(request_rec *r);
int mod_ezdfs_translate_redirect(request_rec *r);
apr_status_t mod_ezdfs_discard_filter(ap_filter_t *f, apr_bucket_brigade *bb);
apr_status_t mod_ezdfs_redirect_filter(ap_filter_t *f, apr_bucket_brigade *bb);

/* what was counted: metrics.c */
int mod_ezdfs_metrics_handler(request_rec *r);

#endif /* MOD_EZDFS_H */
