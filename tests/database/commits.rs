//! Commits of which the client hears nothing.

use std::time::Duration;

use ezdfs::maintenance::Fault;
use ezdfs::{Error, ErrorKind};

use super::{NEW, OLD, Sick, create};
use crate::fsck::{fsck, options};
use crate::store::{Site, id, refused, texts};
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::proxy::{Mode, Trap};
use crate::support::{Group, Result};

pub(super) fn register(group: &mut Group) {
    group.per_server("one_that_happened_unheard_is_a_success", happened_unheard);
    group.per_server("one_that_never_arrived_is_begun_again", never_arrived);
    group.per_server("one_that_arrives_late_is_a_success", arrives_late);
    group.per_server("one_that_nobody_can_tell_of_is_said_to_be_unknown", unknown);
    group.per_server("deleting_goes_on_after_one", deleting);
}

/// Row and file are of these bytes, for a reader with its own connection.
#[track_caller]
fn assert_stored(site: &Site, name: &str, bytes: &[u8]) {
    assert_eq!(site.read(name).unwrap(), bytes);
    assert_eq!(site.row("size", name), texts([&*bytes.len().to_string()]));
}

#[track_caller]
fn assert_tidy(site: &Site) {
    assert!(!site.tree().iter().any(|path| path.contains(".ezdfs-")), "{:?}", site.tree());
    let all = fsck(site, options(&[])).0;
    assert_eq!(all.remaining(), 0, "{all:?}");
}

fn happened_unheard(db: TestDb) -> Result {
    let sick = Sick::new(db, &[])?;
    let Sick { site, proxy, store } = &sick;
    proxy.trap(Trap::CutAfter);
    sick.create("images/a", OLD)?;
    assert!(proxy.has_sprung());
    assert_stored(site, "images/a", OLD);
    proxy.trap(Trap::CutAfter);
    sick.create("images/a", NEW)?;
    assert!(proxy.has_sprung());
    assert_stored(site, "images/a", NEW);
    // The target has a row already that looks like the one to come.
    let row = "UPDATE ezdfsfile SET mtime = 1700000000";
    sick.create("images/b", &NEW.to_ascii_uppercase())?;
    site.db.sql(row);
    proxy.trap(Trap::CutAfter);
    store.rename(&id("images/a"), &id("images/b"))?;
    assert!(proxy.has_sprung());
    assert_stored(site, "images/b", NEW);
    assert!(!site.another_store(&[]).exists(&id("images/a"))?);
    assert_tidy(site);
    for _ in 0..3 {
        injected("connection cut after the COMMIT, before its answer", "success: the row was read");
    }
    Ok(())
}

/// What was done on the mount is undone, and all of it begins again.
fn never_arrived(db: TestDb) -> Result {
    let sick = Sick::new(db, &[])?;
    let Sick { site, proxy, store } = &sick;
    proxy.trap(Trap::CutBefore);
    sick.create("images/1/a", OLD)?;
    assert!(proxy.has_sprung());
    assert_stored(site, "images/1/a", OLD);

    sick.create("images/b", OLD)?;
    proxy.trap(Trap::CutBefore);
    sick.create("images/b", NEW)?;
    assert!(proxy.has_sprung());
    assert_stored(site, "images/b", NEW);

    // The target looks like what would replace it.
    sick.create("images/c", &NEW.to_ascii_uppercase())?;
    site.db.sql("UPDATE ezdfsfile SET mtime = 1700000000");
    proxy.trap(Trap::CutBefore);
    store.rename(&id("images/b"), &id("images/c"))?;
    assert!(proxy.has_sprung());
    assert_stored(site, "images/c", NEW);
    assert!(!site.another_store(&[]).exists(&id("images/b"))?);
    assert_tidy(site);
    for _ in 0..3 {
        injected("connection cut before the COMMIT", "success: begun again");
    }
    Ok(())
}

/// The client reads the row before the server has read the COMMIT.
fn arrives_late(db: TestDb) -> Result {
    let sick = Sick::new(db, &[])?;
    let Sick { site, proxy, store } = &sick;
    let late = || proxy.trap(Trap::Late(Duration::from_millis(300)));
    late();
    sick.create("images/a", OLD)?;
    assert_stored(site, "images/a", OLD);
    late();
    sick.create("images/a", NEW)?;
    assert_stored(site, "images/a", NEW);
    late();
    store.rename(&id("images/a"), &id("images/b"))?;
    assert!(proxy.has_sprung());
    assert_stored(site, "images/b", NEW);
    assert!(!site.another_store(&[]).exists(&id("images/a"))?);
    assert_tidy(site);
    for _ in 0..3 {
        injected(
            "COMMIT that arrives after the client was cut off",
            "success: its lock was waited for",
        );
    }
    Ok(())
}

fn unknown(db: TestDb) -> Result {
    let sick = Sick::new(db, &[("connect_timeout", "300ms"), ("query_timeout", "300ms")])?;
    let Sick { site, proxy, .. } = &sick;
    for name in ["images/committed", "images/lost"] {
        sick.create(name, OLD)?;
    }
    site.db.sql("UPDATE ezdfsfile SET mtime = 1700000000");
    let freeze = |name: &str| {
        wait_for("a healthy store", || sick.store.exists(&id(name)).is_ok()).unwrap();
        proxy.trap(Trap::Freeze);
        let error = refused(sick.create(name, NEW), ErrorKind::Unavailable);
        assert!(proxy.has_sprung());
        is_said_to_be_unknown(&error);
        // The new file is in place, the old one is beside it.
        assert_eq!(site.read(name).unwrap(), NEW);
        assert_eq!(site.tree().iter().filter(|path| path.contains(".ezdfs-old-")).count(), 1);
    };
    let repair = [Fault::InterruptedOverwrite, Fault::StaleStaging];
    let size = NEW.len().to_string();

    // The COMMIT arrives when the line is good again.
    freeze("images/committed");
    proxy.set(Mode::Pass);
    wait_for("the commit", || site.row("size", "images/committed") == texts([&*size]))?;
    assert_eq!(fsck(site, options(&repair)).0.remaining(), 0);
    assert_stored(site, "images/committed", NEW);
    assert_tidy(site);

    // It never arrives.
    freeze("images/lost");
    proxy.cut();
    proxy.set(Mode::Pass);
    assert_eq!(site.row("size", "images/lost"), texts([&*OLD.len().to_string()]));
    assert_eq!(fsck(site, options(&repair)).0.remaining(), 0);
    assert_stored(site, "images/lost", OLD);
    assert_tidy(site);
    for _ in 0..2 {
        injected(
            "database frozen during the COMMIT",
            "error: outcome unknown; fsck makes the file that of the row",
        );
    }
    Ok(())
}

#[track_caller]
fn is_said_to_be_unknown(error: &Error) {
    assert!(error.to_string().contains("the outcome is unknown"), "{error:#}");
}

/// A delete's last transaction can be begun again, whatever became of it.
fn deleting(db: TestDb) -> Result {
    let sick = Sick::new(db, &[])?;
    let Sick { site, proxy, store } = &sick;
    for trap in [Trap::CutBefore, Trap::CutAfter, Trap::Late(Duration::from_millis(200))] {
        sick.create("images/1/a", OLD)?;
        create(store, "images/1/b", OLD)?;
        proxy.trap(trap);
        store.delete(&id("images/1/a"))?;
        assert!(proxy.has_sprung());
        assert!(!site.exists("images/1/a") && !site.path("images/1/a").exists());
        proxy.trap(trap);
        let deleted = store.delete_directory(&ezdfs::DirId::parse("images/1")?)?;
        assert!(proxy.has_sprung());
        assert_eq!((deleted.rows, deleted.files), (1, 1));
        assert_eq!(site.db.sql("SELECT count(*) FROM ezdfsfile"), texts(["0"]));
        for _ in 0..2 {
            injected("connection cut around the COMMIT of a delete", "success: begun again");
        }
    }
    Ok(())
}
