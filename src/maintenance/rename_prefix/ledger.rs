//! What both names had when they were last alike, kept beneath the root until the old names are
//! gone: who runs the command again knows what was written or deleted since, and under which name.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::BufRead as _;

use serde::{Deserialize, Serialize};

use super::names::Names;
use crate::error::{Error, Result};
use crate::files::Mount;
use crate::name::FileName;
use crate::runtime;
use crate::store::{Noted, Pair, Process};

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    /// What comes after both prefixes, and size and time of the row.
    Alike { rest: String, size: i64, mtime: i64 },
    Begun {
        old: String,
        new: String,
        /// The names that begin with `old` are being taken away.
        is_ending: bool,
    },
}

/// The list of one move and of its way back.
#[derive(Debug)]
pub(super) struct Ledger {
    file: String,
    /// By the digest of what comes after the prefix.
    noted: HashMap<[u8; 16], Noted>,
    /// Whether the move was begun, in either direction.
    pub(super) is_begun: bool,
    /// Whether the old names are being taken away.
    pub(super) is_ending: bool,
    /// Whether the new ones are, by a move in the other direction that did not come to its end.
    pub(super) is_turned: bool,
}

impl Ledger {
    /// Reads what there is. Where the way back begins in the midst of the end, who has deleted what
    /// is not known any more: nothing is taken for deleted then.
    pub(super) fn read(process: &Process, names: &Names) -> Result<Self> {
        let mut prefixes = [names.old.as_str(), names.new.as_str()];
        prefixes.sort_unstable();
        let table = process.index().table();
        let digest = FileName::stored(&format!("{table}\n{}", prefixes.join("\n"))).hash();
        let file = format!("rename-prefix-{digest}");
        let opened = file.clone();
        let open = move |mount: &Mount| mount.open_ledger(&opened);
        let lines = runtime::block_on(process.gate().run("rename", open))?;
        let mut ledger = Ledger {
            file,
            noted: HashMap::new(),
            is_begun: false,
            is_ending: false,
            is_turned: false,
        };
        let Some(lines) = lines else { return Ok(ledger) };
        // Of the prefix whose names are being taken away.
        let mut ending: Option<String> = None;
        for line in lines.split(b'\n') {
            let line =
                line.map_err(|error| Error::io("rename", &*ledger.file, "cannot be read", error))?;
            // Half a line is that of something that was not noted.
            match serde_json::from_slice(&line) {
                Ok(Line::Alike { rest, size, mtime }) => {
                    ledger.noted.insert(digest_of(&rest), (size, mtime));
                }
                Ok(Line::Begun { old, is_ending, .. }) => {
                    ledger.is_begun = true;
                    if ending.as_ref().is_some_and(|ending| *ending != old) {
                        ledger.noted.clear();
                    }
                    ending = is_ending.then_some(old);
                }
                Err(_) => {}
            }
        }
        ledger.is_ending = ending.as_ref() == Some(&names.old);
        ledger.is_turned = ending.is_some() && !ledger.is_ending;
        if ledger.is_turned {
            ledger.noted.clear();
        }
        Ok(ledger)
    }

    pub(super) fn noted(&self, rest: &str) -> Option<Noted> {
        self.noted.get(&digest_of(rest)).copied()
    }

    /// Tells pairs what was noted of them.
    pub(super) fn fill(&self, pairs: &mut [Pair], names: &Names) {
        for pair in pairs {
            pair.noted = names.rest(pair.old.as_str()).and_then(|rest| self.noted(rest));
        }
    }

    /// Notes that the move begins, or that the old names are going now.
    pub(super) fn begin(
        &mut self,
        process: &Process,
        names: &Names,
        is_ending: bool,
    ) -> Result<()> {
        let Names { old, new, .. } = names;
        let line = Line::Begun { old: old.clone(), new: new.clone(), is_ending };
        self.add(process, &[line])?;
        (self.is_begun, self.is_ending, self.is_turned) = (true, is_ending, false);
        Ok(())
    }

    /// Notes what both names have now.
    pub(super) fn note(
        &mut self,
        process: &Process,
        alike: impl IntoIterator<Item = (String, Noted)>,
    ) -> Result<()> {
        let mut lines = Vec::new();
        for (rest, noted) in alike {
            if self.noted.insert(digest_of(&rest), noted) != Some(noted) {
                let (size, mtime) = noted;
                lines.push(Line::Alike { rest, size, mtime });
            }
        }
        self.add(process, &lines)
    }

    fn add(&self, process: &Process, lines: &[Line]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for line in lines {
            let line = serde_json::to_string(line).unwrap_or_default();
            // A String takes whatever is written.
            let _ = writeln!(text, "{line}");
        }
        let file = self.file.clone();
        let add = move |mount: &Mount| mount.add_to_ledger(&file, &text);
        runtime::block_on(process.gate().run("rename", add))
    }

    /// What was noted, as it comes after the prefixes, batch by batch.
    pub(super) fn each(
        &self,
        process: &Process,
        batch: usize,
        work: &mut dyn FnMut(&[String]) -> Result<bool>,
    ) -> Result<()> {
        let file = self.file.clone();
        let open = move |mount: &Mount| mount.open_ledger(&file);
        let Some(lines) = runtime::block_on(process.gate().run("rename", open))? else {
            return Ok(());
        };
        let mut rests = Vec::with_capacity(batch);
        for line in lines.split(b'\n') {
            let line =
                line.map_err(|error| Error::io("rename", &*self.file, "cannot be read", error))?;
            let Ok(Line::Alike { rest, size, mtime }) = serde_json::from_slice(&line) else {
                continue;
            };
            // Its last line counts.
            if self.noted(&rest) != Some((size, mtime)) {
                continue;
            }
            rests.push(rest);
            if rests.len() == batch {
                if !work(&rests)? {
                    return Ok(());
                }
                rests.clear();
            }
        }
        if !rests.is_empty() {
            work(&rests)?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, process: &Process) -> Result<()> {
        let file = self.file.clone();
        let remove = move |mount: &Mount| mount.remove_ledger(&file);
        runtime::block_on(process.gate().run("rename", remove))
    }
}

fn digest_of(rest: &str) -> [u8; 16] {
    FileName::stored(rest).digest()
}
