//! `ezdfs manual`: the manual pages, for who installs the command or makes a package of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, ArgMatches, Command, value_parser};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::arguments;
use crate::config::VOCABULARY;
use crate::error::{Error, ErrorKind, Result};

pub(super) fn command() -> Command {
    Command::new("manual").about("Write the manual pages into a directory").hide(true).arg(
        Arg::new("dir")
            .required(true)
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .help("Where; it is made where it is missing"),
    )
}

pub(super) fn run(matches: &ArgMatches) -> Result<ExitCode> {
    let Some(dir) = matches.get_one::<PathBuf>("dir") else { return Ok(ExitCode::from(2)) };
    write(dir).map_err(|error| {
        let subject = dir.to_string_lossy();
        Error::new(ErrorKind::Storage, "write", subject, "cannot write the manual pages")
            .with_source(error)
    })?;
    Ok(ExitCode::SUCCESS)
}

const SOURCE: &str = concat!("ezdfs ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "ezdfs manual";

fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    write_pages(dir, arguments::command(), "ezdfs")?;
    configuration().to_writer(&mut File::create(dir.join("ezdfs.toml.5"))?)
}

/// Of a command and all below it. Those of subcommands leave out what every one of them takes: only
/// the whole command has that until it is built.
fn write_pages(dir: &Path, command: Command, name: &str) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = format!("{name} {}", subcommand.get_name());
        write_pages(dir, subcommand.clone(), &name)?;
    }
    let title = name.replace(' ', "-");
    let mut page = File::create(dir.join(format!("{title}.1")))?;
    let is_whole = name == "ezdfs";
    let notes = command.get_after_help().map(ToString::to_string);
    let command = command.display_name(&title).bin_name(name).disable_help_subcommand(true);
    let title = title.to_uppercase();
    // Which the generator would run together to paragraphs.
    let man = Man::new(command.after_help(Resettable::Reset));
    man.title(title).source(SOURCE).manual(MANUAL).render(&mut page)?;
    if let Some(notes) = notes {
        set(&notes).to_writer(&mut page)?;
    }
    let others = match is_whole {
        true => vec![bold("ezdfs.toml"), roman("(5)")],
        false => {
            let what = "(1), which has the options of every command and the exit codes; ";
            vec![bold("ezdfs"), roman(what), bold("ezdfs.toml"), roman("(5)")]
        }
    };
    Roff::new().control("SH", ["SEE ALSO"]).text(others).to_writer(&mut page)
}

/// What stands below the options in the help: indented lines, such as those of tables, as they are.
fn set(notes: &str) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["NOTES"]);
    let mut is_table = false;
    for line in notes.lines() {
        if line.starts_with(' ') != is_table {
            is_table = !is_table;
            page.control(if is_table { "EX" } else { "EE" }, []);
        }
        match line.is_empty() {
            true => page.control("PP", []),
            false => page.text([roman(line)]),
        };
    }
    if is_table {
        page.control("EE", []);
    }
    page
}

/// `ezdfs.toml(5)`
fn configuration() -> Roff {
    let mut page = Roff::new();
    page.control("TH", ["EZDFS.TOML", "5", "", SOURCE, MANUAL]);
    section(&mut page, "NAME", "ezdfs.toml - options of the ezdfs command");
    page.control("SH", ["SYNOPSIS"]).text([bold("/etc/ezdfs/ezdfs.toml")]);
    section(
        &mut page,
        "DESCRIPTION",
        "A TOML file of one option a line: a key of those below, an equals sign, and the value in \
         quotes; whole numbers may stand without. It is read where neither --config nor EZDFS_CONFIG \
         names another. A flag goes before the environment (EZDFS_ROOT), the environment before the \
         file.",
    );
    page.control("PP", []).text([roman(
        "A file is refused that somebody else than its owner can write, or that belongs to neither \
         root nor the user: what stands in it decides what the command deletes. A password in it is \
         safe from others with the mode 0640, or 0600. A key that is no option is an error.",
    )]);
    page.control("SH", ["OPTIONS"]);
    for spec in VOCABULARY {
        let default = spec.default.filter(|it| !it.is_empty());
        let help = match default {
            Some(default) => format!("{}. Default: {default}", spec.help),
            None => spec.help.to_owned(),
        };
        page.control("TP", []).text([bold(spec.key)]).text([roman(help)]);
    }
    page.control("PP", []).text([roman(
        "Times have a unit (500ms, 5s, 2m), sizes may have one (64k, 16m). nginx and php.ini have the \
         same options, the latter with ezdfs. before them.",
    )]);
    page.control("SH", ["EXAMPLES"]).control("EX", []);
    for line in EXAMPLE.lines() {
        page.text([roman(line)]);
    }
    page.control("EE", []);
    page.control("SH", ["SEE ALSO"]).text([bold("ezdfs"), roman("(1)")]);
    page
}

const EXAMPLE: &str = r#"dsn = "mysql://ezdfs:secret@db.example/ezplatform"
root = "/mnt/dfs/var/site/storage"
name_prefix = "var/site/storage"
mount_marker = ".mounted""#;

fn section(page: &mut Roff, title: &str, text: &str) {
    page.control("SH", [title]).text([roman(text)]);
}
