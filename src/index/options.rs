//! What sqlx is told of a server. Each option by itself, because sqlx takes neither
//! addresses of IPv6 from a URL for MySQL nor the words of both families.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use url::Url;

use crate::config::dsn::{Address, TlsMode};

type Result<T> = std::result::Result<T, sqlx::Error>;

/// MySQL's; the session's settings are no business of the DSN's.
pub(super) fn mysql(address: &Address, tls: TlsMode) -> Result<MySqlConnectOptions> {
    let mut options = MySqlConnectOptions::new().database(&address.database).ssl_mode(match tls {
        TlsMode::Disabled => MySqlSslMode::Disabled,
        // As MySQL's own clients have it: nobody reads along on a socket.
        TlsMode::Allowed | TlsMode::Preferred if address.socket.is_some() => MySqlSslMode::Disabled,
        TlsMode::Allowed | TlsMode::Preferred => MySqlSslMode::Preferred,
        TlsMode::Required => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
    });
    if !address.host.is_empty() {
        options = options.host(&address.host);
    }
    if let Some(user) = &address.user {
        options = options.username(user);
    }
    if let Some(password) = &address.password {
        options = options.password(password);
    }
    if let Some(port) = address.port {
        options = options.port(port);
    }
    if let Some(socket) = &address.socket {
        options = options.socket(socket);
    }
    if let Some(authorities) = &address.tls.authorities {
        options = options.ssl_ca(authorities);
    }
    if let (Some(certificate), Some(key)) = (&address.tls.certificate, &address.tls.key) {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    if let Some(capacity) = address.parameter("statementcachecapacity") {
        options = options.statement_cache_capacity(number(capacity)?);
    }
    Ok(options)
}

/// PostgreSQL's. By way of a URL, because only so the environment, a file of passwords
/// and what else libpq's users know is asked; all that is given is a parameter there,
/// which may be any text.
pub(super) fn postgres(address: &Address, tls: TlsMode) -> Result<PgConnectOptions> {
    let mut url = Url::parse("postgres:///").expect("is a URL");
    let mut given = url.query_pairs_mut();
    let mut give = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            given.append_pair(name, value);
        }
    };
    let path = |path: &Option<std::path::PathBuf>| path.as_deref()?.to_str().map(str::to_owned);
    give("host", Some(&address.host));
    give("host", path(&address.socket).as_deref());
    give("port", address.port.map(|port| port.to_string()).as_deref());
    give("user", address.user.as_deref());
    give("password", address.password.as_deref());
    give("dbname", Some(&address.database));
    give("sslrootcert", path(&address.tls.authorities).as_deref());
    give("sslcert", path(&address.tls.certificate).as_deref());
    give("sslkey", path(&address.tls.key).as_deref());
    if address.tls.is_given() || tls != address.tls.mode() {
        give(
            "sslmode",
            Some(match tls {
                TlsMode::Disabled | TlsMode::Allowed => "disable",
                TlsMode::Preferred => "prefer",
                TlsMode::Required => "require",
                TlsMode::VerifyCa => "verify-ca",
                TlsMode::VerifyIdentity => "verify-full",
            }),
        );
    }
    for (name, value) in &address.parameters {
        give(name, Some(value));
    }
    drop(given);
    PgConnectOptions::from_url(&url)
}

/// SQLite's, with the parameters that sqlx knows.
pub(super) fn sqlite(address: &Address) -> Result<SqliteConnectOptions> {
    /// All but what separates the parts of a path.
    const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');
    let path = utf8_percent_encode(&address.database, IN_PATH);
    let mut url = Url::parse(&format!("sqlite://{path}")).map_err(sqlx::Error::config)?;
    for (name, value) in &address.parameters {
        url.query_pairs_mut().append_pair(name, value);
    }
    SqliteConnectOptions::from_url(&url)
}

/// Another way to connect after this error. What is only preferred is done without where
/// TLS does not come about, and what is only allowed is done where nobody gets in without.
pub(super) fn other_way(address: &Address, error: &sqlx::Error) -> Option<TlsMode> {
    if !address.tls.is_given() && std::env::var_os("PGSSLMODE").is_some() {
        return None;
    }
    match address.tls.mode() {
        // MySQL wants to see the whole password now and then. Its own clients send it in
        // the clear over a socket, and sqlx by TLS alone. And some logins need TLS.
        TlsMode::Disabled | TlsMode::Preferred if address.socket.is_some() && is_denied(error) => {
            Some(TlsMode::Required)
        }
        TlsMode::Preferred if has_failed(error) || is_barred(error) => Some(TlsMode::Disabled),
        TlsMode::Allowed if is_barred(error) => Some(TlsMode::Required),
        _ => None,
    }
}

fn has_failed(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Tls(_))
}

/// MySQL's number of what it says to a wrong password, and to no whole one.
fn is_denied(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let mysql = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    mysql.is_some_and(|error| error.number() == 1045)
}

/// Whether PostgreSQL lets nobody in this way, whatever the password.
fn is_barred(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|it| it == "28000"))
}

fn number(text: &str) -> Result<usize> {
    text.parse().map_err(sqlx::Error::config)
}
