//! What is not mounted is never "not found", and costs no row.

use std::fs;
use std::process::{Command, Stdio};

use ezdfs::{ErrorKind, Options, Store};

use super::{found, lines};
use crate::command::{Cli, stderr};
use crate::store::{id, refused};
use crate::support::db::TestDb;
use crate::support::{Need, Trials};

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("hands", &[Need::COMMAND]);
    group.per_database("a_nested_mount_that_is_gone_is_not_missing_files", nested);
    group.per_database("a_root_that_is_gone_takes_no_file_and_stays_so", root_gone);
    group.per_database("what_mount_points_hold_does_not_pass_for_a_mount", mount_points);
    group.per_database("a_marker_says_whether_the_root_is_mounted", marker);
    group.per_database("most_files_missing_is_told_and_not_repaired", most_missing);
    let programs = Need::Programs(&["unshare", "mount"]);
    let mut group = trials.group("hands", &[Need::COMMAND, programs]);
    group.per_database("a_mount_of_its_own_is_not_checked_from_outside", another_mount);
}

impl Cli {
    /// The same store in this process.
    pub(super) fn library(&self, options: &[(&str, &str)]) -> Store {
        let mut builder = Options::builder();
        builder.set("dsn", &self.dsn).unwrap();
        builder.set("root", self.root().to_str().unwrap()).unwrap();
        for (key, value) in options {
            builder.set(key, value).unwrap();
        }
        Store::new(builder.build().unwrap())
    }
}

fn site(db: TestDb, second: usize) -> Cli {
    let cli = Cli::new(Some(db));
    for number in 0..6 {
        cli.store(&format!("var/site1/storage/images/{number}.jpg"), b"first");
    }
    for number in 0..second {
        cli.store(&format!("var/site2/storage/images/{number}.jpg"), b"second");
    }
    cli
}

fn nested(db: TestDb) {
    let cli = site(db, 4);
    let (mount, aside) = (cli.path("var/site2"), cli.dir.path().join("aside"));
    fs::rename(&mount, &aside).unwrap();
    for is_there in [true, false] {
        if is_there {
            fs::create_dir(&mount).unwrap();
        } else {
            fs::remove_dir(&mount).unwrap();
        }
        let before = cli.state();
        for repair in [&[][..], &["missing-file"], &["all"]] {
            let objects = cli.check(repair, 7);
            let classes: Vec<_> = found(&objects).iter().map(|(class, _)| *class).collect();
            assert_eq!(classes, ["not-mounted"], "{objects:?}");
            let path = objects[0]["path"].as_str().unwrap();
            assert!(path.starts_with("var/site2/"), "{path}");
            assert!(objects[0]["detail"].as_str().unwrap().contains("4 live rows"), "{objects:?}");
        }
        assert_eq!(cli.state(), before);

        let asked = "var/site2/storage/images/1.jpg";
        assert_eq!(cli.code(&["get", asked]), 3);
        refused(cli.library(&[]).open(&id(asked)), ErrorKind::Unavailable);
        cli.refuses(&["rm", asked], 3, &["share mounted there"]);
        cli.refuses(&["rm", "-r", "var/site2/storage/images"], 3, &["share mounted there"]);
        // What is written there would pass for the share, and hide below it later.
        let mut ids = vec![asked, "var/site2/storage/images/new/a.jpg"];
        if is_there {
            ids.extend(["var/site2/a.jpg", "var/site2/storage/original/a.pdf"]);
        }
        for new in ids {
            cli.refuses(&["put", new, "/dev/null"], 3, &["share mounted there"]);
            cli.refuses(
                &["mv", "var/site1/storage/images/1.jpg", new],
                3,
                &["share mounted there"],
            );
        }
        // Nobody knows this name, mounted or not; and the others are served.
        assert_eq!(cli.code(&["get", "var/site2/storage/images/unknown.jpg"]), 1);
        assert_eq!(cli.read("var/site1/storage/images/1.jpg"), b"first");
    }
    fs::rename(&aside, &mount).unwrap();
    assert_eq!(cli.read("var/site2/storage/images/1.jpg"), b"second");
    cli.check(&["all"], 0);

    // One picture that is gone from a directory of others is missing, and said to be.
    fs::remove_file(cli.path("var/site2/storage/images/1.jpg")).unwrap();
    assert_eq!(cli.code(&["get", "var/site2/storage/images/1.jpg"]), 1);
    refused(cli.library(&[]).open(&id("var/site2/storage/images/1.jpg")), ErrorKind::NotFound);
}

fn root_gone(db: TestDb) {
    let cli = site(db, 1);
    let aside = cli.dir.path().join("aside");
    fs::rename(cli.root(), &aside).unwrap();
    fs::create_dir(cli.root()).unwrap();
    let source = cli.dir.path().join("source");
    fs::write(&source, b"new").unwrap();
    // An id without a slash needs no directory.
    for new in ["toplevel", "images/new.jpg"] {
        cli.refuses(&["put", new, source.to_str().unwrap()], 3, &["is the share mounted"]);
        assert_eq!(cli.code(&["get", "var/site1/storage/images/1.jpg"]), 3);
        cli.refuses(&["rm", "var/site1/storage/images/1.jpg"], 3, &["is the share mounted"]);
    }
    fs::remove_dir(cli.root()).unwrap();
    fs::rename(&aside, cli.root()).unwrap();
    cli.check(&["all"], 0);
}

fn mount_points(db: TestDb) {
    let cli = site(db, 1);
    let aside = cli.dir.path().join("aside");
    fs::rename(cli.root(), &aside).unwrap();
    for content in [".keep", "lost+found/", ".ezdfs-trash/", ".nfs0001"] {
        match content.strip_suffix('/') {
            Some(directory) => fs::create_dir_all(cli.path(directory)).unwrap(),
            None => cli.lay(content, b""),
        }
        let state = cli.dir.path().join("state");
        let purge = ["purge", "--grace", "0s", "--state", state.to_str().unwrap()];
        for arguments in [
            &["put", "images/new.jpg", "/dev/null"][..],
            &["get", "var/site1/storage/images/1.jpg"],
            &["rm", "var/site1/storage/images/1.jpg"],
            &["rm", "-r", "var/site1/storage/images"],
            &["fsck", "--repair", "all"],
            &purge,
            &["import", cli.root().to_str().unwrap()],
        ] {
            cli.refuses(arguments, 3, &["is the share mounted"]);
        }
        fs::remove_dir_all(cli.root()).unwrap();
        fs::create_dir(cli.root()).unwrap();
    }
}

fn marker(db: TestDb) {
    let cli = site(db, 1);
    cli.lay("etc/mounted", b"");
    let with = |arguments: &[&str]| -> Vec<String> {
        let marker = ["--mount-marker", "etc/mounted"];
        arguments.iter().chain(&marker).map(|word| (*word).to_owned()).collect()
    };
    let code = |arguments: &[&str]| {
        let arguments = with(arguments);
        cli.code(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let asked = "var/site1/storage/images/1.jpg";
    assert_eq!((code(&["get", asked]), code(&["fsck", "--grace", "0s"])), (0, 0));
    let aside = cli.dir.path().join("aside");
    fs::rename(cli.root(), &aside).unwrap();
    // Files that somebody has written below the bare mount point.
    cli.lay("var/site1/storage/images/local.jpg", b"on the wrong disk");
    let arguments = with(&["get", asked]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    cli.refuses(&arguments, 3, &["etc/mounted", "mount_marker"]);
    for arguments in [
        &["put", "images/new.jpg", "/dev/null"][..],
        &["rm", asked],
        &["rm", "-r", "var/site1/storage/images"],
        &["fsck", "--repair", "all", "--grace", "0s"],
    ] {
        let before = cli.state();
        assert_eq!((code(arguments), cli.state()), (3, before), "{arguments:?}");
    }
    refused(
        cli.library(&[("mount_marker", "etc/mounted")]).open(&id(asked)),
        ErrorKind::Unavailable,
    );
    assert_eq!(cli.code(&["get", asked, "--mount-marker", "../outside"]), 2);
}

/// Of a whole that is large enough to be judged.
fn most_missing(db: TestDb) {
    let cli = site(db, 14);
    for number in 1..14 {
        fs::remove_file(cli.path(format!("var/site2/storage/images/{number}.jpg"))).unwrap();
    }
    let before = cli.state();
    let objects = cli.check(&["all"], 7);
    assert!(found(&objects).iter().all(|(class, _)| *class == "not-mounted"), "{objects:?}");
    assert!(objects[0]["detail"].as_str().unwrap().contains("13 have no file"), "{objects:?}");
    assert_eq!(cli.state(), before);
    // Who knows that they are gone says so.
    let all = ["--max-missing", "100"];
    let repair = [&super::FSCK[..], &["--repair", "missing-file"], &all].concat();
    let objects = cli.ends(&repair, 0);
    assert_eq!(objects.iter().filter(|one| one["repaired"] == true).count(), 13);
    assert_eq!(cli.rows().len(), 7);
    cli.ends(&["restore", "--json"], 0);
    assert_eq!(cli.state(), before);
}

/// Mounts something in a namespace of its own while the command runs.
fn another_mount(db: TestDb) {
    let cli = site(db, 4);
    let mount = cli.path("var/site2");
    let run = |arguments: &[&str]| {
        let bare = cli.bare(arguments);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg("mount -t tmpfs none \"$0\" && : > \"$0/other\" && exec \"$@\"").arg(&mount);
        command.arg(bare.get_program()).args(bare.get_args()).stdin(Stdio::null());
        command.env("EZDFS_DSN", &cli.dsn).env("EZDFS_ROOT", cli.root()).output().unwrap()
    };
    let before = cli.state();
    let output = run(&["fsck", "--grace", "0s", "--json", "--repair", "all"]);
    let objects = lines(&output);
    assert_eq!(output.status.code(), Some(7), "{} {objects:?}", stderr(&output));
    assert_eq!(found(&objects), [("not-mounted", "var/site2/")]);
    assert!(objects[0]["detail"].as_str().unwrap().contains("another file system"), "{objects:?}");
    let output = run(&["get", "var/site2/storage/images/1.jpg"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    // It has a run of its own, and need not be told of here.
    let output = run(&["fsck", "--grace", "0s", "--json", "--exclude", "var/site2"]);
    let objects = lines(&output);
    assert_eq!(output.status.code(), Some(0), "{} {objects:?}", stderr(&output));
    let root = mount.join("storage");
    let own = ["--root", root.to_str().unwrap(), "--name-prefix", "var/site2/storage"];
    let objects = cli.ends(&[&super::FSCK[..], &own].concat(), 0);
    assert_eq!((found(&objects), &objects[0]["rows"]), (vec![], &serde_json::json!(4)));
    assert_eq!(cli.state(), before);
}
