//! What a site holds, drawn at random: right and wrong rows, files of every age, and what is nobody's.

use crate::kill::content::Random;
use crate::store::md5;

/// The databases: that of most sites, that of `far`, and a copy of the first that was made at
/// [`COPIED`] and is not kept up.
pub(super) const MAIN: usize = 0;
pub(super) const FAR: usize = 1;
pub(super) const STALE: usize = 2;

/// Sites, the database and the table that their rows are in.
pub(super) const SITES: [(&str, usize, &str); 5] = [
    ("site1", MAIN, "ezdfsfile"),
    ("site2", MAIN, "ezdfsfile"),
    ("site3", MAIN, "ezdfsfile"),
    ("other", MAIN, "other_dfs"),
    ("far", FAR, "ezdfsfile"),
];
pub(super) const TABLES: [&str; 3] = ["ezdfsfile", "ezdfsfile_cache", "other_dfs"];

/// Stands for an inode's number in a path, until that is known.
pub(super) const INODE: &str = "INODE";

/// How long ago, in seconds, the stale copy was made.
pub(super) const COPIED: i64 = 3 * 3600;

const DIRS: [&str; 5] =
    ["images/1", "images/2", "images/_aliases/small/1", "images-versioned/4", "original/image"];
const NAMES: [&str; 3] = ["a.jpg", "b.jpg", "c d'é.png"];

/// A file; its path lies beneath the share.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    pub(super) mtime: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) trunk: String,
    pub(super) key: String,
    pub(super) datatype: &'static str,
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) expired: bool,
    pub(super) status: bool,
}

/// An overwrite that died before its commit: the live row speaks of `kept`.
#[derive(Debug)]
pub(super) struct Interrupted {
    pub(super) path: String,
    pub(super) kept: String,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) files: Vec<File>,
    /// With the indexes of their databases.
    pub(super) rows: Vec<(usize, &'static str, Row)>,
    pub(super) interrupted: Vec<Interrupted>,
    /// Files without a row that may be an upload under way.
    pub(super) young: Vec<String>,
}

/// What becomes of an id of a site.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Live,
    Orphan,
    Deleted { has_file: bool },
    Missing,
    OtherSize,
    Interrupted,
    Hidden,
    BadHash,
    BadType,
    Nothing,
}

pub(super) struct Draw<'r> {
    random: &'r mut Random,
    now: i64,
    plan: Plan,
}

impl Plan {
    pub(super) fn draw(random: &mut Random, now: i64) -> Self {
        let mut draw = Draw { random, now, plan: Plan::default() };
        // Whether sites have most files in common, or few.
        let likeness = [92, 50][draw.random.below(2) as usize];
        for site in 0..SITES.len() {
            draw.site(site, likeness);
        }
        draw.foreign();
        draw.plan
    }
}

impl Draw<'_> {
    fn site(&mut self, site: usize, likeness: u64) {
        let storage = format!("var/{}/storage", SITES[site].0);
        for dir in DIRS {
            let only_orphans = self.random.below(9) == 0;
            for name in NAMES {
                let id = format!("{dir}/{name}");
                let is_alike = self.random.below(100) < likeness;
                let bytes = content(&id, if is_alike { 0 } else { 1 + site as u64 });
                let fate = if only_orphans { Fate::Orphan } else { self.fate() };
                self.id(site, format!("{storage}/{id}"), bytes, fate);
            }
        }
        for (path, ago) in [
            ("images/1/.ezdfs-stage-0123456789abcdef", 90_000),
            ("images/2/ezfile-tmp.0123", 90_000),
            ("images/2/.ezdfs-stage-00000000000000aa", 60),
            ("images/2/.nfs0001", 90_000),
            ("files/readme.txt", 90_000),
        ] {
            self.file(format!("{storage}/{path}"), content(path, 0), ago);
        }
        self.file(format!("var/{}/log/error.log", SITES[site].0), b"error".to_vec(), 10_000);
        for path in ["images/1/page", "public/a.css", "public/b.css", "texttoimage/c.png"] {
            let cached = format!("var/{}/cache/{path}", SITES[site].0);
            let bytes = content(&cached, 0);
            if path != "public/b.css" || self.random.below(3) > 0 {
                let row = row(&cached, bytes.len() as u64, self.now - 90_000);
                self.row(MAIN, "ezdfsfile_cache", row);
            }
            self.file(cached, bytes, 90_000);
        }
    }

    /// What lies beside the sites.
    fn foreign(&mut self) {
        for copy in ["backup/tree", ".snapshot/daily", "lost+found"] {
            for id in ["images/1/a.jpg", "images/2/b.jpg", "original/image/a.jpg"] {
                let path = format!("{copy}/var/site1/storage/{id}");
                self.file(path, content(id, 0), 200_000);
            }
        }
        for path in ["backup/2026/db.sql.gz", "images/1/a.jpg", "images/9/z.jpg", ".mounted"] {
            self.file(path.to_owned(), content(path, 0), 200_000);
        }
    }

    fn fate(&mut self) -> Fate {
        match self.random.below(100) {
            0..64 => Fate::Live,
            64..72 => Fate::Orphan,
            72..78 => Fate::Deleted { has_file: true },
            78..81 => Fate::Deleted { has_file: false },
            81..85 => Fate::Missing,
            85..89 => Fate::OtherSize,
            89..92 => Fate::Interrupted,
            92..94 => Fate::Hidden,
            94 => Fate::BadHash,
            95 => Fate::BadType,
            _ => Fate::Nothing,
        }
    }

    /// How long ago something changed.
    fn age(&mut self) -> i64 {
        let (from, to) = match self.random.below(10) {
            0..7 => (4 * 3600, 30 * 86_400),
            7..9 => (70 * 60, 170 * 60),
            _ => (30, 300),
        };
        (from + self.random.below(to - from)).cast_signed()
    }

    fn id(&mut self, site: usize, name: String, bytes: Vec<u8>, fate: Fate) {
        let ago = self.age();
        let mut row = row(&name, bytes.len() as u64, self.now - ago);
        if self.random.below(4) == 0 {
            // As legacy writes them.
            (row.trunk, row.status) = (format!("{}/", &name[..name.len() / 2]), true);
        }
        match fate {
            Fate::Deleted { .. } => (row.mtime, row.expired) = (-row.mtime, true),
            Fate::OtherSize => row.size += 3,
            Fate::Hidden => row.expired = true,
            Fate::BadHash => row.key = md5(&format!("{name}?")),
            Fate::BadType => row.datatype = "no type",
            _ => {}
        }
        let (_, database, table) = SITES[site];
        if !matches!(fate, Fate::Orphan | Fate::Nothing) {
            self.row(database, table, row.clone());
        }
        if site == 0 && fate == Fate::Live {
            self.in_both_tables(&row);
        }
        if database == MAIN && ago > COPIED {
            self.copied(table, &row, fate);
        } else if database == MAIN && fate == Fate::Live && self.random.below(3) == 0 {
            // Deleted before the copy was made, and stored again since then.
            let (mtime, expired) = (-(self.now - 2 * COPIED), true);
            self.row(STALE, table, Row { mtime, expired, ..row.clone() });
        }
        match fate {
            Fate::Nothing | Fate::Missing | Fate::Deleted { has_file: false } => {}
            Fate::Interrupted => self.interrupted(name, bytes, ago),
            _ => {
                if fate == Fate::Orphan && ago < 3600 {
                    self.plan.young.push(name.clone());
                }
                self.file(name, bytes, ago);
            }
        }
    }

    /// A site on its way from one table to another has some rows in both, which need not
    /// say the same.
    fn in_both_tables(&mut self, row: &Row) {
        match self.random.below(6) {
            0 | 1 => self.row(MAIN, "other_dfs", row.clone()),
            2 => {
                let mtime = -row.mtime;
                self.row(MAIN, "other_dfs", Row { mtime, expired: true, ..row.clone() });
            }
            _ => {}
        }
    }

    /// What the stale copy says: some was deleted since then.
    fn copied(&mut self, table: &'static str, row: &Row, fate: Fate) {
        let was_live = self.random.below(3) == 0;
        match fate {
            Fate::Nothing => {}
            Fate::Orphan if !was_live => {}
            Fate::Deleted { .. } if was_live => {
                let mtime = -row.mtime;
                self.row(STALE, table, Row { mtime, expired: false, ..row.clone() });
            }
            _ => self.row(STALE, table, row.clone()),
        }
    }

    fn interrupted(&mut self, path: String, bytes: Vec<u8>, ago: i64) {
        let (dir, file_name) = path.rsplit_once('/').expect("it lies in a directory");
        let (size, mtime) = (bytes.len(), self.now - ago);
        let label = format!("{}-{size:x}-{mtime:x}-{INODE}", md5(file_name));
        let kept = format!("{dir}/.ezdfs-old-{label}-0123456789abcdef");
        let by = [bytes.as_slice(), b"never committed"].concat();
        self.file(kept.clone(), bytes, ago);
        self.file(path.clone(), by, ago + 1);
        self.plan.interrupted.push(Interrupted { path, kept });
    }

    fn file(&mut self, path: String, bytes: Vec<u8>, ago: i64) {
        self.plan.files.push(File { path, bytes, mtime: self.now - ago });
    }

    fn row(&mut self, database: usize, table: &'static str, row: Row) {
        self.plan.rows.push((database, table, row));
    }
}

fn row(name: &str, size: u64, mtime: i64) -> Row {
    Row {
        name: name.to_owned(),
        trunk: name.to_owned(),
        key: md5(name),
        datatype: "image/jpeg",
        size,
        mtime,
        expired: false,
        status: false,
    }
}

/// Variants of an id's bytes: 0 is common to all sites, of the others some are as long as that.
fn content(id: &str, variant: u64) -> Vec<u8> {
    let seed =
        id.bytes().fold(variant, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = Random::new(seed);
    let length = 20 + id.len() + if variant % 2 == 1 { variant as usize } else { 0 };
    (0..length).map(|_| random.next() as u8).collect()
}
