/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The directives, but for what stands inside of <EzdfsStore>.
 */

#include "mod_ezdfs.h"

APLOG_USE_MODULE(ezdfs);

#define UNSET (-1)

void *mod_ezdfs_create_section(apr_pool_t *p, char *dir)
{
    mod_ezdfs_section *section = apr_pcalloc(p, sizeof(*section));

    section->drafts = UNSET;
    section->internal = UNSET;
    section->accel_redirect = UNSET;
    return section;
}

static int merged(int base, int add)
{
    return add == UNSET ? base : add;
}

void *mod_ezdfs_merge_sections(apr_pool_t *p, void *base_, void *add_)
{
    const mod_ezdfs_section *base = base_;
    const mod_ezdfs_section *add = add_;
    mod_ezdfs_section *section = apr_pcalloc(p, sizeof(*section));

    section->is_off = add->is_off || (base->is_off && !add->store);
    section->store = add->store || add->is_off ? add->store : base->store;
    section->drafts = merged(base->drafts, add->drafts);
    section->internal = merged(base->internal, add->internal);
    section->accel_redirect = merged(base->accel_redirect, add->accel_redirect);
    section->strip_prefix = add->strip_prefix ? add->strip_prefix : base->strip_prefix;
    return section;
}

const mod_ezdfs_section *mod_ezdfs_section_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &ezdfs_module);
}

/*
 * A directory of the file system is not asked for these requests, and so its sections cannot say
 * anything of them.
 */
static const char *check_context(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_DIRECTORY | NOT_IN_FILES | NOT_IN_HTACCESS);
}

/* All stores are known by now: their blocks run while the files are read. */
static const char *set_store(cmd_parms *cmd, void *section_, const char *name)
{
    mod_ezdfs_section *section = section_;
    const char *refused = check_context(cmd);

    if (refused) {
        return refused;
    }
    section->is_off = !ap_cstr_casecmp(name, "off");
    section->store = section->is_off ? NULL : mod_ezdfs_find_store(name);
    if (!section->store && !section->is_off) {
        return apr_psprintf(cmd->pool, "unknown EzdfsStore \"%s\"", name);
    }
    return NULL;
}

static const char *set_flag(cmd_parms *cmd, void *section, int flag)
{
    const char *refused = check_context(cmd);

    return refused ? refused : ap_set_flag_slot(cmd, section, flag);
}

static const char *set_strip_prefix(cmd_parms *cmd, void *section_, const char *prefix)
{
    mod_ezdfs_section *section = section_;
    const char *refused = check_context(cmd);
    apr_size_t len = strlen(prefix);

    if (refused) {
        return refused;
    }
    if (prefix[0] != '/') {
        return "EzdfsStripPrefix takes the beginning of a path, such as /protected";
    }
    while (len > 0 && prefix[len - 1] == '/') {
        len--;
    }
    section->strip_prefix = apr_pstrmemdup(cmd->pool, prefix, len);
    return NULL;
}

#define FLAG(name, member, help)                                            \
    AP_INIT_FLAG(name, set_flag, (void *)APR_OFFSETOF(mod_ezdfs_section, member), \
                 RSRC_CONF | ACCESS_CONF, help)

const command_rec mod_ezdfs_commands[] = {
    AP_INIT_RAW_ARGS("<EzdfsStore", mod_ezdfs_store_block, NULL, RSRC_CONF | EXEC_ON_READ,
                     "a store: its name; inside, one option of ezdfs and its value on each line"),
    AP_INIT_TAKE1("Ezdfs", set_store, NULL, RSRC_CONF | ACCESS_CONF,
                  "the EzdfsStore that answers the requests of the section, or Off"),
    FLAG("EzdfsDrafts", drafts, "On to serve drafts (images-versioned/)"),
    FLAG("EzdfsInternal", internal,
         "On for a section that only internal redirects and sub-requests reach; serves original/"),
    FLAG("EzdfsAccelRedirect", accel_redirect,
         "On to send the file that an answer's X-Accel-Redirect names"),
    AP_INIT_TAKE1("EzdfsStripPrefix", set_strip_prefix, NULL, RSRC_CONF | ACCESS_CONF,
                  "what stands before the path that is looked up, such as /protected"),
    { NULL }
};
