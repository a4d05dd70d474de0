//! What a store has counted.

use std::ffi::{c_char, c_void};
use std::slice;

use super::copy_out;
use super::result::{ezdfs_error, ezdfs_result, guard, guard_or};
use super::store::{borrow, ezdfs_store, null};
use crate::error::{Error, ErrorKind};
use crate::stats::{self, Counter, Format, Zone};

/// Prometheus' text format, version 0.0.4.
pub const EZDFS_METRICS_PROMETHEUS: u32 = 0;
/// OpenMetrics 1.0.0.
pub const EZDFS_METRICS_OPENMETRICS: u32 = 1;

/// A store, and the value of the label `store` of what it has counted. Both are borrowed.
#[repr(C)]
pub struct ezdfs_named_store {
    /// UTF-8, without a NUL.
    pub name: *const c_char,
    /// The length of `name`.
    pub name_len: usize,
    /// The store.
    pub store: *const ezdfs_store,
}

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

/// Writes what stores have counted to `buffer`, if it fits in `capacity` bytes, without a NUL;
/// returns its length, 0 where a store cannot be used at all. A gauge may be longer a moment
/// later: leave some room. Of a store that shares its counters it is what all processes have
/// counted. Does not block.
///
/// `format` is EZDFS_METRICS_PROMETHEUS or EZDFS_METRICS_OPENMETRICS.
///
/// # Safety
///
/// `stores` is valid for `stores_len`, and so are the names in it; the stores are live handles;
/// `buffer` is valid for `capacity` bytes or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_metrics_write(
    stores: *const ezdfs_named_store,
    stores_len: usize,
    format: u32,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: promised by the caller.
    guard_or(0, || unsafe {
        let stores = if stores_len == 0 { &[] } else { slice::from_raw_parts(stores, stores_len) };
        let counted = stores.iter().map(|named| {
            let name = String::from_utf8_lossy(super::bytes(named.name, named.name_len));
            Ok((name, borrow(named.store)?.stats()?))
        });
        let Ok(counted) = counted.collect::<Result<Vec<_>, Error>>() else { return 0 };
        copy_out(&stats::write(&counted, of_number(format)), buffer, capacity)
    })
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

/// How many opened files had another length than their row says. Does not block.
///
/// # Safety
///
/// `store` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_size_mismatches(store: *const ezdfs_store) -> u64 {
    // SAFETY: promised by the caller.
    unsafe { counted(store, Counter::SizeMismatches) }
}

/// How many look-ups of web requests were refused because too many were under way: a database
/// that does not answer, and more than 8192 clients that wait. Does not block.
///
/// # Safety
///
/// `store` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ezdfs_store_refused_look_ups(store: *const ezdfs_store) -> u64 {
    // SAFETY: promised by the caller.
    unsafe { counted(store, Counter::FlightsRefused) }
}

/// # Safety
///
/// `store` is NULL or a live handle.
unsafe fn counted(store: *const ezdfs_store, counter: Counter) -> u64 {
    // SAFETY: promised by the caller.
    guard_or(0, || unsafe {
        let stats = borrow(store).and_then(|store| store.stats());
        stats.map_or(0, |stats| stats.counter(counter))
    })
}
