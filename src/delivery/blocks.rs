//! The bytes of a range, block after block, as they come.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};

use crate::cache::{AtHand, Block, Cache, Error, Slot, Version, Window};

/// A reader of a range. Holds the block it is sending and those that are on their way to it, and sends for the
/// next run while the last block of this one is on its way out.
#[derive(Debug)]
pub struct Blocks {
    /// At hand already: the first bytes, or all of them.
    first: Option<Bytes>,
    rest: Option<Rest>,
}

/// Where a reader's blocks come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) cache: Arc<Cache>,
    pub(super) version: Arc<Version>,
    pub(super) at_hand: Option<AtHand>,
    /// Whether another request's storage read is what the version came by.
    pub(super) joined: bool,
}

#[derive(Debug)]
struct Rest {
    source: Source,
    slots: VecDeque<Slot>,
    /// The most that the next piece may be.
    most: usize,
    /// Whether others are to be sent theirs before the next piece.
    gives_way: bool,
    /// The next byte to give out.
    position: u64,
    end: u64,
}

/// The first piece that a follower is sent, in bytes. A thousand who wait for one fill are all woken by its first bytes,
/// and the last of them waits for what the others are sent first.
const FIRST: usize = 4 << 10;

impl Source {
    fn window(&self, range: Range<u64>) -> Window {
        self.cache
            .window(&self.version, &range, self.at_hand.as_ref())
    }
}

impl Blocks {
    /// Bytes that are all at hand.
    pub(super) fn held(bytes: Bytes) -> Self {
        Self {
            first: Some(bytes),
            rest: None,
        }
    }

    /// Looks for the range's blocks and waits for its first byte. Tells what the look found.
    pub(super) async fn open(source: Source, range: Range<u64>) -> (Result<Self, Error>, Window) {
        let mut window = source.window(range.clone());
        // Who has blocks that came with the version sent for them, or joined who did.
        let follows = source.at_hand.is_none() && window.led == 0 && window.followed > 0;
        // The window holds what it needs of them; the rest of the run is let go.
        let source = Source {
            at_hand: None,
            ..source
        };
        let follows = source.joined || follows;
        let mut rest = Rest {
            most: if follows { FIRST } else { usize::MAX },
            gives_way: follows,
            source,
            slots: std::mem::take(&mut window.blocks),
            position: range.start,
            end: range.end,
        };
        let blocks = match rest.next().await {
            None => Ok(Self {
                first: None,
                rest: None,
            }),
            Some(Ok(first)) => {
                let more = rest.position < rest.end;
                Ok(Self {
                    first: Some(first),
                    rest: more.then_some(rest),
                })
            }
            Some(Err(error)) => Err(error),
        };
        (blocks, window)
    }

    /// The bytes, if they are all at hand.
    pub fn whole(&mut self) -> Option<Bytes> {
        match self.rest {
            None => Some(self.first.take().unwrap_or_default()),
            Some(_) => None,
        }
    }

    /// Bytes as they come. An error is the last item.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        stream::unfold(self, |mut blocks| async move {
            let next = blocks.next().await?;
            if next.is_err() {
                blocks.rest = None;
            }
            Some((next, blocks))
        })
    }

    pub(super) async fn read_to_end(&mut self) -> Result<Bytes, Error> {
        if let Some(whole) = self.whole() {
            return Ok(whole);
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes.freeze())
    }

    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let rest = self.rest.as_mut()?;
        if std::mem::take(&mut rest.gives_way) {
            others_first().await;
        }
        rest.next().await
    }
}

impl Rest {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.position >= self.end {
            return None;
        }
        let size = self.source.cache.block_size();
        let start = self.position / size * size;
        self.look_ahead(start, size);
        let block = self.front(start, size)?;
        // Within a block offsets fit: blocks are at most 16 MiB.
        let from = (self.position - start) as usize;
        let to = (self.end - start).min(block.len() as u64) as usize;
        let to = to.min(from.saturating_add(std::mem::replace(&mut self.most, usize::MAX)));
        let piece = match block.read(from, to).await {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error)),
        };
        self.position += piece.len() as u64;
        if self.position >= start + size {
            self.slots.pop_front();
        }
        Some(Ok(piece))
    }

    /// The block to read from. One that was full when the window was opened is looked for only now.
    fn front(&mut self, start: u64, size: u64) -> Option<Arc<Block>> {
        if let Slot::Pinned(block) = self.slots.front()? {
            return Some(block.clone());
        }
        let again = self.source.window(start..self.end.min(start + size)).blocks;
        *self.slots.front_mut()? = again.into_iter().next()?;
        match self.slots.front()? {
            Slot::Pinned(block) => Some(block.clone()),
            // The first block of a window always is.
            Slot::Later => None,
        }
    }

    /// Sends for the next run while the last block at hand is being read.
    fn look_ahead(&mut self, start: u64, size: u64) {
        let next = start + self.slots.len() as u64 * size;
        if self.slots.len() <= 1 && next < self.end {
            self.slots.extend(self.source.window(next..self.end).blocks);
        }
    }
}

/// Lets all go first who could go on by now. A task of its own has the last place in the queue; hyper polls again at once
/// what merely yields, and would write both pieces as one.
async fn others_first() {
    // It cannot fail, and that it was stopped with its runtime is no matter either.
    let _ = tokio::spawn(async {}).await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::poll;

    use super::others_first;

    #[tokio::test]
    async fn who_lets_others_go_first_does_so_however_often_it_is_asked() {
        let went = Arc::new(AtomicBool::new(false));
        tokio::spawn({
            let went = went.clone();
            async move { went.store(true, Ordering::Relaxed) }
        });
        let mut waiting = pin!(others_first());
        for _ in 0..3 {
            assert!(poll!(waiting.as_mut()).is_pending());
        }
        assert!(!went.load(Ordering::Relaxed));
        waiting.await;
        assert!(went.load(Ordering::Relaxed));
    }
}
