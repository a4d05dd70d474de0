//! A file that is open for reading.

use std::fs::File;
use std::ops::Deref;

use super::Description;
use crate::files::{Opened, Version};
use crate::metadata::{Area, FileInfo};
use crate::name::{FileName, NamePrefix};
use crate::stats::Source;

/// A file that is open for reading, with what its row says.
#[derive(Debug)]
pub struct OpenFile {
    /// The open file, at its beginning.
    pub file: File,
    /// What is said of it.
    pub description: Description,
    version: Version,
    /// All its bytes, where they were asked for.
    content: Option<Vec<u8>>,
    /// What has told of its row.
    pub(super) answered_by: Source,
}

impl OpenFile {
    pub(crate) fn new(
        opened: Opened,
        info: FileInfo,
        name: FileName,
        prefix: &NamePrefix,
        answered_by: Source,
    ) -> Self {
        let Opened { file, size, version, content } = opened;
        let area = Area::of_name(name.as_str(), prefix);
        let description = Description::new(size, info, name, area);
        OpenFile { file, description, version, content, answered_by }
    }

    /// Where its row was found.
    pub fn answered_by(&self) -> Source {
        self.answered_by
    }

    /// Whether the file is as it was when it was opened, as far as this machine
    /// knows. Does not block.
    pub(super) fn is_unchanged(&self) -> bool {
        self.version.is_of(&self.file)
    }

    /// Takes its bytes, where they were read and are still those of the file.
    pub(super) fn take_content(&mut self) -> Option<Vec<u8>> {
        self.content.take()
    }
}

impl Deref for OpenFile {
    type Target = Description;

    fn deref(&self) -> &Description {
        &self.description
    }
}
