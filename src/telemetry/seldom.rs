//! Keeps a warning from flooding the log: an outage fails thousands of requests a second, each for one reason.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Lets one through in a while, and counts the rest.
#[derive(Debug)]
pub struct Seldom {
    every: Duration,
    born: Instant,
    /// Nanoseconds after `born` from which the next one goes through.
    next: AtomicU64,
    held_back: AtomicU64,
}

impl Seldom {
    /// One in `every`.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            born: Instant::now(),
            next: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    /// Whether this one goes through; if so, how many were held back since the last.
    pub fn pass(&self) -> Option<u64> {
        let now = u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let next = self.next.load(Relaxed);
        let after = now.saturating_add(u64::try_from(self.every.as_nanos()).unwrap_or(u64::MAX));
        if now >= next
            && self
                .next
                .compare_exchange(next, after, Relaxed, Relaxed)
                .is_ok()
        {
            return Some(self.held_back.swap(0, Relaxed));
        }
        self.held_back.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_through_and_the_rest_are_counted() {
        let seldom = Seldom::new(Duration::from_millis(20));
        assert_eq!(seldom.pass(), Some(0));
        assert_eq!([seldom.pass(), seldom.pass()], [None, None]);
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(seldom.pass(), Some(2));
    }
}
