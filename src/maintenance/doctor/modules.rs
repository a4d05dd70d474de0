//! Whether the nginx module and the PHP extension are of this version.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Examination, Finding};
use crate::error::Error;
use crate::mark::{VERSION, before_version};
use crate::runtime;

/// Where distributions have them; what is between two slashes of PHP's is its API.
const NGINX: [&str; 5] = [
    "/usr/lib/nginx/modules",
    "/usr/lib64/nginx/modules",
    "/usr/share/nginx/modules",
    "/etc/nginx/modules",
    "/usr/local/nginx/modules",
];
const PHP: [&str; 4] = [
    "/usr/lib/php/*",
    "/usr/local/lib/php/extensions/*",
    "/usr/lib/php*/modules",
    "/usr/lib64/php/modules",
];

/// One of the two.
struct Module {
    check: &'static str,
    file: &'static str,
    places: &'static [&'static str],
    /// What has it take another one.
    restart: &'static str,
}

const MODULES: [Module; 2] = [
    Module {
        check: "nginx-module",
        file: "ngx_http_ezdfs_module.so",
        places: &NGINX,
        restart: "systemctl restart nginx",
    },
    Module {
        check: "php-extension",
        file: "ezdfs.so",
        places: &PHP,
        restart: "systemctl restart php*-fpm",
    },
];

pub(super) async fn check(examination: &Examination<'_>) {
    let named = [&examination.options.nginx_module, &examination.options.php_extension];
    for (module, named) in MODULES.iter().zip(named) {
        let named = named.clone();
        let look = move || match named {
            Some(path) => vec![(version(&path), path)],
            None => module.found().into_iter().map(|path| (version(&path), path)).collect(),
        };
        match runtime::spawn_blocking(look) {
            Ok(looking) => match looking.await {
                Ok(Some(found)) => judge(examination, module, &found),
                _ => examination.skipped(module.check, "it could not be looked at"),
            },
            Err(error) => examination.failed(module.check, &error),
        }
    }
}

/// The version that a built library says it has.
type Version = Result<Option<String>, std::io::Error>;

fn judge(examination: &Examination<'_>, module: &Module, found: &[(Version, PathBuf)]) {
    if found.is_empty() {
        let reason = format!("no {} in {}", module.file, module.places.join(", "));
        return examination.skipped(module.check, reason);
    }
    for (version, path) in found {
        let path = path.display();
        match version {
            Err(error) => {
                let error = Error::io("read", path.to_string(), "cannot read", error.kind().into());
                examination.failed(module.check, &error);
            }
            Ok(Some(version)) if version == VERSION => examination.passed(module.check),
            Ok(version) => {
                let version = version.as_deref().unwrap_or("unknown");
                examination.found(module.differs(&path.to_string(), version));
            }
        }
    }
}

impl Module {
    fn found(&self) -> Vec<PathBuf> {
        let folders = self.places.iter().flat_map(|place| expanded(Path::new(place)));
        folders.map(|folder| folder.join(self.file)).filter(|path| path.is_file()).collect()
    }

    fn differs(&self, path: &str, version: &str) -> Finding {
        Finding::warning(self.check, format!("{path} is of version {version}, this command of {VERSION}"))
            .costs(
                "doors of one site judge by different rules, what docs say of one is not true of the other, \
                 and a replica of another version is not used",
            )
            .change(format!("make install of {VERSION} on this node, then {}", self.restart))
    }
}

/// The folders that a path with one `*` may lead to.
fn expanded(place: &Path) -> Vec<PathBuf> {
    let Some(star) = place.iter().position(|part| part.to_string_lossy().contains('*')) else {
        return vec![place.to_owned()];
    };
    let above: PathBuf = place.iter().take(star).collect();
    let rest: PathBuf = place.iter().skip(star + 1).collect();
    let pattern = place.iter().nth(star).unwrap_or_default().to_string_lossy().into_owned();
    let begins = pattern.trim_end_matches('*').to_owned();
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    let fitting = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begins));
    fitting.map(|entry| entry.path().join(&rest)).collect()
}

fn version(path: &Path) -> Version {
    // Reading a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    Ok(version_in(&fs::read(path)?))
}

fn version_in(bytes: &[u8]) -> Option<String> {
    let before = before_version();
    let found = bytes.windows(before.len()).position(|window| window == before)?;
    let rest = bytes.get(found + before.len()..)?;
    let end = rest.iter().take(40).position(|byte| *byte == b';')?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_ends_with_its_semicolon() {
        assert_eq!(version_in(b"\x7fELF ezdfs is of version 1.2.3;more"), Some("1.2.3".to_owned()));
        assert_eq!(version_in(b"ezdfs is of version 1.2.3"), None);
        assert_eq!(version_in(b""), None);
    }

    #[test]
    fn a_star_stands_for_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["20220829/x", "20230831/x", "other"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let mut found = expanded(&dir.path().join("2*/x"));
        found.sort();
        assert_eq!(found, ["20220829/x", "20230831/x"].map(|folder| dir.path().join(folder)));
    }
}
