//! `FROM` and `TO`: a store or a plain tree each.

use std::path::Path;

use clap::{Arg, ArgMatches, value_parser};

use super::arguments::exclude;
use super::{diagnostics, settings};
use crate::config::{Options, OptionsBuilder, VOCABULARY};
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::{Exclude, Selection, Side, Verify};
use crate::metadata::Area;
use crate::name::DirId;
use crate::store::Store;

/// What both arguments may be.
pub(super) const ABOUT: &str = "\
FROM and TO are each a TOML file with the options of a store, a directory (a plain tree without a
table, in which ids are paths), or - for the store of this command's own options, environment and
file. Every store option may be given for FROM alone as --from-OPTION, such as --from-table.
What is images/1/a.jpg there is images/1/a.jpg here, whatever name_prefix either side has.";

const AREAS: [(&str, Area); 4] = [
    ("images", Area::Images),
    ("images-versioned", Area::Drafts),
    ("original", Area::Originals),
    ("cache", Area::Caches),
];

/// What `copy` and `check` have in common.
pub(super) fn arguments() -> impl Iterator<Item = Arg> {
    let side = |id: &'static str, name: &'static str, help| {
        Arg::new(id).required(true).value_name(name).allow_hyphen_values(false).help(help)
    };
    let several = |id: &'static str, value: &'static str, help| {
        Arg::new(id).long(id).value_name(value).action(clap::ArgAction::Append).help(help)
    };
    let own = [
        side("from", "FROM", "A TOML file, a directory, or -"),
        side("to", "TO", "A TOML file, a directory, or -"),
        several("area", "AREA", "Only this area; may be given again; cache where it has a table")
            .value_parser(AREAS.map(|(name, _)| name)),
        several("siteaccess", "SITE", "Only var/SITE/storage; may be given again"),
        several("prefix", "DIR", "Only below this directory; may be given again"),
        exclude(),
        Arg::new("jobs")
            .long("jobs")
            .short('j')
            .value_name("NUMBER")
            .default_value("8")
            .value_parser(value_parser!(u16).range(1..=256))
            .help("So many files at a time, and connections to each database"),
    ];
    let of_source = VOCABULARY.iter().map(|spec| {
        Arg::new(format!("from_{}", spec.key))
            .long(format!("from-{}", spec.key.replace('_', "-")))
            .value_name("VALUE")
            .hide(true)
    });
    own.into_iter().chain(of_source)
}

pub(super) fn selection(matches: &ArgMatches) -> Result<Selection> {
    let texts = |id: &str| matches.get_many::<String>(id).into_iter().flatten();
    let area = |wanted: &String| AREAS.into_iter().find(|(name, _)| name == wanted);
    let mut selection = Selection::default();
    selection.areas = texts("area").filter_map(area).map(|(_, area)| area).collect();
    selection.siteaccesses = texts("siteaccess").cloned().collect();
    selection.dirs = texts("prefix").map(|dir| DirId::parse(dir)).collect::<Result<_>>()?;
    selection.exclude = Exclude::parse(texts("exclude").map(String::as_str))?;
    Ok(selection)
}

pub(super) fn jobs(matches: &ArgMatches) -> usize {
    matches.get_one::<u16>("jobs").copied().map_or(1, usize::from)
}

pub(super) fn verify(matches: &ArgMatches) -> Verify {
    match matches.get_one::<String>("verify").map(String::as_str) {
        Some("size") => Verify::Size,
        _ => Verify::Hash,
    }
}

/// Source and target; errors name what is to be done with them.
pub(super) fn both(matches: &ArgMatches, operation: &'static str) -> Result<(Side, Side)> {
    let word = |id: &str| matches.get_one::<String>(id).cloned().unwrap_or_default();
    let (from, to) = (word("from"), word("to"));
    let source = options(matches, operation, &from, true)?;
    let target = options(matches, operation, &to, false)?;
    // A tree has the prefix of the store on the other side.
    let Some(store) = source.as_ref().or(target.as_ref()) else {
        let reason = "source and target are plain trees; neither has a table";
        return Err(Error::new(ErrorKind::InvalidInput, operation, to, reason));
    };
    let like = store.clone();
    let side = |options, word: &str, is_source| match options {
        Some(options) => store_side(matches, options),
        None => tree_side(matches, operation, word, is_source, &like),
    };
    Ok((side(source, &from, true)?, side(target, &to, false)?))
}

/// Says what each store of the two has counted, where that is asked for.
pub(super) struct Stats(Vec<Store>);

impl Stats {
    pub(super) fn of(sides: [&Side; 2], matches: &ArgMatches) -> Self {
        let stores = sides.into_iter().filter(|_| matches.get_flag("stats"));
        Stats(stores.filter_map(Side::opened).cloned().collect())
    }
}

impl Drop for Stats {
    /// However it ended.
    fn drop(&mut self) {
        self.0.iter().for_each(diagnostics::tell_stats);
    }
}

fn store_side(matches: &ArgMatches, mut options: Options) -> Result<Side> {
    // Nobody is to wait for a connection longer than for an answer.
    options.max_connections = options.max_connections.max(jobs(matches) + 1);
    Side::store(&Store::new(options))
}

/// What names its files would have, the store on the other side says.
fn tree_side(
    matches: &ArgMatches,
    operation: &'static str,
    word: &str,
    is_source: bool,
    like: &Options,
) -> Result<Side> {
    let root = std::path::absolute(word)
        .map_err(|error| Error::io(operation, word, "cannot be found", error))?;
    let mut options = Options::builder();
    // Of a tree nobody asks a database.
    options.set("dsn", "sqlite:/dev/null")?.set("name_prefix", like.name_prefix.as_str())?;
    options.set("cache_table", like.cache_table.as_deref().unwrap_or_default())?;
    options.set("root", &root.to_string_lossy())?;
    if is_source {
        set_for_source(matches, &mut options)?;
    }
    Ok(Side::tree(&options.build()?))
}

/// Those of a store; `None` of a tree.
fn options(
    matches: &ArgMatches,
    operation: &'static str,
    word: &str,
    is_source: bool,
) -> Result<Option<Options>> {
    let mut options = match word {
        tree if Path::new(tree).is_dir() => return Ok(None),
        "-" => settings::options(matches)?,
        file if !Path::new(file).exists() => {
            let reason = "is neither a file of options nor a directory; make that first";
            return Err(Error::new(ErrorKind::InvalidInput, operation, file, reason));
        }
        file => settings::of_file(Path::new(file))?,
    };
    if is_source {
        set_for_source(matches, &mut options)?;
    }
    options.build().map(Some)
}

fn set_for_source(matches: &ArgMatches, options: &mut OptionsBuilder) -> Result<()> {
    for spec in VOCABULARY {
        if let Some(value) = matches.get_one::<String>(&format!("from_{}", spec.key)) {
            options.set(spec.key, value)?;
        }
    }
    Ok(())
}
