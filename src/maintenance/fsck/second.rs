//! The second pass: looking again at what the first has noted.

use std::collections::HashSet;

use super::candidates::Candidate;
use super::forms::Forms;
use super::scan::require_same_mount;
use super::{Aliases, Checked, Fault, Finding, Repairs, Report, State, Tree, Verdict, count_error};
use crate::error::Result;
use crate::files::{aside_for, shown};
use crate::maintenance::Phase;

/// The second pass under way.
pub(super) struct SecondPass<'r> {
    pub(super) repairs: Repairs<'r>,
    /// For directories that do not fit: repairs nothing.
    pub(super) looking: Repairs<'r>,
    pub(super) aliases: Aliases,
    pub(super) tree: Tree,
    pub(super) checked: Checked,
    pub(super) report: &'r mut dyn Report,
    pub(super) done: u64,
    pub(super) total: u64,
}

impl SecondPass<'_> {
    /// Reports the directories that do not fit.
    pub(super) fn suspects(&mut self) -> Result<()> {
        let suspects: Vec<_> =
            self.tree.suspects.iter().map(|one| (one.path.clone(), one.why.clone())).collect();
        for (path, why) in suspects {
            let path = if path.is_empty() { b".".to_vec() } else { path };
            let candidate = Candidate { fault: Fault::NotMounted, key: String::new(), path };
            let reason = "nothing in it is repaired";
            self.tell(candidate, Verdict::new(why, State::Left(reason)))?;
        }
        Ok(())
    }

    /// Looks at names in two forms; gives back the paths of those pairs.
    pub(super) fn forms(&mut self, forms: Forms) -> Result<HashSet<Vec<u8>>> {
        let mut paired = HashSet::new();
        for pair in forms.pairs() {
            let verdict = match self.is_suspect(pair.row_path.as_bytes()) {
                true => continue,
                false => self.repairs.check_form(&pair),
            };
            let path = pair.row_path.clone().into_bytes();
            if matches!(verdict, Ok(Some(_))) {
                paired.extend([path.clone(), pair.file_path.into_bytes()]);
            }
            let candidate = Candidate { fault: Fault::NameForm, key: pair.key, path };
            self.outcome(candidate, verdict)?;
        }
        Ok(paired)
    }

    /// `spared`: the files set aside for names that are to be put back, but were not.
    /// The others of such a name tell which one it is: they stay as well.
    pub(super) fn candidate(
        &mut self,
        candidate: Candidate,
        spared: &mut HashSet<Vec<u8>>,
    ) -> Result<()> {
        self.done += 1;
        if self.done % 100 == 1 {
            self.report.progress(Phase::LookingAgain, self.done, self.total);
        }
        let verdict = self.look_again(&candidate, spared);
        self.outcome(candidate, verdict)
    }

    fn look_again(
        &self,
        candidate: &Candidate,
        spared: &mut HashSet<Vec<u8>>,
    ) -> Result<Option<Verdict>> {
        let Candidate { fault, key, path } = candidate;
        let is_suspect = self.is_suspect(path);
        if is_suspect
            && matches!(fault, Fault::MissingFile | Fault::SizeMismatch | Fault::OrphanFile)
        {
            // Told of as a whole.
            return Ok(None);
        }
        let repairs = if is_suspect { &self.looking } else { &self.repairs };
        let text = std::str::from_utf8(path);
        let verdict = match (fault, text) {
            (Fault::NotUtf8, _) => Ok(self.not_utf8(path)),
            (Fault::InterruptedOverwrite, Ok(path)) => {
                let verdict = repairs.check_aside(path);
                if !matches!(&verdict, Ok(None | Some(Verdict { state: State::Repaired, .. }))) {
                    spared.extend(aside_for(path.as_bytes()).map(<[u8]>::to_vec));
                }
                verdict
            }
            (Fault::OrphanFile | Fault::StaleStaging, Ok(text)) => {
                let is_spared = aside_for(path).is_some_and(|aside_for| spared.contains(aside_for));
                match is_spared || self.aliases.name(text) {
                    true => Ok(None),
                    false => self.file(repairs, *fault, text),
                }
            }
            (_, Err(_)) if key.is_empty() => Ok(None),
            _ => repairs.check_row(*fault, key),
        };
        let suspect = "its directory does not fit the table, see not-mounted";
        Ok(verdict?.map(|verdict| match verdict.state {
            State::Found if is_suspect => Verdict::new(verdict.detail, State::Left(suspect)),
            _ => verdict,
        }))
    }

    fn file(&self, repairs: &Repairs<'_>, fault: Fault, path: &str) -> Result<Option<Verdict>> {
        if self.aliases.are_too_many() {
            let reason = "too many rows have names that are aliases: repair those first";
            let detail = "no row names it".to_owned();
            return Ok(Some(Verdict::new(detail, State::Left(reason))));
        }
        repairs.check_file(fault, path)
    }

    fn not_utf8(&self, path: &[u8]) -> Option<Verdict> {
        let asked = shown(path);
        let detail = format!("a name that is not UTF-8 ({} bytes)", path.len());
        let reason = "it may have a row that ezdfs cannot know: rename or remove it by hand";
        (!asked.is_empty()).then(|| Verdict::new(detail, State::Left(reason)))
    }

    fn is_suspect(&self, path: &[u8]) -> bool {
        self.tree.is_suspect(path)
    }

    pub(super) fn outcome(
        &mut self,
        candidate: Candidate,
        verdict: Result<Option<Verdict>>,
    ) -> Result<()> {
        match verdict {
            Ok(None) => Ok(()),
            Ok(Some(verdict)) => self.tell(candidate, verdict),
            Err(error) => {
                // Of a dead mount nothing else can be said.
                require_same_mount(&self.repairs.process, self.repairs.checking)?;
                count_error(&mut self.checked, self.repairs.options, error, self.report)
            }
        }
    }

    fn tell(&mut self, candidate: Candidate, verdict: Verdict) -> Result<()> {
        let Candidate { fault, key, path } = candidate;
        let options = self.repairs.options;
        if !options.only.is_empty() && !options.only.contains(&fault) {
            return Ok(());
        }
        let path = shown(&path);
        let is_repaired = verdict.state == State::Repaired;
        if !is_repaired && options.accepted.has(fault, &path) {
            self.checked.accepted += 1;
            return Ok(());
        }
        self.checked.found[fault.position()] += 1;
        self.checked.repaired[fault.position()] += u64::from(is_repaired);
        let finding = Finding {
            fault,
            path,
            key: (!key.is_empty()).then_some(key),
            detail: verdict.detail,
            repaired: is_repaired,
            left: match verdict.state {
                State::Left(reason) => Some(reason.to_owned()),
                State::Found | State::Repaired => None,
            },
            row: verdict.row.map(Box::new),
        };
        self.report.finding(&finding)
    }
}
