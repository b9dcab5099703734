//! Opens what a viewer asked for: metadata now, bytes on demand.
//!
//! Read [`Delivery::open`] first. Text (playlists, manifests, subtitles) is read whole, as its content
//! decides how long it lives and it can be compressed; everything else streams block by block.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, Stream, TryStreamExt};
use tokio::runtime::Handle;

use crate::cache::{
    AssetKey, AtHand, Cache, Error, Failure, First, Found, Lookup, Reason, Status, Version, Window,
};
use crate::media::kind::content_type;
use crate::media::{Class, Liveness};

mod blocks;
mod gzip;

pub use blocks::Blocks;

/// Joins the cache to those who serve from it.
#[derive(Debug)]
pub struct Delivery {
    cache: Arc<Cache>,
    gzip: gzip::Variants,
}

/// Which texts are compressed. Sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Compression {
    /// Whether any is.
    pub enabled: bool,
    /// Shorter ones are not: the header would eat the gain.
    pub min: u64,
    /// Longer ones are not: they stream like any other asset.
    pub max: u64,
    /// 1 (fast) to 9 (small).
    pub level: u32,
    /// Memory for compressed variants.
    pub memory: u64,
}

/// What a viewer asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The asset.
    pub asset: AssetKey,
    /// Which of its bytes come first.
    pub first: First,
    /// Whether a gzip variant will do.
    pub gzip: bool,
}

/// An opened asset: which entity is served, and a way to its bytes.
#[derive(Debug)]
pub struct Content {
    /// The version it is, or is made from.
    pub version: Arc<Version>,
    /// How it was come by.
    pub lookup: Lookup,
    /// Whether and how the entity is encoded.
    pub encoding: Encoding,
    /// Bytes in the entity.
    pub len: u64,
    /// Where the time went so far.
    pub timing: Timing,
    /// Texts are at hand whole.
    text: Option<Bytes>,
    cache: Arc<Cache>,
    at_hand: Option<AtHand>,
}

/// A content coding (RFC 9110 §8.4). A compressed variant is an entity of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As stored.
    Identity,
    /// Compressed here.
    Gzip,
}

/// Where the time of an answer went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    /// Looking, and waiting for nobody.
    pub cache: Duration,
    /// Waiting for storage.
    pub storage: Duration,
}

impl Delivery {
    /// Serves from `cache`; compresses on `background`.
    pub fn new(cache: Arc<Cache>, compression: Compression, background: Handle) -> Self {
        Self {
            cache,
            gzip: gzip::Variants::new(compression, background),
        }
    }

    /// Opens an asset.
    ///
    /// # Errors
    /// Why there is nothing to serve.
    pub async fn open(&self, ask: Ask) -> Result<Content, Failure> {
        let begun = Instant::now();
        let Found {
            version,
            lookup,
            at_hand,
        } = self.cache.open(&ask.asset, ask.first, begun).await?;
        let mut content = Content {
            encoding: Encoding::Identity,
            len: version.meta.len,
            version,
            lookup,
            timing: Timing::default(),
            text: None,
            cache: self.cache.clone(),
            at_hand,
        };
        if content.version.kind.compressible() && content.len <= self.gzip.longest() {
            let found = content.lookup;
            let failed = |error| Failure {
                error,
                lookup: found,
            };
            content.read_text().await.map_err(failed)?;
            if ask.gzip {
                self.compress(&mut content).await;
            }
        }
        content.spent(begun);
        Ok(content)
    }

    async fn compress(&self, content: &mut Content) {
        let Some(text) = &content.text else { return };
        if content.version.meta.content_encoding.is_none()
            && let Some(small) = self.gzip.of(&content.version, text).await
        {
            content.encoding = Encoding::Gzip;
            content.len = small.len() as u64;
            content.text = Some(small);
        }
    }
}

impl Content {
    /// The entity tag of what is served: the variant's own where it is compressed.
    pub fn etag(&self) -> Cow<'_, str> {
        let etag = &self.version.meta.validator.etag;
        match (self.encoding, etag.strip_suffix('"')) {
            (Encoding::Gzip, Some(open)) => format!("{open}-gzip\"").into(),
            _ => Cow::Borrowed(etag),
        }
    }

    /// The object's own media type, unless it is one that uploaders leave for want of a better.
    pub fn media_type(&self) -> &str {
        const UNSAID: [&str; 3] = ["", "application/octet-stream", "binary/octet-stream"];
        match self.version.meta.content_type.as_deref() {
            Some(own) if !UNSAID.contains(&own) => own,
            _ => content_type(&self.version.id.asset().path),
        }
    }

    /// The class whose Cache-Control applies.
    pub fn class(&self) -> Class {
        self.version.class()
    }

    /// The bytes of `range`, the first of them at hand: waits until they are, so that a failure before the
    /// first byte can still become a status.
    ///
    /// # Errors
    /// Why the first byte could not be had.
    pub async fn read(&mut self, range: Range<u64>) -> Result<Blocks, Error> {
        if let Some(text) = &self.text {
            return Ok(Blocks::held(slice(text, &range)));
        }
        let begun = Instant::now();
        let (blocks, window) = Blocks::open(self.source(), range).await;
        self.looked(&window);
        self.spent(begun);
        blocks
    }

    /// The bytes of `range`, looked for when they are asked for and not before.
    pub fn read_later(
        &self,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        let (text, source) = (self.text.clone(), self.source());
        let opened = stream::once(async move {
            match text {
                Some(text) => Ok(Blocks::held(slice(&text, &range))),
                None => Blocks::open(source, range).await.0,
            }
        });
        opened.map_ok(Blocks::stream).try_flatten()
    }

    fn source(&self) -> blocks::Source {
        blocks::Source {
            cache: self.cache.clone(),
            version: self.version.clone(),
            at_hand: self.at_hand.clone(),
            joined: self.lookup.collapsed,
        }
    }

    /// Reads a text whole and learns from it whether it still changes.
    async fn read_text(&mut self) -> Result<(), Error> {
        let (mut blocks, window) = Blocks::open(self.source(), 0..self.version.meta.len).await;
        self.looked(&window);
        let text = blocks
            .as_mut()
            .map_err(|error| error.clone())?
            .read_to_end()
            .await?;
        if !self.version.is_inspected() {
            self.version
                .inspected(Liveness::of(self.version.kind, &text));
        }
        self.text = Some(text);
        Ok(())
    }

    /// Takes note of a version that was at hand and blocks that were not.
    fn looked(&mut self, window: &Window) {
        if self.lookup.status == Status::Miss || window.led + window.followed == 0 {
            return;
        }
        self.lookup.status = match window.held {
            0 => Status::Miss,
            _ => Status::Partial,
        };
        self.lookup.reason = Some(match self.cache.lifetimes(&self.version).no_store {
            true => Reason::NoStore,
            false => Reason::BlocksAbsent,
        });
        self.lookup.collapsed |= window.led == 0;
    }

    /// Accounts for the time since `begun`: storage's, if anything was waited for.
    fn spent(&mut self, begun: Instant) {
        let spent = begun.elapsed();
        match self.lookup.status {
            Status::Hit | Status::Stale | Status::Bypass => self.timing.cache += spent,
            _ => self.timing.storage += spent,
        }
    }
}

fn slice(text: &Bytes, range: &Range<u64>) -> Bytes {
    // Texts are at most a few MiB and the range lies within: both fit.
    text.slice(range.start as usize..range.end as usize)
}
