//! The bytes of a range, block after block, as they come.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};

use crate::cache::{Block, Cache, Error, Version, Window};

/// A reader of a range. Holds the blocks it is about to send, and sends for the next run while the last
/// block of this one is on its way out.
#[derive(Debug)]
pub struct Blocks {
    /// At hand already: the first bytes, or all of them.
    first: Option<Bytes>,
    rest: Option<Rest>,
}

#[derive(Debug)]
struct Rest {
    cache: Arc<Cache>,
    version: Arc<Version>,
    held: VecDeque<Arc<Block>>,
    /// The next byte to give out.
    position: u64,
    end: u64,
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
    pub(super) async fn open(
        cache: &Arc<Cache>,
        version: &Arc<Version>,
        range: Range<u64>,
    ) -> (Result<Self, Error>, Window) {
        let Window {
            blocks,
            held,
            followed,
            led,
        } = cache.window(version, &range);
        let counts = Window {
            blocks: VecDeque::new(),
            held,
            followed,
            led,
        };
        let mut rest = Rest {
            cache: cache.clone(),
            version: version.clone(),
            held: blocks,
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
        (blocks, counts)
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
        self.rest.as_mut()?.next().await
    }
}

impl Rest {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.position >= self.end {
            return None;
        }
        let size = self.cache.block_size();
        let start = self.position / size * size;
        self.look_ahead(start, size);
        let block = self.held.front()?;
        // Within a block offsets fit: blocks are at most 16 MiB.
        let from = (self.position - start) as usize;
        let to = (self.end - start).min(block.len() as u64) as usize;
        let piece = match block.read(from, to).await {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error)),
        };
        self.position += piece.len() as u64;
        if self.position >= start + size {
            self.held.pop_front();
        }
        Some(Ok(piece))
    }

    /// Sends for the next run while the last block at hand is being read.
    fn look_ahead(&mut self, start: u64, size: u64) {
        let next = start + self.held.len() as u64 * size;
        if self.held.len() <= 1 && next < self.end {
            self.held
                .extend(self.cache.window(&self.version, &(next..self.end)).blocks);
        }
    }
}
