//! The blocks a reader needs next: held, followed, or fetched on its behalf.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::fill::{Run, block_key};
use super::{Block, BlockKey, Cache, Version};

/// Blocks in order, one run's worth at most. Whoever holds a window holds its blocks: a block that moka
/// refuses or evicts is still read from here, not fetched twice.
#[derive(Debug, Default)]
pub struct Window {
    /// The blocks, the first one first.
    pub blocks: VecDeque<Arc<Block>>,
    /// How many of them were full when looked for.
    pub held: u32,
    /// How many were on their way already.
    pub followed: u32,
    /// How many this look sent for.
    pub led: u32,
}

impl Cache {
    /// The blocks that hold `range` of a version, as far as one run reaches. Never waits: fills of what is
    /// missing start in the background, one storage read for each contiguous run.
    pub fn window(self: &Arc<Self>, version: &Arc<Version>, range: &Range<u64>) -> Window {
        let size = self.settings.block;
        let first = range.start / size;
        let last = range
            .end
            .div_ceil(size)
            .min(first + self.settings.run / size);
        let keys: Vec<BlockKey> = (first..last)
            .map(|index| block_key(version, index))
            .collect();
        let mut blocks: Vec<Option<Arc<Block>>> =
            keys.iter().map(|key| self.memory.get(key)).collect();
        let held = blocks.iter().flatten().count();
        if held == blocks.len() {
            let blocks = blocks.into_iter().flatten().collect();
            return Window {
                blocks,
                held: held as u32,
                followed: 0,
                led: 0,
            };
        }
        self.complete(version, &keys, &mut blocks)
    }

    /// Fills the gaps of a window, from the flight table or by sending for them.
    fn complete(
        self: &Arc<Self>,
        version: &Arc<Version>,
        keys: &[BlockKey],
        found: &mut [Option<Arc<Block>>],
    ) -> Window {
        let mut window = Window::default();
        let mut runs: Vec<VecDeque<(BlockKey, Arc<Block>)>> = Vec::new();
        let mut extends = false;
        let mut flights = self.flights();
        for (key, found) in keys.iter().zip(found) {
            // A block that landed since the look without the lock is in moka: it goes in before it
            // leaves the flight table.
            let held = found.take().or_else(|| match flights.contains_key(key) {
                true => None,
                false => self.memory.get(key),
            });
            let block = if let Some(block) = held {
                window.held += 1;
                extends = false;
                block
            } else if let Some(block) = flights.get(key) {
                window.followed += 1;
                extends = false;
                block.clone()
            } else {
                let block = Arc::new(self.empty_block(version, u64::from(key.index)));
                flights.insert(key.clone(), block.clone());
                if !extends {
                    runs.push(VecDeque::new());
                }
                if let Some(run) = runs.last_mut() {
                    run.push_back((key.clone(), block.clone()));
                }
                window.led += 1;
                extends = true;
                block
            };
            window.blocks.push_back(block);
        }
        drop(flights);
        for run in runs {
            self.background
                .spawn(Run::of(self, version, run).fill(None));
        }
        window
    }
}
