//! What the library warns of while it goes on, such as a file that it had to leave behind: told to
//! who runs the command, on standard error.

use log::{LevelFilter, Log, Metadata, Record};

use super::tell;

struct Warnings;

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn && metadata.target().starts_with("ezdfs")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            tell(message.strip_prefix("ezdfs: ").unwrap_or(&message));
        }
    }

    fn flush(&self) {}
}

/// To be called once, before anything else.
pub(super) fn show() {
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
