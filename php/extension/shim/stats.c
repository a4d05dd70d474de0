/*
 * What was counted: as an array of arrays, and as tables of phpinfo().
 */

#include "shim.h"

#include "ext/standard/info.h"


static void
plant(zval *tree, const ezdfs_php_leaf *leaf)
{
    size_t                i;
    zval                  made, *branch;
    const ezdfs_php_text *key = leaf->path;

    for (i = 1; i < leaf->depth; i++, key++) {
        branch = zend_hash_str_find(Z_ARRVAL_P(tree), key->bytes, key->len);

        if (branch == NULL) {
            array_init(&made);
            branch = zend_hash_str_add_new(Z_ARRVAL_P(tree), key->bytes,
                                           key->len, &made);
        }

        tree = branch;
    }

    if (leaf->is_float) {
        ZVAL_DOUBLE(&made, leaf->number);
    } else {
        ZVAL_LONG(&made, leaf->integer);
    }

    zend_hash_str_update(Z_ARRVAL_P(tree), key->bytes, key->len, &made);
}


int
ezdfs_php_new_tree(const ezdfs_php_leaf *leaves, size_t count, zval *out)
{
    size_t        i;
    volatile int  result = EZDFS_PHP_OK;

    zend_try {
        array_init(out);

        for (i = 0; i < count; i++) {
            plant(out, &leaves[i]);
        }
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


/* Each row is a text and a number; the first is what stands above them. */
int
ezdfs_php_print_rows(const ezdfs_php_row *rows, size_t count)
{
    size_t        i;
    volatile int  result = EZDFS_PHP_OK;

    zend_try {
        php_info_print_table_start();

        for (i = 0; i < count; i++) {
            if (i == 0) {
                php_info_print_table_header(2, rows[i].name, rows[i].value);
            } else {
                php_info_print_table_row(2, rows[i].name, rows[i].value);
            }
        }

        php_info_print_table_end();
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}
