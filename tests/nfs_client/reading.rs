//! Reading while the mount fails: an error is an error, never "not found" and never half a file
//! that looks whole.

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::errno::Errno;

use crate::support::faults::injected;
use crate::support::nfs_client::{Call, Fault};
use crate::support::process::wait_for;
use crate::support::{Result, Servers, Trials};

use super::cluster::{Cluster, PICTURE};
use super::doors::{Answer, Door, Node, per_door};

/// Every read opens its file.
const UNKEPT: &[(&str, &str)] = &[("cache_files", "0")];

/// Of several reads: more than nginx or PHP take at a time.
const LARGE: usize = 600_000;

pub(super) fn register(trials: &mut Trials) {
    per_door(trials, "stale_when_opened", &Door::ALL, stale_when_opened);
    per_door(trials, "stale_for_good", &Door::ALL, stale_for_good);
    per_door(trials, "stale_at_the_first_byte", &[Door::Command], stale_at_first_byte);
    per_door(trials, "errors_before_the_first_byte", &Door::ALL, errors_before);
    per_door(trials, "a_kept_file_outlives_errors_for_its_time", &[Door::Nginx], kept_on);
    per_door(trials, "errors_in_the_middle", &Door::ALL, errors_in_the_middle);
    per_door(trials, "short_reads", &Door::ALL, short_reads);
}

fn large() -> Vec<u8> {
    (0..LARGE).map(|number| (number % 251) as u8 + 1).collect()
}

fn stale_when_opened(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, &large())?;
    let node = cluster.door(door, &[])?;
    // Of a name the kernel itself asks twice.
    for (call, times) in [(Call::Open, 2), (Call::Lookup, 2), (Call::GetAttributes, 1)] {
        let fault = Fault::new(call, Errno::ESTALE);
        for fault in [fault.clone().times(times), fault.until_revalidated()] {
            cluster.b.fail([fault.name("picture")])?;
            assert!(node.read(PICTURE) == Answer::Bytes(large()), "{call:?}");
        }
    }
    injected("ESTALE when a file is opened", "opened once more: the whole file");
    Ok(())
}

fn stale_for_good(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, b"bytes")?;
    let node = cluster.door(door, &[])?;
    cluster.b.fail([Fault::new(Call::Open, Errno::ESTALE).name("picture")])?;
    node.read(PICTURE).assert_refused();
    cluster.b.heal()?;
    assert_eq!(node.read(PICTURE), Answer::Bytes(b"bytes".to_vec()));
    injected("ESTALE each time a file is opened", "unavailable, and well again after it");
    Ok(())
}

fn stale_at_first_byte(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, &large())?;
    let node = cluster.door(door, &[])?;
    // The kernel itself asks twice.
    cluster.b.fail([Fault::new(Call::Read, Errno::ESTALE).name("picture").times(2)])?;
    assert!(node.read(PICTURE) == Answer::Bytes(large()));
    injected("ESTALE at the first byte", "opened once more: the whole file");
    Ok(())
}

fn errors_before(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    let other = PICTURE.replace("picture", "other");
    cluster.put(PICTURE, b"bytes")?;
    cluster.put(&other, b"other")?;
    let node = cluster.door(door, UNKEPT)?;
    for (call, errno) in [
        (Call::Lookup, Errno::EIO),
        (Call::Open, Errno::EIO),
        (Call::GetAttributes, Errno::EIO),
        (Call::Open, Errno::EACCES),
        (Call::Open, Errno::ETIMEDOUT),
    ] {
        cluster.b.fail([Fault::new(call, errno).name("picture")])?;
        node.read(PICTURE).assert_refused();
        assert_eq!(node.read(&other), Answer::Bytes(b"other".to_vec()), "{call:?} {errno}");
        cluster.b.heal()?;
        assert_eq!(node.read(PICTURE), Answer::Bytes(b"bytes".to_vec()), "{call:?} {errno}");
    }
    injected("EIO, EACCES or ETIMEDOUT when a file is opened", "refused, other files served");
    Ok(())
}

/// What is open needs no call that fails, until its row has to be asked for again.
fn kept_on(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, b"bytes")?;
    let whole = Answer::Bytes(b"bytes".to_vec());
    for call in [Call::Lookup, Call::Open] {
        let lasting = cluster.door(door, &[("cache_ttl", "1h")])?;
        let brief = cluster.door(door, &[("cache_ttl", "1s")])?;
        for node in [&lasting, &brief] {
            assert_eq!(node.read(PICTURE), whole);
        }
        cluster.b.fail([Fault::new(call, Errno::EIO).name("picture")])?;
        let refused = || matches!(brief.read(PICTURE), Answer::Refused(_));
        wait_for("the end of a file's time", refused)?;
        assert_eq!(lasting.read(PICTURE), whole, "{call:?}");
        brief.read(PICTURE).assert_refused();
        cluster.b.heal()?;
        assert_eq!(brief.read(PICTURE), whole, "{call:?}");
    }
    injected("EIO when a file that is kept open would be opened", "served on, for its time");
    Ok(())
}

fn errors_in_the_middle(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, &large())?;
    let node = cluster.door(door, UNKEPT)?;
    for errno in [Errno::ESTALE, Errno::EIO] {
        cluster.b.fail([Fault::new(Call::Read, errno).name("picture").beyond(400_000)])?;
        let reasons = [errno.to_string(), std::io::Error::from(errno).to_string()];
        let (answer, part) = read_part(&node, door);
        assert!(large().starts_with(&part), "{errno}: {} bytes", part.len());
        match (door, answer) {
            (Door::Core | Door::Nginx | Door::Apache, Answer::Broken(_)) => {}
            (Door::Command, Answer::Broken(said)) | (Door::Php, Answer::Refused(said)) => {
                let is_told = reasons.iter().any(|reason| said.contains(reason));
                assert!(said.contains(PICTURE) && is_told, "{said}");
            }
            (_, other) => panic!("{errno}: {other:?}"),
        }
        cluster.b.heal()?;
        assert!(node.read(PICTURE) == Answer::Bytes(large()), "{errno}");
    }
    injected("ESTALE or EIO in the middle of a file", "an error, never a file that looks whole");
    Ok(())
}

fn short_reads(servers: &Servers, door: Door) -> Result {
    let mut cluster = Cluster::new(servers)?;
    cluster.put(PICTURE, &large())?;
    let node = cluster.door(door, &[])?;
    cluster.b.behave(|behaviour| behaviour.short_reads = Some(300_000))?;
    let (answer, part) = read_part(&node, door);
    assert!(large().starts_with(&part), "padded: {} bytes", part.len());
    match (door, answer) {
        // PHP's own streams do the same: what is there, and no more.
        (Door::Php, Answer::Bytes(bytes)) => assert_eq!(bytes.len(), 300_000),
        (_, Answer::Broken(_)) => {}
        (_, other) => panic!("{other:?}"),
    }
    injected("a file is shorter than its size says", "the answer breaks off, nothing is padded");
    Ok(())
}

/// What a door answers, and the bytes that came before it broke off.
fn read_part(node: &Node, door: Door) -> (Answer, Vec<u8>) {
    match door {
        Door::Core => (node.read(PICTURE), Vec::new()),
        Door::Command | Door::Php => match node.run_raw(&["get", PICTURE]) {
            (Answer::Bytes(bytes), _) => (Answer::Bytes(bytes.clone()), bytes),
            broken => broken,
        },
        Door::Nginx | Door::Apache | Door::NewestNginx => {
            let body = raw_body(node.port());
            let answer = match body.len() {
                LARGE.. => Answer::Bytes(body.clone()),
                count => Answer::Broken(format!("{count} bytes")),
            };
            (answer, body)
        }
    }
}

/// Whatever comes after the header until the server closes the connection.
fn raw_body(port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    write!(stream, "GET /{PICTURE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("send a request");
    let mut answer = Vec::new();
    // A reset is as good an end as any.
    let _ = stream.read_to_end(&mut answer);
    let header = answer.windows(4).position(|window| window == b"\r\n\r\n");
    answer.split_off(header.map_or(answer.len(), |end| end + 4))
}
