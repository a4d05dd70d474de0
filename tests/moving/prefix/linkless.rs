//! A file system without hard links.

use std::process::{Command, Stdio};

use nix::errno::Errno;

use super::{NEW, OLD, another, content, new, old, read, site, state};
use crate::command::stderr;
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::compiled;
use crate::support::{Group, Result};

pub(in crate::moving) fn register(group: &mut Group<'_>) {
    group.add("without_hard_links_files_are_moved_at_the_end", |_| linkless());
}

/// There a file loses its old name when it gets the new one.
fn linkless() -> Result {
    let site = site(TestDb::on_sqlite()?, 300)?;
    let without_links = |options: &[&str]| -> Result<(bool, String)> {
        let mut command = Command::new(compiled("refuse"));
        command.args([&(Errno::EPERM as i32).to_string(), "linkat"]);
        command.arg(env!("CARGO_BIN_EXE_ezdfs")).args(["rename-prefix", OLD, NEW]).args(options);
        command.env_clear().env("EZDFS_DSN", &site.db.dsn).env("EZDFS_ROOT", site.root());
        let output = command.stdin(Stdio::null()).output()?;
        Ok((output.status.success(), stderr(&output)))
    };
    let before = state(&site);
    let (is_done, said) = without_links(&[])?;
    assert!(!is_done && said.contains("no hard links"), "{said}");
    assert_eq!(state(&site), before);
    let (is_done, said) = without_links(&["--finish"])?;
    assert!(is_done, "{said}");
    let reader = another(&site);
    for number in 0..300 {
        assert_eq!(read(&reader, &new(number))?, Some(content(number).into_bytes()));
        assert_eq!(read(&reader, &old(number))?, None);
    }
    assert!(!site.path(OLD).exists());
    injected("no hard links where a prefix is renamed", "the files are moved at the end");
    Ok(())
}
