//! What is being written, and when: until the agent has asked the database after that, the
//! replica need not know.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::feed::replica;
use crate::name::Key;

/// So many names are remembered one by one.
const MOST_NAMES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    names: HashMap<Key, u64>,
    /// Of all others.
    rest: Option<u64>,
}

impl Written {
    /// Notes a write that has ended.
    pub(super) fn note(&self, key: &Key, heard_at: impl FnOnce() -> u64) {
        let now = replica::now();
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.names.insert(*key, now);
        if times.names.len() > MOST_NAMES {
            let heard_at = heard_at();
            times.names.retain(|_, at| *at >= heard_at);
            if times.names.len() > MOST_NAMES {
                *times = Times { names: HashMap::new(), rest: Some(now) };
            }
        }
    }

    /// Whether a name was written after the agent asked for the last time.
    pub(super) fn is_news(&self, key: &Key, heard_at: impl FnOnce() -> u64) -> bool {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = times.names.get(key).copied().max(times.rest) else { return false };
        let is_news = heard_at() <= at;
        if !is_news {
            times.names.remove(key);
            times.rest = times.rest.filter(|rest| *rest > at);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_news_until_it_is_heard_of() {
        let (written, before) = (Written::default(), replica::now());
        assert!(!written.is_news(&[1; 16], || 0));
        written.note(&[1; 16], || 0);
        assert!(written.is_news(&[1; 16], || before));
        assert!(!written.is_news(&[2; 16], || before));
        assert!(!written.is_news(&[1; 16], || replica::now() + 1));
        assert!(!written.is_news(&[1; 16], || before), "it was heard of");
    }

    #[test]
    fn of_many_writes_none_is_forgotten() {
        let (written, before) = (Written::default(), replica::now());
        for number in 0..10 * MOST_NAMES as u128 {
            written.note(&number.to_be_bytes(), || before);
        }
        assert!(written.0.lock().unwrap().names.len() <= MOST_NAMES);
        assert!(written.is_news(&0_u128.to_be_bytes(), || before));
        assert!(!written.is_news(&0_u128.to_be_bytes(), || replica::now() + 1));
    }
}
