//! What sqlx does of bytes that no server of the protocol sends.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

/// Takes a panic for what it comes of: sqlx reads beyond the end of a packet that is
/// shorter than it says. The connection is broken then, and nothing else.
pub(super) async fn contained<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let garbled = || sqlx::Error::Protocol("the server's answer makes no sense".to_owned());
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(garbled()))
}
