//! Memory that the processes of a host share, a sheet for each.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::{Counter, Gauge, Sheet, Timer};

/// Processes that count at a time: nginx has as many workers twice, while it reloads. What no
/// process has used takes no memory.
const SHEETS: usize = if cfg!(test) { 8 } else { 1024 };

/// What the layout of a sheet is: two builds that differ in it do not share one.
const LAYOUT: u64 = ((Counter::COUNT as u64) << 32)
    | ((Gauge::COUNT as u64) << 24)
    | ((Timer::COUNT as u64) << 16)
    | (super::BUCKETS as u64) << 8
    | 1;

/// The sheets of the processes of a host. All zeros is an empty one.
///
/// A process that ends leaves what it has counted, and another takes its sheet and counts on.
#[derive(Debug)]
#[repr(C)]
pub struct Zone {
    layout: AtomicU64,
    /// How many sheets have been taken, ever: nothing behind these has been written to, and
    /// reading it would take memory.
    used: AtomicUsize,
    sheets: [Sheet; SHEETS],
}

#[cfg(test)]
impl Default for Zone {
    fn default() -> Self {
        let (layout, used) = (AtomicU64::new(0), AtomicUsize::new(0));
        Zone { layout, used, sheets: std::array::from_fn(|_| Sheet::default()) }
    }
}

impl Zone {
    /// Whether this build may count here: nobody has, or one of the same layout.
    pub fn is_fit(&self) -> bool {
        let (acquire, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
        match self.layout.compare_exchange(0, LAYOUT, acquire, relaxed) {
            Ok(_) => true,
            Err(found) => found == LAYOUT,
        }
    }

    /// A sheet for this process; `None` where there is none left.
    pub(super) fn take(&'static self) -> Option<&'static Sheet> {
        let own = std::process::id();
        let is_taken = |sheet: &Sheet| {
            let owner = sheet.owner.load(Ordering::Acquire);
            !is_alive(owner)
                && sheet
                    .owner
                    .compare_exchange(owner, own, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
        };
        let place = self.sheets.iter().position(is_taken)?;
        let sheet = &self.sheets[place];
        clear_gauges(sheet);
        self.used.fetch_max(place + 1, Ordering::AcqRel);
        Some(sheet)
    }

    pub(super) fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        self.sheets.iter().take(self.used.load(Ordering::Acquire))
    }
}

/// Leaves a sheet to another process.
pub(super) fn give_back(sheet: &Sheet) {
    clear_gauges(sheet);
    sheet.owner.store(0, Ordering::Release);
}

/// What was so in a process that has ended is not so any more.
fn clear_gauges(sheet: &Sheet) {
    sheet.gauges.iter().for_each(|gauge| gauge.store(0, Ordering::Relaxed));
}

/// Whether what a sheet says of now counts.
pub(super) fn is_in_use(sheet: &Sheet) -> bool {
    is_alive(sheet.owner.load(Ordering::Acquire))
}

fn is_alive(process: u32) -> bool {
    process != 0 && kill(Pid::from_raw(process as i32), None) != Err(Errno::ESRCH)
}
