//! What was stored when, and what readers may see of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A version of a picture, of which nothing fits another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) name: String,
    pub(super) version: usize,
}

impl Content {
    /// Some fit into a packet, some into no buffer.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let head = format!("GIF89a {} {} ", self.name, self.version);
        let length = 1_000 + (self.version * 7_919) % 60_000;
        let seed = head.bytes().fold(1_u64, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte));
        let noise = (0..).scan(seed, |state, _| {
            *state = *state * 48_271 % 2_147_483_647;
            Some((*state >> 8) as u8)
        });
        head.bytes().chain(noise).take(length).collect()
    }

    /// What these bytes are, if they are a whole version.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.splitn(4, |byte| *byte == b' ').skip(1);
        let mut word = || Some(std::str::from_utf8(words.next()?).ok()?.to_owned());
        let content = Content { name: word()?, version: word()?.parse().ok()? };
        (content.bytes() == bytes).then_some(content)
    }
}

/// What is there: this version, or nothing.
pub(super) type State = Option<usize>;

#[derive(Debug)]
struct Write {
    state: State,
    /// Nobody knows whether it was done, or will be, where there is none.
    acknowledged: Option<Instant>,
}

/// A picture that one editor writes, step by step. After a write that was not acknowledged nobody
/// writes it any more: who gave up may still be served.
#[derive(Debug)]
pub(super) struct History {
    pub(super) name: String,
    writes: Mutex<Vec<Write>>,
}

/// How a reader found a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    Current,
    /// Old by so much: its successor had been acknowledged so long before.
    Stale(Duration),
    /// Never written, or long gone.
    Impossible,
}

impl History {
    pub(super) fn new(name: String) -> Self {
        History { name, writes: Mutex::default() }
    }

    /// To be called before a write is sent.
    pub(super) fn begin(&self, state: State) {
        self.writes().push(Write { state, acknowledged: None });
    }

    pub(super) fn acknowledge(&self) {
        if let Some(last) = self.writes().last_mut() {
            last.acknowledged = Some(Instant::now());
        }
    }

    /// What may be there when all is quiet.
    pub(super) fn may_be(&self, state: State) -> bool {
        let writes = self.writes();
        let last = writes.iter().rposition(|write| write.acknowledged.is_some());
        writes[last.unwrap_or(0)..].iter().any(|write| write.state == state)
            || (last.is_none() && state.is_none())
    }

    /// Judges what a request that was sent at `asked` has got by now.
    pub(super) fn judge(&self, state: State, asked: Instant) -> Finding {
        let writes = self.writes();
        // Before the first write there was nothing.
        let known = writes.iter().rposition(|write| write.state == state);
        if known.is_none() && state.is_some() {
            return Finding::Impossible;
        }
        let later = &writes[known.map_or(0, |known| known + 1)..];
        let successor = later.iter().find_map(|write| write.acknowledged);
        match successor.and_then(|at| asked.checked_duration_since(at)) {
            None => Finding::Current,
            Some(age) => Finding::Stale(age),
        }
    }

    fn writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
