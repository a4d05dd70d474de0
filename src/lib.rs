//! The DFS storage layer of eZ Platform and Ibexa: metadata in a database
//! table, bytes on a shared mount.
//!
//! ```
//! use std::io::Read;
//!
//! use ezdfs::serve::{Allow, Request};
//! use ezdfs::{CreateOptions, FileId, Options, Store};
//!
//! # let place = tempfile::tempdir()?;
//! # let root = place.path().join("mnt");
//! # std::fs::create_dir(&root)?;
//! # let (dsn, root) = (format!("sqlite:{}/ezdfs.db", place.path().display()), root.display().to_string());
//! // mysql://ezdfs:secret@db1,db2/ezdfs and /mnt/nfs/var/site/storage, say.
//! let options = Options::builder()
//!     .set("dsn", &dsn)?
//!     .set("root", &root)?
//!     .set("name_prefix", "var/site/storage")?
//!     .build()?;
//! let store = Store::new(options);
//! # store.create_schema()?;
//!
//! let id = FileId::parse("images/1/a.jpg")?;
//! let info = store.create(&id, &mut &b"bytes"[..], &CreateOptions::default())?;
//! assert_eq!((info.size, store.stat(&id)?.size), (5, 5));
//!
//! let mut bytes = String::new();
//! store.open(&id)?.file.read_to_string(&mut bytes)?;
//! assert_eq!(bytes, "bytes");
//!
//! // What a web server may hand out, by the path of a request.
//! let path = b"/var/site/storage/images/1/a.jpg";
//! let served = store.serve(Request { path, raw_path: None, allow: Allow::default() })?;
//! assert_eq!(served.size, 5);
//! store.delete(&id)?;
//! assert!(!store.exists(&id)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
