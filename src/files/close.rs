//! Closing where it makes nobody wait: on NFS close(2) asks the server.

use std::fs::File;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use once_cell::sync::Lazy;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{self, PerProcess};

static CLOSER: Lazy<PerProcess<Mutex<Sender<File>>>> = Lazy::new(PerProcess::new);

/// Closes a file on a thread that does nothing else.
pub(crate) fn close_elsewhere(file: File) {
    if let Ok(closer) = CLOSER.get_or_try_init(start) {
        let sender = closer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Where the thread is gone the file comes back and is closed here.
        let _ = sender.send(file);
    }
}

fn start() -> Result<Mutex<Sender<File>>> {
    let (sender, files) = channel::<File>();
    let close = move || {
        runtime::leave_signals_to_the_host();
        files.iter().for_each(drop);
    };
    let thread = std::thread::Builder::new().name("ezdfs close".to_owned()).spawn(close);
    thread.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "start", "closer", "cannot start a thread")
            .with_source(error)
    })?;
    Ok(Mutex::new(sender))
}
