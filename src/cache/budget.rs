//! The memory that all blocks are charged to, in flight or full.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use super::home::SHORTEST;

/// The budget counts in units of this many bytes: a semaphore's permits are 32-bit.
const UNIT: u64 = 1024;

/// Bookkeeping charged to a block beyond its bytes, in bytes: key, moka's entry, the block itself.
const OVERHEAD: u64 = 512;

/// Blocks that may come to live in the arena take whole pages there, and are charged for them from the start.
const PAGE: u64 = 4096;

/// So much and no more.
#[derive(Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    total_units: u64,
    wait: Duration,
}

/// Memory set aside for a run of blocks. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Reservation(OwnedSemaphorePermit);

impl Budget {
    /// A budget of so many bytes, for which a fill waits so long.
    pub(super) fn new(bytes: u64, wait: Duration) -> Self {
        let total_units = bytes / UNIT;
        let permits = usize::try_from(total_units).map_or(Semaphore::MAX_PERMITS, |units| {
            units.min(Semaphore::MAX_PERMITS)
        });
        Self {
            free: Arc::new(Semaphore::new(permits)),
            total_units,
            wait,
        }
    }

    /// Sets memory aside for blocks of these lengths, all or nothing: a fill that held a part while it
    /// waited for the rest could deadlock with another. `make_room` is called before anyone waits.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when there is none in time.
    pub(super) async fn reserve(
        &self,
        lens: impl Iterator<Item = usize>,
        make_room: impl FnOnce(),
    ) -> Result<Reservation, Error> {
        let units = lens.map(units).sum::<u64>().min(self.total_units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        if let Ok(permit) = self.free.clone().try_acquire_many_owned(units) {
            return Ok(Reservation(permit));
        }
        make_room();
        let freed = self.free.clone().acquire_many_owned(units);
        match tokio::time::timeout(self.wait, freed).await {
            Ok(Ok(permit)) => Ok(Reservation(permit)),
            _ => Err(Error::NoMemory { waited: self.wait }),
        }
    }

    /// Sets memory aside for a block of `len` bytes if there is some to spare. Never waits.
    pub(super) fn try_reserve(&self, len: usize) -> Option<Reservation> {
        let units = u32::try_from(units(len)).ok()?;
        let permit = self.free.clone().try_acquire_many_owned(units).ok()?;
        Some(Reservation(permit))
    }

    /// Bytes set aside now.
    pub(super) fn used(&self) -> u64 {
        self.total_units
            .saturating_sub(self.free.available_permits() as u64)
            * UNIT
    }
}

impl Reservation {
    /// Splits off what a block of `len` bytes is charged.
    pub(super) fn split(&mut self, len: usize) -> Option<Self> {
        self.0.split(units(len) as usize).map(Self)
    }
}

/// Bytes a block of `len` bytes is charged: the same here and in moka's weighing. Were moka to count less,
/// small blocks could take the whole budget without it evicting one.
pub(super) fn charge(len: usize) -> u64 {
    units(len) * UNIT
}

fn units(len: usize) -> u64 {
    let bytes = match len {
        ..SHORTEST => len as u64,
        _ => (len as u64).next_multiple_of(PAGE),
    };
    (bytes + OVERHEAD).div_ceil(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_reserved_comes_back_piece_by_piece() {
        let budget = Budget::new(4096, Duration::from_millis(10));
        let mut both = budget
            .reserve([512, 1536].into_iter(), || {})
            .await
            .unwrap();
        assert_eq!(budget.used(), 3072);
        let one = both.split(512).unwrap();
        drop(both);
        assert_eq!(budget.used(), 1024);
        drop(one);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn a_full_budget_makes_room_then_waits_then_says_no() {
        let budget = Budget::new(2048, Duration::from_millis(10));
        let held = budget.reserve([1536].into_iter(), || {}).await.unwrap();
        let refused = budget.reserve([1].into_iter(), || {}).await;
        assert!(matches!(refused, Err(Error::NoMemory { .. })));
        budget
            .reserve([1].into_iter(), || drop(held))
            .await
            .unwrap();
    }
}
