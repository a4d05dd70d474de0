//! Parts of the documents that runs write: between `<!-- NAME: written by ... -->` and
//! `<!-- end of NAME -->`.

use std::fs;
use std::path::Path;

use super::Result;

/// What comes before the part, the part, and the rest. The marks belong to the others.
pub fn parts<'a>(document: &'a str, name: &str) -> Result<(&'a str, &'a str, &'a str)> {
    let (begin, end) = (format!("<!-- {name}: written by "), format!("<!-- end of {name} -->\n"));
    let found = || {
        let mark = document.find(&begin)?;
        let from = mark + document[mark..].find('\n')? + 1;
        let to = from + document[from..].find(&end)?;
        Some((&document[..from], &document[from..to], &document[to..]))
    };
    found().ok_or_else(|| format!("the document has no place for its part {name}").into())
}

/// Puts a new part in the place of the old one.
pub fn write_part(document: &Path, name: &str, part: &str) -> Result {
    let text = fs::read_to_string(document)?;
    let (before, _, after) = parts(&text, name)?;
    Ok(fs::write(document, format!("{before}{part}{after}"))?)
}
