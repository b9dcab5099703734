//! Tokens that have been verified once, so that the next segment costs a lookup instead of a signature. Start with
//! [`Digest::of`] and [`Verified::get`]; [`Replays`] remembers tokens that are good for one use.
//!
//! What failed to verify is not kept. Whoever floods us sends no bad token twice, so that keeping them would help only
//! against the harmless, and would let strangers choose what fills memory. What bounds the work is that wrong signatures are
//! counted by address: past so many in a second, no new token of that address is verified.

mod forgeries;
mod replays;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::access::{Found, Token};
use aws_lc_rs::digest::{Context, SHA256};
use lru::LruCache;

use forgeries::Forgeries;
pub use replays::Replays;

use crate::access::shards::Shards;

/// What an entry takes besides what the token says: the entry itself, the token's fields, allocations' edges.
const OVERHEAD: usize = 512;
/// How often what a token says is kept, at most: once as it is, once prepared for comparison.
const COPIES: usize = 2;
/// How long a token is kept beyond its end, in seconds. A player that goes on asking with it is told so without another
/// verification, and whatever leeway clocks are given lies within.
const LINGER: i64 = 600;

/// Which token it is: SHA-256 over all that its verification depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The tokens. Bounded by their number and, approximately, by their bytes; beyond, the one unused for longest goes.
/// Only verified tokens get in, so what fills it was minted by who has the keys.
#[derive(Debug)]
pub struct Verified {
    shards: Shards<Shard>,
    forgeries: Forgeries,
}

struct Shard {
    kept: LruCache<Digest, Kept>,
    bytes: usize,
    most_bytes: usize,
}

struct Kept {
    token: Arc<Token>,
    /// The Unix second from which on it is of no use.
    until: i64,
    bytes: usize,
}

impl Digest {
    /// Of a token as found. `generation` stands for the keys it is verified by and must be read from the same snapshot
    /// as they: another one each time any key changes. So a new generation finds nothing of an older one, not even
    /// what an older one puts in late. `format` tells the formats of a generation apart.
    pub fn of(generation: u64, format: usize, found: &Found<'_>) -> Self {
        let mut head = [0; 32];
        let numbers = [
            generation,
            format as u64,
            found.token.len() as u64,
            found.bound.len() as u64,
        ];
        for (place, number) in head.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        Self::over([&head, found.token.as_bytes(), found.bound.as_bytes()])
    }

    /// Of a token's use, for [`Replays`]: by its id, whatever key or format it came by. `None` for a token without an
    /// id, which nobody can recognise (its signature can often be written in another way): it must be refused where
    /// replay is prohibited.
    pub fn of_use(token: &Token) -> Option<Self> {
        let id = token.id.as_deref().filter(|id| !id.is_empty())?;
        Some(Self::over([b"use", id.as_bytes(), b""]))
    }

    fn over(parts: [&[u8]; 3]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// It is as good as random: nobody chooses it.
    fn hash(&self) -> u64 {
        self.0.first_chunk().copied().map_or(0, u64::from_le_bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl Verified {
    /// Holds at most so many tokens, and about so many bytes.
    pub fn new(entries: NonZeroUsize, bytes: usize) -> Self {
        let shards = Shards::new(entries, |share| Shard {
            kept: LruCache::sparse(share),
            bytes: 0,
            // No product of the two overflows: the share of the bytes is that of the entries.
            most_bytes: (bytes as u128 * share.get() as u128 / entries.get() as u128) as usize,
        });
        Self {
            shards,
            forgeries: Forgeries::new(),
        }
    }

    /// The token, if it has been verified. Its time is not looked at: it may have ended a while ago.
    pub fn get(&self, digest: &Digest, now: i64) -> Option<Arc<Token>> {
        let mut shard = self.shards.lock(digest.hash());
        let kept = shard.kept.get(digest)?;
        if now < kept.until {
            return Some(Arc::clone(&kept.token));
        }
        shard.remove(digest);
        None
    }

    /// Whether this viewer has shown so many wrong signatures in this second that none more of it is looked at.
    pub fn is_flooded_by(&self, viewer: IpAddr, now: i64) -> bool {
        self.forgeries.are_too_many(viewer, now)
    }

    /// Takes note of a wrong signature.
    pub fn refuted(&self, viewer: IpAddr, now: i64) {
        self.forgeries.count(viewer, now);
    }

    /// Keeps a token that was verified; `len` is that of what was found. One that alone exceeds its part of the bytes
    /// is not kept.
    pub fn insert(&self, digest: Digest, token: Arc<Token>, len: usize) {
        let bytes = OVERHEAD.saturating_add(len.saturating_mul(COPIES));
        let until = token
            .expires
            .map_or(i64::MAX, |at| at.saturating_add(LINGER));
        let kept = Kept {
            token,
            until,
            bytes,
        };
        self.shards.lock(digest.hash()).insert(digest, kept);
    }

    /// Forgets all: what another generation will never ask for again need not wait to be pushed out.
    pub fn clear(&self) {
        for mut shard in self.shards.each() {
            shard.kept.clear();
            shard.bytes = 0;
        }
    }

    /// Forgets those whose time is over. Worth calling every few minutes: nobody asks for them again.
    pub fn forget_expired(&self, now: i64) {
        for mut shard in self.shards.each() {
            shard.kept.retain(|_, kept| now < kept.until);
            shard.bytes = shard.kept.iter().map(|(_, kept)| kept.bytes).sum();
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shards.each().map(|shard| shard.kept.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.shards.each().map(|shard| shard.bytes).sum()
    }
}

impl Shard {
    fn insert(&mut self, digest: Digest, kept: Kept) {
        if kept.bytes > self.most_bytes {
            return;
        }
        self.bytes += kept.bytes;
        if let Some((_, gone)) = self.kept.push(digest, kept) {
            self.bytes -= gone.bytes;
        }
        while self.bytes > self.most_bytes {
            let Some((_, gone)) = self.kept.pop_lru() else {
                return;
            };
            self.bytes -= gone.bytes;
        }
    }

    fn remove(&mut self, digest: &Digest) {
        if let Some(gone) = self.kept.pop(digest) {
            self.bytes -= gone.bytes;
        }
    }
}

#[cfg(test)]
mod tests;
