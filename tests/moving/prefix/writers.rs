//! Writers who know the old name alone, until they are told of the new one.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{NEW, OLD, another, both, finish, read, site};
use crate::store::id;
use crate::support::db::TestDb;
use crate::support::faults::injected;
use crate::support::process::wait_for;
use crate::support::{Group, Result};

const FILES: usize = 300;

pub(super) fn register(group: &mut Group<'_>) {
    group.per_database("what_is_written_meanwhile_is_not_lost", meanwhile);
}

fn meanwhile(db: TestDb) -> Result {
    let site = site(db, FILES)?;
    let (is_told, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let turns = [const { AtomicU64::new(0) }; 2];
    let writes = |writer: usize| -> Result<HashMap<String, Option<Vec<u8>>>> {
        let store = another(&site);
        let (mut last, mut written_since) = (HashMap::new(), HashSet::new());
        for turn in 0_usize.. {
            if done.load(Ordering::SeqCst) {
                break;
            }
            let knows = is_told.load(Ordering::SeqCst);
            let prefix = if knows { NEW } else { OLD };
            // Each writer has files of its own, some of which were there before.
            let rest = format!("images/{}/file {}é.png", turn % 7, turn * 2 % FILES + writer);
            let name = id(&format!("{prefix}/{rest}"));
            match turn % 5 {
                // What was written under the old name a moment ago comes back, if the new name is
                // deleted before it has that: nobody can tell what was later.
                4 if knows && !written_since.contains(&rest) => {}
                4 => match store.delete(&name) {
                    Ok(()) => drop(last.insert(rest, None)),
                    Err(error) if error.kind() == ezdfs::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                },
                _ => {
                    let bytes = format!("turn {turn} of {writer}{}", "!".repeat(turn % 11));
                    store.create(&name, &mut bytes.as_bytes(), &Default::default())?;
                    if knows {
                        written_since.insert(rest.clone());
                    }
                    last.insert(rest, Some(bytes.into_bytes()));
                }
            }
            turns[writer].fetch_add(1, Ordering::SeqCst);
        }
        Ok(last)
    };
    let written = thread::scope(|scope| -> Result<_> {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let writes = &writes;
                scope.spawn(move || writes(writer))
            })
            .collect();
        let get_on = || {
            let now = || turns.each_ref().map(|turns| turns.load(Ordering::SeqCst));
            let before = now();
            wait_for("writers to get on", || {
                now().iter().zip(before).all(|(now, before)| *now > before + 20)
                    || writers.iter().any(|writer| writer.is_finished())
            })
        };
        let moves = || -> Result {
            get_on()?;
            both(&site.store)?;
            get_on()?;
            both(&site.store)?;
            is_told.store(true, Ordering::SeqCst);
            get_on()?;
            finish(&site.store)?;
            get_on()
        };
        let outcome = moves();
        done.store(true, Ordering::SeqCst);
        let mut written = HashMap::new();
        for writer in writers {
            written.extend(writer.join().map_err(|_| "a writer panicked")??);
        }
        outcome.map(|()| written)
    })?;
    assert!(written.len() > 10);
    let reader = another(&site);
    for (rest, bytes) in &written {
        assert_eq!(&read(&reader, &format!("{NEW}/{rest}"))?, bytes, "{rest}");
        assert_eq!(read(&reader, &format!("{OLD}/{rest}"))?, None, "{rest}");
    }
    injected("files are written and deleted while their prefix is renamed", "nothing is lost");
    Ok(())
}
