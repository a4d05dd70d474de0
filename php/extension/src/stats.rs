//! What a store has counted, as PHP and phpinfo() show it.

use std::ffi::{CString, c_char};

use ext_php_rs::ffi::{php_info_print_table_header, php_info_print_table_row};
use ext_php_rs::types::Zval;
use ext_php_rs::{info_table_end, info_table_start};
use ezdfs::Store;
use ezdfs::stats::{Format, Histogram, Metric, Value, write};

use crate::failure::Failure;
use crate::shim::{self, Leaf};
use crate::values::php_integer;

/// As an array: metric, then the value of its label where it has one, then what that has come to.
pub(crate) fn tree(store: &Store) -> Result<Zval, Failure> {
    let metrics = store.stats()?.metrics();
    let leaves: Vec<_> = metrics.iter().flat_map(leaves).collect();
    // SAFETY: all texts live until the call returns.
    let new = |out| unsafe { shim::ezdfs_php_new_tree(leaves.as_ptr(), leaves.len(), out) };
    shim::make(new, || Failure::Thrown)
}

fn leaves(metric: &Metric) -> impl Iterator<Item = Leaf<'_>> {
    let name = metric.name.strip_prefix("ezdfs_").unwrap_or(metric.name);
    metric.members.iter().flat_map(move |(member, value)| {
        let path: Vec<_> = [name, *member].into_iter().filter(|key| !key.is_empty()).collect();
        match value {
            Value::Counter(count) => vec![Leaf::integer(&path, php_integer(*count))],
            // Times are, numbers of things are not.
            Value::Gauge(now) if name.ends_with("_seconds") => vec![Leaf::float(&path, *now)],
            Value::Gauge(now) => vec![Leaf::integer(&path, *now as i64)],
            Value::Histogram(times) => of_histogram(&path, times),
        }
    })
}

fn of_histogram<'a>(path: &[&'a str], times: &Histogram) -> Vec<Leaf<'a>> {
    let at = |keys: &[&'a str]| [path, keys].concat();
    let bounds = Histogram::BOUNDS.into_iter().chain(["+Inf"]);
    let bucket = |(bound, count): (&'static str, u64)| {
        Leaf::integer(&at(&["buckets", bound]), php_integer(count))
    };
    [
        Leaf::integer(&at(&["count"]), php_integer(times.count())),
        Leaf::float(&at(&["sum"]), times.sum),
    ]
    .into_iter()
    .chain(bounds.zip(times.cumulative).map(bucket))
    .collect()
}

/// A table of phpinfo() for each store that this process has used: what it has counted.
pub(crate) fn print(stores: &[Store]) {
    for store in stores {
        let Ok(snapshot) = store.stats() else { continue };
        let text = write(&[("", snapshot)], Format::Prometheus);
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0"));
        info_table_start!();
        print_row(true, "A store", "counted by this process");
        // Headers are not escaped where phpinfo() writes HTML.
        print_row(false, "root", &store.root().to_string_lossy());
        print_row(false, "dsn", &store.dsn().to_string());
        for line in samples.filter(|line| !line.contains("_bucket{")) {
            let (sample, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            let sample = sample.replace("store=\"\",", "").replace("{store=\"\"}", "");
            print_row(false, &sample, value);
        }
        info_table_end!();
    }
}

fn print_row(is_header: bool, name: &str, value: &str) {
    let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) else { return };
    let (name, value): (*const c_char, *const c_char) = (name.as_ptr(), value.as_ptr());
    // SAFETY: as many texts as the number says, which live until the call returns.
    unsafe {
        match is_header {
            true => php_info_print_table_header(2, name, value),
            false => php_info_print_table_row(2, name, value),
        }
    }
}
