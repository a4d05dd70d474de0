//! What a store has counted.

use std::ffi::{c_char, c_void};

use super::copy_out;
use super::result::{ezdfs_error, ezdfs_result, guard};
use super::sized::{self, Out, extensible};
use super::store::{borrow, ezdfs_store, null};
use crate::error::{Error, ErrorKind, Result};
use crate::stats::{self, Counter, Format, Gauge, Snapshot, Zone};

/// Prometheus' text format, version 0.0.4.
pub const EZDFS_METRICS_PROMETHEUS: u32 = 0;
/// OpenMetrics 1.0.0.
pub const EZDFS_METRICS_OPENMETRICS: u32 = 1;

/// A store, and the value of the label `store` of what it has counted. Both are borrowed.
#[repr(C)]
pub struct ezdfs_named_store {
    /// sizeof of this struct, set by the caller; the same in each element of an array.
    pub struct_size: usize,
    /// UTF-8, without a NUL.
    pub name: *const c_char,
    /// The length of `name`.
    pub name_len: usize,
    /// The store.
    pub store: *const ezdfs_store,
}

extensible!(ezdfs_named_store, store: *const ezdfs_store);

/// How many bytes `ezdfs_store_share_stats` takes. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn ezdfs_stats_zone_size() -> usize {
    size_of::<Zone>()
}

/// Has this and other processes count in memory that they share, instead of each for itself: a
/// process that ends leaves there what it has counted. To be called in each process before it
/// uses the store. Does not block.
///
/// Fails with EZDFS_RESULT_INVALID_INPUT where another build counts there, whose counters are
/// others, where there is not enough memory, and where the store was given other memory before or has been
/// used; then the process counts for itself, as it does, with a warning, where 1024 others count there.
///
/// # Safety
///
/// `store` is a live handle. `memory` is valid for `size` bytes, aligned to 128, all zeros before
/// the first process was given it, and nobody else writes there; it stays until the process ends.
/// `err` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_share_stats(
    store: *const ezdfs_store,
    memory: *mut c_void,
    size: usize,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    let refused = |reason| Error::new(ErrorKind::InvalidInput, "share", "stats", reason);
    let zone = memory.cast::<Zone>();
    // SAFETY: promised by the caller; a zone is made of atomics, for which all zeros are valid.
    unsafe {
        guard(err, || {
            if zone.is_null() {
                return Err(null("memory"));
            }
            if size < size_of::<Zone>() || !zone.is_aligned() {
                return Err(refused("the memory is too small, or not aligned"));
            }
            borrow(store)?.share_stats(&*zone)
        })
    }
}

/// Writes what stores have counted to `buffer`, if it fits in `capacity` bytes, without a NUL. A
/// gauge may be longer a moment later: leave some room. Of a store that shares its counters it is
/// what all processes have counted. Does not block.
///
/// `format` is EZDFS_METRICS_PROMETHEUS or EZDFS_METRICS_OPENMETRICS. On success `*len_out` is the
/// length, whether it fits or not.
///
/// # Safety
///
/// `stores` is valid for `stores_len`, and so are the names in it; the stores are live handles;
/// `buffer` is valid for `capacity` bytes or NULL; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_metrics_write(
    stores: *const ezdfs_named_store,
    stores_len: usize,
    format: u32,
    buffer: *mut c_char,
    capacity: usize,
    len_out: *mut usize,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let stores = sized::read_each(stores, stores_len, "stores")?;
            let counted = stores.iter().map(|named| {
                let name = String::from_utf8_lossy(super::bytes(named.name, named.name_len));
                Ok((name, borrow(named.store)?.stats()?))
            });
            let counted = counted.collect::<Result<Vec<_>>>()?;
            let text = stats::write(&counted, of_number(format));
            len_out.write(copy_out(&text, buffer, capacity));
            Ok(())
        })
    }
}

/// The format for a client that accepts this: the value of its header `Accept`. Does not block.
///
/// # Safety
///
/// `accept` is valid for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_metrics_format(accept: *const c_char, accept_len: usize) -> u32 {
    // SAFETY: promised by the caller.
    match Format::accepted(unsafe { super::bytes(accept, accept_len) }) {
        Format::Prometheus => EZDFS_METRICS_PROMETHEUS,
        Format::OpenMetrics => EZDFS_METRICS_OPENMETRICS,
    }
}

/// The `Content-Type` of a format. Static, NUL-terminated.
#[unsafe(no_mangle)]
pub extern "C" fn ezdfs_metrics_content_type(format: u32) -> *const c_char {
    of_number(format).content_type().as_ptr()
}

fn of_number(format: u32) -> Format {
    match format {
        EZDFS_METRICS_OPENMETRICS => Format::OpenMetrics,
        _ => Format::Prometheus,
    }
}

/// What a store has counted, or all processes that share its counters. docs/metrics.md says more
/// of each, by the names that `ezdfs_metrics_write` has for them.
#[repr(C)]
pub struct ezdfs_stats {
    /// sizeof of this struct, set by the caller.
    pub struct_size: usize,
    /// Look-ups answered by bytes in memory.
    pub lookups_memory: u64,
    /// Look-ups answered by a file that was open.
    pub lookups_kept: u64,
    /// Look-ups answered by a row that was remembered.
    pub lookups_cache: u64,
    /// Look-ups answered by the replica.
    pub lookups_replica: u64,
    /// Look-ups answered by the database.
    pub lookups_database: u64,
    /// Look-ups that joined one of the same file that was under way.
    pub lookups_joined: u64,
    /// Look-ups refused because too many were under way.
    pub lookups_refused: u64,
    /// Look-ups answered by what was known before, the database being away.
    pub stale_answers: u64,
    /// Operations that worked.
    pub operations_ok: u64,
    /// Operations that failed with EZDFS_RESULT_NOT_FOUND.
    pub operations_not_found: u64,
    /// Operations that failed with EZDFS_RESULT_UNAVAILABLE.
    pub operations_unavailable: u64,
    /// Operations that failed with EZDFS_RESULT_STORAGE.
    pub operations_storage: u64,
    /// Operations that failed with EZDFS_RESULT_INTERNAL.
    pub operations_internal: u64,
    /// Files that were stored.
    pub created: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Files that got another id.
    pub renamed: u64,
    /// Files that were deleted one by one.
    pub deleted: u64,
    /// Directories that were deleted.
    pub directories_deleted: u64,
    /// Opened files of another length than their row says.
    pub size_mismatches: u64,
    /// Work on the mount that was given up because the mount was silent.
    pub mount_timeouts: u64,
    /// Statements that a database server refused, or did not answer in time.
    pub query_failures: u64,
    /// Database operations that were tried again.
    pub retries: u64,
    /// Changes from one server of the DSN to another.
    pub failovers: u64,
    /// Connections made to a database server.
    pub connections_opened: u64,
    /// Attempts to connect to a database server that failed.
    pub connections_refused: u64,
    /// Connections that are open now.
    pub connections: u64,
    /// Rows that are remembered now.
    pub rows_cached: u64,
    /// Files that are kept open now.
    pub files_kept: u64,
    /// Files whose bytes are kept in memory now.
    pub memory_files: u64,
    /// Memory that these take.
    pub memory_bytes: u64,
}

extensible!(ezdfs_stats, memory_bytes: u64);

impl ezdfs_stats {
    fn new(stats: &Snapshot) -> Self {
        let counter = |counter| stats.counter(counter);
        // One that is off by what another process has just taken back is none.
        let gauge = |gauge| u64::try_from(stats.gauge(gauge)).unwrap_or(0);
        ezdfs_stats {
            struct_size: size_of::<Self>(),
            lookups_memory: counter(Counter::FromMemory),
            lookups_kept: counter(Counter::FromKept),
            lookups_cache: counter(Counter::FromCache),
            lookups_replica: counter(Counter::FromReplica),
            lookups_database: counter(Counter::FromDatabase),
            lookups_joined: counter(Counter::FlightsJoined),
            lookups_refused: counter(Counter::FlightsRefused),
            stale_answers: counter(Counter::StaleAnswers),
            operations_ok: counter(Counter::Done),
            operations_not_found: counter(Counter::NotFound),
            operations_unavailable: counter(Counter::Unavailable),
            operations_storage: counter(Counter::Storage),
            operations_internal: counter(Counter::Internal),
            created: counter(Counter::Created),
            written_bytes: counter(Counter::WrittenBytes),
            renamed: counter(Counter::Renamed),
            deleted: counter(Counter::Deleted),
            directories_deleted: counter(Counter::DirectoriesDeleted),
            size_mismatches: counter(Counter::SizeMismatches),
            mount_timeouts: counter(Counter::MountTimeouts),
            query_failures: counter(Counter::QueryFailures),
            retries: counter(Counter::Retries),
            failovers: counter(Counter::Failovers),
            connections_opened: counter(Counter::ConnectionsOpened),
            connections_refused: counter(Counter::ConnectionsRefused),
            connections: gauge(Gauge::Connections),
            rows_cached: gauge(Gauge::RowsCached),
            files_kept: gauge(Gauge::FilesKept),
            memory_files: gauge(Gauge::MemoryFiles),
            memory_bytes: gauge(Gauge::MemoryBytes),
        }
    }
}

/// What a store has counted so far. Does not block.
///
/// # Safety
///
/// `store` is a live handle, `stats_out` valid; `err` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_stats(
    store: *const ezdfs_store,
    stats_out: *mut ezdfs_stats,
    err: *mut ezdfs_error,
) -> ezdfs_result {
    // SAFETY: promised by the caller.
    unsafe {
        guard(err, || {
            let stats_out = Out::new(stats_out, "stats_out")?;
            stats_out.give(&ezdfs_stats::new(&borrow(store)?.stats()?));
            Ok(())
        })
    }
}
