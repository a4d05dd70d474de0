//! What is wrong with the mount, the files, the sandbox and what is installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use nix::errno::Errno;
use serde_json::Value;

use super::Site;
use crate::support::nfs_client::{Call, Fault, NfsClient};
use crate::support::process::{clock_library, compiled, wait_for};
use crate::support::{Group, Need, Result, built};

pub(super) fn register(group: &mut Group<'_>) {
    group.add("doctor_finds_how_the_share_is_mounted", |_| options());
    group.add("doctor_finds_a_root_that_is_not_the_tables", |_| roots());
    group.add("doctor_finds_what_is_the_matter_with_files", |_| files());
    group.add("doctor_finds_a_clock_that_is_wrong", |_| clocks());
    group.add("doctor_finds_modules_of_another_version", |_| modules());
    group.add("doctor_finds_a_replica_that_nobody_uses", |_| replica());
    group.add_needing("doctor_finds_what_the_sandbox_refuses", Need::Programs(&["cc"]), sandbox);
    group.add_needing("doctor_finds_what_the_mount_refuses", Need::NfsClient, refusals);
    group.add_needing("doctor_is_done_on_a_mount_that_hangs", Need::NfsClient, hangs);
    group.add_needing("doctor_finds_a_share_that_is_full", Need::NfsClient, full);
    group.add_needing("doctor_reads_the_nginx_module", Need::MODULE, || {
        built_module("nginx", "--nginx-module", "ngx_http_ezdfs_module.so");
    });
    group.add_needing("doctor_reads_the_php_extension", Need::Built("ezdfs.so"), || {
        built_module("php", "--php-extension", "ezdfs.so");
    });
}

fn options() {
    let mut site = Site::new(None);
    for (options, check) in [
        ("rw,vers=4.2,soft", "mount-soft"),
        ("rw,vers=3,softerr,proto=tcp", "mount-soft"),
        ("rw,hard,nocto", "mount-nocto"),
        ("rw,hard,acregmin=600,acregmax=600,acdirmin=600,acdirmax=600", "mount-actimeo"),
        ("rw,hard,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0", "mount-actimeo"),
        ("rw,hard,lookupcache=none", "mount-lookupcache"),
        ("rw,sync,hard,noac,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0", "mount-noac"),
    ] {
        site.options = options;
        for task in ["nginx", "php", "maintenance"] {
            site.finds(options, &["--for", task], check);
        }
    }
    for options in ["rw,hard,lookupcache=pos", "rw,hard,acregmax=30,nolock,local_lock=none"] {
        site.options = options;
        site.is_sound(&[]);
    }
    site.options = super::MOUNTED;
    site.finds("no marker", &["--mount-marker", ""], "mount-marker");
    (site.file_system, site.options) = ("tmpfs", "rw");
    site.finds("in memory", &[], "mount-type");
    // A disk of this machine needs no marker.
    site.file_system = "ext4";
    site.is_sound(&["--mount-marker", ""]);
}

fn roots() {
    let mut site = Site::new(None);
    let root = site.cli.root();
    site.finds("another prefix", &["--name-prefix", "var/other/storage"], "name-prefix");
    fs::rename(root.join("images"), root.join("moved")).unwrap();
    site.finds("files elsewhere", &[], "root-fits");
    fs::rename(root.join("moved"), root.join("images")).unwrap();
    fs::remove_file(root.join(".mounted")).unwrap();
    site.finds("no marker there", &[], "root");
    let bare = site.cli.dir.path().join("bare");
    fs::create_dir(&bare).unwrap();
    site.root.clone_from(&bare);
    // What lies beneath the share.
    site.file_system = "ext4";
    site.finds("nothing is mounted", &["--mount-marker", ""], "root");
    assert_eq!(fs::read_dir(&bare).unwrap().count(), 0, "nothing was tried there");
    site.root = site.cli.dir.path().join("missing");
    site.finds("no root", &[], "root");
}

fn files() {
    let site = Site::new(None);
    let photos = site.cli.root().join("images/photos");
    let one = photos.join("1.png");
    fs::set_permissions(&one, fs::Permissions::from_mode(0o600)).unwrap();
    let told = site.finds("0600 beside 0644", &[], "mode");
    assert!(told.object["findings"][0]["what"].as_str().unwrap().contains("0644 (2), 0600 (1)"));
    fs::set_permissions(&one, fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(&one).unwrap();
    symlink("2.png", &one).unwrap();
    site.finds("a link", &["--for", "nginx"], "readable");
    fs::remove_file(&one).unwrap();
    fs::copy(photos.join("2.png"), &one).unwrap();
    // Who may not give files away plants nothing.
    if chown(&one, Some(12_345), None).is_ok() {
        site.finds("two owners", &[], "owner");
        for file in ["2.png", "3.png"] {
            chown(photos.join(file), Some(12_345), None).unwrap();
        }
        site.finds("another owner", &["--for", "maintenance"], "owner");
        site.is_sound(&["--for", "nginx"]);
    }
}

fn clocks() {
    let mut site = Site::new(None);
    for (seconds, check) in [("100", "clock-file-server"), ("-3600", "time-zone")] {
        site.variables = vec![
            ("LD_PRELOAD", clock_library().to_string_lossy().into_owned()),
            ("EZDFS_TEST_CLOCK", seconds.to_owned()),
        ];
        site.finds(seconds, &[], check);
        site.is_sound(&["--for", "nginx"]);
    }
}

fn modules() {
    let site = Site::new(None);
    let file = site.cli.dir.path().join("module.so");
    let path = file.to_str().unwrap();
    let own = format!("\x7fELF ezdfs is of version {};\0", env!("CARGO_PKG_VERSION"));
    for (task, option, check) in
        [("nginx", "--nginx-module", "nginx-module"), ("php", "--php-extension", "php-extension")]
    {
        for content in ["\x7fELF ezdfs is of version 9.9.9;\0", "\x7fELF of nobody"] {
            fs::write(&file, content).unwrap();
            site.finds(content, &["--for", task, option, path], check);
        }
        fs::write(&file, &own).unwrap();
        assert!(site.is_sound(&["--for", task, option, path]).has_checked(check));
        // What cannot be looked at is no finding, and not nothing.
        let told = site.doctor(&["--for", task, option, "/nonexistent"]);
        assert_eq!((told.code, told.checks()), (3, Vec::new()), "{}", told.object);
    }
}

fn built_module(task: &str, option: &str, file: &str) {
    let site = Site::new(None);
    let path = built(file);
    let told = site.is_sound(&["--for", task, option, path.to_str().unwrap()]);
    assert!(told.has_checked("nginx-module") || told.has_checked("php-extension"));
}

fn replica() {
    let site = Site::new(None);
    for task in ["nginx", "php"] {
        site.finds("none", &["--for", task, "--replica", "/nonexistent"], "replica");
    }
}

fn sandbox() {
    let mut site = Site::new(None);
    let wrapper = compiled("refuse").to_string_lossy().into_owned();
    for errno in [Errno::EPERM, Errno::ENOSYS] {
        for (call, check) in [
            ("openat2", "openat2"),
            ("memfd_create", "memfd-create"),
            ("statx", "statx"),
            ("preadv2", "preadv2"),
        ] {
            site.wrapper = vec![wrapper.clone(), (errno as i32).to_string(), call.to_owned()];
            site.finds(&format!("{call} {errno:?}"), &["--for", "nginx"], check);
        }
    }
}

fn refusals() -> Result {
    let mut site = Site::new(None);
    let mut client = NfsClient::mount(&site.cli.root())?;
    site.root = client.at().to_owned();
    site.is_sound(&[]);
    for (call, errno, name, check) in [
        (Call::Create, Errno::EACCES, "", "file-create"),
        (Call::Create, Errno::EROFS, "", "file-create"),
        (Call::Write, Errno::ENOSPC, "", "file-write"),
        (Call::Flush, Errno::EDQUOT, "", "file-write"),
        (Call::Fsync, Errno::EIO, ".ezdfs-", "file-sync"),
        (Call::Fsync, Errno::EINVAL, "photos", "directory-sync"),
        (Call::ChangeMode, Errno::EPERM, "", "file-mode"),
        (Call::Link, Errno::EPERM, "", "file-link"),
        (Call::Rename, Errno::EIO, "", "file-rename"),
        (Call::Open, Errno::EACCES, "1.png", "readable"),
    ] {
        client.fail([Fault::new(call, errno).name(name)])?;
        site.finds(&format!("{call:?} {errno:?} {name}"), &["--for", "maintenance"], check);
    }
    client.fail([Fault::new(Call::Unlink, Errno::EACCES).times(1)])?;
    site.finds("Unlink", &["--for", "php"], "file-unlink");
    client.heal()?;
    let left = super::tree(&site.root);
    assert!(!left.iter().any(|path| path.to_string_lossy().contains("doctor")), "{left:?}");
    client.fail([Fault::new(Call::Fsync, Errno::EINVAL)])?;
    site.is_sound(&["--durability", "rename"]);
    Ok(())
}

fn hangs() -> Result {
    let mut site = Site::new(None);
    let mut client = NfsClient::mount(&site.cli.root())?;
    site.root = client.at().to_owned();
    for calls in [&[Call::GetAttributes, Call::Lookup, Call::OpenDirectory][..], &[Call::Create]] {
        client.hang(calls)?;
        let said = site.cli.dir.path().join("said");
        let mut command = site.command(&["--json", "--mount-timeout", "1s"]);
        let mut child = command.stdout(fs::File::create(&said)?).spawn()?;
        let is_said = || fs::read_to_string(&said).is_ok_and(|text| text.ends_with('\n'));
        let answered = wait_for("an answer", is_said);
        // FUSE keeps a process that is ended until its call has been answered; NFS does not.
        client.heal()?;
        answered?;
        assert_eq!(child.wait()?.code(), Some(7), "{calls:?}");
        let object: Value = serde_json::from_str(&fs::read_to_string(&said)?)?;
        assert_eq!(object["findings"][0]["check"], "root", "{calls:?}: {object}");
        assert_eq!(object["findings"].as_array().map(Vec::len), Some(1), "{object}");
        assert!(object.to_string().contains("did not answer within 1s"), "{object}");
    }
    Ok(())
}

fn full() {
    let mut site = Site::new(None);
    let top = site.cli.dir.path().to_owned();
    site.root = top.join("small");
    fs::create_dir(&site.root).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=8m none {top}/small && cp -a {top}/root/. {top}/small && \
         head -c $((8 * 1024 * 1024 - 128 * 1024)) /dev/zero > {top}/small/fill && exec \"$@\"",
        top = top.display()
    );
    // A namespace of its own: the mount is gone with the command.
    site.wrapper = ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    site.variables = vec![("PATH", std::env::var("PATH").unwrap())];
    site.finds("a full share", &[], "space");
}
