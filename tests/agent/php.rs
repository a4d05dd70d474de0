//! PHP with a replica.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::conversation::Conversation;
use super::until;
use super::watched::{PICTURES, PREFIX, Version, Watched, id};
use crate::support::db::TestDb;
use crate::support::fpm::Fpm;
use crate::support::http::get;
use crate::support::nginx::Nginx;
use crate::support::{Need, Result, Servers, Trials, built};

pub(super) const NEEDS: [Need; 3] =
    [Need::COMMAND, Need::Built("ezdfs.so"), Need::Programs(&["php"])];

/// What is known of a file: each by a call of its own. With `put` it is written before.
const ASK: &str = r#"
function ask(Ezdfs\Store $store, string $id, ?string $put = null): array
{
    if ($put !== null) {
        $store->createFromString($id, $put, ['mime_type' => 'image/png']);
    }
    try {
        $info = $store->load($id);
        return [
            'exists' => $store->exists($id),
            'size' => $info->size,
            'mtime' => $info->mtime->getTimestamp(),
            'type' => $store->mimeType($id),
            'bytes' => $store->read($id),
            'stream' => stream_get_contents($store->open($id)),
        ];
    } catch (Ezdfs\Exception\NotFoundException $e) {
        return ['exists' => $store->exists($id)];
    }
}
"#;

/// The options are those of php.ini.
const PAGE: &str = "echo json_encode(ask(new Ezdfs\\Store([]), $_GET['id'], $_GET['put'] ?? null) \
                    + ['pid' => getmypid()]);";

const LINES: &str = "while (($line = fgets(STDIN)) !== false) { \
                     echo json_encode(ask(new Ezdfs\\Store([]), trim($line))), \"\\n\"; }";

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("agent::php", &NEEDS);
    group.per_server("reading_needs_no_connection", command_line);
    let needs = [&NEEDS[..], &[Need::NGINX, Need::MARIADB, Need::Programs(&["php-config"])]];
    let mut group = trials.group("agent::php", &needs.concat());
    group.add("requests_need_no_connection", requests);
}

/// The settings of a php.ini.
pub(super) fn settings(watched: &Watched) -> Vec<(&'static str, String)> {
    vec![
        ("ezdfs.dsn", watched.cli.dsn.clone()),
        ("ezdfs.root", watched.cli.root().to_string_lossy().into_owned()),
        ("ezdfs.name_prefix", PREFIX.to_owned()),
        // As the bundle has it.
        ("ezdfs.cache_size", "0".to_owned()),
        ("ezdfs.replica", watched.replica().to_string_lossy().into_owned()),
        ("ezdfs.replica_max_lag", "5s".to_owned()),
    ]
}

/// A PHP that says what it knows of one file after the other.
pub(super) struct Php(Conversation);

impl Php {
    pub(super) fn start(settings: &[(&'static str, String)]) -> Result<Self> {
        let mut command = Command::new("php");
        command.arg("-n").arg("-d").arg(format!("extension={}", built("ezdfs.so").display()));
        for (key, value) in settings {
            command.arg("-d").arg(format!("{key}=\"{value}\""));
        }
        command.arg("-r").arg([ASK, LINES].concat());
        Ok(Php(Conversation::start(&mut command)?))
    }

    pub(super) fn ask(&mut self, id: &str) -> Result<Value> {
        let line = self.0.ask(id)?;
        Ok(serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?)
    }
}

#[track_caller]
fn is(answer: &Value, version: Version) {
    let bytes = String::from_utf8(version.bytes()).unwrap();
    assert_eq!(answer["exists"], true, "{answer}");
    assert_eq!((&answer["bytes"], &answer["stream"]), (&bytes.clone().into(), &bytes.into()));
    assert_eq!(answer["size"], version.bytes().len(), "{answer}");
    assert_eq!((&answer["mtime"], &answer["type"]), (&version.mtime().into(), &"image/png".into()));
}

fn command_line(db: TestDb) -> Result {
    let watched = Watched::new(db)?;
    let mut without = settings(&watched);
    without.retain(|(key, _)| *key != "ezdfs.replica");
    let before = watched.proxy.accepted();
    is(&Php::start(&without)?.ask(&id(0))?, Version { picture: 0, number: 0 });
    assert!(watched.proxy.accepted() > before, "without a replica it connects");

    let mut php = Php::start(&settings(&watched))?;
    watched.unasked(|| -> Result {
        for picture in 0..PICTURES {
            is(&php.ask(&id(picture))?, Version { picture, number: 0 });
        }
        Ok(())
    })?;
    let new = Version { picture: 1, number: 1 };
    watched.put(&id(1), new)?;
    until("an overwrite", || php.ask(&id(1)).unwrap()["mtime"] == new.mtime());
    is(&php.ask(&id(1))?, new);
    watched.delete(&id(2))?;
    until("a deletion", || php.ask(&id(2)).unwrap()["exists"] == false);
    watched.put(&id(77), Version { picture: 77, number: 0 })?;
    is(&php.ask(&id(77))?, Version { picture: 77, number: 0 });
    Ok(())
}

fn requests(servers: &Servers) -> Result {
    let db = TestDb::mariadb(servers, "utf8mb4", "utf8mb4_unicode_520_ci")?;
    let watched = Watched::new(db)?;
    let mut settings = settings(&watched);
    // What it does not know it is not told.
    settings.push(("ezdfs.replica_confirms", "0".to_owned()));
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let page = format!("<?php\n{ASK}\n{PAGE}\n");
    let fpm = Fpm::start(&page, "pm.max_children = 1", &settings)?;
    let nginx = Nginx::builder().server(&fpm.location()).start()?;
    let ask = |query: &str| -> Value {
        let answer = get(nginx.port(), &format!("/?{query}"));
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
    };
    let known = |picture| format!("id={}", id(picture));
    let first = watched.unasked(|| {
        let answer = ask(&known(0));
        is(&answer, Version { picture: 0, number: 0 });
        is(&ask(&known(1)), Version { picture: 1, number: 0 });
        assert_eq!(ask(&known(77))["exists"], false);
        answer
    });

    // It hears of nothing: who has written sees it all the same.
    let agent = watched.agent.as_ref().ok_or("an agent")?;
    let settled = watched.proxy.accepted();
    agent.signal(Signal::SIGSTOP);
    for (picture, bytes) in [(1, "overwritten"), (77, "new")] {
        let written = ask(&format!("{}&put={bytes}", known(picture)));
        let next = ask(&known(picture));
        assert_eq!((&written["bytes"], &next["bytes"]), (&bytes.into(), &bytes.into()));
        assert_eq!((&written["size"], &next["size"]), (&bytes.len().into(), &bytes.len().into()));
        assert_eq!(next["pid"], first["pid"], "the same worker");
    }
    assert!(watched.proxy.accepted() > settled, "the database is asked for what it has written");
    agent.signal(Signal::SIGCONT);
    let mut size = 0;
    until("it is heard of", || {
        let before = watched.proxy.accepted();
        size = ask(&known(1))["size"].as_u64().unwrap();
        watched.proxy.accepted() == before
    });
    assert_eq!(size, "overwritten".len() as u64);
    Ok(())
}
