/*
 * What PHP offers to C only as macros and inline functions, or what may leave
 * by longjmp, as plain functions for Rust.
 *
 * The methods of the classes are C functions, as those of PHP's own classes:
 * they parse their arguments by PHP's macros and call Rust with what came out.
 *
 * No function that Rust calls lets a bailout (PHP's longjmp out of a fatal
 * error) pass: those that could meet one say so through EZDFS_PHP_BAILOUT, Rust
 * hands that on, and the method raises it again when Rust's frames are gone.
 */

#ifndef EZDFS_PHP_SHIM_H
#define EZDFS_PHP_SHIM_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/* Before the system's headers: what they declare depends on PHP's _GNU_SOURCE. */
#include "php.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a call came to. */
#define EZDFS_PHP_OK        0
/* An exception is pending, which PHP will throw. */
#define EZDFS_PHP_THROWN    1
/* A fatal error was reported; the request must end. */
#define EZDFS_PHP_BAILOUT   2
/* It did not work. */
#define EZDFS_PHP_FAILED    3
/* The resource is not an open stream (any more). */
#define EZDFS_PHP_NO_STREAM 4

/* Text that need not end in a NUL. */
typedef struct {
    const char *bytes;
    size_t      len;
} ezdfs_php_text;

/* The metadata of a file, as Ezdfs\FileInfo shows it. */
typedef struct {
    ezdfs_php_text id;
    ezdfs_php_text mime_type;
    ezdfs_php_text scope;
    ezdfs_php_text uri;
    int64_t        size;
    int64_t        mtime;
} ezdfs_php_file_info;

/* What is thrown. */
typedef struct {
    ezdfs_php_text message;
    ezdfs_php_text operation;
    ezdfs_php_text subject;
    int64_t        code;
} ezdfs_php_failure;

/* A number in an array of arrays, at the end of `depth` keys. */
typedef struct {
    ezdfs_php_text path[4];
    size_t         depth;
    bool           is_float;
    int64_t        integer;
    double         number;
} ezdfs_php_leaf;

/* A row of a table of phpinfo(): NUL-terminated. */
typedef struct {
    const char *name;
    const char *value;
} ezdfs_php_row;

/* An object whose contents are Rust's. */
typedef struct {
    void        *value;
    zend_object  std;
} ezdfs_php_object;

static inline ezdfs_php_object *
ezdfs_php_object_of(zend_object *object)
{
    return (ezdfs_php_object *)
               ((char *) object - XtOffsetOf(ezdfs_php_object, std));
}

static inline ezdfs_php_text
ezdfs_php_text_of(const zend_string *string)
{
    ezdfs_php_text text = { ZSTR_VAL(string), ZSTR_LEN(string) };

    return text;
}

/* classes.c */
void ezdfs_php_register_file_info(void);
zend_class_entry *ezdfs_php_register_exception(ezdfs_php_text name,
    zend_class_entry *parent);
int ezdfs_php_throw(zend_class_entry *ce, const ezdfs_php_failure *failure);
int ezdfs_php_new_file_info(const ezdfs_php_file_info *info, zval *out);
int ezdfs_php_new_string(ezdfs_php_text text, zval *out);
int ezdfs_php_timestamp(zval *date, int64_t *out);

/* objects.c */
zend_object *ezdfs_php_create_object(zend_class_entry *ce,
    const zend_object_handlers *handlers);
void ezdfs_php_init_handlers(zend_object_handlers *handlers,
    zend_object_free_obj_t free_object);
void ezdfs_php_conclude(int outcome);

/* stats.c */
int ezdfs_php_new_tree(const ezdfs_php_leaf *leaves, size_t count, zval *out);
int ezdfs_php_print_rows(const ezdfs_php_row *rows, size_t count);

/* store.c */
void ezdfs_php_register_store(void);

/* iterator.c */
void ezdfs_php_register_iterator(void);
int ezdfs_php_new_iterator(void *iterator, zval *out);

/* ini.c */
void ezdfs_php_hide_dsn(void);
bool ezdfs_php_ini(ezdfs_php_text name, ezdfs_php_text *out);
void ezdfs_php_display_ini(zend_module_entry *module);

/* stream.c */
bool ezdfs_php_source(zval *given, uint32_t number, zval *source);
bool ezdfs_php_is_readable(zval *value);
int ezdfs_php_plain_fd(zval *value, uint64_t *position);
int ezdfs_php_read(zval *value, char *buffer, size_t size, size_t *count,
    bool *ended);
int ezdfs_php_seek(zval *value, uint64_t position);
int ezdfs_php_open_fd(int fd, ezdfs_php_text path, zval *out);
int ezdfs_php_read_fd(int fd, size_t size, zval *out, int *error);

/*
 * In Rust.
 */

/* Writes a DSN without its secrets, cut to fit; says how long. */
size_t ezdfs_php_redact_dsn(const char *dsn, size_t len, char *out,
    size_t size);

/* What the methods call; `options` and `mime_type` may be NULL. */
typedef int (*ezdfs_php_store_call)(const void *store, zval *out);
typedef int (*ezdfs_php_store_text_call)(const void *store,
    ezdfs_php_text text, zval *out);

int ezdfs_php_store_new(zval *options, void **store);
void ezdfs_php_store_free(void *store);
int ezdfs_php_store_create(const void *store, ezdfs_php_text id, zval *source,
    zval *options, zval *out);
int ezdfs_php_store_create_from_string(const void *store, ezdfs_php_text id,
    ezdfs_php_text contents, zval *options, zval *out);
int ezdfs_php_store_load(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_exists(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_mime_type(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_read(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_open(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_delete(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_delete_directory(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_rename(const void *store, ezdfs_php_text from,
    ezdfs_php_text to, zval *out);
int ezdfs_php_store_uri(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_id_from_uri(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_list(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_check_schema(const void *, zval *);
int ezdfs_php_store_create_schema(const void *, zval *);
int ezdfs_php_store_stats(const void *, zval *);
int ezdfs_php_store_put_metadata(const void *store, ezdfs_php_text id,
    int64_t size, zval *mtime, const ezdfs_php_text *mime_type, zval *out);
int ezdfs_php_store_delete_metadata(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_delete_metadata_directory(const void *, ezdfs_php_text,
    zval *);
int ezdfs_php_store_put_data(const void *store, ezdfs_php_text id,
    zval *source, const int64_t *size, zval *out);
int ezdfs_php_store_read_data(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_open_data(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_delete_data(const void *, ezdfs_php_text, zval *);
int ezdfs_php_store_delete_data_directory(const void *, ezdfs_php_text,
    zval *);

typedef int (*ezdfs_php_iterator_call)(void *iterator, zval *out);

void ezdfs_php_iterator_free(void *iterator);
int ezdfs_php_iterator_current(void *, zval *);
int ezdfs_php_iterator_key(void *, zval *);
int ezdfs_php_iterator_next(void *, zval *);
int ezdfs_php_iterator_rewind(void *, zval *);
int ezdfs_php_iterator_valid(void *, zval *);

#endif
