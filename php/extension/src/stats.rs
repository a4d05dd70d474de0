//! What a store has counted, as PHP and phpinfo() show it.

use std::ffi::{CString, c_int};

use ext_php_rs::types::Zval;
use ezdfs::Store;
use ezdfs::stats::{Histogram, Metric, Value, summary};

use crate::failure::Failure;
use crate::shim::{self, Leaf, Row};
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
    let bucket = |(bound, count): (&'static str, u64)| {
        Leaf::integer(&at(&["buckets", bound]), php_integer(count))
    };
    [
        Leaf::integer(&at(&["count"]), php_integer(times.count())),
        Leaf::float(&at(&["sum"]), times.sum),
    ]
    .into_iter()
    .chain(times.buckets().map(bucket))
    .collect()
}

/// A table of phpinfo() for each store of this process: what it has counted. Says how that ended.
pub(crate) fn print(stores: &[Store]) -> c_int {
    let outcomes = stores.iter().map(print_one);
    outcomes.into_iter().find(|outcome| *outcome != shim::OK).unwrap_or(shim::OK)
}

fn print_one(store: &Store) -> c_int {
    let Ok(snapshot) = store.stats() else { return shim::OK };
    let counted = summary(None, &snapshot);
    let (root, dsn) = (store.root().to_string_lossy(), store.dsn().to_string());
    // Of all rows but the first PHP escapes the texts where it writes HTML.
    let head = [("A store", "counted by this process"), ("root", &*root), ("dsn", &*dsn)];
    let counted = counted.iter().filter_map(|line| line.rsplit_once(' '));
    let texts = head
        .into_iter()
        .chain(counted)
        .filter_map(|(name, value)| Some((CString::new(name).ok()?, CString::new(value).ok()?)));
    let texts: Vec<_> = texts.collect();
    let row =
        |(name, value): &(CString, CString)| Row { name: name.as_ptr(), value: value.as_ptr() };
    let rows: Vec<_> = texts.iter().map(row).collect();
    // SAFETY: all texts live until the call returns.
    unsafe { shim::ezdfs_php_print_rows(rows.as_ptr(), rows.len()) }
}
