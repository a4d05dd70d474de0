//! Settling: who knows that its commit took effect, or did not, makes the file in place that of the
//! row, as far as that is its business.

use super::super::protocol::Version;
use super::steps::{At, End, Name, Outcome, State, bit};
use super::{Certified, Flaw};

impl Certified {
    /// Mine, or put in place by me.
    pub(super) fn is_own(&self, state: &State, of: usize, version: Version) -> bool {
        let put_back = state.processes[of].put_back & bit(version) != 0;
        version == of as Version + 1 || put_back && self.flaw != Some(Flaw::ForgetsWhatItPut)
    }

    /// Whether this may be what the row speaks of, for one that knows whether it has lost.
    fn has_time(&self, state: &State, of: usize, version: Version, time: u8) -> bool {
        let lost = state.processes[of].outcome == Outcome::Lost && version == of as Version + 1;
        state.time(version) == time && !lost
    }

    pub(super) fn look(&self, state: &mut State, of: usize) -> At {
        let (mine, place) = (of as Version + 1, state.place);
        state.processes[of].look = place;
        let own_in_place = place.is_some_and(|place| self.is_own(state, of, place));
        match state.processes[of].seen {
            None if own_in_place => At::TakeAgain,
            None => At::Unlink,
            Some(time) if place.is_some_and(|it| self.has_time(state, of, it, time)) => At::Unlink,
            Some(time) if state.processes[of].staged && self.has_time(state, of, mine, time) => {
                state.processes[of].want = Some(Name::Staged);
                if place.is_none() { At::PutBack } else { At::TakeAgain }
            }
            Some(_) => At::List,
        }
    }

    pub(super) fn list(&self, state: &mut State, of: usize) -> At {
        let Some(time) = state.processes[of].seen else { return At::ReadRow };
        let mut found = state.asides().filter(|(_, it)| self.has_time(state, of, *it, time));
        let want = found.next().map(|(owner, version)| Name::Aside(owner, version));
        drop(found);
        let process = &mut state.processes[of];
        process.want = want;
        let (look, won) = (process.look, process.outcome == Outcome::Won);
        match (look, want) {
            (None, Some(_)) => At::PutBack,
            (Some(version), Some(_)) if self.is_own(state, of, version) => At::TakeAgain,
            (Some(version), None) if self.is_own(state, of, version) && !won => At::Wait,
            // Its owner is undecided, or will settle.
            _ => At::Unlink,
        }
    }

    pub(super) fn put_back(&self, state: &mut State, of: usize) {
        let version = match state.processes[of].want {
            Some(Name::Staged) => Some(of as Version + 1),
            Some(Name::Aside(owner, version)) => {
                Some(version).filter(|_| state.processes[owner].aside & bit(version) != 0)
            }
            None => None,
        };
        if let (None, Some(version)) = (state.place, version) {
            state.place = Some(version);
            state.processes[of].put_back |= bit(version);
        }
    }

    /// All that is set aside goes, but for what the row speaks of while that is not in place.
    pub(super) fn unlink(&self, state: &mut State, of: usize) -> At {
        let process = &state.processes[of];
        let in_place = process.look.is_some_and(|look| Some(state.time(look)) == process.seen);
        let is_spared = |version: &Version| {
            !in_place
                && process.aside & bit(*version) != 0
                && process.seen == Some(state.time(*version))
        };
        let spared = (0..8).filter(is_spared).map(bit).sum();
        state.processes[of].aside = spared;
        if spared == 0 || self.flaw == Some(Flaw::DoesNotWait) {
            return self.finish(state, of);
        }
        At::Wait
    }

    pub(super) fn finish(&self, state: &mut State, of: usize) -> At {
        let mine = of + 1;
        let process = &mut state.processes[of];
        let row_is_mine = process.seen == Some(state.times[mine]);
        let end = match process.outcome {
            Outcome::Won => End::Succeeded,
            Outcome::Unheard if row_is_mine => End::Succeeded,
            _ => End::Failed,
        };
        // Others may have it aside still; its time must not be taken for that of a later one.
        if end == End::Failed && self.flaw != Some(Flaw::LoserKeepsItsTime) {
            state.times[mine] = 0;
        }
        process.staged = false;
        At::Ended(end)
    }
}
