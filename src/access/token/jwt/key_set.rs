//! The keys that an issuer publishes (JWKS, RFC 7517 §5).

use super::json::Object;
use super::jwk;
use super::key::{Key, KeyError};

/// Bytes of the longest document that is read.
const MAX_BYTES: usize = 256 * 1024;

/// Keys in the longest one.
const MAX_KEYS: usize = 64;

/// The usable keys of one document. Replace a set as a whole: a key that its issuer took out is out.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: usize,
}

/// Why a document is not a key set. The set before it stays in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More bytes than are read.
    #[error("the key set has {0} bytes, at most {MAX_BYTES} are read")]
    TooLong(usize),
    /// Not `{"keys": [...]}`.
    #[error("not a key set: it must be a JSON object with an array `keys`, and no member twice")]
    Malformed,
    /// More keys than are kept.
    #[error("the key set has {0} keys, at most {MAX_KEYS} are kept")]
    TooManyKeys(usize),
    /// Keys, but none that is public, for signatures, and of an accepted kind.
    #[error("none of the key set's {count} keys can be used; the first: {first}")]
    NoneUsable {
        /// How many there are.
        count: usize,
        /// What is wrong with the first.
        first: KeyError,
    },
}

impl KeySet {
    /// Reads a JWKS document. Keys that cannot be used are skipped and counted: unknown kinds (RFC 7517 §5 says to
    /// ignore them), encryption keys, secrets, private keys. An empty set is believed: its issuer has withdrawn all.
    ///
    /// A key is named by its `kid`, or `#N` by its place where it has none.
    ///
    /// # Errors
    /// Where the document as a whole is not to be used.
    pub fn from_jwks(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > MAX_BYTES {
            return Err(KeySetError::TooLong(document.len()));
        }
        let object = Object::parse(document).ok_or(KeySetError::Malformed)?;
        let listed = object.member("keys").and_then(|keys| keys.list());
        let listed = listed.ok_or(KeySetError::Malformed)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys(listed.len()));
        }
        let mut set = Self::default();
        let mut first = None;
        for (place, jwk) in listed.iter().enumerate() {
            match jwk
                .object()
                .ok_or(KeyError::Jwk)
                .and_then(|jwk| published(jwk, place))
            {
                Ok(key) => set.keys.push(key),
                Err(error) => {
                    set.skipped += 1;
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(first) if set.keys.is_empty() => Err(KeySetError::NoneUsable {
                count: listed.len(),
                first,
            }),
            _ => Ok(set),
        }
    }

    /// How many keys are usable.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys of the document are not usable.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Whether both hold the same keys in the same order.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let pairs = || self.keys.iter().zip(&other.keys);
        self.keys.len() == other.keys.len() && pairs().all(|(one, two)| one.same_as(two))
    }
}

fn published(jwk: &Object<'_>, place: usize) -> Result<Key, KeyError> {
    let (algorithm, pair) = jwk::network_pair(jwk)?;
    let kid = jwk::kid(jwk)?;
    let name = kid.map_or_else(|| format!("#{place}"), str::to_owned);
    Ok(Key::new(&name, kid, algorithm, pair))
}
