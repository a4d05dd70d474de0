//! How the text of each kind of option is read.

use std::path::PathBuf;
use std::time::Duration;

use super::Durability;
use crate::error::Error;
use crate::name::FileId;

/// A refused value as a message may show it. What has a colon or an `@` may be a
/// DSN under a wrong key, with its password.
pub(super) fn shown(text: &str, otherwise: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._/+-".contains(c);
    if text.len() <= 100 && text.chars().all(plain) {
        format!("{text:?}")
    } else {
        otherwise.to_owned()
    }
}

/// What is told of a refused value.
pub(super) fn refused(text: &str, reason: impl std::fmt::Display) -> String {
    format!("{} {reason}", shown(text, "the value"))
}

/// The same where the parser of names has found out why.
pub(super) fn broken(text: &str, error: &Error) -> String {
    format!("{}: {}", shown(text, "the value"), error.detail())
}

/// An SQL identifier, or two joined by a dot (schema and table).
pub(super) fn table(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() <= 2 && parts.iter().all(|part| is_identifier(part)) {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "is not a table name (letters, digits, underscore; at most 64)"))
    }
}

/// None where the text is empty.
pub(super) fn table_or_none(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() { Ok(None) } else { table(text).map(Some) }
}

fn is_identifier(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(super) fn absolute_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') {
        Ok(path)
    } else {
        Err(refused(text, "is not an absolute path"))
    }
}

/// None where the text is empty.
pub(super) fn absolute_path_or_none(text: &str) -> Result<Option<PathBuf>, String> {
    if text.is_empty() { Ok(None) } else { absolute_path(text).map(Some) }
}

/// A file below the root; none where the text is empty.
pub(super) fn path_beneath(text: &str) -> Result<Option<String>, String> {
    match text {
        "" => Ok(None),
        text => match FileId::parse(text) {
            Ok(path) => Ok(Some(path.as_str().to_owned())),
            Err(error) => Err(broken(text, &error)),
        },
    }
}

/// Permissions that leave the owner able to use what was created.
fn mode(text: &str, owner_needs: u32) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or("is not an octal permission such as 0644")?;
    if mode & owner_needs == owner_needs {
        Ok(mode)
    } else {
        Err(format!("would lock out its own owner (needs at least 0{owner_needs:o})"))
    }
}

const OWNER_OF_FILE: u32 = 0o600;

/// The kernels' documentation has an example with the modes of files and
/// directories swapped; a directory without `x` is refused here.
const OWNER_OF_DIR: u32 = 0o700;

pub(super) fn file_mode(text: &str) -> Result<u32, String> {
    mode(text, OWNER_OF_FILE).map_err(|reason| refused(text, reason))
}

pub(super) fn dir_mode(text: &str) -> Result<u32, String> {
    mode(text, OWNER_OF_DIR).map_err(|reason| refused(text, reason))
}

pub(super) fn file_mode_of_number(number: i64) -> Result<String, String> {
    mode_of_number(number, OWNER_OF_FILE)
}

pub(super) fn dir_mode_of_number(number: i64) -> Result<String, String> {
    mode_of_number(number, OWNER_OF_DIR)
}

/// The text of a permission that was read as a number: from an octal literal, or from decimal
/// digits that were meant as one, which nearly always make an odd permission.
fn mode_of_number(number: i64, owner_needs: u32) -> Result<String, String> {
    let text = format!("{number:04o}");
    let reason = match mode(&text, owner_needs) {
        Ok(mode) if (mode | mode >> 3) & 0o7 & !(mode >> 6) == 0 => return Ok(text),
        Ok(_) => "allows others what its owner may not".to_owned(),
        Err(reason) => reason,
    };
    let meant = format!("{number:04}");
    let meant = match mode(&meant, owner_needs) {
        Ok(_) => format!("; did you mean '{meant}', in quotes?"),
        Err(_) => String::new(),
    };
    Err(format!("{number} is {text} in octal, which {reason}{meant}"))
}

pub(super) fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "full" => Ok(Durability::Full),
        "rename" => Ok(Durability::Rename),
        _ => Err(refused(text, "is neither \"full\" nor \"rename\"")),
    }
}

/// A time as nginx writes it (`500ms`, `5s`, `1m`); a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    parsed
        .filter(|time| *time <= Duration::from_secs(365 * 86_400))
        .ok_or_else(|| refused(text, "is not a time such as 500ms, 5s or 1m"))
}

/// A time after which something is given up; never zero.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        time => Ok(time),
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1000) => Ok(count),
        _ => Err(refused(text, "is not a number from 1 to 1000")),
    }
}

pub(super) fn count_or_none(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| refused(text, "is not a number"))
}

/// How often a second; 0: never.
pub(super) fn rate(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| refused(text, "is not a number"))
}

/// Bytes, with nginx's suffixes `k`, `m` and `g`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last().map(u8::to_ascii_lowercase) {
        Some(b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| refused(text, "is not a size such as 512k or 16m"))
}
