//! What goes wrong in the middle: each is told, nothing is lost at the source, and the copy is
//! complete once it is started again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::errno::Errno;
use serde_json::json;
use tempfile::TempDir;

use super::messy;
use super::place::{Place, check, command, copy, run, summary};
use crate::command::stderr;
use crate::support::db::{Backend, TestDb};
use crate::support::faults::injected;
use crate::support::mariadb;
use crate::support::nfs_client::{Call, Fault, NfsClient};
use crate::support::process::{scratch, wait_for};
use crate::support::{Group, Need, Result, Servers};

const FILES: usize = 200;

/// The files of a site with their bytes would take a second or two.
const SLOWLY: [&str; 2] = ["--max-rate", "1m"];

pub(super) fn register(group: &mut Group<'_>) {
    group.add_needing("an_unreadable_file_is_told", Need::NfsClient, unreadable);
    group.add_needing("a_full_target_ends_it", Need::NfsClient, full);
    group.add("a_target_that_goes_ends_it", gone);
    group.add_needing("what_reads_back_otherwise_is_not_stored", Need::NfsClient, read_back);
    group.add_needing("databases_may_be_restarted", Need::MARIADB, restarted);
    group.add("what_is_pointed_wrongly_is_refused", refused);
    let programs = Need::Programs(&["unshare", "mount"]);
    group.add_needing("one_directory_mounted_twice_is_refused", programs, mounted_twice);
    group.add("a_row_without_its_file_is_told", mismatch);
    group.add("what_is_left_out_is_told", left_out);
    group.add("a_state_goes_on_where_it_was", resumed);
}

/// The source is as it was.
fn is_whole(place: &Place, count: usize) -> Result {
    assert_eq!(place.rows().len(), count);
    let files = place.files()?;
    for file in messy::files(count) {
        assert_eq!(files[&file.name], file.bytes, "{}", file.name);
    }
    Ok(())
}

/// A place whose root is mounted, and the tree of the server.
fn mounted() -> Result<(TempDir, NfsClient, Place)> {
    let (server, dir) = (scratch(), scratch());
    let client = NfsClient::mount(server.path())?;
    let root = client.at().to_owned();
    let place = Place::at(TestDb::on_sqlite()?, "ezdfsfile", dir, root)?;
    Ok((server, client, place))
}

fn unreadable() -> Result {
    let (_server, mut client, one) = mounted()?;
    let other = Place::on(TestDb::on_sqlite()?, "ezdfsfile")?;
    messy::fill(&one, FILES)?;
    client.fail([Fault::new(Call::Read, Errno::EIO).name("draft.png")])?;
    let output = run("copy", &one.file(), &other.file(), &["--json"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let drafts = messy::files(FILES).filter(|file| file.name.ends_with("draft.png")).count();
    let copied = summary(&output);
    let expected = (json!(drafts), json!(FILES - drafts));
    assert_eq!((&copied["failed"], &copied["copied"]), (&expected.0, &expected.1));
    assert!(stderr(&output).contains("draft.png"), "{}", stderr(&output));
    client.heal()?;
    assert_eq!(copy(&one.file(), &other.file(), &[])["copied"], json!(drafts));
    assert_eq!(check(&one.file(), &other.file()), json!({}));
    injected("a file of the source of a copy cannot be read", "told; all others are copied");
    is_whole(&one, FILES)
}

fn full() -> Result {
    let one = Place::on(TestDb::on_sqlite()?, "ezdfsfile")?;
    let (server, mut client, other) = mounted()?;
    messy::fill(&one, FILES)?;
    client.fail([Fault::new(Call::Write, Errno::ENOSPC).beyond(200_000)])?;
    let output = run("copy", &one.file(), &other.file(), &[]);
    assert_eq!(output.status.code(), Some(8), "{}", stderr(&output));
    client.heal()?;
    copy(&one.file(), &other.file(), &[]);
    assert_eq!(check(&one.file(), &other.file()), json!({}));
    assert_eq!(staged(server.path()), 0);
    injected("the target of a copy is full", "it ends, and goes on when there is room");
    is_whole(&one, FILES)
}

/// The server says of what was written that it is there, and has less of it.
fn read_back() -> Result {
    let one = Place::on(TestDb::on_sqlite()?, "ezdfsfile")?;
    let (server, mut client, other) = mounted()?;
    messy::fill(&one, FILES)?;
    client.behave(|behaviour| behaviour.short_reads = Some(200_000))?;
    let large = messy::files(FILES).filter(|file| file.bytes.len() > 200_000).count();
    let output = run("copy", &one.file(), &other.file(), &["--json"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("reads back otherwise"), "{}", stderr(&output));
    assert_eq!(summary(&output)["failed"], json!(large));
    assert_eq!(other.rows().len(), FILES - large);
    client.heal()?;
    client.behave(|behaviour| behaviour.short_reads = None)?;
    copy(&one.file(), &other.file(), &[]);
    assert_eq!(check(&one.file(), &other.file()), json!({}));
    assert_eq!(staged(server.path()), 0);
    injected("what a copy has written reads back otherwise", "it is told, and not stored");
    is_whole(&one, FILES)
}

/// Files that a write has left.
fn staged(root: &Path) -> usize {
    let all = walkdir::WalkDir::new(root).into_iter().flatten();
    all.filter(|entry| entry.file_name().to_string_lossy().starts_with(".ezdfs-")).count()
}

/// What is mounted at the target goes, and leaves an empty directory.
fn gone(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, FILES)?;
    let mut child = command("copy", &one.file(), &other.file(), &SLOWLY);
    let child = child.stderr(Stdio::piped()).spawn()?;
    wait_for("the first rows", || !other.rows().is_empty())?;
    let away = other.dir().join("away");
    fs::rename(other.root(), &away)?;
    fs::create_dir(other.root())?;
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(fs::read_dir(other.root())?.count(), 0, "nothing hides below the mount");
    let output = run("copy", &one.file(), &other.file(), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    fs::remove_dir(other.root())?;
    fs::rename(away, other.root())?;
    copy(&one.file(), &other.file(), &[]);
    assert_eq!(check(&one.file(), &other.file()), json!({}));
    injected("the mount of a copy's target goes", "it ends, and writes nothing beneath the mount");
    is_whole(&one, FILES)
}

fn restarted() -> Result {
    for of_source in [true, false] {
        let server = Arc::new(mariadb::Server::start()?);
        let own = || TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_unicode_520_ci");
        let (from, to) = match of_source {
            true => (own()?, TestDb::on_sqlite()?),
            false => (TestDb::on_sqlite()?, own()?),
        };
        let (one, other) = (Place::on(from, "ezdfsfile")?, Place::on(to, "ezdfsfile")?);
        messy::fill(&one, FILES)?;
        let mut child = command("copy", &one.file(), &other.file(), &SLOWLY);
        let child = child.stderr(Stdio::piped()).spawn()?;
        wait_for("the first rows", || !other.rows().is_empty())?;
        server.restart_on_same_port()?;
        let output = child.wait_with_output()?;
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", stderr(&output));
        copy(&one.file(), &other.file(), &[]);
        assert_eq!(check(&one.file(), &other.file()), json!({}));
        is_whole(&one, FILES)?;
    }
    injected(
        "a database is restarted in the middle of a copy",
        "it goes on, or ends and can be started again",
    );
    Ok(())
}

fn refused(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 24)?;
    let sites = one.root().join("var/site/storage");
    let nothing_is_written = |output: std::process::Output, code: i32, says: &str| -> Result {
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{says:?}: {}", stderr(&output));
        assert_eq!(fs::read_dir(other.root())?.count(), 0);
        assert!(other.rows().is_empty());
        Ok(())
    };
    let same = run("copy", &one.file(), &one.file(), &[]);
    nothing_is_written(same, 2, "the same store")?;
    let within = run("copy", &one.file(), &sites, &[]);
    nothing_is_written(within, 2, "lies within the other")?;
    let own = run("copy", one.root(), &one.file(), &[]);
    nothing_is_written(own, 2, "one directory")?;
    // One level off: names would lie in no storage directory.
    let off = run("copy", &one.root().join("var"), &other.file(), &[]);
    nothing_is_written(off, 2, "one level off")?;
    // The source's files are not those that its rows speak of.
    let empty = scratch();
    messy::write(&empty.path().join("var/site/storage/images/x"), b"x", 1_400_000_000)?;
    let root = empty.path().to_string_lossy().into_owned();
    let output = run("copy", &one.file(), &other.file(), &["--from-root", &root]);
    nothing_is_written(output, 3, "have a file of their size")?;
    let output = run("copy", &one.file(), &other.file(), &["--from-dsn", "mysql://u:hunter2@"]);
    assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    let link = one.dir().join("link");
    std::os::unix::fs::symlink(one.root(), &link)?;
    nothing_is_written(run("copy", &link, &one.file(), &[]), 2, "one directory")?;
    // The target knows another site.
    let known = Place::new(servers, Backend::Sqlite)?;
    messy::fill(&known, 24)?;
    let tree = scratch();
    messy::write(&tree.path().join("images/1/a.png"), b"bytes", 1_400_000_000)?;
    let flags = ["--from-name-prefix", "var/other/storage"];
    known.write_options("name_prefix = \"var/other/storage\"")?;
    let output = run("copy", tree.path(), &known.file(), &flags);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--new-storage"), "{}", stderr(&output));
    assert_eq!(known.rows().len(), 24);
    let flags = [&flags[..], &["--new-storage"]].concat();
    assert_eq!(copy(tree.path(), &known.file(), &flags)["copied"], json!(1));
    is_whole(&one, 24)
}

/// Their paths tell nothing; in a namespace of the command's own.
fn mounted_twice() -> Result {
    let one = Place::on(TestDb::on_sqlite()?, "ezdfsfile")?;
    let other = Place::on(TestDb::on_sqlite()?, "ezdfsfile")?;
    messy::fill(&one, 24)?;
    let tree = scratch();
    let mounted = |name: &str, at: &Path, to: &Path, flags: &[&str]| {
        let command = command(name, &one.file(), to, flags);
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        unshare.arg("mount --bind \"$0\" \"$1\" && shift && exec \"$@\"").arg(one.root()).arg(at);
        unshare.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null()).output()
    };
    for name in ["copy", "check"] {
        let output = mounted(name, tree.path(), tree.path(), &[])?;
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("one directory"), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("{name} \"")), "{}", stderr(&output));
    }
    // Two tables of one tree: rows alone, and nothing is removed.
    let output = mounted("copy", other.root(), &other.file(), &["--delete"])?;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("have the same files"), "{}", stderr(&output));
    let output = mounted("copy", other.root(), &other.file(), &["--new-storage"])?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!((other.rows(), fs::read_dir(other.root())?.count()), (one.rows(), 0));
    is_whole(&one, 24)
}

fn mismatch(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 24)?;
    let file = messy::files(24).find(|file| file.bytes.len() > 10).ok_or("none")?;
    fs::write(one.root().join(&file.name), b"short")?;
    let gone = messy::files(24).filter(|file| file.bytes.len() > 10).nth(1).ok_or("none")?;
    fs::remove_file(one.root().join(&gone.name))?;
    let output = run("copy", &one.file(), &other.file(), &["--json"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert_eq!(summary(&output)["failed"], json!(2));
    for name in [&file.name, &gone.name] {
        assert!(stderr(&output).contains(&**name), "{name}: {}", stderr(&output));
        assert!(!other.rows().contains_key(name));
    }
    Ok(())
}

/// Links, rows that no id leads to, and what was selected by mistake.
fn left_out(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 24)?;
    let double = messy::Stored {
        name: "var/site/storage/images//1/double.jpg".into(),
        datatype: "image/jpeg",
        scope: "image",
        mtime: 1_400_000_000,
        bytes: b"bytes".to_vec(),
    };
    messy::write(&one.root().join(&double.name), &double.bytes, double.mtime)?;
    messy::insert(&one, &[double])?;
    for name in ["copy", "check"] {
        let output = run(name, &one.file(), &other.file(), &["--json"]);
        assert_eq!(output.status.code(), Some(5), "{name}: {}", stderr(&output));
        let says = format!("{name} \\\"var/site/storage/images//1/double.jpg");
        assert!(stderr(&output).contains(&says), "{name}: {}", stderr(&output));
        assert_eq!(summary(&output)["failed"], json!(1));
    }
    // Where something is not known, nothing is removed.
    one.db.sql("DELETE FROM ezdfsfile WHERE name LIKE '%.pdf'");
    let output = run("copy", &one.file(), &other.file(), &["--delete", "--json"]);
    assert_eq!((output.status.code(), &summary(&output)["removed"]), (Some(5), &json!(0)));
    let tree = scratch();
    let (storage, elsewhere) = (tree.path().join("var/site/storage"), scratch());
    messy::write(&storage.join("original/pdf/a"), b"bytes", 1_400_000_000)?;
    messy::write(&elsewhere.path().join("1/a.png"), b"bytes", 1_400_000_000)?;
    std::os::unix::fs::symlink(elsewhere.path(), storage.join("images"))?;
    let flags = ["--new-storage"];
    let output = run("copy", tree.path(), &other.file(), &flags);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("symbolic link"), "{}", stderr(&output));
    // What is compared with nothing is not the same.
    one.db.sql("DELETE FROM ezdfsfile WHERE name LIKE '%double.jpg'");
    let output = run("check", &one.file(), &other.file(), &["--prefix", "imags"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let prefix = ["--from-name-prefix", "var/nosuch/storage"];
    let output = run("copy", &one.file(), &other.file(), &prefix);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    // One table, two roots: rows of both sides would be changed.
    let root = scratch();
    let root = root.path().to_string_lossy().into_owned();
    let output = run("copy", &one.file(), &one.file(), &["--from-root", &root]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("plain tree"), "{}", stderr(&output));
    let state = one.root().join("state").to_string_lossy().into_owned();
    let output = run("copy", &one.file(), &other.file(), &["--state", &state]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    Ok(())
}

fn resumed(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 24)?;
    let state = other.dir().join("state");
    let flags = ["--state", &state.to_string_lossy()];
    copy(&one.file(), &other.file(), &flags);
    // As if it had been killed in the middle.
    let text = fs::read_to_string(&state)?;
    let mut noted: serde_json::Value = serde_json::from_str(&text)?;
    let names: Vec<String> = other.rows().into_keys().collect();
    noted["has_passed"] = json!(false);
    noted["after"] = json!(names[20]);
    fs::write(&state, noted.to_string())?;
    let copied = copy(&one.file(), &other.file(), &flags);
    assert_eq!((&copied["copied"], &copied["passes"]), (&json!(0), &json!(2)));
    // What is damaged says so, and that of another copy.
    for (text, says) in
        [("{", "is no state of a copy"), (&*text.replace("root", "toor"), "another")]
    {
        fs::write(&state, text)?;
        let output = run("copy", &one.file(), &other.file(), &flags);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{says:?}: {}", stderr(&output));
    }
    Ok(())
}
