//! The second pass over rows: looking again, and repairing under the row's lock.
//!
//! A repair looks again at everything while nobody else can write the row:
//! `ezdfs` writers and legacy take its lock before they touch the file. The
//! mount is asked under the lock, so it must answer in time.

use super::judge::{Evidence, Judged, Remedy, judge, other_key};
use super::scan::require_same_mount;
use super::{Fault, Repairs, State, Verdict};
use crate::error::{ErrorKind, Result};
use crate::files::{Examined, Mount};
use crate::index::{Keyed, Locked};
use crate::metadata::Row;
use crate::mime;
use crate::name::{FileId, FileName};
use crate::runtime;
use crate::store::Process;

impl Repairs<'_> {
    /// Looks whether the row that has this key has this fault, and repairs it
    /// if it is to be. `None` where the row is right or gone.
    pub(super) fn check_row(&self, fault: Fault, key: &str) -> Result<Option<Verdict>> {
        let Some(first) = runtime::block_on(self.look_at_row(fault, key))? else {
            return Ok(None);
        };
        if !self.repairs(fault) || first.state != State::Found {
            return Ok(Some(first));
        }
        require_same_mount(&self.process, self.checking)?;
        runtime::block_on(async {
            self.process.index().attempts().repeat(|| self.repair_row(fault, key)).await
        })
    }

    /// Also says where a fault must not be repaired for what lies around it.
    async fn look_at_row(&self, fault: Fault, key: &str) -> Result<Option<Verdict>> {
        let index = self.process.index();
        let Some(Keyed { key, row }) = index.find_keyed(key).await? else {
            return Ok(None);
        };
        let other = match other_key(fault, &key, &row) {
            Some(other) => index.find_keyed(&other).await?,
            None => None,
        };
        let Some(Judged { detail, .. }) = self.judge(fault, &key, &row, other.as_ref()).await?
        else {
            return Ok(None);
        };
        let left = |reason| Ok(Some(Verdict::new(detail.clone(), State::Left(reason))));
        let Some(id) = self.process.name_prefix().id(&row.name) else {
            return Ok(Some(Verdict::new(detail, State::Found)));
        };
        if fault == Fault::MissingFile
            && let Err(error) = self.process.require_mounted_at("check", id.as_str()).await
        {
            log::debug!("ezdfs: {error:#}");
            return left("its directory may not be mounted");
        }
        if self.repairs(fault) && self.process.is_claimed(id.as_str()).await? {
            return left("the file is that of another row: do root, name_prefix and table fit?");
        }
        Ok(Some(Verdict::new(detail, State::Found)))
    }

    async fn repair_row(&self, fault: Fault, key: &str) -> Result<Option<Verdict>> {
        let process = &self.process;
        // Under the key that it really has.
        let Some(found) = process.index().find_keyed(key).await? else { return Ok(None) };
        let (mut locked, row) = process.index().lock(&found.name()).await?;
        let Some(row) = row else {
            locked.roll_back().await?;
            return Ok(None);
        };
        let key = found.key;
        let other = match other_key(fault, &key, &row) {
            Some(other) => locked.find_keyed(&other).await?,
            None => None,
        };
        let Some(Judged { detail, remedy }) = self.judge(fault, &key, &row, other.as_ref()).await?
        else {
            locked.roll_back().await?;
            return Ok(None);
        };
        let remedy = match remedy {
            Ok(remedy) => remedy,
            Err(reason) => {
                locked.roll_back().await?;
                return Ok(Some(Verdict::new(detail, State::Left(reason))));
            }
        };
        let mut verdict = Verdict::new(detail, State::Repaired);
        match remedy {
            Remedy::Delete => {
                let record = locked.record(process.index()).await?;
                let (trash, noted) = (self.trash.clone(), record.clone().into_iter().collect());
                let note = move |mount: &Mount| trash.note_rows(mount, fault.name(), noted);
                process.gate().run("check", note).await?;
                locked.delete().await?;
                verdict.row = record;
            }
            Remedy::MakeReadable => {
                if let Some(id) = process.name_prefix().id(&row.name) {
                    process.gate().run("repair", move |mount| mount.make_readable(&id)).await?;
                }
            }
            remedy => change(&mut locked, &remedy).await?,
        }
        locked.commit().await?;
        process.forget(&[FileName::stored(&row.name)]);
        Ok(Some(verdict))
    }

    async fn judge(
        &self,
        fault: Fault,
        key: &str,
        row: &Row,
        other: Option<&Keyed>,
    ) -> Result<Option<Judged>> {
        let id = self.process.name_prefix().id(&row.name);
        let file = match &id {
            Some(id) => Some(examine(&self.process, fault, id).await?),
            None => None,
        };
        let has_file_aside = match &id {
            Some(id) => has_file_aside(&self.process, fault, id, row).await?,
            None => false,
        };
        let cutoff = self.checking.cutoff;
        let file = file.as_ref();
        Ok(judge(fault, &Evidence { key, row, other, file, has_file_aside, cutoff }))
    }
}

/// The row's file as readers find it, or what is there instead.
async fn examine(process: &Process, fault: Fault, id: &FileId) -> Result<Result<Examined>> {
    let head = if fault == Fault::BadDatatype { mime::SNIFF_LEN } else { 0 };
    let id = id.clone();
    let examined = process.gate().run("check", move |mount| mount.examine(&id, head)).await;
    match examined {
        // Readable or not, it is there.
        Err(error) if fault == Fault::UnreadableFile => Ok(Err(error)),
        Err(error) if error.kind() != ErrorKind::NotFound && !error.is_of_no_file() => Err(error),
        examined => Ok(examined),
    }
}

/// Whether a file is set aside that the row speaks of; or, where the row's own file is
/// missing, any.
async fn has_file_aside(process: &Process, fault: Fault, id: &FileId, row: &Row) -> Result<bool> {
    if !matches!(fault, Fault::MissingFile | Fault::SizeMismatch) {
        return Ok(false);
    }
    let id = id.clone();
    let aside = process.gate().run("check", move |mount| mount.set_aside(&id)).await?;
    Ok(match fault {
        Fault::MissingFile => !aside.is_empty(),
        _ => aside.of_row(row).is_some(),
    })
}

async fn change(locked: &mut Locked, remedy: &Remedy) -> Result<()> {
    match remedy {
        Remedy::Unexpire => locked.unexpire().await,
        Remedy::Size(size) => locked.set_size(*size).await,
        Remedy::Datatype(datatype) => locked.set_datatype(datatype).await,
        Remedy::Key(key) => locked.set_key(key).await,
        Remedy::Delete | Remedy::MakeReadable => Ok(()),
    }
}
