//! A statement and its arguments, before any database has seen them.

use std::sync::Arc;

use sqlx::Arguments as _;
use sqlx::any::AnyArguments;

/// A value that is bound to a place of a statement.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Text(String),
    Integer(i64),
    Null,
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Argument::Text(text)
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Argument::Integer(number)
    }
}

impl From<Option<String>> for Argument {
    fn from(text: Option<String>) -> Self {
        text.map_or(Argument::Null, Argument::Text)
    }
}

/// A statement with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) text: Arc<str>,
    pub(super) arguments: Vec<Argument>,
}

impl Query {
    pub(super) fn new(text: impl Into<Arc<str>>) -> Self {
        Query { text: text.into(), arguments: Vec::new() }
    }

    /// Binds the next place.
    pub(super) fn bind(mut self, argument: impl Into<Argument>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The arguments as they are sent to a statement that was prepared.
    pub(super) fn bound(self) -> Result<AnyArguments, sqlx::Error> {
        let mut bound = AnyArguments::default();
        for argument in self.arguments {
            match argument {
                Argument::Text(text) => bound.add(text),
                Argument::Integer(number) => bound.add(number),
                Argument::Null => bound.add(None::<String>),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(bound)
    }
}
