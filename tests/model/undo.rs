//! What the row speaks of, and putting it back: after a commit that failed, and by `fsck`.

use super::flaws::Flaw;
use super::protocol::{Aside, At, Client, End, Row, State, Version};

/// Where the file lies that a row speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Place,
    /// Set aside by this process.
    Aside(usize),
}

impl State {
    fn asides(&self) -> impl Iterator<Item = (usize, Aside)> {
        let with = |(of, process): (usize, &super::protocol::Process)| Some((of, process.aside?));
        self.processes.iter().enumerate().filter_map(with)
    }

    /// The file in place that has the row's identity; else the one set aside that has it, and the
    /// label, because two writers in turn may take one time; else, because PHP kernels' files have
    /// other times than their rows, the last that labels lead to.
    pub(super) fn of_row(&self, flaw: Option<Flaw>) -> Option<Where> {
        let time = self.row.live()?;
        let has_identity = |version: Version| self.inode(version).time == time;
        if flaw != Some(Flaw::LabelOfNumberAlone) {
            if self.place.is_some_and(has_identity) {
                return Some(Where::Place);
            }
            let is_it = |aside: Aside| {
                has_identity(aside.version)
                    && (aside.row == Some(time) || flaw == Some(Flaw::IdentityAlone))
            };
            if let Some((of, _)) = self.asides().find(|(_, aside)| is_it(*aside)) {
                return Some(Where::Aside(of));
            }
        }
        self.by_labels(time, flaw)
    }

    fn at(&self, found: Where) -> Option<Version> {
        match found {
            Where::Place => self.place,
            Where::Aside(of) => self.processes[of].aside.map(|aside| aside.version),
        }
    }

    fn by_labels(&self, time: u8, flaw: Option<Flaw>) -> Option<Where> {
        let says_row =
            move |aside: Aside| aside.row == Some(time) || flaw == Some(Flaw::LabelOfNumberAlone);
        let labelled = || self.asides().filter(move |(_, aside)| says_row(*aside));
        let Some(place) = self.place else {
            let mut labelled = labelled();
            return labelled
                .next()
                .filter(|_| labelled.next().is_none())
                .map(|(of, _)| Where::Aside(of));
        };
        let (mut found, mut number) = (Where::Place, self.inode(place).number);
        let mut passed = 0u8;
        while let Some((of, aside)) =
            labelled().find(|(of, aside)| aside.replaced_by == number && passed & (1 << of) == 0)
        {
            passed |= 1 << of;
            (found, number) = (Where::Aside(of), self.inode(aside.version).number);
        }
        Some(found)
    }

    /// Under the lock of the row.
    pub(super) fn undo(&mut self, of: usize, flaw: Option<Flaw>) {
        let Some(mine) = self.processes[of].mine else { return self.end(of, End::Failed) };
        let has_number = |version: Version| self.inode(version).number == mine.number;
        let is_mine = self.place.is_some_and(|place| self.inode(place) == mine);
        let looks = flaw != Some(Flaw::UndoWithoutLookingAgain);
        if looks && self.is_my_row(of) {
            return self.succeed(of);
        }
        let by_number = flaw == Some(Flaw::UndoByNumberAlone) && self.place.is_some_and(has_number);
        if !looks && is_mine || by_number {
            self.place = self.processes[of].aside.take().map(|aside| aside.version);
            return self.end(of, End::Failed);
        }
        if self.place.is_none() || is_mine {
            return self.put_back(of, mine.time, flaw);
        }
        let speaks_of = self.of_row(flaw).and_then(|found| self.at(found));
        if speaks_of.is_some_and(has_number) {
            // Somebody has put it back and given it a new time, or it is another with its number.
            return self.end(of, End::Unknown);
        }
        if self.row != self.processes[of].old || flaw == Some(Flaw::UndoBeneathAnother) {
            self.processes[of].aside = None;
        }
        self.end(of, End::Failed);
    }

    fn put_back(&mut self, of: usize, my_time: u8, flaw: Option<Flaw>) {
        let Row::Live { version, time } = self.row else {
            (self.place, self.processes[of].aside) = (None, None);
            return self.end(of, End::Failed);
        };
        let found = match self.of_row(flaw) {
            Some(Where::Place) if self.place == Some(of as Version + 1) => None,
            found => found,
        };
        match found {
            // Nothing of the kind: all files stay.
            None => return self.end(of, End::Unknown),
            Some(Where::Place) => {}
            Some(Where::Aside(other)) => {
                self.place = self.processes[other].aside.take().map(|aside| aside.version);
            }
        }
        self.processes[of].aside = None;
        if flaw == Some(Flaw::KeepOldTime) {
            return self.end(of, End::Failed);
        }
        let time = time.max(my_time) + 1;
        if let Some(place) = self.place {
            self.inodes[usize::from(place)].time = time;
        }
        self.begin(of, Row::Live { version, time });
        self.processes[of].at = At::Settling(3);
    }

    /// A step after `upserted` failed, the file in place being the old one still.
    pub(super) fn roll_back(&mut self, of: usize) {
        (self.processes[of].staged, self.processes[of].aside) = (false, None);
        self.transaction = self.transaction.filter(|held| held.of != of);
        self.end(of, End::Failed);
    }

    /// A step after `published` failed: readers may have had the new file under the old row.
    pub(super) fn undo_published(&mut self, of: usize) {
        let row = self.row;
        if let Some(held) =
            self.transaction.as_mut().filter(|held| held.client == Client::Connected)
        {
            held.row = row;
        }
        self.processes[of].at = At::Settling(2);
    }

    /// What `fsck --repair all` does with a grace of nothing, when nobody else is at work.
    pub(super) fn fsck(&mut self, flaw: Option<Flaw>) {
        self.checked = Some(self.row);
        let found = if flaw == Some(Flaw::FsckForgetsAside) { None } else { self.of_row(flaw) };
        if let Row::Live { version, time } = self.row {
            let newest = self.place.map_or(0, |place| self.inode(place).time);
            if let Some(Where::Aside(of)) = found {
                self.place = self.processes[of].aside.take().map(|aside| aside.version);
                self.set_row(Row::Live { version, time: time.max(newest) + 1 });
            } else if newest > time {
                // Put back by somebody who died before the row had the new time.
                self.set_row(Row::Live { version, time: newest });
            }
        }
        match (self.row, self.place) {
            (Row::Live { .. }, None) => self.row = Row::Absent,
            (Row::Live { time, .. }, Some(version)) => self.row = Row::Live { version, time },
            (Row::Absent, _) => self.place = None,
            (Row::Deleted(_), _) => {}
        }
        for process in &mut self.processes {
            (process.staged, process.aside) = (false, None);
        }
        self.read();
    }
}
