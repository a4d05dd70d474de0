//! Servers that answer what no server does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ezdfs::ErrorKind;

use super::stored;
use crate::store::refused;
use crate::support::faults::injected;
use crate::support::process::scratch;
use crate::support::{Group, Result};

pub(super) fn register(group: &mut Group<'_>) {
    group.add("a_broken_answer_is_unavailable::mysql", |_| broken("mysql", GREETINGS));
    group.add("a_broken_answer_is_unavailable::postgres", |_| broken("postgres", ANSWERS));
}

/// Greetings of MySQL that end too early, or are none.
const GREETINGS: &[&[u8]] = &[
    b"\x00\x00\x00\x00",
    b"\x01\x00\x00\x00\x0a",
    b"\x06\x00\x00\x00\x0a8.0.0",
    b"\x09\x00\x00\x00\x0a8.0.0\x00\x01\x02",
    b"\x01\x00\x00\x00\xff",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
];

/// Answers of PostgreSQL after one that there is no TLS.
const ANSWERS: &[&[u8]] = &[
    b"NR\x00\x00\x00\x04",
    b"NR\x00\x00\x00\x05\x00",
    b"NR\x00\x00\x00\x08\x00\x00\x00\x0a",
    b"NR\x00\x00\x00\x08\x00\x00\x00\x05",
    b"NE\x00\x00\x00\x04",
    b"NR\x00\x00\x00\x08\x00\x00\x00\x00K\x00\x00\x00\x04",
    b"NZ\x00\x00\x00\x00",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
];

fn broken(scheme: &str, answers: &'static [&'static [u8]]) -> Result {
    for answer in answers {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let over = Arc::new(AtomicBool::new(false));
        let answering = {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                for client in listener.incoming().map_while(|client| client.ok()) {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    speak(client, scheme_is_silent(answer), answer);
                }
            })
        };
        let root = scratch();
        let outcome = stored(&format!("{scheme}://u:p@127.0.0.1:{port}/db"), root.path());
        let error = refused(outcome, ErrorKind::Unavailable);
        assert_eq!(error.operation(), "connect", "{answer:?}: {error:#}");
        injected("a server's answer makes no sense", "unavailable");
        over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", port)));
        answering.join().expect("the server ends");
    }
    Ok(())
}

/// PostgreSQL's client speaks first.
fn scheme_is_silent(answer: &[u8]) -> bool {
    answer.starts_with(b"N")
}

fn speak(mut client: TcpStream, waits: bool, answer: &[u8]) {
    if waits {
        let _ = client.read(&mut [0; 64]);
    }
    let _ = client.write_all(answer);
    let _ = client.shutdown(std::net::Shutdown::Write);
    let _ = client.read_to_end(&mut Vec::new());
}
