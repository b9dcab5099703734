//! The bytes of an answer: at hand, streamed, or framed in parts.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::error::Error;
use super::multipart::{Multipart, Part};
use super::range::Selection;
use crate::cache;
use crate::delivery::Content;
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
        None => Body::stream(len, bytes_of(blocks.stream()).boxed()),
    })
}

/// The first part's first byte is waited for before the head is sent; the parts after it are looked for in
/// their turn, so that a request holds the memory of one.
async fn several(content: &mut Content, multipart: &Multipart) -> Result<Body, Error> {
    let mut bytes = stream::empty().boxed();
    for (place, Part { head, range }) in multipart.parts.iter().enumerate() {
        let part = match place {
            0 => bytes_of(content.read(range.clone()).await?.stream()).boxed(),
            _ => bytes_of(content.read_later(range.clone())).boxed(),
        };
        bytes = bytes.chain(now(head.clone())).chain(part).boxed();
    }
    let bytes = bytes.chain(now(multipart.closing.clone()));
    Ok(Body::stream(multipart.len(), bytes.boxed()))
}

fn now(bytes: Bytes) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    stream::iter([Ok(bytes)])
}

fn bytes_of(
    pieces: impl Stream<Item = Result<Bytes, cache::Error>> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    pieces.map_err(|error| BodyError {
        reason: error.reason(),
    })
}
