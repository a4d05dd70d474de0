//! Files that a web server keeps open on a mount that remembers too much, or hangs.

use std::fs::{self, File};
use std::io::{BufRead, Read};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::support::faults::injected;
use crate::support::http::{Connection, get};
use crate::support::nfs_client::{Behaviour, Call, Fault, NfsClient, Version};
use crate::support::nginx::Nginx;
use crate::support::process::wait_for;
use crate::support::{Result, Servers, Trials};

use super::cluster::{Cluster, PICTURE};
use super::doors::{Answer, Door, per_door};

const TTL: Duration = Duration::from_secs(1);
const BRIEF: &[(&str, &str)] = &[("cache_ttl", "1s"), ("cache_negative_ttl", "1s")];
const LASTING: &[(&str, &str)] = &[("cache_ttl", "1h")];
const CROWD: usize = 50;
/// More than the kernel buffers for a client that does not read.
const LARGE: usize = 32 << 20;

pub(super) fn register(trials: &mut Trials) {
    per_door(trials, "a_kept_file_is_opened_again_in_time", &[Door::Nginx], opened_again);
    per_door(trials, "a_crowd_opens_a_cold_file_once", &[Door::Nginx], crowd);
    per_door(trials, "what_is_hot_needs_no_mount", &[Door::Nginx], hot);
    per_door(trials, "what_is_hot_needs_no_thread", &[Door::Nginx], hot_without_threads);
    per_door(trials, "a_broken_answer_costs_the_kept_file", &[Door::Nginx], distrusted);
}

/// Neither row nor size tells the two apart, and the client knows nothing of the new one: only
/// opening the file again leads to it. Requests go on all the time.
fn opened_again(servers: &Servers, door: Door) -> Result {
    for version in [Version::V4, Version::V3] {
        let mut cluster = Cluster::new(servers)?;
        cluster.put_old(PICTURE, b"bytes 0")?;
        let long = Duration::from_secs(3600);
        cluster.b.behave(|behaviour| {
            *behaviour =
                Behaviour { version, attributes: long, names: long, ..Behaviour::default() };
        })?;
        let node = cluster.door(door, BRIEF)?;
        let bytes = |round: usize| Answer::Bytes(format!("bytes {round}").into_bytes());
        assert_eq!(node.read(PICTURE), bytes(0));
        for round in 1..4 {
            cluster.put_old(PICTURE, format!("bytes {round}").as_bytes())?;
            let written = Instant::now();
            while written.elapsed() <= TTL + TTL / 2 {
                let is_over = written.elapsed() > TTL;
                let answer = node.read(PICTURE);
                let is_new = answer == bytes(round);
                assert!(
                    is_new || answer == bytes(round - 1) && !is_over,
                    "{version:?}: {answer:?}"
                );
            }
        }
    }
    injected("a file kept open is replaced by another node, row and size the same", "seen in time");
    Ok(())
}

fn count(client: &NfsClient, call: Call) -> Result<u64> {
    Ok(client.calls()?.get(&call).copied().unwrap_or(0))
}

fn crowd(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, b"bytes")?;
    cluster.b.behave(|_| {})?;
    let node = cluster.door(door, LASTING)?;
    let before = count(&cluster.b, Call::Open)?;
    cluster.b.hang(&[Call::Open])?;
    let ask = || -> Result<Connection> {
        let mut connection = Connection::open(node.port())?;
        connection.send("GET", &format!("/{PICTURE}"), &[])?;
        Ok(connection)
    };
    let crowd = (0..CROWD).map(|_| ask()).collect::<Result<Vec<_>>>()?;
    wait_for("a call to hang", || cluster.b.hanging().is_ok_and(|hanging| hanging == 1))?;
    // nginx has read all the other requests when it has answered this one.
    let missing = PICTURE.replace("picture", "missing");
    assert_eq!(get(node.port(), &format!("/{missing}")).status, 404);
    assert_eq!(cluster.b.hanging()?, 1);
    cluster.b.heal()?;
    for mut connection in crowd {
        assert_eq!(connection.receive("GET")?.text(), "bytes");
    }
    assert_eq!(count(&cluster.b, Call::Open)? - before, 1);
    injected("the mount hangs while 50 requests wait for one file", "opened once for all");
    Ok(())
}

/// Small files that are asked for often are sent from memory, while the mount hangs as well; any
/// other is read where waiting is allowed, also one that is open already.
fn hot(servers: &Servers, door: Door) -> Result {
    for (content, is_kept) in [("8m", true), ("0", false)] {
        let mut cluster = Cluster::new(servers)?;
        let often = PICTURE.replace("picture", "often");
        let (whole, patient) = (Answer::Bytes(b"bytes".to_vec()), ("mount_timeout", "1s"));
        cluster.put(&often, b"bytes")?;
        cluster.put(PICTURE, b"bytes")?;
        let node = cluster.door(door, &[LASTING[0], patient, ("cache_content", content)])?;
        for _ in 0..10 {
            assert_eq!(node.read(&often), whole);
        }
        assert_eq!(node.read(PICTURE), whole);
        // The kernel forgets what it has of a file that somebody opens.
        for id in [often.as_str(), PICTURE] {
            drop(File::open(cluster.b.at().join(id))?);
        }
        cluster.b.hang(&[Call::Read])?;
        let mut waiting = Connection::open(node.port())?;
        waiting.send("GET", &format!("/{PICTURE}"), &[])?;
        wait_for("a call to hang", || cluster.b.hanging().is_ok_and(|hanging| hanging > 0))?;
        if is_kept {
            for _ in 0..10 {
                assert_eq!(node.read(&often), whole);
            }
        } else {
            node.read(&often).assert_refused();
        }
        assert_eq!(waiting.receive("GET")?.status, 503);
        cluster.b.heal()?;
        wait_for("the mount's recovery", || node.read(PICTURE) == whole)?;
        assert_eq!(node.read(&often), whole);
    }
    injected(
        "the mount hangs under files that are open",
        "hot ones served, others refused in time",
    );
    Ok(())
}

/// nginx's only thread waits for the mount, on which a large file is being read.
fn hot_without_threads(servers: &Servers, _: Door) -> Result {
    for sendfile in ["on", "off"] {
        let mut cluster = Cluster::new(servers)?;
        let often = PICTURE.replace("picture", "often");
        let large = vec![b'a'; LARGE];
        cluster.put(&often, b"bytes")?;
        cluster.put(PICTURE, &large)?;
        let (dsn, root) = (&cluster.db.dsn, cluster.b.at().display());
        let nginx = Nginx::with_module()
            .main("thread_pool default threads=1;")
            .http(&format!("ezdfs_store main {{ dsn {dsn}; root {root}; cache_ttl 1h; }}\n"))
            .server(&format!("location / {{ ezdfs main; sendfile {sendfile}; }}"))
            .start()?;
        let ask_often = || get(nginx.port(), &format!("/{often}")).text();
        for _ in 0..10 {
            assert_eq!(ask_often(), "bytes");
        }
        let mut connection = Connection::open(nginx.port())?;
        connection.send("GET", &format!("/{PICTURE}"), &[])?;
        connection.reader().fill_buf()?;
        cluster.b.hang(&[Call::Read])?;
        let reading = thread::spawn(move || connection.receive("GET"));
        wait_for("a call to hang", || cluster.b.hanging().is_ok_and(|hanging| hanging > 0))?;
        for _ in 0..10 {
            assert_eq!(ask_often(), "bytes");
        }
        assert!(!reading.is_finished(), "all of it was read although the mount hangs");
        cluster.b.heal()?;
        let answer = reading.join().map_err(|_| "the reader panicked")??;
        assert!(answer.body == large, "{} of {LARGE} bytes", answer.body.len());
    }
    Ok(())
}

/// To the server a client that leaves in the middle looks much like a file that cannot be read.
fn distrusted(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, &vec![b'a'; LARGE])?;
    cluster
        .b
        .fail([Fault::new(Call::Read, Errno::EIO).name("picture").beyond(LARGE as u64 / 2)])?;
    let node = cluster.door(door, LASTING)?;
    let opens = |cluster: &Cluster| count(&cluster.b, Call::Open);
    let whole = || assert!(node.read(PICTURE) == Answer::Bytes(vec![b'a'; LARGE]));
    let broken = node.read(PICTURE);
    assert!(matches!(broken, Answer::Broken(_)), "{broken:?}");
    cluster.b.heal()?;
    let before = opens(&cluster)?;
    whole();
    assert_eq!(opens(&cluster)?, before + 1, "the broken file was kept");
    whole();
    assert_eq!(opens(&cluster)?, before + 1, "it was not kept");
    let mut leaver = Connection::open(node.port())?;
    leaver.send("GET", &format!("/{PICTURE}"), &[])?;
    leaver.reader().read_exact(&mut [0; 8])?;
    drop(leaver);
    let log = node.server.as_ref().ok_or("no server")?.dir().join("access.log");
    let requests = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    wait_for("the end of the request", || requests() == 4)?;
    whole();
    assert_eq!(opens(&cluster)?, before + 1, "somebody who left took the file away");
    Ok(())
}
