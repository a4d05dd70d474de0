/* What reflection says of the methods of a store: php/stubs has the same. */

ZEND_BEGIN_ARG_INFO_EX(arginfo_construct, 0, 0, 1)
    ZEND_ARG_TYPE_INFO(0, options, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_create, 0, 2,
                                       Ezdfs\\FileInfo, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, source, IS_MIXED, 0)
    ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, options, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_create_from_string, 0, 2,
                                       Ezdfs\\FileInfo, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, contents, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, options, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_load, 0, 1, Ezdfs\\FileInfo, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_exists, 0, 1, _IS_BOOL, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_mime_type, 0, 1, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

#define arginfo_read arginfo_mime_type

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_open, 0, 1, IS_MIXED, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_delete, 0, 1, IS_VOID, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_delete_directory, 0, 1,
                                       IS_LONG, 0)
    ZEND_ARG_TYPE_INFO(0, dir, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_rename, 0, 2,
                                       Ezdfs\\FileInfo, 0)
    ZEND_ARG_TYPE_INFO(0, from, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, to, IS_STRING, 0)
ZEND_END_ARG_INFO()

#define arginfo_uri arginfo_mime_type

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_id_from_uri, 0, 1,
                                       IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, uri, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_list, 0, 0, Iterator, 0)
    ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, dir, IS_STRING, 0, "''")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_check_schema, 0, 0, IS_VOID, 0)
ZEND_END_ARG_INFO()

#define arginfo_create_schema arginfo_check_schema

ZEND_BEGIN_ARG_WITH_RETURN_OBJ_INFO_EX(arginfo_put_metadata, 0, 3,
                                       Ezdfs\\FileInfo, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, size, IS_LONG, 0)
    ZEND_ARG_OBJ_INFO(0, mtime, DateTimeInterface, 0)
    ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, mimeType, IS_STRING, 1, "null")
ZEND_END_ARG_INFO()

#define arginfo_delete_metadata arginfo_delete

#define arginfo_delete_metadata_directory arginfo_delete_directory

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_put_data, 0, 2, IS_LONG, 0)
    ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
    ZEND_ARG_TYPE_INFO(0, source, IS_MIXED, 0)
    ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, size, IS_LONG, 1, "null")
ZEND_END_ARG_INFO()

#define arginfo_read_data arginfo_mime_type

#define arginfo_open_data arginfo_open

#define arginfo_delete_data arginfo_delete

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_delete_data_directory, 0, 1,
                                       IS_VOID, 0)
    ZEND_ARG_TYPE_INFO(0, dir, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_stats, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_METHOD(Store, __construct);
ZEND_METHOD(Store, create);
ZEND_METHOD(Store, createFromString);
ZEND_METHOD(Store, load);
ZEND_METHOD(Store, exists);
ZEND_METHOD(Store, mimeType);
ZEND_METHOD(Store, read);
ZEND_METHOD(Store, open);
ZEND_METHOD(Store, delete);
ZEND_METHOD(Store, deleteDirectory);
ZEND_METHOD(Store, rename);
ZEND_METHOD(Store, uri);
ZEND_METHOD(Store, idFromUri);
ZEND_METHOD(Store, list);
ZEND_METHOD(Store, checkSchema);
ZEND_METHOD(Store, createSchema);
ZEND_METHOD(Store, putMetadata);
ZEND_METHOD(Store, deleteMetadata);
ZEND_METHOD(Store, deleteMetadataDirectory);
ZEND_METHOD(Store, putData);
ZEND_METHOD(Store, readData);
ZEND_METHOD(Store, openData);
ZEND_METHOD(Store, deleteData);
ZEND_METHOD(Store, deleteDataDirectory);
ZEND_METHOD(Store, stats);

static const zend_function_entry interface_methods[] = {
    ZEND_ABSTRACT_ME(StoreInterface, create, arginfo_create)
    ZEND_ABSTRACT_ME(StoreInterface, createFromString, arginfo_create_from_string)
    ZEND_ABSTRACT_ME(StoreInterface, load, arginfo_load)
    ZEND_ABSTRACT_ME(StoreInterface, exists, arginfo_exists)
    ZEND_ABSTRACT_ME(StoreInterface, mimeType, arginfo_mime_type)
    ZEND_ABSTRACT_ME(StoreInterface, read, arginfo_read)
    ZEND_ABSTRACT_ME(StoreInterface, open, arginfo_open)
    ZEND_ABSTRACT_ME(StoreInterface, delete, arginfo_delete)
    ZEND_ABSTRACT_ME(StoreInterface, deleteDirectory, arginfo_delete_directory)
    ZEND_ABSTRACT_ME(StoreInterface, rename, arginfo_rename)
    ZEND_ABSTRACT_ME(StoreInterface, uri, arginfo_uri)
    ZEND_ABSTRACT_ME(StoreInterface, idFromUri, arginfo_id_from_uri)
    ZEND_ABSTRACT_ME(StoreInterface, list, arginfo_list)
    ZEND_ABSTRACT_ME(StoreInterface, checkSchema, arginfo_check_schema)
    ZEND_ABSTRACT_ME(StoreInterface, createSchema, arginfo_create_schema)
    ZEND_ABSTRACT_ME(StoreInterface, putMetadata, arginfo_put_metadata)
    ZEND_ABSTRACT_ME(StoreInterface, deleteMetadata, arginfo_delete_metadata)
    ZEND_ABSTRACT_ME(StoreInterface, deleteMetadataDirectory, arginfo_delete_metadata_directory)
    ZEND_ABSTRACT_ME(StoreInterface, putData, arginfo_put_data)
    ZEND_ABSTRACT_ME(StoreInterface, readData, arginfo_read_data)
    ZEND_ABSTRACT_ME(StoreInterface, openData, arginfo_open_data)
    ZEND_ABSTRACT_ME(StoreInterface, deleteData, arginfo_delete_data)
    ZEND_ABSTRACT_ME(StoreInterface, deleteDataDirectory, arginfo_delete_data_directory)
    ZEND_FE_END
};

static const zend_function_entry store_methods[] = {
    ZEND_ME(Store, __construct, arginfo_construct, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, create, arginfo_create, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, createFromString, arginfo_create_from_string, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, load, arginfo_load, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, exists, arginfo_exists, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, mimeType, arginfo_mime_type, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, read, arginfo_read, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, open, arginfo_open, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, delete, arginfo_delete, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, deleteDirectory, arginfo_delete_directory, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, rename, arginfo_rename, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, uri, arginfo_uri, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, idFromUri, arginfo_id_from_uri, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, list, arginfo_list, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, checkSchema, arginfo_check_schema, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, createSchema, arginfo_create_schema, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, putMetadata, arginfo_put_metadata, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, deleteMetadata, arginfo_delete_metadata, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, deleteMetadataDirectory, arginfo_delete_metadata_directory, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, putData, arginfo_put_data, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, readData, arginfo_read_data, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, openData, arginfo_open_data, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, deleteData, arginfo_delete_data, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, deleteDataDirectory, arginfo_delete_data_directory, ZEND_ACC_PUBLIC)
    ZEND_ME(Store, stats, arginfo_stats, ZEND_ACC_PUBLIC)
    ZEND_FE_END
};
