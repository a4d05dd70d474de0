//! What is done on the mount for a batch of locked pairs.

use super::super::trash::Trash;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Linkless, Mount, Remover, Twinning, Twins};
use crate::index::Record;
use crate::mount::Pulse;
use crate::name::FileId;

/// What is done for one file.
pub(super) enum FileStep {
    /// The file of the old name gets the new one as well.
    Give {
        old: FileId,
        new: FileId,
        /// The old row is that of a file, and another file had the new name.
        needs_file: bool,
    },
    /// The old name goes.
    End {
        old: FileId,
        new: FileId,
        /// Both rows say the same.
        is_same: bool,
        /// The row of the new name is that of a file.
        is_live: bool,
        row: Box<Record>,
    },
    /// The file goes to the trash, with its row.
    Trash { path: FileId, row: Option<Box<Record>> },
}

impl FileStep {
    pub(super) fn trash(path: FileId, row: Option<&Record>) -> Self {
        FileStep::Trash { path, row: row.cloned().map(Box::new) }
    }
}

pub(super) fn carry_out(
    mount: &Mount,
    pulse: &Pulse,
    steps: Vec<FileStep>,
    linkless: Linkless,
    trash: Option<&Trash>,
) -> Result<()> {
    mount.require_alive()?;
    let mut twinning = mount.twinning(linkless)?;
    let mut ends = Vec::new();
    for step in steps {
        pulse.beat();
        match step {
            FileStep::Give { old, new, needs_file } => give(&mut twinning, &old, &new, needs_file)?,
            other => ends.push(other),
        }
    }
    // Before any old name goes.
    twinning.sync()?;
    for step in ends {
        pulse.beat();
        match step {
            FileStep::End { old, new, is_same, is_live, row } => {
                match twinning.look(&old, &new)? {
                    Twins::Nothing if is_live => return Err(without_file(&old)),
                    Twins::OnlyOld if is_live && !is_same => return Err(without_file(&new)),
                    Twins::Nothing | Twins::OnlyNew => {}
                    Twins::Same => twinning.take(&old, &new)?,
                    // Nothing goes that the new name has not. Where a kernel has written the file
                    // and not yet its row, the old name has what is right.
                    Twins::OnlyOld | Twins::Differ { old_is_later: true } if is_same => {
                        twinning.give(&old, &new)?;
                        twinning.sync()?;
                        twinning.take(&old, &new)?;
                    }
                    // An older version than that of the new name.
                    Twins::OnlyOld | Twins::Differ { .. } => {
                        move_to_trash(mount, trash, &old, Some(row))?;
                    }
                }
            }
            FileStep::Trash { path, row } => move_to_trash(mount, trash, &path, row)?,
            FileStep::Give { .. } => {}
        }
    }
    twinning.sync()
}

/// A row without a file is copied as it is; a file that has the new name alone was moved before.
fn give(twinning: &mut Twinning<'_>, old: &FileId, new: &FileId, needs_file: bool) -> Result<()> {
    match twinning.look(old, new)? {
        Twins::OnlyNew if needs_file => Err(without_file(old)),
        Twins::Nothing | Twins::OnlyNew | Twins::Same => Ok(()),
        Twins::OnlyOld | Twins::Differ { .. } => twinning.give(old, new),
    }
}

/// Something may not be mounted.
fn without_file(id: &FileId) -> Error {
    let reason = "the row is live and has no file; both names stay as they are, see `ezdfs fsck`";
    Error::new(ErrorKind::Storage, "rename", id.as_str(), reason)
}

fn move_to_trash(
    mount: &Mount,
    trash: Option<&Trash>,
    path: &FileId,
    row: Option<Box<Record>>,
) -> Result<()> {
    let Some(trash) = trash else { return Ok(()) };
    let mut remover = Remover::new(mount, None)?;
    let row = row.map(|row| *row);
    trash.move_here(mount, &mut remover, "renamed", path.as_str(), row).map(drop)
}
