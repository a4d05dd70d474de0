//! What one cache is to be told: bounded, without input, output or clock.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a cache is to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Forget {
    /// All that it has of the store.
    All,
    /// What it has under this path.
    Path(Arc<str>),
}

/// Something to tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) what: Forget,
    /// It was told before.
    is_again: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Now(Task),
    At(Instant),
    Nothing,
}

/// What is told twice is told again after a while: a cache forgets nothing of what it is fetching
/// at that moment, and a server may answer a moment longer by what it remembers.
#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    again: Duration,
    all: bool,
    paths: VecDeque<Arc<str>>,
    /// Those in there.
    known: HashSet<Arc<str>>,
    /// The next one in front: all wait equally long.
    later: VecDeque<(Instant, Forget)>,
    /// Something that was taken from here is being told.
    is_telling: bool,
}

impl Queue {
    pub(super) fn new(most: usize, again: Duration) -> Self {
        Queue {
            most,
            again,
            all: false,
            paths: VecDeque::new(),
            known: HashSet::new(),
            later: VecDeque::new(),
            is_telling: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.all) + self.paths.len() + self.later.len() + usize::from(self.is_telling)
    }

    /// Nothing is told any more.
    pub(super) fn end(&mut self) {
        self.add_all();
        self.all = false;
        self.is_telling = false;
    }

    /// Everything, in place of all that waits.
    pub(super) fn add_all(&mut self) {
        self.paths.clear();
        self.known.clear();
        self.later.clear();
        self.all = true;
    }

    pub(super) fn add(&mut self, path: Arc<str>) {
        if !self.all && self.known.insert(Arc::clone(&path)) {
            self.paths.push_back(path);
            self.bound();
        }
    }

    /// What is told has to be given back, by [`Queue::done`] or [`Queue::failed`].
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let (what, is_again) = if std::mem::take(&mut self.all) {
            (Forget::All, false)
        } else if let Some(path) = self.paths.pop_front() {
            self.known.remove(&path);
            (Forget::Path(path), false)
        } else {
            match self.later.pop_front() {
                None => return Next::Nothing,
                Some((due, what)) if due > now => {
                    self.later.push_front((due, what));
                    return Next::At(due);
                }
                Some((_, what)) => (what, true),
            }
        };
        self.is_telling = true;
        Next::Now(Task { what, is_again })
    }

    pub(super) fn done(&mut self, task: Task, now: Instant) {
        self.is_telling = false;
        if !task.is_again && !self.again.is_zero() {
            self.later.push_back((now + self.again, task.what));
            self.bound();
        }
    }

    pub(super) fn failed(&mut self, task: Task, now: Instant) {
        self.is_telling = false;
        match task {
            _ if self.all => {}
            Task { what, is_again: true } => self.later.push_front((now, what)),
            Task { what: Forget::All, .. } => self.add_all(),
            Task { what: Forget::Path(path), .. } => {
                if self.known.insert(Arc::clone(&path)) {
                    self.paths.push_front(path);
                    self.bound();
                }
            }
        }
    }

    fn bound(&mut self) {
        if self.len() > self.most {
            self.add_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Duration = Duration::from_secs(5);

    fn path(text: &str) -> Forget {
        Forget::Path(text.into())
    }

    /// What is told now.
    fn now(queue: &mut Queue, at: Instant) -> Vec<Forget> {
        let mut told = Vec::new();
        while let Next::Now(task) = queue.next(at) {
            told.push(task.what.clone());
            queue.done(task, at);
        }
        told
    }

    #[test]
    fn each_is_told_twice_however_often_it_changed_meanwhile() {
        let (mut queue, start) = (Queue::new(10, AGAIN), Instant::now());
        for name in ["/a", "/b", "/a"] {
            queue.add(name.into());
        }
        assert_eq!(now(&mut queue, start), [path("/a"), path("/b")]);
        assert_eq!(queue.next(start), Next::At(start + AGAIN));
        assert_eq!(now(&mut queue, start + AGAIN), [path("/a"), path("/b")]);
        assert_eq!((queue.next(start + 2 * AGAIN), queue.len()), (Next::Nothing, 0));
        let mut queue = Queue::new(10, Duration::ZERO);
        queue.add("/a".into());
        assert_eq!(now(&mut queue, start), [path("/a")]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_is_too_much_becomes_everything() {
        let (mut queue, start) = (Queue::new(3, AGAIN), Instant::now());
        for name in ["/a", "/b", "/c", "/d", "/e"] {
            queue.add(name.into());
        }
        assert_eq!(queue.len(), 1);
        assert_eq!(now(&mut queue, start), [Forget::All]);
        // What is to be told again counts, too.
        for name in ["/a", "/b"] {
            queue.add(name.into());
        }
        assert_eq!(now(&mut queue, start), [path("/a"), path("/b")]);
        queue.add("/c".into());
        assert_eq!(now(&mut queue, start), [Forget::All]);
        assert_eq!(now(&mut queue, start + AGAIN), [Forget::All]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_failed_is_next_unless_everything_is() {
        let (mut queue, start) = (Queue::new(3, AGAIN), Instant::now());
        let take = |queue: &mut Queue, at| match queue.next(at) {
            Next::Now(task) => task,
            next => panic!("{next:?}"),
        };
        queue.add("/a".into());
        queue.add("/b".into());
        let first = take(&mut queue, start);
        // It has changed again meanwhile.
        queue.add("/a".into());
        queue.failed(first, start);
        assert_eq!(now(&mut queue, start), [path("/b"), path("/a")]);
        let again = take(&mut queue, start + AGAIN);
        queue.failed(again, start + AGAIN);
        assert_eq!(now(&mut queue, start + AGAIN), [path("/b"), path("/a")]);
        queue.add("/c".into());
        let last = take(&mut queue, start);
        queue.add_all();
        queue.failed(last, start);
        assert_eq!(now(&mut queue, start), [Forget::All]);
    }
}
