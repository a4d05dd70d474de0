//! Whether root, prefix and table fit each other. A command that is pointed at the
//! wrong one of them must find out before it touches anything.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Remover};
use crate::name::FileId;
use crate::runtime;
use crate::store::{Process, Store};

/// So many live rows are looked at.
const SAMPLE: usize = 64;

/// How the rows of a sample fit the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Live rows that were looked at.
    pub(crate) looked: u64,
    /// Those that have a file of their size.
    pub(crate) fitting: u64,
}

/// Refuses root, prefix and table where most live rows have no file of their size
/// below the root, or where the root is plainly another site's.
///
/// # Errors
///
/// - [`ErrorKind::Unavailable`]: the mount is dead, or most files are not there.
/// - [`ErrorKind::InvalidConfig`]: the root is another site's.
pub(crate) fn require(process: &Process, operation: &'static str) -> Result<Fit> {
    require_own_site(process, operation)?;
    let (fit, expected) = look(process, operation)?;
    if fit.fitting * 2 >= fit.looked {
        return Ok(fit);
    }
    let found = runtime::block_on(process.gate().run(operation, Mount::some_entries))?;
    let reason = format!(
        "of {} live rows that were looked at only {} have a file of their size here: is the right \
         share mounted, and do root, name_prefix and table fit? Expected was {expected:?}, the root \
         holds {}; nothing was changed",
        fit.looked,
        fit.fitting,
        match found.is_empty() {
            true => "nothing".to_owned(),
            false => found.join(", "),
        }
    );
    Err(Error::new(ErrorKind::Unavailable, operation, process.root_shown(), reason))
}

/// Refuses to write where a live row of another name speaks of the file: its bytes
/// would be lost. For who writes by hand; doors that serve a site are set up once.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`], and those of database and mount.
pub fn require_own_file(store: &Store, operation: &'static str, id: &FileId) -> Result<()> {
    let process = store.process()?;
    let paths = [id.as_str().to_owned()];
    // In other tables the site may have the very same row: while it is renamed.
    let claimed = runtime::block_on(async { process.claimed_among(&paths, false).await })?;
    if claimed.is_empty() {
        return Ok(());
    }
    let reason = "the file is that of a live row already, which has another name: do root and \
                  name_prefix fit? Nothing was changed";
    Err(Error::new(ErrorKind::InvalidConfig, operation, id.as_str(), reason))
}

/// Refuses a mount that is not there: a bare root, unless the table has no rows.
/// Where the trash is, something is mounted.
pub(crate) fn require_mounted(process: &Process, operation: &'static str) -> Result<()> {
    runtime::block_on(async {
        let look = |mount: &Mount| Ok(mount.is_bare()? && !mount.has_trash()?);
        let is_bare = process.gate().run(operation, look).await?;
        match is_bare && !process.has_no_rows().await? {
            true => process.gate().run(operation, Mount::require_alive).await,
            false => Ok(()),
        }
    })
}

/// Looks at a sample, and gives the path of one that does not fit.
pub(crate) fn look(process: &Process, operation: &'static str) -> Result<(Fit, String)> {
    let prefix = process.name_prefix();
    let beneath = prefix.beneath(None)?;
    let sample = runtime::block_on(async { process.index().live_sample(&beneath, SAMPLE).await })?;
    let rows: Vec<_> = sample
        .iter()
        .filter_map(|keyed| Some((prefix.id(&keyed.row.name)?, keyed.row.size)))
        .collect();
    let look = move |mount: &Mount| {
        mount.require_alive()?;
        let mut remover = Remover::new(mount, None)?;
        let (mut fit, mut expected) = (Fit::default(), String::new());
        for (id, size) in rows {
            let status = match remover.look(id.as_str()) {
                // One bad place is one file that does not fit.
                Err(error) if error.kind().is_of_storage() => None,
                status => status?,
            };
            let fits = status.is_some_and(|status| status.st_size.cast_unsigned() == size);
            fit.looked += 1;
            fit.fitting += u64::from(fits);
            if !fits && expected.is_empty() {
                id.as_str().clone_into(&mut expected);
            }
        }
        Ok((fit, expected))
    };
    // The root of a store that has no rows says nothing.
    match sample.is_empty() {
        true => Ok((Fit::default(), String::new())),
        false => runtime::block_on(process.gate().run(operation, look)),
    }
}

/// Refuses to write rows of a storage directory that the table does not know, unless its path is
/// what the names say.
pub(crate) fn require_known_storage(
    process: &Process,
    operation: &'static str,
    storage: &str,
) -> Result<()> {
    let beneath = if storage.is_empty() { String::new() } else { format!("{storage}/") };
    let (known, all, root) = runtime::block_on(async {
        let index = process.index();
        let root = process.real_root().await?;
        Ok((index.count(&beneath).await?, index.count("").await?, root))
    })?;
    let within = storage.strip_prefix(process.name_prefix().as_str()).unwrap_or(storage);
    let path = format!("{root}/{}", within.trim_matches('/'));
    let path = path.trim_end_matches('/');
    let is_storage = path.rsplit('/').next() == Some("storage") && path.contains("/var/");
    let is_told_by_path = match storage {
        "" => !is_storage,
        storage => path.ends_with(&format!("/{storage}")),
    };
    // Of a first import into an empty table only a plain contradiction is known.
    if known > 0 || is_told_by_path || (all == 0 && !is_storage) {
        return Ok(());
    }
    let reason = format!(
        "the rows would be named {:?}, of which the table has none, and the files lie in {path:?}: \
         is the name_prefix right? If it is, say --new-storage; nothing was changed",
        format!("{beneath}images/...")
    );
    Err(Error::new(ErrorKind::InvalidConfig, operation, process.root_shown(), reason))
}

/// `.../var/site2/storage` is not the root of `var/site1/storage` where that lies
/// beside it.
pub(crate) fn require_own_site(process: &Process, operation: &'static str) -> Result<()> {
    let root = runtime::block_on(process.real_root())?.to_owned();
    let wanted = process.name_prefix().as_str();
    let Some(above) = above_another_site(&root, wanted) else { return Ok(()) };
    let right = format!("{above}{wanted}");
    let asked = right.clone();
    let is_there = move |_: &Mount| Ok(Path::new(&asked).is_dir());
    if !runtime::block_on(process.gate().run(operation, is_there))? {
        return Ok(());
    }
    let reason = format!(
        "the name_prefix is {wanted:?}, whose directory is {right:?}: the root is another \
         site's; nothing was changed"
    );
    Err(Error::new(ErrorKind::InvalidConfig, operation, root, reason))
}

/// What is before the end of a root that is the directory of a site, and of another
/// one than the prefix says: `/mnt/` of `/mnt/var/a/storage` for `var/b/storage`.
fn above_another_site<'r>(root: &'r str, prefix: &str) -> Option<&'r str> {
    let root = root.trim_end_matches('/');
    let wanted: Vec<&str> = prefix.split('/').collect();
    let segments: Vec<&str> = root.split('/').collect();
    let here = &segments[segments.len().checked_sub(wanted.len())?..];
    let ([var, site, rest @ ..], [of, its, same @ ..]) = (&*wanted, here) else { return None };
    let is_beside = *var == "var" && of == var && site != its && rest == same;
    let length: usize = here.iter().map(|segment| segment.len() + 1).sum();
    is_beside.then(|| &root[..=root.len() - length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_site_is_known_by_its_place() {
        let above = above_another_site;
        assert_eq!(above("/mnt/nfs/var/a/storage/", "var/b/storage"), Some("/mnt/nfs/"));
        assert_eq!(above("/mnt/var/a", "var/b"), Some("/mnt/"));
        assert_eq!(above("/var/a/storage", "var/b/storage"), Some("/"));
        for (root, prefix) in [
            ("/mnt/var/a/storage", "var/a/storage"),
            ("/mnt/var/a/storage", "var/b"),
            ("/mnt/var/a", "var/b/storage"),
            ("/mnt/storage", "var/b/storage"),
            ("/mnt/var/a/storage", "storage"),
            ("/mnt/var/a/storage", ""),
            ("/", "var/a/storage"),
        ] {
            assert_eq!(above(root, prefix), None, "{root} for {prefix}");
        }
    }
}
