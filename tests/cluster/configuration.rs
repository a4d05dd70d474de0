//! The configuration of the cluster's programs: files in `conf`, with words like `@HOME@` that
//! are filled in.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use crate::support::Result;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster");

#[derive(Debug, Clone)]
pub(super) struct Words(Vec<(&'static str, String)>);

impl Words {
    pub(super) fn new() -> Self {
        let build = concat!(env!("CARGO_MANIFEST_DIR"), "/build");
        Words(vec![("HERE", HERE.to_owned()), ("BUILD", build.to_owned())])
    }

    pub(super) fn set(&mut self, word: &'static str, value: impl Display) {
        self.0.push((word, value.to_string()));
    }

    pub(super) fn fill(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (word, value)| text.replace(&format!("@{word}@"), value))
    }

    /// Writes the file of that name into a directory.
    pub(super) fn fill_in(&self, name: &str, directory: &Path) -> Result {
        let text = fs::read_to_string(format!("{HERE}/conf/{name}"))?;
        Ok(fs::write(directory.join(name), self.fill(&text))?)
    }
}
