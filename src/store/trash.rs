//! What maintenance takes away in one run: files by renaming them into the trash,
//! and in the journal what they were and their rows, whole.

use std::sync::Arc;
use std::time::SystemTime;

use nix::sys::stat::FileStat;
use once_cell::sync::OnceCell;
use serde::{Deserialize, Serialize};

use super::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Mount, Remover, Taken, TrashFolder};
use crate::index::Record;

/// A line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Removed(Box<Removed>),
    Restored(Restored),
}

/// Something that was taken away, or was about to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// When, by the file server's clock.
    pub(crate) time: String,
    /// Which command did it.
    pub(crate) command: String,
    /// For what reason.
    pub(crate) why: String,
    /// The file's path beneath the root; `None` where only a row went.
    pub(crate) path: Option<String>,
    /// Where the file lies now, beneath the root.
    pub(crate) trash: Option<String>,
    /// The file's size in bytes.
    pub(crate) size: Option<i64>,
    /// The file's own time, in seconds since the epoch.
    pub(crate) mtime: Option<i64>,
    /// Which table the row is of, and of which database.
    pub(crate) table: String,
    pub(crate) database: String,
    /// The row with all its columns.
    pub(crate) row: Option<Record>,
}

/// Something that was put back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Restored {
    /// The journal that says that it was taken away.
    pub(crate) restored: String,
    /// The number of its line there, from 1.
    pub(crate) line: u64,
}

/// The trash of one run, opened when something is first taken away.
#[derive(Debug)]
pub(crate) struct Trash {
    folder: OnceCell<TrashFolder>,
    command: &'static str,
    table: String,
    database: String,
    /// What time it is on the file server.
    now: SystemTime,
    /// The rows are soft-deleted only to be removed: put back, they live again.
    were_live: bool,
}

/// How files are removed.
#[derive(Debug, Clone)]
pub(crate) enum Disposal {
    /// For good: their deletion was asked for.
    Unlink,
    /// The same for commands, which may be pointed at a wrong table: not what a row
    /// of another table of the database speaks of.
    UnlinkOwn,
    Trash(Arc<Trash>),
}

/// A file that is noted in the journal and may be moved.
#[derive(Debug)]
pub(super) struct Planned {
    path: String,
    place: String,
}

impl Planned {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The same file, which has been moved meanwhile.
    pub(super) fn moved_to(self, path: String) -> Self {
        Planned { path, ..self }
    }
}

impl Process {
    pub(crate) fn trash(&self, command: &'static str, now: SystemTime) -> Arc<Trash> {
        let (table, database) = (self.index.table(), self.index.database());
        Arc::new(Trash::new(command, table, database, now))
    }

    /// The same for rows that are live.
    #[cfg(feature = "cli")]
    pub(crate) fn trash_of_live_rows(&self, command: &'static str, now: SystemTime) -> Arc<Trash> {
        let (table, database) = (self.index.table(), self.index.database());
        Arc::new(Trash { were_live: true, ..Trash::new(command, table, database, now) })
    }
}

impl Trash {
    fn new(command: &'static str, table: &str, database: &str, now: SystemTime) -> Self {
        Trash {
            folder: OnceCell::new(),
            command,
            table: table.to_owned(),
            database: database.to_owned(),
            now,
            were_live: false,
        }
    }

    /// Of a tree that no table speaks of.
    #[cfg(feature = "cli")]
    pub(crate) fn of_tree(command: &'static str, now: SystemTime) -> Arc<Self> {
        Arc::new(Trash::new(command, "", "", now))
    }

    fn folder(&self, mount: &Mount) -> Result<&TrashFolder> {
        self.folder.get_or_try_init(|| mount.open_trash(self.now))
    }

    /// The journal's name, if anything was noted.
    pub(crate) fn journal(&self) -> Option<&str> {
        self.folder.get().map(TrashFolder::journal)
    }

    /// Notes that a file is going, with its row; `None` where there is no file.
    /// A row without a file is noted too. Nothing is moved yet.
    pub(super) fn plan(
        &self,
        mount: &Mount,
        remover: &mut Remover,
        why: &str,
        path: Option<&str>,
        row: Option<Record>,
    ) -> Result<Option<Planned>> {
        let file = match path {
            Some(path) => remover.look(path)?.map(|status| (path, status)),
            None => None,
        };
        if file.is_none() && row.is_none() {
            return Ok(None);
        }
        let folder = self.folder(mount)?;
        let place = file.map(|(path, _)| folder.place(path)).transpose()?;
        let status = file.map(|(_, status)| status);
        self.note(
            folder,
            &Line::Removed(Box::new(Removed {
                time: humantime::format_rfc3339_seconds(self.now).to_string(),
                command: self.command.to_owned(),
                why: why.to_owned(),
                path: path.map(str::to_owned),
                trash: place.clone(),
                size: status.map(|FileStat { st_size, .. }| st_size),
                mtime: status.map(|FileStat { st_mtime, .. }| st_mtime),
                table: self.table.clone(),
                database: self.database.clone(),
                row: row.map(|row| if self.were_live { row.revived() } else { row }),
            })),
        )?;
        let planned = file.zip(place);
        Ok(planned.map(|((path, _), place)| Planned { path: path.to_owned(), place }))
    }

    /// Notes a file that is about to be replaced, and keeps it in the trash beside.
    pub(crate) fn keep(&self, mount: &Mount, why: &str, path: &str) -> Result<()> {
        let mut remover = Remover::new(mount, None)?;
        if let Some(planned) = self.plan(mount, &mut remover, why, Some(path), None)? {
            self.sync()?;
            remover.link_to_trash(&planned.path, self.folder(mount)?, &planned.place)?;
        }
        Ok(())
    }

    /// Makes sure that the server has what is noted: before rows are deleted.
    pub(super) fn sync(&self) -> Result<()> {
        self.folder.get().map_or(Ok(()), TrashFolder::sync)
    }

    /// Notes a file, and the row that goes with it, and moves it.
    pub(super) fn move_here(
        &self,
        mount: &Mount,
        remover: &mut Remover,
        why: &str,
        path: &str,
        row: Option<Record>,
    ) -> Result<Taken> {
        let Some(planned) = self.plan(mount, remover, why, Some(path), row)? else {
            return Ok(Taken::NoFile);
        };
        // What the journal does not have after a power cut, nobody puts back.
        self.sync()?;
        self.take(mount, remover, &planned)
    }

    /// Moves a file that is noted.
    pub(super) fn take(
        &self,
        mount: &Mount,
        remover: &mut Remover,
        planned: &Planned,
    ) -> Result<Taken> {
        remover.trash(&planned.path, self.folder(mount)?, &planned.place)
    }

    /// Notes rows that go without their files.
    pub(crate) fn note_rows(&self, mount: &Mount, why: &str, rows: Vec<Record>) -> Result<()> {
        let mut remover = Remover::new(mount, None)?;
        for row in rows {
            self.plan(mount, &mut remover, why, None, Some(row))?;
        }
        self.sync()
    }

    /// Notes that something is back.
    pub(crate) fn note_restored(&self, mount: &Mount, restored: Restored) -> Result<()> {
        self.note(self.folder(mount)?, &Line::Restored(restored))
    }

    fn note(&self, folder: &TrashFolder, line: &Line) -> Result<()> {
        let text = serde_json::to_string(line).map_err(|error| {
            Error::new(ErrorKind::Internal, "trash", "journal", "a line cannot be made")
                .with_source(error)
        })?;
        folder.note(&text)
    }
}
