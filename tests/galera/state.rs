//! What lies in the table and on the mount, and whether the two agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::Pair;
use crate::store::PREFIX;
use crate::support::Result;
use crate::support::db::{self, Rows};

/// A live row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) datatype: String,
}

/// All live rows, by id.
pub(super) type Table = BTreeMap<String, Live>;

/// What is wrong between rows and files, each with its kind first; nobody writes meanwhile.
pub(super) fn faults(pair: &Pair) -> Result<(Table, Vec<(&'static str, String)>)> {
    let mut faults = Vec::new();
    let [here, there] = [rows(pair, 0)?, rows(pair, 1)?];
    if here != there {
        faults.push(("the nodes' tables differ", String::new()));
    }
    let (live, dead) = sorted(&here)?;
    faults.extend(dead.into_iter().map(|name| ("a row that is soft-deleted still", name)));
    let mut files = files(pair);
    for (id, row) in &live {
        match fs::metadata(pair.site.path(id)) {
            Err(_) => faults.push(("a live row without a file", id.clone())),
            Ok(file) if file.len() != row.size => {
                faults.push(("a file of another size than its row's", id.clone()));
            }
            Ok(file) if file.mtime() != row.mtime => {
                faults.push(("a file of another time than its row's", id.clone()));
            }
            Ok(_) => {}
        }
        files.remove(id);
    }
    for file in files {
        let is_ours = file.contains(".ezdfs-");
        faults.push((if is_ours { "a file left behind" } else { "a file without a row" }, file));
    }
    Ok((live, faults))
}

fn rows(pair: &Pair, node: usize) -> Result<Rows> {
    let select = "SELECT name, size, mtime, datatype, expired FROM ezdfsfile ORDER BY name";
    db::sql(&pair.dsns[node], &format!("SET SESSION wsrep_sync_wait = 1; {select}"))
}

/// Live rows by id, and the names of the others.
fn sorted(rows: &Rows) -> Result<(Table, Vec<String>)> {
    let (mut live, mut dead) = (Table::new(), Vec::new());
    for row in rows {
        let [Some(name), Some(size), Some(mtime), Some(datatype), Some(expired)] = &row[..] else {
            return Err(format!("a row with NULL: {row:?}").into());
        };
        let row = Live { size: size.parse()?, mtime: mtime.parse()?, datatype: datatype.clone() };
        let id = name.strip_prefix(&format!("{PREFIX}/")).ok_or("a row of another store")?;
        if expired == "0" && row.mtime > 0 {
            live.insert(id.to_owned(), row);
        } else {
            dead.push(id.to_owned());
        }
    }
    Ok((live, dead))
}

fn files(pair: &Pair) -> BTreeSet<String> {
    let all = pair.site.tree().into_iter();
    all.filter(|path| pair.site.path(path).is_file()).collect()
}
