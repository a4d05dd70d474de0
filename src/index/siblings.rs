//! The other tables of the kind in the same database: legacy can have one for
//! caches, a site that is being upgraded has its table under two names. Their
//! files may lie in the same tree.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Row as _;

use super::sql::Sql;
use super::{Index, fault, schema};
use crate::error::{Error, ErrorKind, Result};

/// How long what was found is believed: an upgrade makes and drops such tables.
const TRUSTED: Duration = Duration::from_secs(1);

pub(super) struct Siblings {
    pub(super) statements: Vec<Sql>,
    found: Instant,
}

impl Index {
    /// The names of the other tables, and views, in this one's database or schema
    /// that have its columns and may be read, in the form in which the option
    /// `table` takes them.
    #[cfg(test)]
    pub(crate) async fn siblings(&self) -> Result<Vec<String>> {
        let siblings = self.look_for_siblings().await?;
        Ok(siblings.statements.iter().map(|sql| sql.table().to_owned()).collect())
    }

    pub(super) async fn look_for_siblings(&self) -> Result<Arc<Siblings>> {
        let mut last = self.siblings.lock().await;
        if let Some(siblings) = last.as_ref().filter(|it| it.found.elapsed() < TRUSTED) {
            return Ok(Arc::clone(siblings));
        }
        let found = Instant::now();
        let siblings = Arc::new(Siblings { statements: self.find_siblings().await?, found });
        Ok(Arc::clone(last.insert(siblings)))
    }

    /// Where one is not there any more.
    pub(super) async fn forget_siblings(&self) {
        *self.siblings.lock().await = None;
    }

    async fn find_siblings(&self) -> Result<Vec<Sql>> {
        let database = self.pool.database();
        let others = |_: &Sql| schema::about(database.others(), &self.main.name);
        let rows = self.fetch(&self.main, "inspect", &self.main.name, others).await?;
        let mut siblings = Vec::new();
        for row in rows {
            let name: String = row
                .try_get(0)
                .map_err(|error| fault::convert(error, "inspect", &self.main.name))?;
            if !name.bytes().all(|byte| database.is_plain(byte)) {
                log::debug!("ezdfs: table {name:?} is left out: its name would have to be quoted");
                continue;
            }
            let name = match self.main.name.split_once('.') {
                Some((schema, _)) => format!("{schema}.{name}"),
                None => name,
            };
            // Not another's: what it says of a name is asked of it.
            if self.caches.as_ref().is_some_and(|caches| self.is_called(&caches.name, &name)) {
                continue;
            }
            match self.sibling(&name).await {
                Ok(sibling) => siblings.extend(sibling),
                Err(error) if is_unreadable(&error) => {
                    log::debug!("ezdfs: table {name} is left out: {error:#}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(siblings)
    }

    /// Whether a table that was found is the one that an option names.
    fn is_called(&self, option: &str, found: &str) -> bool {
        let schema = self.main.name.split_once('.').map(|(schema, _)| schema);
        let local = |name: &str| match name.split_once('.') {
            Some((own, local)) if schema.is_none_or(|it| it == own) => local.to_ascii_lowercase(),
            _ => name.to_ascii_lowercase(),
        };
        local(option) == local(found)
    }

    async fn sibling(&self, name: &str) -> Result<Option<Sql>> {
        let shape = self.inspect(name).await?;
        if !shape.has_files() {
            return Ok(None);
        }
        let sql = Sql::new(self.pool.database(), name, &shape);
        self.fetch(&self.main, "inspect", name, |_| sql.probe()).await?;
        Ok(Some(sql))
    }
}

/// Whether the server will not let this table be read. That it is busy is another
/// thing, and says nothing.
fn is_unreadable(error: &Error) -> bool {
    let is_of_the_table = error.operation() != fault::CONNECT && fault::is_refusal(error);
    is_of_the_table && error.kind() != ErrorKind::Unavailable
}
