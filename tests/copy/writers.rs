//! Who writes to a site while it moves. What was acknowledged is remembered.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use ezdfs::{CreateOptions, ErrorKind, FileId, Store};

use super::place::Place;
use crate::kill::content::Random;
use crate::kill::seed;
use crate::store::md5;
use crate::support::Result;
use crate::support::db::{self, Backend};
use crate::support::process::wait_for_success;

/// Ids that each writer writes to.
const IDS: u64 = 12;

/// Bytes of what was acknowledged last, by name; `None` where it was deleted.
pub(super) type Acknowledged = BTreeMap<String, Option<Vec<u8>>>;

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Writer {
    Ezdfs,
    /// In place, then the row; deletes the row, then the file.
    Kernel,
    /// The same; marks the row, and leaves the file.
    Legacy,
}

impl Writer {
    pub(super) const ALL: [Self; 3] = [Self::Ezdfs, Self::Kernel, Self::Legacy];

    /// Until it is told to end. What was acknowledged before is there.
    pub(super) fn run(
        self,
        place: &Place,
        before: &Acknowledged,
        done: &AtomicBool,
    ) -> Result<Acknowledged> {
        let store = place.store(&[])?;
        let mut random = Random::new(seed() + self as u64);
        let mut acknowledged = Acknowledged::new();
        let mut once = before.len();
        while !done.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
            let live = format!("var/site/storage/images/live/{self:?}");
            if random.below(3) == 0 {
                // Nobody writes it again, should it be lost.
                let (name, bytes) = (format!("{live}/once/{once}.png"), once.to_string());
                at_last(|| self.write(place, &store, &name, bytes.as_bytes()))?;
                acknowledged.insert(name, Some(bytes.into_bytes()));
                once += 1;
                continue;
            }
            let name = format!("{live}/{}/a.png", random.below(IDS));
            let is_there = acknowledged.get(&name).or_else(|| before.get(&name));
            if is_there.is_some_and(Option::is_some) && random.below(4) == 0 {
                at_last(|| self.delete(place, &store, &name))?;
                acknowledged.insert(name, None);
            } else {
                let length = 1000 + random.below(3) as usize * 50_000;
                let bytes = vec![random.below(256) as u8; length];
                at_last(|| self.write(place, &store, &name, &bytes))?;
                acknowledged.insert(name, Some(bytes));
            }
        }
        Ok(acknowledged)
    }

    fn write(self, place: &Place, store: &Store, name: &str, bytes: &[u8]) -> Result {
        if matches!(self, Writer::Ezdfs) {
            store.create(&FileId::parse(name)?, &mut &*bytes, &CreateOptions::default())?;
            return Ok(());
        }
        let path = place.root().join(name);
        fs::create_dir_all(path.parent().ok_or("no parent")?)?;
        fs::write(&path, bytes)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let (hash, size, no) = (md5(name), bytes.len(), flag(place, false));
        let values =
            format!("('{name}', '{name}', '{hash}', 'image/png', 'image', {size}, {now}, {no})");
        let columns = "name, name_trunk, name_hash, datatype, scope, size, mtime, expired";
        let insert = format!("INSERT INTO {} ({columns}) VALUES {values}", place.table);
        let update = format!("size = {size}, mtime = {now}, expired = {no}");
        let upsert = match place.db.backend {
            Backend::MariaDb => format!("{insert} ON DUPLICATE KEY UPDATE {update}"),
            _ => format!("{insert} ON CONFLICT (name_hash) DO UPDATE SET {update}"),
        };
        db::sql(&place.db.dsn, &upsert)?;
        Ok(())
    }

    fn delete(self, place: &Place, store: &Store, name: &str) -> Result {
        let (table, hash, yes) = (place.table, md5(name), flag(place, true));
        match self {
            Writer::Ezdfs => match store.delete(&FileId::parse(name)?) {
                // The last attempt was carried out and not answered.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => outcome?,
            },
            Writer::Kernel => {
                let delete = format!("DELETE FROM {table} WHERE name_hash = '{hash}'");
                db::sql(&place.db.dsn, &delete)?;
                match fs::remove_file(place.root().join(Path::new(name))) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    outcome => outcome?,
                }
            }
            Writer::Legacy => {
                let mark = format!(
                    "UPDATE {table} SET mtime = -ABS(mtime), expired = {yes} \
                     WHERE name_hash = '{hash}'"
                );
                db::sql(&place.db.dsn, &mark)?;
            }
        }
        Ok(())
    }
}

/// Its database may be away for a moment: what is tried again until it goes well is acknowledged then.
fn at_last(try_it: impl FnMut() -> Result) -> Result {
    wait_for_success("a write to be acknowledged", try_it)
}

fn flag(place: &Place, value: bool) -> String {
    match place.db.backend {
        Backend::Postgres => value.to_string(),
        _ => u8::from(value).to_string(),
    }
}
