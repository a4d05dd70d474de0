//! `ezdfs agent`

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use hyper::header::HeaderValue;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::arguments::flag_value;
use super::diagnostics::tell;
use super::{metrics, settings};
use crate::error::{Error, ErrorKind, Result};
use crate::feed::agent::http_caches::{self, Address};
use crate::feed::agent::{Agent, End, Report, Settings, Wishes};
use crate::feed::replica;
use crate::store::Store;

const ABOUT: &str = "\
Keeps the replica that the option replica names, for all processes of this node: reads the table
once and follows its change log (schema --create-feed). Runs in the foreground; SIGTERM ends it,
SIGHUP has it read its configuration again. HTTP caches that --purge names are told of each change
when the replica has it, and with a BAN of all files where that cannot be known. With systemd: Type=notify, WatchdogSec=10s.";

/// Before what failed in the replica's file system is tried again; doubled with each time that it
/// fails soon, since the whole table may be read for that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(super) fn command() -> Command {
    let time = |text: &str| humantime::parse_duration(text);
    Command::new("agent")
        .about("Keep this node's replica of the metadata table")
        .after_help(ABOUT)
        .arg(
            flag_value("poll-interval", "TIME", "100ms", "Ask the change log so often")
                .value_parser(time),
        )
        .arg(
            Arg::new("scan-rate")
                .long("scan-rate")
                .value_name("ROWS")
                .value_parser(value_parser!(u64).range(1..))
                .help("Read no more rows a second when the replica is made"),
        )
        .arg(
            flag_value("compare-rate", "ROWS", "1000", "Compare so many rows a second; 0: none")
                .value_parser(value_parser!(u64)),
        )
        .arg(
            Arg::new("metrics")
                .long("metrics")
                .value_name("ADDRESS:PORT")
                .value_parser(value_parser!(SocketAddr))
                .help("Answer Prometheus there, under /metrics; nobody is asked for a password"),
        )
        .arg(
            flag_value("keep", "TIME", "1d", "Leave entries in the change log for so long")
                .value_parser(time),
        )
        .args(caches(time))
}

fn caches(time: fn(&str) -> Result<Duration, humantime::DurationError>) -> [Arg; 5] {
    let of_purge = |argument: Arg| argument.requires("purge");
    [
        Arg::new("purge")
            .long("purge")
            .value_name("URL")
            .value_delimiter(',')
            .action(clap::ArgAction::Append)
            .value_parser(value_parser!(Address))
            .help("Tell this HTTP cache what changes, http://varnish:6081; several by commas"),
        of_purge(
            Arg::new("purge-host")
                .long("purge-host")
                .value_name("HOST")
                .value_delimiter(',')
                .action(clap::ArgAction::Append)
                .value_parser(|text: &str| HeaderValue::from_str(text))
                .help("The host that clients ask; several by commas [default: the url_prefix's]"),
        ),
        of_purge(
            Arg::new("purge-token")
                .long("purge-token")
                .value_name("WHERE")
                .help("The secret that caches ask for, as env:NAME or file:/path that holds it"),
        ),
        flag_value("purge-again", "TIME", "5s", "Tell caches once more after so long; 0s: never")
            .value_parser(time),
        flag_value("purge-queue", "NUMBER", "10000", "Where more waits, tell a cache of all files")
            .value_parser(value_parser!(u64).range(1..)),
    ]
}

/// `options`: the whole command line, which is read again with the configuration.
pub(super) fn run(store: &Store, options: &ArgMatches, matches: &ArgMatches) -> Result<ExitCode> {
    let settings = settings_of(matches)?;
    let wishes = Wishes::default();
    catch_signals(&wishes)?;
    let mut report = Report::new(tell);
    let mut store = store.clone();
    let shown = Arc::new(Mutex::new(store.clone()));
    if let Some(address) = matches.get_one::<SocketAddr>("metrics") {
        metrics::serve(*address, &shown)?;
    }
    // What it had before it read its configuration again.
    let mut before = None;
    let mut pause = FIRST_PAUSE;
    loop {
        shown.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&store);
        let began = Instant::now();
        let done = match (Agent::open(&store, &settings), before.take()) {
            (Err(error), Some(before)) => {
                report.goes_on(&error);
                store = before;
                continue;
            }
            (opened, _) => opened.and_then(|agent| agent.run(&wishes, &mut report)),
        };
        match done {
            Ok(End::Stop) => return Ok(ExitCode::SUCCESS),
            Ok(End::MakeAnew) => {}
            Ok(End::Reload) => match settings::store(options) {
                Ok(new) => before = Some(std::mem::replace(&mut store, new)),
                Err(error) => report.goes_on(&error),
            },
            Err(error) if error.kind().is_of_storage() => {
                report.unwritable(&error);
                pause = if began.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { pause };
                if pause == LONGEST_PAUSE && error.kind() == ErrorKind::NoSpace {
                    make_room(&store, &mut report);
                }
                wishes.sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error),
        }
        if wishes.is_to_stop() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// No page of a replica is written over: one that fills its disk has no room for what would make
/// it smaller either.
fn make_room(store: &Store, report: &mut Report) {
    let Some(path) = &store.options().replica else { return };
    match replica::give_up(path) {
        Ok(()) => report.begins_another(path),
        Err(error) => report.unwritable(&error),
    }
}

fn settings_of(matches: &ArgMatches) -> Result<Settings> {
    let time = |name: &str| matches.get_one::<Duration>(name).copied().unwrap_or_default();
    let rate = |name: &str| matches.get_one::<u64>(name).copied();
    Ok(Settings {
        poll_interval: time("poll-interval"),
        scan_rate: rate("scan-rate"),
        compare_rate: rate("compare-rate").unwrap_or_default(),
        keep: time("keep"),
        http_caches: http_caches_of(matches)?,
    })
}

fn http_caches_of(matches: &ArgMatches) -> Result<Option<http_caches::Settings>> {
    let Some(caches) = matches.get_many::<Address>("purge") else { return Ok(None) };
    let hosts = matches.get_many::<HeaderValue>("purge-host");
    let token = matches.get_one::<String>("purge-token").map(|place| token(place)).transpose()?;
    Ok(Some(http_caches::Settings {
        caches: caches.cloned().collect(),
        hosts: hosts.map(|hosts| hosts.cloned().collect()).unwrap_or_default(),
        token,
        again: matches.get_one("purge-again").copied().unwrap_or_default(),
        queue: matches.get_one::<u64>("purge-queue").map_or(1, |queue| *queue as usize),
        tell,
    }))
}

/// Never given itself: everybody sees the arguments of a process.
fn token(place: &str) -> Result<HeaderValue> {
    let refused =
        |reason: String| Error::new(ErrorKind::InvalidConfig, "option", "purge-token", reason);
    let held = match place.split_once(':') {
        Some(("env", name)) => std::env::var(name).map_err(|error| error.to_string()),
        Some(("file", path)) => std::fs::read_to_string(path).map_err(|error| error.to_string()),
        _ => return Err(refused("is neither env:NAME nor file:/path".to_owned())),
    };
    let held = held.map_err(|error| refused(format!("cannot read {place}: {error}")))?;
    let bad = || refused(format!("what {place} holds is empty or cannot be in a header"));
    let token = held.trim();
    if token.is_empty() {
        return Err(bad());
    }
    HeaderValue::from_str(token).map_err(|_| bad())
}

fn catch_signals(wishes: &Wishes) -> Result<()> {
    let caught = || {
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, Arc::clone(&wishes.stop))?;
            flag::register(signal, Arc::clone(&wishes.stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&wishes.reload)).map(drop)
    };
    caught().map_err(|error: std::io::Error| {
        Error::new(ErrorKind::Internal, "start", "signals", "cannot be caught").with_source(error)
    })
}
