//! Several ranges in one answer: `multipart/byteranges` (RFC 9110 §14.6).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use bytes::Bytes;

use crate::media::range::content_range;

/// The frame of a multipart body: its length is known before a byte of it is read.
#[derive(Debug)]
pub(super) struct Multipart {
    boundary: String,
    pub(super) parts: Vec<Part>,
    pub(super) closing: Bytes,
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) head: Bytes,
    pub(super) range: Range<u64>,
}

impl Multipart {
    /// Frames `ranges` of an entity of `len` bytes.
    pub(super) fn new(ranges: &[Range<u64>], len: u64, media_type: &str) -> Self {
        // Random, so that no media file can be made to hold it.
        let random = RandomState::new();
        let boundary = format!(
            "caudal-{:016x}{:016x}",
            random.hash_one(0),
            random.hash_one(1)
        );
        let part = |range: &Range<u64>| Part {
            head: format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {}\r\n\r\n",
                content_range(range, len)
            )
            .into(),
            range: range.clone(),
        };
        Self {
            parts: ranges.iter().map(part).collect(),
            closing: format!("\r\n--{boundary}--\r\n").into(),
            boundary,
        }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Bytes of the whole body.
    pub(super) fn len(&self) -> u64 {
        let parts = self
            .parts
            .iter()
            .map(|part| part.head.len() as u64 + part.range.end - part.range.start);
        parts.sum::<u64>() + self.closing.len() as u64
    }
}
