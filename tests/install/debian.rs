//! What stands in `debian/` once more, and has to be as it is where it comes from. What the packages
//! do is tried by `make test-deb`.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Result, Trials};

use super::repository;

pub(super) fn register(trials: &mut Trials) {
    let mut group = trials.group("install", &[]);
    group.add("the_packages_have_the_version_of_the_crate", |_| version());
    group.add("the_package_of_the_library_lists_its_functions", |_| symbols());
}

fn version() -> Result {
    let changelog = fs::read_to_string(repository().join("debian/changelog"))?;
    let newest = changelog.lines().next().unwrap_or_default();
    let expected = format!("ezdfs ({}-", env!("CARGO_PKG_VERSION"));
    assert!(newest.starts_with(&expected), "{newest}");
    Ok(())
}

fn symbols() -> Result {
    let header = fs::read_to_string(repository().join("include/ezdfs.h"))?;
    let package = fs::read_to_string(repository().join("debian/libezdfs0.symbols"))?;
    let declared: BTreeSet<_> = header
        .split(|c: char| c != '(' && c != '_' && !c.is_ascii_alphanumeric())
        .filter_map(|word| word.split_once('(').map(|(name, _)| name))
        .filter(|name| name.starts_with("ezdfs_"))
        .collect();
    let mut listed: BTreeSet<_> =
        package.lines().filter_map(|line| Some(line.trim().split_once("@EZDFS_0 ")?.0)).collect();
    assert!(listed.remove("EZDFS_0"), "the version is a symbol, too");
    assert!(!declared.is_empty());
    assert_eq!(listed, declared);
    Ok(())
}
