//! The memory tier: full blocks in moka, and the budget that every block is charged to, in flight or full.

use std::sync::Arc;
use std::time::Duration;

use moka::notification::RemovalCause;
use moka::sync::Cache as Moka;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::block::Block;
use super::key::BlockKey;
use super::{Error, Settings};
use crate::telemetry::Instruments;

/// The budget counts in units of this many bytes: a semaphore's permits are 32-bit.
const UNIT: u64 = 1024;

/// Bookkeeping charged to a block beyond its bytes, in bytes: key, moka's entry, the block itself.
const OVERHEAD: u64 = 512;

/// Full blocks, and the budget for all of them.
#[derive(Debug)]
pub(super) struct Memory {
    blocks: Moka<BlockKey, Arc<Block>>,
    budget: Arc<Semaphore>,
    total_units: u64,
    fill_wait: Duration,
}

/// Memory set aside for a run of blocks. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Reservation(OwnedSemaphorePermit);

impl Memory {
    pub(super) fn new(settings: &Settings, instruments: Arc<Instruments>) -> Self {
        let blocks = Moka::builder()
            .max_capacity(settings.memory - settings.fill_reserve)
            .weigher(|_, block: &Arc<Block>| u32::try_from(charge(block.len())).unwrap_or(u32::MAX))
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    instruments.cache.evictions.add(1);
                }
            })
            .build();
        let total_units = settings.memory / UNIT;
        Self {
            blocks,
            budget: Arc::new(Semaphore::new(
                usize::try_from(total_units).unwrap_or(usize::MAX >> 4),
            )),
            total_units,
            fill_wait: settings.fill_wait,
        }
    }

    /// A full block. Never waits.
    pub(super) fn get(&self, key: &BlockKey) -> Option<Arc<Block>> {
        self.blocks.get(key)
    }

    /// Admits a full block. moka may refuse or evict it at once; nothing depends on its staying.
    pub(super) fn admit(&self, key: BlockKey, block: Arc<Block>) {
        self.blocks.insert(key, block);
        // moka evicts when it gets to it, up to 64 insertions later: with blocks of a mebibyte that is far
        // over the budget. Fills run in the background, so the housekeeping is paid here, at once.
        self.blocks.run_pending_tasks();
    }

    pub(super) fn forget(&self, key: &BlockKey) {
        self.blocks.invalidate(key);
    }

    /// Sets memory aside for blocks of these lengths, all or nothing: a fill that held a part while it
    /// waited for the rest could deadlock with another.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when there is none within `fill_wait`.
    pub(super) async fn reserve(
        &self,
        lens: impl Iterator<Item = usize>,
    ) -> Result<Reservation, Error> {
        let units = lens.map(units).sum::<u64>();
        let units = u32::try_from(units.min(self.total_units)).unwrap_or(u32::MAX);
        if let Ok(permit) = self.budget.clone().try_acquire_many_owned(units) {
            return Ok(Reservation(permit));
        }
        // moka evicts lazily; what it already owes is given back before anyone waits.
        self.blocks.run_pending_tasks();
        match tokio::time::timeout(
            self.fill_wait,
            self.budget.clone().acquire_many_owned(units),
        )
        .await
        {
            Ok(Ok(permit)) => Ok(Reservation(permit)),
            _ => Err(Error::NoMemory {
                waited: self.fill_wait,
            }),
        }
    }

    /// Bytes charged now: blocks in flight, full, and evicted ones a reader still holds.
    pub(super) fn used(&self) -> u64 {
        (self.total_units - self.budget.available_permits() as u64) * UNIT
    }

    /// Full blocks held.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks.entry_count()
    }

    /// Lets moka do what it put off: evict and count.
    pub(super) fn upkeep(&self) {
        self.blocks.run_pending_tasks();
    }
}

impl Reservation {
    /// Splits off what a block of `len` bytes is charged.
    pub(super) fn split(&mut self, len: usize) -> Option<Self> {
        self.0.split(units(len) as usize).map(Self)
    }
}

/// Bytes a block of `len` bytes is charged.
fn charge(len: usize) -> u64 {
    len as u64 + OVERHEAD
}

fn units(len: usize) -> u64 {
    charge(len).div_ceil(UNIT)
}
