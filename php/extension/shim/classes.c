/* The classes that PHP code sees as plain objects with real properties. */

#include "shim.h"

#include <time.h>

#include "ext/date/php_date.h"
#include "ext/spl/spl_exceptions.h"
#include "zend_exceptions.h"
#include "zend_interfaces.h"

static zend_class_entry *file_info_ce;
static zend_class_entry *base_exception_ce;


/* A store makes its own without it: this one is for doubles of a store. */
ZEND_METHOD(FileInfo, __construct)
{
    zval        *this = ZEND_THIS, *mtime;
    zend_long    size;
    zend_string *id, *mime_type, *scope, *uri;

    ZEND_PARSE_PARAMETERS_START(6, 6)
        Z_PARAM_STR(id)
        Z_PARAM_LONG(size)
        Z_PARAM_OBJECT_OF_CLASS(mtime, php_date_get_immutable_ce())
        Z_PARAM_STR(mime_type)
        Z_PARAM_STR(scope)
        Z_PARAM_STR(uri)
    ZEND_PARSE_PARAMETERS_END();

    if (Z_TYPE_P(OBJ_PROP_NUM(Z_OBJ_P(this), 0)) != IS_UNDEF) {
        zend_throw_error(NULL, "Cannot modify readonly property %s::$id",
                         ZSTR_VAL(file_info_ce->name));
        RETURN_THROWS();
    }

    ZVAL_STR_COPY(OBJ_PROP_NUM(Z_OBJ_P(this), 0), id);
    ZVAL_LONG(OBJ_PROP_NUM(Z_OBJ_P(this), 1), size);
    ZVAL_COPY(OBJ_PROP_NUM(Z_OBJ_P(this), 2), mtime);
    ZVAL_STR_COPY(OBJ_PROP_NUM(Z_OBJ_P(this), 3), mime_type);
    ZVAL_STR_COPY(OBJ_PROP_NUM(Z_OBJ_P(this), 4), scope);
    ZVAL_STR_COPY(OBJ_PROP_NUM(Z_OBJ_P(this), 5), uri);
}


static void
return_property(INTERNAL_FUNCTION_PARAMETERS, const char *name)
{
    zval *value, rv;

    ZEND_PARSE_PARAMETERS_NONE();

    value = zend_read_property(base_exception_ce, Z_OBJ_P(ZEND_THIS), name,
                               strlen(name), 0, &rv);
    RETURN_COPY_DEREF(value);
}


ZEND_METHOD(EzdfsException, getOperation)
{
    return_property(INTERNAL_FUNCTION_PARAM_PASSTHRU, "operation");
}


ZEND_METHOD(EzdfsException, getSubject)
{
    return_property(INTERNAL_FUNCTION_PARAM_PASSTHRU, "subject");
}


ZEND_BEGIN_ARG_INFO_EX(arginfo_file_info, 0, 0, 6)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, size, IS_LONG, 0)
    ZEND_ARG_OBJ_INFO(0, mtime, DateTimeImmutable, 0)
    ZEND_ARG_TYPE_INFO(0, mimeType, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, scope, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, uri, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_string, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

static const zend_function_entry file_info_methods[] = {
    ZEND_ME(FileInfo, __construct, arginfo_file_info, ZEND_ACC_PUBLIC)
    ZEND_FE_END
};

static const zend_function_entry exception_methods[] = {
    ZEND_ME(EzdfsException, getOperation, arginfo_string,
            ZEND_ACC_PUBLIC|ZEND_ACC_FINAL)
    ZEND_ME(EzdfsException, getSubject, arginfo_string,
            ZEND_ACC_PUBLIC|ZEND_ACC_FINAL)
    ZEND_FE_END
};

static const zend_function_entry no_methods[] = {
    ZEND_FE_END
};


static void
declare(zend_class_entry *ce, const char *name, zval *value, int flags,
    zend_type type)
{
    zend_string *key;

    key = zend_string_init(name, strlen(name), 1);
    zend_declare_typed_property(ce, key, value, flags, NULL, type);
    zend_string_release(key);
}


static void
declare_readonly(const char *name, zend_type type)
{
    zval unset;

    ZVAL_UNDEF(&unset);
    declare(file_info_ce, name, &unset, ZEND_ACC_PUBLIC|ZEND_ACC_READONLY,
            type);
}


/* The order of the properties is that in which they are filled. */
void
ezdfs_php_register_file_info(void)
{
    zend_class_entry  ce;
    zend_string      *date;

    INIT_CLASS_ENTRY(ce, "Ezdfs\\FileInfo", file_info_methods);
    file_info_ce = zend_register_internal_class(&ce);
    file_info_ce->ce_flags |= ZEND_ACC_FINAL|ZEND_ACC_NO_DYNAMIC_PROPERTIES;

    date = zend_string_init("DateTimeImmutable",
                            sizeof("DateTimeImmutable") - 1, 1);

    declare_readonly("id", (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_STRING));
    declare_readonly("size", (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_LONG));
    declare_readonly("mtime", (zend_type) ZEND_TYPE_INIT_CLASS(date, 0, 0));
    declare_readonly("mimeType",
                     (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_STRING));
    declare_readonly("scope", (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_STRING));
    declare_readonly("uri", (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_STRING));
}


/* Without a parent it becomes the base of those that follow. */
zend_class_entry *
ezdfs_php_register_exception(ezdfs_php_text name, zend_class_entry *parent)
{
    zval              empty;
    zend_class_entry  ce;

    if (parent != NULL) {
        INIT_CLASS_ENTRY_EX(ce, name.bytes, name.len, no_methods);
        return zend_register_internal_class_ex(&ce, parent);
    }

    INIT_CLASS_ENTRY_EX(ce, name.bytes, name.len, exception_methods);
    base_exception_ce = zend_register_internal_class_ex(&ce,
                                                    spl_ce_RuntimeException);

    ZVAL_EMPTY_STRING(&empty);
    declare(base_exception_ce, "operation", &empty, ZEND_ACC_PRIVATE,
            (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_STRING));
    declare(base_exception_ce, "subject", &empty, ZEND_ACC_PRIVATE,
            (zend_type) ZEND_TYPE_INIT_MASK(MAY_BE_STRING));

    return base_exception_ce;
}


static void
set_text(zend_class_entry *ce, zval *object, const char *name,
    ezdfs_php_text text)
{
    zend_update_property_stringl(ce, Z_OBJ_P(object), name, strlen(name),
                                 text.bytes, text.len);
}


int
ezdfs_php_throw(zend_class_entry *ce, const ezdfs_php_failure *failure)
{
    zval          object;
    volatile int  result = EZDFS_PHP_THROWN;

    zend_try {
        object_init_ex(&object, ce);
        set_text(zend_ce_exception, &object, "message", failure->message);
        set_text(base_exception_ce, &object, "operation", failure->operation);
        set_text(base_exception_ce, &object, "subject", failure->subject);
        zend_update_property_long(zend_ce_exception, Z_OBJ(object),
                                  ZEND_STRL("code"), failure->code);
        zend_throw_exception_object(&object);
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


static void
fill_text(zend_object *object, uint32_t slot, ezdfs_php_text text)
{
    ZVAL_STRINGL_FAST(OBJ_PROP_NUM(object, slot), text.bytes, text.len);
}


/*
 * A DateTimeImmutable in UTC.  Filled in field by field: parsing a text costs
 * more than all the rest of a load(), and PHP parses its time zone database
 * besides when it is the first text of a request.
 */
static bool
fill_time(zend_object *object, uint32_t slot, int64_t seconds)
{
    time_t         time = (time_t) seconds;
    struct tm      parts;
    timelib_time  *filled;
    zval          *date = OBJ_PROP_NUM(object, slot);

    if (gmtime_r(&time, &parts) == NULL) {
        return false;
    }

    php_date_instantiate(php_date_get_immutable_ce(), date);

    /* freed with the object, by the functions that these macros name */

    filled = timelib_calloc(1, sizeof(timelib_time));
    filled->tz_abbr = timelib_strdup("UTC");

    filled->y = parts.tm_year + (timelib_sll) 1900;
    filled->m = parts.tm_mon + 1;
    filled->d = parts.tm_mday;
    filled->h = parts.tm_hour;
    filled->i = parts.tm_min;
    filled->s = parts.tm_sec;
    filled->sse = seconds;

    filled->zone_type = TIMELIB_ZONETYPE_ABBR;
    filled->is_localtime = 1;
    filled->have_time = 1;
    filled->have_date = 1;
    filled->have_zone = 1;
    filled->sse_uptodate = 1;
    filled->tim_uptodate = 1;

    Z_PHPDATE_P(date)->time = filled;

    return true;
}


int
ezdfs_php_new_file_info(const ezdfs_php_file_info *info, zval *out)
{
    volatile int result = EZDFS_PHP_OK;

    zend_try {
        object_init_ex(out, file_info_ce);
        fill_text(Z_OBJ_P(out), 0, info->id);
        ZVAL_LONG(OBJ_PROP_NUM(Z_OBJ_P(out), 1), info->size);

        if (!fill_time(Z_OBJ_P(out), 2, info->mtime)) {
            result = EZDFS_PHP_FAILED;
        }

        fill_text(Z_OBJ_P(out), 3, info->mime_type);
        fill_text(Z_OBJ_P(out), 4, info->scope);
        fill_text(Z_OBJ_P(out), 5, info->uri);
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


int
ezdfs_php_new_string(ezdfs_php_text text, zval *out)
{
    volatile int result = EZDFS_PHP_OK;

    zend_try {
        ZVAL_STRINGL(out, text.bytes, text.len);
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


/* Asks the object, which may be of a class that PHP code made. */
int
ezdfs_php_timestamp(zval *date, int64_t *out)
{
    zval          value;
    volatile int  result = EZDFS_PHP_OK;

    if (Z_TYPE_P(date) != IS_OBJECT
        || !instanceof_function(Z_OBJCE_P(date), php_date_get_interface_ce()))
    {
        return EZDFS_PHP_FAILED;
    }

    zend_try {
        ZVAL_UNDEF(&value);
        zend_call_method_with_0_params(Z_OBJ_P(date), Z_OBJCE_P(date), NULL,
                                       "gettimestamp", &value);
        if (EG(exception)) {
            result = EZDFS_PHP_THROWN;
        } else if (Z_TYPE(value) == IS_LONG) {
            *out = Z_LVAL(value);
        } else {
            result = EZDFS_PHP_FAILED;
        }

        zval_ptr_dtor(&value);
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}
