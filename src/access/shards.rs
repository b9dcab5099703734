//! State split into parts, each behind a lock of its own, so that requests seldom wait for each other.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Enough that even 64 threads rarely meet at one lock.
const PARTS: usize = 64;
/// What a part must hold at least to be worth having: below that, chance fills one part while others are empty.
const WORTHWHILE: usize = 64;

/// Parts of one state. Which part something is in, its hash says.
pub(crate) struct Shards<T>(Box<[Mutex<T>]>);

impl<T> Shards<T> {
    /// Makes the parts; `part` is given how many of all `entries` its part may hold. The shares never add up to more.
    pub(crate) fn new(entries: NonZeroUsize, mut part: impl FnMut(NonZeroUsize) -> T) -> Self {
        let parts = match entries.get() / PARTS {
            share if share >= WORTHWHILE => PARTS,
            _ => 1,
        };
        let share = NonZeroUsize::new(entries.get() / parts).unwrap_or(NonZeroUsize::MIN);
        Self((0..parts).map(|_| Mutex::new(part(share))).collect())
    }

    /// The part for this hash, held until the guard is dropped.
    pub(crate) fn lock(&self, hash: u64) -> MutexGuard<'_, T> {
        // Neither end of the hash: the tables inside choose their slots by those.
        let index = (hash >> 32) as usize % self.0.len();
        lock(&self.0[index])
    }

    /// Every part, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(lock)
    }
}

impl<T> fmt::Debug for Shards<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shards({})", self.0.len())
    }
}

/// A panic elsewhere leaves counters at worst one short; they are as good as before.
fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_never_exceed_the_whole() {
        for entries in [1, 2, 63, 64, 4095, 4096, 4097, 100_000] {
            let mut total = 0;
            let shards = Shards::new(NonZeroUsize::new(entries).unwrap(), |share| {
                total += share.get();
            });
            assert!(total <= entries, "{entries}");
            assert!(total + shards.0.len() > entries, "{entries}: {total}");
        }
    }

    #[test]
    fn every_part_is_reached() {
        let shards = Shards::new(NonZeroUsize::new(100_000).unwrap(), |_| 0);
        for hash in 0..10_000_u64 {
            *shards.lock(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)) += 1;
        }
        assert!(shards.each().all(|part| *part > 0));
    }
}
