/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Serves the files of an eZ Platform / Ibexa cluster from Apache httpd.
 */

#include "mod_ezdfs.h"

static void register_hooks(apr_pool_t *p)
{
    /* By the location alone, whatever rewrites and aliases make of the path. */
    static const char *const before_aliases[] = { "mod_alias.c", "mod_vhost_alias.c", "mod_proxy.c", NULL };
    static const char *const after_rewrites[] = { "mod_rewrite.c", NULL };

    ap_hook_post_config(mod_ezdfs_share_counters, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(mod_ezdfs_open_stores, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_translate_name(mod_ezdfs_translate_redirect, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(mod_ezdfs_translate, after_rewrites, before_aliases, APR_HOOK_FIRST);
    ap_hook_map_to_storage(mod_ezdfs_map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_type_checker(mod_ezdfs_check_type, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_fixups(mod_ezdfs_fixup, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_ezdfs_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_ezdfs_metrics_handler, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_insert_filter(mod_ezdfs_insert_filter, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_insert_error_filter(mod_ezdfs_insert_error_filter, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_output_filter(MOD_EZDFS_DISCARD, mod_ezdfs_discard_filter, NULL, AP_FTYPE_RESOURCE);
    ap_register_output_filter("EZDFS_ACCEL_REDIRECT", mod_ezdfs_redirect_filter, NULL,
                              AP_FTYPE_RESOURCE);
}

AP_DECLARE_MODULE(ezdfs) = {
    STANDARD20_MODULE_STUFF,
    mod_ezdfs_create_section,
    mod_ezdfs_merge_sections,
    NULL,                       /* of a server: stores are everybody's */
    NULL,
    mod_ezdfs_commands,
    register_hooks,
#ifdef AP_MODULE_FLAG_NONE
    AP_MODULE_FLAG_NONE,
#endif
};
