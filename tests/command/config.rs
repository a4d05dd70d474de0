//! Where options come from, who may have written them, and what no message says of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Output;

use ezdfs::config::VOCABULARY;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Cli, stderr};
use crate::support::Group;
use crate::support::process::is_root;

pub(super) fn register(group: &mut Group<'_>) {
    group.add("flags_go_before_environment_before_file", |_| precedence());
    group.add("no_file_of_the_current_directory_is_read", |_| current_directory());
    group.add("a_file_that_others_can_write_is_refused", |_| writable_by_others());
    group.add("a_file_of_another_user_is_refused", |_| another_owner());
    group.add("what_is_no_file_is_refused_at_once", |_| no_regular_file());
    group.add("verbose_says_which_file_was_read", |_| verbose());
    group.add("help_keeps_what_is_for_serving_apart", |_| help());
    group.add("a_broken_file_is_told_by_line", |_| broken_file());
    group.add("a_number_in_a_file_is_the_permission", |_| permissions_as_numbers());
    group.add("no_message_about_a_file_holds_the_password", |_| secrets_of_files());
    group.add("no_message_about_an_option_holds_the_password", |_| secrets_of_options());
    group.add("no_message_about_a_dsn_holds_the_password", |_| secrets_of_dsns());
    group.add("no_message_about_an_argument_holds_the_password", |_| secrets_of_arguments());
}

const SECRET: &str = "hunter2";

/// Where nobody listens, so that what gets so far ends there.
const DSN: &str = "mysql://u:hunter2@127.0.0.1:1/db";

/// In a message, nobody can tell where it ends.
const QUOTED: &str = "mysql://u:'hunter2 hunter2'@127.0.0.1:1/db";

impl Cli {
    /// A configuration file that only its owner can write, whatever the umask.
    fn configuration(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join("ezdfs.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn with_mode(&self, mode: u32) -> PathBuf {
        let path = self.configuration("cache_ttl = \"1s\"\n");
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn options(&self, root: &str) -> String {
        format!("dsn = {:?}\nroot = {root:?}\nmax_connections = 2\n", self.dsn)
    }
}

#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for word in words {
        assert!(told.contains(word), "no {word} in {told}");
    }
}

#[track_caller]
fn keeps_the_secret(output: &Output, what: &str) {
    let told = [&output.stdout[..], &output.stderr[..]].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(!output.status.success(), "{what} is taken: {told}");
    assert!(!output.stderr.is_empty(), "{what}: nothing is said");
    assert!(!told.contains(SECRET), "{what}: {told}");
}

fn precedence() {
    let cli = Cli::new(None);
    let root = cli.root();
    let root = root.to_str().unwrap();
    let file = cli.configuration(cli.options(root));
    let by_flag = cli.bare(&["ls", "--config"]).arg(&file).output().unwrap();
    assert!(by_flag.status.success(), "by the file alone: {}", stderr(&by_flag));

    cli.configuration(cli.options("/nonexistent"));
    let put = || {
        let mut command = cli.bare(&["put", "images/a"]);
        command.env("EZDFS_CONFIG", &file);
        command
    };
    assert_eq!(put().output().unwrap().status.code(), Some(3));
    assert_eq!(put().env("EZDFS_ROOT", root).output().unwrap().status.code(), Some(0));
    let output = put().env("EZDFS_ROOT", root).args(["--root", "/nonexistent"]).output();
    assert_eq!(output.unwrap().status.code(), Some(3));
    let other = cli.dir.path().join("missing.toml");
    refused(&put().arg("--config").arg(&other).output().unwrap(), &["missing.toml"]);

    cli.configuration("tabel = \"x\"\n");
    refused(&put().output().unwrap(), &["ezdfs.toml", "tabel"]);
    let output = cli.bare(&["ls"]).env("EZDFS_CASHE_TTL", "1s").output().unwrap();
    refused(&output, &["EZDFS_CASHE_TTL"]);
    fs::write(cli.dir.path().join("dsn"), format!("{}\n", cli.dsn)).unwrap();
    let dsn = format!("file:{}/dsn", cli.dir.path().display());
    assert!(cli.bare(&["ls", "--dsn", &dsn, "--root", root]).output().unwrap().status.success());
}

/// It may be anybody's: a directory is entered to look after its files, not to obey them.
fn current_directory() {
    let cli = Cli::new(None);
    cli.configuration("root = \"/nonexistent\"\nno_such_option = 1\n");
    let output = cli.run(&["ls"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

fn writable_by_others() {
    let cli = Cli::new(None);
    for mode in [0o620, 0o602, 0o664, 0o666, 0o722] {
        let file = cli.with_mode(mode);
        let words = [file.to_str().unwrap(), "chmod go-w"];
        refused(&cli.with_store(&["ls", "--config"]).arg(&file).output().unwrap(), &words);
        refused(&cli.with_store(&["ls"]).env("EZDFS_CONFIG", &file).output().unwrap(), &words);
    }
    for mode in [0o400, 0o600, 0o640, 0o644, 0o755] {
        let file = cli.with_mode(mode);
        let output = cli.with_store(&["ls"]).env("EZDFS_CONFIG", &file).output().unwrap();
        assert!(output.status.success(), "{mode:o}: {}", stderr(&output));
    }
    // What counts is the file, whatever the name leads through.
    let file = cli.with_mode(0o666);
    let link = cli.dir.path().join("link.toml");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    refused(&cli.with_store(&["ls", "--config"]).arg(&link).output().unwrap(), &["link.toml"]);
}

fn another_owner() {
    // Nobody else can give a file away.
    if !is_root() {
        return;
    }
    let cli = Cli::new(None);
    let file = cli.with_mode(0o644);
    chown(&file, Some(65534), Some(65534)).unwrap();
    let output = cli.with_store(&["ls", "--config"]).arg(&file).output().unwrap();
    refused(&output, &[file.to_str().unwrap(), "65534"]);
}

fn no_regular_file() {
    let cli = Cli::new(None);
    let pipe = cli.dir.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    for path in [pipe.to_str().unwrap(), cli.root().to_str().unwrap(), "/dev/null"] {
        refused(&cli.run(&["ls", "--config", path]), &[path, "regular file"]);
    }
}

fn verbose() {
    let cli = Cli::new(None);
    let file = cli.with_mode(0o600);
    let said = format!("ezdfs: options from {}\n", file.display());
    for flags in [&["-v", "ls"][..], &["ls", "--verbose"]] {
        let output = cli.with_store(flags).env("EZDFS_CONFIG", &file).output().unwrap();
        assert!(output.status.success());
        assert!(stderr(&output).starts_with(&said), "{}", stderr(&output));
    }
    assert_eq!(stderr(&cli.with_store(&["ls", "--config"]).arg(&file).output().unwrap()), "");
    // Also where the file is of no use.
    cli.configuration("tabel = \"x\"\n");
    let output = cli.with_store(&["ls", "-v"]).env("EZDFS_CONFIG", &file).output().unwrap();
    refused(&output, &[&said, "tabel"]);

    let default = "/etc/ezdfs/ezdfs.toml";
    let output = cli.run(&["ls", "-v"]);
    match fs::exists(default).unwrap() {
        true => assert!(stderr(&output).contains(default), "{}", stderr(&output)),
        false => assert!(stderr(&output).starts_with("ezdfs: no configuration file\n")),
    }
}

fn help() {
    let cli = Cli::new(None);
    let text = cli.text(&["stat", "--help"]);
    let (usual, serving) = text.split_once("Store options for doors that serve").unwrap();
    for (part, options) in [
        (usual, ["--dsn", "--root", "--json"]),
        (serving, ["--cache-size", "--cache-ttl", "--stale-if-error"]),
    ] {
        for option in options {
            assert!(part.contains(option), "{option}: {text}");
        }
    }
    assert!(!usual.contains("--cache"), "{text}");
    let short = cli.text(&["stat", "-h"]);
    assert!(short.contains("--dsn") && !short.contains("--cache"), "{short}");
}

fn broken_file() {
    let cli = Cli::new(None);
    for (text, words) in [
        ("root = \"/\"\ndsn = mysql://h/db\n", &["line 2", "column 7", "quotes"][..]),
        ("\n\n x", &["line 3", "column"]),
        ("dsn = [\"sqlite:/x\"]\n", &["\"dsn\"", "whole number"]),
        ("[root]\npath = \"/\"\n", &["\"root\"", "whole number"]),
        ("cache_files = 0.5\n", &["\"cache_files\"", "whole number"]),
    ] {
        let file = cli.configuration(text);
        let output = cli.with_store(&["ls"]).env("EZDFS_CONFIG", &file).output().unwrap();
        refused(&output, &[&[file.to_str().unwrap()], words].concat());
    }
}

/// TOML has octal literals: their digits are read before ezdfs sees them.
fn permissions_as_numbers() {
    let cli = Cli::new(None);
    let with_file = |text: &str| {
        let file = cli.configuration(text);
        cli.with_store(&["put", "images/1/a"]).env("EZDFS_CONFIG", &file).output().unwrap()
    };
    for text in
        ["file_mode = 0o640\ndir_mode = 0o750\n", "file_mode = \"0640\"\ndir_mode = \"750\"\n"]
    {
        let output = with_file(text);
        assert!(output.status.success(), "{text}: {}", stderr(&output));
        let mode = |path: &str| cli.root().join(path).metadata().unwrap().permissions().mode();
        assert_eq!((mode("images/1/a") & 0o7777, mode("images/1") & 0o7777), (0o640, 0o750));
    }
    refused(&with_file("file_mode = 644\n"), &["file_mode", "644 is 1204 in octal", "'0644'"]);
    refused(&with_file("dir_mode = 755\n"), &["dir_mode", "755 is 1363 in octal", "'0755'"]);
    refused(&with_file("file_mode = -1\n"), &["file_mode", "-1 is 17"]);
}

fn secrets_of_files() {
    let cli = Cli::new(None);
    let good = format!("dsn = \"{DSN}\"");
    let mut texts = vec![
        format!("dsn = {DSN}"),
        format!("dsn = {SECRET}"),
        format!("dsn = \"{DSN}"),
        format!("dsn = '{DSN}\"\n"),
        format!("dsn = \"\\{DSN}\""),
        format!("dsn {DSN}"),
        format!("dsn: \"{DSN}\""),
        format!("dsn = [\"{DSN}\"]"),
        format!("dsn = {{ url = \"{DSN}\" }}"),
        format!("[dsn]\nurl = \"{DSN}\""),
        format!("[\"{DSN}\"]\nx = 1"),
        format!("\"{DSN}\" = 1"),
        format!("\"{DSN}\" = 1.5"),
        format!("\"{DSN}\" = \"x\"\n\"{DSN}\" = \"x\""),
        format!("{SECRET} = \"x\""),
        format!("{SECRET} = true"),
        DSN.to_owned(),
        format!("{good}\n{good}"),
        format!("{good} x"),
        format!("{good}\nbroken"),
        format!("broken\n{good}"),
        format!("{good}\r{good}"),
        format!("[a\n{good}"),
    ];
    texts.extend(VOCABULARY.iter().map(|spec| format!("{} = \"{DSN}\"", spec.key)));
    let mut files: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
    files.push([good.as_bytes(), b"\n# \xff"].concat());
    for text in files {
        let file = cli.configuration(&text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut command = cli.bare(&["put", "images/a"]);
        command.env("EZDFS_ROOT", cli.root());
        // One that is taken all the same does not make the command succeed.
        if !text.contains("dsn = \"mysql") {
            command.env("EZDFS_DSN", "sqlite:/nonexistent/db");
        }
        keeps_the_secret(&command.env("EZDFS_CONFIG", &file).output().unwrap(), &text);
    }
}

fn secrets_of_options() {
    let cli = Cli::new(None);
    for spec in VOCABULARY {
        for dsn in [DSN, QUOTED, "hunter2 mysql://h/db"] {
            let variable = format!("EZDFS_{}", spec.key.to_uppercase());
            let output = cli.with_store(&["put", "images/a"]).env(&variable, dsn).output();
            keeps_the_secret(&output.unwrap(), &format!("{variable}={dsn}"));
            let flag = format!("--{}={dsn}", spec.key);
            keeps_the_secret(&cli.run(&["put", "images/a", &flag]), &flag);
        }
    }
    for dsn in [DSN, QUOTED] {
        let output = cli.with_store(&["ls"]).env("EZDFS_CONFIG", dsn).output();
        keeps_the_secret(&output.unwrap(), dsn);
    }
}

fn secrets_of_dsns() {
    let cli = Cli::new(None);
    let file = cli.dir.path().join("dsn");
    let path = file.to_str().unwrap();
    for dsn in [
        DSN,
        "postgres://u:hunter2@127.0.0.1:1/db",
        "hunter2",
        "hunter2 rest",
        "hunter2:rest",
        "hunter2://h/db",
        "sqlite:hunter2",
        "sqlite://u:hunter2@h/db",
        "sqlite:/nonexistent/db?mode=hunter2",
        "sqlite:/nonexistent/db?hunter2=1",
        "mysql:hunter2",
        "mysql://hunter2",
        "mysql://u:hunter2@127.0.0.1:1",
        "mysql://u:hunter2@/db",
        "mysql://u:hunter2@127.0.0.1:port/db",
        "mysql://u:hunter2@[::1/db",
        "mysql://u:hunter2#x@127.0.0.1:1/db",
        "mysql://u:hunter2@127.0.0.1:1/db#hunter2",
        "mysql://u:hunter2/x@127.0.0.1:1/db",
        "mysql://127.0.0.1:1/hunter2@h/db",
        "mysql://127.0.0.1:1?hunter2@h/db",
        "mysql://127.0.0.1:1#hunter2@h/db",
        "mysql://127.0.0.1:1/db?ssl-mode=hunter2",
        "postgres://127.0.0.1:1/db?sslmode=hunter2",
        "postgres://127.0.0.1:1/db?port=hunter2",
        "oracle://u:hunter2@h/db",
        "u:hunter2@h/db",
        "\u{feff}mysql://u:hunter2@h/db",
        "dsn = mysql://u:hunter2@h/db",
        "env:mysql://u:hunter2@h/db",
        "file:mysql://u:hunter2@h/db",
        "file:/nonexistent/u:hunter2@h",
    ] {
        keeps_the_secret(&cli.run(&["ls", "--dsn", dsn]), dsn);
        fs::write(&file, format!("{dsn}\nhunter2\n")).unwrap();
        keeps_the_secret(&cli.run(&["ls", "--dsn", &format!("file:{path}")]), dsn);
        fs::write(&file, format!("{dsn}\n")).unwrap();
        let output = cli.run(&["ls", "--dsn", &format!("file:{path}")]);
        keeps_the_secret(&output, &format!("{dsn} in a file"));
        let output = cli.with_store(&["ls", "--dsn", "env:HELD"]).env("HELD", dsn).output();
        keeps_the_secret(&output.unwrap(), &format!("{dsn} in the environment"));
    }
    fs::write(&file, b"mysql://u:hunter2@h/db\xff").unwrap();
    keeps_the_secret(&cli.run(&["ls", "--dsn", &format!("file:{path}")]), "not UTF-8");
}

fn secrets_of_arguments() {
    let cli = Cli::new(None);
    cli.text(&["put", "images/a", "/dev/null"]);
    for dsn in [DSN, QUOTED, "mysql://u:\"hunter2\\@h/db"] {
        for arguments in [
            &["DSN"][..],
            &["DSN", "ls"],
            &["--DSN"],
            &["--no-such-option=DSN", "ls"],
            &["ls", "-DSN"],
            &["ls", "--json=DSN"],
            &["ls", "--dsn-x", "DSN"],
            &["ls", "--config", "DSN"],
            &["ls", "images", "DSN"],
            &["ls", "DSN"],
            &["stat", "DSN"],
            &["stat", "images/a", "DSN"],
            &["put", "images/b", "DSN"],
            &["put", "images/b", "/dev/null", "--size", "DSN"],
            &["put", "images/b", "/dev/null", "--mtime=DSN"],
            &["get", "images/a", "DSN"],
            &["mv", "images/a", "DSN"],
            &["rm", "-r", "DSN", "images/x"],
            &["import", "DSN"],
            &["purge", "--state", "DSN"],
            &["purge", "--state", "x", "--grace", "DSN"],
            &["fsck", "--grace=DSN"],
            &["fsck", "--repair", "DSN"],
            &["fsck", "--max-missing", "DSN"],
            &["fsck", "DSN"],
        ] {
            let arguments: Vec<_> = arguments.iter().map(|it| it.replace("DSN", dsn)).collect();
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            keeps_the_secret(&cli.run(&arguments), &arguments.join(" "));
        }
    }
    assert!(cli.text(&["ls", "--help"]).contains("mysql://user:pass@host"), "how to write one");
    for arguments in [
        &["stat", "images/a", "u:hunter2@h/db"][..],
        &["u:hunter2@h/db"],
        &["fsck", "--grace", "u:hunter2@h/db"],
    ] {
        keeps_the_secret(&cli.run(arguments), &arguments.join(" "));
    }
}
