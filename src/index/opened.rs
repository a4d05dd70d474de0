//! An open connection, and how one to SQLite is closed.

use std::ops::{Deref, DerefMut};

use deadpool::managed::{Manager, WeakPool};
use futures_util::future::BoxFuture;

use super::connection::Connection;
use crate::forks::{self, Idle, Place};

impl<M: Manager<Type: Send> + Send + Sync> Idle for WeakPool<M> {
    fn close(&self) {
        if let Some(pool) = self.upgrade() {
            drop(pool.retain(|_, _| false));
        }
    }

    fn is_gone(&self) -> bool {
        self.upgrade().is_none()
    }
}

/// A connection. That to a database of SQLite has a place, until SQLite has
/// closed it, on a thread of its own.
pub(super) struct Opened {
    connection: Option<Connection>,
    place: Option<Place>,
}

impl Opened {
    pub(super) async fn open(
        connecting: impl Future<Output = Result<Connection, sqlx::Error>> + Send + 'static,
        place: Option<Place>,
    ) -> Result<Self, sqlx::Error> {
        if place.is_none() {
            return Ok(Opened { connection: Some(connecting.await?), place });
        }
        let opening = async move {
            let connection = Some(connecting.await?);
            Ok(Opened { connection, place })
        };
        Opening(Some(Box::pin(opening))).end().await
    }

    pub(super) async fn close(mut self) -> Result<(), sqlx::Error> {
        match self.connection.take() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        }
    }
}

impl Deref for Opened {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("is there until it is closed")
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("is there until it is closed")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let (Some(connection), Some(place)) = (self.connection.take(), self.place.take()) {
            forks::end(async move {
                let _ = connection.close().await;
                drop(place);
            });
        }
    }
}

/// SQLite goes on opening a database for which nobody waits any more.
struct Opening(Option<BoxFuture<'static, Result<Opened, sqlx::Error>>>);

impl Opening {
    async fn end(mut self) -> Result<Opened, sqlx::Error> {
        let opened = self.0.as_mut().expect("is there until it ends").await;
        self.0 = None;
        opened
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(opening) = self.0.take() {
            forks::end(async move { drop(opening.await) });
        }
    }
}
