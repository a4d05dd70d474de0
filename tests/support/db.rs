//! A database of its own for every trial, and plain SQL on it: what a foreign node would do.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row};
use tempfile::TempDir;

use super::process::scratch;
use super::{Result, Servers, mariadb, postgres};

/// Result rows, every value as the database's text; `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// The databases that the store works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    MariaDb,
    Postgres,
}

impl Backend {
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::MariaDb, Self::Postgres];

    /// The last part of a trial's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MariaDb if mariadb::is_mysql() => "mysql",
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
        }
    }

    /// A new empty database on the run's server.
    pub fn fresh(self, servers: &Servers) -> Result<TestDb> {
        match self {
            Self::Sqlite => TestDb::on_sqlite(),
            Self::MariaDb => TestDb::mariadb(servers, "utf8mb4", "utf8mb4_unicode_520_ci"),
            Self::Postgres => TestDb::on_postgres(&servers.postgres()?),
        }
    }

    /// One on a server of its own, which the trial may kill.
    pub fn alone(self) -> Result<TestDb> {
        match self {
            Self::Sqlite => TestDb::on_sqlite(),
            Self::MariaDb => {
                let server = Arc::new(mariadb::Server::start()?);
                TestDb::on_mariadb(&server, "utf8mb4", "utf8mb4_unicode_520_ci")
            }
            Self::Postgres => TestDb::on_postgres(&Arc::new(postgres::Server::start()?)),
        }
    }
}

/// A database that exists for one trial.
#[derive(Debug)]
pub struct TestDb {
    pub backend: Backend,
    /// As the store's option `dsn` takes it.
    pub dsn: String,
    home: Home,
}

#[derive(Debug)]
enum Home {
    /// Held for its Drop.
    Sqlite(#[allow(dead_code)] TempDir),
    MariaDb(Arc<mariadb::Server>, String),
    Postgres(Arc<postgres::Server>, String),
}

impl TestDb {
    /// A MariaDB database with a character set and collation of the trial's choice.
    pub fn mariadb(servers: &Servers, charset: &str, collation: &str) -> Result<Self> {
        Self::on_mariadb(&servers.mariadb()?, charset, collation)
    }

    /// The same on a server of the trial's own.
    pub fn on_mariadb(
        server: &Arc<mariadb::Server>,
        charset: &str,
        collation: &str,
    ) -> Result<Self> {
        let server = Arc::clone(server);
        let name = server.create_database(charset, collation)?;
        let (dsn, backend) = (server.dsn(&name), Backend::MariaDb);
        Ok(Self { backend, dsn, home: Home::MariaDb(server, name) })
    }

    /// A database on a server that the trial may stop.
    pub fn on_postgres(server: &Arc<postgres::Server>) -> Result<Self> {
        let name = server.create_database()?;
        let (dsn, backend) = (server.dsn(&name), Backend::Postgres);
        Ok(Self { backend, dsn, home: Home::Postgres(Arc::clone(server), name) })
    }

    /// Another empty database of the kind, on the same server.
    pub fn another(&self) -> Result<Self> {
        match &self.home {
            Home::Sqlite(_) => Self::on_sqlite(),
            Home::MariaDb(server, _) => {
                Self::on_mariadb(server, "utf8mb4", "utf8mb4_unicode_520_ci")
            }
            Home::Postgres(server, _) => Self::on_postgres(server),
        }
    }

    /// Kills the server and starts it again; what was committed stays. SQLite has none.
    pub fn kill_server(&self) -> Result {
        match &self.home {
            Home::Sqlite(_) => Ok(()),
            Home::MariaDb(server, _) => server.restart_on_same_port(),
            Home::Postgres(server, _) => server.kill().and_then(|()| server.launch()),
        }
    }

    pub fn on_sqlite() -> Result<Self> {
        let dir = scratch();
        let file = dir.path().join("ezdfs.sqlite");
        // SQLite takes an empty file for an empty database.
        std::fs::write(&file, "")?;
        let dsn = format!("sqlite:{}", file.display());
        Ok(Self { backend: Backend::Sqlite, dsn, home: Home::Sqlite(dir) })
    }

    /// Runs statements, separated by semicolons, on a connection of their own.
    ///
    /// Panics when the database refuses them: in a trial that is a failure.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> Rows {
        sql(&self.dsn, statements).unwrap_or_else(|e| panic!("{statements}: {e}"))
    }

    /// Runs statements in a transaction that keeps its locks.
    #[track_caller]
    pub fn hold(&self, statements: &str) -> Held {
        hold(&self.dsn, statements)
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        // Dropped with its server at the latest, so a refusal is no news.
        let _ = match &self.home {
            Home::Sqlite(_) => return,
            Home::MariaDb(server, name) => server.drop_database(name),
            Home::Postgres(server, name) => server.drop_database(name),
        };
    }
}

/// A transaction that has not ended; dropped, it is rolled back.
#[derive(Debug)]
pub struct Held(AnyConnection);

impl Held {
    pub fn commit(mut self) {
        RUNTIME.block_on(self.0.execute("COMMIT")).expect("commit");
    }
}

/// Runs statements in a transaction on the database behind a DSN.
#[track_caller]
pub fn hold(dsn: &str, statements: &str) -> Held {
    sqlx::any::install_default_drivers();
    let begun = RUNTIME.block_on(async {
        let mut connection = AnyConnection::connect(dsn).await?;
        connection.execute("BEGIN").await?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await?;
        Ok::<_, sqlx::Error>(Held(connection))
    });
    begun.unwrap_or_else(|e| panic!("{statements}: {e}"))
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("start a runtime for SQL")
});

/// Runs statements on the database behind a DSN. The text protocols give every value as text.
pub fn sql(dsn: &str, statements: &str) -> Result<Rows> {
    macro_rules! run {
        ($connection:ty, $options:expr) => {{
            let mut connection = <$connection>::connect_with(&$options).await?;
            let query = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
            let rows = query.fetch_all(&mut connection).await?;
            connection.close().await?;
            let cell = |row: &_, i| Row::try_get_unchecked::<Option<String>, _>(row, i);
            rows.iter().map(|row| (0..row.len()).map(|i| Ok(cell(row, i)?)).collect()).collect()
        }};
    }
    RUNTIME.block_on(async {
        match dsn.split_once(':').map_or(dsn, |(scheme, _)| scheme) {
            "sqlite" => run!(SqliteConnection, SqliteConnectOptions::from_str(dsn)?),
            // The server's own SQL mode, as a foreign client has it.
            "mysql" => run!(
                MySqlConnection,
                MySqlConnectOptions::from_str(dsn)?
                    .pipes_as_concat(false)
                    .no_engine_substitution(false)
            ),
            // Poolers refuse the parameter.
            "postgres" => {
                run!(PgConnection, PgConnectOptions::from_str(dsn)?.extra_float_digits(None))
            }
            other => Err(format!("no database is called {other}").into()),
        }
    })
}
