//! The data source name: which database, on which servers.

mod address;
mod parts;
mod tls;

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;

pub(crate) use address::Address;
pub(crate) use tls::TlsMode;

use super::value::shown;
use parts::Parts;

/// The database families, which differ in their SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
    /// SQLite, embedded.
    Sqlite,
}

/// A parsed DSN: its servers, in the order in which to try them.
///
/// Neither `Debug` nor `Display` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    dialect: Dialect,
    servers: Vec<Address>,
    /// The file that it stands in, where it does.
    file: Option<PathBuf>,
}

impl Dsn {
    /// Reads `env:NAME` and `file:/path`, then parses what they hold.
    pub(super) fn resolve(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let held = std::env::var(name).map_err(|error| {
                let shown = shown(name, "what follows env:");
                match error {
                    VarError::NotPresent => format!("{shown} is not set in the environment"),
                    VarError::NotUnicode(_) => format!("{shown} is not UTF-8"),
                }
            })?;
            let place = || shown(name, "the environment");
            return Dsn::parse(held.trim()).map_err(|reason| format!("in {}: {reason}", place()));
        }
        if let Some(path) = text.strip_prefix("file:") {
            let place = || shown(path, "the file");
            let held = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", place()))?;
            let dsn = Dsn::parse(held.trim());
            let dsn = dsn.map_err(|reason| format!("in {}: {reason}", place()))?;
            return Ok(Dsn { file: Some(PathBuf::from(path)), ..dsn });
        }
        Dsn::parse(text)
    }

    /// What the file holds now, where the DSN stands in one that has changed since.
    /// `None` where it has not, or holds no DSN of this database: another database
    /// would have other rows.
    pub(crate) fn changed(&self) -> Option<Dsn> {
        let path = self.file.as_ref()?;
        let now = Dsn::parse(std::fs::read_to_string(path).ok()?.trim()).ok()?;
        let now = Dsn { file: self.file.clone(), ..now };
        let same = (now.dialect, now.database()) == (self.dialect, self.database());
        (same && now != *self).then_some(now)
    }

    /// Its reasons quote nothing: the text is any file's, or a password.
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(char::is_control) {
            return Err("not a DSN: more than one line, or control characters".to_owned());
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| {
            "not a DSN; expected mysql://, postgres://, sqlite:, env:NAME or file:/path".to_owned()
        })?;
        match scheme {
            "mysql" | "mariadb" => Dsn::networked(Dialect::MySql, "mysql", rest),
            "postgres" | "postgresql" => Dsn::networked(Dialect::Postgres, "postgres", rest),
            "sqlite" => Dsn::sqlite(rest),
            _ => Err("unknown database; use mysql://, postgres:// or sqlite:/".to_owned()),
        }
    }

    fn sqlite(rest: &str) -> Result<Self, String> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if !path.starts_with('/') {
            return Err("sqlite: lacks an absolute path, as in sqlite:/db.sqlite".to_owned());
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut file = Address { scheme: "sqlite", ..Address::default() };
        file.database = address::decoded(path)?;
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            file.parameters.push((key.into_owned(), value.into_owned()));
        }
        Ok(Dsn { dialect: Dialect::Sqlite, servers: vec![file], file: None })
    }

    fn networked(dialect: Dialect, scheme: &'static str, rest: &str) -> Result<Self, String> {
        let rest = rest.strip_prefix("//").ok_or_else(|| format!("{scheme}: lacks //host"))?;
        let servers = Parts::of(rest)
            .and_then(|parts| parts.addresses(scheme))
            .map_err(|reason| format!("{scheme}:// {reason}"))?;
        Ok(Dsn { dialect, servers, file: None })
    }

    /// The database family.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The database's name, or SQLite's file: what stays the same when hosts and logins
    /// change.
    pub(crate) fn database(&self) -> &str {
        self.servers.first().map_or("", |server| &server.database)
    }

    pub(crate) fn servers(&self) -> &[Address] {
        &self.servers
    }

    pub(super) fn unset() -> Self {
        Dsn { dialect: Dialect::Sqlite, servers: Vec::new(), file: None }
    }

    pub(super) fn is_unset(&self) -> bool {
        self.servers.is_empty()
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(Address::to_string).collect();
        f.write_str(&servers.join(","))
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Dsn::resolve(text).unwrap_or_else(|reason| panic!("{text}: {reason}")).to_string()
    }

    #[test]
    fn an_active_and_a_passive_server_share_login_and_database() {
        let text =
            "mysql://u:p%40x@db1,db2:3307,[::1],[fe80::1%25eth0]:3308/ezdfs?ssl-mode=disabled";
        let dsn = Dsn::resolve(text).unwrap();
        let hosts: Vec<_> = dsn.servers().iter().map(|it| (&*it.host, it.port)).collect();
        assert_eq!(
            hosts,
            [("db1", None), ("db2", Some(3307)), ("::1", None), ("fe80::1%eth0", Some(3308))]
        );
        for server in dsn.servers() {
            assert_eq!(server.password.as_deref(), Some("p@x"));
            assert_eq!(server.tls.mode(), TlsMode::Disabled);
        }
        assert_eq!(
            dsn.to_string(),
            "mysql://u:***@db1/ezdfs,mysql://u:***@db2:3307/ezdfs,mysql://u:***@[::1]/ezdfs,\
             mysql://u:***@[fe80::1%eth0]:3308/ezdfs"
        );
    }

    #[test]
    fn a_password_may_stand_as_it_is() {
        for password in [
            "hunter2",
            "1/2",
            "12#3",
            "1?2",
            "p/a#s?s",
            "p@ss",
            "p@ss/word",
            "@/",
            "50%",
            "%zz",
            "a:b",
            "[x",
            "p@h/db",
            "p@h/db?x",
            "/",
            "#",
            "?",
            "1,2",
            "a b",
        ] {
            let dsn = Dsn::resolve(&format!("mysql://u:{password}@h:3307/db?charset=utf8mb4"));
            let dsn = dsn.unwrap_or_else(|reason| panic!("{password}: {reason}"));
            let server = &dsn.servers()[0];
            assert_eq!(server.password.as_deref(), Some(password));
            assert_eq!((&*server.host, server.port, &*server.database), ("h", Some(3307), "db"));
            assert_eq!(dsn.to_string(), "mysql://u:***@h:3307/db");
        }
    }

    #[test]
    fn sockets_are_named_in_every_usual_way() {
        for text in [
            "mysql://u@localhost/db?socket=/run/m.sock",
            "mysql://u@localhost:3306/db?unix_socket=/run/m.sock&serverVersion=8.0",
            "mysql://u@/db?socket=/run/m.sock",
            "mysql://u@%2Frun%2Fm.sock/db",
            "postgres://u@/db?host=/run/m.sock",
            "postgresql://u@%2Frun%2Fm.sock/db",
            "postgres:///db?user=u&host=%2Frun%2Fm.sock",
            "postgres:///?user=u&host=%2Frun%2Fm.sock&dbname=db",
        ] {
            let dsn = Dsn::resolve(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
            let server = &dsn.servers()[0];
            assert_eq!(server.socket.as_deref(), Some("/run/m.sock".as_ref()), "{text}");
            assert_eq!((server.user.as_deref(), &*server.database), (Some("u"), "db"), "{text}");
        }
        assert_eq!(shown("mysql://u:p@/db?socket=/run/m"), "mysql://u:***@/db?socket=/run/m");
    }

    #[test]
    fn the_words_for_tls_are_those_of_both_families() {
        for (query, mode) in [
            ("", TlsMode::Preferred),
            ("ssl-mode=REQUIRED", TlsMode::Required),
            ("sslmode=require", TlsMode::Required),
            ("ssl_mode=verify_ca", TlsMode::VerifyCa),
            ("ssl-ca=/ca.pem", TlsMode::VerifyCa),
            ("ssl-ca=/ca.pem&ssl-mode=required", TlsMode::Required),
            ("sslmode=verify-full&sslrootcert=system", TlsMode::VerifyIdentity),
            ("ssl-mode=VERIFY_IDENTITY", TlsMode::VerifyIdentity),
        ] {
            for scheme in ["mysql", "postgres"] {
                let dsn = Dsn::resolve(&format!("{scheme}://u:p@h/db?{query}")).unwrap();
                assert_eq!(dsn.servers()[0].tls.mode(), mode, "{query}");
            }
        }
        for bad in ["ssl-mode=yes", "sslverify=1", "ssl-cert=/c.pem", "sslcrl=/crl", "tls=on"] {
            let reason = Dsn::resolve(&format!("mysql://u:hunter2@h/db?{bad}")).expect_err(bad);
            assert!(reason.contains("ssl-") && !reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn unreadable_dsns_are_refused_without_their_password() {
        for bad in [
            "",
            "nonsense",
            "oracle://h/db",
            "mysql://u:hunter2@h",
            "mysql://u:hunter2@h/",
            "mysql://u:hunter2@/db",
            "mysql://u:hunter2@::1/db",
            "mysql://u:hunter2@[::1/db",
            "mysql://u:hunter2@[db]/db",
            "mysql://u:hunter2@h:notaport/db",
            "mysql://u:1/hunter2@h",
            "mysql://u:hunter2",
            "sqlite:relative.db",
            "sqlite::memory:",
            "env:EZDFS_NO_SUCH_VARIABLE",
            "file:/nonexistent/dsn",
            "mysql://u:p@h/db\nhunter2",
            "sqlite:hunter2",
            "hunter2:rest",
            "hunter2://h/db",
            "env:mysql://u:hunter2@h/db",
            "file:mysql://u:hunter2@h/db",
        ] {
            let reason = Dsn::resolve(bad).expect_err(bad);
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn sqlite_is_known_by_its_path() {
        for text in ["sqlite:/var/lib/ez%20db", "sqlite:///var/lib/ez db"] {
            let dsn = Dsn::resolve(text).unwrap();
            assert_eq!(dsn.database(), "/var/lib/ez db");
            assert_eq!(dsn.to_string(), "sqlite:///var/lib/ez db");
        }
    }

    #[test]
    fn a_file_is_read_again_for_another_login_to_the_same_database() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let hold = |text: &str| std::fs::write(file.path(), text).unwrap();
        hold("mysql://u:old@h/db\n");
        let dsn = Dsn::resolve(&format!("file:{}", file.path().display())).unwrap();
        assert!(dsn.changed().is_none(), "nothing has changed");
        for other in ["mysql://u:new@h/other", "postgres://u:new@h/db", "", "nonsense"] {
            hold(other);
            assert!(dsn.changed().is_none(), "{other}");
        }
        hold("mysql://v:new@h2,h3/db");
        let now = dsn.changed().unwrap();
        assert_eq!(now.to_string(), "mysql://v:***@h2/db,mysql://v:***@h3/db");
        hold("mysql://u:old@h/db");
        assert_eq!(now.changed().unwrap(), dsn, "and back");
        assert!(Dsn::resolve("mysql://u:p@h/db").unwrap().changed().is_none());
    }
}
