//! The table of legacy's caches: which names have their rows in it, and what each door, `fsck`,
//! `purge` and `import` make of that.

use std::fs;
use std::path::Path;

use ezdfs::maintenance::{Fault, Finding};
use ezdfs::{CreateOptions, DirId, ErrorKind, Options, Store};
use serde_json::json;

use crate::command::Cli;
use crate::fsck::{fsck, options};
use crate::store::{Site, id, md5, refused};
use crate::support::db::{self, TestDb};
use crate::support::http::get;
use crate::support::nginx::Nginx;
use crate::support::process::scratch;
use crate::support::{Need, Result, Trials};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("caches", &[]);
    group.per_database("each_name_has_its_row_in_its_table", each_in_its_table);
    group.per_database("rows_in_the_table_of_others_are_nobodys", misplaced);
    group.per_database("a_missing_or_wrong_table_is_named", missing_or_wrong);
    group.per_database("no_rename_leads_from_one_table_to_the_other", renames);
    group.per_database("fsck_reads_both_tables", checked);
    let mut group = trials.group("caches", &[Need::COMMAND]);
    group.per_database("import_registers_public_caches_in_their_table", imported);
    group.per_database("what_purge_takes_comes_back_into_its_table", purged);
    let mut group = trials.group("caches", &[Need::NGINX, Need::MODULE]);
    group.per_database("nginx_serves_public_caches_by_their_table_alone", served);
}

const CACHES: &str = "ezdfsfile_cache";

const ON: [(&str, &str); 2] = [("name_prefix", ""), ("cache_table", CACHES)];
const OFF: [(&str, &str); 1] = [("name_prefix", "")];

const STYLE: &str = "var/site/cache/public/stylesheets/a.css";
const TEXT: &str = "var/site/cache/texttoimage/b.png";
const VIEW: &str = "var/site/cache/content/c.cache";
const PICTURE: &str = "var/site/storage/images/d.png";
/// Both words: legacy has its row where those of `storage` are.
const STORED: &str = "var/site/storage/cache/public/e.png";

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// Two tables as legacy has them: that of caches has no `status`.
fn site(db: TestDb) -> Site {
    let site = Site::without_table(db, &ON);
    site.store.create_schema().unwrap();
    site.db.sql("ALTER TABLE ezdfsfile_cache DROP COLUMN status");
    site
}

fn names_by(dsn: &str, table: &str) -> Vec<String> {
    let rows = db::sql(dsn, &format!("SELECT name FROM {table}")).unwrap();
    let mut names: Vec<_> = rows.into_iter().filter_map(|mut row| row.swap_remove(0)).collect();
    names.sort();
    names
}

fn names(site: &Site, table: &str) -> Vec<String> {
    names_by(&site.db.dsn, table)
}

fn listed(store: &Store) -> Vec<String> {
    store.list(None).unwrap().map(|file| file.unwrap().id.as_str().to_owned()).collect()
}

/// As a node without the option, or one before the caches had a table.
fn put_without(site: &Site, name: &str, bytes: &[u8]) {
    let store = site.another_store(&OFF);
    store.create(&id(name), &mut &*bytes, &CreateOptions::default()).unwrap();
}

fn each_in_its_table(db: TestDb) {
    let site = site(db);
    for name in [STYLE, TEXT, VIEW, PICTURE, STORED] {
        site.create(name, b"first").unwrap();
        site.create(name, name.as_bytes()).unwrap();
    }
    assert_eq!(names(&site, CACHES), [VIEW, STYLE, TEXT]);
    assert_eq!(names(&site, "ezdfsfile"), [STORED, PICTURE]);
    for name in [STYLE, TEXT, VIEW, PICTURE, STORED] {
        assert_eq!(site.read(name).unwrap(), name.as_bytes());
        assert_eq!(site.store.stat(&id(name)).unwrap().size, name.len() as u64);
    }
    assert_eq!(listed(&site.store), [VIEW, STYLE, TEXT, STORED, PICTURE]);
    site.store.delete(&id(TEXT)).unwrap();
    assert!(!site.exists(TEXT) && !site.path(TEXT).exists());
    assert_eq!(names(&site, CACHES), [VIEW, STYLE]);

    let deleted = site.store.delete_directory(&DirId::parse("var/site").unwrap()).unwrap();
    assert_eq!((deleted.rows, deleted.files), (4, 4));
    assert_eq!(listed(&site.store), [""; 0]);
    assert!([CACHES, "ezdfsfile"].iter().all(|table| names(&site, table).is_empty()));
}

fn misplaced(db: TestDb) {
    let site = site(db);
    put_without(&site, STYLE, b"left from before");
    put_without(&site, PICTURE, PNG);
    site.db.sql("INSERT INTO ezdfsfile_cache SELECT name, name_trunk, name_hash, datatype, scope, size, mtime, expired FROM ezdfsfile");
    site.db.sql(&format!("DELETE FROM ezdfsfile WHERE name = '{PICTURE}'"));
    site.db.sql(&format!("DELETE FROM ezdfsfile_cache WHERE name = '{STYLE}'"));
    for name in [STYLE, PICTURE] {
        assert_eq!(refused(site.store.stat(&id(name)), ErrorKind::NotFound).os_errno(), 0);
    }
    assert_eq!(listed(&site.store), [""; 0]);
    // Only what its names are in goes with a directory.
    let deleted = site.store.delete_directory(&DirId::parse("var/site").unwrap()).unwrap();
    assert_eq!(deleted.rows, 0);
    assert_eq!(
        (names(&site, "ezdfsfile"), names(&site, CACHES)),
        (vec![STYLE.to_owned()], vec![PICTURE.to_owned()])
    );

    site.create(STYLE, b"new").unwrap();
    assert_eq!(site.read(STYLE).unwrap(), b"new");
    assert_eq!(listed(&site.store), [STYLE]);
}

fn missing_or_wrong(db: TestDb) {
    let site = Site::without_table(db, &ON);
    site.another_store(&OFF).create_schema().unwrap();
    // First: of a bare root both tables are asked whether it may be.
    put_without(&site, TEXT, b"of which nothing is known");
    site.create(PICTURE, PNG).unwrap();
    let tree = site.tree();
    let wrong =
        "CREATE TABLE ezdfsfile_cache (name_hash varchar(34) PRIMARY KEY, name varchar(99))";
    for make in ["", wrong] {
        if !make.is_empty() {
            site.db.sql(make);
        }
        // What was found a moment ago is believed for one.
        let store = site.another_store(&ON);
        for error in [
            refused(store.check_schema(), ErrorKind::Schema),
            refused(store.stat(&id(TEXT)), ErrorKind::Schema),
            refused(store.exists(&id(TEXT)), ErrorKind::Schema),
            refused(store.open(&id(TEXT)).map(drop), ErrorKind::Schema),
            refused(store.delete(&id(TEXT)), ErrorKind::Schema),
            refused(
                store.list(None).unwrap().collect::<std::result::Result<Vec<_>, _>>(),
                ErrorKind::Schema,
            ),
            refused(
                store.create(&id(STYLE), &mut &b"x"[..], &CreateOptions::default()),
                ErrorKind::Schema,
            ),
        ] {
            assert!(error.to_string().contains(CACHES), "{error}");
        }
        // The other table's files are no worse for that.
        assert_eq!(store.stat(&id(PICTURE)).unwrap().size, PNG.len() as u64);
        assert_eq!(site.tree(), tree);
    }
}

fn renames(db: TestDb) {
    let site = site(db);
    site.create(STYLE, b"style").unwrap();
    site.create(PICTURE, PNG).unwrap();
    let (other_style, other_picture) = ("var/site/cache/public/z.css", "var/site/storage/images/z");
    site.store.rename(&id(STYLE), &id(other_style)).unwrap();
    site.store.rename(&id(PICTURE), &id(other_picture)).unwrap();
    let tree = site.tree();
    for (from, to) in [(other_style, PICTURE), (other_picture, STYLE)] {
        let error = refused(site.store.rename(&id(from), &id(to)), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(CACHES), "{error}");
    }
    assert_eq!(site.tree(), tree);
    assert_eq!(listed(&site.store), [other_style, other_picture]);
    assert_eq!(
        (site.read(other_style).unwrap(), site.read(other_picture).unwrap()),
        (b"style".to_vec(), PNG.to_vec())
    );
}

fn pairs(findings: &[Finding]) -> Vec<(Fault, &str)> {
    let mut pairs: Vec<_> = findings.iter().map(|it| (it.fault, it.path.as_str())).collect();
    pairs.sort_by_key(|(_, path)| *path);
    pairs
}

fn checked(db: TestDb) {
    let site = site(db);
    for number in 0..20 {
        site.create(&format!("var/site/storage/images/{number}"), PNG).unwrap();
        site.create(&format!("var/site/cache/public/{number}.css"), b"good").unwrap();
    }
    for missing in ["var/site/cache/public/missing.css", PICTURE, VIEW] {
        site.create(missing, PNG).unwrap();
        fs::remove_file(site.path(missing)).unwrap();
    }
    let orphans = ["var/site/cache/public/orphan.css", TEXT, "var/site/storage/images/orphan.png"];
    for orphan in orphans {
        site.foreign_file(orphan, b"orphan");
    }
    // Legacy's own: views with their files, files of theirs without a row.
    site.create("var/site/cache/content/good.cache", b"view").unwrap();
    site.foreign_file("var/site/cache/content/left.cache", b"view");
    // A row in the table of others is not found, but the options may be wrong: its file stays.
    put_without(&site, "var/site/cache/public/before.css", b"before");

    let (seen, findings) = fsck(&site, options(&[]));
    let mut expected = vec![
        (Fault::MissingFile, "var/site/cache/public/missing.css"),
        (Fault::OrphanFile, "var/site/cache/public/before.css"),
        (Fault::MissingFile, PICTURE),
    ];
    expected.extend(orphans.map(|path| (Fault::OrphanFile, path)));
    expected.retain(|(_, path)| *path != TEXT);
    expected.sort_by_key(|(_, path)| *path);
    assert_eq!(pairs(&findings), expected);
    assert_eq!(seen.foreign_rows, 2, "the views");

    let (_, repaired) = fsck(&site, options(&[Fault::MissingFile, Fault::OrphanFile]));
    assert_eq!(pairs(&repaired), expected);
    let before = (Fault::OrphanFile, "var/site/cache/public/before.css");
    assert_eq!(pairs(&fsck(&site, options(&[])).1), [before]);
    site.db.sql(&format!("DELETE FROM ezdfsfile WHERE name = '{}'", before.1));
    fsck(&site, options(&[Fault::OrphanFile]));
    assert_eq!(pairs(&fsck(&site, options(&[])).1), []);
    assert!(!names(&site, CACHES).contains(&"var/site/cache/public/missing.css".to_owned()));
    assert_eq!((names(&site, CACHES).len(), names(&site, "ezdfsfile").len()), (22, 20));
    for (path, is_there) in
        [(orphans[0], false), (TEXT, true), ("var/site/cache/content/left.cache", true)]
    {
        assert_eq!(site.path(path).exists(), is_there, "{path}");
    }
}

fn cli(db: TestDb) -> Cli {
    let cli = Cli::new(Some(db));
    assert_eq!(cli.code(&["schema", "--create", "--cache-table", CACHES]), 0);
    cli
}

/// With the table of caches.
fn run(cli: &Cli, arguments: &[&str]) -> serde_json::Value {
    cli.json(&[arguments, &["--cache-table", CACHES, "--json"]].concat()).pop().unwrap()
}

fn lay(cli: &Cli, path: &str, bytes: &[u8]) {
    let path = cli.root().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn imported(db: TestDb) {
    let cli = cli(db);
    for (path, bytes) in
        [(STYLE, &b"a { color: red }"[..]), (TEXT, PNG), (VIEW, b"view"), (PICTURE, PNG)]
    {
        lay(&cli, path, bytes);
    }
    let root = cli.root();
    let import = ["import", root.to_str().unwrap()];
    let first = run(&cli, &import);
    assert_eq!(
        (&first["added"], &first["skipped"], &first["failed"]),
        (&json!(3), &json!(1), &json!(0))
    );
    let again = run(&cli, &import);
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(3)));
    assert_eq!(names_by(&cli.dsn, CACHES), [STYLE, TEXT]);
    assert_eq!(names_by(&cli.dsn, "ezdfsfile"), [PICTURE]);
}

fn purged(db: TestDb) {
    let cli = cli(db);
    for (path, bytes) in [(STYLE, &b"style"[..]), (VIEW, b"view"), (PICTURE, PNG)] {
        lay(&cli, "source", bytes);
        let source = cli.root().join("source");
        run(&cli, &["put", path, source.to_str().unwrap()]);
        fs::remove_file(source).unwrap();
    }
    for (table, path) in [(CACHES, STYLE), (CACHES, VIEW), ("ezdfsfile", PICTURE)] {
        cli.sql(&format!(
            "UPDATE {table} SET mtime = -mtime, expired = TRUE WHERE name_hash = '{}'",
            md5(path)
        ));
    }
    let state = cli.dir.path().join("state");
    // The first looks, the second finds that the grace is over.
    let purge = ["purge", "--grace", "0s", "--state", state.to_str().unwrap()];
    let purged = run(&cli, &purge);
    assert_eq!(
        (&purged["due"], &purged["files"], &purged["foreign"]),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!(
        (names_by(&cli.dsn, CACHES), names_by(&cli.dsn, "ezdfsfile")),
        (vec![VIEW.to_owned()], vec![])
    );
    assert!(!cli.root().join(STYLE).exists() && cli.root().join(VIEW).exists());

    run(&cli, &["restore"]);
    assert_eq!(names_by(&cli.dsn, CACHES), [VIEW, STYLE]);
    assert_eq!(names_by(&cli.dsn, "ezdfsfile"), [PICTURE]);
    assert_eq!(fs::read(cli.root().join(STYLE)).unwrap(), b"style");
}

fn served(db: TestDb) -> Result {
    let dir = scratch();
    // For workers of another user.
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let root = dir.path().join("mount");
    fs::create_dir(&root)?;
    let store = |cache_table| -> Result<Store> {
        let mut options = Options::builder();
        options.set("dsn", &db.dsn)?.set("root", &root.to_string_lossy())?;
        options.set("cache_table", cache_table)?;
        Ok(Store::new(options.build()?))
    };
    let on = store(CACHES)?;
    on.create_schema()?;
    let types =
        [(STYLE, "text/css"), (TEXT, "image/png"), (VIEW, "misc/view"), (PICTURE, "image/png")];
    for (name, mime) in types {
        let mime_type = Some(mime);
        on.create(
            &id(name),
            &mut name.as_bytes(),
            &CreateOptions { mime_type, ..Default::default() },
        )?;
    }
    // By the main table there is this one, which is not its to say.
    let before = "var/site/cache/public/before.png";
    store("")?.create(&id(before), &mut &b"before"[..], &CreateOptions::default())?;
    let nginx = |option| serve(&db, &root, option);

    let server = nginx("cache_table ezdfsfile_cache; cache_ttl 0;")?;
    for (name, mime) in [(STYLE, "text/css"), (TEXT, "image/png"), (PICTURE, "image/png")] {
        let answer = get(server.port(), &format!("/{name}"));
        assert_eq!((answer.status, &*answer.body), (200, name.as_bytes()), "{name}");
        assert_eq!(answer.header("Content-Type"), Some(mime), "{name}");
        assert_eq!(answer.header("Content-Disposition"), None, "{name}");
    }
    for name in [VIEW, before, "var/site/cache/public/never.png"] {
        assert_eq!(get(server.port(), &format!("/{name}")).status, 404, "{name}");
    }
    on.delete(&id(TEXT))?;
    assert_eq!(get(server.port(), &format!("/{TEXT}")).status, 404);
    // Whether it is there cannot be told then.
    db.sql("DROP TABLE ezdfsfile_cache");
    assert_eq!(get(server.port(), &format!("/{STYLE}")).status, 503);
    assert_eq!(get(server.port(), &format!("/{PICTURE}")).status, 200);

    let without = nginx("")?;
    for (name, status) in [(STYLE, 404), (before, 404), (VIEW, 404), (PICTURE, 200)] {
        assert_eq!(get(without.port(), &format!("/{name}")).status, status, "{name}");
    }
    Ok(())
}

fn serve(db: &TestDb, root: &Path, options: &str) -> Result<Nginx> {
    let (dsn, root) = (&db.dsn, root.display());
    Nginx::with_module()
        .http(&format!("ezdfs_store main {{ dsn {dsn}; root {root}; {options} }}\n"))
        .server("location /var/ { ezdfs main; }")
        .start()
}
