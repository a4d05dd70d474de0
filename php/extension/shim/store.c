/*
 * Ezdfs\Store, and Ezdfs\StoreInterface with the same methods: arguments are
 * parsed as those of PHP's own classes, the rest is Rust's.
 */

#include "shim.h"

#include "ext/date/php_date.h"
#include "zend_attributes.h"

#include "store_arginfo.h"


static zend_object_handlers store_handlers;


static const void *
store_of(zval *this)
{
    return ezdfs_php_object_of(Z_OBJ_P(this))->value;
}


static void
call(INTERNAL_FUNCTION_PARAMETERS, ezdfs_php_store_call method)
{
    ZEND_PARSE_PARAMETERS_NONE();

    ezdfs_php_conclude(method(store_of(ZEND_THIS), return_value));
}


/* With an id, a directory or a URI. */
static void
call_with_text(INTERNAL_FUNCTION_PARAMETERS, ezdfs_php_store_text_call method)
{
    zend_string *text;

    ZEND_PARSE_PARAMETERS_START(1, 1)
        Z_PARAM_STR(text)
    ZEND_PARSE_PARAMETERS_END();

    ezdfs_php_conclude(method(store_of(ZEND_THIS), ezdfs_php_text_of(text),
                              return_value));
}


ZEND_METHOD(Store, __construct)
{
    zval             *options;
    ezdfs_php_object *object = ezdfs_php_object_of(Z_OBJ_P(ZEND_THIS));

    ZEND_PARSE_PARAMETERS_START(1, 1)
        Z_PARAM_ARRAY(options)
    ZEND_PARSE_PARAMETERS_END();

    /* A method may be at work with it further up. */
    if (object->value != NULL) {
        zend_throw_error(NULL, "%s is constructed already",
                         ZSTR_VAL(Z_OBJCE_P(ZEND_THIS)->name));
        RETURN_THROWS();
    }

    ezdfs_php_conclude(ezdfs_php_store_new(options, &object->value));
}


ZEND_METHOD(Store, create)
{
    int          outcome;
    zval        *given, *options = NULL, source;
    zend_string *id;

    ZEND_PARSE_PARAMETERS_START(2, 3)
        Z_PARAM_STR(id)
        Z_PARAM_ZVAL(given)
        Z_PARAM_OPTIONAL
        Z_PARAM_ARRAY(options)
    ZEND_PARSE_PARAMETERS_END();

    if (!ezdfs_php_source(given, 2, &source)) {
        RETURN_THROWS();
    }

    outcome = ezdfs_php_store_create(store_of(ZEND_THIS),
                                     ezdfs_php_text_of(id), &source, options,
                                     return_value);
    zval_ptr_dtor(&source);
    ezdfs_php_conclude(outcome);
}


ZEND_METHOD(Store, createFromString)
{
    zval        *options = NULL;
    zend_string *id, *contents;

    ZEND_PARSE_PARAMETERS_START(2, 3)
        Z_PARAM_STR(id)
        Z_PARAM_STR(contents)
        Z_PARAM_OPTIONAL
        Z_PARAM_ARRAY(options)
    ZEND_PARSE_PARAMETERS_END();

    ezdfs_php_conclude(ezdfs_php_store_create_from_string(
                           store_of(ZEND_THIS), ezdfs_php_text_of(id),
                           ezdfs_php_text_of(contents), options,
                           return_value));
}


ZEND_METHOD(Store, load)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_load);
}


ZEND_METHOD(Store, exists)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_exists);
}


ZEND_METHOD(Store, mimeType)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_mime_type);
}


ZEND_METHOD(Store, read)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_read);
}


ZEND_METHOD(Store, open)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_open);
}


ZEND_METHOD(Store, delete)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_delete);
}


ZEND_METHOD(Store, deleteDirectory)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_delete_directory);
}


ZEND_METHOD(Store, rename)
{
    zend_string *from, *to;

    ZEND_PARSE_PARAMETERS_START(2, 2)
        Z_PARAM_STR(from)
        Z_PARAM_STR(to)
    ZEND_PARSE_PARAMETERS_END();

    ezdfs_php_conclude(ezdfs_php_store_rename(
                           store_of(ZEND_THIS), ezdfs_php_text_of(from),
                           ezdfs_php_text_of(to), return_value));
}


ZEND_METHOD(Store, uri)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_uri);
}


ZEND_METHOD(Store, idFromUri)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_id_from_uri);
}


ZEND_METHOD(Store, list)
{
    zend_string *dir = ZSTR_EMPTY_ALLOC();

    ZEND_PARSE_PARAMETERS_START(0, 1)
        Z_PARAM_OPTIONAL
        Z_PARAM_STR(dir)
    ZEND_PARSE_PARAMETERS_END();

    ezdfs_php_conclude(ezdfs_php_store_list(store_of(ZEND_THIS),
                                            ezdfs_php_text_of(dir),
                                            return_value));
}


ZEND_METHOD(Store, checkSchema)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_check_schema);
}


ZEND_METHOD(Store, createSchema)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_create_schema);
}


ZEND_METHOD(Store, stats)
{
    call(INTERNAL_FUNCTION_PARAM_PASSTHRU, ezdfs_php_store_stats);
}


ZEND_METHOD(Store, putMetadata)
{
    zval           *mtime;
    zend_long       size;
    zend_string    *id, *mime_type = NULL;
    ezdfs_php_text  type;

    ZEND_PARSE_PARAMETERS_START(3, 4)
        Z_PARAM_STR(id)
        Z_PARAM_LONG(size)
        Z_PARAM_OBJECT_OF_CLASS(mtime, php_date_get_interface_ce())
        Z_PARAM_OPTIONAL
        Z_PARAM_STR_OR_NULL(mime_type)
    ZEND_PARSE_PARAMETERS_END();

    if (mime_type != NULL) {
        type = ezdfs_php_text_of(mime_type);
    }

    ezdfs_php_conclude(ezdfs_php_store_put_metadata(
                           store_of(ZEND_THIS), ezdfs_php_text_of(id), size,
                           mtime, mime_type != NULL ? &type : NULL,
                           return_value));
}


ZEND_METHOD(Store, deleteMetadata)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_delete_metadata);
}


ZEND_METHOD(Store, deleteMetadataDirectory)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_delete_metadata_directory);
}


ZEND_METHOD(Store, putData)
{
    int          outcome;
    bool         is_any_size = true;
    zval        *given, source;
    int64_t      declared;
    zend_long    size = 0;
    zend_string *id;

    ZEND_PARSE_PARAMETERS_START(2, 3)
        Z_PARAM_STR(id)
        Z_PARAM_ZVAL(given)
        Z_PARAM_OPTIONAL
        Z_PARAM_LONG_OR_NULL(size, is_any_size)
    ZEND_PARSE_PARAMETERS_END();

    if (!ezdfs_php_source(given, 2, &source)) {
        RETURN_THROWS();
    }

    declared = size;
    outcome = ezdfs_php_store_put_data(store_of(ZEND_THIS),
                                       ezdfs_php_text_of(id), &source,
                                       is_any_size ? NULL : &declared,
                                       return_value);
    zval_ptr_dtor(&source);
    ezdfs_php_conclude(outcome);
}


ZEND_METHOD(Store, readData)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_read_data);
}


ZEND_METHOD(Store, openData)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_open_data);
}


ZEND_METHOD(Store, deleteData)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_delete_data);
}


ZEND_METHOD(Store, deleteDataDirectory)
{
    call_with_text(INTERNAL_FUNCTION_PARAM_PASSTHRU,
                   ezdfs_php_store_delete_data_directory);
}



static zend_object *
create_store(zend_class_entry *ce)
{
    return ezdfs_php_create_object(ce, &store_handlers);
}


static void
free_store(zend_object *object)
{
    ezdfs_php_store_free(ezdfs_php_object_of(object)->value);
    zend_object_std_dtor(object);
}


/* The options may hold the DSN, which no stack trace is to show. */
static void
hide_options(zend_class_entry *ce)
{
#if PHP_VERSION_ID >= 80200
    zend_add_parameter_attribute(ce->constructor, 0,
                                 ZSTR_KNOWN(ZEND_STR_SENSITIVEPARAMETER), 0);
#else
    (void) ce;
#endif
}


void
ezdfs_php_register_store(void)
{
    zend_class_entry ce, *interface, *store;

    INIT_CLASS_ENTRY(ce, "Ezdfs\\StoreInterface", interface_methods);
    interface = zend_register_internal_interface(&ce);

    INIT_CLASS_ENTRY(ce, "Ezdfs\\Store", store_methods);
    store = zend_register_internal_class(&ce);
    store->ce_flags |= ZEND_ACC_FINAL|ZEND_ACC_NO_DYNAMIC_PROPERTIES
                       |ZEND_ACC_NOT_SERIALIZABLE;
    store->create_object = create_store;
    zend_class_implements(store, 1, interface);
    hide_options(store);

    ezdfs_php_init_handlers(&store_handlers, free_store);
}
