//! What is said of a file that is handed out.

use crate::metadata::{Area, FileInfo};
use crate::name::FileName;
use crate::serve::{self, Presentation};

/// What is said of a file that is handed out.
#[derive(Debug, Clone)]
pub struct Description {
    /// The file's own length in bytes. It may differ from the row's, which
    /// another node may have written meanwhile: this one is what can be read.
    pub size: u64,
    /// What the row says.
    pub info: FileInfo,
    name: FileName,
    presentation: Presentation,
}

impl Description {
    pub(crate) fn new(size: u64, info: FileInfo, name: FileName, area: Area) -> Self {
        let presentation = serve::present(area, &info.mime_type, info.id.file_name());
        Description { size, info, name, presentation }
    }

    /// The name under which the table knows it.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// How a web server presents it.
    pub fn presentation(&self) -> Presentation {
        self.presentation
    }

    /// The strong validator: the row's time and the file's own length, because a
    /// new file is in place a moment before its row, and is not what the old
    /// validator stands for.
    pub fn etag(&self) -> String {
        serve::etag(self.info.mtime, self.size)
    }
}
