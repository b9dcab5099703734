//! Tokens that are good for one use, remembered until they end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Digest;

/// The tokens that have been used. Of this process: where several answer for one name, each admits one use.
///
/// Bounded, at about 150 bytes each. When it is full of tokens that have not ended, further ones are refused: to forget
/// one would let it be used again, and only who has the keys can fill it.
pub struct Replays {
    used: Mutex<Used>,
    most: usize,
}

#[derive(Default)]
struct Used {
    digests: HashSet<Digest>,
    ends: BinaryHeap<Reverse<(i64, Digest)>>,
}

impl Replays {
    /// Remembers at most so many.
    pub fn new(most: NonZeroUsize) -> Self {
        Self {
            used: Mutex::default(),
            most: most.get(),
        }
    }

    /// Whether this is the token's first use. `expires` is the second from which on it is refused anyway, whatever
    /// leeway clocks are given included; a token without an end cannot be remembered for ever and must be refused
    /// before. `false` too for a token that has ended, and where there is no more room.
    pub fn first_use(&self, digest: &Digest, expires: i64, now: i64) -> bool {
        let mut used = self.lock();
        used.forget(now);
        if expires <= now || used.digests.len() >= self.most || !used.digests.insert(*digest) {
            return false;
        }
        used.ends.push(Reverse((expires, *digest)));
        true
    }

    /// How many are remembered; when it reaches the most, tokens are refused.
    pub fn len(&self) -> usize {
        self.lock().digests.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    /// Forgets those that have ended: each is taken out once, so a use pays for no more than another.
    fn forget(&mut self, now: i64) {
        while let Some(Reverse((expires, digest))) = self.ends.peek() {
            if now < *expires {
                return;
            }
            self.digests.remove(digest);
            self.ends.pop();
        }
    }
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replays({} of {})", self.len(), self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::limits::tests::token;

    fn digest(id: &str) -> Digest {
        Digest::of_use(&token([None, Some(id), None])).unwrap()
    }

    fn replays(most: usize) -> Replays {
        Replays::new(NonZeroUsize::new(most).unwrap())
    }

    #[test]
    fn a_token_is_good_for_one_use() {
        let replays = replays(10);
        assert!(replays.first_use(&digest("a"), 100, 0));
        assert!(!replays.first_use(&digest("a"), 100, 0));
        assert!(!replays.first_use(&digest("a"), 100, 99));
        // The same id with another end is the same token still.
        assert!(!replays.first_use(&digest("a"), 200, 99));
        assert!(replays.first_use(&digest("b"), 100, 99));
    }

    #[test]
    fn a_token_that_has_ended_has_no_first_use() {
        let replays = replays(10);
        assert!(!replays.first_use(&digest("a"), 100, 100));
        assert!(replays.first_use(&digest("a"), 101, 100));
        assert!(!replays.first_use(&digest("a"), 101, 101));
        assert!(replays.is_empty());
    }

    #[test]
    fn when_full_it_refuses_until_one_ends() {
        let replays = replays(2);
        assert!(replays.first_use(&digest("a"), 300, 0));
        assert!(replays.first_use(&digest("b"), 100, 0));
        assert!(!replays.first_use(&digest("c"), 400, 99));
        assert!(!replays.first_use(&digest("a"), 300, 99));
        assert!(replays.first_use(&digest("c"), 400, 100));
        assert_eq!(format!("{replays:?}"), "Replays(2 of 2)");
    }

    #[test]
    fn a_flood_never_grows_it_beyond_its_bound() {
        let replays = replays(1000);
        for number in 0..10_000 {
            let first = replays.first_use(&digest(&number.to_string()), 100, 0);
            assert_eq!(first, number < 1000);
        }
        let used = replays.lock();
        assert_eq!((used.digests.len(), used.ends.len()), (1000, 1000));
    }

    #[test]
    fn of_many_at_once_one_is_first() {
        let replays = replays(10);
        let digest = digest("a");
        let first: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| usize::from(replays.first_use(&digest, 100, 0))))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(first, 1);
    }
}
