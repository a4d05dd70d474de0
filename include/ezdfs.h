/* DRAFT for the module's author: the generated header will say the same. */
#ifndef EZDFS_H
#define EZDFS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EZDFS_VERSION_MAJOR 0
#define EZDFS_VERSION_MINOR 1
#define EZDFS_VERSION_PATCH 0

enum ezdfs_result {
  EZDFS_RESULT_OK = 0,
  EZDFS_RESULT_NOT_FOUND = 1,
  EZDFS_RESULT_INVALID_NAME = 2,
  EZDFS_RESULT_UNAVAILABLE = 3,
  EZDFS_RESULT_INVALID_CONFIG = 4,
  EZDFS_RESULT_INVALID_INPUT = 5,
  EZDFS_RESULT_SCHEMA = 6,
  EZDFS_RESULT_STORAGE = 7,
  EZDFS_RESULT_DENIED = 8,
  EZDFS_RESULT_INTERNAL = 99,
};
typedef uint32_t ezdfs_result;

/** Drafts (images-versioned/) may be served. */
#define EZDFS_SERVE_DRAFTS 1u
/** original/ may be served: the request came by an authorised internal redirect. */
#define EZDFS_SERVE_ORIGINALS 2u

typedef struct ezdfs_options ezdfs_options;
typedef struct ezdfs_store ezdfs_store;
typedef struct ezdfs_file ezdfs_file;
typedef struct ezdfs_queue ezdfs_queue;

typedef struct ezdfs_error {
  ezdfs_result code;
  int32_t os_errno;
  char message[512];   /* NUL-terminated, cut to fit */
} ezdfs_error;

typedef struct ezdfs_info {
  uint64_t size;       /* bytes: the row's, or the opened file's when it comes from a file */
  int64_t mtime;       /* the row's, seconds since the epoch */
  char mime_type[256]; /* as stored, NOT fit for a header; see ezdfs_http */
} ezdfs_info;

/* static strings, never freed */
typedef struct ezdfs_header { const char *name; const char *value; } ezdfs_header;

/* What an HTTP server says of an opened file. */
typedef struct ezdfs_http {
  const char *content_type;       /* static, NUL-terminated, safe for a header */
  char etag[64];                  /* quoted strong validator, NUL-terminated */
  int64_t last_modified;
  uint64_t content_length;
  const ezdfs_header *headers;    /* nosniff, Content-Disposition, CSP: static */
  size_t headers_len;
} ezdfs_http;

typedef struct ezdfs_request {
  const char *path;        size_t path_len;      /* decoded, leading slash */
  const char *raw_path;    size_t raw_path_len;  /* as on the wire without query; NULL when unknown */
  uint32_t flags;          /* EZDFS_SERVE_* */
} ezdfs_request;

typedef struct ezdfs_completion {
  void *data;
  uint64_t ticket;
  ezdfs_file *file;        /* NULL unless error.code is OK; owned by the receiver */
  ezdfs_error error;       /* error.code == EZDFS_RESULT_OK on success */
} ezdfs_completion;

uint32_t ezdfs_version_number(void);
const char *ezdfs_result_name(ezdfs_result);              /* "ok", "not_found", ... static */
uint32_t ezdfs_result_http_status(ezdfs_result);          /* 200, 404, 503, 500 */
uint32_t ezdfs_result_retry_after(ezdfs_result);          /* seconds for Retry-After, or 0 */

ezdfs_options *ezdfs_options_new(void);
void ezdfs_options_free(ezdfs_options *options);
/* refuses an unknown key or a bad value; message names the key */
ezdfs_result ezdfs_options_set(ezdfs_options *options, const char *key, size_t key_len,
                               const char *value, size_t value_len, ezdfs_error *err);
/* completeness (dsn, root) and resolves `dsn env:`/`file:`; no network, no thread: fit for nginx -t in the master */
ezdfs_result ezdfs_options_resolve(ezdfs_options *options, ezdfs_error *err);

/* No connection, no thread: everything starts at the first call that needs it, in the process that makes it. */
ezdfs_result ezdfs_store_new(const ezdfs_options *options, ezdfs_store **store_out, ezdfs_error *err);
void ezdfs_store_free(ezdfs_store *store);

ezdfs_result ezdfs_queue_new(ezdfs_queue **queue_out, ezdfs_error *err);
int ezdfs_queue_fd(const ezdfs_queue *queue);  /* eventfd, non-blocking; readable (level) while completions wait; read it empty, or just call next until false */
void ezdfs_queue_free(ezdfs_queue *queue);     /* undelivered completions are dropped */
/* Takes the next completion; false when there is none (and the fd has been drained). Never blocks. */
bool ezdfs_queue_next(ezdfs_queue *queue, ezdfs_completion *completion_out);
/* After it returns no completion of that ticket is delivered; an opened file is closed. Never blocks. */
void ezdfs_queue_cancel(ezdfs_queue *queue, uint64_t ticket);

/* Resolves a request path, checks what may be served, finds the row and opens the file. Never blocks.
 * Answered at once: *ticket_out = 0 and *completion_out is filled. Otherwise *ticket_out != 0 and the
 * completion comes through `queue`, within the store's deadlines. `data` is handed back untouched. */
ezdfs_result ezdfs_store_serve_start(const ezdfs_store *store, ezdfs_queue *queue, const ezdfs_request *request,
                               void *data, uint64_t *ticket_out, ezdfs_completion *completion_out, ezdfs_error *err);
/* The table name a request path stands for; returns its length (may exceed cap: nothing written), 0 when it stands for none. */
size_t ezdfs_store_name_of_path(const ezdfs_store *store, const char *path, size_t path_len, char *buf, size_t cap);

int ezdfs_file_fd(const ezdfs_file *file);                 /* borrowed; O_RDONLY */
void ezdfs_file_http(const ezdfs_file *file, ezdfs_http *http_out);
void ezdfs_file_info(const ezdfs_file *file, ezdfs_info *info_out);
size_t ezdfs_file_name(const ezdfs_file *file, char *buf, size_t cap);   /* table name */
void ezdfs_file_free(ezdfs_file *file);                    /* closes; NULL is a no-op */
#endif
