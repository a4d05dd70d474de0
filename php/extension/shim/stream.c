/* PHP streams as sources and as results. */

#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ext/spl/spl_directory.h"
#include "php_network.h"
#include "php_streams.h"


/* Asked anew each time: the PHP code behind a stream may close it. */
static php_stream *
stream_of(zval *value)
{
    ZVAL_DEREF(value);

    if (Z_TYPE_P(value) != IS_RESOURCE) {
        return NULL;
    }

    return zend_fetch_resource2(Z_RES_P(value), NULL, php_file_le_stream(),
                                php_file_le_pstream());
}


static int
outcome(void)
{
    return EG(exception) ? EZDFS_PHP_THROWN : EZDFS_PHP_OK;
}


static const char *
type_of(zval *value)
{
#if PHP_VERSION_ID >= 80300
    return zend_zval_value_name(value);
#else
    return zend_zval_type_name(value);
#endif
}


/*
 * The stream that an argument is, or that an SplFileObject has, as a resource
 * which the caller releases. Without one an exception is pending.
 */
bool
ezdfs_php_source(zval *given, uint32_t number, zval *source)
{
    php_stream            *stream;
    spl_filesystem_object *file;

    if (Z_TYPE_P(given) == IS_RESOURCE) {
        stream = zend_fetch_resource2(Z_RES_P(given), "stream",
                                      php_file_le_stream(),
                                      php_file_le_pstream());
        if (stream == NULL) {
            return false;
        }

        ZVAL_COPY(source, given);
        return true;
    }

    if (Z_TYPE_P(given) != IS_OBJECT
        || !instanceof_function(Z_OBJCE_P(given), spl_ce_SplFileObject))
    {
        zend_argument_type_error(number,
                              "must be of type SplFileObject|resource, %s given",
                              type_of(given));
        return false;
    }

    file = (spl_filesystem_object *)
               ((char *) Z_OBJ_P(given) - XtOffsetOf(spl_filesystem_object, std));

    /* its class has a constructor that does not call the parent's */

    if (file->u.file.stream == NULL) {
        zend_throw_error(NULL, "Object not initialized");
        return false;
    }

    ZVAL_RES(source, file->u.file.stream->res);
    Z_ADDREF_P(source);
    return true;
}


bool
ezdfs_php_is_readable(zval *value)
{
    php_stream *stream = stream_of(value);

    return stream != NULL && strpbrk(stream->mode, "r+") != NULL;
}


/*
 * The descriptor of a stream that is nothing but an open regular file, and the
 * position in it; -1 for any other stream. The stream keeps the descriptor.
 */
int
ezdfs_php_plain_fd(zval *value, uint64_t *position)
{
    php_socket_t  fd = -1;
    php_stream   *stream = stream_of(value);
    struct stat   status;

    if (stream == NULL || stream->ops != &php_stream_stdio_ops
        || php_stream_is_filtered(stream) || php_stream_tell(stream) < 0)
    {
        return -1;
    }

    /* PHP's plain files do this in C alone: nothing in it throws. */
    if (php_stream_cast(stream, PHP_STREAM_AS_FD|PHP_STREAM_CAST_INTERNAL,
                        (void *) &fd, 0)
        != SUCCESS)
    {
        return -1;
    }

    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return -1;
    }

    *position = (uint64_t) php_stream_tell(stream);
    return fd;
}


/* At its end, as far as its last read has told: asks nobody. */
static bool
has_ended(php_stream *stream)
{
    return stream->eof && stream->readpos == stream->writepos;
}


/* May run PHP code. */
int
ezdfs_php_read(zval *value, char *buffer, size_t size, size_t *count,
    bool *ended)
{
    ssize_t       got;
    php_stream   *stream = stream_of(value);
    volatile int  result = EZDFS_PHP_OK;

    if (stream == NULL) {
        return EZDFS_PHP_NO_STREAM;
    }

    /* Not once more: the PHP code behind it might begin again. */
    if (has_ended(stream)) {
        *count = 0;
        *ended = true;
        return EZDFS_PHP_OK;
    }

    zend_try {
        got = php_stream_read(stream, buffer, size);
        result = outcome();

        if (result == EZDFS_PHP_OK) {
            stream = stream_of(value);

            if (got < 0) {
                result = EZDFS_PHP_FAILED;
            } else if (stream == NULL) {
                result = EZDFS_PHP_NO_STREAM;
            } else {
                *count = (size_t) got;
                *ended = got == 0 && php_stream_eof(stream);
                result = outcome();
            }
        }
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


int
ezdfs_php_seek(zval *value, uint64_t position)
{
    php_stream   *stream = stream_of(value);
    volatile int  result = EZDFS_PHP_OK;

    if (stream == NULL) {
        return EZDFS_PHP_NO_STREAM;
    }

    zend_try {
        if (php_stream_seek(stream, (zend_off_t) position, SEEK_SET) != 0) {
            result = EZDFS_PHP_FAILED;
        }
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


/*
 * The stream that fopen(path, "rb") would make, over a descriptor that is open
 * already. PHP reads all that is asked for in one call only of a stream that
 * its plain files made, and exif and others look at the path. On success the
 * stream owns the descriptor.
 */
int
ezdfs_php_open_fd(int fd, ezdfs_php_text path, zval *out)
{
    char         *copy;
    int           flags;
    php_stream   *stream;
    volatile int  result = EZDFS_PHP_FAILED;

    /* stream_get_meta_data() shows it; without effect on a regular file */

    flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1) {
        return EZDFS_PHP_FAILED;
    }

    zend_try {
        copy = estrndup(path.bytes, path.len);
        stream = php_stream_fopen_from_fd(fd, "rb", NULL);

        if (stream == NULL) {
            efree(copy);
        } else {
            stream->wrapper = (php_stream_wrapper *) &php_plain_files_wrapper;
            stream->orig_path = copy;
            php_stream_to_zval(stream, out);
            result = EZDFS_PHP_OK;
        }
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


/*
 * Allocates a string that counts against memory_limit. Where PHP reports too
 * large a string only after the call, and kills the process for a far too
 * large one, it is asked for the string that may be refused.
 */
static int
allocate(size_t size, zend_string **out)
{
    volatile int result = EZDFS_PHP_OK;

    zend_try {
#ifdef ZEND_HAS_OOM
        *out = zend_string_falloc(size, 0, true);
        if (*out == NULL) {
            zend_handle_delayed_oom();
            result = EZDFS_PHP_BAILOUT;
        }
#else
        *out = zend_string_alloc(size, 0);
#endif
    } zend_catch {
        result = EZDFS_PHP_BAILOUT;
    } zend_end_try();

    return result;
}


/* Reads a file of this size into a PHP string. */
int
ezdfs_php_read_fd(int fd, size_t size, zval *out, int *error)
{
    int          result;
    size_t       filled = 0;
    ssize_t      got;
    zend_string *text;

    result = allocate(size, &text);
    if (result != EZDFS_PHP_OK) {
        return result;
    }

    while (filled < size) {
        got = read(fd, ZSTR_VAL(text) + filled, size - filled);

        if (got == 0) {
            break;
        }
        if (got > 0) {
            filled += (size_t) got;
        } else if (errno != EINTR) {
            *error = errno;
            zend_string_efree(text);
            return EZDFS_PHP_FAILED;
        }
    }

    /* Shorter than it was when it was opened: somebody writes in place. */
    ZSTR_LEN(text) = filled;
    ZSTR_VAL(text)[filled] = '\0';
    ZVAL_STR(out, text);
    return EZDFS_PHP_OK;
}
