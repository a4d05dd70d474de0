//! What is counted, under which names. A family is one metric of Prometheus, a member one value of
//! its label.

use std::ffi::CStr;

use crate::error::ErrorKind;

/// One metric: its members differ in the value of one label.
#[derive(Debug)]
pub(super) struct Family<M: 'static> {
    pub(super) name: &'static str,
    /// Empty where there is one member.
    pub(super) label: &'static str,
    pub(super) help: &'static str,
    pub(super) members: &'static [(M, &'static str)],
}

macro_rules! families {
    ($(#[$doc:meta])* $kind:ident: $(
        $name:literal by $label:literal, $help:literal { $($member:ident = $value:expr),* $(,)? }
    )*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $kind { $($($member),*),* }

        impl $kind {
            pub(super) const COUNT: usize = [$($($kind::$member),*),*].len();
            pub(super) const FAMILIES: &[Family<$kind>] = &[$(Family {
                name: $name,
                label: $label,
                help: $help,
                members: &[$(($kind::$member, $value)),*],
            }),*];
        }
    };
}

families! {
    /// What only grows.
    Counter:
    "ezdfs_lookups" by "source", "Look-ups, by where they were answered." {
        FromMemory = word(Source::Memory), FromKept = word(Source::Kept),
        FromCache = word(Source::Cache), FromReplica = word(Source::Replica),
        FromDatabase = word(Source::Database),
    }
    "ezdfs_operations" by "outcome", "Look-ups, listings, web requests and changes, by what came of them." {
        Done = "ok", NotFound = ErrorKind::NotFound.name(),
        InvalidName = ErrorKind::InvalidName.name(), Unavailable = ErrorKind::Unavailable.name(),
        InvalidConfig = ErrorKind::InvalidConfig.name(),
        InvalidInput = ErrorKind::InvalidInput.name(), Schema = ErrorKind::Schema.name(),
        Storage = ErrorKind::Storage.name(), Denied = ErrorKind::Denied.name(),
        NoSpace = ErrorKind::NoSpace.name(), Internal = ErrorKind::Internal.name(),
    }
    "ezdfs_stale_answers" by "", "Look-ups answered by what was known before, the database being away." {
        StaleAnswers = "",
    }
    "ezdfs_lookups_joined" by "", "Look-ups that joined one of the same file that was under way." {
        FlightsJoined = "",
    }
    "ezdfs_lookups_refused" by "", "Look-ups refused because too many were under way." {
        FlightsRefused = "",
    }
    "ezdfs_size_mismatches" by "", "Opened files of another length than their row says." {
        SizeMismatches = "",
    }
    "ezdfs_evictions" by "cache", "What was let go of for want of room." {
        RowsEvicted = "rows", FilesEvicted = "files", MemoryEvicted = "memory",
    }
    "ezdfs_connections_opened" by "", "Connections made to a database server." {
        ConnectionsOpened = "",
    }
    "ezdfs_connections_refused" by "", "Attempts to connect to a database server that failed." {
        ConnectionsRefused = "",
    }
    "ezdfs_query_failures" by "", "Statements that a database server refused, or did not answer in time." {
        QueryFailures = "",
    }
    "ezdfs_retries" by "", "Database operations that were tried again." {
        Retries = "",
    }
    "ezdfs_failovers" by "", "Changes from one server of the DSN to another." {
        Failovers = "",
    }
    "ezdfs_mount_timeouts" by "", "Work on the mount that was given up because the mount was silent." {
        MountTimeouts = "",
    }
    "ezdfs_writes" by "operation", "Operations that changed something." {
        Created = "create", Renamed = "rename", Deleted = "delete",
        DirectoriesDeleted = "delete_directory", MetadataPut = "put_metadata",
        MetadataDeleted = "delete_metadata",
        MetadataDirectoriesDeleted = "delete_metadata_directory", DataPut = "put_data",
        DataDeleted = "delete_data", DataDirectoriesDeleted = "delete_data_directory",
    }
    "ezdfs_written_bytes" by "", "Bytes of the files that were stored." {
        WrittenBytes = "",
    }
    "ezdfs_agent_polls" by "", "Times that the agent has asked the change log." {
        Polls = "",
    }
    "ezdfs_agent_changes" by "", "Changes that the agent has written to the replica." {
        Changes = "",
    }
    "ezdfs_agent_scans" by "", "Times that the agent has begun to read the whole table." {
        Scans = "",
    }
    "ezdfs_agent_cache_purges" by "outcome", "PURGE requests of the agent to HTTP caches; what failed is tried again." {
        CachePurgesDone = "done", CachePurgesFailed = "failed",
    }
    "ezdfs_agent_cache_bans" by "outcome", "BAN requests of the agent to HTTP caches, each of all files of the store." {
        CacheBansDone = "done", CacheBansFailed = "failed",
    }
    "ezdfs_interrupted_overwrites" by "", "Overwrites that failed when they had begun to put the new file in place." {
        InterruptedOverwrites = "",
    }
}

families! {
    /// What is so now.
    Gauge:
    "ezdfs_connections" by "", "Connections to a database server that are open." {
        Connections = "",
    }
    "ezdfs_mount_threads" by "state", "Threads that work on the mount; stuck: somebody has given up waiting." {
        MountThreads = "busy", MountThreadsStuck = "stuck",
    }
    "ezdfs_rows_cached" by "", "Rows that are remembered." {
        RowsCached = "",
    }
    "ezdfs_files_kept" by "", "Files that are kept open." {
        FilesKept = "",
    }
    "ezdfs_memory_files" by "", "Files whose bytes are kept in memory." {
        MemoryFiles = "",
    }
    "ezdfs_memory_bytes" by "", "Memory that these take." {
        MemoryBytes = "",
    }
    "ezdfs_agent_heard_timestamp_seconds" by "", "When the agent has heard from the database, in Unix time." {
        HeardAt = "",
    }
    "ezdfs_agent_replica_complete" by "", "Whether the replica has the whole table." {
        ReplicaComplete = "",
    }
    "ezdfs_agent_replica_rows" by "", "Rows of the replica." {
        ReplicaRows = "",
    }
    "ezdfs_agent_cache_purges_queued" by "", "What HTTP caches are yet to be told, for the first or the second time." {
        CachePurgesQueued = "",
    }
}

families! {
    /// What takes time.
    Timer:
    "ezdfs_query_seconds" by "kind", "Time until the database server had answered." {
        ReadQuery = "read", WriteQuery = "write", Commit = "commit", OtherQuery = "other",
    }
    "ezdfs_connection_wait_seconds" by "", "Time until there was a connection, made or free." {
        ConnectionWait = "",
    }
    "ezdfs_mount_call_seconds" by "call", "Time that work on the mount took." {
        MountOpen = "open", MountRead = "read", MountStore = "store", MountDelete = "delete",
        MountCheck = "check", MountOther = "other",
    }
    "ezdfs_mount_wait_seconds" by "", "Time until there was a thread for work on the mount." {
        MountWait = "",
    }
}

impl From<ErrorKind> for Counter {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Counter::NotFound,
            ErrorKind::InvalidName => Counter::InvalidName,
            ErrorKind::Unavailable => Counter::Unavailable,
            ErrorKind::InvalidConfig => Counter::InvalidConfig,
            ErrorKind::InvalidInput => Counter::InvalidInput,
            ErrorKind::Schema => Counter::Schema,
            ErrorKind::Storage => Counter::Storage,
            ErrorKind::Denied => Counter::Denied,
            ErrorKind::NoSpace => Counter::NoSpace,
            ErrorKind::Internal => Counter::Internal,
        }
    }
}

impl Timer {
    /// Of work on the mount, by the operation that it is done for.
    pub(crate) fn of_mount(operation: &str) -> Self {
        match operation {
            "open" => Timer::MountOpen,
            "read" => Timer::MountRead,
            "store" => Timer::MountStore,
            "delete" | "delete_directory" => Timer::MountDelete,
            "check" => Timer::MountCheck,
            _ => Timer::MountOther,
        }
    }
}

/// Where a look-up was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The bytes were in memory.
    Memory,
    /// The file was open.
    Kept,
    /// The row was remembered.
    Cache,
    /// The replica had the row.
    Replica,
    /// The table was asked.
    Database,
}

impl Source {
    /// The word for logs, `$ezdfs_source` and the label `source`.
    pub const fn name(self) -> &'static CStr {
        match self {
            Source::Memory => c"memory",
            Source::Kept => c"kept",
            Source::Cache => c"cache",
            Source::Replica => c"replica",
            Source::Database => c"database",
        }
    }
}

const fn word(source: Source) -> &'static str {
    match source.name().to_str() {
        Ok(word) => word,
        Err(_) => panic!("a word is no text"),
    }
}

impl From<Source> for Counter {
    fn from(source: Source) -> Self {
        match source {
            Source::Memory => Counter::FromMemory,
            Source::Kept => Counter::FromKept,
            Source::Cache => Counter::FromCache,
            Source::Replica => Counter::FromReplica,
            Source::Database => Counter::FromDatabase,
        }
    }
}
