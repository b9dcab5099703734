//! Where a full block lives: on the heap, or in the arena, from where it is sent without a copy.
//!
//! To move a block into the arena costs about as much as six copies of it to a socket. Much of what an origin serves
//! is asked for once or twice, so a block moves when it has proved itself. ARCHITECTURE.md has the figures.

use std::sync::Arc;

use bytes::Bytes;

use super::{Arena, Block, BlockKey, Cache, Settings};

/// Which blocks live in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Those that were sent a few times.
    Hot,
    /// All that are long enough.
    All,
    /// None: where every listener encrypts, nothing can be sent without a copy.
    Heap,
}

/// Shorter blocks stay on the heap, in bytes: a copy to the socket costs less than to look up their pages.
pub(super) const SHORTEST: usize = 128 << 10;

/// A block has proved itself when so many times its length has been asked of it.
const PROOF: u64 = 6;

/// See the module.
#[derive(Debug)]
pub(super) struct Home {
    arena: Option<Arc<Arena>>,
    placement: Placement,
}

impl Home {
    /// Makes the arena that `settings` ask for. Where the system cannot, says so and does without.
    pub(super) fn new(settings: &Settings) -> Self {
        let arena = match settings.placement {
            Placement::Heap => None,
            _ => match Arena::new(settings.memory, SHORTEST as u64, settings.block) {
                Ok(arena) => Some(arena),
                Err(error) => {
                    tracing::warn!(%error, "no arena: cached blocks stay on the heap and are copied when they are sent");
                    None
                }
            },
        };
        Self {
            arena,
            placement: settings.placement,
        }
    }

    pub(super) fn arena(&self) -> Option<&Arc<Arena>> {
        self.arena.as_ref()
    }

    /// The arena for a block that has just become full, if it is to live there from the start.
    pub(super) fn of_newcomer(&self, block: &Block) -> Option<&Arc<Arena>> {
        match self.placement {
            Placement::All if block.len() >= SHORTEST => self.arena(),
            _ => None,
        }
    }

    /// The arena for a full block of which `bytes` are being sent, if it has proved itself with that.
    fn of_proved(&self, block: &Block, bytes: u64) -> Option<&Arc<Arena>> {
        let arena = self.arena()?;
        let on_heap = |pieces: &[Bytes]| pieces.iter().any(|p| arena.place_of(p).is_none());
        let is_candidate = self.placement == Placement::Hot
            && block.len() >= SHORTEST
            && block.pieces().is_some_and(on_heap);
        let proof = block.len() as u64 * PROOF;
        (is_candidate && block.asked(bytes, proof)).then_some(arena)
    }
}

impl Cache {
    /// Takes note that `bytes` of a full block are being sent. Moves the block to the arena, in the background, when
    /// that is the proof.
    pub(super) fn asked(self: &Arc<Self>, key: &BlockKey, block: &Arc<Block>, bytes: u64) {
        if let Some(arena) = self.home.of_proved(block, bytes) {
            let (cache, arena) = (self.clone(), arena.clone());
            let (key, block) = (key.clone(), block.clone());
            self.background
                .spawn(async move { cache.promote(key, &block, &arena) });
        }
    }

    /// Puts a copy that lives in the arena into the block's place. Whoever reads the old one reads on. Where there
    /// is no memory to spare, nothing happens: fills come first.
    fn promote(&self, key: BlockKey, block: &Arc<Block>, arena: &Arc<Arena>) {
        let Some(pieces) = block.pieces() else {
            return;
        };
        if !self.memory.holds(&key, block) {
            return;
        }
        let Some(reservation) = self.memory.try_reserve(block.len()) else {
            return block.forget_asked();
        };
        let Ok(bytes) = arena.store(pieces, Some(reservation)) else {
            return block.forget_asked();
        };
        self.memory.replace(key, block, Block::full(bytes));
    }
}
