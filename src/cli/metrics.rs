//! What the agent has counted, for Prometheus.

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::error::{Error, ErrorKind, Result};
use crate::stats::{self, Format, Snapshot};
use crate::store::Store;

/// The store of the agent, which is another after it has read its configuration again.
pub(super) type Shown = Arc<Mutex<Store>>;

/// Answers on an address until the process ends.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`]: it cannot be listened on.
pub(super) fn serve(address: SocketAddr, shown: &Shown) -> Result<()> {
    let server = Server::http(address).map_err(|error| {
        let reason = format!("cannot be listened on: {error}");
        Error::new(ErrorKind::InvalidConfig, "listen", address.to_string(), reason)
    })?;
    let shown = Arc::clone(shown);
    let answer_all = move || {
        for request in server.incoming_requests() {
            let answer = answer(&request, &shown);
            // Whoever went away meanwhile does not want it.
            let _ = request.respond(answer);
        }
    };
    let thread = thread::Builder::new().name("ezdfs-metrics".to_owned()).spawn(answer_all);
    thread.map(drop).map_err(|error| {
        Error::new(ErrorKind::Internal, "start", "metrics", "no thread").with_source(error)
    })
}

fn answer(request: &Request, shown: &Shown) -> Response<Cursor<Vec<u8>>> {
    let path = request.url().split('?').next().unwrap_or_default();
    let status = match (request.method(), path) {
        (Method::Get | Method::Head, "/metrics") => 200,
        (Method::Get | Method::Head, _) => 404,
        _ => 405,
    };
    if status != 200 {
        return Response::from_data(Vec::new()).with_status_code(status);
    }
    let is_open = |header: &Header| {
        header.field.equiv("Accept") && header.value.as_str().contains("application/openmetrics")
    };
    let format = match request.headers().iter().any(is_open) {
        true => Format::OpenMetrics,
        false => Format::Prometheus,
    };
    let store = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Ok(process) = store.process() else {
        return Response::from_data(Vec::new()).with_status_code(500);
    };
    // Not what the replica says of itself: LMDB is not opened twice by a process, and the agent
    // knows better.
    let snapshot = Snapshot::of_sheet(process.stats());
    let text = stats::write(&[(&name(&store), snapshot)], format);
    let content_type = Header::from_bytes("Content-Type", format.content_type().to_bytes());
    let answer = Response::from_data(text.into_bytes());
    match content_type {
        Ok(header) => answer.with_header(header),
        Err(()) => answer,
    }
}

/// The replica's, which is called as the web server's store is: `/run/ezdfs/main`.
fn name(store: &Store) -> String {
    let replica = store.options().replica.as_deref();
    let name = replica.and_then(|path| path.file_name());
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
