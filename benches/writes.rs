//! Writes single files over one warm connection: `writes DSN ROOT DURABILITY`.
//!
//! Reads a line `OPERATION SET COUNT` each, does it to the files of that set, and answers with the
//! seconds and the CPU seconds that it took. `benches/writes.py` asks several builds in turn.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ezdfs::{CreateOptions, FileId, Options, Store};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Two minutes ago: no time that a writer would take for itself.
const AGE: Duration = Duration::from_secs(120);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dsn, root, durability] = &arguments[..] else {
        return Err("usage: writes DSN ROOT DURABILITY".into());
    };
    let mut options = Options::builder();
    options.set("dsn", dsn)?.set("root", root)?.set("durability", durability)?;
    let store = Store::new(options.build()?);
    store.create_schema()?;
    let picture = [b"\xff\xd8\xff\xe0\0\x10JFIF\0", &[7; 20_000][..]].concat();
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    for line in input.lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [operation, set, count] = words[..] else {
            return Err("a line is OPERATION SET COUNT".into());
        };
        let count: u32 = count.parse()?;
        let (start, cpu) = (Instant::now(), cpu_seconds()?);
        for number in 0..count {
            write(&store, operation, set, number, &picture)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        writeln!(output, "{seconds} {}", cpu_seconds()? - cpu)?;
        output.flush()?;
    }
    Ok(())
}

fn write(
    store: &Store,
    operation: &str,
    set: &str,
    number: u32,
    mut picture: &[u8],
) -> Result<(), Box<dyn Error>> {
    let id = id(set, number)?;
    match operation {
        "create" => drop(store.create(&id, &mut picture, &CreateOptions::default())?),
        "create-timed" => {
            let time = (SystemTime::now() - AGE).duration_since(UNIX_EPOCH)?.as_secs();
            let mtime = Some(i64::try_from(time)?);
            store.create(&id, &mut picture, &CreateOptions { mtime, ..Default::default() })?;
        }
        "rename" => drop(store.rename(&id, &self::id(&format!("{set}-moved"), number)?)?),
        "delete" => store.delete(&id)?,
        _ => return Err(format!("{operation:?} is unknown").into()),
    }
    Ok(())
}

/// As the kernels name the pictures of content objects: a folder each.
fn id(set: &str, number: u32) -> ezdfs::Result<FileId> {
    let digits: Vec<char> = format!("{number:04}").chars().collect();
    let [thousands, hundreds, tens, ones] = digits[..] else {
        panic!("{number} has more than four digits");
    };
    FileId::parse(&format!(
        "images/{set}/{ones}/{tens}/{hundreds}/{thousands}/{number}-1-eng-GB/picture.jpg"
    ))
}

/// Of all threads of this process.
fn cpu_seconds() -> nix::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
