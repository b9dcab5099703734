//! The bytes of an answer: at hand, streamed, or framed in parts.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};

use super::error::Error;
use super::multipart::Multipart;
use super::range::Selection;
use crate::cache;
use crate::delivery::{Blocks, Content};
use crate::exchange::{Body, BodyError};

/// The body of what was selected. Waits for its first byte, so that a failure can still become a status.
pub(super) async fn of(content: &mut Content, selection: &Selection) -> Result<Body, Error> {
    match selection {
        Selection::Whole if content.len == 0 => Ok(Body::empty()),
        Selection::Whole => single(content, 0..content.len).await,
        Selection::Single(range) => single(content, range.clone()).await,
        Selection::Multi(multipart) => several(content, multipart).await,
    }
}

async fn single(content: &mut Content, range: std::ops::Range<u64>) -> Result<Body, Error> {
    let len = range.end - range.start;
    let mut blocks = content.read(range).await?;
    Ok(match blocks.whole() {
        Some(bytes) => Body::whole(bytes),
        None => Body::stream(len, bytes_of(blocks).boxed()),
    })
}

/// Every part's first byte is waited for before the head is sent: at most a handful of parts are allowed.
async fn several(content: &mut Content, multipart: &Multipart) -> Result<Body, Error> {
    let mut parts = Vec::with_capacity(multipart.parts.len());
    for part in &multipart.parts {
        let blocks = content.read(part.range.clone()).await?;
        parts.push(now(part.head.clone()).chain(bytes_of(blocks)));
    }
    let bytes = stream::iter(parts)
        .flatten()
        .chain(now(multipart.closing.clone()));
    Ok(Body::stream(multipart.len(), bytes.boxed()))
}

fn now(bytes: Bytes) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    stream::iter([Ok(bytes)])
}

fn bytes_of(blocks: Blocks) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    let broken = |error: cache::Error| BodyError {
        reason: error.reason(),
    };
    blocks.stream().map(move |piece| piece.map_err(broken))
}
