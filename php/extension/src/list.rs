//! The iterator of `Store::list()`.

use ext_php_rs::convert::IntoZval;
use ext_php_rs::exception::PhpResult;
use ext_php_rs::flags::ClassFlags;
use ext_php_rs::prelude::*;
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ce;
use ezdfs::{DirId, ErrorKind};

use crate::failure::{Failure, guard};
use crate::values::{Iterated, file_info};

/// The files below a directory, fetched as the loop goes on.
#[php_class]
#[php(name = "Ezdfs\\FileIterator")]
#[php(implements(ce = ce::iterator, stub = "\\Iterator"))]
#[php(flags = ClassFlags::Final.union(ClassFlags::NotSerializable))]
#[derive(Debug)]
pub(crate) struct FileIterator {
    store: ezdfs::Store,
    dir: Option<DirId>,
    position: i64,
    /// `None` until the first file is asked for.
    files: Option<ezdfs::List>,
    current: Option<ezdfs::FileInfo>,
}

#[php_impl]
impl FileIterator {
    /// The file at hand.
    pub(crate) fn current(&mut self) -> PhpResult<Zval> {
        guard("list", || {
            self.start()?;
            match &self.current {
                Some(info) => Ok(file_info(&self.store, info)?.0),
                None => Ok(Zval::null()),
            }
        })
    }

    /// How many files came before it.
    pub(crate) fn key(&self) -> i64 {
        self.position
    }

    /// Goes on to the next file.
    pub(crate) fn next(&mut self) -> PhpResult<()> {
        guard("list", || {
            self.start()?;
            self.position += 1;
            self.fetch()
        })
    }

    /// Begins again with a new listing.
    pub(crate) fn rewind(&mut self) -> PhpResult<()> {
        guard("list", || {
            self.files = None;
            self.start()
        })
    }

    /// Whether there is a file at hand.
    pub(crate) fn valid(&mut self) -> PhpResult<bool> {
        guard("list", || {
            self.start()?;
            Ok(self.current.is_some())
        })
    }
}

impl FileIterator {
    fn start(&mut self) -> Result<(), Failure> {
        if self.files.is_some() {
            return Ok(());
        }
        self.files = Some(self.store.list(self.dir.as_ref())?);
        self.position = 0;
        self.fetch()
    }

    fn fetch(&mut self) -> Result<(), Failure> {
        self.current = None;
        self.current = self.files.as_mut().and_then(Iterator::next).transpose()?;
        Ok(())
    }
}

/// An iterator that has not asked for anything yet.
pub(crate) fn iterator(store: ezdfs::Store, dir: Option<DirId>) -> Result<Iterated, Failure> {
    let files = FileIterator { store, dir, position: 0, files: None, current: None };
    files.into_zval(false).map(Iterated).map_err(|error| {
        Failure::refused(ErrorKind::Internal, "list", "iterator", &error.to_string())
    })
}
