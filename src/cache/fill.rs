//! Fetches a run of blocks: one storage read, resumed where it breaks, detached from every client.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use super::block::AtHand;
use super::{Block, BlockKey, Cache, Error, Version};
use crate::storage::{self, Body, Pin, Read};

/// First pause before a broken body is resumed; it doubles with each attempt.
const RESUME_PAUSE: Duration = Duration::from_millis(25);

/// Contiguous blocks of one version, on their way. They stand in the flight table from the start; each
/// leaves it when it is full, or failed.
pub(super) struct Run {
    cache: Arc<Cache>,
    version: Arc<Version>,
    /// Blocks not yet full, in order.
    blocks: VecDeque<(BlockKey, Arc<Block>)>,
    /// The next byte to arrive.
    position: u64,
    end: u64,
}

impl Run {
    /// Puts the blocks of `range` into the flight table.
    pub(super) fn start(cache: &Arc<Cache>, version: &Arc<Version>, range: &Range<u64>) -> Self {
        let size = cache.settings.block;
        let indices = range.start / size..range.end.div_ceil(size);
        let mut flights = cache.flights();
        let blocks = indices
            .map(|index| {
                let key = block_key(version, index);
                let block = Arc::new(cache.empty_block(version, index));
                flights.entry(key.clone()).or_insert_with(|| block.clone());
                (key, block)
            })
            .collect();
        drop(flights);
        Self::of(cache, version, blocks)
    }

    /// A run of blocks that stand in the flight table already. `blocks` is contiguous and not empty,
    /// unless the asset is.
    pub(super) fn of(
        cache: &Arc<Cache>,
        version: &Arc<Version>,
        blocks: VecDeque<(BlockKey, Arc<Block>)>,
    ) -> Self {
        let size = cache.settings.block;
        let position = blocks
            .front()
            .map_or(0, |(key, _)| u64::from(key.index) * size);
        let end = position
            + blocks
                .iter()
                .map(|(_, block)| block.len() as u64)
                .sum::<u64>();
        cache.instruments.cache.fills_in_flight.up();
        Self {
            cache: cache.clone(),
            version: version.clone(),
            blocks,
            position,
            end,
        }
    }

    /// The run's blocks, for those who wait for its version.
    pub(super) fn at_hand(&self) -> AtHand {
        self.blocks
            .iter()
            .map(|(key, block)| (key.index, block.clone()))
            .collect()
    }

    /// Fills the blocks, from `body` if the storage has answered already. Ends with every block full, or
    /// the rest of them failed.
    pub(super) async fn fill(mut self, body: Option<Body>) {
        let limit = self.cache.settings.fill_timeout;
        let outcome = match tokio::time::timeout(limit, self.drive(body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::FillTimeout { limit }),
        };
        self.cache
            .instruments
            .cache
            .fill(outcome.as_ref().err().map_or("full", Error::reason));
        if let Err(error) = outcome {
            match &error {
                Error::Storage(storage::Error::Changed) => self.cache.replaced(&self.version),
                Error::Storage(storage::Error::NotFound) => self.cache.removed(&self.version),
                _ => {}
            }
            tracing::debug!(asset = %self.version.id.asset().path, %error, "fill failed");
            self.fail(&error);
        }
    }

    async fn drive(&mut self, mut body: Option<Body>) -> Result<(), Error> {
        self.reserve().await?;
        let mut resumed = 0;
        while self.position < self.end {
            let outcome = match body.take() {
                Some(body) => self.pump(body).await,
                None => match self.read_on().await {
                    Ok(body) => self.pump(body).await,
                    Err(error) => return Err(error.into()),
                },
            };
            match outcome {
                Ok(()) => {}
                Err(error)
                    if error.is_transient() && resumed < self.cache.settings.fill_attempts =>
                {
                    self.cache.instruments.cache.fill_resumes.increment(1);
                    tokio::time::sleep(RESUME_PAUSE * 2u32.saturating_pow(resumed)).await;
                    resumed += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Charges every block for its memory before a byte of it is read.
    async fn reserve(&self) -> Result<(), Error> {
        let lens = self.blocks.iter().map(|(_, block)| block.len());
        let mut reservation = self.cache.memory.reserve(lens).await?;
        for (_, block) in &self.blocks {
            if let Some(share) = reservation.split(block.len()) {
                block.charge(share);
            }
        }
        Ok(())
    }

    /// Reads on from the watermark, of this version and no other.
    async fn read_on(&self) -> Result<Body, storage::Error> {
        let asset = self.version.id.asset();
        let range = self.position..self.end;
        let pin = Pin::Match(&self.version.meta.validator);
        let read = Read {
            range: Some(range.clone()),
            pin,
        };
        let object = self.cache.storage(asset).get(&asset.path, read).await;
        let object = match object {
            // Shorter than it was, at a storage that ignores If-Match.
            Err(storage::Error::RangeNotSatisfiable { .. }) => return Err(storage::Error::Changed),
            object => object?,
        };
        // A storage that ignores If-Match is told apart here: two versions are never spliced.
        if object.meta.validator.etag != self.version.meta.validator.etag
            || object.meta.len != self.version.meta.len
        {
            return Err(storage::Error::Changed);
        }
        if object.range != range {
            let text = format!("asked for bytes {range:?}, got {:?}", object.range);
            return Err(storage::Error::Invalid(text.into()));
        }
        Ok(object.body)
    }

    async fn pump(&mut self, mut body: Body) -> Result<(), storage::Error> {
        while let Some(piece) = body.next().await {
            let piece = piece?;
            if piece.len() as u64 == self.end - self.position {
                // The last piece waits for the end: a body that runs over, or turns out to be of two
                // versions, must not complete a block.
                expect_end(&mut body).await?;
                return self.accept(piece);
            }
            self.accept(piece)?;
        }
        let missing = self.end - self.position;
        let text = format!("{missing} bytes before {} are missing", self.end);
        Err(storage::Error::Interrupted(text.into()))
    }

    fn accept(&mut self, mut piece: Bytes) -> Result<(), storage::Error> {
        if piece.len() as u64 > self.end - self.position {
            return Err(storage::Error::Invalid(
                "more bytes than it announced".into(),
            ));
        }
        self.position += piece.len() as u64;
        while !piece.is_empty() {
            let Some((_, block)) = self.blocks.front() else {
                break;
            };
            let room = block.len() - block.filled();
            let arena = self.cache.home.of_newcomer(block);
            if block.push(piece.split_to(room.min(piece.len())), arena)
                && let Some((key, block)) = self.blocks.pop_front()
            {
                self.cache.land(&self.version, key, block);
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: &Error) {
        for (key, block) in self.blocks.drain(..) {
            block.fail(error.clone());
            self.cache.end_flight(&key, &block);
        }
    }
}

impl Drop for Run {
    /// A fill that panics or is dropped wakes its followers all the same.
    fn drop(&mut self) {
        self.fail(&Error::FillEnded);
        self.cache.instruments.cache.fills_in_flight.down();
    }
}

impl Cache {
    /// A full block leaves the flight table for moka: first in, then out, so that who looks into both
    /// always finds it.
    fn land(&self, version: &Version, key: BlockKey, block: Arc<Block>) {
        if !self.lifetimes(version).no_store {
            self.memory.admit(key.clone(), block.clone());
        }
        self.end_flight(&key, &block);
    }

    fn end_flight(&self, key: &BlockKey, block: &Arc<Block>) {
        let mut flights = self.flights();
        if flights
            .get(key)
            .is_some_and(|flying| Arc::ptr_eq(flying, block))
        {
            flights.remove(key);
        }
    }

    /// A block of `version` without a byte in it. The last one is as short as the rest of the asset.
    pub(super) fn empty_block(&self, version: &Version, index: u64) -> Block {
        let size = self.settings.block;
        let len = size.min(version.meta.len.saturating_sub(index * size));
        Block::new(usize::try_from(len).unwrap_or(usize::MAX))
    }
}

async fn expect_end(body: &mut Body) -> Result<(), storage::Error> {
    match body.next().await {
        None => Ok(()),
        Some(Ok(_)) => Err(storage::Error::Invalid(
            "more bytes than it announced".into(),
        )),
        Some(Err(error)) => Err(error),
    }
}

/// The key of a block. Asset lengths are bounded so that indices fit.
pub(super) fn block_key(version: &Version, index: u64) -> BlockKey {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    BlockKey {
        version: version.id.clone(),
        index,
    }
}
