//! What names an asset, a version of it, and a block of that version.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use crate::media::AssetPath;
use crate::storage::Validator;

/// Names a storage of the configuration: its place in the list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorageId(pub u16);

/// An asset: a name within a storage. Two routes that reach one object share its cache entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssetKey {
    /// Where it lives.
    pub storage: StorageId,
    /// Its name there.
    pub path: AssetPath,
}

/// One version of an asset. Cheap to clone, to hash and to compare: it keys every block.
#[derive(Debug, Clone)]
pub struct VersionId(Arc<Identity>);

#[derive(Debug)]
struct Identity {
    asset: AssetKey,
    validator: Validator,
    /// Some gateways give one entity tag to two contents; they rarely agree in length too.
    len: u64,
    hash: u64,
}

// Keyed at random per process, so that nobody can choose paths that collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl VersionId {
    /// Names the version of `asset` that `validator` and its length in bytes tell apart.
    pub fn new(asset: AssetKey, validator: Validator, len: u64) -> Self {
        let hash = HASHER.hash_one((&asset, &validator, len));
        Self(Arc::new(Identity {
            asset,
            validator,
            len,
            hash,
        }))
    }

    /// The asset this is a version of.
    pub fn asset(&self) -> &AssetKey {
        &self.0.asset
    }

    /// What the storage calls this version.
    pub fn validator(&self) -> &Validator {
        &self.0.validator
    }
}

impl PartialEq for VersionId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash
                && self.0.asset == other.0.asset
                && self.0.validator == other.0.validator
                && self.0.len == other.0.len)
    }
}

impl Eq for VersionId {}

impl Hash for VersionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// A block: an aligned, fixed-size part of one version. The last one may be shorter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// The version it is part of.
    pub version: VersionId,
    /// Its place: it starts at `index × block size`.
    pub index: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(path: &str, etag: &str) -> VersionId {
        let path = AssetPath::from_decoded(path).unwrap();
        let validator = Validator {
            etag: etag.into(),
            version_id: None,
        };
        VersionId::new(
            AssetKey {
                storage: StorageId(0),
                path,
            },
            validator,
            1,
        )
    }

    #[test]
    fn a_version_is_its_asset_and_its_validator() {
        assert_eq!(id("a", "\"1\""), id("a", "\"1\""));
        assert_ne!(id("a", "\"1\""), id("a", "\"2\""));
        assert_ne!(id("a", "\"1\""), id("b", "\"1\""));
    }
}
