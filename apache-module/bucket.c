/*
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A bucket that owns a file of the store, wherever httpd carries it: to another pool, another
 * thread, or (HTTP/2) another connection. What is in memory is sent from there; else the file is
 * read at offsets, for its descriptor is shared with other requests. It is never mapped: PHP
 * kernels cut files short in place, which would end the child by SIGBUS.
 */

#include <errno.h>
#include <unistd.h>

#include "mod_ezdfs.h"

/* What is read at a time: few calls to a mount, and little to be held for a slow client. */
#define CHUNK (64 * 1024)

typedef struct {
    apr_bucket_refcount refcount;
    ezdfs_file *file;
    const char *content;        /* NULL: not in memory */
} owner;

static void bucket_destroy(void *data)
{
    owner *own = data;

    if (apr_bucket_shared_destroy(own)) {
        ezdfs_file_free(own->file);
        apr_bucket_free(own);
    }
}

/* Leaves the bytes in a bucket of the heap, and what follows them in a new one behind it. */
static apr_status_t read_chunk(apr_bucket *b, const char **bytes, apr_size_t *len)
{
    owner *own = b->data;
    apr_size_t length = b->length;
    apr_off_t start = b->start;
    char *buffer;
    ssize_t n;

    buffer = apr_bucket_alloc(length < CHUNK ? length : CHUNK, b->list);
    do {
        n = pread(ezdfs_file_fd(own->file), buffer, length < CHUNK ? length : CHUNK, start);
    } while (n == -1 && errno == EINTR);
    if (n <= 0) {
        apr_status_t status = n == 0 ? APR_EOF : errno;

        ezdfs_file_distrust(own->file);
        apr_bucket_free(buffer);
        return status;
    }
    if ((apr_size_t)n < length) {
        apr_bucket_split(b, (apr_size_t)n);
    }
    apr_bucket_heap_make(b, buffer, (apr_size_t)n, apr_bucket_free);
    bucket_destroy(own);
    *bytes = buffer;
    *len = (apr_size_t)n;
    return APR_SUCCESS;
}

static apr_status_t bucket_read(apr_bucket *b, const char **bytes, apr_size_t *len,
                                apr_read_type_e block)
{
    const owner *own = b->data;

    if (!own->content) {
        return read_chunk(b, bytes, len);
    }
    *bytes = own->content + b->start;
    *len = b->length;
    return APR_SUCCESS;
}

static const apr_bucket_type_t bucket_type = {
    "EZDFS", 5, APR_BUCKET_DATA,
    bucket_destroy,
    bucket_read,
    apr_bucket_setaside_noop,   /* it depends on no pool */
    apr_bucket_shared_split,
    apr_bucket_shared_copy,
};

apr_bucket *mod_ezdfs_bucket_create(ezdfs_file *file, apr_size_t length, apr_bucket_alloc_t *list)
{
    apr_bucket *b = apr_bucket_alloc(sizeof(*b), list);
    owner *own = apr_bucket_alloc(sizeof(*own), list);

    APR_BUCKET_INIT(b);
    b->free = apr_bucket_free;
    b->list = list;
    own->file = file;
    own->content = (const char *)ezdfs_file_content(file);
    b = apr_bucket_shared_make(b, own, 0, length);
    b->type = &bucket_type;
    return b;
}
