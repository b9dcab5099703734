//! The memory tier: full blocks in moka, within a budget that counts the blocks in flight too.

use std::sync::Arc;

use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::sync::Cache as Moka;

use super::block::Block;
use super::budget::{Budget, Reservation, charge};
use super::key::BlockKey;
use super::{Error, Settings};
use crate::telemetry::Instruments;

/// Full blocks, and the budget for all of them.
#[derive(Debug)]
pub(super) struct Memory {
    blocks: Moka<BlockKey, Arc<Block>>,
    budget: Budget,
}

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
        let budget = Budget::new(settings.memory, settings.fill_wait);
        Self { blocks, budget }
    }

    /// A full block. Never waits.
    pub(super) fn get(&self, key: &BlockKey) -> Option<Arc<Block>> {
        self.blocks.get(key)
    }

    /// Admits a full block. moka may refuse or evict it at once; nothing depends on its staying.
    pub(super) fn admit(&self, key: BlockKey, block: Arc<Block>) {
        self.blocks.insert(key, block);
        // moka evicts when it gets to it, up to 64 insertions later: with blocks of a mebibyte that is far
        // over the budget. The housekeeping is paid here, at once.
        self.blocks.run_pending_tasks();
    }

    /// Whether this very block is held.
    pub(super) fn holds(&self, key: &BlockKey, block: &Arc<Block>) -> bool {
        let held = self.blocks.get(key);
        held.is_some_and(|held| Arc::ptr_eq(&held, block))
    }

    /// Puts `better` in the place of `block`, if that is still there.
    pub(super) fn replace(&self, key: BlockKey, block: &Arc<Block>, better: Block) {
        self.blocks.entry(key).and_compute_with(|held| match held {
            Some(held) if Arc::ptr_eq(held.value(), block) => Op::Put(Arc::new(better)),
            _ => Op::Nop,
        });
        self.blocks.run_pending_tasks();
    }

    pub(super) fn forget(&self, key: &BlockKey) {
        self.blocks.invalidate(key);
    }

    /// Sets memory aside for blocks of these lengths; see [`Budget::reserve`].
    pub(super) async fn reserve(
        &self,
        lens: impl Iterator<Item = usize>,
    ) -> Result<Reservation, Error> {
        self.budget
            .reserve(lens, || self.blocks.run_pending_tasks())
            .await
    }

    /// Memory for a block of this length, if there is some to spare.
    pub(super) fn try_reserve(&self, len: usize) -> Option<Reservation> {
        self.budget.try_reserve(len)
    }

    /// Bytes charged now: blocks in flight, full, and evicted ones a reader still holds.
    pub(super) fn used(&self) -> u64 {
        self.budget.used()
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
