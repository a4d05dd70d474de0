//! A php.ini of the trial's own: nothing of the system's, where another ezdfs may stand.

use std::path::PathBuf;
use std::process::Command;

use super::process::run;
use super::{Result, built};

/// Loads the extension, and of these extensions what is not part of PHP itself. One that others
/// need comes before those.
pub fn ini(extensions: &[&str]) -> Result<String> {
    let ask = r#"echo ini_get("extension_dir");"#;
    let shared = PathBuf::from(run(Command::new("php").args(["-n", "-r", ask]))?);
    let mut ini = format!("extension={}\n", built("ezdfs.so").display());
    for name in extensions.iter().filter(|name| shared.join(format!("{name}.so")).exists()) {
        ini.push_str(&format!("extension={name}\n"));
    }
    Ok(ini)
}
