//! `make demo-cluster`: the cluster, its page, and a button for each failure.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tiny_http::{Header, Method, Request, Response, Server};

use super::faults::Fault;
use super::network::Relay;
use super::{Cluster, trials};
use crate::support::process::{free_port, remove_dead_run_dirs, remove_run_dir};
use crate::support::{Need, Result};

/// A fault mends itself after that.
const LASTS: Duration = Duration::from_secs(20);

const PORT: u16 = 8090;

pub(crate) fn main() -> ExitCode {
    let ended = run();
    remove_run_dir();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result {
    let missing: Vec<_> = trials::NEEDS.iter().filter_map(|need| Need::unmet(*need)).collect();
    if !missing.is_empty() {
        return Err(missing.join("\n").into());
    }
    let port = match std::env::var("DEMO_PORT") {
        Ok(port) => port.parse().map_err(|_| format!("DEMO_PORT is no port: {port}"))?,
        Err(_) => PORT,
    };
    // Before all is there for nothing.
    TcpListener::bind(("127.0.0.1", port))
        .map_err(|e| format!("port {port}: {e}; choose another: DEMO_PORT=9000"))?;
    // From now on a signal ends this in order.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    remove_dead_run_dirs();
    println!("Starting a cluster; half a minute.");
    let cluster = Cluster::start()?;
    if signals.pending().next().is_some() {
        println!("Stopped.");
        return Ok(());
    }
    let site = cluster.relay(port)?;
    let prometheus = cluster.relay_to_prometheus(free_port())?;
    describe(&cluster, &site, &prometheus);
    let control = Control::start(cluster)?;
    signals.forever().next();
    println!("\nStopping it.");
    control.end();
    Ok(())
}

fn describe(cluster: &Cluster, site: &Relay, prometheus: &Relay) {
    println!("\n    http://127.0.0.1:{}/          the site, through Varnish", site.port);
    println!("    http://127.0.0.1:{}/         Prometheus\n", prometheus.port);
    println!("Within a network of its own:");
    for (name, address) in cluster.addresses() {
        println!("    {address:<12} {name}");
    }
    println!("\nPress Ctrl-C to stop it; nothing of it stays.");
}

/// What the page's buttons speak to.
struct Control {
    state: Arc<Mutex<State>>,
    server: Arc<Server>,
}

struct State {
    cluster: Option<Cluster>,
    /// Since when.
    faults: Vec<(Fault, Instant)>,
}

impl Control {
    fn start(cluster: Cluster) -> Result<Self> {
        let listener = cluster.network.switch.listen(80)?;
        let server = Arc::new(Server::from_listener(listener, None)?);
        let state = Arc::new(Mutex::new(State { cluster: Some(cluster), faults: Vec::new() }));
        let (asked, known) = (Arc::clone(&server), Arc::clone(&state));
        thread::spawn(move || {
            for request in asked.incoming_requests() {
                answer(request, &known);
            }
        });
        Ok(Control { state, server })
    }

    fn end(self) {
        self.server.unblock();
        // Here, and not where another thread has the state as well.
        drop(lock(&self.state).cluster.take());
    }
}

fn answer(request: Request, state: &Arc<Mutex<State>>) {
    let begins = request.url().strip_prefix("/cluster/faults/").map(str::to_owned);
    let (status, text) = match (request.method(), begins) {
        (Method::Post, Some(number)) => match begin(&number, state) {
            Ok(()) => (200, status(state)),
            Err(error) => (409, json!({ "error": error.to_string() })),
        },
        (Method::Get, None) if request.url() == "/cluster/status" => (200, status(state)),
        _ => (404, json!({ "error": "there is no such page" })),
    };
    let kind = Header::from_bytes("Content-Type", "application/json").expect("a header");
    let response = Response::from_string(text.to_string()).with_status_code(status);
    // Who has gone needs no answer.
    let _ = request.respond(response.with_header(kind));
}

fn begin(number: &str, shared: &Arc<Mutex<State>>) -> Result {
    let fault = number.parse().ok().and_then(|number: usize| Fault::ALL.get(number).copied());
    let fault = fault.ok_or("there is no such failure")?;
    let mut state = lock(shared);
    if state.faults.iter().any(|(known, _)| *known == fault) {
        return Err("it is so already".into());
    }
    fault.begin(state.cluster.as_mut().ok_or("the cluster ends")?)?;
    state.faults.push((fault, Instant::now()));
    println!("{}", fault.name());
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        thread::sleep(LASTS);
        let mut state = lock(&shared);
        state.faults.retain(|(known, _)| *known != fault);
        let ended = state.cluster.as_mut().map_or(Ok(()), |cluster| fault.end(cluster));
        match ended {
            Ok(()) => println!("no more: {}", fault.name()),
            Err(error) => eprintln!("{error}"),
        }
    });
    Ok(())
}

fn status(state: &Mutex<State>) -> Value {
    let state = lock(state);
    let Some(cluster) = &state.cluster else { return json!({}) };
    let faults: Vec<Value> = Fault::ALL
        .iter()
        .map(|fault| {
            let since = state.faults.iter().find(|(known, _)| known == fault);
            let left = since.map(|(_, since)| LASTS.saturating_sub(since.elapsed()).as_secs());
            json!({ "name": fault.name(), "seconds": left })
        })
        .collect();
    json!({
        "hosts": cluster.addresses(),
        "active": cluster.databases.active(),
        "failovers": cluster.databases.failovers(),
        "faults": faults,
    })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
