//! `ezdfs usage`: what rows say, counted.

use serde_json::{Value, json};

use super::Cli;
use crate::store::md5;
use crate::support::Group;
use crate::support::db::TestDb;

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("usage_counts_what_rows_say", counts);
    group.per_database("usage_reads_page_by_page", pages);
}

/// Plain SQL, as all kinds of nodes leave it: name, type, size, time.
const ROWS: &[(&str, &str, i64, i64)] = &[
    ("var/a/storage/images/1/x.jpg", "image/jpeg", 100, 1_500_000_000),
    ("var/a/storage/images/_aliases/large/1/x.jpg", "image/jpeg", 20, 1_400_000_000),
    ("var/a/storage/images/_aliases/large/2/x.jpg", "image/png", 10, 1_600_000_000),
    ("var/a/storage/images/_aliases/small/1/x.jpg", "image/jpeg", 5, 1_600_000_000),
    ("var/a/storage/images/2/gone.jpg", "image/jpeg", 7, -1_300_000_000),
    ("var/b/storage/original/y.pdf", "application/pdf", 1000, 1_600_000_000),
    ("var/b/storage/images-versioned/3/y.jpg", "misc", 1, 0),
    ("var/b/cache/z", "php", 2, 1_600_000_000),
];

fn insert(cli: &Cli, rows: impl Iterator<Item = (String, String, i64, i64)>) {
    let values = |(name, datatype, size, mtime): (String, String, i64, i64)| {
        let key = md5(&name);
        format!("('{name}', '{name}', '{key}', '{datatype}', 'x', {size}, {mtime})")
    };
    let rows: Vec<_> = rows.map(values).collect();
    for rows in rows.chunks(500) {
        cli.sql(&format!(
            "INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime)
             VALUES {}",
            rows.join(", ")
        ));
    }
}

/// What there is of each, as `[name, rows, bytes, deleted, deleted_bytes, oldest]`.
#[track_caller]
fn usage(cli: &Cli, by: &str, options: &[&str]) -> Vec<Value> {
    let mut objects = cli.json(&[&["usage", "--by", by, "--json"], options].concat());
    let total = objects.pop().unwrap();
    assert_eq!((&total["total"], &total["interrupted"]), (&json!(true), &json!(false)));
    let sum = |what: &str| objects.iter().map(|one| one[what].as_u64().unwrap()).sum::<u64>();
    for what in ["rows", "bytes", "deleted", "deleted_bytes"] {
        assert_eq!(total[what], sum(what), "{what} by {by}");
    }
    let columns = [by, "rows", "bytes", "deleted", "deleted_bytes", "oldest"];
    let row = |one: &Value| Value::from_iter(columns.map(|column| one[column].clone()));
    objects.iter().map(row).collect()
}

fn counts(db: TestDb) {
    let cli = Cli::new(Some(db));
    let empty = cli.json(&["usage", "--json"]);
    assert_eq!((&empty[0]["rows"], &empty[0]["oldest"], empty.len()), (&json!(0), &Value::Null, 1));
    let owned = |row: &(&str, &str, i64, i64)| (row.0.to_owned(), row.1.to_owned(), row.2, row.3);
    insert(&cli, ROWS.iter().map(owned));
    let is = |by: &str, expected: Value| {
        assert_eq!(Value::from(usage(&cli, by, &[])), expected, "{by}");
    };
    is(
        "siteaccess",
        json!([["var/b", 2, 1002, 1, 1, 1_600_000_000], ["var/a", 4, 135, 1, 7, 1_400_000_000],]),
    );
    is(
        "area",
        json!([
            ["original", 1, 1000, 0, 0, 1_600_000_000],
            ["images", 4, 135, 1, 7, 1_400_000_000],
            ["other", 1, 2, 0, 0, 1_600_000_000],
            ["images-versioned", 0, 0, 1, 1, null],
        ]),
    );
    is(
        "alias",
        json!([
            [null, 3, 1102, 2, 8, 1_500_000_000],
            ["large", 2, 30, 0, 0, 1_400_000_000],
            ["small", 1, 5, 0, 0, 1_600_000_000],
        ]),
    );
    is(
        "type",
        json!([
            ["application/pdf", 1, 1000, 0, 0, 1_600_000_000],
            ["image/jpeg", 3, 125, 1, 7, 1_400_000_000],
            ["image/png", 1, 10, 0, 0, 1_600_000_000],
            ["php", 1, 2, 0, 0, 1_600_000_000],
            ["misc", 0, 0, 1, 1, null],
        ]),
    );
    // A store's own names alone.
    let own = usage(&cli, "area", &["--name-prefix", "var/b/storage"]);
    assert_eq!(own.len(), 2, "{own:?}");
    let text = cli.text(&["usage", "--by", "alias"]);
    let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["rows", "bytes", "deleted", "deleted_bytes", "oldest", "alias"]);
    assert_eq!(lines[2], ["2", "30", "0", "0", "2014-05-13", "large"]);
    assert_eq!(lines[4], ["6", "1137", "2", "8", "2014-05-13", "total"]);
    assert_eq!(cli.code(&["usage", "--by", "colour"]), 2);
}

/// More than a page, in the order of the keys.
fn pages(db: TestDb) {
    let cli = Cli::new(Some(db));
    let rows = (0..12_000).map(|number| {
        (format!("images/{number}.png"), format!("type/{}", number % 3), 1, 1_500_000_000)
    });
    insert(&cli, rows);
    let types = usage(&cli, "type", &[]);
    assert_eq!(types.len(), 3, "{types:?}");
    assert!(types.iter().all(|one| one[1] == 4000 && one[2] == 4000), "{types:?}");
}
