//! The blocks a reader needs next: held, followed, or fetched on its behalf.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::block::AtHand;
use super::fill::{Run, block_key};
use super::{Block, BlockKey, Cache, Version};

/// What a look at the next blocks of a version found, one run's worth at most.
#[derive(Debug, Default)]
pub struct Window {
    /// The blocks, the first one first.
    pub blocks: VecDeque<Slot>,
    /// How many of them were full.
    pub held: u32,
    /// How many were on their way already.
    pub followed: u32,
    /// How many this look sent for.
    pub led: u32,
}

/// One block of a window.
#[derive(Debug, Clone)]
pub enum Slot {
    /// Held for the reader: the first of the window, and those on their way. One that moka refuses is still
    /// read from here, not fetched twice.
    Pinned(Arc<Block>),
    /// Full when looked for. Its reader looks again when its turn comes: a slow one must not pin memory
    /// that it is far from needing.
    Later,
}

impl Cache {
    /// The blocks that hold `range` of a version, as far as one run reaches. Never waits: fills of what is
    /// missing start beside the caller, one storage read for each contiguous run. `at_hand` are blocks the
    /// caller was given with the version.
    pub fn window(
        self: &Arc<Self>,
        version: &Arc<Version>,
        range: &Range<u64>,
        at_hand: Option<&AtHand>,
    ) -> Window {
        let size = self.settings.block;
        let first = range.start / size;
        let last = range
            .end
            .div_ceil(size)
            .min(first + self.settings.run / size);
        if last == first + 1
            && let Some(window) = self.one_block(version, first, range)
        {
            return window;
        }
        let keys: Vec<BlockKey> = (first..last)
            .map(|index| block_key(version, index))
            .collect();
        let look = |key: &BlockKey| self.memory.get(key).or_else(|| given(at_hand, key));
        let mut found: Vec<Option<Arc<Block>>> = keys.iter().map(look).collect();
        let missing = found.iter().filter(|block| block.is_none()).count();
        let mut window = Window::default();
        if missing > 0 {
            self.send_for_missing(version, &keys, &mut found, &mut window);
        }
        window.held = (found.len() as u32).saturating_sub(window.followed + window.led);
        // What came with the version may stand nowhere else.
        let only_here = at_hand.is_some();
        let slot = |(place, block): (usize, Option<Arc<Block>>)| match block {
            Some(block) if place == 0 || only_here || !block.is_full() => Slot::Pinned(block),
            _ => Slot::Later,
        };
        window.blocks = found.into_iter().enumerate().map(slot).collect();
        for (key, slot) in keys.iter().zip(&window.blocks) {
            if let Slot::Pinned(block) = slot
                && block.is_full()
            {
                let bytes = overlap(range, u64::from(key.index) * size, size);
                self.asked(key, block, bytes);
            }
        }
        window
    }

    /// The window of a range that lies within one block, where that is full: most requests are so.
    fn one_block(
        self: &Arc<Self>,
        version: &Arc<Version>,
        index: u64,
        range: &Range<u64>,
    ) -> Option<Window> {
        let key = block_key(version, index);
        let block = self.memory.get(&key)?;
        let size = self.settings.block;
        self.asked(&key, &block, overlap(range, index * size, size));
        Some(Window {
            blocks: [Slot::Pinned(block)].into(),
            held: 1,
            ..Window::default()
        })
    }

    /// Fills the gaps of a look, from the flight table or by sending for them.
    fn send_for_missing(
        self: &Arc<Self>,
        version: &Arc<Version>,
        keys: &[BlockKey],
        found: &mut [Option<Arc<Block>>],
        window: &mut Window,
    ) {
        let mut runs: Vec<VecDeque<(BlockKey, Arc<Block>)>> = Vec::new();
        let mut extends = false;
        let mut flights = self.flights();
        for (key, found) in keys.iter().zip(found) {
            let flying = flights.get(key).cloned();
            // A block that landed since the look without the lock is in moka: it goes in before it leaves
            // the flight table.
            if found.is_none() && flying.is_none() {
                *found = self.memory.get(key);
            }
            if found.is_some() {
                extends = false;
            } else if let Some(block) = flying {
                window.followed += 1;
                *found = Some(block);
                extends = false;
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
                *found = Some(block);
                extends = true;
            }
        }
        drop(flights);
        for run in runs {
            tokio::spawn(Run::of(self, version, run).fill(None));
        }
    }
}

/// Bytes of `range` in the block that begins at `start`.
fn overlap(range: &Range<u64>, start: u64, size: u64) -> u64 {
    range
        .end
        .min(start + size)
        .saturating_sub(range.start.max(start))
}

/// The block among those at hand. One whose fill has failed is as good as absent.
fn given(at_hand: Option<&AtHand>, key: &BlockKey) -> Option<Arc<Block>> {
    let (_, block) = at_hand?.iter().find(|(index, _)| *index == key.index)?;
    block.is_full().then(|| block.clone())
}
