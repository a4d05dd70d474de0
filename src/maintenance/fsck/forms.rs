//! Names that are equal but for their Unicode normalisation form: a row says `é` as
//! one character, its file as `e` and an accent, or the reverse. Tools of macOS
//! and some file servers change one into the other.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

/// More are not kept: then some count as missing files and orphans.
const MOST: usize = 100_000;

/// What has no counterpart by its bytes.
#[derive(Debug, Default)]
pub(super) struct Forms {
    /// Composed paths of files without a row, and their own.
    rowless: HashMap<String, String>,
    /// Rows without a file: composed path, key, path.
    missing: Vec<(String, String, String)>,
}

/// A row and the file that it means.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) row_path: String,
    pub(super) file_path: String,
}

impl Forms {
    pub(super) fn rowless(&mut self, path: &[u8]) {
        if let Some((composed, path)) = composed(path).filter(|_| self.rowless.len() < MOST) {
            self.rowless.insert(composed, path);
        }
    }

    pub(super) fn missing(&mut self, key: &str, path: &[u8]) {
        if let Some((composed, path)) = composed(path).filter(|_| self.missing.len() < MOST) {
            self.missing.push((composed, key.to_owned(), path));
        }
    }

    pub(super) fn pairs(mut self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (composed, key, row_path) in self.missing {
            if let Some(file_path) = self.rowless.remove(&composed) {
                pairs.push(Pair { key, row_path, file_path });
            }
        }
        pairs
    }
}

/// `None` where a path has but one form.
fn composed(path: &[u8]) -> Option<(String, String)> {
    let path = std::str::from_utf8(path).ok().filter(|path| !path.is_ascii())?;
    Some((path.nfc().collect(), path.to_owned()))
}
