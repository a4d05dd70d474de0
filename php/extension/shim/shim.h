/*
 * What PHP offers to C only as macros and inline functions, or what may leave
 * by longjmp, as plain functions for Rust.
 *
 * No function here lets a bailout (PHP's longjmp out of a fatal error) pass:
 * those that could meet one say so through EZDFS_PHP_BAILOUT, and Rust raises
 * it again when its own frames are gone.
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

/* classes.c */
void ezdfs_php_register_file_info(void);
zend_class_entry *ezdfs_php_register_exception(ezdfs_php_text name,
    zend_class_entry *parent);
int ezdfs_php_new_exception(zend_class_entry *ce,
    const ezdfs_php_failure *failure, zval *out);
int ezdfs_php_new_file_info(const ezdfs_php_file_info *info, zval *out);
bool ezdfs_php_is_date(zval *value);
int ezdfs_php_timestamp(zval *date, int64_t *out);

/* ini.c */
void ezdfs_php_hide_dsn(void);
bool ezdfs_php_ini(ezdfs_php_text name, ezdfs_php_text *out);
void ezdfs_php_display_ini(zend_module_entry *module);

/* stream.c */
bool ezdfs_php_is_stream(zval *value);
bool ezdfs_php_is_readable(zval *value);
int ezdfs_php_plain_fd(zval *value, uint64_t *position);
int ezdfs_php_read(zval *value, char *buffer, size_t size, size_t *count,
    bool *ended);
int ezdfs_php_seek(zval *value, uint64_t position);
int ezdfs_php_open_fd(int fd, zval *out);
int ezdfs_php_read_fd(int fd, size_t size, zval *out, int *error);

/* In Rust: writes a DSN without its secrets, cut to fit; says how long. */
size_t ezdfs_php_redact_dsn(const char *dsn, size_t len, char *out,
    size_t size);

#endif
