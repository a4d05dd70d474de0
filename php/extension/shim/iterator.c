/* Ezdfs\FileIterator, the iterator of Store::list(). */

#include "shim.h"

#include "zend_interfaces.h"


static zend_class_entry *iterator_ce;
static zend_object_handlers iterator_handlers;


static void
call(INTERNAL_FUNCTION_PARAMETERS, ezdfs_php_iterator_call method)
{
    ezdfs_php_object *object = ezdfs_php_object_of(Z_OBJ_P(ZEND_THIS));

    ZEND_PARSE_PARAMETERS_NONE();

    ezdfs_php_conclude(method(object->value, return_value));
}


ZEND_METHOD(FileIterator, __construct)
{
    ZEND_PARSE_PARAMETERS_NONE();
}


ZEND_METHOD(FileIterator, current)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_iterator_current);
}


ZEND_METHOD(FileIterator, key)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_iterator_key);
}


ZEND_METHOD(FileIterator, next)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_iterator_next);
}


ZEND_METHOD(FileIterator, rewind)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_iterator_rewind);
}


ZEND_METHOD(FileIterator, valid)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_iterator_valid);
}


ZEND_BEGIN_ARG_INFO_EX(arginfo_construct, 0, 0, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_mixed, 0, 0, IS_MIXED, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_int, 0, 0, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_void, 0, 0, IS_VOID, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_bool, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

static const zend_function_entry iterator_methods[] = {
    ZEND_ME(FileIterator, __construct, arginfo_construct, ZEND_ACC_PRIVATE)
    ZEND_ME(FileIterator, current, arginfo_mixed, ZEND_ACC_PUBLIC)
    ZEND_ME(FileIterator, key, arginfo_int, ZEND_ACC_PUBLIC)
    ZEND_ME(FileIterator, next, arginfo_void, ZEND_ACC_PUBLIC)
    ZEND_ME(FileIterator, rewind, arginfo_void, ZEND_ACC_PUBLIC)
    ZEND_ME(FileIterator, valid, arginfo_bool, ZEND_ACC_PUBLIC)
    ZEND_FE_END
};


static zend_object *
create_iterator(zend_class_entry *ce)
{
    return ezdfs_php_create_object(ce, &iterator_handlers);
}


static void
free_iterator(zend_object *object)
{
    ezdfs_php_iterator_free(ezdfs_php_object_of(object)->value);
    zend_object_std_dtor(object);
}


void
ezdfs_php_register_iterator(void)
{
    zend_class_entry ce;

    INIT_CLASS_ENTRY(ce, "Ezdfs\\FileIterator", iterator_methods);
    iterator_ce = zend_register_internal_class(&ce);
    iterator_ce->ce_flags |= ZEND_ACC_FINAL|ZEND_ACC_NO_DYNAMIC_PROPERTIES
                             |ZEND_ACC_NOT_SERIALIZABLE;
    iterator_ce->create_object = create_iterator;
    zend_class_implements(iterator_ce, 1, zend_ce_iterator);

    ezdfs_php_init_handlers(&iterator_handlers, free_iterator);
}


/* On success the object owns the iterator. */
int
ezdfs_php_new_iterator(void *iterator, zval *out)
{
    volatile int result = EZDFS_PHP_OK;

    zend_try {
        object_init_ex(out, iterator_ce);
        ezdfs_php_object_of(Z_OBJ_P(out))->value = iterator;
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}
