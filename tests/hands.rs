//! Safe hands: whatever a command is pointed at, nothing goes that a live row speaks of; what goes can be
//! brought back; and what is refused says what was expected and found.
//!
//! Sites are made by plain SQL and plain files, as kernels and legacy make them.

mod absence;
mod clean;
mod clock;
mod debris;
mod grants;
#[cfg(feature = "failpoints")]
mod held;
mod lists;
mod orders;
mod overwrites;
mod permissions;
mod pruning;
mod restore;
mod schema;
mod telling;
mod territory;
mod trash;
mod undelete;
mod wrong;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::Trials;
use crate::support::db::sql;

pub(crate) fn register(trials: &mut Trials) {
    territory::register(trials);
    absence::register(trials);
    wrong::register(trials);
    clock::register(trials);
    pruning::register(trials);
    overwrites::register(trials);
    clean::register(trials);
    permissions::register(trials);
    lists::register(trials);
    orders::register(trials);
    debris::register(trials);
    grants::register(trials);
    schema::register(trials);
    telling::register(trials);
    restore::register(trials);
    trash::register(trials);
    undelete::register(trials);
}

const TRASH: &str = ".ezdfs-trash";

/// Files are not too young for this check.
const FSCK: [&str; 4] = ["fsck", "--grace", "0s", "--json"];

/// A site of any shape.
impl Cli {
    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    /// The bytes alone.
    fn lay(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The row alone, in the table of this name.
    fn add_row_to(&self, table: &str, name: &str, size: usize, mtime: i64) {
        let (key, name) = (md5(name), name.replace('\'', "''"));
        self.sql(&format!(
            "INSERT INTO {table} (name, name_trunk, name_hash, datatype, scope, size, mtime)
             VALUES ('{name}', '{name}', '{key}', 'image/png', 'image', {size}, {mtime})"
        ));
    }

    fn add_row(&self, name: &str, size: usize) {
        self.add_row_to("ezdfsfile", name, size, now());
    }

    /// Row and bytes, as a kernel leaves them.
    fn store(&self, path: &str, bytes: &[u8]) {
        self.lay(path, bytes);
        // Not the time that it is now, which may be a second later.
        let mtime = fs::metadata(self.path(path)).unwrap().mtime();
        self.add_row_to("ezdfsfile", path, bytes.len(), mtime);
    }

    /// As legacy deletes: the row is marked, the file stays.
    fn delete_as_legacy(&self, path: &str) {
        self.sql(&format!("UPDATE ezdfsfile SET mtime = -mtime WHERE name_hash = '{}'", md5(path)));
    }

    /// All files outside the trash, with their bytes.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        files_below(&self.root(), |path| !path.starts_with(TRASH))
    }

    /// Paths of the files in the trash, without the date.
    fn trashed(&self) -> Vec<String> {
        let days = files_below(&self.path(TRASH), |path| path.contains('/'));
        days.into_iter().map(|(path, _)| path.split_once('/').unwrap().1.to_owned()).collect()
    }

    /// The lines of all journals.
    fn journal(&self) -> Vec<Value> {
        let journals = files_below(&self.path(TRASH), |path| path.ends_with(".jsonl"));
        let texts = journals.into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap());
        let lines = |text: String| text.lines().map(parse).collect::<Vec<_>>();
        texts.flat_map(lines).collect()
    }

    /// All rows of a table, whole.
    fn rows_of(&self, table: &str) -> Vec<String> {
        let columns = "name_hash, name, name_trunk, datatype, scope, size, mtime, expired";
        let rows = sql(&self.dsn, &format!("SELECT {columns} FROM {table} ORDER BY name_hash"));
        let text = |row: &Vec<Option<String>>| format!("{row:?}");
        rows.unwrap().iter().map(text).collect()
    }

    fn rows(&self) -> Vec<String> {
        self.rows_of("ezdfsfile")
    }

    /// Rows and files: what a command that changes nothing leaves as it was.
    fn state(&self) -> (Vec<String>, Vec<(String, Vec<u8>)>) {
        (self.rows(), self.files())
    }

    /// Runs a command that must refuse, change nothing and name these words.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let before = self.state();
        let output = self.run(arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        for word in words {
            assert!(told.contains(word), "{arguments:?}: no {word:?} in {told}");
        }
        assert_eq!(self.state(), before, "{arguments:?} changed something");
        assert_eq!(self.trashed(), [""; 0], "{arguments:?}");
    }

    /// Runs a command that ends with this code; gives its JSON.
    #[track_caller]
    fn ends(&self, arguments: &[&str], code: i32) -> Vec<Value> {
        let output = self.run(arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told} {:?}", lines(&output));
        lines(&output)
    }

    /// What fsck finds, class and path, after repairing these classes.
    #[track_caller]
    fn check(&self, repair: &[&str], code: i32) -> Vec<Value> {
        let repair = repair.iter().flat_map(|class| ["--repair", *class]);
        let arguments: Vec<_> = FSCK.into_iter().chain(repair).collect();
        self.ends(&arguments, code)
    }

    /// The bytes that a reader gets.
    #[track_caller]
    fn read(&self, id: &str) -> Vec<u8> {
        let output = self.run(&["get", id]);
        assert!(output.status.success(), "{id}: {}", stderr(&output));
        output.stdout
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(parse).collect()
}

fn files_below(top: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(top).sort_by_file_name().into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file());
    let path = |entry: &walkdir::DirEntry| {
        entry.path().strip_prefix(top).unwrap().to_string_lossy().into_owned()
    };
    let wanted = files.filter(|entry| wanted(&path(entry)));
    wanted.map(|entry| (path(&entry), fs::read(entry.path()).unwrap())).collect()
}

/// Class and path of each finding.
fn found(objects: &[Value]) -> Vec<(&str, &str)> {
    let findings = objects.iter().filter(|object| object.get("class").is_some());
    findings.map(|one| (one["class"].as_str().unwrap(), one["path"].as_str().unwrap())).collect()
}

fn summary(objects: &[Value]) -> &Value {
    objects.last().expect("a summary")
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}
