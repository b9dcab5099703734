//! Compressed variants of texts, each made once.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::GzEncoder;
use moka::sync::Cache as Moka;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::Compression;
use crate::cache::{Version, VersionId};

/// Bookkeeping charged to a variant, in bytes.
const OVERHEAD: u64 = 512;

#[derive(Debug)]
pub(super) struct Variants {
    settings: Compression,
    background: Handle,
    /// A cell each, so that a thousand viewers of a new playlist compress it once.
    made: Moka<VersionId, Arc<OnceCell<Option<Bytes>>>>,
}

impl Variants {
    pub(super) fn new(settings: Compression, background: Handle) -> Self {
        let made = Moka::builder()
            .max_capacity(settings.memory)
            .weigher(|_, cell: &Arc<OnceCell<Option<Bytes>>>| {
                let len = cell.get().and_then(Option::as_ref).map_or(0, Bytes::len);
                u32::try_from(len as u64 + OVERHEAD).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            settings,
            background,
            made,
        }
    }

    /// Length of the longest text that is read whole.
    pub(super) fn longest(&self) -> u64 {
        self.settings.max
    }

    /// The gzip variant of a text; `None` where it is not worth it.
    pub(super) async fn of(&self, version: &Version, text: &Bytes) -> Option<Bytes> {
        let Compression {
            enabled,
            min,
            max,
            level,
            ..
        } = self.settings;
        if !enabled || !(min..=max).contains(&(text.len() as u64)) {
            return None;
        }
        let cell = self.made.get_with_by_ref(&version.id, Arc::default);
        if let Some(made) = cell.get() {
            return made.clone();
        }
        let made = cell
            .get_or_init(|| async {
                let text = text.clone();
                let made = self
                    .background
                    .spawn_blocking(move || compress(&text, level));
                // A compression that panics leaves the text as it is.
                made.await.ok().flatten()
            })
            .await
            .clone();
        // Inserted again now that its weight is known.
        self.made.insert(version.id.clone(), cell);
        made
    }
}

/// The text as one gzip member, if that is shorter. Without a time stamp: the same text gives the same bytes.
fn compress(text: &[u8], level: u32) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(text).ok()?;
    let small = encoder.finish().ok()?;
    (small.len() < text.len()).then(|| small.into_boxed_slice().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_is_compressed_decompresses() {
        let text = b"#EXTINF:4.0,\nseg-1.m4s\n".repeat(100);
        let small = compress(&text, 6).unwrap();
        assert!(small.len() < text.len() / 5);
        assert_eq!(compress(&text, 6).unwrap(), small);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&small[..])
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        assert_eq!(compress(b"x", 6), None);
    }
}
