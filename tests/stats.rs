//! What a store counts: each counter is moved by what it counts.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use ezdfs::maintenance::{EmptyOptions, Phase, Progress, empty_trash, soft_mounts};
use ezdfs::serve::{Allow, Request};
use ezdfs::stats::{Format, write};
use ezdfs::{CreateOptions, DirId, ErrorKind, FileId, Options, Store};
use nix::errno::Errno;
use tempfile::TempDir;

use crate::support::db::TestDb;
use crate::support::metrics::Metrics;
use crate::support::nfs_client::{Call, Fault, NfsClient};
use crate::support::process::{free_port, scratch, wait_for};
use crate::support::proxy::{Mode, Proxy};
use crate::support::{Need, Result, Servers, Trials, mariadb};

/// Moved where else, and why not here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("ezdfs_lookups_total{source=\"replica\"}", "agent: needs an agent"),
    ("ezdfs_replica", "agent"),
    ("ezdfs_mount_call_seconds", "nginx::metrics: call=\"read\" is of an event loop"),
    ("ezdfs_lookups_refused_total", "serving::flights: needs 8192 clients"),
    ("ezdfs_operations_total{outcome=\"internal\"}", "a bug"),
];

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("stats", &[Need::MARIADB, Need::NfsClient]);
    group.add("all_that_is_counted_moves", all);
}

/// A site whose database and mount can be made to fail.
struct Site {
    server: std::sync::Arc<mariadb::Server>,
    first: Proxy,
    second: Proxy,
    tree: TempDir,
    mount: NfsClient,
    name: String,
}

impl Site {
    fn new() -> Result<Self> {
        let server = std::sync::Arc::new(mariadb::Server::start()?);
        let name = server.create_database("utf8mb4", "utf8mb4_bin")?;
        let (first, second) = (Proxy::start(server.port())?, Proxy::start(server.port())?);
        let tree = scratch();
        let mount = NfsClient::mount(tree.path())?;
        let site = Site { server, first, second, tree, mount, name };
        site.store(&[]).create_schema()?;
        Ok(site)
    }

    fn store(&self, options: &[(&str, &str)]) -> Store {
        let dsn = self.first.through(&self.server.dsn(&self.name));
        let both = format!("{},{}", self.first.address(), self.second.address());
        let mut builder = Options::builder();
        builder.set("dsn", &dsn.replace(&self.first.address(), &both)).unwrap();
        builder.set("root", &self.mount.at().to_string_lossy()).unwrap();
        for (key, value) in options {
            builder.set(key, value).unwrap();
        }
        Store::new(builder.build().unwrap())
    }
}

/// Is told how far something has come, and says nothing.
struct Unheard;

impl Progress for Unheard {
    fn progress(&mut self, _: Phase, _: u64, _: u64) {}
}

fn metrics(store: &Store) -> Result<Metrics> {
    Metrics::parse(&write(&[("s", store.stats()?)], Format::Prometheus), "s")
}

fn id(text: &str) -> FileId {
    FileId::parse(&format!("var/site/storage/images/{text}")).expect("an id")
}

fn put(store: &Store, id: &FileId, bytes: &[u8]) -> ezdfs::Result<()> {
    store.create(id, &mut &bytes[..], &CreateOptions::default()).map(drop)
}

fn serve(store: &Store, path: &str) -> ezdfs::Result<()> {
    let path = path.as_bytes();
    let request = Request { path, raw_path: Some(path), allow: Allow::default() };
    store.serve(request).map(drop)
}

fn kind<T>(outcome: ezdfs::Result<T>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

/// Makes things happen; what was counted.
type Scenario = fn(&mut Site) -> Result<Vec<Metrics>>;

fn all(_: &Servers) -> Result {
    let mut moved = BTreeSet::new();
    let mut site = Site::new()?;
    let mut known = BTreeSet::new();
    let scenarios: [(&str, Scenario); 7] = [
        ("reading", reading),
        ("writing", writing),
        ("the halves and listing", halves),
        ("small caches", small_caches),
        ("a database that fails", database),
        ("a mount that fails", mount),
        ("what cannot be", impossible),
    ];
    for (what, scenario) in scenarios {
        let counted = scenario(&mut site).map_err(|error| format!("{what}: {error:#}"))?;
        for metrics in counted {
            known.extend(metrics.samples().map(str::to_owned));
            moved.extend(metrics.moved().map(str::to_owned));
        }
    }
    // A bucket is its histogram's.
    let is_counted = |sample: &&String| !sample.contains("_bucket{");
    let still: Vec<_> = known.difference(&moved).filter(is_counted).collect();
    let is_elsewhere = |sample: &str| ELSEWHERE.iter().any(|(own, _)| sample.starts_with(own));
    let unmoved: Vec<_> = still.into_iter().filter(|sample| !is_elsewhere(sample)).collect();
    assert!(unmoved.is_empty(), "nothing has moved {unmoved:#?}");
    Ok(())
}

fn reading(site: &mut Site) -> Result<Vec<Metrics>> {
    let store = site.store(&[("cache_ttl", "1h"), ("cache_negative_ttl", "1h")]);
    let file = id("1/a.png");
    put(&store, &file, b"bytes")?;
    let before = metrics(&store)?;
    store.stat(&file)?;
    store.stat(&file)?;
    assert_eq!(kind(store.stat(&id("1/missing.png"))), Some(ErrorKind::NotFound));
    for _ in 0..10 {
        serve(&store, "/var/site/storage/images/1/a.png")?;
    }
    let path = "/var/site/storage/original/a.pdf";
    assert_eq!(kind(serve(&store, path)), Some(ErrorKind::Denied));
    let path = "/var/site/storage/images/1%2fa.png";
    assert_eq!(kind(serve(&store, path)), Some(ErrorKind::InvalidName));
    let counted = metrics(&store)?.since(&before);
    let of = |source: &str| counted.get(&format!("ezdfs_lookups_total{{source=\"{source}\"}}"));
    // The first serving knows the row.
    assert_eq!((of("database"), of("cache")), (2.0, 2.0));
    assert_eq!(of("kept") + of("memory"), 9.0);
    assert_eq!(counted.get("ezdfs_operations_total{outcome=\"ok\"}"), 12.0);

    // As a kernel that died between row and file leaves it.
    fs::write(site.tree.path().join(file.as_str()), b"other bytes")?;
    let store = site.store(&[]);
    store.open(&file)?;
    let mismatches = metrics(&store)?.get("ezdfs_size_mismatches_total");
    assert_eq!(mismatches, 1.0);
    // What is replaced is not let go of for want of room.
    put(&store, &file, b"bytes")?;
    store.stat(&file)?;
    put(&store, &file, b"other")?;
    assert_eq!(metrics(&store)?.get("ezdfs_evictions_total{cache=\"rows\"}"), 0.0);
    Ok(vec![counted, metrics(&store)?])
}

fn writing(site: &mut Site) -> Result<Vec<Metrics>> {
    let store = site.store(&[]);
    put(&store, &id("2/a.png"), b"bytes")?;
    store.rename(&id("2/a.png"), &id("2/b.png"))?;
    store.delete(&id("2/b.png"))?;
    store.delete_directory(&DirId::parse("var/site/storage/images/2")?)?;
    let options = CreateOptions { size: Some(3), ..Default::default() };
    let short = store.create(&id("2/c.png"), &mut &b"bytes"[..], &options);
    assert_eq!(kind(short), Some(ErrorKind::InvalidInput));
    let counted = metrics(&store)?;
    for operation in ["create", "rename", "delete", "delete_directory"] {
        let sample = format!("ezdfs_writes_total{{operation=\"{operation}\"}}");
        assert_eq!(counted.get(&sample), 1.0, "{operation}");
    }
    assert_eq!(counted.get("ezdfs_written_bytes_total"), 5.0);
    assert_eq!(counted.get("ezdfs_query_seconds_count{kind=\"commit\"}").min(4.0), 4.0);

    let full = Fault::new(Call::Write, Errno::ENOSPC);
    site.mount.fail([full])?;
    assert_eq!(kind(put(&store, &id("2/d.png"), b"bytes")), Some(ErrorKind::NoSpace));
    site.mount.heal()?;
    put(&store, &id("2/e.png"), b"bytes")?;
    // Neither by link nor by rename is the new file put in place.
    let broken = [Call::Rename, Call::Link].map(|call| Fault::new(call, Errno::EIO));
    site.mount.fail(broken)?;
    assert_eq!(kind(put(&store, &id("2/e.png"), b"other")), Some(ErrorKind::Storage));
    site.mount.heal()?;
    let counted = metrics(&store)?;
    assert_eq!(counted.get("ezdfs_interrupted_overwrites_total"), 1.0);
    soft_mounts(&store)?;
    let dry = EmptyOptions { grace: Duration::ZERO, dry_run: true, max_remove: None };
    empty_trash(&store, dry, &mut Unheard)?;
    Ok(vec![counted, metrics(&store)?])
}

fn halves(site: &mut Site) -> Result<Vec<Metrics>> {
    let store = site.store(&[]);
    let (file, dir) = (id("3/a.png"), DirId::parse("var/site/storage/images/3")?);
    store.put_metadata(&file, 5, None, None)?;
    store.put_data(&file, &mut &b"bytes"[..], None)?;
    store.open_data(&file)?;
    let mut list = store.list(Some(&dir))?;
    // One that is left before its end is none.
    drop(store.list(Some(&dir))?.next());
    assert_eq!(list.by_ref().count(), 1);
    assert!(list.next().is_none());
    store.delete_data(&file)?;
    store.delete_metadata(&file)?;
    assert_eq!(kind(store.delete_metadata(&file)), Some(ErrorKind::NotFound));
    store.delete_data_directory(&dir)?;
    store.delete_metadata_directory(&dir)?;
    assert_eq!(kind(store.file_id(b"../a")), Some(ErrorKind::InvalidName));
    assert_eq!(kind(store.dir_id(b"/")), Some(ErrorKind::InvalidName));
    let counted = metrics(&store)?;
    for operation in ["put_metadata", "put_data", "delete_metadata", "delete_data"] {
        let sample = format!("ezdfs_writes_total{{operation=\"{operation}\"}}");
        assert_eq!(counted.get(&sample), 1.0, "{operation}");
    }
    assert_eq!(counted.get("ezdfs_written_bytes_total"), 5.0);
    // Six changes, a look, a listing.
    assert_eq!(counted.get("ezdfs_operations_total{outcome=\"ok\"}"), 8.0);
    assert_eq!(counted.get("ezdfs_operations_total{outcome=\"not_found\"}"), 1.0);
    assert_eq!(counted.get("ezdfs_operations_total{outcome=\"invalid_name\"}"), 2.0);
    Ok(vec![counted])
}

fn small_caches(site: &mut Site) -> Result<Vec<Metrics>> {
    let long = [("cache_ttl", "1h"), ("cache_negative_ttl", "1h")];
    let small = [("cache_size", "16k"), ("cache_files", "8"), ("cache_content", "8k")];
    let store = site.store(&[long, [small[0], small[1]]].concat());
    let names: Vec<_> = (0..20).map(|n| format!("3/{n}.png")).collect();
    names.iter().try_for_each(|name| put(&store, &id(name), &[0; 2000]))?;
    for name in &names {
        serve(&store, &format!("/var/site/storage/images/{name}"))?;
    }
    (0..300).for_each(|n| drop(store.exists(&id(&format!("3/missing{n}.png")))));
    let counted = metrics(&store)?;
    assert!(counted.get("ezdfs_evictions_total{cache=\"rows\"}") > 0.0);
    assert!(counted.get("ezdfs_evictions_total{cache=\"files\"}") > 0.0);

    let store = site.store(&[long, [small[2], ("cache_files", "100")]].concat());
    for name in names.iter().cycle().take(200) {
        serve(&store, &format!("/var/site/storage/images/{name}"))?;
    }
    let bytes = metrics(&store)?.get("ezdfs_memory_bytes");
    assert!((1.0..=8192.0).contains(&bytes), "{bytes}");
    Ok(vec![counted, metrics(&store)?])
}

fn database(site: &mut Site) -> Result<Vec<Metrics>> {
    let stale = [("cache_ttl", "1ms"), ("stale_if_error", "1h"), ("query_timeout", "500ms")];
    let store = site.store(&[&stale[..], &[("connect_timeout", "500ms")]].concat());
    let file = id("4/a.png");
    put(&store, &file, b"bytes")?;
    store.stat(&file)?;
    // The connections are cut, and made again.
    site.first.reset();
    store.stat(&file)?;
    let counted = metrics(&store)?;
    assert!(counted.get("ezdfs_query_failures_total") > 0.0);
    assert!(counted.get("ezdfs_retries_total") > 0.0);

    site.first.set(Mode::Refuse);
    site.first.reset();
    wait_for("the second server", || put(&store, &file, b"bytes").is_ok())?;
    let counted = metrics(&store)?;
    assert_eq!(counted.get("ezdfs_failovers_total"), 1.0);
    assert!(counted.get("ezdfs_connections_refused_total") > 0.0);

    store.stat(&file)?;
    site.second.set(Mode::Refuse);
    site.second.reset();
    store.stat(&file)?;
    assert_eq!(kind(store.stat(&id("4/b.png"))), Some(ErrorKind::Unavailable));
    let counted = metrics(&store)?;
    assert!(counted.get("ezdfs_stale_answers_total") > 0.0);
    assert!(counted.get("ezdfs_operations_total{outcome=\"unavailable\"}") > 0.0);
    for proxy in [&site.first, &site.second] {
        proxy.set(Mode::Pass);
    }
    Ok(vec![counted])
}

fn mount(site: &mut Site) -> Result<Vec<Metrics>> {
    let store = site.store(&[("mount_timeout", "300ms"), ("cache_ttl", "1h")]);
    let file = id("5/a.png");
    put(&store, &file, b"bytes")?;
    site.mount.hang(&[Call::Lookup, Call::Open])?;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let path = "/var/site/storage/images/5/a.png";
                assert_eq!(kind(serve(&store, path)), Some(ErrorKind::Unavailable));
            });
        }
    });
    let during = metrics(&store)?;
    assert_eq!(during.get("ezdfs_mount_threads{state=\"stuck\"}"), 1.0);
    assert_eq!(during.get("ezdfs_mount_threads{state=\"busy\"}"), 1.0);
    assert_eq!(during.get("ezdfs_lookups_joined_total"), 1.0);
    assert!(during.get("ezdfs_mount_timeouts_total") >= 1.0);
    site.mount.heal()?;
    let threads = || metrics(&store).map(|now| now.get("ezdfs_mount_threads{state=\"stuck\"}"));
    wait_for("the thread to get on", || threads().is_ok_and(|stuck| stuck == 0.0))?;
    Ok(vec![during, metrics(&store)?])
}

/// What a store with such options, or such a table, cannot do.
fn impossible(site: &mut Site) -> Result<Vec<Metrics>> {
    let mut counted = Vec::new();
    let mut refused = |dsn: &str, expected| -> Result {
        let mut builder = Options::builder();
        builder.set("dsn", dsn)?.set("root", &site.mount.at().to_string_lossy())?;
        let store = Store::new(builder.build()?);
        assert_eq!(kind(store.stat(&id("a.png"))), Some(expected), "{dsn}");
        counted.push(metrics(&store)?);
        Ok(())
    };
    let barred = format!("mysql://nobody:wrong@127.0.0.1:{}/d", site.server.port());
    refused(&barred, ErrorKind::InvalidConfig)?;
    let empty = TestDb::on_mariadb(&site.server, "utf8mb4", "utf8mb4_bin")?;
    refused(&empty.dsn, ErrorKind::Schema)?;
    let nowhere = format!("mysql://u:p@127.0.0.1:{}/d", free_port());
    refused(&nowhere, ErrorKind::Unavailable)?;
    Ok(counted)
}
