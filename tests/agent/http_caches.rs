//! Varnish before nginx, told by the agent of what changes.

use super::watched::{PICTURES, PREFIX, Version, Watched, id, url};
use super::{Running, at, is_usable, until};
use crate::support::db::TestDb;
use crate::support::http::{Connection, request};
use crate::support::metrics::Metrics;
use crate::support::nginx::Nginx;
use crate::support::process::free_port;
use crate::support::proxy::{Mode, Proxy};
use crate::support::varnish::{TOKEN, Varnish};
use crate::support::{Need, Result, Servers, Trials};

pub(super) fn register(trials: &mut Trials) {
    let needs = [Need::COMMAND, Need::NGINX, Need::MODULE, Need::VARNISH];
    let mut group = trials.group("agent::http_caches", &needs);
    group.per_server("whoever_changes_a_file_it_is_fetched_again", changes);
    group.add("nobody_is_asked_what_a_visitor_may_see", |servers| any_extension(mariadb(servers)?));
    let needs = [&needs[..], &[Need::MARIADB]].concat();
    let mut group = trials.group("agent::http_caches", &needs);
    group.add("one_that_is_away_hears_when_it_is_back", |servers| away(mariadb(servers)?));
    group.add("more_than_the_queue_holds_is_a_ban", |servers| overflow(mariadb(servers)?));
    group.add("what_changed_without_an_agent_is_forgotten", |servers| gaps(mariadb(servers)?));
    group.add("nobody_purges_without_the_token", |servers| tokens(mariadb(servers)?));
    let mut group = trials.group("agent::http_caches", &[Need::COMMAND]);
    group.add("what_cannot_be_asked_is_refused", |_| refused());
}

/// The kernel's VCL knows few extensions.
fn any_extension(db: TestDb) -> Result {
    let mut cached = Cached::new(db)?;
    let ids = ["images/a.webp", "images/b.PNG", "images/c"];
    for id in ids {
        cached.watched.put(id, Version { picture: 1, number: 1 })?;
    }
    cached.start_agent(&[])?;
    let fetch = |cached: &Cached, is_hit: bool| {
        for id in ids {
            let (answer, hit) = cached.varnish.get(&url(id));
            assert_eq!((answer.status, hit), (200, is_hit), "{id}");
        }
    };
    fetch(&cached, false);
    fetch(&cached, true);
    // Its BAN is of these as well.
    cached.start_agent(&[])?;
    fetch(&cached, false);
    Ok(())
}

fn mariadb(servers: &Servers) -> Result<TestDb> {
    TestDb::mariadb(servers, "utf8mb4", "utf8mb4_unicode_520_ci")
}

/// A site behind a cache, which its agent reaches by a proxy.
struct Cached {
    watched: Watched,
    _nginx: Nginx,
    varnish: Varnish,
    to_varnish: Proxy,
    metrics: u16,
}

impl Cached {
    fn new(db: TestDb) -> Result<Self> {
        let watched = Watched::without_agent(db, PICTURES)?;
        let nginx = watched.nginx("replica_max_lag 5s;").server(HEADERS).start()?;
        let varnish = Varnish::before(nginx.port())?;
        let to_varnish = Proxy::start(varnish.port())?;
        std::fs::write(at(&watched.cli, "token"), format!("{TOKEN}\n"))?;
        Ok(Cached { watched, _nginx: nginx, varnish, to_varnish, metrics: free_port() })
    }

    /// Waits until the cache has been told to forget everything, twice.
    fn start_agent(&mut self, arguments: &[&str]) -> Result {
        let (cache, token) =
            (format!("http://{}", self.to_varnish.address()), at(&self.watched.cli, "token"));
        let (token, metrics) =
            (format!("file:{}", token.display()), format!("127.0.0.1:{}", self.metrics));
        let usual = ["--purge", &cache, "--purge-token", &token, "--metrics", &metrics];
        self.watched.agent = None;
        self.watched.start_agent(
            &[&usual[..], &["--purge-host", "localhost", "--purge-again", "1s"], arguments]
                .concat(),
        );
        is_usable(&self.watched.cli);
        until("it has forgotten", || {
            self.counted(BANS) >= 2.0 && self.counted("ezdfs_agent_cache_purges_queued") == 0.0
        });
        Ok(())
    }

    fn counted(&self, metric: &str) -> f64 {
        let asked = Connection::open(self.metrics)
            .and_then(|mut connection| connection.request("GET", "/metrics", &[]))
            .and_then(|answer| Metrics::parse(&answer.text(), "replica"));
        // An agent that has just begun does not listen, or has heard nothing and says nothing of itself.
        let said = asked.ok().filter(|said| said.samples().any(|sample| sample == metric));
        said.map_or(0.0, |said| said.get(metric))
    }

    fn agent(&mut self) -> &mut Running {
        self.watched.agent.as_mut().expect("an agent")
    }

    /// Whether the cache gives this version, which it keeps from then on.
    fn gives(&self, picture: usize, number: usize) -> bool {
        let (answer, _) = self.varnish.get(&url(&id(picture)));
        Version::of_bytes(&answer.body) == Some(Version { picture, number })
    }

    fn status(&self, id: &str) -> u16 {
        self.varnish.get(&url(id)).0.status
    }

    #[track_caller]
    fn has(&self, picture: usize, number: usize) {
        assert!(self.gives(picture, number), "{picture}");
        assert!(self.varnish.get(&url(&id(picture))).1, "{picture} is not kept");
        assert!(self.gives(picture, number), "{picture}");
    }

    fn command(&self, arguments: &[&str]) {
        self.watched.cli.text(&[&["--name-prefix", PREFIX][..], arguments].concat());
    }
}

/// What a site adds for caches.
const HEADERS: &str = "add_header Cache-Control \"public, max-age=0, s-maxage=86400\"; \
                       add_header xkey \"ezdfs\";";

/// Those that a cache has carried out.
const BANS: &str = "ezdfs_agent_cache_bans_total{outcome=\"done\"}";

fn changes(db: TestDb) -> Result {
    let mut cached = Cached::new(db)?;
    cached.start_agent(&[])?;
    let bans = cached.counted(BANS);
    for picture in 0..PICTURES {
        cached.has(picture, 0);
    }
    let absent = "images/absent.png";
    // Nobody keeps that: it would be a guess from the moment on that somebody stores it.
    assert_eq!((cached.status(absent), cached.varnish.get(&url(absent)).1), (404, false));
    says_how_long(&cached);

    // By hand.
    for number in 1..4 {
        cached.watched.put(&id(1), Version { picture: 1, number })?;
        until("an overwrite", || cached.gives(1, number));
    }
    cached.watched.delete(&id(2))?;
    until("a deletion", || cached.status(&id(2)) == 404);
    cached.watched.rename(&id(4), absent)?;
    until("the new name", || cached.status(absent) == 200);
    until("the old name's end", || cached.status(&id(4)) == 404);
    // As the kernel and legacy do.
    cached.watched.soft_delete(&id(3));
    until("a soft deletion", || cached.status(&id(3)) == 404);
    cached.watched.put(&id(3), Version { picture: 3, number: 1 })?;
    until("it is back", || cached.gives(3, 1));
    // By ezdfs.
    let file = at(&cached.watched.cli, "new");
    std::fs::write(&file, Version { picture: 5, number: 1 }.bytes())?;
    let file = file.to_str().ok_or("a path")?.to_owned();
    cached.command(&["put", &id(5), &file]);
    until("an overwrite", || cached.gives(5, 1));
    cached.command(&["mv", &id(5), &id(2)]);
    until("the old name's end", || cached.status(&id(5)) == 404);
    until("the new name", || cached.status(&id(2)) == 200);
    cached.command(&["rm", &id(2)]);
    until("a deletion", || cached.status(&id(2)) == 404);

    // In each spelling, and whatever follows.
    let odd = "images/50% (ä).png";
    let spellings =
        ["50%25%20(%C3%A4).png", "50%25%20%28%C3%A4%29.png", "50%25%20(%C3%A4).png?v=1"]
            .map(|spelling| url(&format!("images/{spelling}")));
    for wanted in [1, 2] {
        std::fs::write(&file, Version { picture: 5, number: wanted }.bytes())?;
        cached.command(&["put", odd, &file]);
        for spelling in &spellings {
            until(spelling, || {
                let body = cached.varnish.get(spelling).0.body;
                Version::of_bytes(&body) == Some(Version { picture: 5, number: wanted })
            });
        }
    }
    // And nothing else.
    for picture in 6..PICTURES {
        assert!(cached.varnish.get(&url(&id(picture))).1, "{picture}");
    }
    assert_eq!(cached.counted(BANS), bans);
    Ok(())
}

/// Exact validators, and what the location adds; nothing of what the VCL notes.
#[track_caller]
fn says_how_long(cached: &Cached) {
    let version = Version { picture: 0, number: 0 };
    let (answer, _) = cached.varnish.get(&url(&id(0)));
    assert_eq!(answer.header("ETag"), Some(&*version.etag()));
    assert!(answer.header("Last-Modified").is_some());
    assert_eq!(answer.header("Cache-Control"), Some("public, max-age=0, s-maxage=86400"));
    assert_eq!(answer.header("xkey"), Some("ezdfs"));
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("x-ezdfs")), "{answer:?}");
    let same = [("If-None-Match", &*version.etag())];
    assert_eq!(request(cached.varnish.port(), "GET", &url(&id(0)), &same).status, 304);
}

fn away(db: TestDb) -> Result {
    let mut cached = Cached::new(db)?;
    cached.start_agent(&[])?;
    cached.has(1, 0);
    cached.to_varnish.set(Mode::Refuse);
    cached.to_varnish.cut();
    cached.watched.put(&id(1), Version { picture: 1, number: 1 })?;
    let told = cached.agent().until_told("it is tried again");
    assert!(told.contains("purge \"http://127.0.0.1:"), "{told}");
    assert!(!told.contains(TOKEN), "{told}");
    cached.has(1, 0);
    cached.to_varnish.set(Mode::Pass);
    cached.agent().until_told("is purged again");
    until("the overwrite", || cached.gives(1, 1));
    assert!(cached.counted("ezdfs_agent_cache_purges_total{outcome=\"failed\"}") > 0.0);
    Ok(())
}

fn overflow(db: TestDb) -> Result {
    let mut cached = Cached::new(db)?;
    cached.start_agent(&["--purge-queue", "5"])?;
    let bans = cached.counted(BANS);
    for picture in 0..PICTURES {
        cached.has(picture, 0);
    }
    cached.to_varnish.set(Mode::Refuse);
    cached.to_varnish.cut();
    for picture in 0..PICTURES {
        cached.watched.put(&id(picture), Version { picture, number: 1 })?;
    }
    until("it is tried", || {
        cached.counted("ezdfs_agent_cache_bans_total{outcome=\"failed\"}") > 0.0
    });
    assert_eq!(cached.counted("ezdfs_agent_cache_purges_queued"), 1.0);
    cached.to_varnish.set(Mode::Pass);
    for picture in 0..PICTURES {
        until("the overwrite", || cached.gives(picture, 1));
    }
    assert!(cached.counted(BANS) > bans);
    Ok(())
}

fn gaps(db: TestDb) -> Result {
    let mut cached = Cached::new(db)?;
    cached.start_agent(&[])?;
    cached.has(1, 0);
    cached.watched.agent = None;
    cached.watched.put(&id(1), Version { picture: 1, number: 1 })?;
    cached.has(1, 0);
    cached.start_agent(&["--compare-rate", "100000"])?;
    until("an overwrite while it was away", || cached.gives(1, 1));
    cached.has(2, 0);
    cached.watched.cli.text(&["schema", "--drop-feed"]);
    cached.watched.put(&id(2), Version { picture: 2, number: 1 })?;
    cached.watched.cli.text(&["schema", "--create-feed"]);
    until("an overwrite while there was no log", || cached.gives(2, 1));
    is_usable(&cached.watched.cli);
    // What only the comparison finds.
    for picture in [3, 4] {
        until("it is kept", || cached.varnish.get(&url(&id(picture))).1);
    }
    cached.watched.sql("TRUNCATE TABLE ezdfsfile");
    for picture in [3, 4] {
        until("a deletion that no change tells", || cached.status(&id(picture)) == 404);
    }
    Ok(())
}

fn tokens(db: TestDb) -> Result {
    let mut cached = Cached::new(db)?;
    cached.start_agent(&[])?;
    cached.has(1, 0);
    let path = url(&id(1));
    let ask = |method, headers: &[(&str, &str)]| {
        request(cached.varnish.port(), method, &path, headers).status
    };
    let agent = ("User-Agent", "ezdfs/0");
    let all = [agent, ("X-Host", "."), ("X-Url", ".")];
    for token in [None, Some(""), Some("none"), Some("wrong")] {
        let token: Vec<_> = token.map(|token| ("X-Invalidate-Token", token)).into_iter().collect();
        assert_eq!(ask("PURGE", &token), 403, "{token:?}");
        assert_eq!(ask("BAN", &[&all[..], &token].concat()), 403, "{token:?}");
    }
    cached.has(1, 0);
    let token = ("X-Invalidate-Token", TOKEN);
    assert_eq!(ask("BAN", &[agent, token]), 400, "of what");
    assert_eq!(ask("BAN", &[agent, token, ("X-Host", "("), ("X-Url", ".")]), 400);
    assert_eq!(ask("BAN", &[agent, token, ("X-Host", "."), ("X-Url", "^/other/")]), 200);
    cached.has(1, 0);
    assert_eq!(ask("PURGE", &[token]), 200);
    assert!(!cached.varnish.get(&path).1);
    // Others' requests are left to who comes behind.
    assert_eq!(request(cached.varnish.port(), "PURGE", "/other", &[token]).status, 405);

    std::fs::write(at(&cached.watched.cli, "token"), "wr0ng")?;
    cached.watched.agent = None;
    let cache = format!("http://127.0.0.1:{}", cached.varnish.port());
    let token = format!("file:{}", at(&cached.watched.cli, "token").display());
    cached.watched.start_agent(&[
        "--purge",
        &cache,
        "--purge-host",
        "localhost",
        "--purge-token",
        &token,
    ]);
    let told = cached.agent().until_told("it is tried again");
    assert!(told.contains("answers BAN with 403") && !told.contains("wr0ng"), "{told}");
    cached.has(1, 0);
    Ok(())
}

fn refused() {
    let cli = super::site(None);
    let refused = |arguments: &[&str]| {
        let mut command = super::command(&cli, &[&["agent"], arguments].concat());
        let output = command.env("TOKEN", "hunter2\nx").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        crate::command::stderr(&output)
    };
    let cache = ["--purge", "http://127.0.0.1:9"];
    for address in ["varnish", "https://varnish", "http://varnish/path", "http://u:p@varnish"] {
        let told = refused(&["--purge", address]);
        assert!(told.contains("is not http://HOST or http://HOST:PORT"), "{told}");
    }
    assert!(refused(&cache).contains("option \"purge-host\": required"));
    assert!(refused(&["--purge-host", "a"]).contains("--purge"));
    for (token, reason) in [
        ("hunter2", "is neither env:NAME nor file:/path"),
        ("env:TOKEN", "cannot be in a header"),
        ("env:NONE", "cannot read env:NONE"),
        ("file:/nonexistent", "cannot read file:/nonexistent"),
    ] {
        let told = refused(&[&cache[..], &["--purge-host", "a", "--purge-token", token]].concat());
        assert!(told.contains(reason) && !told.contains("hunter2"), "{told}");
    }
}
