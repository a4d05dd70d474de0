//! Whether the part of the mount that a path leads to is there: what the mount
//! shows, judged by what the table knows.

use super::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Absence, Bare};
use crate::name::DirId;

/// How often it is looked again whether a directory is bare, of which the table was found
/// to have rows: others write as well.
const RACED_RETRIES: usize = 2;

impl Process {
    /// Refuses to take a file for missing that may lie on a share that is not
    /// mounted. To be asked where a live row speaks of a file and nothing is at its
    /// path, which may be that of a directory with a slash behind it.
    pub(crate) async fn require_mounted_at(
        &self,
        operation: &'static str,
        path: &str,
    ) -> Result<()> {
        let mut missing = None;
        for _ in 0..=RACED_RETRIES {
            let asked = path.to_owned();
            let look = self.gate.run(operation, move |mount| {
                mount.require_alive()?;
                mount.absence(&asked)
            });
            let Absence { bare, is_elsewhere } = look.await?;
            if is_elsewhere {
                let reason = "nothing is there, and its directory lies on another mount than the \
                              root: is the right share mounted there?";
                return Err(Error::new(ErrorKind::Unavailable, operation, path, reason));
            }
            match bare {
                // Who wrote these rows may have put files there since we looked.
                Some(bare) if self.has_live_rows(&bare).await? => missing = Some(bare),
                _ => return Ok(()),
            }
        }
        missing.map_or(Ok(()), |bare| Err(self.mount().not_mounted(&bare)))
    }

    /// Whether the table has so many live rows beneath a bare directory that their
    /// share must be missing.
    pub(super) async fn has_live_rows(&self, bare: &Bare) -> Result<bool> {
        let dir = match bare.directory.as_str() {
            "" => None,
            directory => Some(DirId::parse(directory)?),
        };
        let beneath = self.name_prefix.beneath(dir.as_ref())?;
        let sample = self.index.live_sample(&beneath, bare.live_rows).await?;
        Ok(sample.len() >= bare.live_rows)
    }
}
