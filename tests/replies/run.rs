//! One operation with one plan, and what is right afterwards.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ezdfs::CreateOptions;
use ezdfs::maintenance::{Fault, PurgeOptions};

use super::plan::Plan;
use super::{Content, Operation, State};
use crate::fsck::{fsck, options};
use crate::kill::content;
use crate::purge::purge;
use crate::store::{PREFIX, Site, id};
use crate::support::process::preloaded;

/// What the rows say.
pub(super) const OLD: i64 = 1_500_000_000;
pub(super) const NEW: i64 = 1_600_000_000;
const NEWEST: i64 = 2_000_000_000;

/// What an error says whose outcome is not known.
const UNKNOWN: &str = "outcome is unknown";

/// What is wrong, in words; a second line has the case.
pub(super) type Checked<T = ()> = Result<T, String>;

pub(super) struct Run<'s> {
    pub(super) site: &'s Site,
    operation: &'static Operation,
    /// Its own directory, so that runs do not meet.
    dir: String,
    number: usize,
}

/// What the command said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    Failed,
    Unknown,
}

impl<'s> Run<'s> {
    pub(super) fn new(site: &'s Site, operation: &'static Operation, number: usize) -> Self {
        Run { site, operation, dir: format!("images/{number}"), number }
    }

    pub(super) fn id(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    /// New bytes are as many as the old ones, or not.
    pub(super) fn version(&self, content: Content) -> u64 {
        let old = content::of(1).len();
        let fits = |new: &u64| (content::of(*new).len() == old) == self.number.is_multiple_of(2);
        match content {
            Content::Old => 1,
            Content::New => (2..).find(fits).expect("one of that length"),
        }
    }

    fn bytes(&self, content: Content) -> Vec<u8> {
        content::of(self.version(content))
    }

    pub(super) fn create(&self, name: &str, content: Content) {
        let mtime = if content == Content::Old { OLD } else { NEW };
        let options = CreateOptions { mtime: Some(mtime), ..CreateOptions::default() };
        let bytes = self.bytes(content);
        self.site.store.create(&id(&self.id(name)), &mut &*bytes, &options).unwrap();
    }

    /// As legacy deletes.
    pub(super) fn soft_delete(&self, name: &str) {
        self.site.db.sql(&format!(
            "UPDATE ezdfsfile SET mtime = -mtime, expired = TRUE WHERE name = '{PREFIX}/{}'",
            self.id(name)
        ));
    }

    /// A file without a row.
    pub(super) fn orphan(&self, name: &str) {
        self.site.foreign_file(&self.id(name), &self.bytes(Content::Old));
    }

    /// A file outside the store, with what is to be stored.
    pub(super) fn source(&self) -> String {
        let path = self.beside("source");
        fs::write(&path, self.bytes(Content::New)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(super) fn beside(&self, what: &str) -> PathBuf {
        self.site.root().with_extension(what)
    }

    pub(super) fn command(&self, arguments: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezdfs"));
        command
            .args(arguments.split(' ').chain(more.iter().copied()))
            .env_clear()
            .env("EZDFS_DSN", &self.site.db.dsn)
            .env("EZDFS_ROOT", self.site.root())
            .env("EZDFS_NAME_PREFIX", PREFIX)
            .env("EZDFS_DIR_MODE", "0775")
            .stdin(Stdio::null());
        command
    }

    pub(super) fn purge(&self) -> Checked {
        let options = PurgeOptions {
            grace: Duration::ZERO,
            max_missing: 100,
            ..PurgeOptions::new(self.beside("state"))
        };
        purge(&self.site.store, &options).map(drop).map_err(|error| format!("purge: {error:#}"))
    }

    fn prepare(&self) {
        let _ = fs::remove_file(self.beside("calls"));
        // Newer than all others: of what is newer than any row nobody can say whose it is.
        let bystander = CreateOptions { mtime: Some(NEWEST), ..CreateOptions::default() };
        let file = id(&self.id("bystander"));
        self.site.store.create(&file, &mut &b"untouched"[..], &bystander).unwrap();
        (self.operation.prepare)(self);
    }

    /// Runs the command, and says how it ended.
    fn operate(&self, plan: &Plan) -> Checked<(Ended, String)> {
        let mut command = (self.operation.command)(self);
        command
            .env("FAILPOINTS", self.operation.failpoints)
            .env("LD_PRELOAD", preloaded("replies"))
            .env("EZDFS_TEST_REPLIES_ROOT", self.site.root())
            .env("EZDFS_TEST_REPLIES_LOG", self.beside("calls"))
            .env("EZDFS_TEST_REPLIES", plan.replies());
        if let Some(call) = plan.dead_after() {
            command.env("EZDFS_TEST_REPLIES_DEAD", call.to_string());
        }
        let output = command.output().map_err(|error| error.to_string())?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Ok((Ended::Well, told)),
            Some(_) if told.contains(UNKNOWN) => Ok((Ended::Unknown, told)),
            Some(_) => Ok((Ended::Failed, told)),
            None => Err(format!("died\n{output:?}")),
        }
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.beside("calls")).unwrap_or_default()
    }

    /// The kinds of calls that it makes when nothing fails.
    pub(super) fn count(&self) -> Checked<Vec<String>> {
        self.prepare();
        let before = self.reserved();
        let (ended, told) = self.operate(&Plan::default())?;
        let calls: Vec<_> = self
            .calls()
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .map(str::to_owned)
            .collect();
        self.check(&Plan::default(), &calls, (ended, &told), &before)?;
        self.finish(ended)?;
        self.clear_away();
        Ok(calls)
    }

    pub(super) fn with(&self, plan: &Plan, calls: &[String]) -> Checked {
        self.prepare();
        let before = self.reserved();
        let (ended, told) = self.operate(plan)?;
        let finish = || self.finish(ended).map_err(|error| format!("after fsck: {error}"));
        let checked = self.check(plan, calls, (ended, &told), &before).and_then(|()| finish());
        let checked = checked.map_err(|error| {
            let made = self.calls().replace('\n', "; ");
            format!("{error}\n{ended:?}: {:?}; {made}", told.trim())
        });
        self.clear_away();
        checked
    }

    /// What is right after the command; `before` are the reserved files that there were.
    fn check(
        &self,
        plan: &Plan,
        calls: &[String],
        (ended, told): (Ended, &str),
        before: &[String],
    ) -> Checked {
        let Operation { files, is_whole, is_undone, .. } = self.operation;
        if ended == Ended::Well && *is_undone {
            return Err("succeeded although its commit failed".to_owned());
        }
        if ended == Ended::Unknown && !plan.may_leave_it_open(calls, *is_undone) {
            return Err("says that the outcome is unknown, which it is not".to_owned());
        }
        for file in *files {
            let state = self.state(file.name)?;
            let is_half = file.between.contains(&state);
            let is_right = match ended {
                // What is left to do must be told.
                Ended::Well => state == file.after || is_half && !told.is_empty(),
                Ended::Failed if *is_whole => state == file.before,
                Ended::Failed => [file.before, file.after].contains(&state) || is_half,
                Ended::Unknown => {
                    let open = [State::Torn, State::Gone { has_file: true }];
                    [file.before, file.after].contains(&state) || is_half || open.contains(&state)
                }
            };
            if !is_right {
                return Err(format!("{ended:?}, and {:?} is {state:?}", file.name));
            }
        }
        if ended == Ended::Well {
            self.check_modes()?;
        }
        let is_told =
            |name: &String| told.contains(name) || ended != Ended::Well && before.contains(name);
        match self.reserved().iter().find(|name| !is_told(name)) {
            Some(name) if ended != Ended::Unknown => {
                let purpose = name.split('-').nth(1).unwrap_or_default();
                Err(format!("{ended:?}, and leaves a file {purpose:?} without a word"))
            }
            _ => Ok(()),
        }
    }

    /// New directories have the mode that they are to have, whatever the umask.
    fn check_modes(&self) -> Checked {
        for dir in ["new", "new/deep"] {
            let Ok(made) = fs::metadata(self.site.path(&self.id(dir))) else { continue };
            let mode = made.permissions().mode() & 0o7777;
            if mode != 0o775 {
                return Err(format!("{dir:?} has the mode {mode:o}"));
            }
        }
        Ok(())
    }

    /// What an operator does, without waiting for the grace; then row and file agree.
    fn finish(&self, ended: Ended) -> Checked {
        (self.operation.finish)(self)?;
        self.purge()?;
        let mut options = options(&Fault::ALL);
        (options.max_missing, options.max_orphans) = (100, 100);
        // What the first puts right has changed too recently for the first.
        fsck(self.site, options.clone());
        fsck(self.site, options);
        for file in self.operation.files {
            // Of the new bytes under the old row `fsck` cannot say whose they are.
            if file.after == State::Torn {
                continue;
            }
            let state = self.state(file.name)?;
            // In a directory without rows `fsck` touches nothing.
            let is_ruled_out =
                ended == Ended::Unknown && file.name.starts_with("new/") || state == file.before;
            if state == (State::Gone { has_file: true }) && is_ruled_out {
                continue;
            }
            let (before, after) = (settled(file.before), settled(file.after));
            let is_right = match ended {
                Ended::Well => state == after,
                Ended::Failed if self.operation.is_whole => state == before,
                Ended::Failed | Ended::Unknown => state == before || state == after,
            };
            if !is_right {
                return Err(format!("{ended:?}, and {:?} is {state:?}", file.name));
            }
        }
        // What was made in the root, to ask for the time, is outside of the store.
        match self.reserved().iter().find(|name| !name.starts_with(".ezdfs-clock-")) {
            Some(name) => Err(format!("{} is left", name.split('-').nth(1).unwrap_or_default())),
            None => Ok(()),
        }
    }

    /// Names of reserved files, but for those of the trash.
    fn reserved(&self) -> Vec<String> {
        let names = self.site.tree().into_iter();
        let names = names.filter_map(|path| Some(path.rsplit('/').next()?.to_owned()));
        names.filter(|name| name.starts_with(".ezdfs-")).collect()
    }

    /// What there is of a name; an error where that is nothing whole.
    pub(super) fn state(&self, name: &str) -> Checked<State> {
        let bytes = fs::read(self.site.path(&self.id(name))).ok();
        let content = |bytes: &Vec<u8>| {
            [Content::Old, Content::New].into_iter().find(|content| self.bytes(*content) == *bytes)
        };
        let content = match &bytes {
            Some(bytes) => Some(content(bytes).ok_or(format!("{name:?} is torn"))?),
            None => None,
        };
        let has_file = content.is_some();
        let rows = self.site.row("size, mtime", &self.id(name));
        let Some(row) = rows.first() else { return Ok(State::Gone { has_file }) };
        let number = |at: usize| row[at].as_ref().and_then(|text: &String| text.parse().ok());
        let (size, mtime): (i64, i64) = (number(0).unwrap_or(-1), number(1).unwrap_or(-1));
        if mtime < 0 {
            return Ok(State::Dead { has_file });
        }
        let content = content.ok_or(format!("{name:?} has a live row and no file"))?;
        let has_size = |content| self.bytes(content).len() as i64 == size;
        // An old row whose file came back has a time after both.
        let of_row = if mtime == NEW { Content::New } else { Content::Old };
        match (of_row, content) {
            _ if !has_size(of_row) => Err(format!("{name:?}: a row of nothing that there was")),
            (Content::Old, Content::New) => Ok(State::Torn),
            (Content::New, Content::Old) => Err(format!("{name:?}: old bytes, new row")),
            _ => Ok(State::Live(content)),
        }
    }

    fn clear_away(&self) {
        let _ = fs::remove_dir_all(self.site.path(&self.dir));
        let _ = fs::remove_dir_all(self.site.path(".ezdfs-trash"));
        for name in self.reserved() {
            let _ = fs::remove_file(self.site.path(&name));
        }
        self.site
            .db
            .sql(&format!("DELETE FROM ezdfsfile WHERE name LIKE '{PREFIX}/{}/%'", self.dir));
    }
}

/// What becomes of a state when all is cleared away.
fn settled(state: State) -> State {
    match state {
        State::Live(content) => State::Live(content),
        State::Torn => State::Live(Content::Old),
        State::Dead { .. } | State::Gone { .. } => State::Gone { has_file: false },
    }
}
