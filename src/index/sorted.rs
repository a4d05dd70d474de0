//! Rows in the byte order of their names, whatever their number.
//!
//! Asked for in that order, a database without a fitting index sorts the table
//! for each page. So they come in the order of their keys, and are sorted here:
//! in memory while they are few, else in runs in a temporary file, which are
//! merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::Keyed;
use crate::error::Result;
use crate::metadata::Row;
use crate::spool::{failed, read_part, write_part};

/// Memory for the rows of one run, and for reading one of many.
const RUN_BYTES: usize = 4 << 20;
const BUFFER_BYTES: usize = 8 << 10;

/// What a row costs besides its texts.
const ROW_BYTES: usize = 250;

/// Takes rows in any order.
#[derive(Default)]
pub(super) struct Sorter {
    run: Vec<Keyed>,
    bytes: usize,
    count: u64,
    spilled: Option<Spilled>,
}

/// Sorted runs, one after the other.
struct Spilled {
    file: BufWriter<File>,
    /// Where each run ends.
    ends: Vec<u64>,
    written: u64,
}

impl Sorter {
    pub(super) fn add(&mut self, keyed: Keyed) -> Result<()> {
        self.bytes += ROW_BYTES + keyed.row.name.len() + keyed.row.datatype.len();
        self.count += 1;
        self.run.push(keyed);
        if self.bytes < RUN_BYTES { Ok(()) } else { self.spill().map_err(failed) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort_run();
        if self.spilled.is_none() {
            let file = BufWriter::new(tempfile::tempfile()?);
            self.spilled = Some(Spilled { file, ends: Vec::new(), written: 0 });
        }
        if let Some(spilled) = &mut self.spilled {
            for keyed in self.run.drain(..) {
                spilled.written += write(&mut spilled.file, &keyed)?;
            }
            spilled.ends.push(spilled.written);
        }
        self.bytes = 0;
        Ok(())
    }

    fn sort_run(&mut self) {
        self.run.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
    }

    /// The rows in their order.
    pub(super) fn finish(mut self) -> Result<Sorted> {
        self.sort_run();
        let mut runs: Vec<Run> = vec![Run::Memory(self.run.into_iter())];
        if let Some(Spilled { file, ends, .. }) = self.spilled {
            let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
            let file = Arc::new(file);
            let mut position = 0;
            for end in ends {
                let section = Section { file: Arc::clone(&file), position, end };
                runs.push(Run::File(BufReader::with_capacity(BUFFER_BYTES, section)));
                position = end;
            }
        }
        let mut sorted = Sorted { runs, heads: BinaryHeap::new(), count: self.count };
        for run in 0..sorted.runs.len() {
            sorted.advance(run).map_err(failed)?;
        }
        Ok(sorted)
    }
}

/// Merges the runs.
#[derive(Debug)]
pub(crate) struct Sorted {
    runs: Vec<Run>,
    /// The next row of each run.
    heads: BinaryHeap<Reverse<Head>>,
    count: u64,
}

impl Sorted {
    /// How many rows there are from the first to the last.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn next(&mut self) -> Result<Option<Keyed>> {
        let Some(Reverse(Head { keyed, run })) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(run).map_err(failed)?;
        Ok(Some(keyed))
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        if let Some(keyed) = self.runs[run].next()? {
            self.heads.push(Reverse(Head { keyed, run }));
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Run {
    Memory(std::vec::IntoIter<Keyed>),
    File(BufReader<Section>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Keyed>> {
        match self {
            Run::Memory(rows) => Ok(rows.next()),
            Run::File(file) if file.buffer().is_empty() && file.get_ref().is_at_end() => Ok(None),
            Run::File(file) => read(file).map(Some),
        }
    }
}

/// Part of a file that others read as well.
#[derive(Debug)]
struct Section {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Section {
    fn is_at_end(&self) -> bool {
        self.position == self.end
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[derive(Debug)]
struct Head {
    keyed: Keyed,
    run: usize,
}

/// Rows of one name, which aliases of a key can be, keep one order as well.
fn order(keyed: &Keyed) -> (&str, &str) {
    (&keyed.row.name, &keyed.key)
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order(&self.keyed).cmp(&order(&other.keyed))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// Says how many bytes it wrote.
fn write(file: &mut impl Write, keyed: &Keyed) -> io::Result<u64> {
    let Keyed { key, row } = keyed;
    let numbers =
        [row.size.to_le_bytes(), row.mtime.to_le_bytes(), u64::from(row.expired).to_le_bytes()];
    let mut written = 0;
    for text in [key, &row.name, &row.datatype, &row.scope] {
        written += write_part(file, text.as_bytes())?;
    }
    Ok(written + write_part(file, &numbers.concat())?)
}

fn read(file: &mut impl Read) -> io::Result<Keyed> {
    let mut text = || String::from_utf8(read_part(file)?).map_err(io::Error::other);
    let (key, name, datatype, scope) = (text()?, text()?, text()?, text()?);
    let numbers = read_part(file)?;
    let number = |at: usize| {
        let bytes = numbers.get(at * 8..).and_then(|bytes| bytes.first_chunk());
        bytes.map(|bytes| u64::from_le_bytes(*bytes)).ok_or(io::ErrorKind::InvalidData)
    };
    let row = Row {
        name,
        datatype,
        scope,
        size: number(0)?,
        mtime: number(1)?.cast_signed(),
        expired: number(2)? != 0,
    };
    Ok(Keyed { key, row })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(number: u64) -> Keyed {
        let row = Row {
            // Names whose order is not that of the numbers.
            name: format!("images/{:x}/\u{e9}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            datatype: "x".repeat(255),
            scope: "image".to_owned(),
            size: number,
            mtime: -(number.cast_signed()),
            expired: number.is_multiple_of(2),
        };
        Keyed { key: format!("{number:032x}"), row }
    }

    #[test]
    fn few_and_many_rows_come_in_order_and_whole() {
        for count in [0, 1, 200_000] {
            let mut sorter = Sorter::default();
            for number in 0..count {
                sorter.add(keyed(number)).unwrap();
            }
            assert_eq!(sorter.spilled.is_some(), count > 1);
            let mut sorted = sorter.finish().unwrap();
            let (mut last, mut seen) = (String::new(), 0);
            while let Some(next) = sorted.next().unwrap() {
                let original = keyed(next.row.size);
                assert_eq!((&next.row, &next.key), (&original.row, &original.key));
                assert!(last < next.row.name);
                last = next.row.name;
                seen += 1;
            }
            assert_eq!(seen, count);
        }
    }
}
