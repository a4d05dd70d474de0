//! The DFS storage layer of eZ Platform and Ibexa: metadata in a database
//! table, bytes on a shared mount.
//!
//! ```no_run
//! use ezdfs::{FileId, Options, Store};
//!
//! let options = Options::builder()
//!     .set("dsn", "sqlite:/var/lib/ezdfs.db")?
//!     .set("root", "/mnt/nfs/var/site/storage")?
//!     .set("name_prefix", "var/site/storage")?
//!     .build()?;
//! let store = Store::new(options);
//! let id = FileId::parse("images/1/a.jpg")?;
//! println!("{} bytes", store.stat(&id)?.size);
//! # Ok::<(), ezdfs::Error>(())
//! ```
//!
//! The row decides: a file exists where the table has a live row for it. The
//! C ABI, the nginx module and the `ezdfs` command are thin doors to [`Store`].

#[macro_use]
mod step;

mod atfork;
#[cfg(feature = "capi")]
pub mod capi;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
mod debris;
mod error;
mod evicting;
mod feed;
mod files;
mod forks;
mod index;
mod lookup;
pub mod maintenance;
mod mark;
mod metadata;
mod mime;
mod mount;
mod name;
mod random;
mod runtime;
pub mod serve;
mod serving;
mod spool;
pub mod stats;
mod store;
mod territory;

pub use config::Options;
pub use error::{Error, ErrorKind, Result};
pub use metadata::{Area, FileInfo, MAX_MIME_LEN, MAX_MTIME};
pub use mime::sniff;
pub use name::{DirId, FileId, FileName, MAX_NAME_LEN, MAX_SEGMENT_LEN, NamePrefix, UrlPrefix};
pub use store::{CreateOptions, Deleted, Description, List, OpenFile, SharedFile, Store};
