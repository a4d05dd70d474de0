//! How far a command has come, on terminals of any width.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

use super::Cli;
use crate::store::md5;
use crate::support::Group;

pub(super) fn register(group: &mut Group<'_>) {
    group.add("progress_is_one_line_of_any_terminal", |_| one_line());
    group.add("progress_tells_each_phase", |_| phases());
    group.add("progress_of_a_copy_is_in_bytes", |_| bytes());
}

/// What a command shows on a terminal of so many columns.
fn shown(cli: &Cli, columns: u16, arguments: &[&str]) -> String {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let mut command = cli.with_store(arguments);
    command.env("TERM", "xterm").stdout(Stdio::null()).stderr(pty.slave);
    let mut child = command.spawn().unwrap();
    // This process's end of the terminal is closed with it.
    drop(command);
    let mut bytes = Vec::new();
    // That nobody has the other end any more a terminal says by an error.
    let _ = File::from(pty.master).read_to_end(&mut bytes);
    assert_eq!(child.wait().unwrap().code(), Some(0));
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
    let root = cli.root();
    let import = ["import", root.to_str().unwrap()];
    let ends = [(20, "% 0/s 0s"), (40, "0% 0/s 0s"), (80, " 0/20 0% 0/s 0s to go")];
    for (columns, end) in ends {
        let shown = shown(&cli, columns, &import);
        let lines = lines(&shown);
        let longest = lines.iter().map(|line| line.chars().count()).max();
        assert!(longest <= Some(columns.into()), "{columns} columns: {lines:#?}");
        let is_all = |line: &String| line.contains(" regist") && line.ends_with(end);
        assert!(lines.iter().any(is_all), "{columns} columns: {lines:#?}");
    }
    for quiet in [&["--quiet"][..], &["--log-format", "json"]] {
        assert_eq!(shown(&cli, 80, &[&import, quiet].concat()), "", "{quiet:?}");
    }
}

fn bytes() {
    let cli = Cli::new(None);
    let (source, tree) = (cli.dir.path().join("source"), cli.dir.path().join("tree"));
    fs::write(&source, vec![1; 200_000]).unwrap();
    fs::create_dir(&tree).unwrap();
    for number in 0..3 {
        let id = format!("images/{number}.jpg");
        cli.text(&["put", &id, source.to_str().unwrap()]);
    }
    let copy = ["copy", "-", tree.to_str().unwrap(), "--max-rate", "300k", "--jobs", "1"];
    let lines = lines(&shown(&cli, 80, &copy));
    let tells = |line: &String| {
        line.contains(" copying") && line.contains("/585.94 KiB ") && line.ends_with(" to go")
    };
    assert!(lines.iter().any(tells), "{lines:#?}");
}

/// Rows are many enough to be counted while they are read.
fn phases() {
    let cli = Cli::new(None);
    for number in 0..3 {
        cli.text(&["put", &format!("images/{number}.jpg"), "/dev/null"]);
    }
    let rows: Vec<_> = (0..5000)
        .map(|number| {
            let name = format!("images/deleted/{number}.jpg");
            format!("('{name}', '{name}', '{}', 'image/png', 'image', 1, -1500000000)", md5(&name))
        })
        .collect();
    let columns = "name, name_trunk, name_hash, datatype, scope, size, mtime";
    cli.sql(&format!("INSERT INTO ezdfsfile ({columns}) VALUES {}", rows.join(", ")));
    let shown = shown(&cli, 80, &["fsck"]);
    for words in [" reading rows ", " comparing rows and files ", " 0/5003 0% 0/s 0s to go"] {
        assert!(shown.contains(words), "{words}: {shown:?}");
    }
}
