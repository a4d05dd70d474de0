//! What must be there still after the commands, and what after `restore`.

use std::collections::BTreeSet;

use super::plan::{Interrupted, Plan, STALE};
use super::site::{Cells, Content, RowId, Snapshot};
use super::wrong::{Config, Step};
use crate::store::md5;

/// What `rm -r` was told to delete, by name.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    pub(super) rows: BTreeSet<RowId>,
    /// Paths beneath `mnt` of what these rows lead to under the configuration.
    pub(super) files: BTreeSet<String>,
    /// Those that were to go without their files.
    pub(super) alone: BTreeSet<RowId>,
}

/// Everything that the judgement rests upon.
#[derive(Debug)]
pub(super) struct Oracle<'o> {
    pub(super) plan: &'o Plan,
    pub(super) config: &'o Config,
    pub(super) steps: &'o [Step],
    pub(super) before: &'o Snapshot,
    pub(super) ordered: &'o Ordered,
}

/// A row's columns by their places after the name.
struct Columns<'r>(&'r Cells);

impl Columns<'_> {
    fn text(&self, at: usize) -> &str {
        self.0[at].as_deref().unwrap_or_default()
    }

    fn key(&self) -> &str {
        self.text(1)
    }

    fn datatype(&self) -> &str {
        self.text(2)
    }

    fn size(&self) -> Option<usize> {
        self.text(4).parse().ok()
    }

    fn is_expired(&self) -> bool {
        matches!(self.text(6), "1" | "t" | "true")
    }

    fn is_live(&self) -> bool {
        !self.is_expired() && self.text(5).parse::<i64>().is_ok_and(|mtime| mtime > 0)
    }
}

impl Oracle<'_> {
    /// What is wrong right after the commands.
    pub(super) fn after(&self, after: &Snapshot) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.steps.iter().all(Step::is_idle) && after != self.before {
            wrong.push("something has changed".to_owned());
        }
        for (id, cells) in &self.before.rows {
            if !self.is_ordered(id) {
                // Of a row that was to go alone nothing speaks any more.
                if !self.ordered.alone.contains(id) {
                    wrong.extend(self.live_file(id, cells, after));
                }
                wrong.extend(self.row(id, cells, after));
            }
        }
        for path in self.before.files.keys() {
            let is_meant = |part: &str| path.contains(part);
            let is_foreign = [
                "share/backup/",
                "/.snapshot/",
                "/lost+found/",
                "/log/",
                "/.nfs",
                "/files/",
                ".mounted",
                "neighbour/",
            ];
            let is_young = self.steps.iter().all(Step::is_patient)
                && self.plan.young.iter().any(|young| *path == format!("share/{young}"))
                && !self.ordered.files.contains(path);
            // Of a copy that is the root itself.
            let is_root =
                self.config.root.len() > "share".len() && path.starts_with(&self.config.root);
            let same = self.before.files.get(path) == after.files.get(path);
            if !same && (is_young || !is_root && is_foreign.into_iter().any(is_meant)) {
                wrong.push(format!("young or foreign, and not left alone: {path}"));
            }
        }
        wrong
    }

    /// What is wrong after everything was put back.
    pub(super) fn restored(&self, last: &Snapshot) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, cells) in &self.before.rows {
            let is_whole = match self.now(id, cells, last) {
                Some(now) => {
                    now == cells || self.is_repaired(id, cells, now) || self.is_imported_anew(id)
                }
                None => false,
            };
            if !is_whole && !self.is_ordered(id) {
                wrong.push(format!("not whole again: {id:?} {cells:?} {:?}", last.rows.get(id)));
            }
        }
        for (path, content) in &self.before.files {
            if last.files.get(path) != Some(content)
                && !self.ordered.files.contains(path)
                && !self.is_put_back(path, last)
            {
                wrong.push(format!("not back: {path}"));
            }
        }
        for path in last.files.keys().filter(|path| !self.before.files.contains_key(*path)) {
            wrong.push(format!("left behind: {path}"));
        }
        wrong
    }

    /// The file that a live row of a table in use speaks of.
    fn live_file(&self, id: &RowId, cells: &Cells, after: &Snapshot) -> Option<String> {
        let (database, _, name, _) = id;
        let row = Columns(cells);
        if *database == STALE || !row.is_live() || row.key() != md5(name) {
            return None;
        }
        if self.is_named(id) || self.is_forced(id) && !after.rows.contains_key(id) {
            // Nothing spoke of it any more.
            return None;
        }
        let path = format!("share/{name}");
        let file = self.before.files.get(&path)?;
        let now = after.files.get(&path);
        if let Some(one) = self.interrupted(&path) {
            let kept = self.before.files.get(&format!("share/{}", one.kept));
            let is_kept = after.files.get(&format!("share/{}", one.kept)) == kept;
            let is_back = bytes(now) == bytes(kept);
            let is_there = is_back || self.is_said_to_be_new(id) || (is_kept && now == Some(file));
            return (!is_there).then(|| format!("an interrupted overwrite lost a file: {path}"));
        }
        (now != Some(file)).then(|| format!("a live row's file is gone or changed: {path}"))
    }

    fn row(&self, id: &RowId, cells: &Cells, after: &Snapshot) -> Option<String> {
        let is_healthy = Columns(cells).is_live() && self.fault(id, cells).is_none();
        match self.now(id, cells, after) {
            Some(now) if now == cells || self.is_repaired(id, cells, now) => None,
            Some(_) if self.is_imported_anew(id) => None,
            Some(now) => Some(format!("a row has changed: {id:?} {cells:?} {now:?}")),
            None if is_healthy => {
                let is_told = self.is_forced(id) || self.ordered.alone.contains(id);
                (!is_told).then(|| format!("a live row with its file is gone: {id:?}"))
            }
            None => None,
        }
    }

    /// Whether a row that went alone may have come again by its file.
    fn is_imported_anew(&self, id: &RowId) -> bool {
        let is_import = |step: &Step| matches!(step, Step::Import { .. });
        self.ordered.alone.contains(id) && self.steps.iter().any(is_import)
    }

    /// Whether `fsck` was told to go on although what lies there does not fit.
    fn is_forced(&self, id: &RowId) -> bool {
        let is_forced = |step: &Step| matches!(step, Step::Fsck { forced: true, .. });
        self.steps.iter().any(is_forced) && !self.config.is_right_for(&id.2)
    }

    /// Whether another table's storage was said to be a new one, to be imported.
    fn is_said_to_be_new(&self, id: &RowId) -> bool {
        let is_said = |step: &Step| matches!(step, Step::Import { new_storage: true, .. });
        !self.has_right_table(id) && self.steps.iter().any(is_said)
    }

    /// Whether a row was to be deleted, under whichever key it was by then.
    fn is_ordered(&self, (database, table, name, _): &RowId) -> bool {
        self.ordered.rows.iter().any(|row| (row.0, &row.1, &row.2) == (*database, table, name))
    }

    /// Whether a file was to be deleted by its own name, of which another table has a
    /// row as well: a copy, or because an import was told to give it one.
    fn is_named(&self, id: &RowId) -> bool {
        !self.has_right_table(id)
            && self.config.is_right_for(&id.2)
            && self.ordered.files.contains(&format!("share/{}", id.2))
    }

    /// What a row is now, under whichever key.
    fn now<'s>(&self, id: &RowId, cells: &Cells, now: &'s Snapshot) -> Option<&'s Cells> {
        let (database, table, name, _) = id;
        let repaired = (*database, table.clone(), name.clone(), md5(name));
        let other = now.rows.get(&repaired).filter(|_| self.fault(id, cells) == Some(Fault::Key));
        now.rows.get(id).or(other)
    }

    /// In what way a row was wrong from the beginning.
    fn fault(&self, id: &RowId, cells: &Cells) -> Option<Fault> {
        let row = Columns(cells);
        let path = format!("share/{}", id.2);
        let Some((bytes, ..)) = self.before.files.get(&path) else { return Some(Fault::Missing) };
        if row.key() != md5(&id.2) {
            return Some(Fault::Key);
        }
        if !row.datatype().contains('/') {
            return Some(Fault::Datatype);
        }
        if row.is_expired() && row.text(5).parse::<i64>().is_ok_and(|mtime| mtime > 0) {
            return Some(Fault::Hidden);
        }
        if self.interrupted(&path).is_some() {
            return Some(Fault::Interrupted);
        }
        (row.size() != Some(bytes.len())).then_some(Fault::Size)
    }

    /// Whether a row has become right in the way in which it was wrong, by a command
    /// that was rightly pointed at it.
    fn is_repaired(&self, id: &RowId, before: &Cells, now: &Cells) -> bool {
        let changed: Vec<usize> = (0..before.len()).filter(|at| before[*at] != now[*at]).collect();
        if self.is_forced(id) && matches!(*changed, [2 | 4 | 6]) {
            // It was told that the files, with their sizes and types, are the right ones.
            return true;
        }
        if !self.has_right_table(id) {
            return false;
        }
        let path = format!("share/{}", id.2);
        let is_size = Columns(now).size() == self.before.files.get(&path).map(|f| f.0.len());
        match self.fault(id, before) {
            Some(Fault::Key) => changed == [1] && Columns(now).key() == md5(&id.2),
            Some(Fault::Datatype) => changed == [2] && Columns(now).datatype().contains('/'),
            Some(Fault::Hidden) => changed == [6],
            // An import takes the file's type and time as well.
            Some(Fault::Size) => is_size,
            // What is put back has a new time: readers may have had the other bytes.
            Some(Fault::Interrupted) => changed == [5],
            Some(Fault::Missing) | None => false,
        }
    }

    /// A kept file that lies in its place, and what it has replaced.
    fn is_put_back(&self, path: &str, last: &Snapshot) -> bool {
        self.plan.interrupted.iter().any(|Interrupted { path: place, kept }| {
            let (place, kept) = (format!("share/{place}"), format!("share/{kept}"));
            let is_in_place = bytes(last.files.get(&place)) == bytes(self.before.files.get(&kept));
            (path == place || path == kept)
                && (is_in_place || self.ordered.files.contains(&place))
                && self.config.is_right_for(place.trim_start_matches("share/"))
        })
    }

    fn has_right_table(&self, (database, table, name, _): &RowId) -> bool {
        *database == self.config.database
            && table == self.config.table_of(name)
            && self.config.is_right_for(name)
    }

    fn interrupted(&self, path: &str) -> Option<&Interrupted> {
        let path = path.strip_prefix("share/")?;
        self.plan.interrupted.iter().find(|one| one.path == path)
    }
}

/// Whatever time the file has.
fn bytes(file: Option<&Content>) -> Option<&Vec<u8>> {
    file.map(|(bytes, ..)| bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    Key,
    Datatype,
    Hidden,
    Interrupted,
    Size,
}
