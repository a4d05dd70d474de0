//! Where what is written of a store may lie.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::files::real_path;
use crate::store::Store;

/// Refuses to write what an operation tells into the store's own tree, where it might
/// replace a stored file. Says where a link leads.
pub(crate) fn require_outside(store: &Store, path: &Path) -> Result<PathBuf> {
    let end = followed(path)
        .map_err(|error| Error::io("write", path.to_string_lossy(), "cannot write", error))?;
    let folder = end.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = real_path(folder.unwrap_or(Path::new(".")));
    let (Ok(folder), Ok(root)) = (folder, real_path(store.root())) else { return Ok(end) };
    if !folder.starts_with(&root) {
        return Ok(end);
    }
    let subject = path.to_string_lossy();
    let reason = format!("lies in the root {}, where stored files are", root.display());
    Err(Error::new(ErrorKind::InvalidInput, "write", subject, reason))
}

/// Where a link leads in the end, be there anything or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    /// As the kernel allows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            // No link, or nothing at all.
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::ELOOP.into())
}
