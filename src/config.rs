//! The option vocabulary that all doors share. Parsing and validation only; the
//! one thing read is the secret that `dsn file:` or `dsn env:` points to.

pub(crate) mod dsn;
mod value;

use std::path::PathBuf;
use std::time::Duration;

pub use dsn::{Dialect, Dsn};

use crate::error::{Error, ErrorKind, Result};
use crate::name::{NamePrefix, UrlPrefix};

/// How far a write is pushed before it counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// File and directories are fsynced: a power cut loses nothing.
    Full,
    /// Only the rename: readers never see half a file, but a power cut may
    /// lose the newest ones.
    Rename,
}

/// One option: its key in every door, its default as a user would write it,
/// and a line of help.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key: `cache_ttl` in nginx and TOML, `ezdfs.cache_ttl` in php.ini,
    /// `--cache-ttl` for the command, `EZDFS_CACHE_TTL` in the environment.
    pub key: &'static str,
    /// The default, or `None` where the option must be given or is derived.
    pub default: Option<&'static str>,
    /// What it is, with its unit.
    pub help: &'static str,
}

macro_rules! vocabulary {
    ($($key:literal $default:expr, $help:literal;)*) => {
        /// Every option, in the order in which documentation lists them.
        pub const VOCABULARY: &[OptionSpec] =
            &[$(OptionSpec { key: $key, default: $default, help: $help }),*];
    };
}

vocabulary! {
    "dsn" None, "Database: mysql://user:pass@host[,host2]/db, postgres://..., sqlite:/file; or env:NAME, file:/path that hold one";
    "table" Some("ezdfsfile"), "Metadata table (Ibexa 5: ibexa_dfs_file)";
    "cache_table" Some(""), "Metadata table of legacy's caches (ezdfsfile_cache); empty: they have none of their own";
    "root" None, "Directory on the mount that ids are relative to";
    "name_prefix" Some(""), "What stands before the id in the table's names, e.g. var/site/storage";
    "url_prefix" None, "What stands before the id in URLs, may have a host; default: name_prefix";
    "file_mode" Some("0644"), "Permissions of new files, octal";
    "dir_mode" Some("0755"), "Permissions of new directories, octal";
    "durability" Some("full"), "full: fsync files and directories; rename: no fsync";
    "connect_timeout" Some("2s"), "Longest wait for a database connection";
    "query_timeout" Some("5s"), "Longest wait for an answer of the database";
    "mount_timeout" Some("5s"), "Longest wait for an answer of the mount";
    "mount_marker" Some(""), "File below the root that must be there for it to count as mounted; production has one";
    "max_connections" Some("4"), "Database connections of one process";
    "cache_size" Some("16m"), "Memory for cached rows of one process; 0: no cache";
    "cache_files" Some("1000"), "Files kept open by one process for cached rows, at most an eighth of its descriptors; 0: none";
    "cache_content" Some("16m"), "Memory for copies of small files that one process serves often; 0: none";
    "cache_ttl" Some("5s"), "How long a row is trusted without asking again; 0: ask always";
    "cache_negative_ttl" Some("1s"), "How long a missing row is trusted without asking again";
    "stale_if_error" Some("0"), "How long past its time a row is still used while the database is unavailable";
    "replica" Some(""), "Directory where `ezdfs agent` keeps this node's replica of the table; rows come from there";
    "replica_max_lag" Some("1s"), "How old the replica's news may be for it to be used";
    "replica_confirms" Some("100"), "How often a second a process asks the database for what the replica does not know";
}

/// `file_mode` and `dir_mode` where nobody has set them.
pub(crate) const DEFAULT_MODES: (u32, u32) = (0o644, 0o755);

/// The options of one store, validated.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) dsn: Dsn,
    pub(crate) table: String,
    pub(crate) cache_table: Option<String>,
    pub(crate) root: PathBuf,
    pub(crate) name_prefix: NamePrefix,
    pub(crate) url_prefix: UrlPrefix,
    pub(crate) file_mode: u32,
    pub(crate) dir_mode: u32,
    pub(crate) durability: Durability,
    pub(crate) connect_timeout: Duration,
    pub(crate) query_timeout: Duration,
    pub(crate) mount_timeout: Duration,
    pub(crate) mount_marker: Option<String>,
    pub(crate) max_connections: usize,
    pub(crate) cache_size: u64,
    pub(crate) cache_files: usize,
    pub(crate) cache_content: u64,
    pub(crate) cache_ttl: Duration,
    pub(crate) cache_negative_ttl: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) replica: Option<PathBuf>,
    pub(crate) replica_max_lag: Duration,
    pub(crate) replica_confirms: u32,
}

impl Options {
    /// Starts with the defaults.
    pub fn builder() -> OptionsBuilder {
        OptionsBuilder::default()
    }

    /// The same of another table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] where it cannot be a table's name.
    pub(crate) fn of_table(&self, table: &str) -> Result<Self> {
        let table = value::table(table).map_err(|reason| bad("table", reason))?;
        Ok(Options { table, ..self.clone() })
    }
}

/// Collects options key by key, refusing each bad one by name.
#[derive(Debug, Clone)]
pub struct OptionsBuilder {
    /// The defaults, overwritten by what was set.
    options: Options,
    url_prefix_is_set: bool,
}

impl Default for OptionsBuilder {
    fn default() -> Self {
        let mut builder = OptionsBuilder {
            options: Options {
                dsn: Dsn::unset(),
                table: String::new(),
                cache_table: None,
                root: PathBuf::new(),
                name_prefix: NamePrefix::default(),
                url_prefix: UrlPrefix::default(),
                file_mode: 0,
                dir_mode: 0,
                durability: Durability::Full,
                connect_timeout: Duration::ZERO,
                query_timeout: Duration::ZERO,
                mount_timeout: Duration::ZERO,
                mount_marker: None,
                max_connections: 0,
                cache_size: 0,
                cache_files: 0,
                cache_content: 0,
                cache_ttl: Duration::ZERO,
                cache_negative_ttl: Duration::ZERO,
                stale_if_error: Duration::ZERO,
                replica: None,
                replica_max_lag: Duration::ZERO,
                replica_confirms: 0,
            },
            url_prefix_is_set: false,
        };
        for spec in VOCABULARY {
            if let Some(default) = spec.default {
                let assigned = builder.assign(spec.key, default);
                debug_assert_eq!(assigned, Ok(()), "the default of {}", spec.key);
            }
        }
        builder
    }
}

impl OptionsBuilder {
    /// Sets one option from its text; a later value replaces an earlier one.
    ///
    /// `dsn env:NAME` and `dsn file:/path` are read here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] with the key as subject: an unknown key or
    /// a value that it cannot have. The message never holds a password, nor a
    /// key that may be one.
    pub fn set(&mut self, key: &str, value: &str) -> Result<&mut Self> {
        self.assign(key, value).map_err(|reason| bad(shown_key(key), reason))?;
        Ok(self)
    }

    fn assign(&mut self, key: &str, text: &str) -> Result<(), String> {
        let options = &mut self.options;
        match key {
            "dsn" => options.dsn = Dsn::resolve(text)?,
            "table" => options.table = value::table(text)?,
            "cache_table" => options.cache_table = value::table_or_none(text)?,
            "root" => options.root = value::absolute_path(text)?,
            "name_prefix" => {
                options.name_prefix =
                    NamePrefix::parse(text).map_err(|error| value::broken(text, &error))?;
            }
            "url_prefix" => {
                options.url_prefix =
                    UrlPrefix::parse(text).map_err(|error| value::broken(text, &error))?;
                self.url_prefix_is_set = true;
            }
            "file_mode" => options.file_mode = value::file_mode(text)?,
            "dir_mode" => options.dir_mode = value::dir_mode(text)?,
            "durability" => options.durability = value::durability(text)?,
            "connect_timeout" => options.connect_timeout = value::timeout(text)?,
            "query_timeout" => options.query_timeout = value::timeout(text)?,
            "mount_timeout" => options.mount_timeout = value::timeout(text)?,
            "mount_marker" => options.mount_marker = value::path_beneath(text)?,
            "max_connections" => options.max_connections = value::count(text)?,
            "cache_size" => options.cache_size = value::size(text)?,
            "cache_files" => options.cache_files = value::count_or_none(text)?,
            "cache_content" => options.cache_content = value::size(text)?,
            "cache_ttl" => options.cache_ttl = value::duration(text)?,
            "cache_negative_ttl" => options.cache_negative_ttl = value::duration(text)?,
            "stale_if_error" => options.stale_if_error = value::duration(text)?,
            "replica" => options.replica = value::absolute_path_or_none(text)?,
            "replica_max_lag" => options.replica_max_lag = value::timeout(text)?,
            "replica_confirms" => options.replica_confirms = value::rate(text)?,
            _ => return Err(unknown_key(key)),
        }
        Ok(())
    }

    /// Checks that nothing required is missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] naming `dsn` or `root` when it is missing, and `cache_table`
    /// where that is `table`.
    pub fn build(&self) -> Result<Options> {
        let mut options = self.options.clone();
        if options.dsn.is_unset() {
            return Err(bad("dsn", "required but not set"));
        }
        if options.root.as_os_str().is_empty() {
            return Err(bad("root", "required but not set"));
        }
        if !self.url_prefix_is_set {
            options.url_prefix = UrlPrefix::parse(options.name_prefix.as_str())?;
        }
        if let Some(caches) = &options.cache_table {
            if caches.eq_ignore_ascii_case(&options.table) {
                return Err(bad("cache_table", "is the table itself"));
            }
            options.name_prefix = options.name_prefix.with_caches();
        }
        Ok(options)
    }
}

/// A number of bytes, such as `50m`.
#[cfg(feature = "cli")]
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    value::size(text)
}

/// The text of an option where a language has a number. A permission is the number itself then
/// (`0644` in PHP, `0o644` in TOML), not its decimal digits.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`] with the key as subject where decimal digits seem to be meant.
pub fn text_of_number(key: &str, number: i64) -> Result<String> {
    let text = match key {
        "file_mode" => value::file_mode_of_number(number),
        "dir_mode" => value::dir_mode_of_number(number),
        _ => Ok(number.to_string()),
    };
    text.map_err(|reason| bad(shown_key(key), reason))
}

fn bad(key: &str, reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, "option", key, reason)
}

/// A key as a message may show it. Where a name was forgotten, a DSN stands in
/// its place.
pub fn shown_key(key: &str) -> &str {
    let is_name = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-');
    if is_name && (1..=40).contains(&key.len()) { key } else { "(not shown)" }
}

fn unknown_key(key: &str) -> String {
    let known: Vec<_> = VOCABULARY.iter().map(|spec| spec.key).collect();
    let near = known.iter().find(|known| {
        known.starts_with(key) || key.starts_with(*known) || known.replace('_', "-") == key
    });
    match near {
        Some(near) => format!("unknown option; did you mean {near:?}?"),
        None => format!("unknown option; known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> OptionsBuilder {
        let mut builder = Options::builder();
        builder.set("dsn", "sqlite:/tmp/x.db").unwrap().set("root", "/mnt/nfs").unwrap();
        builder
    }

    #[test]
    fn defaults_are_those_of_the_vocabulary() {
        let options = minimal().build().unwrap();
        assert_eq!(options.table, "ezdfsfile");
        assert_eq!((options.file_mode, options.dir_mode), DEFAULT_MODES);
        assert_eq!(options.cache_ttl, Duration::from_secs(5));
        assert_eq!(options.url_prefix, UrlPrefix::parse("/").unwrap());
    }

    #[test]
    fn url_prefix_follows_name_prefix_unless_set() {
        let mut builder = minimal();
        builder.set("name_prefix", "var/site/storage").unwrap();
        let options = builder.build().unwrap();
        assert_eq!(options.url_prefix, UrlPrefix::parse("/var/site/storage").unwrap());
        builder.set("url_prefix", "").unwrap();
        assert_eq!(builder.build().unwrap().url_prefix, UrlPrefix::parse("/").unwrap());
    }

    #[test]
    fn bad_values_are_refused_by_key() {
        for (key, value) in [
            ("tabel", "x"),
            ("table", "a b"),
            ("cache_table", "a b"),
            ("root", "relative"),
            ("file_mode", "0888"),
            ("dir_mode", "0640"),
            ("durability", "some"),
            ("connect_timeout", "0"),
            ("cache_ttl", "soon"),
            ("max_connections", "0"),
            ("cache_size", "-1"),
            ("name_prefix", "a/../b"),
        ] {
            let error = minimal().set(key, value).expect_err(key).to_string();
            assert!(error.starts_with(&format!("option {key:?}: ")), "{error}");
        }
        let missing = Options::builder().build().expect_err("nothing set");
        assert_eq!(missing.subject(), "dsn");
    }

    #[test]
    fn caches_have_no_table_or_another() {
        let mut builder = minimal();
        assert_eq!(builder.build().unwrap().cache_table, None);
        builder.set("cache_table", "ezdfsfile_cache").unwrap();
        assert_eq!(builder.build().unwrap().cache_table.as_deref(), Some("ezdfsfile_cache"));
        builder.set("cache_table", "EZDFSfile").unwrap();
        assert_eq!(builder.build().expect_err("the same").subject(), "cache_table");
    }

    #[test]
    fn a_number_is_a_permission_unless_its_digits_look_like_one() {
        for mode in [0o600, 0o640, 0o644, 0o660, 0o664, 0o666, 0o604] {
            assert_eq!(text_of_number("file_mode", mode).unwrap(), format!("{mode:04o}"));
        }
        for mode in [0o700, 0o750, 0o755, 0o770, 0o775, 0o777, 0o705, 0o2775] {
            assert_eq!(text_of_number("dir_mode", mode).unwrap(), format!("{mode:04o}"));
        }
        for digits in [600, 640, 644, 660, 664, 666, 440, 444, -1, 4096] {
            text_of_number("file_mode", digits).unwrap_err();
        }
        for digits in [700, 750, 755, 770, 775, 777, 2775, 1777] {
            text_of_number("dir_mode", digits).unwrap_err();
        }
        assert_eq!(text_of_number("max_connections", 644).unwrap(), "644");
    }

    #[test]
    fn what_may_be_a_password_is_not_quoted() {
        let dsn = "mysql://u:hunter2@h/db";
        let keys = VOCABULARY.iter().map(|spec| spec.key).filter(|key| *key != "dsn");
        for (key, value) in keys.map(|key| (key, dsn)).chain([(dsn, "x"), ("hunter2", "x")]) {
            let error = minimal().set(key, value).expect_err(key);
            assert!(!format!("{error:#} {error:?}").contains("hunter2"), "{error:?}");
        }
        let error = minimal().set("dsn=mysql://u:hunter2@h/db", "x").expect_err("no key");
        assert!(error.to_string().contains("did you mean \"dsn\""), "{error}");
    }

    #[test]
    fn debug_output_keeps_the_password() {
        let mut builder = minimal();
        builder.set("dsn", "mysql://u:hunter2@h/db").unwrap();
        assert!(!format!("{builder:?}").contains("hunter2"));
    }
}
