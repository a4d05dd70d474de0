/* The C interface of ezdfs. Generated from src/capi by `make header`: do not edit. */
/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/*
 * What holds for every function, where it says nothing else.
 *
 * Threads: any thread may call it, several at a time. Of ezdfs_options and ezdfs_queue one thread at a time.
 *
 * fork: a child may use a store that its parent has used, and starts afresh with it. A queue stays with the process
 * that made it. A file that was open before a fork stays open in both: each frees its own handle, and reads at offsets
 * of its own, for they share the descriptor's.
 *
 * Callbacks of ezdfs_store_create, ezdfs_store_put_data, ezdfs_store_list and ezdfs_store_purge run on the calling thread
 * and may call the library, also for the same store. They return; they neither throw nor jump.
 *
 * Structs begin with struct_size, which the caller sets to sizeof of its struct: EZDFS_INIT(type) does, all else zero.
 * They grow at their ends, so that a program and a library of other versions work together. Of what is handed in, what
 * the program's header does not have is zero, and what the library does not know must be zero, or the call fails. Of
 * what is filled in, nothing beyond the program's struct is written, and what the library does not know is set to zero.
 * A struct_size that no version has had is refused before anything is done, with EZDFS_RESULT_INVALID_INPUT.
 *
 * Failure: what a parameter _out would have got is left as it was, and `err`, where it is given, is filled in.
 *
 * Signals: nothing may be called in a signal's handler.
 */

#ifndef EZDFS_H
#define EZDFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EZDFS_VERSION_MAJOR 0
#define EZDFS_VERSION_MINOR 2
#define EZDFS_VERSION_PATCH 0

/**
 * A struct with its size, all else zero: `ezdfs_error error = EZDFS_INIT(ezdfs_error);`
 */
#ifdef __cplusplus
#define EZDFS_INIT(type) ([] { type empty = type(); empty.struct_size = sizeof(type); return empty; }())
#else
#define EZDFS_INIT(type) ((type){ .struct_size = sizeof(type) })
#endif

/**
 * The most further headers that an answer can have, in any version: more than there are.
 */
#define EZDFS_HTTP_HEADERS 8

/**
 * Only look; remove and remember nothing.
 */
#define EZDFS_PURGE_DRY_RUN 1

/**
 * Drafts (`images-versioned/`) may be served.
 */
#define EZDFS_SERVE_DRAFTS 1

/**
 * `original/` may be served: the request came by an internal redirect that an
 * application has authorised.
 */
#define EZDFS_SERVE_ORIGINALS 2

/**
 * The descriptor must not be shared: its flags or its offset will be changed.
 */
#define EZDFS_SERVE_ALONE 4

/**
 * The file will be read: unless it is in memory its first byte is read before
 * it is given, so that a stale handle is noticed before anything has been sent.
 */
#define EZDFS_SERVE_READ 8

/**
 * With EZDFS_SERVE_READ: the calling thread will read the file itself, so that
 * byte may be read on it, too. On a mount that hangs this hangs as that reading
 * would; without this flag it never blocks.
 */
#define EZDFS_SERVE_BLOCKING 16

/**
 * Prometheus' text format, version 0.0.4.
 */
#define EZDFS_METRICS_PROMETHEUS 0

/**
 * OpenMetrics 1.0.0.
 */
#define EZDFS_METRICS_OPENMETRICS 1

/**
 * What a call came to. Codes are stable: never renumbered, never reused.
 */
enum ezdfs_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It worked.
   */
  EZDFS_RESULT_OK = 0,
  /**
   * No live row for the id, or (with `os_errno` ENOENT) a row whose file is
   * missing from a live mount.
   */
  EZDFS_RESULT_NOT_FOUND = 1,
  /**
   * No file can have this id, path or URI.
   */
  EZDFS_RESULT_INVALID_NAME = 2,
  /**
   * The database or the mount did not answer, or refused for now; worth
   * retrying.
   */
  EZDFS_RESULT_UNAVAILABLE = 3,
  /**
   * An option is unknown, missing, malformed, or rejected by the server.
   */
  EZDFS_RESULT_INVALID_CONFIG = 4,
  /**
   * The bytes or the metadata handed in contradict themselves or the table.
   */
  EZDFS_RESULT_INVALID_INPUT = 5,
  /**
   * The metadata table is missing or has the wrong shape.
   */
  EZDFS_RESULT_SCHEMA = 6,
  /**
   * The file system failed: no permission, an I/O error, something that is no
   * file.
   */
  EZDFS_RESULT_STORAGE = 7,
  /**
   * This request may not have the file, whether it exists or not.
   */
  EZDFS_RESULT_DENIED = 8,
  /**
   * The file system is full, or the quota is used up.
   */
  EZDFS_RESULT_NO_SPACE = 9,
  /**
   * A bug in ezdfs, caught at the boundary. The handle stays valid.
   */
  EZDFS_RESULT_INTERNAL = 99,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ezdfs_result ezdfs_result;
#else
typedef uint32_t ezdfs_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much it matters what is told.
 */
enum ezdfs_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Something is lost, or somebody has to look after it.
   */
  EZDFS_LOG_LEVEL_ERROR = 1,
  /**
   * It goes on, but not as it should.
   */
  EZDFS_LOG_LEVEL_WARN = 2,
  /**
   * It is as it should be again.
   */
  EZDFS_LOG_LEVEL_INFO = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ezdfs_log_level ezdfs_log_level;
#else
typedef uint32_t ezdfs_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A file that is open for reading. Release it with `ezdfs_file_free`. May be
 * handed to another thread.
 */
typedef struct ezdfs_file ezdfs_file;

/**
 * Options of a store, collected key by key. Not to be used by two threads at
 * a time; may cross fork().
 */
typedef struct ezdfs_options ezdfs_options;

/**
 * Where the outcomes of look-ups wait. One for each event loop, used by that
 * thread only; never across fork().
 */
typedef struct ezdfs_queue ezdfs_queue;

/**
 * A store. Share one between threads. A process forked after its first use
 * starts afresh with it: connections of the parent are left alone.
 * With SQLite, fork() waits until no call is under way, five seconds at most;
 * where one still is, the child's calls fail with EZDFS_RESULT_UNAVAILABLE.
 */
typedef struct ezdfs_store ezdfs_store;

/**
 * What the table says of a file.
 */
typedef struct ezdfs_info {
  /**
   * sizeof of this struct, set by the caller; by the library where it hands one to a callback.
   */
  size_t struct_size;
  /**
   * Bytes. Of a file that is open: the file's own length.
   */
  uint64_t size;
  /**
   * Seconds since the epoch, as the row says.
   */
  int64_t mtime;
  /**
   * As stored, NUL-terminated, cut to fit. Not fit for a header: it may be
   * anything; see `ezdfs_file_http`.
   */
  char mime_type[256];
} ezdfs_info;

/**
 * Filled in on failure. Owned by the caller; nothing in it needs freeing, and
 * it may be handed to another thread. Where its `struct_size` is refused nothing is
 * done and nothing is written here: the result tells, and whoever takes the log.
 */
typedef struct ezdfs_error {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * What the call returned, or the look-up came to whose outcome it has given.
   */
  ezdfs_result code;
  /**
   * errno of the failing system call, or 0.
   */
  int32_t os_errno;
  /**
   * Operation, subject and cause. NUL-terminated UTF-8, cut to fit; no
   * control characters.
   */
  char message[512];
} ezdfs_error;

/**
 * A response header. Both texts are static and NUL-terminated. The one struct without a size:
 * it never grows, for it stands in another.
 */
typedef struct ezdfs_header {
  /**
   * The field's name.
   */
  const char *name;
  /**
   * The field's value.
   */
  const char *value;
} ezdfs_header;

/**
 * What a web server says of an opened file.
 */
typedef struct ezdfs_http {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * Static, NUL-terminated, from a fixed list: whatever the table holds,
   * this is safe in a header.
   */
  const char *content_type;
  /**
   * The strong validator, quotes included, NUL-terminated.
   */
  char etag[64];
  /**
   * Seconds since the epoch.
   */
  int64_t last_modified;
  /**
   * The opened file's own length in bytes.
   */
  uint64_t content_length;
  /**
   * Further headers that belong to the answer.
   */
  struct ezdfs_header headers[EZDFS_HTTP_HEADERS];
  /**
   * How many.
   */
  size_t headers_len;
} ezdfs_http;

/**
 * Reads at most `len` bytes into `buffer`. Returns how many, 0 at the end, or
 * a negative errno.
 */
typedef ptrdiff_t (*ezdfs_read_callback)(void *context, void *buffer, size_t len);

/**
 * Takes what is told: one line, NUL-terminated UTF-8 without control characters,
 * borrowed for the call. It begins with `ezdfs: ` and never holds a password.
 *
 * Called on any thread, on several at a time, and while locks are held: it must not
 * call the library, nor wait.
 */
typedef void (*ezdfs_log_handler)(ezdfs_log_level level, const char *message);

/**
 * Called by `ezdfs_store_purge` for each row that is due, before anything is removed. `id` is
 * borrowed for the call and has no NUL. Return false to end it: nothing was removed.
 */
typedef bool (*ezdfs_purge_callback)(void *context, const char *id, size_t id_len, bool has_file);

/**
 * How to purge. All zero but its size and `state`: as the command does.
 */
typedef struct ezdfs_purge_options {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * The path of a file outside the root, where it is remembered what was seen; made where it
   * is missing. One for each store, the same each time.
   */
  const char *state;
  /**
   * The length of `state`.
   */
  size_t state_len;
  /**
   * Seconds for which is kept what was deleted, counted from when it was first seen; NULL: 30
   * days.
   */
  const uint64_t *grace;
  /**
   * Where more rows would go, nothing does; NULL: 1,000 or one per cent of the rows, whichever
   * is more.
   */
  const uint64_t *max_remove;
  /**
   * Where more per cent of the rows that are due have no file, nothing is removed: the root
   * is the wrong one; NULL: 50.
   */
  const uint64_t *max_missing;
  /**
   * Globs of paths beneath the root that are left alone, each NUL-terminated UTF-8; NULL: none.
   */
  const char *const *exclude;
  /**
   * How many.
   */
  size_t exclude_len;
  /**
   * Is told what is due; NULL: nobody.
   */
  ezdfs_purge_callback due;
  /**
   * What that is given.
   */
  void *context;
  /**
   * EZDFS_PURGE_DRY_RUN, or 0.
   */
  uint64_t flags;
} ezdfs_purge_options;

/**
 * What a purge came to.
 */
typedef struct ezdfs_purged {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * Soft-deleted rows that are kept, because their time has not come.
   */
  uint64_t kept;
  /**
   * Rows whose time had come.
   */
  uint64_t due;
  /**
   * Files that went to the trash.
   */
  uint64_t files;
  /**
   * Soft-deleted rows that are left alone: outside the areas of storage directories, or
   * excluded.
   */
  uint64_t foreign;
  /**
   * The journal of what was taken away, below `.ezdfs-trash` in the root; NUL-terminated, empty
   * where nothing was.
   */
  char journal[256];
} ezdfs_purged;

/**
 * How to empty the trash. All zero but its size: as the command does.
 */
typedef struct ezdfs_empty_options {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * Seconds for which is kept what was taken away, by the date of its folder; NULL: 30 days.
   */
  const uint64_t *grace;
  /**
   * Where more files would go, nothing does; NULL: as many as there are.
   */
  const uint64_t *max_remove;
  /**
   * EZDFS_PURGE_DRY_RUN, or 0.
   */
  uint64_t flags;
} ezdfs_empty_options;

/**
 * What emptying the trash came to.
 */
typedef struct ezdfs_emptied {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * Files that went for good.
   */
  uint64_t files;
  /**
   * Journals that went with them.
   */
  uint64_t journals;
  /**
   * Files that stay, for live rows speak of them that have none: they should be restored.
   */
  uint64_t needed;
} ezdfs_emptied;

/**
 * The outcome of a look-up.
 */
typedef struct ezdfs_completion {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * What the starter of the look-up gave.
   */
  void *data;
  /**
   * The look-up's ticket; 0 where there is none.
   */
  uint64_t ticket;
  /**
   * The opened file, now the receiver's; NULL unless it worked.
   */
  struct ezdfs_file *file;
  /**
   * Where the answer was found: "memory", "kept" (the file was open), "cache", "replica"
   * or "database". Static, NUL-terminated; NULL where nothing was looked up, or it failed.
   */
  const char *source;
  /**
   * What the look-up came to. Of a failure `err` of the call that gives this says more.
   */
  ezdfs_result result;
  /**
   * errno of the failing system call, or 0.
   */
  int32_t os_errno;
} ezdfs_completion;

/**
 * Called by `ezdfs_store_list` for each file. `id` is borrowed for the call
 * and has no NUL. Return false to end the listing.
 */
typedef bool (*ezdfs_list_callback)(void *context,
                                    const char *id,
                                    size_t id_len,
                                    const struct ezdfs_info *info);

/**
 * A path that a client asked for. The texts are borrowed for the call.
 */
typedef struct ezdfs_request {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * Percent-decoded, with its leading slash, without the query.
   */
  const char *path;
  /**
   * The length of `path`.
   */
  size_t path_len;
  /**
   * The path as it stood on the wire, without the query; NULL where the
   * server has rewritten it since.
   */
  const char *raw_path;
  /**
   * The length of `raw_path`.
   */
  size_t raw_path_len;
  /**
   * Of EZDFS_SERVE_DRAFTS and the others, or 0.
   */
  uint64_t flags;
} ezdfs_request;

/**
 * A store, and the value of the label `store` of what it has counted. Both are borrowed.
 */
typedef struct ezdfs_named_store {
  /**
   * sizeof of this struct, set by the caller; the same in each element of an array.
   */
  size_t struct_size;
  /**
   * UTF-8, without a NUL.
   */
  const char *name;
  /**
   * The length of `name`.
   */
  size_t name_len;
  /**
   * The store.
   */
  const struct ezdfs_store *store;
} ezdfs_named_store;

/**
 * What a store has counted, or all processes that share its counters. docs/metrics.md says more
 * of each, by the names that `ezdfs_metrics_write` has for them.
 */
typedef struct ezdfs_stats {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * Look-ups answered by bytes in memory.
   */
  uint64_t lookups_memory;
  /**
   * Look-ups answered by a file that was open.
   */
  uint64_t lookups_kept;
  /**
   * Look-ups answered by a row that was remembered.
   */
  uint64_t lookups_cache;
  /**
   * Look-ups answered by the replica.
   */
  uint64_t lookups_replica;
  /**
   * Look-ups answered by the database.
   */
  uint64_t lookups_database;
  /**
   * Look-ups that joined one of the same file that was under way.
   */
  uint64_t lookups_joined;
  /**
   * Look-ups refused because too many were under way.
   */
  uint64_t lookups_refused;
  /**
   * Look-ups answered by what was known before, the database being away.
   */
  uint64_t stale_answers;
  /**
   * Operations that worked.
   */
  uint64_t operations_ok;
  /**
   * Operations that failed with EZDFS_RESULT_NOT_FOUND.
   */
  uint64_t operations_not_found;
  /**
   * Operations that failed with EZDFS_RESULT_UNAVAILABLE.
   */
  uint64_t operations_unavailable;
  /**
   * Operations that failed with EZDFS_RESULT_STORAGE.
   */
  uint64_t operations_storage;
  /**
   * Operations that failed with EZDFS_RESULT_INTERNAL.
   */
  uint64_t operations_internal;
  /**
   * Files that were stored.
   */
  uint64_t created;
  /**
   * Their bytes.
   */
  uint64_t written_bytes;
  /**
   * Files that got another id.
   */
  uint64_t renamed;
  /**
   * Files that were deleted one by one.
   */
  uint64_t deleted;
  /**
   * Directories that were deleted.
   */
  uint64_t directories_deleted;
  /**
   * Opened files of another length than their row says.
   */
  uint64_t size_mismatches;
  /**
   * Work on the mount that was given up because the mount was silent.
   */
  uint64_t mount_timeouts;
  /**
   * Statements that a database server refused, or did not answer in time.
   */
  uint64_t query_failures;
  /**
   * Database operations that were tried again.
   */
  uint64_t retries;
  /**
   * Changes from one server of the DSN to another.
   */
  uint64_t failovers;
  /**
   * Connections made to a database server.
   */
  uint64_t connections_opened;
  /**
   * Attempts to connect to a database server that failed.
   */
  uint64_t connections_refused;
  /**
   * Connections that are open now.
   */
  uint64_t connections;
  /**
   * Rows that are remembered now.
   */
  uint64_t rows_cached;
  /**
   * Files that are kept open now.
   */
  uint64_t files_kept;
  /**
   * Files whose bytes are kept in memory now.
   */
  uint64_t memory_files;
  /**
   * Memory that these take.
   */
  uint64_t memory_bytes;
} ezdfs_stats;

/**
 * What the creator of a file knows of it. All zero but its size: nothing.
 */
typedef struct ezdfs_create_options {
  /**
   * sizeof of this struct, set by the caller.
   */
  size_t struct_size;
  /**
   * The number of bytes that the source must have, or NULL.
   */
  const uint64_t *size;
  /**
   * The MIME type to store, without NUL; NULL: found from the first bytes.
   */
  const char *mime_type;
  /**
   * The length of `mime_type`.
   */
  size_t mime_type_len;
  /**
   * Seconds since the epoch; 0: now.
   */
  int64_t mtime;
} ezdfs_create_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that is linked, as
 * `major * 1000000 + minor * 1000 + patch`; compare it with
 * EZDFS_VERSION_MAJOR and its siblings, which are the header's.
 */
uint32_t ezdfs_version_number(void);

/**
 * A descriptor of the file, open for reading only. It stays the file's: do not
 * close it. -1 where the file is in memory, see `ezdfs_file_in_memory`, and the
 * system refuses a descriptor for it. Of a file that came from `ezdfs_store_serve`
 * or `ezdfs_store_serve_start` it is shared, unless EZDFS_SERVE_ALONE was asked
 * for: read it at offsets of your own (pread, sendfile). Of any other it is at
 * offset 0.
 *
 * Safety:
 *
 * `file` is a live handle.
 */
int32_t ezdfs_file_fd(const struct ezdfs_file *file);

/**
 * Whether the file is in memory, as a copy that never changes: then
 * `ezdfs_file_content` has it, and nothing waits for the mount. Does not block.
 *
 * Safety:
 *
 * `file` is a live handle.
 */
bool ezdfs_file_in_memory(const struct ezdfs_file *file);

/**
 * All bytes of the file where they are in memory or were read for this handle,
 * NULL where they were not; their number is the file's length. They live as long
 * as the handle and never change. Does not block.
 *
 * Safety:
 *
 * `file` is a live handle.
 */
const uint8_t *ezdfs_file_content(const struct ezdfs_file *file);

/**
 * What the table says of the file. Does not block.
 *
 * Safety:
 *
 * `file` is a live handle, `info_out` valid; `err` may be NULL.
 */
ezdfs_result ezdfs_file_info(const struct ezdfs_file *file,
                             struct ezdfs_info *info_out,
                             struct ezdfs_error *err);

/**
 * What a web server says of the file. Does not block.
 *
 * Safety:
 *
 * `file` is a live handle, `http_out` valid; `err` may be NULL.
 */
ezdfs_result ezdfs_file_http(const struct ezdfs_file *file,
                             struct ezdfs_http *http_out,
                             struct ezdfs_error *err);

/**
 * Writes the table's name of the file to `buffer`, if it fits in `capacity`
 * bytes, without a NUL; returns its length. Does not block.
 *
 * Safety:
 *
 * `file` is a live handle, `buffer` valid for `capacity` bytes or NULL.
 */
size_t ezdfs_file_name(const struct ezdfs_file *file, char *buffer, size_t capacity);

/**
 * Says that reading a file went wrong: who asks for it next gets one that was
 * opened anew, unless it is in memory. Does not block.
 *
 * Safety:
 *
 * `file` is a live handle.
 */
void ezdfs_file_distrust(const struct ezdfs_file *file);

/**
 * Closes a file; NULL is a no-op. Never blocks.
 *
 * Safety:
 *
 * `file` is a live handle and is not used again.
 */
void ezdfs_file_free(struct ezdfs_file *file);

/**
 * Writes a row, live, replacing what the id had before. Does not touch the mount; blocks on
 * the database.
 *
 * `mtime` is seconds since the epoch, 0: now. `mime_type` may be NULL, and need not be a
 * MIME type. `info_out` may be NULL; on success it is filled in.
 *
 * Safety:
 *
 * The pointers are valid for their lengths; `err` may be NULL.
 */
ezdfs_result ezdfs_store_put_metadata(const struct ezdfs_store *store,
                                      const char *id,
                                      size_t id_len,
                                      uint64_t size,
                                      int64_t mtime,
                                      const char *mime_type,
                                      size_t mime_type_len,
                                      struct ezdfs_info *info_out,
                                      struct ezdfs_error *err);

/**
 * Deletes a row, live or not; EZDFS_RESULT_NOT_FOUND where there is none. Does not touch the
 * mount; blocks on the database.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_delete_metadata(const struct ezdfs_store *store,
                                         const char *id,
                                         size_t id_len,
                                         struct ezdfs_error *err);

/**
 * Deletes all rows below a directory, names compared byte for byte. `rows_out` may be NULL;
 * on success it is the number of rows deleted. Does not touch the mount; blocks on the
 * database.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_delete_metadata_directory(const struct ezdfs_store *store,
                                                   const char *dir,
                                                   size_t dir_len,
                                                   uint64_t *rows_out,
                                                   struct ezdfs_error *err);

/**
 * Writes a file, staged and renamed, without a row. Blocks on the mount and `read`.
 *
 * `size` is the number of bytes that the source must have, or NULL. `size_out` may be NULL;
 * on success it is the number of bytes written.
 *
 * Safety:
 *
 * The pointers are valid; `read` does not unwind and writes no more than it says; `err` may
 * be NULL.
 */
ezdfs_result ezdfs_store_put_data(const struct ezdfs_store *store,
                                  const char *id,
                                  size_t id_len,
                                  ezdfs_read_callback read,
                                  void *context,
                                  const uint64_t *size,
                                  uint64_t *size_out,
                                  struct ezdfs_error *err);

/**
 * Opens a file whatever the table says of it; EZDFS_RESULT_NOT_FOUND only where it is missing
 * from a live mount. Blocks on the mount.
 *
 * On success `*fd_out` is a descriptor at offset 0, close-on-exec, which the caller closes,
 * and `*size_out` the length of the file; `size_out` may be NULL.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_open_data(const struct ezdfs_store *store,
                                   const char *id,
                                   size_t id_len,
                                   int32_t *fd_out,
                                   uint64_t *size_out,
                                   struct ezdfs_error *err);

/**
 * Removes a file whatever the table says of it; nothing where it is gone. Blocks on the
 * mount.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_delete_data(const struct ezdfs_store *store,
                                     const char *id,
                                     size_t id_len,
                                     struct ezdfs_error *err);

/**
 * Removes what lies below a directory whatever the table says of it, but for what ezdfs has
 * lately begun to write there: its writer may be alive. Blocks on the mount.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_delete_data_directory(const struct ezdfs_store *store,
                                               const char *dir,
                                               size_t dir_len,
                                               struct ezdfs_error *err);

/**
 * Has the library tell of what no call returns: a replica that is not used, and used
 * again; a file that could not be removed. Of the whole process; NULL, the default, for
 * nobody.
 *
 * Safety:
 *
 * `handler` may be called as its type says until the process ends.
 */
void ezdfs_set_log_handler(ezdfs_log_handler handler);

/**
 * Starts with the defaults. Release it with `ezdfs_options_free`. NULL only
 * when out of memory.
 */
struct ezdfs_options *ezdfs_options_new(void);

/**
 * Releases options; NULL is a no-op. Stores made from them live on.
 *
 * Safety:
 *
 * `options` comes from `ezdfs_options_new` and is not used again.
 */
void ezdfs_options_free(struct ezdfs_options *options);

/**
 * Sets one option from its text, such as `cache_ttl` to `5s`. A later value
 * replaces an earlier one.
 *
 * `dsn` values `env:NAME` and `file:/path` are read now. No network, no
 * thread. Fails with EZDFS_RESULT_INVALID_CONFIG for an unknown key or a bad
 * value; the message names the key and never holds a password.
 *
 * `key` and `value` are borrowed for the call and need no NUL. `err` may be
 * NULL.
 *
 * Safety:
 *
 * The pointers are valid for their lengths; `options` is a live handle.
 */
ezdfs_result ezdfs_options_set(struct ezdfs_options *options,
                               const char *key,
                               size_t key_len,
                               const char *value,
                               size_t value_len,
                               struct ezdfs_error *err);

/**
 * Checks that nothing required is missing. No I/O. Fails with
 * EZDFS_RESULT_INVALID_CONFIG, naming the option.
 *
 * Safety:
 *
 * `options` is a live handle; `err` is NULL or valid.
 */
ezdfs_result ezdfs_options_check(const struct ezdfs_options *options, struct ezdfs_error *err);

/**
 * Takes away files and rows of what was soft-deleted long enough ago, as `ezdfs purge` does: files
 * go to the trash, rows to its journal. Blocks on the database, the mount and `due`. One at a time
 * for each store.
 *
 * Where it has gone through, and a file could not be removed, it fails with EZDFS_RESULT_STORAGE,
 * and `*purged_out` is filled in all the same. `purged_out` may be NULL.
 *
 * Safety:
 *
 * The pointers are valid, and those in `options` are NULL or valid; `due` does not unwind; `err`
 * may be NULL.
 */
ezdfs_result ezdfs_store_purge(const struct ezdfs_store *store,
                               const struct ezdfs_purge_options *options,
                               struct ezdfs_purged *purged_out,
                               struct ezdfs_error *err);

/**
 * Removes for good what lies in the trash for long enough, as `ezdfs purge --trash` does. Blocks
 * on the database and the mount.
 *
 * `options` and `emptied_out` may be NULL.
 *
 * Safety:
 *
 * The pointers are valid, and those in `options` are NULL or valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_empty_trash(const struct ezdfs_store *store,
                                     const struct ezdfs_empty_options *options,
                                     struct ezdfs_emptied *emptied_out,
                                     struct ezdfs_error *err);

/**
 * Makes a queue.
 *
 * On success `*queue_out` is a new handle; release it with
 * `ezdfs_queue_free`.
 *
 * Safety:
 *
 * `queue_out` is valid; `err` may be NULL.
 */
ezdfs_result ezdfs_queue_new(struct ezdfs_queue **queue_out, struct ezdfs_error *err);

/**
 * A descriptor that is readable as long as outcomes wait; for epoll and the
 * like. It stays the queue's; nobody but `ezdfs_queue_next` reads it.
 *
 * Safety:
 *
 * `queue` is a live handle.
 */
int32_t ezdfs_queue_fd(const struct ezdfs_queue *queue);

/**
 * Releases a queue; NULL is a no-op. Look-ups under way are cancelled.
 *
 * Safety:
 *
 * `queue` is a live handle and is not used again.
 */
void ezdfs_queue_free(struct ezdfs_queue *queue);

/**
 * Takes the next outcome. Where none waits the completion's `ticket` is 0, and the descriptor is
 * not readable any more. Never blocks.
 *
 * On success `completion_out->file` is the caller's; release it with `ezdfs_file_free`. Where
 * the look-up failed, which is a success of this call, `err` says why.
 *
 * Safety:
 *
 * `queue` is a live handle, `completion_out` valid; `err` may be NULL.
 */
ezdfs_result ezdfs_queue_next(struct ezdfs_queue *queue,
                              struct ezdfs_completion *completion_out,
                              struct ezdfs_error *err);

/**
 * Gives a look-up up. After this its outcome is not delivered; a file that was
 * opened is closed. A ticket that was delivered already is a no-op. Never
 * blocks on database or mount.
 *
 * Safety:
 *
 * `queue` is a live handle.
 */
void ezdfs_queue_cancel(struct ezdfs_queue *queue, uint64_t ticket);

/**
 * Starts to open a file. Never blocks; the outcome comes through `queue`,
 * within the store's deadlines, with `data` as it was given.
 *
 * On success `*ticket_out` is the look-up's ticket.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_open_start(const struct ezdfs_store *store,
                                    struct ezdfs_queue *queue,
                                    const char *id,
                                    size_t id_len,
                                    void *data,
                                    uint64_t *ticket_out,
                                    struct ezdfs_error *err);

/**
 * Looks a file up in the table. Blocks on the database: do not call it from an
 * event loop. Does not touch the mount.
 *
 * On success `*info_out` is filled in. `id` is borrowed and needs no NUL.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_stat(const struct ezdfs_store *store,
                              const char *id,
                              size_t id_len,
                              struct ezdfs_info *info_out,
                              struct ezdfs_error *err);

/**
 * Whether there is a live row for the id. Blocks on the database.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_exists(const struct ezdfs_store *store,
                                const char *id,
                                size_t id_len,
                                bool *exists_out,
                                struct ezdfs_error *err);

/**
 * Opens a file for reading. Blocks on the database and on the mount: do not
 * call it from an event loop, see `ezdfs_store_open_start`.
 *
 * On success `*file_out` is a new handle; release it with `ezdfs_file_free`.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_open(const struct ezdfs_store *store,
                              const char *id,
                              size_t id_len,
                              struct ezdfs_file **file_out,
                              struct ezdfs_error *err);

/**
 * Lists the live files below a directory in the byte order of their names; all
 * files where `dir_len` is 0. Blocks on the database, in batches.
 *
 * Safety:
 *
 * The pointers are valid; `callback` does not unwind; `err` may be NULL.
 */
ezdfs_result ezdfs_store_list(const struct ezdfs_store *store,
                              const char *dir,
                              size_t dir_len,
                              ezdfs_list_callback callback,
                              void *context,
                              struct ezdfs_error *err);

/**
 * Writes the table's name for a decoded request path to `buffer`, if it fits
 * in `capacity` bytes, without a NUL; returns its length, 0 where the path
 * stands for no file of this store. Does not block and does not say whether
 * there is such a file.
 *
 * Safety:
 *
 * The pointers are valid for their lengths; `buffer` may be NULL.
 */
size_t ezdfs_store_name_of_path(const struct ezdfs_store *store,
                                const char *path,
                                size_t path_len,
                                char *buffer,
                                size_t capacity);

/**
 * The stable word for a result, for logs: `ok`, `not_found`, ... Static;
 * `unknown` for a number that is no result.
 */
const char *ezdfs_result_name(uint32_t result);

/**
 * The status with which a web server answers a result: 200, 404 where the
 * file is known not to be there, 503, ... 500 for a number that is no result.
 */
uint32_t ezdfs_result_http_status(uint32_t result);

/**
 * Seconds after which a client may try again, for `Retry-After`; 0 where that
 * header does not belong.
 */
uint32_t ezdfs_result_retry_after(uint32_t result);

/**
 * Opens what a web client asked for, if it may have it: finds the file by the decoded
 * path, and where there is none by the raw one. Blocks on the database and the mount,
 * within the store's deadlines, unless it is known at once; for servers with a thread for
 * each request. An event loop calls `ezdfs_store_serve_start`.
 *
 * On success `*file_out` is a new handle; release it with `ezdfs_file_free`. `source_out`
 * may be NULL; else `*source_out` is, also on failure, where the answer was found, as in
 * `ezdfs_completion`.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_serve(const struct ezdfs_store *store,
                               const struct ezdfs_request *request,
                               struct ezdfs_file **file_out,
                               const char **source_out,
                               struct ezdfs_error *err);

/**
 * Starts to open what a web client asked for, if it may have it: finds the
 * file by the decoded path, and where there is none by the raw one. Never
 * blocks, but as EZDFS_SERVE_BLOCKING says.
 *
 * On success either `*ticket_out` is 0 and `*completion_out` holds the outcome
 * already, or `*ticket_out` is the look-up's ticket, `*completion_out` is
 * untouched, and the outcome comes through `queue`, within the store's
 * deadlines, with `data` as it was given. It fails only where the look-up
 * could not be started; where the outcome is there already, and is a failure,
 * `err` says why, too.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_serve_start(const struct ezdfs_store *store,
                                     struct ezdfs_queue *queue,
                                     const struct ezdfs_request *request,
                                     void *data,
                                     uint64_t *ticket_out,
                                     struct ezdfs_completion *completion_out,
                                     struct ezdfs_error *err);

/**
 * How many bytes `ezdfs_store_share_stats` takes. Does not block.
 */
size_t ezdfs_stats_zone_size(void);

/**
 * Has this and other processes count in memory that they share, instead of each for itself: a
 * process that ends leaves there what it has counted. To be called in each process before it
 * uses the store. Does not block.
 *
 * Fails with EZDFS_RESULT_INVALID_INPUT where another build counts there, whose counters are
 * others, where there is not enough memory, and where the store was given other memory before or has been
 * used; then the process counts for itself, as it does, with a warning, where 1024 others count there.
 *
 * Safety:
 *
 * `store` is a live handle. `memory` is valid for `size` bytes, aligned to 128, all zeros before
 * the first process was given it, and nobody else writes there; it stays until the process ends.
 * `err` is NULL or valid.
 */
ezdfs_result ezdfs_store_share_stats(const struct ezdfs_store *store,
                                     void *memory,
                                     size_t size,
                                     struct ezdfs_error *err);

/**
 * Writes what stores have counted to `buffer`, if it fits in `capacity` bytes, without a NUL. A
 * gauge may be longer a moment later: leave some room. Of a store that shares its counters it is
 * what all processes have counted. Does not block.
 *
 * `format` is EZDFS_METRICS_PROMETHEUS or EZDFS_METRICS_OPENMETRICS. On success `*len_out` is the
 * length, whether it fits or not.
 *
 * Safety:
 *
 * `stores` is valid for `stores_len`, and so are the names in it; the stores are live handles;
 * `buffer` is valid for `capacity` bytes or NULL; `err` may be NULL.
 */
ezdfs_result ezdfs_metrics_write(const struct ezdfs_named_store *stores,
                                 size_t stores_len,
                                 uint32_t format,
                                 char *buffer,
                                 size_t capacity,
                                 size_t *len_out,
                                 struct ezdfs_error *err);

/**
 * The format for a client that accepts this: the value of its header `Accept`. Does not block.
 *
 * Safety:
 *
 * `accept` is valid for its length.
 */
uint32_t ezdfs_metrics_format(const char *accept, size_t accept_len);

/**
 * The `Content-Type` of a format. Static, NUL-terminated.
 */
const char *ezdfs_metrics_content_type(uint32_t format);

/**
 * What a store has counted so far. Does not block.
 *
 * Safety:
 *
 * `store` is a live handle, `stats_out` valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_stats(const struct ezdfs_store *store,
                               struct ezdfs_stats *stats_out,
                               struct ezdfs_error *err);

/**
 * Makes a store. Connects to nothing and starts no thread: that comes with the
 * first call that needs it, in the process that makes it.
 *
 * On success `*store_out` is a new handle; release it with `ezdfs_store_free`.
 * `options` is borrowed.
 *
 * Safety:
 *
 * `options` is a live handle, `store_out` valid, `err` NULL or valid.
 */
ezdfs_result ezdfs_store_new(const struct ezdfs_options *options,
                             struct ezdfs_store **store_out,
                             struct ezdfs_error *err);

/**
 * Releases a store; NULL is a no-op. Files opened from it live on; look-ups
 * under way still reach their queue.
 *
 * Safety:
 *
 * `store` comes from `ezdfs_store_new` and is not used again.
 */
void ezdfs_store_free(struct ezdfs_store *store);

/**
 * Checks that the metadata table is there and has a usable shape. Blocks on
 * the database.
 *
 * Safety:
 *
 * `store` is a live handle, `err` NULL or valid.
 */
ezdfs_result ezdfs_store_check_schema(const struct ezdfs_store *store, struct ezdfs_error *err);

/**
 * Creates the metadata table where there is none. Blocks on the database.
 *
 * Safety:
 *
 * `store` is a live handle, `err` NULL or valid.
 */
ezdfs_result ezdfs_store_create_schema(const struct ezdfs_store *store, struct ezdfs_error *err);

/**
 * Writes the URI of an id to `buffer`, if it fits in `capacity` bytes, without
 * a NUL; returns its length, 0 for an id that no file can have. Does not
 * block.
 *
 * Safety:
 *
 * `store` is a live handle; `id` and `buffer` are valid for their lengths.
 */
size_t ezdfs_store_uri(const struct ezdfs_store *store,
                       const char *id,
                       size_t id_len,
                       char *buffer,
                       size_t capacity);

/**
 * Writes the id in a URI to `buffer`, if it fits in `capacity` bytes, without
 * a NUL; returns its length, 0 where the URI does not begin with the
 * `url_prefix` or names no file. Does not block.
 *
 * Safety:
 *
 * `store` is a live handle; `uri` and `buffer` are valid for their lengths.
 */
size_t ezdfs_store_id_from_uri(const struct ezdfs_store *store,
                               const char *uri,
                               size_t uri_len,
                               char *buffer,
                               size_t capacity);

/**
 * Stores what `read` yields, replacing what the id had before. Readers see the
 * old file or the whole new one; on failure nothing has changed. Blocks on the
 * mount, the database and `read`.
 *
 * `options` may be NULL. `info_out` may be NULL; on success it is filled in.
 *
 * Safety:
 *
 * The pointers are valid; `read` does not unwind and writes no more than it
 * says; `err` may be NULL.
 */
ezdfs_result ezdfs_store_create(const struct ezdfs_store *store,
                                const char *id,
                                size_t id_len,
                                ezdfs_read_callback read,
                                void *context,
                                const struct ezdfs_create_options *options,
                                struct ezdfs_info *info_out,
                                struct ezdfs_error *err);

/**
 * As `ezdfs_store_create`, from `len` bytes of memory.
 *
 * Safety:
 *
 * The pointers are valid for their lengths; `err` may be NULL.
 */
ezdfs_result ezdfs_store_create_from_memory(const struct ezdfs_store *store,
                                            const char *id,
                                            size_t id_len,
                                            const void *data,
                                            size_t len,
                                            const struct ezdfs_create_options *options,
                                            struct ezdfs_info *info_out,
                                            struct ezdfs_error *err);

/**
 * As `ezdfs_store_create`, from a descriptor that is read from its present
 * offset to its end. It stays the caller's.
 *
 * Safety:
 *
 * `fd` is open for reading, the pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_create_from_fd(const struct ezdfs_store *store,
                                        const char *id,
                                        size_t id_len,
                                        int32_t fd,
                                        const struct ezdfs_create_options *options,
                                        struct ezdfs_info *info_out,
                                        struct ezdfs_error *err);

/**
 * Gives a file another id, replacing what that had before; size, time and type stay.
 * EZDFS_RESULT_NOT_FOUND where there is no live row, or its file is missing. Blocks on the
 * database and the mount.
 *
 * The bytes are under both ids until the row has moved. What somebody else stores under the
 * old id meanwhile is what gets the new one. `info_out` may be NULL; on success it is filled
 * in.
 *
 * Safety:
 *
 * The pointers are valid for their lengths; `err` may be NULL.
 */
ezdfs_result ezdfs_store_rename(const struct ezdfs_store *store,
                                const char *from,
                                size_t from_len,
                                const char *to,
                                size_t to_len,
                                struct ezdfs_info *info_out,
                                struct ezdfs_error *err);

/**
 * Deletes a file: its row, then its bytes. EZDFS_RESULT_NOT_FOUND where there
 * is no row: then nothing was touched. Blocks on the database and the mount.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_delete(const struct ezdfs_store *store,
                                const char *id,
                                size_t id_len,
                                struct ezdfs_error *err);

/**
 * Deletes all files below a directory, names compared byte for byte. An empty
 * directory name and `/` are refused. `rows_out` may be NULL; on success it is
 * the number of rows deleted. Blocks on the database and the mount.
 *
 * Safety:
 *
 * The pointers are valid; `err` may be NULL.
 */
ezdfs_result ezdfs_store_delete_directory(const struct ezdfs_store *store,
                                          const char *dir,
                                          size_t dir_len,
                                          uint64_t *rows_out,
                                          struct ezdfs_error *err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EZDFS_H */
