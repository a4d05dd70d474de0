//! What sqlx does of bytes that no server of the protocol sends, and without random numbers.

use std::io;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::random;

/// Takes a panic for what it comes of. The connection is broken then, and nothing else.
pub(super) async fn contained<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(cause()))
}

/// sqlx reads beyond the end of a packet that is shorter than it says, and insists on random numbers
/// for the proof of a password.
fn cause() -> sqlx::Error {
    match random::refusal() {
        Some(error) => {
            let reason = format!("passwords need random numbers, getrandom(2) is refused: {error}");
            sqlx::Error::Io(io::Error::new(error.kind(), reason))
        }
        None => sqlx::Error::Protocol("the server's answer makes no sense".to_owned()),
    }
}
