//! Files that are kept open: what other nodes do to them meanwhile, how many there are, and when
//! they are closed.

use std::fs::{self, File};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ezdfs::serve::{Allow, Request};
use ezdfs::{CreateOptions, FileId, Options, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::http::{Connection, Response, get};
use crate::support::nginx::Nginx;
use crate::support::process::wait_for;
use crate::support::{Group, Result, Servers};

use super::site::{Row, STORAGE, Site, location, path, url};

/// More than the kernel buffers for a client that does not read.
const LARGE: usize = 64 << 20;
const PATH: &str = "images/a.png";
/// Longer than any trial takes.
const LASTING: &str = "cache_ttl 1h; cache_negative_ttl 1h;";

pub(super) fn register(group: &mut Group) {
    group.add("other_nodes_are_seen_within_their_time", other_nodes);
    group.add("own_writes_are_seen_at_once", own_writes);
    group.add("a_replaced_file_of_the_same_size_and_time_is_noticed", same_size_and_time);
    group.add("a_file_truncated_in_place_is_never_padded", truncated_in_place);
    group.add("who_downloads_an_old_file_gets_all_of_it", old_download);
    group.add("no_more_files_are_kept_than_may_be", budget);
    group.add("few_descriptors_are_enough", few_descriptors);
    group.add("idle_files_are_closed", idle_files);
    group.add("direct_io_has_a_descriptor_of_its_own", direct_io);
    group.add("no_new_worker_inherits_a_file", new_workers);
}

/// The one worker, once it runs.
pub(super) fn worker(nginx: &Nginx) -> Result<u32> {
    wait_for("one worker", || nginx.worker_pids().len() == 1)?;
    Ok(*nginx.worker_pids().first().ok_or("no worker")?)
}

/// The site's files that a process has open: their descriptors and where these lead.
fn open_files(pid: u32) -> Vec<(String, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
        Some((entry.file_name().to_string_lossy().into_owned(), target))
    });
    links.filter(|(_, target)| target.contains(STORAGE)).collect()
}

fn is_kept_open(pid: u32, path: &str) -> bool {
    open_files(pid).iter().any(|(_, target)| target.ends_with(path))
}

/// Whether bytes that no name leads to any more take space still.
fn holds_removed(pid: u32) -> bool {
    open_files(pid).iter().any(|(_, target)| target.ends_with("(deleted)"))
}

/// Each version is all of one byte, of a length of its own.
fn version(number: u8) -> Vec<u8> {
    vec![b'a' + number; 30_000 + 10_000 * usize::from(number % 2) + usize::from(number)]
}

fn version_of(answer: &Response) -> u8 {
    let number = answer.body.first().map_or(0, |byte| byte - b'a');
    assert!(answer.body == version(number), "a mixture: {} bytes", answer.body.len());
    let etag = answer.header("ETag").unwrap_or_default();
    assert!(etag.ends_with(&format!("-{}\"", answer.body.len())), "{etag} of {number}");
    number
}

/// Readers go on all the time, so that rows and files are asked for ahead of their end.
fn other_nodes(servers: &Servers) -> Result {
    const TTL: Duration = Duration::from_millis(500);
    let site = Site::sqlite(servers)?;
    site.put(PATH, &version(0))?;
    let nginx = site.serve("cache_ttl 500ms; cache_negative_ttl 500ms;")?;
    let ask = || get(nginx.port(), &url(PATH));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| -> Result {
        let reader = || {
            let (mut last, mut is_deleted) = (0, false);
            while !stop.load(Ordering::Relaxed) {
                let answer = ask();
                is_deleted |= answer.status == 404;
                if is_deleted {
                    assert_eq!(answer.status, 404, "it was deleted before");
                    continue;
                }
                assert_eq!(answer.status, 200);
                let number = version_of(&answer);
                assert!(number >= last, "{number} after {last}");
                last = number;
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        let work = || -> Result {
            for number in 1..=5 {
                site.put(PATH, &version(number))?;
                let written = Instant::now();
                while written.elapsed() <= TTL + TTL / 2 {
                    let is_over = written.elapsed() > TTL;
                    let answer = ask();
                    let seen = version_of(&answer);
                    assert!(seen == number || !is_over, "{seen} is served, {number} is there");
                }
            }
            site.delete(PATH)?;
            thread::sleep(TTL);
            assert_eq!(ask().status, 404);
            Ok(())
        };
        let worked = work();
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().map_err(|_| "a reader met something else")?;
        }
        worked
    })
}

/// The bytes and the ETag that a web server in this process would give.
fn serve(store: &Store) -> std::result::Result<(Vec<u8>, String), ezdfs::Error> {
    let target = url(PATH);
    let allow = Allow { drafts: false, originals: false };
    let file = store.serve(Request { path: target.as_bytes(), raw_path: None, allow })?;
    let mut bytes = vec![0; file.size as usize];
    let descriptor = file.descriptor().expect("a descriptor").try_clone_to_owned();
    let opened = File::from(descriptor.expect("one more descriptor"));
    std::os::unix::fs::FileExt::read_exact_at(&opened, &mut bytes, 0).expect("read a file");
    Ok((bytes, file.etag()))
}

fn own_writes(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let mut options = Options::builder();
    options.set("dsn", &site.db.dsn)?.set("root", &site.root().to_string_lossy())?;
    options.set("cache_ttl", "1h")?.set("cache_negative_ttl", "1h")?;
    let store = Store::new(options.build()?);
    let id = FileId::parse(&format!("{STORAGE}/{PATH}"))?;
    let write = |mtime| CreateOptions { mtime: Some(mtime), ..Default::default() };
    assert!(serve(&store).is_err());
    for round in 0..20 {
        let bytes = format!("round {round:02}");
        store.create(&id, &mut bytes.as_bytes(), &write(1_700_000_000 + round))?;
        let etag = format!("\"{}-8\"", 1_700_000_000 + round);
        for _ in 0..2 {
            assert_eq!(serve(&store)?, (bytes.clone().into_bytes(), etag.clone()));
        }
    }
    store.delete(&id)?;
    assert_eq!(serve(&store).unwrap_err().kind(), ezdfs::ErrorKind::NotFound);
    wait_for("the old files' end", || !holds_removed(std::process::id()))
}

/// Neither row nor size nor time of modification tells them apart.
fn same_size_and_time(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    site.put_foreign(PATH, b"bytes 0", Row::new("", 0))?;
    let nginx = site.serve(LASTING)?;
    let ask = || get(nginx.port(), &url(PATH)).text();
    assert_eq!(ask(), "bytes 0");
    for round in 1..9 {
        let bytes = format!("bytes {round}");
        if round % 2 == 0 {
            site.write("images/new", bytes.as_bytes())?;
            fs::rename(site.file("images/new"), site.file(PATH))?;
        } else {
            site.write(PATH, bytes.as_bytes())?;
        }
        // At last from memory.
        for _ in 0..10 {
            assert_eq!(ask(), bytes);
        }
    }
    wait_for("the old files' end", || worker(&nginx).is_ok_and(|pid| !holds_removed(pid)))
}

/// A client that has asked, and read so far only that there will be an answer.
struct Slow(Connection);

impl Slow {
    fn start(nginx: &Nginx) -> Result<Self> {
        let mut connection = Connection::open(nginx.port())?;
        connection.send("GET", &url(PATH), &[("Connection", "close")])?;
        connection.reader().read_exact(&mut [0; 8])?;
        Ok(Slow(connection))
    }

    /// The rest of the answer: what its header says, and its body.
    fn rest(mut self) -> Result<(usize, Vec<u8>)> {
        let mut answer = Vec::new();
        // A reset is as good an end as any.
        let _ = self.0.reader().read_to_end(&mut answer);
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no end of the header")?;
        let body = answer.split_off(end + 4);
        let header = String::from_utf8_lossy(&answer).into_owned();
        let length = header.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        Ok((length.ok_or("no Content-Length")?.trim().parse()?, body))
    }
}

/// As the kernel's PHP nodes overwrite: the same inode, emptied and written anew.
fn truncated_in_place(servers: &Servers) -> Result {
    for sendfile in ["on", "off"] {
        let site = Site::sqlite(servers)?;
        site.put(PATH, &vec![b'a'; LARGE])?;
        let server = format!("sendfile {sendfile}; {}", location(""));
        let nginx = site.builder(LASTING).server(&server).start()?;
        assert_eq!(get(nginx.port(), &url(PATH)).body.len(), LARGE);
        let slow = Slow::start(&nginx)?;
        site.put_foreign(PATH, b"short", Row::new("", 0))?;
        let (promised, body) = slow.rest()?;
        assert_eq!(promised, LARGE);
        assert!(body.len() < LARGE, "{} bytes of a file of 5", body.len());
        // The header may have gone out before the first byte was read.
        let is_whole = body == b"short" || body.iter().all(|byte| *byte == b'a');
        assert!(is_whole, "padded: {:?}...", &body[..body.len().min(20)]);
        assert_eq!(get(nginx.port(), &url(PATH)).text(), "short");
    }
    Ok(())
}

fn old_download(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let old = vec![b'a'; LARGE];
    site.put(PATH, &old)?;
    let nginx = site.serve(LASTING)?;
    let pid = worker(&nginx)?;
    let slow = Slow::start(&nginx)?;
    site.put(PATH, b"new")?;
    for _ in 0..3 {
        assert_eq!(get(nginx.port(), &url(PATH)).text(), "new");
    }
    assert!(holds_removed(pid), "{:?}", open_files(pid));
    let (promised, body) = slow.rest()?;
    assert!(promised == LARGE && body == old, "{} of {promised} bytes", body.len());
    wait_for("the old file's end", || !holds_removed(pid))?;
    assert!(is_kept_open(pid, PATH));
    Ok(())
}

const HOT: usize = 100;

/// Asks for all files, in an order of its own for each of several clients; says the largest number
/// of files that were open meanwhile.
fn ask_for_all(nginx: &Nginx, pid: u32) -> Result<usize> {
    let port = nginx.port();
    let client = |step: usize| -> Result {
        let mut connection = Connection::open(port)?;
        for turn in 0..4 * HOT {
            // Some of them again and again.
            let i = if turn % 3 == 0 { turn % 5 } else { turn * step % HOT };
            let answer = connection.request("GET", &url(&path(i)), &[])?;
            assert_eq!((answer.status, answer.text()), (200, path(i)));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let clients = [1, 3, 7, 99].map(|step| scope.spawn(move || client(step)));
        let mut most = 0;
        while !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
            most = most.max(open_files(pid).len());
        }
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        Ok(most)
    })
}

fn hot_site(servers: &Servers) -> Result<Site> {
    let site = Site::sqlite(servers)?;
    for i in 0..HOT {
        site.put(&path(i), path(i).as_bytes())?;
    }
    Ok(site)
}

fn budget(servers: &Servers) -> Result {
    let site = hot_site(servers)?;
    for kept in [10, 0] {
        let nginx = site.serve(&format!("{LASTING} cache_files {kept};"))?;
        let pid = worker(&nginx)?;
        let most = ask_for_all(&nginx, pid)?;
        // Those that are being sent, opened or closed come on top.
        assert!(most < kept + HOT, "{most} files open, {kept} may be kept");
        wait_for("files to be closed", || open_files(pid).len() <= kept)?;
        assert_eq!(!open_files(pid).is_empty(), kept > 0);
    }
    Ok(())
}

fn few_descriptors(servers: &Servers) -> Result {
    let site = hot_site(servers)?;
    let builder = site.builder(LASTING).main("worker_rlimit_nofile 64;").server(&location(""));
    let nginx = builder.start()?;
    let pid = worker(&nginx)?;
    ask_for_all(&nginx, pid)?;
    wait_for("files to be closed", || open_files(pid).len() <= 8)?;
    assert!(!nginx.error_log().contains("Too many open files"), "{}", nginx.error_log());
    Ok(())
}

fn idle_files(servers: &Servers) -> Result {
    let site = hot_site(servers)?;
    // However long rows may serve while the database is gone.
    let nginx = site.serve("cache_ttl 2s; stale_if_error 1h;")?;
    let pid = worker(&nginx)?;
    for _ in 0..2 {
        for i in 0..20 {
            assert_eq!(get(nginx.port(), &url(&path(i))).status, 200);
        }
        for _ in 0..10 {
            assert_eq!(get(nginx.port(), &url(&path(0))).text(), path(0));
        }
        assert!(is_kept_open(pid, &path(19)), "{:?}", open_files(pid));
        // Nobody asks for it any more.
        site.delete(&path(19))?;
        wait_for("files to be closed", || open_files(pid).is_empty())?;
        site.put(&path(19), path(19).as_bytes())?;
        // Its absence is not remembered.
        wait_for("the file", || get(nginx.port(), &url(&path(19))).status == 200)?;
    }
    Ok(())
}

/// Flags of a descriptor, which all who share it share.
fn is_direct(pid: u32, descriptor: &str) -> Result<bool> {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}"))?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).ok_or("no flags")?;
    let flags = i32::from_str_radix(flags.trim(), 8)?;
    Ok(flags & nix::libc::O_DIRECT != 0)
}

fn direct_io(servers: &Servers) -> Result {
    let site = Site::sqlite(servers)?;
    let bytes = vec![b'a'; LARGE];
    site.put(PATH, &bytes)?;
    let direct = "location /direct/ { rewrite ^/direct(/.*) $1 break; ezdfs main; directio 512; }";
    let nginx = site.builder(LASTING).server(&location("")).server(direct).start()?;
    let pid = worker(&nginx)?;
    assert!(get(nginx.port(), &url(PATH)).body == bytes);
    let mut slow = Connection::open(nginx.port())?;
    slow.send("GET", &format!("/direct{}", url(PATH)), &[])?;
    slow.reader().read_exact(&mut [0; 8])?;
    let flags = || -> Result<Vec<bool>> {
        let files = open_files(pid);
        let mut flags =
            files.iter().map(|(fd, _)| is_direct(pid, fd)).collect::<Result<Vec<_>>>()?;
        flags.sort_unstable();
        Ok(flags)
    };
    assert_eq!(flags()?, [false, true], "{}", nginx.error_log());
    assert!(get(nginx.port(), &url(PATH)).body == bytes);
    drop(slow);
    wait_for("its end", || flags().is_ok_and(|flags| flags == [false]))
}

fn new_workers(servers: &Servers) -> Result {
    let site = hot_site(servers)?;
    let mut nginx = site.serve(LASTING)?;
    let fill = |nginx: &Nginx| -> Result {
        let pid = worker(nginx)?;
        assert_eq!(open_files(pid), [], "a new worker");
        for i in 0..20 {
            assert_eq!(get(nginx.port(), &url(&path(i))).text(), path(i));
        }
        assert_eq!(open_files(pid).len(), 20);
        assert_eq!(open_files(nginx.master_pid()), []);
        Ok(())
    };
    fill(&nginx)?;
    nginx.reload(|_| {})?;
    fill(&nginx)?;
    let old = worker(&nginx)?;
    kill(Pid::from_raw(old.cast_signed()), Signal::SIGKILL)?;
    wait_for("another worker", || nginx.worker_pids().iter().any(|pid| *pid != old))?;
    fill(&nginx)
}
