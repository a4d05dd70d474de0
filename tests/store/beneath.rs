//! What lies below a directory, whatever the collation sorts where: nothing is
//! missed, nothing else is met.

use ezdfs::DirId;

use super::schema::LEGACY_MYSQL;
use super::{PREFIX, Site, id, md5, texts};
use crate::support::db::{Backend, TestDb};
use crate::support::{Need, Result, Servers, Trials, mariadb};

pub(crate) fn register(trials: &mut Trials) {
    let mut group = trials.group("beneath", &[]);
    group.per_database("no_first_character_is_missed", no_first_character_is_missed);
    let mut group = trials.group("beneath", &[Need::MARIADB]);
    group.add("no_collation_hides_a_name", no_collation_hides_a_name);
    group.add("mariadb_reads_the_directory_alone", mariadb_reads_the_directory_alone);
}

/// How names begin directly below a directory: characters that collations ignore,
/// sort before the slash, take for another, or have at either end.
const FIRST: [&str; 20] = [
    "A", "a", "\u{e9}", "\u{c9}", "\u{df}", "\u{ff}", " ", "!", "\t", "\n", "\u{1}", "\u{1f}", "~",
    "\u{7f}", "0", ".", "-", "%", "|", "\\",
];
/// Not in latin1.
const WIDE: [&str; 5] = ["\u{4e2d}", "\u{301}", "\u{200d}", "\u{fffd}", "\u{ffff}"];
/// Four bytes long, which utf8mb3 does not have.
const WIDEST: [&str; 4] = ["\u{1f600}", "\u{10000}", "\u{2ffff}", "\u{10ffff}"];

/// Neighbours, for which some collations or bounds could take the directory.
const BESIDE: [&str; 9] = [
    "images!/x",
    "images /x",
    "images-versioned/x",
    "images.jpg",
    "images./x",
    "images0.jpg",
    "images0/x",
    "IMAGES/x",
    "imag\u{e9}s/x",
];

/// Rows that make the index cheaper than the table.
const ELSEWHERE: usize = 3000;

fn fill(site: &Site) {
    let row = |n| {
        let name = format!("{PREFIX}/elsewhere-{}/{n}", n % 2);
        let expired = if site.db.backend == Backend::Postgres { "FALSE" } else { "0" };
        format!("('{name}', '', '{}', '', '', 1, 1, {expired})", md5(&name))
    };
    let rows: Vec<_> = (0..ELSEWHERE).map(row).collect();
    let columns = "name, name_trunk, name_hash, datatype, scope, size, mtime, expired";
    site.db.sql(&format!("INSERT INTO ezdfsfile ({columns}) VALUES {}", rows.join(", ")));
    site.db.sql(match site.db.backend {
        Backend::MariaDb => "ANALYZE TABLE ezdfsfile",
        Backend::Postgres | Backend::Sqlite => "ANALYZE ezdfsfile",
    });
}

fn dir(text: &str) -> DirId {
    DirId::parse(text).unwrap()
}

/// Stores files in a directory and beside it, lists the directory, deletes it.
fn assert_complete(site: &Site, directory: &str, first: &[&str]) {
    let names = |first: &&str| [".jpg", "/a.jpg"].map(|rest| format!("{directory}/{first}{rest}"));
    let mut files: Vec<String> = first.iter().flat_map(names).collect();
    files.retain(|file| !file.ends_with("/./a.jpg"));
    let beside = BESIDE.map(|name| name.replacen("images", directory, 1));
    for file in files.iter().chain(&beside) {
        site.create(file, b"x").unwrap();
    }
    files.sort();
    fill(site);
    let listed: Vec<_> = site.store.list(Some(&dir(directory))).unwrap().collect();
    let listed: Vec<_> = listed.into_iter().map(|info| info.unwrap().id.to_string()).collect();
    assert_eq!(listed, files);
    let deleted = site.store.delete_directory(&dir(directory)).unwrap();
    assert_eq!((deleted.rows, deleted.left), (files.len() as u64, 0));
    let count = (beside.len() + ELSEWHERE).to_string();
    assert_eq!(site.db.sql("SELECT COUNT(*) FROM ezdfsfile"), texts([&count]));
    assert!(beside.iter().all(|file| site.path(file).exists()));
}

fn no_first_character_is_missed(db: TestDb) {
    assert_complete(&Site::new(db), "images", &[&FIRST[..], &WIDE, &WIDEST].concat());
}

fn no_collation_hides_a_name(servers: &Servers) -> Result {
    // Longer than what the index holds of a name.
    let long = ["d"; 120].join("/");
    for (charset, collation) in [
        ("utf8mb4", "utf8mb4_bin"),
        ("utf8mb4", "utf8mb4_nopad_bin"),
        ("utf8mb4", "utf8mb4_unicode_520_ci"),
        ("utf8mb4", "utf8mb4_general_ci"),
        ("utf8mb4", "uca1400_ai_ci"),
        ("utf8mb3", "utf8mb3_general_ci"),
        ("latin1", "latin1_swedish_ci"),
    ] {
        let mut first = FIRST.to_vec();
        if charset != "latin1" {
            first.extend(WIDE);
        }
        if charset == "utf8mb4" {
            first.extend(WIDEST);
        }
        for directory in ["images", &long] {
            let site = Site::without_table(TestDb::mariadb(servers, charset, collation)?, &[]);
            site.db.sql(LEGACY_MYSQL);
            assert_complete(&site, directory, &first);
        }
    }
    Ok(())
}

fn mariadb_reads_the_directory_alone(_: &Servers) -> Result {
    // The counters are the whole server's.
    let server = std::sync::Arc::new(mariadb::Server::start()?);
    for (charset, collation) in [
        ("utf8mb4", "utf8mb4_bin"),
        ("utf8mb4", "utf8mb4_unicode_520_ci"),
        ("utf8mb4", "utf8mb4_general_ci"),
        ("latin1", "latin1_swedish_ci"),
    ] {
        let site = Site::without_table(TestDb::on_mariadb(&server, charset, collation)?, &[]);
        site.db.sql(LEGACY_MYSQL);
        for file in ["images/a", "images/B", "images/\u{e9}/c"] {
            site.create(file, b"x").unwrap();
        }
        fill(&site);
        assert!(site.exists("images/a"));
        let read = || -> usize {
            let counters = site.db.sql("SHOW GLOBAL STATUS LIKE 'Handler_read%'");
            let counts = counters.iter().map(|row| row[1].as_ref().unwrap());
            counts.map(|count| count.parse::<usize>().unwrap()).sum()
        };
        let before = read();
        assert_eq!(site.store.list(Some(&dir("images"))).unwrap().count(), 3);
        let listed = read() - before;
        assert_eq!(site.store.delete_metadata_directory(&dir("images")).unwrap(), 3);
        let deleted = read() - before - listed;
        assert!(listed < 500 && deleted < 500, "{collation}: read {listed}, then {deleted}");
        assert!(!site.store.exists(&id("images/a")).unwrap());
    }
    Ok(())
}
