//! What is soft-deleted lives again where its own file is there, and nowhere else.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use crate::command::{Cli, stderr};
use crate::store::md5;
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("what_is_soft_deleted_lives_again_as_it_was", as_it_was);
    group.per_database("what_cannot_live_again_stays_deleted", refusals);
    group.per_database("what_is_stored_meanwhile_is_not_undeleted", stored_meanwhile);
    group.per_database("a_file_that_was_written_to_since_gets_its_own_time", newer_file);
}

const ID: &str = "images/1/a.jpg";
const MTIME: i64 = 1_500_000_000;

fn yes(db: &TestDb) -> &'static str {
    if db.backend == Backend::Postgres { "TRUE" } else { "1" }
}

/// Row and file of one age.
fn store(cli: &Cli, path: &str, mtime: i64) {
    cli.lay(path, b"bytes");
    set_mtime(cli, path, mtime);
    cli.add_row_to("ezdfsfile", path, 5, mtime);
}

fn set_mtime(cli: &Cli, path: &str, mtime: i64) {
    let file = fs::File::options().write(true).open(cli.path(path)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(mtime as u64)).unwrap();
}

fn as_it_was(db: TestDb) {
    let yes = yes(&db);
    let cli = Cli::new(Some(db));
    store(&cli, ID, MTIME);
    store(&cli, "images/1/live.jpg", MTIME);
    cli.sql(&format!(
        "UPDATE ezdfsfile SET name_trunk = 'images/1', datatype = 'misc', scope = 'mediafile'
         WHERE name_hash = '{}'",
        md5(ID)
    ));
    let before = cli.state();
    // As legacy does, as a careless hand does, as legacy hides what has no time.
    for change in [
        format!("mtime = -mtime, expired = {yes}"),
        "mtime = -mtime".to_owned(),
        format!("expired = {yes}"),
        "mtime = 0".to_owned(),
    ] {
        cli.sql(&format!("UPDATE ezdfsfile SET {change} WHERE name_hash = '{}'", md5(ID)));
        assert_eq!(cli.text(&["ls"]), "images/1/live.jpg\n");
        assert_eq!(cli.text(&["ls", "--deleted"]), format!("{ID}\n"));
        assert_eq!(cli.json(&["ls", "--deleted", "images", "--json"])[0]["size"], 5);
        let hidden = cli.state();
        let dry = cli.json(&["undelete", "-n", ID, "--json"]);
        let expected = json!({ "id": ID, "size": 5, "mtime": MTIME, "dry_run": true });
        assert_eq!((&dry[0], cli.state()), (&expected, hidden), "{change}");
        assert_eq!(cli.text(&["undelete", ID]), "");
        assert_eq!(cli.state(), before, "{change}");
        assert_eq!(cli.text(&["ls", "--deleted"]), "");
    }
    cli.delete_as_legacy(ID);
    cli.text(&["undelete", ID]);
    let state = cli.dir.path().join("state");
    cli.ends(&["purge", "--grace", "0s", "--state", state.to_str().unwrap(), "--json"], 0);
    assert_eq!((cli.state(), cli.read(ID)), (before, b"bytes".to_vec()));
}

fn refusals(db: TestDb) {
    let cli = Cli::new(Some(db));
    store(&cli, ID, MTIME);
    cli.refuses(&["undelete", ID], 2, &["the row is live"]);
    cli.refuses(&["undelete", "images/1/none.jpg"], 1, &["there is no row", "ezdfs restore"]);
    cli.refuses(&["undelete", "images/../a"], 2, &["dot segment"]);
    cli.delete_as_legacy(ID);
    let path = cli.path(ID);
    fs::write(&path, b"other bytes").unwrap();
    cli.refuses(&["undelete", ID], 2, &["11 bytes, its row says 5"]);
    fs::remove_file(&path).unwrap();
    cli.refuses(&["undelete", ID], 1, &[ID]);
    symlink("/etc/passwd", &path).unwrap();
    cli.refuses(&["undelete", ID], 5, &[ID]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    cli.refuses(&["undelete", ID], 5, &[ID]);
    fs::remove_dir(&path).unwrap();
    cli.lay(ID, b"bytes");
    // What an overwrite leaves that did not come to its end: the bytes of its row, under a name
    // of ezdfs, and beside them others that nobody was promised.
    let aside = format!("images/1/.ezdfs-old-{}-5-59682f00-7-0123456789abcdef", md5("a.jpg"));
    cli.lay(&aside, b"older");
    cli.refuses(&["undelete", ID], 2, &["an overwrite was interrupted"]);
    fs::remove_file(cli.path(&aside)).unwrap();
    cli.sql(&format!(
        "UPDATE ezdfsfile SET name = 'images/1/b.jpg' WHERE name_hash = '{}'",
        md5(ID)
    ));
    cli.refuses(&["undelete", ID], 2, &["images/1/b.jpg"]);
    cli.sql(&format!("UPDATE ezdfsfile SET name = '{ID}' WHERE name_hash = '{}'", md5(ID)));
    // The file is that of a live row, to which root and prefix do not fit.
    let nested = "var/site/storage/images/1/c.jpg";
    store(&cli, nested, MTIME);
    cli.add_row_to("ezdfsfile", "images/1/c.jpg", 5, -MTIME);
    let root = cli.path("var/site/storage");
    cli.refuses(
        &["undelete", "images/1/c.jpg", "--root", root.to_str().unwrap()],
        2,
        &["that of a live row already"],
    );
    // One that is refused is no trouble of the others.
    let output = cli.run(&["undelete", "images/1/none.jpg", ID]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(cli.read(ID), b"bytes");
}

fn stored_meanwhile(db: TestDb) {
    let cli = Cli::new(Some(db));
    store(&cli, ID, MTIME);
    cli.delete_as_legacy(ID);
    let no = if cli.dsn.starts_with("postgres") { "FALSE" } else { "0" };
    let writer = crate::support::db::hold(
        &cli.dsn,
        &format!("UPDATE ezdfsfile SET mtime = 77, expired = {no}, size = 5"),
    );
    let mut undelete = cli.with_store(&["undelete", ID]);
    let child = undelete.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Long enough that it usually waits for the lock; what it comes to is the same.
    std::thread::sleep(Duration::from_millis(500));
    writer.commit();
    let output = child.wait_with_output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("the row is live"), "{told}");
    assert_eq!(cli.json(&["stat", ID, "--json"])[0]["mtime"], 77);
}

fn newer_file(db: TestDb) {
    let cli = Cli::new(Some(db));
    store(&cli, ID, MTIME);
    cli.delete_as_legacy(ID);
    set_mtime(&cli, ID, MTIME + 100);
    cli.text(&["undelete", ID]);
    assert_eq!(cli.json(&["stat", ID, "--json"])[0]["mtime"], MTIME + 100);
}
