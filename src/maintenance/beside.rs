//! Files of a command's own that are replaced as a whole: written beside, then renamed.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// The directory that a path names a file in.
pub(super) fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A file beside another, removed unless it takes that one's place.
pub(super) fn new(path: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(folder(path))
}

/// Puts it in the other's place.
pub(super) fn replace(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // Where a directory cannot be synced, a power cut may bring the old file back.
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
    Ok(())
}
