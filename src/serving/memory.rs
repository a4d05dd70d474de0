//! Files whose bytes are all in memory: who sends them waits for no mount.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock, Weak};

use super::{CachedFile, Description};
use crate::files;

/// What one takes besides its bytes, nearly.
const BESIDES: u64 = 1 << 10;

/// All bytes of a file, and what is said of it.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    pub(super) description: Description,
    pub(super) bytes: Arc<Vec<u8>>,
    /// What they were read from, where they are good only as long as that is.
    open: Option<Weak<CachedFile>>,
    /// For who cannot do with bytes.
    descriptor: OnceLock<Option<File>>,
}

impl MemoryFile {
    pub(super) fn new(open: &Arc<CachedFile>, bytes: &Arc<Vec<u8>>, stays_open: bool) -> Self {
        MemoryFile {
            description: open.description().clone(),
            bytes: Arc::clone(bytes),
            open: stays_open.then(|| Arc::downgrade(open)),
            descriptor: OnceLock::new(),
        }
    }

    /// Whether it can be handed out once more.
    pub(super) fn is_good(&self) -> bool {
        let is_good = |open: &Weak<CachedFile>| open.upgrade().is_some_and(|open| open.is_good());
        self.open.as_ref().is_none_or(is_good)
    }

    /// Bytes of memory that it takes.
    pub(super) fn weight(&self) -> u64 {
        self.bytes.len() as u64 + BESIDES
    }

    /// A descriptor from which the bytes can be read; `None` where the system refuses one.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor.get_or_init(|| files::in_memory(&self.bytes)).as_ref().map(File::as_fd)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::config::Options;
    use crate::files::Mount;
    use crate::lookup::{Asked, Facts, Kind, Stamp, Version};
    use crate::name::{FileId, Key};
    use crate::serving::{OpenFile, READ_AHEAD, Serving, SharedFile};
    use crate::stats::{Source, Stats};

    const KEY: Key = [2; 16];
    const ASKED: Stamp = Stamp::Asked(Asked::at(1));
    const REPLICATED: Stamp = Stamp::Replicated(Version { scan: 1, number: 1 });

    fn options(root: &Path, content: &str) -> Options {
        let mut options = Options::builder();
        options.set("dsn", "sqlite:/x").unwrap().set("root", root.to_str().unwrap()).unwrap();
        options.set("cache_content", content).unwrap();
        options.build().unwrap()
    }

    /// One that is kept open, and was just read.
    fn keep(serving: &Serving, options: &Options, stamp: Stamp) -> SharedFile {
        let id = FileId::parse("a").unwrap();
        let opened = Mount::new(options).open(&id, false, READ_AHEAD).unwrap();
        let kind = Kind { datatype: "image/png".into(), scope: "image".into() };
        let info = Facts::new(opened.size, 1, Arc::new(kind)).info(id.clone());
        let name = options.name_prefix.name(&id).unwrap();
        let prefix = &options.name_prefix;
        let file = SharedFile::from(OpenFile::new(opened, info, name, prefix, Source::Database));
        serving.keep(KEY, stamp, Instant::now(), &file);
        file
    }

    #[test]
    fn what_the_replica_vouches_for_need_not_stay_open() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a"), b"bytes").unwrap();
        let options = options(place.path(), "1m");
        for (stamp, stays_open) in [(REPLICATED, false), (ASKED, true)] {
            let serving = Serving::new(&options, true, &Stats::new(None));
            let file = keep(&serving, &options, stamp);
            assert!(serving.in_memory(&KEY, stamp).is_none());
            serving.keep_in_memory(KEY, stamp, &file);
            let copy = serving.in_memory(&KEY, stamp).expect("a copy");
            assert!(copy.is_in_memory() && copy.content() == Some(b"bytes"));
            assert_eq!(serving.holds_open(&KEY), stays_open);
            assert!(!serving.close_idle(|_, _| false));
            assert!(serving.in_memory(&KEY, stamp).is_none());
        }
    }

    #[test]
    fn another_program_that_replaces_a_file_is_noticed_where_nobody_tells() {
        let place = tempfile::tempdir().unwrap();
        let (path, new) = (place.path().join("a"), place.path().join("new"));
        std::fs::write(&path, b"bytes").unwrap();
        let options = options(place.path(), "1m");
        let serving = Serving::new(&options, true, &Stats::new(None));
        let old = keep(&serving, &options, ASKED);
        serving.keep_in_memory(KEY, ASKED, &old);
        std::fs::write(&new, b"other").unwrap();
        std::fs::rename(&new, &path).unwrap();
        assert!(serving.in_memory(&KEY, ASKED).is_none());
        // Nor does the new one bring it back.
        keep(&serving, &options, ASKED);
        serving.keep_in_memory(KEY, ASKED, &old);
        let copy = serving.in_memory(&KEY, ASKED);
        assert!(copy.is_none_or(|copy| copy.content() == Some(b"other")));
    }

    #[test]
    fn no_more_memory_is_taken_than_may_be() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a"), [0; 2000]).unwrap();
        for (content, has_room) in [("0", false), ("4k", false), ("8k", true)] {
            let options = options(place.path(), content);
            let serving = Serving::new(&options, true, &Stats::new(None));
            let file = keep(&serving, &options, REPLICATED);
            serving.keep_in_memory(KEY, REPLICATED, &file);
            assert_eq!(serving.in_memory(&KEY, REPLICATED).is_some(), has_room, "{content}");
            assert_eq!(serving.holds_open(&KEY), !has_room);
        }
    }
}
