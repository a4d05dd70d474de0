//! `ezdfs status`: all that there is on one screen, and what is not.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use super::{Cli, stderr};
use crate::support::Group;
use crate::support::db::TestDb;

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("status_shows_what_there_is", what_there_is);
    group.per_server("status_shows_which_server_is_used", which_server);
    group.add("status_tells_of_a_share_by_the_kernels_list", |_| share());
}

fn object(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

#[track_caller]
fn status(cli: &Cli, options: &[&str], code: i32) -> Value {
    let output = cli.run(&[&["status", "--json"], options].concat());
    assert_eq!(output.status.code(), Some(code), "{options:?}: {}", stderr(&output));
    assert_eq!(stderr(&output), "", "{options:?}");
    object(&output)
}

fn last_runs(cli: &Cli) {
    let told = status(cli, &[], 0);
    assert_eq!((&told["fsck"], &told["purge"]), (&Value::Null, &Value::Null));
    let told = |command: &[&str], code: i32| {
        let output = cli.run(command);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {}", stderr(&output));
        status(cli, &[], 0)
    };
    // Only who is told to leaves anything there.
    assert_eq!(told(&["fsck"], 0)["fsck"], Value::Null);
    assert!(!cli.root().join(".ezdfs-runs").exists());
    // Nothing would be known of the rest.
    for part in [&["fsck", "--note", "images"][..], &["fsck", "--note", "--only", "orphan-file"]] {
        assert_eq!(told(part, 2)["fsck"], Value::Null, "{part:?}");
    }
    let file = cli.root().join("images/a");
    fs::write(&file, b"longer").unwrap();
    let noted = told(&["fsck", "--note", "--grace", "0s"], 7);
    assert_eq!((&noted["fsck"]["faults"], &noted["fsck"]["rows"]), (&json!(1), &json!(1)));
    fs::write(&file, b"").unwrap();
    assert_eq!(told(&["fsck", "--note", "--grace", "0s"], 0)["fsck"]["faults"], 0);
    let state = cli.root().with_extension("state");
    let purge = ["purge", "--state", state.to_str().unwrap(), "--note"];
    let noted = told(&purge, 0);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!((&noted["purge"]["due"], &noted["purge"]["host"]), (&json!(0), &json!(host.trim())));
    let text = cli.text(&["status"]);
    assert!(text.contains("1 rows, 1 files, 0 faults\n"), "{text}");
    assert!(text.contains(": 0 rows due, 0 files removed\n"), "{text}");
    let runs = cli.root().join(".ezdfs-runs");
    fs::write(runs.join("ezdfsfile.fsck.json"), b"{}").unwrap();
    assert_eq!(status(cli, &[], 0)["fsck"]["error"]["kind"], "storage");
    assert!(cli.text(&["status"]).contains("ezdfsfile.fsck.json\": cannot be read: "));
    // What can be known of a share that is missing?
    let elsewhere = cli.dir.path().join("bare");
    fs::create_dir(&elsewhere).unwrap();
    let bare = status(cli, &["--root", elsewhere.to_str().unwrap()], 3);
    assert_eq!(bare["fsck"]["error"]["kind"], "unavailable", "{bare}");
    // What was asked for and not done is told.
    fs::remove_dir_all(&runs).unwrap();
    fs::write(&runs, b"").unwrap();
    told(&purge, 5);
    fs::remove_file(&runs).unwrap();
}

fn what_there_is(db: TestDb) {
    let cli = Cli::new(Some(db));
    // Nothing was stored yet: the root is bare, and right.
    let new = status(&cli, &[], 0);
    assert_eq!((&new["rows"], &new["mount"]["usable"]), (&json!(0), &json!(true)), "{new}");
    cli.text(&["put", "images/a", "/dev/null"]);
    let told = status(&cli, &[], 0);
    assert_eq!((&told["table"], &told["rows"]), (&json!("ezdfsfile"), &json!(1)));
    assert_eq!((&told["feed"]["state"], &told["replica"]), (&json!("none"), &Value::Null));
    assert_eq!(told["servers"], json!([told["used"]["server"]]));
    let mount = &told["mount"];
    assert!(mount["file_system"].is_string(), "{mount}");
    assert!(mount["bytes"].as_u64() >= mount["bytes_free"].as_u64(), "{mount}");
    let text = cli.text(&["status"]);
    for words in ["ezdfsfile", "(in use)", " free (", "feed  none"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("secret"), "{text}");
    last_runs(&cli);
    let told = status(&cli, &["--replica", "/nonexistent"], 0);
    assert_eq!(told["replica"]["usable"], false);
    // What cannot be asked is no trouble of the rest.
    let told = status(&cli, &["--root", "/nonexistent"], 3);
    assert_eq!(
        (&told["rows"], &told["mount"]["error"]["kind"]),
        (&json!(1), &json!("unavailable"))
    );
    let told = status(&cli, &["--table", "no_such_table"], 4);
    assert_eq!(told["used"]["error"]["kind"], "schema");
    assert_eq!(told["mount"]["usable"], true);
    let told = status(&cli, &["--dsn", "mysql://u:secret@127.0.0.1:1/db"], 3);
    assert_eq!(told["rows"]["error"]["kind"], "unavailable");
    assert!(!told.to_string().contains("secret"), "{told}");
    std::fs::remove_dir_all(cli.root().join("images")).unwrap();
    let told = status(&cli, &[], 3);
    assert_eq!(told["mount"]["usable"], false, "{told}");
}

fn which_server(db: TestDb) {
    let cli = Cli::new(Some(db));
    let dsn = cli.dsn.replace('@', "@127.0.0.1:1,");
    let told = status(&cli, &["--dsn", &dsn], 0);
    assert_eq!(
        (&told["used"]["server"], &told["servers"][1]),
        (&told["servers"][1], &told["used"]["server"])
    );
    assert_eq!(
        (told["servers"].as_array().unwrap().len(), &told["used"]["takes_writes"]),
        (2, &json!(true))
    );
    let text = cli.text(&["status", "--dsn", &dsn]);
    assert_eq!(text.matches("(in use)").count(), 1, "{text}");
}

/// The command is built with `failpoints`: no NFS is mounted here.
fn share() {
    let cli = Cli::new(None);
    cli.text(&["put", "images/a", "/dev/null"]);
    let output = cli.on_mount(&["status", "--json"], "rw,vers=4.2,hard");
    let told = object(&output);
    let mount = &told["mount"];
    assert_eq!(
        (&mount["source"], &mount["file_system"]),
        (&json!("filer:/export"), &json!("nfs4"))
    );
    assert_eq!(mount["options"], "rw,vers=4.2,hard");
}
