//! How a mount misbehaves; sent to it, as JSON, while it is mounted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the client asks the server for. Answers from its own caches are no calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Call {
    Lookup,
    GetAttributes,
    SetAttributes,
    ChangeMode,
    Open,
    Create,
    Read,
    Write,
    /// What close(2) of a file that was written waits for.
    Flush,
    Fsync,
    Rename,
    Link,
    Unlink,
    MakeDirectory,
    RemoveDirectory,
    OpenDirectory,
}

/// What becomes of a file that this mount holds open when another one replaces or removes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// Nothing, as on a local file system.
    #[default]
    Local,
    /// NFS 3: the held descriptor is stale, reads included; the name leads to the new file.
    V3,
    /// NFS 4.2: the held descriptor can be read on, its fstat is stale, and so long (see
    /// [`Behaviour::names`]) opening the name gives the old bytes.
    V4,
}

/// Makes calls fail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    pub call: Call,
    pub errno: i32,
    /// Only calls for names, or within directories, that contain this.
    pub name: String,
    /// Of reads and writes: only those that reach beyond this offset.
    pub beyond: u64,
    /// How many such calls go well before.
    pub after: u32,
    /// How often; for ever where it is `None`.
    pub times: Option<u32>,
    /// Until somebody opens the directory, as a cached file handle does.
    pub until_revalidated: bool,
}

impl Fault {
    pub fn new(call: Call, errno: nix::errno::Errno) -> Self {
        Fault {
            call,
            errno: errno as i32,
            name: String::new(),
            beyond: 0,
            after: 0,
            times: None,
            until_revalidated: false,
        }
    }

    pub fn name(self, name: &str) -> Self {
        Fault { name: name.to_owned(), ..self }
    }

    pub fn beyond(self, beyond: u64) -> Self {
        Fault { beyond, ..self }
    }

    pub fn after(self, after: u32) -> Self {
        Fault { after, ..self }
    }

    pub fn times(self, times: u32) -> Self {
        Fault { times: Some(times), ..self }
    }

    pub fn until_revalidated(self) -> Self {
        Fault { until_revalidated: true, ..self }
    }
}

/// The behaviour of one mount. By default it passes everything through.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Behaviour {
    /// Added to every call.
    pub latency: Duration,
    /// How long attributes, and which file has a name, are trusted; open asks again, as
    /// close-to-open consistency wants it.
    pub attributes: Duration,
    /// How long a name that was looked up in vain is not there. Opening its directory ends it,
    /// and so does making it: O_CREAT|O_EXCL is not fooled.
    pub negative: Duration,
    /// How long a name leads to the old file while that is held open here and the version is 4.
    /// Opening its directory, or stat of the name, ends it.
    pub names: Duration,
    /// How old a file of another mount must be to be seen here at all.
    pub delay: Duration,
    pub version: Version,
    /// Files removed while this mount holds them open stay as `.nfsXXXX` until they are closed.
    pub silly_rename: bool,
    /// The mode that all files and directories are said to have, whatever they are given.
    pub mode: Option<u16>,
    /// Reads end here although the file is said to be longer.
    pub short_reads: Option<u64>,
    pub faults: Vec<Fault>,
    /// Calls that do not come back until this is changed.
    pub hang: Vec<Call>,
}

/// How often each call was made.
pub type Calls = BTreeMap<Call, u64>;

/// What a mount is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    Behave(Behaviour),
    Count,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub calls: Calls,
    /// Calls that hang.
    pub hanging: usize,
}

impl Call {
    pub const ALL: [Self; 16] = [
        Self::Lookup,
        Self::GetAttributes,
        Self::SetAttributes,
        Self::ChangeMode,
        Self::Open,
        Self::Create,
        Self::Read,
        Self::Write,
        Self::Flush,
        Self::Fsync,
        Self::Rename,
        Self::Link,
        Self::Unlink,
        Self::MakeDirectory,
        Self::RemoveDirectory,
        Self::OpenDirectory,
    ];
}
