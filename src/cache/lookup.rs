//! What a look into the cache found, in words that reach the client, the metrics and the log.

use std::sync::Arc;
use std::time::Duration;

use super::block::AtHand;
use super::{Error, Version};

/// A version to serve, and how it was come by.
#[derive(Debug, Clone)]
pub struct Found {
    /// The version.
    pub version: Arc<Version>,
    /// How it was come by.
    pub lookup: Lookup,
    /// Blocks of it that came with it.
    pub at_hand: Option<AtHand>,
}

/// Why there is no version to serve.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The cause.
    pub error: Error,
    /// How it was come by: an absence may be a hit.
    pub lookup: Lookup,
}

/// How an answer was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup {
    /// In one word.
    pub status: Status,
    /// Why storage was asked, where it was.
    pub reason: Option<Reason>,
    /// Whether this request followed another one's storage read.
    pub collapsed: bool,
    /// How long ago storage confirmed the version.
    pub age: Duration,
    /// How long it stays fresh.
    pub ttl: Duration,
}

/// How an answer was come by, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// From the cache alone.
    Hit,
    /// From the cache, stale, while storage is asked in the background.
    Stale,
    /// From the cache, stale, as storage could not answer.
    StaleOnError,
    /// From the cache, after storage said that nothing has changed.
    Revalidated,
    /// The version was at hand, some of the bytes were not.
    Partial,
    /// From storage.
    Miss,
    /// The cache was not asked.
    Bypass,
}

/// Why storage was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nothing was known of the asset: never asked for, or long since evicted.
    Unknown,
    /// What was known had outlived its freshness.
    Expired,
    /// The bytes were not at hand: never asked for, evicted, or not kept.
    BlocksAbsent,
    /// The object forbids keeping its bytes.
    NoStore,
}

impl Status {
    /// All of them, in metric order.
    pub const ALL: [Self; 7] = [
        Self::Hit,
        Self::Stale,
        Self::StaleOnError,
        Self::Revalidated,
        Self::Partial,
        Self::Miss,
        Self::Bypass,
    ];

    /// Whether the viewer waited for storage: yes or no, and neither where the cache was not asked.
    pub fn is_hit(self) -> Option<bool> {
        match self {
            Self::Hit | Self::Stale | Self::StaleOnError => Some(true),
            Self::Revalidated | Self::Partial | Self::Miss => Some(false),
            Self::Bypass => None,
        }
    }

    /// The metric label and the word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::StaleOnError => "stale_on_error",
            Self::Revalidated => "revalidated",
            Self::Partial => "partial",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

impl Reason {
    /// The word in Cache-Status, the log and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::BlocksAbsent => "blocks_absent",
            Self::NoStore => "no_store",
        }
    }
}

impl Lookup {
    /// The cache was not asked at all.
    pub const BYPASS: Self = Self {
        status: Status::Bypass,
        reason: None,
        collapsed: false,
        age: Duration::ZERO,
        ttl: Duration::ZERO,
    };
}
