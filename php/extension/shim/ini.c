/* Reading and showing the ini settings, which Rust registers. */

#include "shim.h"

#include "SAPI.h"
#include "ext/standard/info.h"
#include "php_ini.h"
#include "php_main.h"


static ZEND_INI_DISP(display_dsn)
{
    char         shown[1024];
    size_t       len;
    zend_string *dsn;

    dsn = (type == ZEND_INI_DISPLAY_ORIG && ini_entry->modified)
              ? ini_entry->orig_value : ini_entry->value;

    if (dsn == NULL || ZSTR_LEN(dsn) == 0) {
        if (sapi_module.phpinfo_as_text) {
            PUTS("no value");
        } else {
            PUTS("<i>no value</i>");
        }
        return;
    }

    len = ezdfs_php_redact_dsn(ZSTR_VAL(dsn), ZSTR_LEN(dsn), shown,
                               sizeof(shown));

    if (sapi_module.phpinfo_as_text) {
        PHPWRITE(shown, len);
    } else {
        php_html_puts(shown, len);
    }
}


void
ezdfs_php_hide_dsn(void)
{
    zend_ini_register_displayer("ezdfs.dsn", sizeof("ezdfs.dsn") - 1,
                                display_dsn);
}


/*
 * The value of a setting, or false where there is none. It stays where it is
 * until PHP code or the end of the request changes it.
 */
bool
ezdfs_php_ini(ezdfs_php_text name, ezdfs_php_text *out)
{
    zend_ini_entry *entry;

    entry = zend_hash_str_find_ptr(EG(ini_directives), name.bytes, name.len);

    if (entry == NULL || entry->value == NULL) {
        return false;
    }

    out->bytes = ZSTR_VAL(entry->value);
    out->len = ZSTR_LEN(entry->value);
    return true;
}


void
ezdfs_php_display_ini(zend_module_entry *module)
{
    display_ini_entries(module);
}
