//! The data source name: which database, on which servers.

use std::env::VarError;
use std::fmt;

use url::Url;

use super::value::shown;

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

const ESCAPE: &str = "percent-encode special characters of user, password and database";

/// A parsed DSN: one URL for each server, in the order in which to try them.
///
/// Neither `Debug` nor `Display` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    dialect: Dialect,
    servers: Vec<Url>,
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
            return Dsn::parse(held.trim()).map_err(|reason| format!("in {}: {reason}", place()));
        }
        Dsn::parse(text)
    }

    /// Its reasons quote nothing: the text is any file's, or a password.
    fn parse(text: &str) -> Result<Self, String> {
        // The URL's parser drops line breaks, so a second line would join the first.
        if text.contains(char::is_control) {
            return Err("not a DSN: more than one line, or control characters".to_owned());
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| {
            "not a DSN; expected mysql://, postgres://, sqlite:, env:NAME or file:/path".to_owned()
        })?;
        let dsn = match scheme {
            "mysql" | "mariadb" => Dsn::networked(Dialect::MySql, "mysql", rest)?,
            "postgres" | "postgresql" => Dsn::networked(Dialect::Postgres, "postgres", rest)?,
            "sqlite" => Dsn::sqlite(rest)?,
            _ => {
                return Err("unknown database; use mysql://, postgres:// or sqlite:/".to_owned());
            }
        };
        Ok(dsn)
    }

    fn sqlite(rest: &str) -> Result<Self, String> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if !path.starts_with('/') {
            return Err("sqlite: lacks an absolute path, as in sqlite:/db.sqlite".to_owned());
        }
        let url = Url::parse(&format!("sqlite://{path}")).map_err(|error| error.to_string())?;
        Ok(Dsn { dialect: Dialect::Sqlite, servers: vec![url] })
    }

    /// `//user:password@host1:port,host2/database?parameters`
    fn networked(dialect: Dialect, scheme: &str, rest: &str) -> Result<Self, String> {
        let rest = rest.strip_prefix("//").ok_or_else(|| format!("{scheme}: lacks //host"))?;
        let (authority, tail) = rest
            .split_once('/')
            .filter(|(_, tail)| !tail.is_empty() && !tail.starts_with('?'))
            .ok_or_else(|| format!("{scheme}:// lacks the name of the database"))?;
        // Otherwise the URL would be split within the password, and its end be shown.
        let database = tail.split('?').next().unwrap_or_default();
        if authority.contains(['?', '#']) || database.contains('@') {
            return Err(ESCAPE.to_owned());
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
        let servers = hosts
            .split(',')
            .map(|host| server(scheme, &login, host, tail))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Dsn { dialect, servers })
    }

    /// The database family.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The database's name, or SQLite's file: what stays the same when hosts and logins
    /// change.
    pub(crate) fn database(&self) -> &str {
        let path = self.servers.first().map_or("", Url::path);
        match self.dialect {
            Dialect::Sqlite => path,
            Dialect::MySql | Dialect::Postgres => path.trim_start_matches('/'),
        }
    }

    pub(crate) fn servers(&self) -> &[Url] {
        &self.servers
    }

    pub(super) fn unset() -> Self {
        Dsn { dialect: Dialect::Sqlite, servers: Vec::new() }
    }

    pub(super) fn is_unset(&self) -> bool {
        self.servers.is_empty()
    }
}

fn server(scheme: &str, login: &str, host: &str, tail: &str) -> Result<Url, String> {
    if host.is_empty() {
        return Err(format!("{scheme}:// has an empty host"));
    }
    // The parser's own message does not quote its input, so no password leaks.
    let url = Url::parse(&format!("{scheme}://{login}{host}/{tail}"))
        .map_err(|error| format!("not a URL: {error} ({ESCAPE})"))?;
    match url.host_str() {
        Some(_) if url.fragment().is_none() => Ok(url),
        Some(_) => Err("contains an unescaped #; write it as %23".to_owned()),
        None => Err(format!("{scheme}:// has an empty host")),
    }
}

/// A server's URL as it may be logged.
pub(crate) fn redacted(server: &Url) -> String {
    let mut url = server.clone();
    if url.password().is_some() {
        // Cannot fail: a URL with a password has a host.
        let _ = url.set_password(Some("***"));
    }
    url.set_query(None);
    url.into()
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(redacted).collect();
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

    #[test]
    fn an_active_and_a_passive_server_share_login_and_database() {
        let dsn = Dsn::resolve("mysql://u:p%40x@db1,db2:3307/ezdfs?ssl-mode=disabled").unwrap();
        let servers: Vec<_> = dsn.servers().iter().map(Url::as_str).collect();
        assert_eq!(
            servers,
            [
                "mysql://u:p%40x@db1/ezdfs?ssl-mode=disabled",
                "mysql://u:p%40x@db2:3307/ezdfs?ssl-mode=disabled"
            ]
        );
        assert_eq!(dsn.to_string(), "mysql://u:***@db1/ezdfs,mysql://u:***@db2:3307/ezdfs");
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
            "mysql://u:hunter2#@h/db",
            "mysql://u:hunter2@h:notaport/db",
            "sqlite:relative.db",
            "sqlite::memory:",
            "env:EZDFS_NO_SUCH_VARIABLE",
            "file:/nonexistent/dsn",
            "mysql://u:1/hunter2@h/db",
            "mysql://u:1?hunter2@h/db",
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
        for text in ["sqlite:/var/lib/ez.db", "sqlite:///var/lib/ez.db"] {
            let dsn = Dsn::resolve(text).unwrap();
            assert_eq!(dsn.servers()[0].as_str(), "sqlite:///var/lib/ez.db");
        }
    }
}
