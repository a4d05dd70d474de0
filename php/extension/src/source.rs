//! A PHP stream as the source of a file.

use std::fs::File;
use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;

use ext_php_rs::types::Zval;
use ezdfs::ErrorKind;

use crate::failure::Failure;
use crate::shim;

/// How often a stream may give nothing without being at its end: a filter
/// needs more than one turn, a non-blocking socket would never be done.
const MAX_EMPTY_READS: usize = 1000;

/// Reads a stream from where it stands.
pub(crate) struct Source<'a> {
    stream: &'a Zval,
    plain: Option<Plain>,
    failure: Option<Failure>,
}

/// A stream that is nothing but an open regular file: read by its descriptor,
/// past PHP's buffers and memory.
struct Plain {
    /// The stream's own descriptor, never closed from here.
    file: ManuallyDrop<File>,
    position: u64,
}

impl<'a> Source<'a> {
    /// Takes an open stream, which must be readable.
    pub(crate) fn new(stream: &'a Zval) -> Result<Self, Failure> {
        let pointer = shim::pointer(stream);
        // SAFETY: the value lives until the call returns.
        if !unsafe { shim::ezdfs_php_is_readable(pointer) } {
            let reason = "the stream is not open for reading";
            return Err(Failure::refused(ErrorKind::InvalidInput, "read", "source", reason));
        }
        let mut position = 0;
        // SAFETY: as above.
        let fd = unsafe { shim::ezdfs_php_plain_fd(pointer, &raw mut position) };
        let plain = (fd >= 0).then(|| {
            // SAFETY: the stream's descriptor is open, and stays so: reading it
            // here runs no PHP code that could close the stream.
            let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
            Plain { file, position }
        });
        Ok(Source { stream, plain, failure: None })
    }

    /// What the core made of the source: PHP's own failure goes before the
    /// core's complaint that it could not read. A stream that was read by its
    /// descriptor is moved to where reading has ended.
    pub(crate) fn finish<T>(self, outcome: ezdfs::Result<T>) -> Result<T, Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let done = outcome?;
        if let Some(plain) = &self.plain {
            // SAFETY: the value lives until the call returns. The file is
            // stored by now, so that a stream which cannot move is no failure.
            unsafe { shim::ezdfs_php_seek(shim::pointer(self.stream), plain.position) };
        }
        Ok(done)
    }

    fn read_stream(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..MAX_EMPTY_READS {
            let (mut count, mut ended) = (0, false);
            // SAFETY: the buffer has `buffer.len()` bytes to write, and the
            // value lives until the call returns.
            let outcome = unsafe {
                shim::ezdfs_php_read(
                    shim::pointer(self.stream),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    &raw mut count,
                    &raw mut ended,
                )
            };
            match outcome {
                shim::OK if count > 0 || ended => return Ok(count),
                shim::OK => {}
                shim::THROWN => return Err(self.fail(Failure::Thrown)),
                shim::BAILOUT => return Err(self.fail(Failure::Bailout)),
                shim::NO_STREAM => return Err(io::Error::other("the stream was closed")),
                _ => return Err(io::Error::other("the stream reports an error")),
            }
        }
        Err(io::Error::other("the stream gives nothing and is not at its end"))
    }

    fn fail(&mut self, failure: Failure) -> io::Error {
        self.failure = Some(failure);
        io::Error::other("PHP code has ended the reading")
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(plain) = &mut self.plain else {
            return self.read_stream(buffer);
        };
        let count = plain.file.read_at(buffer, plain.position)?;
        plain.position += count as u64;
        Ok(count)
    }
}
