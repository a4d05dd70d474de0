//! A host in C with a replica.

use std::path::Path;
use std::process::{Command, Stdio};

use super::conversation::Conversation;
use super::until;
use super::watched::{PICTURES, PREFIX, Version, Watched, id};
use crate::c_programs::{IN_C, compile_plain};
use crate::support::db::TestDb;
use crate::support::process::scratch;
use crate::support::{Need, Result, Trials};

pub(super) fn register(trials: &mut Trials) {
    let needs = [&IN_C[..], &[Need::COMMAND]].concat();
    trials.group("agent::c", &needs).per_server("a_host_needs_no_connection", host);
}

fn host(db: TestDb) -> Result {
    let mut watched = Watched::new(db)?;
    let dir = scratch();
    let program = dir.path().join("host");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent/host.c");
    compile_plain(&source, &program)?;
    let mut command = Command::new(program);
    for (key, value) in [
        ("dsn", &*watched.cli.dsn),
        ("root", &*watched.cli.root().to_string_lossy()),
        ("name_prefix", PREFIX),
        ("replica", &*watched.replica().to_string_lossy()),
        ("replica_max_lag", "5s"),
        ("replica_confirms", "0"),
    ] {
        command.arg(format!("{key}={value}"));
    }
    let mut host = Conversation::start(command.stderr(Stdio::piped()))?;
    watched.unasked(|| -> Result {
        for picture in 0..PICTURES {
            let size = Version { picture, number: 0 }.bytes().len();
            assert_eq!(host.ask(&id(picture))?, size.to_string());
        }
        assert_eq!(host.ask(&id(77))?, "not_found");
        let new = Version { picture: 1, number: 3 };
        watched.put(&id(1), new)?;
        let size = new.bytes().len().to_string();
        until("an overwrite", || host.ask(&id(1)).unwrap() == size);
        Ok(())
    })?;
    watched.agent = None;
    until("the database is asked", || {
        let before = watched.proxy.accepted();
        host.ask(&id(2)).unwrap();
        watched.proxy.accepted() > before
    });
    let output = host.end().wait_with_output()?;
    let told = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{told}");
    assert!(told.contains("2 ezdfs: the replica \"") && told.contains("heard nothing"), "{told}");
    Ok(())
}
