//! Whether two sides are what they are meant to be, before anything is written.

use std::collections::BTreeSet;

use super::selection::Selection;
use super::side::{Listed, Next, Role, Side, is_within};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::fit;
use crate::name::FileId;
use crate::runtime;
use crate::territory::storage_of;

/// So many files of the source say where the others would come to lie.
const SAMPLE: usize = 64;

/// Refuses sides that are one, or lie in each other. Says whether they have the same files.
pub(super) fn require_apart(from: &Side, to: &Side) -> Result<bool> {
    let refused = |reason: &'static str| Err(to.error(ErrorKind::InvalidInput, to.shown(), reason));
    let (one, other) = (from.real_root()?, to.real_root()?);
    // A directory may be mounted at several places.
    if one == other || from.mount().identity()? == to.mount().identity()? {
        return match (from.process(), to.process()) {
            _ if from.shown() == to.shown() => refused("source and target are the same store"),
            (Some(_), Some(_)) => Ok(true),
            _ => refused("source and target are one directory: see `ezdfs import`"),
        };
    }
    if is_within(&one, &other) || is_within(&other, &one) {
        return refused("one of the roots lies within the other");
    }
    if let (Some(one), Some(other)) = (from.process(), to.process())
        && from.database() == to.database()
        && one.index().table() == other.index().table()
    {
        return refused(
            "both have one table: where only the root changes, copy to the new directory as a \
             plain tree, and change the root then",
        );
    }
    Ok(false)
}

/// Refuses a source or a target whose rows and files do not fit each other, and a target whose
/// names would not be those that its table knows.
pub(super) fn require(
    from: &Side,
    to: &Side,
    selection: &Selection,
    new_storage: bool,
) -> Result<()> {
    from.require_alive()?;
    for side in [from, to] {
        if let Some(process) = side.process() {
            runtime::block_on(async { process.index().check_schema().await })?;
            fit::require(process, "copy")?;
        }
    }
    if let Some(process) = from.process() {
        let (has_none, all) = runtime::block_on(async {
            Ok((process.has_no_rows().await?, process.index().count("").await?))
        })?;
        if has_none && all > 0 {
            let reason = "the source's table has rows, and none whose name begins with its \
                          name_prefix: is that right? Nothing was changed";
            return Err(Error::new(ErrorKind::InvalidConfig, "copy", from.shown(), reason));
        }
    }
    let sample = sample(from, selection)?;
    let Some(first) = sample.first() else { return Ok(()) };
    let (mut had_any, mut storages) = (false, BTreeSet::new());
    for id in &sample {
        let (before, name) = (from.prefix().name(id)?, to.prefix().name(id)?);
        had_any |= storage_of(before.as_str(), from.prefix()).is_some();
        storages.extend(storage_of(name.as_str(), to.prefix()).map(str::to_owned));
    }
    if storages.is_empty() && had_any {
        let reason = format!(
            "{:?} would be named {:?}, which lies in no storage directory: do root and name_prefix \
             fit on both sides? Nothing was changed",
            first.as_str(),
            to.prefix().name(first)?.as_str()
        );
        return Err(Error::new(ErrorKind::InvalidConfig, "copy", to.shown(), reason));
    }
    let Some(process) = to.process().filter(|_| !new_storage) else { return Ok(()) };
    for storage in &storages {
        fit::require_known_storage(process, "copy", storage)?;
    }
    Ok(())
}

/// Some ids of the source.
fn sample(from: &Side, selection: &Selection) -> Result<Vec<FileId>> {
    if let Some(process) = from.process() {
        let beneath = from.prefix().beneath(None)?;
        let rows =
            runtime::block_on(async { process.index().live_sample(&beneath, SAMPLE).await })?;
        return Ok(rows.iter().filter_map(|keyed| from.prefix().id(&keyed.row.name)).collect());
    }
    let mut files = from.list(Role::From, &mut |_| {})?;
    let (mut sample, mut is_foreign) = (Vec::new(), None);
    while sample.len() < SAMPLE
        && let Some(next) = files.next()?
    {
        match next {
            Next::Listed(Listed { id, .. }) => {
                is_foreign = Some(false);
                sample.extend(Some(id).filter(|id| selection.has(id)));
            }
            Next::Foreign => is_foreign = is_foreign.or(Some(true)),
            Next::Failed(_) => {}
        }
    }
    if is_foreign == Some(true) {
        let reason = "no file lies in images/, images-versioned/ or original/ of a storage \
                      directory: is the directory one level off, or the name_prefix wrong? Nothing \
                      was changed";
        return Err(Error::new(ErrorKind::InvalidConfig, "copy", from.shown(), reason));
    }
    Ok(sample)
}
