//! What the agent has counted, for Prometheus.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::stats::{self, Format, Snapshot};
use crate::store::Store;

/// The store of the agent, which is another after it has read its configuration again.
pub(super) type Shown = Arc<Mutex<Store>>;

/// Clients at a time: Prometheus is one.
const CLIENTS: usize = 16;

/// How long one may take, to ask and to read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Before another client is waited for, where the system has no descriptor for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on an address until the process ends.
///
/// # Errors
///
/// [`ErrorKind::InvalidConfig`]: it cannot be listened on.
pub(super) fn serve(address: SocketAddr, shown: &Shown) -> Result<()> {
    let refused = |error| {
        let (subject, reason) = (address.to_string(), "cannot be listened on");
        Error::new(ErrorKind::InvalidConfig, "listen", subject, reason).with_source(error)
    };
    let listener = runtime::block_on(async { TcpListener::bind(address).await.map_err(refused) })?;
    let shown = Arc::clone(shown);
    runtime::in_background(answer_all(listener, shown)).map(drop)
}

async fn answer_all(listener: TcpListener, shown: Shown) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((client, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let shown = Arc::clone(&shown);
        tokio::spawn(async move {
            // Whoever is too slow, or went away, does not want it.
            let _ = timeout(PATIENCE, answer_one(client, &shown)).await;
            drop(place);
        });
    }
}

async fn answer_one(client: TcpStream, shown: &Shown) -> hyper::Result<()> {
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(&request, shown)));
    http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(client), service).await
}

fn answer(request: &Request<Incoming>, shown: &Shown) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    if request.uri().path() != "/metrics" {
        return empty(StatusCode::NOT_FOUND);
    }
    let accepted = request.headers().get(ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    let format = Format::accepted(accepted);
    let store = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Ok(process) = store.process() else { return empty(StatusCode::INTERNAL_SERVER_ERROR) };
    // Not what the replica says of itself: LMDB is not opened twice by a process, and the agent
    // knows better.
    let snapshot = Snapshot::of_sheet(process.stats());
    let text = stats::write(&[(&name(&store), snapshot)], format);
    let mut answer = Response::new(Full::from(text));
    if let Ok(content_type) = HeaderValue::from_bytes(format.content_type().to_bytes()) {
        answer.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    answer
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// The replica's, which is called as the web server's store is: `/run/ezdfs/main`.
fn name(store: &Store) -> String {
    let replica = store.options().replica.as_deref();
    let name = replica.and_then(|path| path.file_name());
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
