//! Going on after the first pass: with what the source's change log says, or, where it has none,
//! by going through everything again and again.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::pairs::Pair;
use super::side::Listed;
use super::{Copy, Pass, Run};
use crate::error::{ErrorKind, Result};
use crate::feed::{Follower, clock};
use crate::index::{Change, MOST_GAPS, Polled};
use crate::maintenance::{Phase, limit};
use crate::name::FileName;
use crate::runtime;

/// How long is waited before it is asked again what has changed.
const POLL: Duration = Duration::from_millis(200);

/// How long is waited before everything is gone through again.
const REST: Duration = Duration::from_secs(1);

/// So many changes are copied at a time.
const AT_ONCE: usize = 2048;

/// Until when a copy follows its source. Whatever ends it, everything is gone through once more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follow {
    /// Until nothing has changed for so long.
    pub until_quiet: Option<Duration>,
    /// Until there is such a file: when nobody writes to the source any more.
    pub until_file: Option<PathBuf>,
}

impl Follow {
    fn is_over(&self, quiet_since: Instant) -> bool {
        self.until_quiet.is_some_and(|quiet| quiet_since.elapsed() >= quiet)
            || self.until_file.as_ref().is_some_and(|path| path.exists())
    }
}

impl Copy {
    /// Until it is over, or interrupted.
    pub(super) fn follow(&self, follow: &Follow, run: &mut Run<'_>) -> Result<()> {
        loop {
            let mut feed = self.begin_following(run)?;
            if !run.state.now.has_passed {
                self.first_pass(run)?;
            }
            let is_over = match &mut feed {
                Some(follower) => self.follow_log(follow, follower, run)?,
                None => self.follow_by_passes(follow, run)?,
            };
            if run.outcome.is_interrupted {
                return Ok(());
            }
            if is_over && self.is_settled(follow, run)? {
                return Ok(());
            }
        }
    }

    /// The last pass: what no log has told of is found here. Where it found something and quiet
    /// was waited for, it was not quiet.
    fn is_settled(&self, follow: &Follow, run: &mut Run<'_>) -> Result<bool> {
        let pass = self.pass(run, None, run.state.now.passed_at)?;
        let has_file = follow.until_file.as_ref().is_some_and(|path| path.exists());
        Ok(run.outcome.is_interrupted || pass.copied == 0 || has_file)
    }

    /// Where to follow the log from: before the table is read. `None` where there is none.
    fn begin_following(&self, run: &mut Run<'_>) -> Result<Option<Follower>> {
        let Some(process) = self.from.process() else { return Ok(None) };
        if let Some(position) = run.state.now.feed.clone().filter(|_| run.state.now.has_passed) {
            return Ok(Some(Follower::resume(position, MOST_GAPS, clock())));
        }
        let state = runtime::block_on(async { process.index().feed_state().await })?;
        if state != crate::index::FeedState::There {
            return Ok(None);
        }
        let begun = runtime::block_on(async { process.index().begin_feed(clock()).await });
        match begun {
            Ok(follower) => {
                run.state.now.has_passed = false;
                run.state.now.feed = Some(follower.position());
                Ok(Some(follower))
            }
            Err(error) if error.kind() == ErrorKind::Schema => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// True when it is over; false where the log has to be begun anew.
    fn follow_log(
        &self,
        follow: &Follow,
        follower: &mut Follower,
        run: &mut Run<'_>,
    ) -> Result<bool> {
        let Some(process) = self.from.process() else { return Ok(true) };
        let mut quiet_since = Instant::now();
        loop {
            if run.report.is_interrupted() {
                run.outcome.is_interrupted = true;
                return Ok(true);
            }
            let poll = async { process.index().poll_feed(follower, clock()).await };
            let (changes, is_whole) = match runtime::block_on(poll)? {
                Polled::Changes { changes, is_whole } => (changes, is_whole),
                Polled::Lost(loss) => {
                    log::warn!("ezdfs: everything is gone through again: {loss}");
                    run.state.now.has_passed = false;
                    run.state.now.feed = None;
                    // What the log did not tell of may have kept its size and time.
                    run.state.now.passed_at = Some(0);
                    return Ok(false);
                }
            };
            if !changes.is_empty() {
                quiet_since = Instant::now();
                self.take_changes(&changes, run)?;
                if run.outcome.is_interrupted {
                    // Not all of them are taken in: who goes on asks for them again.
                    return Ok(true);
                }
                run.state.now.feed = Some(follower.position());
                run.state.save()?;
            } else if follow.is_over(quiet_since) && is_whole {
                return Ok(true);
            }
            if is_whole {
                thread::sleep(POLL);
            }
        }
    }

    fn take_changes(&self, changes: &[Change], run: &mut Run<'_>) -> Result<()> {
        let mut pairs = Vec::with_capacity(changes.len().min(AT_ONCE));
        for change in changes {
            if let Some(pair) = self.pair_of(change)? {
                // Its bytes may be others, whatever the row says.
                pairs.push((pair, true));
            }
        }
        let mut pass = Pass::default();
        for chunk in pairs.chunks(AT_ONCE) {
            self.chunk(chunk, run, &mut pass, &mut |report, _| {
                report.progress(Phase::Following, 0, 0);
            })?;
        }
        run.outcome.failed += pass.failed;
        if self.options.delete && pass.extra > 0 {
            let most = self.options.max_remove.unwrap_or(limit::AT_LEAST);
            limit::require("copy", self.to.shown(), pass.extra, most)?;
            self.remove_each(&pass.extras, run)?;
        }
        Ok(())
    }

    /// What has the changed row's name on both sides. Of a row that is gone the log has the key
    /// alone: where names are not the same on both sides, the last pass finds it.
    fn pair_of(&self, change: &Change) -> Result<Option<Pair>> {
        let prefix = self.from.prefix();
        let id = match &change.row {
            Some(row) if FileName::stored(&row.name).hash() != change.key => None,
            Some(row) => prefix.id(&row.name),
            None => {
                let Some(to) = self.to.process() else { return Ok(None) };
                let found = runtime::block_on(async { to.index().find_keyed(&change.key).await })?;
                found.and_then(|keyed| self.to.prefix().id(&keyed.row.name))
            }
        };
        let Some(id) = id.filter(|id| self.options.selection.has(id)) else { return Ok(None) };
        let from = match &change.row {
            Some(row) => Some(Listed { id: id.clone(), row: Some(row.clone()) }),
            None => self.from.find(&id)?,
        };
        let to = self.to.find(&id)?;
        Ok(Some(Pair { id, from, to }))
    }

    /// True when it is over.
    fn follow_by_passes(&self, follow: &Follow, run: &mut Run<'_>) -> Result<bool> {
        let mut quiet_since = Instant::now();
        loop {
            let pass = self.pass(run, None, run.state.now.passed_at)?;
            if run.outcome.is_interrupted {
                return Ok(true);
            }
            if pass.copied > 0 {
                quiet_since = Instant::now();
            } else if follow.is_over(quiet_since) {
                return Ok(true);
            }
            run.report.progress(Phase::Following, 0, 0);
            thread::sleep(REST);
        }
    }
}
