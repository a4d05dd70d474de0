//! Where one server is, and how to get in.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::tls::Tls;

/// One server, or SQLite's file.
///
/// Neither `Debug` nor `Display` shows the password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: &'static str,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// An address of IPv6 without its brackets.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Instead of the host: MySQL's socket, the directory of PostgreSQL's.
    pub(crate) socket: Option<PathBuf>,
    /// The database's name, or SQLite's file.
    pub(crate) database: String,
    pub(crate) tls: Tls,
    /// What else was given, in its order.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Address {
    /// What was given by a name that is written like this, without `-` and `_`.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let named = |(key, _): &&(String, String)| plain(key) == name;
        self.parameters.iter().rev().find(named).map(|(_, value)| &**value)
    }

    /// `user:password`; what is no escape in them stands for itself.
    pub(super) fn set_login(&mut self, login: &str) -> Result<(), String> {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        self.user = Some(decoded(user)?).filter(|user| !user.is_empty());
        self.password = password.map(decoded).transpose()?;
        Ok(())
    }

    /// `name`, `name:port`, `[address]:port`, or a percent-encoded path.
    pub(super) fn set_host(&mut self, text: &str) -> Result<(), String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("has a [ without its ]")?;
                let host = decoded(host)?;
                // Behind the percent sign stands the interface.
                let address = host.split('%').next().unwrap_or_default();
                address.parse::<Ipv6Addr>().map_err(|_| "has no address of IPv6 in its [ ]")?;
                let port = match rest {
                    "" => None,
                    _ => Some(rest.strip_prefix(':').ok_or("has no port behind its ]")?),
                };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err("has an address of IPv6 outside of [ ]".to_owned());
                }
                Some((host, port)) => (decoded(host)?, Some(port)),
                None => (decoded(text)?, None),
            },
        };
        if let Some(port) = port {
            self.port = Some(port.parse().map_err(|_| "has a port that is no number")?);
        }
        self.name_host(host)
    }

    /// A host that is an absolute path is a socket.
    pub(super) fn name_host(&mut self, host: String) -> Result<(), String> {
        if host.starts_with('/') {
            self.socket = Some(PathBuf::from(host));
            return Ok(());
        }
        let fits = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
        if !host.chars().all(fits) {
            return Err("has a host that is none".to_owned());
        }
        self.host = host;
        Ok(())
    }

    /// Takes one of the parameters that follow the database.
    pub(super) fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        let name = plain(key);
        if self.tls.take(&name, value)? {
            return Ok(());
        }
        let text = || value.to_owned();
        match &*name {
            "socket" | "unixsocket" => self.socket = Some(PathBuf::from(value)),
            "host" => self.name_host(text())?,
            "port" => self.port = Some(value.parse().map_err(|_| "has a port that is no number")?),
            "user" => self.user = Some(text()),
            "password" => self.password = Some(text()),
            "dbname" => self.database = text(),
            _ => self.parameters.push((key.to_owned(), text())),
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.tls.check()?;
        if self.database.is_empty() {
            return Err(format!("{}:// lacks the name of the database", self.scheme));
        }
        // PostgreSQL's clients know where its socket is.
        let has_default = self.scheme == "postgres";
        if self.host.is_empty() && self.socket.is_none() && !has_default {
            return Err(format!("{}:// has an empty host, and no socket", self.scheme));
        }
        Ok(())
    }
}

/// The name of a parameter, of which many spellings go about.
fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

pub(super) fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| "is not UTF-8 where it is percent-encoded".to_owned())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            let password = if self.password.is_some() { ":***" } else { "" };
            write!(f, "{user}{password}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let slash = if self.scheme == "sqlite" { "" } else { "/" };
        write!(f, "{slash}{}", self.database)?;
        match &self.socket {
            Some(socket) => write!(f, "?socket={}", socket.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
