//! Objects held in memory: for the demo title inside the binary, for tests and for benches.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::{Body, Error, Object, ObjectMeta, Read, Storage, Validator, clamp};
use crate::media::AssetPath;

/// A body comes in pieces of this many bytes, as it would from a network.
const PIECE: u64 = 256 * 1024;

/// A storage in memory. Cloning is cheap, and the clones share their objects.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    objects: Arc<RwLock<HashMap<AssetPath, Entry>>>,
}

/// What a writer says of an object besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// When it was last written.
    pub last_modified: Option<SystemTime>,
    /// Its media type.
    pub content_type: Option<Arc<str>>,
    /// Its Cache-Control.
    pub cache_control: Option<Arc<str>>,
    /// Its Content-Encoding.
    pub content_encoding: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
struct Entry {
    bytes: Bytes,
    meta: ObjectMeta,
}

impl Memory {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an object, in place of the one of that name if there is one. `Bytes::from_static` is not copied.
    ///
    /// The entity tag follows from the bytes: the same bytes are the same version.
    pub fn insert(&self, asset: AssetPath, bytes: impl Into<Bytes>, attributes: Attributes) {
        let bytes = bytes.into();
        let meta = describe(&bytes, attributes);
        self.write().insert(asset, Entry { bytes, meta });
    }

    /// Takes an object away; says whether there was one.
    pub fn remove(&self, asset: &AssetPath) -> bool {
        self.write().remove(asset).is_some()
    }

    fn find(&self, asset: &AssetPath) -> Result<Entry, Error> {
        self.read().get(asset).cloned().ok_or(Error::NotFound)
    }

    // No code panics while it holds the lock, so a poisoned map is still a whole one.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<AssetPath, Entry>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AssetPath, Entry>> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Memory {
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let Entry { bytes, meta } = self.find(asset)?;
            read.pin.judge(&meta.validator)?;
            let range = clamp(read.range.as_ref(), meta.len)?;
            let body = pieces(bytes, range.clone());
            Ok(Object { meta, range, body })
        })
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(async move { Ok(self.find(asset)?.meta) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

fn describe(bytes: &Bytes, attributes: Attributes) -> ObjectMeta {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let etag = format!("\"{:016x}-{:x}\"", hasher.finish(), bytes.len());
    ObjectMeta {
        len: bytes.len() as u64,
        validator: Validator {
            etag: etag.into(),
            version_id: None,
        },
        last_modified: attributes.last_modified,
        content_type: attributes.content_type,
        cache_control: attributes.cache_control,
        content_encoding: attributes.content_encoding,
    }
}

/// `range` of `bytes`, without copying. `range` lies within `bytes`.
fn pieces(bytes: Bytes, range: Range<u64>) -> Body {
    // Lengths of what is in memory fit usize.
    let rest = bytes.slice(range.start as usize..range.end as usize);
    stream::unfold(rest, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(rest.len().min(PIECE as usize));
        Some((Ok(piece), rest))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Memory};
    use crate::media::AssetPath;
    use crate::storage::conformance::{self, Fixture};
    use crate::storage::{Read, Storage};
    use bytes::Bytes;
    use futures_util::StreamExt;
    use futures_util::future::BoxFuture;

    impl Fixture for Memory {
        fn storage(&self) -> &dyn Storage {
            self
        }
        fn put<'a>(&'a self, asset: &'a AssetPath, bytes: Bytes) -> BoxFuture<'a, ()> {
            self.insert(asset.clone(), bytes, Attributes::default());
            Box::pin(async {})
        }
        fn remove<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, ()> {
            Self::remove(self, asset);
            Box::pin(async {})
        }
    }

    #[tokio::test]
    async fn memory_conforms() {
        conformance::run(&Memory::new()).await;
    }

    #[tokio::test]
    async fn static_bytes_are_not_copied() {
        static TITLE: &[u8] = b"twelve bytes";
        let memory = Memory::new();
        let asset = AssetPath::from_decoded("title.mp4").unwrap();
        memory.insert(asset.clone(), TITLE, Attributes::default());
        let mut object = memory.get(&asset, Read::default()).await.unwrap();
        let piece = object.body.next().await.unwrap().unwrap();
        assert_eq!(piece.as_ptr(), TITLE.as_ptr());
    }

    #[tokio::test]
    async fn attributes_are_told() {
        let memory = Memory::new();
        let asset = AssetPath::from_decoded("title.m3u8").unwrap();
        let attributes = Attributes {
            content_type: Some("application/vnd.apple.mpegurl".into()),
            cache_control: Some("max-age=4".into()),
            ..Attributes::default()
        };
        memory.insert(asset.clone(), "#EXTM3U", attributes.clone());
        let meta = memory.head(&asset).await.unwrap();
        assert_eq!(meta.content_type, attributes.content_type);
        assert_eq!(meta.cache_control, attributes.cache_control);
    }
}
