//! The hot functions of the core, through its public interface: `cargo bench`.
//!
//! Stores are on SQLite and a scratch directory: what is measured is the core,
//! not a server.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ezdfs::serve::{self, Allow, Request};
use ezdfs::{Area, CreateOptions, FileId, Options, Store};
use tempfile::TempDir;

const ID: &str = "images/4/3/2/1/4321-1-eng-GB/picture.jpg";
const PATH: &[u8] = b"/var/site/storage/images/4/3/2/1/4321-1-eng-GB/picture.jpg";
const PREFIX: &str = "var/site/storage";

/// A store that has the file [`ID`].
struct Fixture {
    store: Store,
    id: FileId,
    _dir: TempDir,
}

impl Fixture {
    fn new(settings: &[(&str, &str)]) -> ezdfs::Result<Self> {
        let dir = tempfile::tempdir().expect("create a scratch directory");
        let database = format!("sqlite:{}/db.sqlite", dir.path().display());
        let root = dir.path().join("root");
        std::fs::create_dir(&root).expect("create the root");
        let root = root.to_string_lossy();
        let mut options = Options::builder();
        options
            .set("dsn", &database)?
            .set("root", &root)?
            .set("name_prefix", PREFIX)?
            .set("durability", "rename")?;
        for (key, value) in settings {
            options.set(key, value)?;
        }
        let store = Store::new(options.build()?);
        store.create_schema()?;
        let id = FileId::parse(ID)?;
        let picture = [b"\xff\xd8\xff\xe0\0\x10JFIF\0", &[7; 20_000][..]].concat();
        store.create(&id, &mut &picture[..], &CreateOptions::default())?;
        Ok(Fixture { store, id, _dir: dir })
    }
}

fn request() -> Request<'static> {
    Request { path: PATH, raw_path: Some(PATH), allow: Allow::default() }
}

fn names(criterion: &mut Criterion) {
    let fixture = Fixture::new(&[]).expect("make a store");
    let Fixture { store, id, .. } = &fixture;
    let prefixes = store.prefixes();
    criterion.bench_function("parse an id", |bencher| {
        bencher.iter(|| FileId::parse(black_box(ID)));
    });
    criterion.bench_function("hash a name", |bencher| {
        bencher.iter(|| store.name(black_box(id)).map(|name| name.hash()));
    });
    criterion.bench_function("candidates of a request", |bencher| {
        bencher.iter(|| serve::candidates(prefixes, black_box(request())));
    });
    criterion.bench_function("present a MIME type", |bencher| {
        bencher.iter(|| {
            serve::present(
                black_box(Area::Images),
                black_box("image/jpeg"),
                black_box("picture.jpg"),
            )
        });
    });
    let head = [b"\xff\xd8\xff\xe0\0\x10JFIF\0", &[7; 4_000][..]].concat();
    criterion.bench_function("sniff a picture", |bencher| {
        bencher.iter(|| ezdfs::sniff(black_box(&head)));
    });
}

fn cached(criterion: &mut Criterion) {
    // No look-up of the measured kind leaves the cache.
    let forever = [("cache_ttl", "1h"), ("cache_negative_ttl", "1h")];
    let fixture = Fixture::new(&forever).expect("make a store");
    let Fixture { store, id, .. } = &fixture;
    let missing = FileId::parse("images/missing.jpg").expect("an id");
    criterion.bench_function("stat, cached", |bencher| bencher.iter(|| store.stat(id)));
    criterion.bench_function("exists, cached absence", |bencher| {
        bencher.iter(|| store.exists(&missing));
    });
    criterion.bench_function("open, cached", |bencher| bencher.iter(|| store.open(id)));
    // Fails here, not unnoticed in the loop.
    store.serve(request()).expect("serve the file");
    criterion.bench_function("serve, cached", |bencher| bencher.iter(|| store.serve(request())));
}

fn uncached(criterion: &mut Criterion) {
    let fixture = Fixture::new(&[("cache_ttl", "0")]).expect("make a store");
    let Fixture { store, id, .. } = &fixture;
    criterion.bench_function("stat, SQLite", |bencher| bencher.iter(|| store.stat(id)));
    criterion.bench_function("open, SQLite", |bencher| bencher.iter(|| store.open(id)));
}

criterion_group!(benches, names, cached, uncached);
criterion_main!(benches);
