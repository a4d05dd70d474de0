//! What commands say: of small directories, of what they would do, of limits, and when they are interrupted.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{FSCK, found, summary};
use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

#[cfg(feature = "failpoints")]
use super::held::{Held, stepping};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("a_directory_by_itself_is_reported", directory);
    group.per_database("what_is_due_is_listed", due);
    group.per_database("limits_say_how_they_are_raised", limits);
    group.per_database("a_move_is_told_before", moved);
    group.add("an_interrupted_check_says_what_it_came_to", |_| interrupted_check());
    #[cfg(feature = "failpoints")]
    {
        group.add("an_interrupted_import_says_what_it_came_to", |_| interrupted_import());
        group.add("an_interrupted_removal_says_what_it_came_to", |_| interrupted_removal());
    }
}

fn directory(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..20 {
        cli.store(&format!("images/large/{number}.jpg"), b"live");
    }
    for number in 0..4 {
        cli.store(&format!("images/small/{number}.jpg"), b"live");
    }
    for number in 1..4 {
        fs::remove_file(cli.path(format!("images/small/{number}.jpg"))).unwrap();
    }
    let small = [&FSCK[..], &["images/small"]].concat();
    let objects = cli.ends(&small, 7);
    let missing = [1, 2, 3].map(|number| format!("images/small/{number}.jpg"));
    let missing = missing.each_ref().map(|path| ("missing-file", path.as_str()));
    assert_eq!(found(&objects), missing);
    assert_eq!((&summary(&objects)["rows"], &summary(&objects)["files"]), (&json!(4), &json!(1)));
    cli.ends(&[&small[..], &["--repair", "missing-file"]].concat(), 0);
    assert_eq!(cli.rows().len(), 21);
    // One that nobody knows is mistyped.
    for mistyped in ["images/smal", "image", "images/small/1.jpg/x"] {
        cli.refuses_only(&["fsck", mistyped], 1, &[mistyped, "no such directory"]);
    }
    cli.lay("images/new/upload.jpg", b"its row comes next");
    cli.ends(&[&FSCK[..], &["images/new"]].concat(), 0);
}

fn due(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..6 {
        cli.store(&format!("images/{number}.jpg"), b"live");
    }
    for number in [1, 2] {
        cli.delete_as_legacy(&format!("images/{number}.jpg"));
    }
    fs::remove_file(cli.path("images/2.jpg")).unwrap();
    let before = cli.state();
    let state = cli.dir.path().join("state");
    let dry = ["purge", "--grace", "0s", "-n", "--state", state.to_str().unwrap()];
    let objects = cli.ends(&[&dry[..], &["--json"]].concat(), 0);
    let mut listed = objects[..2].to_vec();
    listed.sort_by_key(|one| one["due"].to_string());
    assert_eq!(listed[0], json!({ "due": "images/1.jpg", "file": true }));
    assert_eq!(listed[1], json!({ "due": "images/2.jpg", "file": false }));
    assert_eq!((&objects[2]["due"], &objects[2]["dry_run"]), (&json!(2), &json!(true)));
    let text = cli.text(&dry);
    assert!(text.contains("images/1.jpg\n") && text.contains("images/2.jpg (no file)\n"), "{text}");
    assert_eq!((cli.state(), state.exists()), (before, false));

    let purge = ["purge", "--grace", "0s", "--state", state.to_str().unwrap(), "--json"];
    let purged = cli.ends(&purge, 0);
    let journal = purged[0]["journal"].as_str().unwrap();
    assert!(cli.path(super::TRASH).join(journal).exists(), "{journal}");
    let rows = cli.journal();
    let names: Vec<_> = rows.iter().map(|line| line["row"]["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

fn limits(db: TestDb) {
    let cli = Cli::new(Some(db));
    for number in 0..6 {
        cli.store(&format!("images/1/{number}.jpg"), b"live");
    }
    for number in 0..3 {
        cli.store(&format!("images/1/due-{number}.jpg"), b"due");
        cli.delete_as_legacy(&format!("images/1/due-{number}.jpg"));
        cli.lay(&format!("images/1/orphan-{number}.jpg"), b"orphan");
    }
    cli.add_row("images/1/missing.jpg", 1);
    let state = cli.dir.path().join("state");
    let purge = ["purge", "--grace", "0s", "--state", state.to_str().unwrap()];
    let repair = ["fsck", "--grace", "0s", "--repair", "missing-file", "--repair", "orphan-file"];
    let remove = ["rm", "-r", "images/1"];
    let row_only = ["rm", "-r", "--row-only", "images/1"];
    for (arguments, planned) in [(&purge[..], 3), (&repair, 4), (&row_only, 10), (&remove, 13)] {
        let less = (planned - 1).to_string();
        let limited = [arguments, &["--max-remove", &less]].concat();
        let (all, raise) = (format!("would remove {planned}"), format!("--max-remove {planned}"));
        cli.refuses(&limited, 2, &[&all, &raise, "nothing was changed"]);
        // As it says.
        let planned = planned.to_string();
        let raised = [arguments, &["--max-remove", &planned]].concat();
        assert_eq!(cli.code(&raised), 0, "{raised:?}");
        cli.run(&["restore"]);
        if arguments == remove {
            break;
        }
    }
    // Without being told, more than a thousand is refused.
    let rows: Vec<_> = (0..1001)
        .map(|number| {
            let name = format!("images/many/{number}.jpg");
            format!("('{name}', '{name}', '{}', 'image/png', 'image', 1, 1500000000)", md5(&name))
        })
        .collect();
    let columns = "name, name_trunk, name_hash, datatype, scope, size, mtime";
    cli.sql(&format!("INSERT INTO ezdfsfile ({columns}) VALUES {}", rows.join(", ")));
    let row_only = ["rm", "-r", "--row-only", "images/many"];
    cli.refuses_only(&row_only, 2, &["would remove 1001", "more than 1000", "--max-remove 1001"]);
    assert_eq!(cli.code(&[&row_only[..], &["--max-remove", "1001"]].concat()), 0);
}

fn moved(db: TestDb) {
    let cli = Cli::new(Some(db));
    cli.store("images/a.jpg", b"one");
    cli.store("images/b.jpg", b"other");
    let before = cli.state();
    let objects = cli.ends(&["mv", "-n", "images/a.jpg", "images/b.jpg", "--json"], 0);
    let expected =
        json!({ "from": "images/a.jpg", "to": "images/b.jpg", "size": 3, "replaces": 5 });
    assert_eq!(objects, [expected]);
    let objects = cli.ends(&["mv", "-n", "images/a.jpg", "images/c.jpg", "--json"], 0);
    assert_eq!(objects[0]["replaces"], Value::Null);
    let text = cli.text(&["mv", "-n", "images/a.jpg", "images/b.jpg"]);
    assert!(text.contains("replacing a file of 5 bytes"), "{text}");
    assert_eq!(cli.code(&["mv", "-n", "images/missing.jpg", "images/c.jpg"]), 1);
    assert_eq!(cli.state(), before);
}

const ENDED_BY_SIGINT: i32 = 130;

/// It blocks on its output, of which a pipe holds a part only: it cannot be over yet.
fn interrupted_check() {
    let cli = Cli::new(None);
    for number in 0..1500 {
        cli.lay(&format!("images/orphan-{number:04}-{}.jpg", "x".repeat(100)), b"x");
    }
    cli.store("images/a.jpg", b"live");
    let before = cli.state();
    let mut child = cli.with_store(&FSCK).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(ENDED_BY_SIGINT));
    let last = super::parse(rest.lines().last().unwrap());
    assert_eq!((&last["summary"], &last["interrupted"]), (&json!(true), &json!(true)));
    let told = last["found"]["orphan-file"].as_u64().unwrap();
    assert!((1..1500).contains(&told), "{last}");
    assert_eq!((told as usize, cli.state()), (rest.lines().count(), before));
}

/// Of more files than are registered at a time.
#[cfg(feature = "failpoints")]
fn interrupted_import() {
    let cli = Cli::new(None);
    for number in 0..1200 {
        cli.lay(&format!("images/{number}.jpg"), b"x");
    }
    let command = stepping(&cli, &["import", cli.root().to_str().unwrap(), "--json"]);
    let held = Held::at(&cli, "looked", command).unwrap();
    kill(Pid::from_raw(held.child.id() as i32), Signal::SIGINT).unwrap();
    let output = held.release().unwrap();
    let objects = super::lines(&output);
    assert_eq!(output.status.code(), Some(ENDED_BY_SIGINT), "{}", stderr(&output));
    assert_eq!((&objects[0]["interrupted"], &objects[0]["added"]), (&json!(true), &json!(500)));
    assert_eq!(cli.rows().len(), 500);
}

#[cfg(feature = "failpoints")]
fn interrupted_removal() {
    let cli = Cli::new(None);
    for number in 0..1200 {
        cli.lay(&format!("images/1/{number}.jpg"), b"x");
    }
    cli.ends(&["import", cli.root().to_str().unwrap(), "--json"], 0);
    let command = stepping(&cli, &["rm", "-r", "images/1", "--max-remove", "2000"]);
    let held = Held::at(&cli, "soft-deleted", command).unwrap();
    kill(Pid::from_raw(held.child.id() as i32), Signal::SIGINT).unwrap();
    let output = held.release().unwrap();
    assert_eq!(output.status.code(), Some(ENDED_BY_SIGINT), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted after 500 rows"), "{}", stderr(&output));
    assert_eq!((cli.rows().len(), cli.files().len()), (700, 700));
}
