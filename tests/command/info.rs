//! `ezdfs info`: the row as it stands, the file, and what each door would answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{Cli, stderr};
use crate::store::md5;
use crate::support::Group;
use crate::support::db::{Backend, TestDb};

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("info_shows_rows_that_no_door_has", rows_that_no_door_has);
    group.per_database("info_shows_what_each_door_answers", what_each_door_answers);
}

const ID: &str = "images/1/a.png";

fn put(cli: &Cli, id: &str) {
    let source = cli.dir.path().join("source");
    fs::write(&source, b"\x89PNG\r\n\x1a\n picture").unwrap();
    cli.text(&["put", id, source.to_str().unwrap(), "--mtime", "1500000000"]);
}

/// The object, whatever the exit code.
#[track_caller]
fn info(cli: &Cli, what: &str, code: i32) -> Value {
    let output = cli.run(&["info", what, "--json"]);
    assert_eq!(output.status.code(), Some(code), "{what}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rows_that_no_door_has(db: TestDb) {
    let boolean = |yes| match (db.backend, yes) {
        (Backend::Postgres, true) => "TRUE",
        (Backend::Postgres, false) => "FALSE",
        (_, true) => "1",
        (_, false) => "0",
    };
    let (yes, no) = (boolean(true), boolean(false));
    let cli = Cli::new(Some(db));
    put(&cli, ID);
    for (mtime, expired, why) in [
        (-1_500_000_000, yes, "soft-deleted"),
        (-5, no, "soft-deleted"),
        (0, no, "mtime is 0"),
        (1_500_000_000, yes, "expired is set"),
    ] {
        cli.sql(&format!("UPDATE ezdfsfile SET mtime = {mtime}, expired = {expired}"));
        for what in [ID, &md5(ID)] {
            let told = info(&cli, what, 0);
            let row = &told["row"];
            assert_eq!((&row["mtime"], &row["name"]), (&json!(mtime), &json!(ID)));
            assert_eq!(row["expired"], json!(expired == yes));
            assert_eq!((&told["live"], &told["id"]), (&json!(false), &json!(ID)));
            assert!(told["why"].as_str().unwrap().contains(why), "{told}");
            assert_eq!(told["file"]["size"], 16, "{told}");
            assert_eq!(told["nginx"]["status"], 404);
            assert_eq!(told["php"]["load"]["error"]["kind"], "not_found");
            assert_eq!(told["php"]["exists"], false);
            assert!(cli.text(&["info", what]).contains(why));
        }
    }
    // A row that its name does not lead to is known by its key alone.
    let key = "0123456789abcdef0123456789abcdef";
    cli.sql(&format!("UPDATE ezdfsfile SET name_hash = '{key}', datatype = 'misc'"));
    let told = info(&cli, key, 0);
    assert_eq!((&told["row"]["datatype"], &told["id"]), (&json!("misc"), &Value::Null));
    assert!(cli.text(&["info", key]).contains("no id leads to this row"));
    // No row: as `stat`, but what lies there is shown.
    let told = info(&cli, ID, 1);
    assert_eq!((&told["row"], &told["key"]), (&Value::Null, &json!(md5(ID))));
    assert_eq!(told["file"]["kind"], "file");
    info(&cli, "ffffffffffffffffffffffffffffffff", 1);
}

fn what_each_door_answers(db: TestDb) {
    let cli = Cli::new(Some(db));
    put(&cli, ID);
    let path = cli.root().join(ID);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let told = info(&cli, ID, 0);
    assert_eq!(
        (&told["live"], &told["why"], &told["replica"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
    assert_eq!((&told["file"]["mode"], &told["file"]["links"]), (&json!("0640"), &json!(1)));
    let nginx = &told["nginx"];
    assert_eq!((&nginx["status"], &nginx["content_type"]), (&json!(200), &json!("image/png")));
    assert_eq!(nginx["etag"], "\"1500000000-16\"");
    assert_eq!(nginx["headers"]["X-Content-Type-Options"], "nosniff");
    assert_eq!(told["php"], json!({ "load": "ok", "exists": true, "open": { "size": 16 } }));

    fs::remove_file(&path).unwrap();
    let told = info(&cli, ID, 0);
    assert_eq!((&told["live"], &told["file"]), (&json!(true), &Value::Null));
    assert_eq!(told["nginx"]["status"], 404);
    assert_eq!((&told["php"]["load"], &told["php"]["exists"]), (&json!("ok"), &json!(true)));
    assert_eq!(told["php"]["open"]["error"]["kind"], "not_found");

    fs::create_dir(&path).unwrap();
    let told = info(&cli, ID, 0);
    assert_eq!(
        (&told["file"]["kind"], &told["nginx"]["status"]),
        (&json!("directory"), &json!(503))
    );

    for (id, switch) in [
        ("images-versioned/1/a.png", "ezdfs_drafts on"),
        ("original/a.png", "an internal redirect that PHP has authorised"),
    ] {
        put(&cli, id);
        let told = info(&cli, id, 0);
        let nginx = &told["nginx"];
        assert_eq!((&nginx["status"], &nginx["error"]["kind"]), (&json!(404), &json!("denied")));
        assert_eq!(nginx["with"][switch]["status"], 200, "{told}");
    }
    let nowhere = cli.run(&["info", ID, "--json", "--root", "/nonexistent"]);
    assert_eq!(nowhere.status.code(), Some(0), "{}", stderr(&nowhere));
    let told: Value = serde_json::from_slice(&nowhere.stdout).unwrap();
    assert_eq!(told["nginx"]["status"], 503);
    assert_eq!(told["file"]["error"]["kind"], "unavailable");

    let replica = info_with_replica(&cli, "/nonexistent");
    assert!(replica["replica"]["unusable"].is_string(), "{replica}");
    assert_eq!(cli.code(&["info", "a/../b"]), 2);
    assert_eq!(cli.code(&["info", ID, "--dsn", "mysql://u:p@127.0.0.1:1/db"]), 3);
}

fn info_with_replica(cli: &Cli, replica: &str) -> Value {
    cli.json(&["info", ID, "--json", "--replica", replica]).remove(0)
}
