//! In what ways rows and files can be wrong.

/// In what way a row or a file is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A directory in which so many files are missing that it may not be mounted,
    /// or on which something else is mounted. Nothing in it is repaired.
    NotMounted,
    /// A live row without a file.
    MissingFile,
    /// A file without a row, in a directory of which the table knows others.
    OrphanFile,
    /// A live row that says another size than the file has.
    SizeMismatch,
    /// A live row's file that its directory's owner and group cannot read.
    UnreadableFile,
    /// A live row without a file, beside which one lies whose name is the same in
    /// another Unicode normalisation form.
    NameForm,
    /// A file whose name is not UTF-8, so that no id leads to it.
    NotUtf8,
    /// A row that is expired although its time says that it lives: written by a
    /// kernel over one that legacy had deleted. Only legacy sees the file.
    HiddenRow,
    /// A row under a key that is not its name's.
    BadHash,
    /// A row whose key is its name's but for the case of its letters.
    KeyCase,
    /// A row whose type is no MIME type, nor one of legacy's words.
    BadDatatype,
    /// A row whose name is another spelling of a path, or none that a file can
    /// have.
    Alias,
    /// A file whose bytes are not those of the list of checksums.
    Checksum,
    /// An overwrite that died before its commit: the file in place is not the
    /// row's, which is set aside beside it.
    InterruptedOverwrite,
    /// What an interrupted write left behind besides.
    StaleStaging,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 15] = [
        Fault::NotMounted,
        Fault::MissingFile,
        Fault::OrphanFile,
        Fault::SizeMismatch,
        Fault::UnreadableFile,
        Fault::NameForm,
        Fault::NotUtf8,
        Fault::HiddenRow,
        Fault::BadHash,
        Fault::KeyCase,
        Fault::BadDatatype,
        Fault::Alias,
        Fault::Checksum,
        Fault::InterruptedOverwrite,
        Fault::StaleStaging,
    ];

    /// The stable word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::NotMounted => "not-mounted",
            Fault::MissingFile => "missing-file",
            Fault::OrphanFile => "orphan-file",
            Fault::SizeMismatch => "size-mismatch",
            Fault::UnreadableFile => "unreadable-file",
            Fault::NameForm => "name-form",
            Fault::NotUtf8 => "not-utf8",
            Fault::HiddenRow => "hidden-row",
            Fault::BadHash => "bad-hash",
            Fault::KeyCase => "key-case",
            Fault::BadDatatype => "bad-datatype",
            Fault::Alias => "alias",
            Fault::Checksum => "checksum",
            Fault::InterruptedOverwrite => "interrupted-overwrite",
            Fault::StaleStaging => "stale-staging",
        }
    }

    /// What repairing it does, in a line; `None` where nothing is safe to do.
    pub const fn remedy(self) -> Option<&'static str> {
        match self {
            Fault::NotMounted | Fault::NotUtf8 | Fault::Checksum => None,
            Fault::MissingFile => Some("the row goes into the trash's journal"),
            Fault::OrphanFile | Fault::StaleStaging => Some("the file goes to the trash"),
            Fault::SizeMismatch => Some("the row takes the file's size"),
            Fault::UnreadableFile => Some("the file gets the read permissions of file_mode"),
            Fault::NameForm => Some("the file gets the spelling of the row"),
            Fault::HiddenRow => Some("expired is reset"),
            Fault::BadHash => Some("the key becomes the name's md5"),
            Fault::KeyCase => Some("the key gets lower case"),
            Fault::BadDatatype => Some("the type is found from the file's first bytes"),
            Fault::Alias => Some("the row goes, if the path's own name has one; the file stays"),
            Fault::InterruptedOverwrite => Some("the row's own file is put back"),
        }
    }

    /// Whether repairing it takes something away.
    pub(super) const fn removes(self) -> bool {
        matches!(self, Fault::MissingFile | Fault::OrphanFile | Fault::Alias | Fault::StaleStaging)
    }

    /// The fault with this name.
    pub fn from_name(name: &str) -> Option<Fault> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    pub(super) fn position(self) -> usize {
        Self::ALL.iter().position(|fault| *fault == self).unwrap_or_default()
    }
}
