//! What is copied is the same, from every kind of side to every other, and back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use super::messy::{self, Stored};
use super::place::{Place, check, command, copy, run, summary};
use crate::command::stderr;
use crate::support::db::Backend;
use crate::support::process::scratch;
use crate::support::{Group, Result, Servers};

const FILES: usize = 600;

pub(super) fn register(group: &mut Group<'_>) {
    for (from, to) in [
        (Backend::Sqlite, Backend::MariaDb),
        (Backend::MariaDb, Backend::Postgres),
        (Backend::Postgres, Backend::Sqlite),
    ] {
        let name = format!("a_site_moves_and_comes_back::{}_{}", from.name(), to.name());
        group.add(&name, move |servers| there_and_back(servers, from, to));
    }
    group.add("a_tree_moves_into_a_store_and_back", tree);
    group.add("a_table_moves_to_another_of_the_same_files", tables);
    group.add("what_is_told_apart", differences);
    group.add("what_only_the_target_has_stays_unless_told", deletions);
    group.add("soft_deleted_rows_come_where_they_are_asked_for", deleted);
    group.add("a_part_is_copied_alone", selected);
    group.add("caches_are_an_area_where_they_have_a_table", caches);
    group.add("a_dry_run_changes_nothing", dry_run);
    group.add("what_both_sides_did_is_counted", counted);
    group.add("other_prefixes_make_other_names", prefixes);
}

/// Empty is all that differs.
fn nothing() -> serde_json::Value {
    json!({})
}

fn there_and_back(servers: &Servers, from: Backend, to: Backend) -> Result {
    let (one, other) = (Place::new(servers, from)?, Place::new(servers, to)?);
    messy::fill(&one, FILES)?;
    let copied = copy(&one.file(), &other.file(), &[]);
    assert_eq!((&copied["copied"], &copied["failed"]), (&json!(FILES), &json!(0)));
    assert_eq!(one.rows(), other.rows());
    assert_eq!(one.files()?, other.files()?);
    assert_eq!(check(&one.file(), &other.file()), nothing());
    // Nothing is done twice.
    let again = copy(&one.file(), &other.file(), &[]);
    assert_eq!((&again["copied"], &again["unchanged"]), (&json!(0), &json!(FILES)));
    // The way back, to a place that has a part of it already.
    let back = Place::new(servers, from)?;
    messy::fill(&back, FILES / 3)?;
    let copied = copy(&other.file(), &back.file(), &[]);
    assert_eq!(copied["copied"], json!(FILES - FILES / 3));
    assert_eq!((back.rows(), back.files()?), (one.rows(), one.files()?));
    Ok(())
}

fn tree(servers: &Servers) -> Result {
    let (source, back) = (scratch(), scratch());
    messy::fill_tree(source.path(), FILES)?;
    let place = Place::new(servers, Backend::Sqlite)?;
    let expected: Vec<Stored> =
        messy::files(FILES).filter(|file| messy::is_in_area(&file.name)).collect();
    let copied = copy(source.path(), &place.file(), &[]);
    assert_eq!((&copied["copied"], &copied["failed"]), (&json!(expected.len()), &json!(0)));
    let (rows, files) = (place.rows(), place.files()?);
    for file in &expected {
        let row = &rows[&file.name];
        let (size, mtime) = (file.bytes.len().to_string(), file.mtime.to_string());
        assert_eq!((&row[5], &row[6]), (&Some(size), &Some(mtime)), "{}", file.name);
        assert_eq!(files[&file.name], file.bytes);
    }
    assert_eq!(rows.len(), expected.len());
    assert_eq!(check(source.path(), &place.file()), nothing());
    copy(&place.file(), back.path(), &[]);
    assert_eq!(check(&place.file(), back.path()), nothing());
    for file in &expected {
        let path = back.path().join(&file.name);
        assert_eq!(
            (fs::read(&path)?, fs::metadata(&path)?.mtime()),
            (file.bytes.clone(), file.mtime)
        );
    }
    Ok(())
}

/// Two tables beside each other, one mount: no byte is copied.
fn tables(servers: &Servers) -> Result {
    let one = Place::new(servers, Backend::Sqlite)?;
    messy::fill(&one, 120)?;
    one.db.sql("CREATE TABLE ibexa_dfs_file AS SELECT * FROM ezdfsfile WHERE 1 = 0");
    one.db.sql("CREATE UNIQUE INDEX by_hash ON ibexa_dfs_file (name_hash)");
    let inodes = || -> Result<Vec<u64>> {
        let paths = one.rows().into_keys().map(|name| one.root().join(name));
        paths.map(|path| Ok(fs::metadata(path)?.ino())).collect()
    };
    let before = inodes()?;
    let flags = ["--from-table", "ezdfsfile", "--table", "ibexa_dfs_file", "--json"];
    let sides = |name: &str, flags: &[&str]| {
        let mut command = command(name, Path::new("-"), Path::new("-"), flags);
        command.env("EZDFS_CONFIG", one.file()).output()
    };
    let output = sides("copy", &flags)?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(summary(&output)["copied"], json!(120));
    let columns = "name, name_hash, datatype, scope, size, mtime";
    let rows = |table: &str| one.db.sql(&format!("SELECT {columns} FROM {table} ORDER BY name"));
    assert_eq!(rows("ezdfsfile"), rows("ibexa_dfs_file"));
    assert_eq!(inodes()?, before);
    assert_eq!(sides("check", &flags)?.status.code(), Some(0));
    // Of files that both have nothing is removed.
    assert_eq!(sides("copy", &[&flags[..], &["--delete"]].concat())?.status.code(), Some(2));
    Ok(())
}

fn differences(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 24)?;
    copy(&one.file(), &other.file(), &[]);
    let names: Vec<String> =
        messy::files(24).filter(|file| file.bytes.len() > 10).map(|file| file.name).collect();
    let quoted = |at: usize| names[at].replace('\'', "''");
    let update = |place: &Place, what: &str, at: usize| {
        place.db.sql(&format!("UPDATE ezdfsfile SET {what} WHERE name = '{}'", quoted(at)));
    };
    other.db.sql(&format!("DELETE FROM ezdfsfile WHERE name = '{}'", quoted(0)));
    one.db.sql(&format!("DELETE FROM ezdfsfile WHERE name = '{}'", quoted(1)));
    update(&one, "mtime = -mtime, expired = 1", 2);
    update(&other, "mtime = 1200000000", 3);
    update(&other, "datatype = 'text/plain'", 4);
    fs::remove_file(other.root().join(&names[5]))?;
    fs::remove_file(one.root().join(&names[6]))?;
    fs::write(one.root().join(&names[7]), b"of another length")?;
    update(&one, "size = 17", 7);
    // The same length, the same time.
    let mut bytes = fs::read(other.root().join(&names[8]))?;
    bytes[3] ^= 1;
    fs::write(other.root().join(&names[8]), bytes)?;
    let expected = json!({
        "missing": 1, "extra": 2, "mtime": 1, "type": 1, "no-file": 1, "source-no-file": 1,
        "size": 1, "bytes": 1,
    });
    assert_eq!(check(&one.file(), &other.file()), expected);
    let bytes = || check(&one.file(), &other.file())["bytes"].clone();
    let listed = run("check", &one.file(), &other.file(), &["--verify", "size"]);
    assert_eq!(listed.status.code(), Some(7));
    let text = String::from_utf8(listed.stdout)?;
    assert!(text.contains(&format!("{:<14}  {}\n", "no-file", names[5])), "{text}");
    assert!(!text.contains(&format!("  {}\n", names[8])), "sizes alone were asked for: {text}");
    // Only bytes tell them apart, and only who compares bytes makes them the same.
    fs::write(one.root().join(&names[6]), &messy::bytes_of(&names[6], 24)?)?;
    copy(&one.file(), &other.file(), &[]);
    assert_eq!(bytes(), json!(1));
    copy(&one.file(), &other.file(), &["--checksum"]);
    assert_eq!(bytes(), json!(null));
    Ok(())
}

fn deletions(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 24)?;
    copy(&one.file(), &other.file(), &[]);
    let gone = messy::files(24).find(|file| messy::is_in_area(&file.name)).ok_or("none")?;
    one.db.sql(&format!("DELETE FROM ezdfsfile WHERE name = '{}'", gone.name));
    fs::remove_file(one.root().join(&gone.name))?;
    let kept = copy(&one.file(), &other.file(), &[]);
    assert_eq!((&kept["extra"], &kept["removed"]), (&json!(1), &json!(0)));
    assert_eq!(fs::read(other.root().join(&gone.name))?, gone.bytes);
    // Not more than is allowed, and then nothing at all.
    let refused = run("copy", &one.file(), &other.file(), &["--delete", "--max-remove", "0"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(other.root().join(&gone.name).exists());
    let listed = copy(&one.file(), &other.file(), &["--delete", "--dry-run"]);
    assert_eq!(listed["removed"], json!(1));
    assert!(other.root().join(&gone.name).exists());
    let removed = copy(&one.file(), &other.file(), &["--delete"]);
    assert_eq!(removed["removed"], json!(1));
    assert!(!other.root().join(&gone.name).exists() && !other.rows().contains_key(&gone.name));
    let mut restore = command("restore", Path::new("--config"), &other.file(), &[]);
    assert!(restore.output()?.status.success());
    assert_eq!(fs::read(other.root().join(&gone.name))?, gone.bytes);
    assert!(other.rows().contains_key(&gone.name), "it lives again");
    // A source that has nothing is the wrong one.
    let nothing = Place::new(servers, Backend::Sqlite)?;
    let refused = run("copy", &nothing.file(), &other.file(), &["--delete"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("no file at all"), "{}", stderr(&refused));
    assert_eq!(other.rows().len(), 24);
    // A tree has a trash as well.
    let tree = scratch();
    copy(&other.file(), tree.path(), &[]);
    let mut rm = command("rm", Path::new("--config"), &other.file(), &[&gone.name]);
    assert!(rm.output()?.status.success());
    let removed = copy(&other.file(), tree.path(), &["--delete"]);
    assert_eq!(removed["removed"], json!(1), "{removed}");
    assert!(!tree.path().join(&gone.name).exists());
    let trash = walkdir::WalkDir::new(tree.path().join(".ezdfs-trash")).into_iter().flatten();
    assert!(trash.into_iter().any(|entry| entry.path().ends_with(&gone.name)));
    Ok(())
}

fn deleted(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::MariaDb)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 12)?;
    one.db.sql("UPDATE ezdfsfile SET mtime = -mtime, expired = 1 WHERE name LIKE '%.pdf'");
    let rows = |place: &Place| {
        place
            .db
            .sql("SELECT name, size, mtime, expired FROM ezdfsfile WHERE mtime < 0 ORDER BY name")
    };
    copy(&one.file(), &other.file(), &[]);
    assert!(rows(&other).is_empty());
    copy(&one.file(), &other.file(), &["--deleted"]);
    assert!(!rows(&one).is_empty());
    assert_eq!(rows(&one), rows(&other));
    let name = rows(&one)[0][0].clone().ok_or("no name")?;
    assert_eq!(fs::read(one.root().join(&name))?, fs::read(other.root().join(&name))?);
    // What lives at the target goes first: both in one run.
    let before = rows(&one).len();
    one.db.sql("UPDATE ezdfsfile SET mtime = -mtime, expired = 1 WHERE name LIKE '%.gif'");
    let copied = copy(&one.file(), &other.file(), &["--deleted", "--delete"]);
    let newly = rows(&one).len() - before;
    assert_eq!((&copied["removed"], &copied["copied"]), (&json!(newly), &json!(newly)));
    assert!(newly > 0);
    assert_eq!(rows(&one), rows(&other));
    Ok(())
}

fn selected(servers: &Servers) -> Result {
    let one = Place::new(servers, Backend::Sqlite)?;
    messy::fill(&one, 60)?;
    let copied = |flags: &[&str]| -> Result<Vec<String>> {
        let other = Place::new(servers, Backend::Sqlite)?;
        copy(&one.file(), &other.file(), flags);
        Ok(other.rows().into_keys().collect())
    };
    let named = |wanted: &dyn Fn(&str) -> bool| {
        let mut names: Vec<_> =
            messy::files(60).map(|file| file.name).filter(|name| wanted(name)).collect();
        names.sort();
        names
    };
    let below = |dir: &'static str| move |name: &str| name.starts_with(dir);
    assert_eq!(copied(&["--area", "original"])?, named(&below("var/site/storage/original/")));
    let large = "var/site/storage/images/_aliases/large";
    assert_eq!(copied(&["--prefix", large])?, named(&below(large)));
    let without = |name: &str| !name.starts_with("var/site/storage/images/_aliases/");
    let flags = ["--exclude", "var/site/storage/images/_aliases", "--siteaccess", "site"];
    assert_eq!(copied(&flags)?, named(&|name| messy::is_in_area(name) && without(name)));
    // Who selects nothing has mistyped something.
    let other = Place::new(servers, Backend::Sqlite)?;
    for name in ["copy", "check"] {
        let output = run(name, &one.file(), &other.file(), &["--siteaccess", "other"]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains(&format!("{name} \"any file")), "{}", stderr(&output));
    }
    Ok(())
}

fn caches(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 60)?;
    let area = ["--area", "cache"];
    let output = run("copy", &one.file(), &other.file(), &area);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("cache_table"), "{}", stderr(&output));
    // The target keeps them in a table of their own, the source did not yet.
    other.write_options("cache_table = \"ezdfsfile_cache\"")?;
    other.store(&[("cache_table", "ezdfsfile_cache")])?.create_schema()?;
    let flags = [&area[..], &["--new-storage"]].concat();
    let copied = copy(&one.file(), &other.file(), &flags);
    let public = messy::files(60).filter(|file| file.name.starts_with("var/site/cache/public/"));
    assert_eq!(copied["copied"], json!(public.count()));
    assert!(other.rows().is_empty());
    let count = "SELECT COUNT(*) FROM ezdfsfile_cache";
    assert_eq!(other.db.sql(count)[0][0], Some(copied["copied"].to_string()));
    let output = run("check", &one.file(), &other.file(), &area);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // Of a tree as well, which `ezdfs import` would take them from.
    let tree = scratch();
    copy(&other.file(), tree.path(), &[]);
    let again = Place::new(servers, Backend::Sqlite)?;
    again.write_options("cache_table = \"ezdfsfile_cache\"")?;
    again.store(&[("cache_table", "ezdfsfile_cache")])?.create_schema()?;
    assert_eq!(copy(tree.path(), &again.file(), &flags)["copied"], copied["copied"]);
    Ok(())
}

fn counted(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 12)?;
    let output = run("copy", &one.file(), &other.file(), &["--stats"]);
    let counted = |name: &str, output: &Output| {
        let count = stderr(output).lines().filter(|line| line.contains(name)).count();
        assert!(output.status.success(), "{}", stderr(output));
        count
    };
    // The target alone is written to.
    assert_eq!(counted("ezdfs_writes_total", &output), 1, "{}", stderr(&output));
    let output = run("check", &one.file(), &other.file(), &["--stats"]);
    assert_eq!(counted("ezdfs_writes_total", &output), 0);
    assert!(counted("ezdfs_", &output) >= 2, "{}", stderr(&output));
    Ok(())
}

fn dry_run(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Sqlite)?);
    messy::fill(&one, 24)?;
    let state = other.dir().join("state");
    let output =
        run("copy", &one.file(), &other.file(), &["-n", "--state", &state.to_string_lossy()]);
    let text = String::from_utf8(output.stdout)?;
    assert_eq!(text.lines().filter(|line| line.starts_with("missing ")).count(), 24);
    assert!(other.rows().is_empty() && fs::read_dir(other.root())?.next().is_none());
    assert!(!state.exists());
    Ok(())
}

/// Ids are what both sides have in common.
fn prefixes(servers: &Servers) -> Result {
    let (one, other) =
        (Place::new(servers, Backend::Sqlite)?, Place::new(servers, Backend::Postgres)?);
    one.write_options("name_prefix = \"var/old/storage\"")?;
    other.write_options("name_prefix = \"var/new/storage\"")?;
    let store = one.store(&[("name_prefix", "var/old/storage")])?;
    let id = ezdfs::FileId::parse("images/1/a.png")?;
    store.create(&id, &mut &b"bytes"[..], &ezdfs::CreateOptions::default())?;
    copy(&one.file(), &other.file(), &[]);
    assert_eq!(other.rows().into_keys().collect::<Vec<_>>(), ["var/new/storage/images/1/a.png"]);
    assert_eq!(fs::read(other.root().join("images/1/a.png"))?, b"bytes");
    assert_eq!(check(&one.file(), &other.file()), nothing());
    Ok(())
}
