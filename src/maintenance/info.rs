//! All that is known of one name: its row as it stands, what has its path, and
//! what each door would make of both.

use std::path::PathBuf;

use nix::sys::stat::{FileStat, SFlag};

use crate::error::{ErrorKind, Result};
use crate::feed::replica::{Answer, Replica, key_of};
use crate::index::Record;
use crate::metadata::{Area, FileInfo};
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::serve::{Allow, Presentation, Request};
use crate::store::{Process, Store};

/// Digits of a key.
const KEY_LENGTH: usize = 32;

/// What is known.
pub(crate) struct Info {
    pub(crate) key: String,
    /// That of the row; of what has none, as it would be.
    pub(crate) name: Option<String>,
    pub(crate) row: Option<Record>,
    /// `None` where no id leads to the row.
    pub(crate) file: Option<Named>,
    pub(crate) replica: Option<ReplicaAnswer>,
}

/// What can be asked of an id.
pub(crate) struct Named {
    pub(crate) id: FileId,
    pub(crate) path: PathBuf,
    pub(crate) found: Result<Option<FileStat>>,
    pub(crate) nginx: WebAnswer,
    pub(crate) load: Result<FileInfo>,
    pub(crate) exists: Result<bool>,
    /// Its bytes.
    pub(crate) open: Result<u64>,
}

/// What a web server would answer to a GET.
pub(crate) struct WebAnswer {
    pub(crate) plain: Result<WebFile>,
    /// Where that is denied: what a location can have besides, and what it would answer then.
    pub(crate) switched: Option<(&'static str, Result<WebFile>)>,
}

pub(crate) struct WebFile {
    pub(crate) presentation: Presentation,
    pub(crate) etag: String,
    pub(crate) size: u64,
}

/// What this node's replica says.
pub(crate) enum ReplicaAnswer {
    Row {
        size: u64,
        mtime: i64,
    },
    NoRow,
    /// It leaves this key to the database.
    AskDatabase,
    Unusable(String),
}

/// Looks up an id, or the key of a row.
///
/// # Errors
///
/// [`ErrorKind::InvalidName`], and those of the database. What is wrong with the mount
/// is told as what the doors would answer.
pub(crate) fn info(store: &Store, what: &str) -> Result<Info> {
    let process = store.process()?;
    let is_key = what.len() == KEY_LENGTH && what.bytes().all(|byte| byte.is_ascii_hexdigit());
    let asked = if is_key { None } else { Some(FileId::parse(what)?) };
    let asked_name = asked.as_ref().map(|id| store.name(id)).transpose()?;
    let wanted = asked_name.as_ref().map_or_else(|| what.to_owned(), FileName::hash);
    let row = runtime::block_on(process.index().record(&wanted))?;
    if row.is_none() {
        // A server that may not have it yet says so.
        let name = asked_name.clone().unwrap_or_else(|| FileName::of_row("", &wanted));
        runtime::block_on(process.index().find(&name))?;
    }
    let name = match (&row, asked_name) {
        (Some(row), _) => Some(FileName::of_row(&row.name, &row.name_hash)),
        (None, asked) => asked,
    };
    let key = row.as_ref().map_or(wanted, |row| row.name_hash.clone());
    let id = asked.or_else(|| {
        let name = name.as_ref().filter(|name| name.has_its_key())?;
        process.name_prefix().id(name.as_str())
    });
    // No reader asks it of what the change log does not tell of.
    let is_logged = name.as_ref().is_none_or(|name| process.index().is_logged(name.as_str()));
    Ok(Info {
        replica: is_logged.then(|| replica(store, &key)).flatten(),
        name: name.map(|name| name.as_str().to_owned()),
        file: id.map(|id| named(store, &process, id, row.is_some())),
        key,
        row,
    })
}

fn named(store: &Store, process: &Process, id: FileId, has_row: bool) -> Named {
    Named {
        path: store.root().join(id.as_str()),
        found: find(process, &id, has_row),
        nginx: ask_nginx(store, &id),
        load: store.stat(&id),
        exists: store.exists(&id),
        open: store.open(&id).map(|file| file.size),
        id,
    }
}

/// Nothing is taken for missing on a mount that is not there.
fn find(process: &Process, id: &FileId, has_row: bool) -> Result<Option<FileStat>> {
    runtime::block_on(async {
        let path = id.as_str().to_owned();
        let found = process.gate().run("look", move |mount| mount.entry(&path)).await?;
        if found.is_none() && has_row {
            process.require_mounted_at("look", id.as_str()).await?;
        }
        Ok(found)
    })
}

fn ask_nginx(store: &Store, id: &FileId) -> WebAnswer {
    let path = store.url_prefix().path(id);
    let serve = |allow| {
        let file = store.serve(Request { path: path.as_bytes(), raw_path: None, allow })?;
        let presentation = file.presentation();
        Ok(WebFile { presentation, etag: file.etag(), size: file.size })
    };
    let plain: Result<_> = serve(Allow::default());
    let is_denied = plain.as_ref().is_err_and(|error| error.kind() == ErrorKind::Denied);
    let switch = match Area::of(id, store.prefixes().name) {
        Ok(Area::Drafts) => Some(("ezdfs_drafts on", Allow { drafts: true, originals: false })),
        Ok(Area::Originals) => Some((
            "an internal redirect that PHP has authorised",
            Allow { drafts: false, originals: true },
        )),
        _ => None,
    };
    let switched = switch.filter(|_| is_denied).map(|(what, allow)| (what, serve(allow)));
    WebAnswer { plain, switched }
}

fn replica(store: &Store, key: &str) -> Option<ReplicaAnswer> {
    let options = store.options();
    let path = options.replica.as_deref()?;
    let key = key_of(key)?;
    Some(match Replica::of(path, options).look_up(&key) {
        Answer::Known(known) => {
            ReplicaAnswer::Row { size: known.facts.size, mtime: known.facts.mtime }
        }
        Answer::Unknown => ReplicaAnswer::NoRow,
        Answer::AskDatabase => ReplicaAnswer::AskDatabase,
        Answer::Unusable(why) => ReplicaAnswer::Unusable(why.to_string()),
    })
}

/// What a file is, in a word.
pub(crate) fn kind_of(status: &FileStat) -> &'static str {
    match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => "file",
        SFlag::S_IFDIR => "directory",
        SFlag::S_IFLNK => "symbolic link",
        SFlag::S_IFIFO => "pipe",
        SFlag::S_IFSOCK => "socket",
        _ => "device",
    }
}
