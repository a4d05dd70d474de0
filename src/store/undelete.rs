//! Making a soft-deleted row live again, whose file is there still: the row's lock
//! first, then a look at the file, then the row. Purging and writing take the same lock
//! before they touch the file.

use std::sync::{Arc, Mutex, PoisonError};

use super::register::SKEW;
use super::write::now;
use super::{Process, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Ahead, Mount};
use crate::metadata::{FileInfo, Identity, MAX_MTIME, Row};
use crate::name::{FileId, FileName};
use crate::runtime;

/// What lies at the path of a row.
struct There {
    size: u64,
    mtime: i64,
    /// An overwrite was interrupted here.
    has_aside: bool,
}

impl Store {
    /// Makes the row of a file live again, or says what it would be.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`]: no row, or its file is not there.
    /// - [`ErrorKind::InvalidInput`]: the row is live, or is not this file's.
    pub(crate) fn undelete(&self, id: &FileId, dry_run: bool) -> Result<FileInfo> {
        let name = self.name(id)?;
        let process = self.process()?;
        let row = runtime::block_on(process.would_undelete(id, &name))?;
        if dry_run {
            return Ok(FileInfo::new(id.clone(), &row));
        }
        // A COMMIT of which nothing was heard may have done it.
        let tried = Mutex::new(None);
        let row = runtime::block_on(async {
            let undelete = || process.undelete_once(id, &name, &tried);
            process.index.attempts().repeat(undelete).await
        });
        process.forget([&name]);
        Ok(FileInfo::new(id.clone(), &row?))
    }
}

impl Process {
    /// Without the lock, under which nobody can be asked whether the mount is there.
    async fn would_undelete(self: &Arc<Self>, id: &FileId, name: &FileName) -> Result<Row> {
        let row = self.index.find(name).await?;
        let has_row = row.is_some();
        match self.revived(id, name, row).await {
            Err(error) if has_row && error.kind() == ErrorKind::NotFound => {
                self.require_mounted_at("undelete", id.as_str()).await?;
                Err(error)
            }
            outcome => outcome,
        }
    }

    async fn undelete_once(
        &self,
        id: &FileId,
        name: &FileName,
        tried: &Mutex<Option<Identity>>,
    ) -> Result<Row> {
        let (mut locked, row) = self.index.lock(name).await?;
        let before = *tried.lock().unwrap_or_else(PoisonError::into_inner);
        let is_done = |row: &Row| row.is_live() && Some(row.identity()) == before;
        let revived = match row {
            Some(row) if is_done(&row) => {
                locked.roll_back().await?;
                return Ok(row);
            }
            row => self.revived(id, name, row).await,
        };
        let row = match revived {
            Ok(row) => row,
            Err(error) => {
                locked.roll_back().await?;
                return Err(error);
            }
        };
        locked.revive(row.mtime).await?;
        *tried.lock().unwrap_or_else(PoisonError::into_inner) = Some(row.identity());
        step!("revived");
        locked.commit().await?;
        Ok(row)
    }

    /// What the row becomes; an error where it must stay as it is.
    async fn revived(&self, id: &FileId, name: &FileName, row: Option<Row>) -> Result<Row> {
        let refused = |kind, reason: String| Err(Error::new(kind, "undelete", id.as_str(), reason));
        let Some(row) = row else {
            let reason = "there is no row; what is in the trash comes back by `ezdfs restore`";
            return refused(ErrorKind::NotFound, reason.to_owned());
        };
        if row.is_live() {
            return refused(ErrorKind::InvalidInput, "the row is live".to_owned());
        }
        if row.name != name.as_str() {
            let reason = format!("its row says that it is {:?}", row.name);
            return refused(ErrorKind::InvalidInput, reason);
        }
        let wanted = id.clone();
        let there = self.gate.run("undelete", move |mount| look(mount, &wanted)).await?;
        if there.has_aside {
            let reason = "an overwrite was interrupted there: `ezdfs fsck` tells of it";
            return refused(ErrorKind::InvalidInput, reason.to_owned());
        }
        if there.size != row.size {
            let reason = format!(
                "the file has {} bytes, its row says {}: it is another one",
                there.size, row.size
            );
            return refused(ErrorKind::InvalidInput, reason);
        }
        let mtime = time_when_revived(row.mtime, there.mtime);
        Ok(Row { mtime, expired: false, ..row })
    }
}

fn look(mount: &Mount, id: &FileId) -> Result<There> {
    let opened = mount.open(id, false, Ahead { bytes: 0, whole: 0 })?;
    let has_aside = !mount.set_aside(id)?.is_empty();
    Ok(There { size: opened.size, mtime: opened.version.modified_at(), has_aside })
}

/// The time of the version that was deleted, by which browsers know it; but that of its
/// file where somebody has written to that since, or the row had none.
fn time_when_revived(row: i64, file: i64) -> i64 {
    let was = row.saturating_abs();
    let is_a_time = |mtime: &i64| (1..=MAX_MTIME).contains(mtime);
    let wanted = if file > was.saturating_add(SKEW) { file } else { was };
    [wanted, was].into_iter().find(is_a_time).unwrap_or_else(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_comes_back_unless_the_file_is_newer() {
        assert_eq!(time_when_revived(-1000, 900), 1000);
        assert_eq!(time_when_revived(-1000, 1002), 1000, "clocks differ");
        assert_eq!(time_when_revived(-1000, 2000), 2000);
        assert_eq!(time_when_revived(1000, 900), 1000, "only expired was set");
        assert_eq!(time_when_revived(-1, 900), 900, "legacy's mark of a file without a time");
        assert_eq!(time_when_revived(0, 900), 900);
        assert_eq!(time_when_revived(-1000, MAX_MTIME + 1), 1000);
        assert!((1..=MAX_MTIME).contains(&time_when_revived(0, -5)));
    }
}
