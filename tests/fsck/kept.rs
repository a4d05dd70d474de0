//! Old files that overwrites have kept: which of them `fsck` puts back.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, UNIX_EPOCH};

use ezdfs::maintenance::Fault;

use super::{PNG, fsck, good, options, update};
use crate::store::{Site, md5};
use crate::support::Trials;
use crate::support::db::TestDb;

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("fsck", &[]);
    group.per_database("old_files_of_other_writes_are_not_put_back", left_alone);
    group.per_database("the_last_committed_of_several_old_files_is_put_back", the_last_committed);
}

/// Leaves what an overwrite leaves that dies between rename and commit; says under which name the
/// old file is. The `number` goes into the time of the row that was not committed.
pub(super) fn interrupt(site: &Site, id: &str, bytes: &[u8], number: usize) -> String {
    let (dir, name) = id.rsplit_once('/').unwrap();
    let staged = format!("{dir}/.ezdfs-stage-0123456789abcde0");
    site.foreign_file(&staged, bytes);
    let time = UNIX_EPOCH + Duration::from_secs(1_500_000_000 + number as u64);
    let file = File::options().write(true).open(site.path(&staged)).unwrap();
    file.set_modified(time).unwrap();
    let inode = file.metadata().unwrap().ino();
    let row = site.store.stat(&crate::store::id(id)).unwrap();
    let label = format!("{}-{:x}-{:x}-{inode:x}", md5(name), row.size, row.mtime);
    let kept = format!("{dir}/.ezdfs-old-{label}-0123456789abcdef");
    fs::hard_link(site.path(id), site.path(&kept)).unwrap();
    fs::rename(site.path(&staged), site.path(id)).unwrap();
    kept
}

/// Old files that are not what the row speaks of, or whose successor is not in place any more.
fn left_alone(db: TestDb) {
    let site = good(db);
    let ids = ["committed", "deleted", "rewritten", "replaced", "resized"]
        .map(|name| format!("images/{name}"));
    let mut kept = Vec::new();
    for id in &ids {
        site.create(id, PNG).unwrap();
        kept.push(interrupt(&site, id, &[b'x'; PNG.len()], 0));
    }
    update(&site, "mtime = 1500000000", "images/committed");
    update(&site, "mtime = -mtime, expired = TRUE", "images/deleted");
    std::thread::sleep(Duration::from_millis(20));
    site.foreign_file("images/rewritten", &[b'y'; PNG.len()]);
    let options_of = |mtime| ezdfs::CreateOptions { mtime: Some(mtime), ..Default::default() };
    let again = crate::store::id("images/replaced");
    site.store.create(&again, &mut &[b'y'; PNG.len()][..], &options_of(1_400_000_000)).unwrap();
    update(&site, "size = 1", "images/resized");

    let bytes = || ids.each_ref().map(|id| fs::read(site.path(id)).ok());
    let before = bytes();
    let (_, findings) = fsck(&site, options(&[Fault::InterruptedOverwrite]));
    assert!(!findings.iter().any(|finding| finding.repaired), "{findings:?}");
    assert_eq!(before, bytes());
    assert!(kept.iter().all(|kept| site.path(kept).exists()));

    let (checked, _) = fsck(&site, options(&Fault::ALL));
    assert_eq!(checked.remaining(), 0);
    assert!(!kept.iter().any(|kept| site.path(kept).exists()));
}

/// Of several writes that died one after the other, the last to have been committed counts.
fn the_last_committed(db: TestDb) {
    let site = good(db);
    for same_size in [true, false] {
        for committed in [0, 1, 2] {
            let id = format!("images/{same_size}-{committed}");
            let contents = [&b"0000"[..], b"1111", b"2222", b"3333"];
            let contents = contents.map(|bytes| match same_size {
                true => bytes.to_vec(),
                false => bytes.repeat(usize::from(bytes[0] - b'0' + 1)),
            });
            site.create(&id, &contents[0]).unwrap();
            for (number, bytes) in contents.iter().enumerate().skip(1) {
                interrupt(&site, &id, bytes, number);
                if committed == number {
                    let size = bytes.len();
                    update(
                        &site,
                        &format!("size = {size}, mtime = {}", 1_500_000_000 + number),
                        &id,
                    );
                }
            }
            let before = site.tree();
            let (checked, found) = fsck(&site, options(&Fault::ALL));
            assert_eq!(checked.remaining(), 0);
            let what = format!("{id}: {before:?} {checked:?} {found:?}");
            assert_eq!(site.read(&id).unwrap(), contents[committed], "{what}");
        }
    }
}
