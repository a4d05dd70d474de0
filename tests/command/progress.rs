//! How far a command has come, on terminals of any width.

use std::fs;
use std::fs::File;
use std::io::Read;

use nix::pty::{Winsize, openpty};

use super::Cli;
use crate::support::Group;

pub(super) fn register(group: &mut Group<'_>) {
    group.add("progress_is_one_line_of_any_terminal", |_| one_line());
}

/// What an import shows on a terminal of so many columns.
fn shown(cli: &Cli, columns: u16, arguments: &[&str]) -> String {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let root = cli.root();
    let mut command = cli.with_store(&[&["import", root.to_str().unwrap()], arguments].concat());
    command.env("TERM", "xterm").stderr(pty.slave);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    // Its end of the terminal is closed with it.
    drop(command);
    let mut bytes = Vec::new();
    // That this is the end a terminal says by an error.
    let _ = File::from(pty.master).read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// What stands on each line, one after the other, without what moves the cursor.
fn lines(shown: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut left = shown.chars();
    while let Some(c) = left.next() {
        match c {
            '\r' | '\n' => lines.push(String::new()),
            '\x1b' => {
                let end = left.by_ref().skip(1).find(char::is_ascii_alphabetic);
                // No colours, which some terminals and people do not want.
                assert_ne!(end, Some('m'), "{shown:?}");
            }
            c => lines.last_mut().unwrap().push(c),
        }
    }
    lines
}

fn one_line() {
    let cli = Cli::new(None);
    fs::create_dir_all(cli.root().join("images")).unwrap();
    for number in 0..20 {
        fs::write(cli.root().join(format!("images/{number}")), b"bytes").unwrap();
    }
    let ends = [(20, "% 0/s 0s"), (40, "0% 0/s 0s"), (80, " 0/20 0% 0/s 0s to go")];
    for (columns, end) in ends {
        let shown = shown(&cli, columns, &[]);
        let lines = lines(&shown);
        let longest = lines.iter().map(|line| line.chars().count()).max();
        assert!(longest <= Some(columns.into()), "{columns} columns: {lines:#?}");
        let is_all = |line: &String| line.contains(" regist") && line.ends_with(end);
        assert!(lines.iter().any(is_all), "{columns} columns: {lines:#?}");
    }
    for quiet in [&["--quiet"][..], &["--log-format", "json"]] {
        assert_eq!(shown(&cli, 80, quiet), "", "{quiet:?}");
    }
}
