//! The one list of what lies in a tree and is nobody's stored file. Importing,
//! checking, sweeping and serving all go by it.

use crate::name::RESERVED_PREFIX;

/// Where removed files are kept, beneath the root. A reserved name, so that no
/// id leads there.
pub(crate) const TRASH: &str = ".ezdfs-trash";

/// Where it is noted when whole stores were last checked and purged, and how far a change of names
/// has come, beneath the root.
pub(crate) const RUNS: &str = ".ezdfs-runs";

/// What a file is, if it is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debris {
    /// Bytes that ezdfs or legacy wrote beside a file, to take its name. What is
    /// old was left behind by a writer that died.
    Staging,
    /// What file systems, operating systems, editors and web servers put there:
    /// none of our business.
    Foreign,
}

/// How names of files begin that are foreign: NFS' files that are deleted and
/// still open, FUSE's, Emacs' locks, macOS' resource forks, LibreOffice's locks.
const FOREIGN_PREFIXES: &[&[u8]] = &[b".nfs", b".fuse_hidden", b".#", b"._", b".~lock."];

/// How they end: backups of editors, vim's swap files, what legacy is making.
const FOREIGN_SUFFIXES: &[&[u8]] = &[b"~", b".swp", b".swo", b".generating"];

const FOREIGN_NAMES: &[&[u8]] = &[
    b".DS_Store",
    b".directory",
    b".gitignore",
    b".gitkeep",
    b".htaccess",
    b".htpasswd",
    b".keep",
    b"Thumbs.db",
    b"desktop.ini",
];

/// Directories that are never entered: snapshots of file servers, what `fsck` of
/// a file system found, trash of others.
const FOREIGN_DIRECTORIES: &[&[u8]] = &[
    b".snapshot",
    b".snapshots",
    b".zfs",
    b"lost+found",
    b"@eaDir",
    b"#recycle",
    b"$RECYCLE.BIN",
    b".AppleDouble",
    b".Spotlight-V100",
    b".TemporaryItems",
    b".Trashes",
    b".fseventsd",
    b".git",
    b".svn",
    b"__MACOSX",
];

/// What a file of this name is, if it is nobody's stored file.
pub(crate) fn of_file(name: &[u8]) -> Option<Debris> {
    if name.starts_with(RESERVED_PREFIX.as_bytes()) || name.starts_with(b"ezfile-tmp.") {
        return Some(Debris::Staging);
    }
    let is_foreign = FOREIGN_NAMES.contains(&name)
        || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || FOREIGN_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || (name.len() > 1 && name.starts_with(b"#") && name.ends_with(b"#"));
    is_foreign.then_some(Debris::Foreign)
}

/// Whether a directory of this name is never entered.
pub(crate) fn is_foreign_directory(name: &[u8]) -> bool {
    // Nearly all directories on the way to a picture, at once.
    if matches!(name.first(), Some(first) if first.is_ascii_digit()) {
        return false;
    }
    FOREIGN_DIRECTORIES.contains(&name)
        || name.starts_with(RESERVED_PREFIX.as_bytes())
        || name.starts_with(b".Trash-")
}

/// Whether a directory's entry of this name, of whichever kind, shows nothing of
/// a mounted share: a bare mount point may have it too.
pub(crate) fn may_lie_in_a_mount_point(name: &[u8]) -> bool {
    of_file(name).is_some() || is_foreign_directory(name)
}

/// Whether the path of a file is a stored file's: neither its name nor that of a
/// directory on the way is on the list.
pub(crate) fn is_none_in(path: &[u8]) -> bool {
    let mut segments = path.rsplit(|byte| *byte == b'/');
    segments.next().is_none_or(|name| of_file(name).is_none())
        && !segments.any(is_foreign_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_no_debris() {
        for name in ["a.jpg", "a~b.jpg", "#1.png", ".jpg", "nfs.png", "swp", "a.swp.jpg", "#", "~a"]
        {
            assert_eq!(of_file(name.as_bytes()), None, "{name}");
        }
        assert!(is_none_in(b"images/1/git/lost/a.jpg"));
    }

    #[test]
    fn debris_is_known_in_any_directory() {
        for name in
            [".nfs000a", "a.jpg~", ".a.jpg.swp", ".DS_Store", ".htaccess", "x.generating", "#a#"]
        {
            assert_eq!(of_file(name.as_bytes()), Some(Debris::Foreign), "{name}");
        }
        for name in [".ezdfs-stage-01", ".ezdfs-old-02", "ezfile-tmp.03"] {
            assert_eq!(of_file(name.as_bytes()), Some(Debris::Staging), "{name}");
        }
        for path in ["images/.snapshot/a.jpg", "lost+found/1", ".ezdfs-trash/2026-01-01/images/a"] {
            assert!(!is_none_in(path.as_bytes()), "{path}");
        }
    }
}
