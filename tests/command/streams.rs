//! Where bytes come from and go to: files that are whole or as they were, and streams that are
//! closed.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::{Command, Output, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Cli, stderr};
use crate::support::{Group, built};

pub(super) fn register(group: &mut Group<'_>) {
    group.add("get_writes_a_whole_file_or_none", |_| whole_or_none());
    group.add("get_writes_to_where_its_target_leads", |_| where_it_leads());
    group.add("a_closed_output_is_an_error", |_| closed_output());
    group.add("a_closed_input_is_no_empty_file", |_| closed_input());
}

const ID: &str = "images/a";

/// More than is read at a time.
fn bytes() -> Vec<u8> {
    b"0123456789abcdef".repeat(20_000)
}

fn stored() -> Cli {
    let cli = Cli::new(None);
    let source = cli.dir.path().join("source");
    fs::write(&source, bytes()).unwrap();
    cli.text(&["put", ID, source.to_str().unwrap()]);
    cli
}

/// Runs the command by a shell, with what that does before.
fn shell(cli: &Cli, before: &str, arguments: &str) -> Output {
    by_shell(cli, before, arguments).output().unwrap()
}

fn by_shell(cli: &Cli, before: &str, arguments: &str) -> Command {
    let script = format!("{before} exec {} {arguments}", built("ezdfs").display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(cli.dir.path()).env_clear().stdin(Stdio::null());
    command.env("EZDFS_DSN", &cli.dsn).env("EZDFS_ROOT", cli.root());
    command
}

fn names(cli: &Cli) -> Vec<String> {
    let entries = fs::read_dir(cli.dir.path().join("targets")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn whole_or_none() {
    let cli = stored();
    let targets = cli.dir.path().join("targets");
    fs::create_dir(&targets).unwrap();
    let (new, old) = (targets.join("new"), targets.join("old"));
    let output = shell(&cli, "umask 027;", "get images/a targets/new");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!((fs::read(&new).unwrap(), mode(&new)), (bytes(), 0o640));

    fs::write(&old, b"old").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
    // A limit ends the writing in the middle; a file that is missing ends it before.
    let limited = shell(&cli, "trap '' XFSZ; ulimit -f 200;", "get images/a targets/old");
    assert_eq!(limited.status.code(), Some(5), "{}", stderr(&limited));
    assert!(stderr(&limited).contains("targets/old"), "{}", stderr(&limited));
    assert_eq!(cli.code(&["get", "images/missing", "targets/old"]), 1);
    fs::rename(cli.root().join(ID), cli.dir.path().join("away")).unwrap();
    fs::write(cli.root().join("images/other"), b"x").unwrap();
    assert_eq!(cli.code(&["get", ID, "targets/old"]), 1);
    fs::rename(cli.dir.path().join("away"), cli.root().join(ID)).unwrap();
    assert_eq!(
        (fs::read(&old).unwrap(), names(&cli)),
        (b"old".to_vec(), vec!["new".to_owned(), "old".to_owned()])
    );

    cli.text(&["get", ID, "targets/old"]);
    assert_eq!((fs::read(&old).unwrap(), mode(&old)), (bytes(), 0o600), "no more may read it");
    assert_eq!(names(&cli), ["new", "old"]);
    assert_eq!(cli.code(&["get", ID, "targets"]), 5);
    assert_eq!(cli.code(&["get", ID, "nowhere/new"]), 5);
}

fn where_it_leads() {
    let cli = stored();
    let dir = cli.dir.path();
    fs::write(dir.join("file"), b"old").unwrap();
    symlink("file", dir.join("link")).unwrap();
    cli.text(&["get", ID, "link"]);
    assert!(dir.join("link").is_symlink());
    assert_eq!(fs::read(dir.join("file")).unwrap(), bytes());
    symlink("not-yet", dir.join("dangling")).unwrap();
    cli.text(&["get", ID, "dangling"]);
    assert_eq!(fs::read(dir.join("not-yet")).unwrap(), bytes());
    symlink("loop", dir.join("loop")).unwrap();
    assert_eq!(cli.code(&["get", ID, "loop"]), 5);

    mkfifo(&dir.join("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
    let read = std::thread::spawn({
        let pipe = dir.join("pipe");
        move || fs::read(pipe).unwrap()
    });
    cli.text(&["get", ID, "pipe"]);
    assert_eq!(read.join().unwrap(), bytes());
    assert!(fs::metadata(dir.join("pipe")).unwrap().file_type().is_fifo());
    let output = cli.run(&["get", ID, "/dev/stdout"]);
    assert_eq!(output.stdout, bytes());
    cli.text(&["get", ID, "/dev/null"]);
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());

    // A link that leads to a stored file.
    symlink(cli.root().join(ID), dir.join("inside")).unwrap();
    for arguments in [
        &["get", ID, "inside"][..],
        &["fsck", "--report", "inside"],
        &["purge", "--state", "inside"],
    ] {
        let output = cli.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("lies in the root"), "{}", stderr(&output));
        assert_eq!(fs::read(cli.root().join(ID)).unwrap(), bytes());
    }
}

/// As GNU's commands: a reader that goes away ends them as SIGPIPE does, without a word; where that is
/// ignored, and where the output was never open, it is an error.
fn closed_output() {
    let cli = stored();
    for arguments in ["get images/a", "ls", "stat images/a --json", "--help", "--version"] {
        for close in [">&-", "1</dev/null"] {
            let output = shell(&cli, "", &format!("{arguments} {close}"));
            assert_eq!(output.status.code(), Some(5), "{arguments} {close}: {}", stderr(&output));
            let told = stderr(&output);
            assert!(told.contains("standard output"), "{arguments} {close}: {told}");
            assert!(told.contains("EBADF"), "{arguments} {close}: {told}");
        }
        let full = shell(&cli, "", &format!("{arguments} >/dev/full"));
        assert_eq!(full.status.code(), Some(8), "{arguments}: {}", stderr(&full));
        for (before, code, words) in [("", 141, ""), ("trap '' PIPE;", 5, "Broken pipe")] {
            let output = unread(&cli, before, arguments);
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
            assert_eq!(told.is_empty(), words.is_empty(), "{arguments}: {told}");
            assert!(told.contains(words), "{arguments}: {told}");
        }
    }
    // Who has nothing to say needs no output.
    let output = shell(&cli, "", "put images/b source >&-");
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Runs it with an output that nobody reads.
fn unread(cli: &Cli, before: &str, arguments: &str) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = by_shell(cli, before, arguments);
    command.stdout(writer).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

fn closed_input() {
    let cli = stored();
    for close in ["<&-", "0>/dev/null"] {
        let output = shell(&cli, "", &format!("put images/b {close}"));
        assert_eq!(output.status.code(), Some(2), "{close}: {}", stderr(&output));
        assert!(stderr(&output).contains("standard input"), "{}", stderr(&output));
        assert_eq!(cli.text(&["ls"]), "images/a\n");
    }
    let source = File::open(cli.dir.path().join("source")).unwrap();
    assert!(cli.with_store(&["put", "images/b"]).stdin(source).status().unwrap().success());
    assert_eq!(cli.run(&["get", "images/b"]).stdout, bytes());
}
