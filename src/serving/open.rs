//! A file that is open for reading.

use std::fs::File;

use crate::files::{Opened, Version};
use crate::metadata::FileInfo;
use crate::name::FileName;
use crate::serve::{self, Presentation};

/// A file that is open for reading, with what its row says.
#[derive(Debug)]
pub struct OpenFile {
    /// The open file, at its beginning.
    pub file: File,
    /// The file's own length in bytes. It may differ from the row's, which
    /// another node may have written meanwhile: this one is what can be read.
    pub size: u64,
    /// What the row says.
    pub info: FileInfo,
    name: FileName,
    presentation: Presentation,
    version: Version,
    /// All its bytes, where they were asked for.
    content: Option<Vec<u8>>,
}

impl OpenFile {
    pub(crate) fn new(opened: Opened, info: FileInfo, name: FileName) -> Self {
        let Opened { file, size, version, content } = opened;
        let presentation = serve::present(&info.mime_type, info.id.file_name());
        OpenFile { file, size, info, name, presentation, version, content }
    }

    /// The name under which the table knows it.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// How a web server presents it.
    pub fn presentation(&self) -> Presentation {
        self.presentation
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

    /// The strong validator: the row's time and the file's own length, because a
    /// new file is in place a moment before its row, and is not what the old
    /// validator stands for.
    pub fn etag(&self) -> String {
        serve::etag(self.info.mtime, self.size)
    }
}
