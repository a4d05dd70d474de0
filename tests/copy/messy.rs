//! A tree as sites have them after years: every layout that kernels and legacy ever wrote, made
//! without ezdfs, with rows as those wrote them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::place::Place;
use crate::store::md5;
use crate::support::Result;
use crate::support::db::{self, Backend};

/// So many rows stand in one INSERT.
const ROWS: usize = 200;

/// A stored file: its name, what its row says, its bytes.
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) datatype: &'static str,
    pub(super) scope: &'static str,
    pub(super) mtime: i64,
    pub(super) bytes: Vec<u8>,
}

/// So many files; the same each time.
pub(super) fn files(count: usize) -> impl Iterator<Item = Stored> {
    (0..count).map(|number| {
        let (path, datatype, scope) = layout(number);
        Stored {
            name: format!("var/site/{path}"),
            datatype,
            scope,
            mtime: 1_300_000_000 + (number as i64 * 7919) % 200_000_000,
            bytes: bytes(number),
        }
    })
}

/// Those of the file of this name.
pub(super) fn bytes_of(name: &str, count: usize) -> Result<Vec<u8>> {
    let file = files(count).find(|file| file.name == name).ok_or("no such file")?;
    Ok(file.bytes)
}

/// Of very different lengths; a few are empty, a few are large.
fn bytes(number: usize) -> Vec<u8> {
    let length = match number % 97 {
        0 => 0,
        1 => 400_000,
        rest => 30 + rest * 41,
    };
    (0..length).map(|at| (at * 31 + number * 7 + 1) as u8).collect()
}

fn layout(number: usize) -> (String, &'static str, &'static str) {
    let (image, drafts) = ("storage/images", "storage/images-versioned");
    let (jpeg, png, misc) = ("image/jpeg", "image/png", "misc");
    let digits: String = format!("{number:04}").chars().rev().flat_map(|c| [c, '/']).collect();
    match number % 12 {
        0 => (format!("{image}/{digits}{number}-1-eng-GB/Photo {number}.jpg"), jpeg, "image"),
        1 => (format!("{image}/{digits}{number}-2-ger-DE/{number:012x}-foto.png"), png, "image"),
        2 => (format!("{image}/_aliases/large/{digits}{number}/a.jpg"), jpeg, "image"),
        3 => (format!("{image}/_aliases/gone_alias/{number}/a.jpg.webp"), "image/webp", "image"),
        4 => (format!("{image}/{digits}{number}-1-eng-GB/old_{number}_large.jpg"), jpeg, "image"),
        5 => (format!("{image}/media/Ünï çödé/{number} 'quoted' 100%/bild.jpg"), jpeg, "image"),
        6 => (format!("{image}/media/\u{1f600}/{number}.gif"), "image/gif", "image"),
        7 => (format!("{drafts}/{number}/2-eng-GB/draft.png"), png, "UNKNOWN_SCOPE"),
        8 => (format!("storage/original/application/{number:032x}.pdf"), misc, "binaryfile"),
        9 => (format!("storage/original/video/{number:032x}"), misc, "mediafile"),
        10 => (format!("storage/richtext/{number}.bin"), "application/octet-stream", ""),
        _ => (format!("cache/public/{number}/style.css"), "text/css", "template-block"),
    }
}

/// Only what an import would take: in the areas of a storage directory.
pub(super) fn is_in_area(name: &str) -> bool {
    ["images/", "images-versioned/", "original/"]
        .iter()
        .any(|area| name.starts_with(&format!("var/site/storage/{area}")))
}

/// Writes files and rows.
pub(super) fn fill(place: &Place, count: usize) -> Result {
    let all: Vec<Stored> = files(count).collect();
    for file in &all {
        write(&place.root().join(&file.name), &file.bytes, file.mtime)?;
    }
    for some in all.chunks(ROWS) {
        insert(place, some)?;
    }
    Ok(())
}

/// The files alone.
pub(super) fn fill_tree(root: &Path, count: usize) -> Result {
    for file in files(count) {
        write(&root.join(&file.name), &file.bytes, file.mtime)?;
    }
    // Nobody's stored files.
    write(&root.join("var/site/storage/images/.DS_Store"), b"x", 1_400_000_000)?;
    write(&root.join("var/site/log/error.log"), b"x", 1_400_000_000)
}

pub(super) fn write(path: &Path, bytes: &[u8], mtime: i64) -> Result {
    fs::create_dir_all(path.parent().ok_or("no parent")?)?;
    fs::write(path, bytes)?;
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(mtime.unsigned_abs());
    fs::File::options().write(true).open(path)?.set_modified(time)?;
    Ok(())
}

pub(super) fn insert(place: &Place, files: &[Stored]) -> Result {
    let expired = match place.db.backend {
        Backend::Postgres => ["false", "true"],
        _ => ["0", "1"],
    };
    let mut statement = format!(
        "INSERT INTO {} (name, name_trunk, name_hash, datatype, scope, size, mtime, expired) VALUES ",
        place.table
    );
    for (number, file) in files.iter().enumerate() {
        let Stored { datatype, scope, mtime, bytes, .. } = file;
        let (name, hash) = (file.name.replace('\'', "''"), md5(&file.name));
        let expired = expired[usize::from(*mtime < 0)];
        let comma = if number > 0 { "," } else { "" };
        write!(
            statement,
            "{comma}('{name}','{name}','{hash}','{datatype}','{scope}',{},{mtime},{expired})",
            bytes.len()
        )?;
    }
    db::sql(&place.db.dsn, &statement)?;
    Ok(())
}
