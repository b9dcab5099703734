//! A block: a fixed part of one version, being filled or full.
//!
//! The fill pushes what arrives; readers take what is there and wait for more. So a follower's first byte
//! costs the storage's first byte, not the whole block.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::budget::Reservation;
use super::{Arena, Error};
use crate::storage::OWNED;

/// Blocks of a version that a storage read has just begun to fill, by their place.
pub type AtHand = Arc<[(u32, Arc<Block>)]>;

/// See the module. Readers and the fill share it by `Arc`.
#[derive(Debug)]
pub struct Block {
    len: usize,
    /// Set once every byte is there, in few pieces: a hit takes no lock.
    full: OnceLock<Box<[Bytes]>>,
    filling: Mutex<Filling>,
    grown: Notify,
    /// Memory this block is charged for, until its bytes hold that themselves.
    reservation: Mutex<Option<Reservation>>,
    /// Bytes that were asked of it since it was full.
    asked: AtomicU64,
}

#[derive(Debug, Default)]
struct Filling {
    /// As received, not copied: readers share them while the fill runs.
    pieces: Vec<Bytes>,
    filled: usize,
    failure: Option<Error>,
}

impl Block {
    /// A block of `len` bytes of which none is there yet.
    pub(super) fn new(len: usize) -> Self {
        Self {
            len,
            full: OnceLock::new(),
            filling: Mutex::default(),
            grown: Notify::new(),
            reservation: Mutex::default(),
            asked: AtomicU64::new(0),
        }
    }

    /// A block that is full from the start.
    pub(super) fn full(bytes: Bytes) -> Self {
        let block = Self::new(bytes.len());
        let _ = block.full.set([bytes].into());
        block
    }

    /// Counts bytes asked of a full block. Whether they are the ones that bring the count to `proof`: of a block's
    /// many readers one is told so.
    pub(super) fn asked(&self, bytes: u64, proof: u64) -> bool {
        let before = self.asked.fetch_add(bytes, Ordering::Relaxed);
        before < proof && before + bytes >= proof
    }

    /// Begins to count anew: it was asked for often enough, and could not be given a better place.
    pub(super) fn forget_asked(&self) {
        self.asked.store(0, Ordering::Relaxed);
    }

    /// Bytes in the block when it is full.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the block holds nothing even when full. It never does: empty assets have no blocks.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether every byte is there. Never waits.
    pub fn is_full(&self) -> bool {
        self.full.get().is_some()
    }

    /// The block's bytes, once they are all there: in order, in as few pieces as they lie in memory.
    pub(super) fn pieces(&self) -> Option<&[Bytes]> {
        self.full.get().map(|pieces| &**pieces)
    }

    /// Some bytes from `offset` on, at least one, none at or past `end`. Waits for the fill to get there.
    ///
    /// # Errors
    /// Why the fill ended before `offset`. Bytes below its last watermark stay readable.
    pub async fn read(&self, offset: usize, end: usize) -> Result<Bytes, Error> {
        debug_assert!(
            offset < end && end <= self.len,
            "a read stays inside its block"
        );
        loop {
            if let Some(piece) = self.pieces().and_then(|all| piece(all, offset, end)) {
                return Ok(piece);
            }
            let grown = self.grown.notified();
            tokio::pin!(grown);
            // Registered before the look, so that a push between the look and the wait is not missed.
            grown.as_mut().enable();
            if let Some(answer) = self.filling().read(offset, end) {
                return answer;
            }
            // A seal under way has emptied `filling`: it sets `full`, and only then wakes who waits.
            if !self.is_full() {
                grown.await;
            }
        }
    }

    /// Charges the block for its memory.
    pub(super) fn charge(&self, reservation: Reservation) {
        *lock(&self.reservation) = Some(reservation);
    }

    /// Adds what arrived. The caller keeps within the block's length.
    ///
    /// Returns whether the block is now full and sealed, in the arena if there is one.
    pub(super) fn push(&self, piece: Bytes, arena: Option<&Arc<Arena>>) -> bool {
        let full = {
            let mut filling = self.filling();
            filling.filled += piece.len();
            filling.pieces.push(piece);
            debug_assert!(filling.filled <= self.len, "a fill stays inside its block");
            filling.filled == self.len
        };
        if full {
            self.seal(arena);
        }
        self.grown.notify_waiters();
        full
    }

    /// Ends the fill without the rest of the bytes. Readers past the watermark receive `error`.
    pub(super) fn fail(&self, error: Error) {
        if !self.is_full() {
            self.filling().failure.get_or_insert(error);
            self.grown.notify_waiters();
        }
    }

    /// Bytes that have arrived.
    pub(super) fn filled(&self) -> usize {
        if self.is_full() {
            self.len
        } else {
            self.filling().filled
        }
    }

    /// Gives the bytes their place for as long as the block lives.
    fn seal(&self, arena: Option<&Arc<Arena>>) {
        let pieces = std::mem::take(&mut self.filling().pieces);
        let reservation = lock(&self.reservation).take();
        let _ = self.full.set(settle(pieces, reservation, arena));
    }

    fn filling(&self) -> MutexGuard<'_, Filling> {
        lock(&self.filling)
    }
}

/// The place of a full block's bytes: in the arena, or on the heap where there is none or it takes no more.
fn settle(
    pieces: Vec<Bytes>,
    reservation: Option<Reservation>,
    arena: Option<&Arc<Arena>>,
) -> Box<[Bytes]> {
    let mut reservation = match arena {
        Some(arena) => match arena.store(&pieces, reservation) {
            Ok(bytes) => return [bytes].into(),
            Err(reservation) => reservation,
        },
        None => reservation,
    };
    // Small pieces are slices of the storage client's read buffers: to keep them would pin more memory than the block
    // is charged for. Those that lie between large ones are copied together.
    let mut settled: Vec<Bytes> = Vec::new();
    let groups = pieces.chunk_by(|one, next| one.len() < OWNED && next.len() < OWNED);
    let count = groups.clone().count();
    for (place, group) in groups.enumerate() {
        let bytes = match group {
            [large] if large.len() >= OWNED => large.clone(),
            small => small.concat().into(),
        };
        let is_last = place + 1 == count;
        let share = match &mut reservation {
            // What rounding leaves over goes with the last.
            Some(rest) if !is_last => rest.split(bytes.len()),
            rest => rest.take(),
        };
        settled.push(Bytes::from_owner(Charged {
            bytes,
            _reservation: share,
        }));
    }
    settled.into()
}

/// Bytes of a full block on the heap with the memory they are charged for. That is given back when the last slice of
/// them has left for a socket, not when the block is evicted.
struct Charged {
    bytes: Bytes,
    _reservation: Option<Reservation>,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The bytes from `offset` to `end`, as far as they lie together.
fn piece(pieces: &[Bytes], offset: usize, end: usize) -> Option<Bytes> {
    let mut start = 0;
    for piece in pieces {
        if offset < start + piece.len() {
            let from = offset - start;
            let to = piece.len().min(end - start);
            return Some(piece.slice(from..to));
        }
        start += piece.len();
    }
    None
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every update is complete before anything that could panic, so a poisoned lock holds sound data.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Filling {
    fn read(&self, offset: usize, end: usize) -> Option<Result<Bytes, Error>> {
        let there = piece(&self.pieces, offset, end).map(Ok);
        there.or_else(|| self.failure.clone().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_follower_reads_what_is_there_before_the_block_is_full() {
        let block = Block::new(6);
        assert!(!block.push(Bytes::from_static(b"abc"), None));
        assert_eq!(block.read(1, 6).await.unwrap(), "bc");
        assert!(block.push(Bytes::from_static(b"def"), None));
        assert_eq!(block.read(1, 6).await.unwrap(), "bcdef");
        assert_eq!(block.pieces().unwrap(), ["abcdef"]);
    }

    #[tokio::test]
    async fn large_pieces_stay_where_they_are_and_small_ones_move_together() {
        let lens = [10, 20, OWNED, 30, OWNED, OWNED + 1];
        let pieces: Vec<Bytes> = (0..)
            .zip(lens)
            .map(|(n, len)| vec![n; len].into())
            .collect();
        let block = Block::new(lens.iter().sum());
        for piece in &pieces {
            block.push(piece.clone(), None);
        }
        let settled = block.pieces().unwrap();
        let lens: Vec<usize> = settled.iter().map(Bytes::len).collect();
        assert_eq!(lens, [30, OWNED, 30, OWNED, OWNED + 1]);
        assert_eq!(settled.concat(), pieces.concat());
        assert_eq!(settled[1].as_ptr(), pieces[2].as_ptr());
        assert_ne!(settled[2].as_ptr(), pieces[3].as_ptr());
        assert_eq!(block.read(25, block.len()).await.unwrap().len(), 5);
    }

    #[tokio::test]
    async fn a_waiting_follower_is_woken_by_the_next_piece() {
        let block = Arc::new(Block::new(4));
        let follower = tokio::spawn({
            let block = block.clone();
            async move { block.read(0, 4).await }
        });
        tokio::task::yield_now().await;
        block.push(Bytes::from_static(b"ab"), None);
        assert_eq!(follower.await.unwrap().unwrap(), "ab");
    }

    #[tokio::test]
    async fn a_failed_fill_tells_readers_past_the_watermark_only() {
        let block = Block::new(4);
        block.push(Bytes::from_static(b"ab"), None);
        block.fail(Error::FillEnded);
        assert_eq!(block.read(0, 4).await.unwrap(), "ab");
        assert_eq!(block.read(2, 4).await.unwrap_err(), Error::FillEnded);
    }

    proptest::proptest! {
        #[test]
        fn any_pieces_read_at_any_offset_are_the_bytes(
            sizes in proptest::collection::vec(1usize..9, 1..9), cut in 0usize..1000, seal: bool,
        ) {
            let total: usize = sizes.iter().sum();
            let bytes: Vec<u8> = (0..total).map(|i| i as u8).collect();
            let block = Block::new(total + usize::from(!seal));
            let mut at = 0;
            for size in sizes {
                block.push(Bytes::copy_from_slice(&bytes[at..at + size]), None);
                at += size;
            }
            let (from, runtime) = (cut % total, tokio::runtime::Builder::new_current_thread().build().unwrap());
            let mut read = Vec::new();
            while from + read.len() < total {
                read.extend(runtime.block_on(block.read(from + read.len(), total)).unwrap());
            }
            proptest::prop_assert_eq!(&read[..], &bytes[from..]);
        }
    }
}
