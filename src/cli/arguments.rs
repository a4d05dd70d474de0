//! The command line's grammar.

use clap::{Arg, ArgAction, Command, value_parser};

use crate::config::VOCABULARY;

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 not found · 2 bad usage, name, option or input · 3 database or mount
unavailable, try again · 4 metadata table missing or of the wrong shape · 5 file system error ·
7 fsck: faults remain; check, doctor: something was found · 8 file system full or quota used up ·
70 a bug in ezdfs

Every option may also be given as EZDFS_<OPTION> in the environment or as `option = \"value\"` in
the file that --config or EZDFS_CONFIG names, else in /etc/ezdfs/ezdfs.toml. A flag goes before the
environment, the environment before the file. A file that others can write is refused.";

/// One vocabulary for all doors, of which a command that ends after one thing has less use.
const FOR_SERVING: &str = "Store options for doors that serve: taken here, too, of little effect";

/// All of it.
pub(super) fn command() -> Command {
    shown().subcommand(super::manual::command())
}

/// Without what is hidden, which completions would offer: their generators know of no such thing.
pub(super) fn shown() -> Command {
    let file = |help| Arg::new("id").required(true).value_name("ID").help(help);
    Command::new("ezdfs")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Stores and looks after the files of an eZ Platform or Ibexa cluster")
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(std::path::PathBuf))
                .global(true)
                .help("Read options from this TOML file [default: /etc/ezdfs/ezdfs.toml]"),
        )
        .args(super::diagnostics::arguments())
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .global(true)
                .help("Print JSON, one object a line"),
        )
        .args(VOCABULARY.iter().map(|spec| {
            let help = match spec.default {
                Some("") | None => spec.help.to_owned(),
                Some(default) => format!("{} [default: {default}]", spec.help),
            };
            let is_for_serving = spec.key.starts_with("cache_") || spec.key == "stale_if_error";
            Arg::new(spec.key)
                .long(spec.key.replace('_', "-"))
                .alias(spec.key)
                .value_name("VALUE")
                .help_heading(if is_for_serving { FOR_SERVING } else { "Store options" })
                .hide_short_help(is_for_serving)
                .global(true)
                .help(help)
        }))
        .subcommand(
            Command::new("schema")
                .about("Check the metadata table, or create it")
                .arg(flag("create", "Create the table where there is none"))
                .arg(flag(
                    "create-feed",
                    "Create a log of all changes, and the triggers that write it",
                ))
                .arg(
                    flag("drop-feed", "Remove the log of changes and its triggers")
                        .conflicts_with("create-feed"),
                ),
        )
        .subcommand(
            Command::new("put")
                .about("Store a file")
                .arg(file("Where, e.g. images/1/a.jpg"))
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .default_value("-")
                        .help("What to store; - is standard input"),
                )
                .arg(
                    Arg::new("mime-type")
                        .long("mime-type")
                        .value_name("TYPE")
                        .help("MIME type to record; found from the first bytes by default"),
                )
                .arg(
                    Arg::new("size")
                        .long("size")
                        .value_name("BYTES")
                        .value_parser(value_parser!(u64))
                        .help("Refuse the file unless it has so many bytes"),
                )
                .arg(
                    Arg::new("mtime")
                        .long("mtime")
                        .value_name("SECONDS")
                        .allow_negative_numbers(true)
                        .value_parser(value_parser!(i64))
                        .help("Modification time to record, since the epoch; now by default"),
                ),
        )
        .subcommand(super::get::command())
        .subcommand(
            Command::new("stat").about("Show what the table says of a file").arg(file("Which")),
        )
        .subcommand(super::info::command())
        .subcommand(
            Command::new("ls")
                .about("List live files in the byte order of their ids")
                .arg(Arg::new("dir").value_name("DIR").help("Only below this directory"))
                .arg(flag("long", "Size, time and type too").short('l'))
                .arg(flag(
                    "deleted",
                    "List rows that no reader sees instead: soft-deleted, or hidden",
                )),
        )
        .subcommand(
            Command::new("mv")
                .about("Give a file another id, replacing what that had")
                .arg(file("Which"))
                .arg(Arg::new("to").required(true).value_name("NEW-ID").help("Its new id"))
                .arg(flag("dry-run", "Only look, and say what would be done").short('n')),
        )
        .subcommand(super::remove::command())
        .subcommand(super::status::command())
        .subcommand(super::doctor::command())
        .subcommand(super::usage::command())
        .subcommand(super::undelete::command())
        .subcommand(super::import::command())
        .subcommand(super::copy::command())
        .subcommand(super::copy::check_command())
        .subcommand(super::fsck::command())
        .subcommand(super::purge::command())
        .subcommand(super::restore::command())
        .subcommand(super::rename_prefix::command())
        .subcommand(super::rename_table::command())
        .subcommand(super::replica::command())
        .subcommand(super::agent::command())
        .subcommand(super::completion::command())
}

/// An option with a value and a default.
pub(super) fn flag_value(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Arg {
    Arg::new(name).long(name).value_name(value).default_value(default).help(help)
}

pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// For `ezdfs status`.
pub(super) fn note() -> Arg {
    flag("note", "Note that it was done, for `status`, in .ezdfs-runs beneath the root")
}

pub(super) fn max_remove() -> Arg {
    Arg::new("max-remove")
        .long("max-remove")
        .value_name("NUMBER")
        .value_parser(value_parser!(u64))
        .help("Change nothing if more would go [default: 1,000 or 1 % of the rows, whichever is more]")
}

pub(super) fn exclude() -> Arg {
    Arg::new("exclude").long("exclude").value_name("GLOB").action(ArgAction::Append).help(
        "Leave alone paths beneath the root that match, and all below them; may be given again",
    )
}
