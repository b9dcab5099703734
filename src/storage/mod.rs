//! Where assets live. Read [`Storage`] first: one trait, one suite (`conformance`) that every backend passes.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::media::AssetPath;

pub mod directory;
pub mod memory;
pub mod health;
pub mod s3;
pub mod retry;
pub mod limit;
pub mod observe;

#[doc(hidden)]
pub mod conformance;
#[cfg(test)]
mod double;

pub use directory::Directory;
pub use health::Health;

pub use limit::Limit;
pub use memory::Memory;
pub use observe::{Observe, Observed, Operation};
pub use retry::Retry;
pub use s3::{S3, S3Options};

/// A piece of a body at least this long, in bytes, fills the buffer that is behind it, so that to keep the piece costs
/// what its length says. Shorter ones may be slices of anything.
pub const OWNED: usize = 256 << 10;

/// The bytes of an object, in order. An `Err` is the last item. See [`OWNED`] on the memory behind them.
pub type Body = BoxStream<'static, Result<Bytes, Error>>;

/// A place that holds immutable-until-replaced objects by name: a folder, a bucket, memory.
///
/// Cancelling a returned future or dropping a [`Body`] releases what it holds.
pub trait Storage: Send + Sync + Debug {
    /// Reads an object, or a part of it.
    ///
    /// The answer's [`Object::range`] starts where `read.range` starts and ends no later; it is shorter only
    /// where the object ends first. A start at or past the end is [`Error::RangeNotSatisfiable`].
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>>;

    /// What [`Storage::get`] would say of the object, without a body. For empty objects, which no range satisfies.
    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>>;

    /// Whether this storage can serve at all: the folder is there, the bucket exists and answers us.
    fn probe(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// When the credentials in use expire; `None` where there are none, or none that do.
    fn credentials_expire(&self) -> Option<SystemTime> {
        None
    }
}

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Read<'a> {
    /// Bytes wanted, end exclusive; `None` is the whole object. An empty range is
    /// [`Error::RangeNotSatisfiable`], whatever the object.
    pub range: Option<Range<u64>>,
    /// On which version the caller insists.
    pub pin: Pin<'a>,
}

/// A condition on the version that is read (RFC 9110 §13.1).
#[derive(Debug, Clone, Copy, Default)]
pub enum Pin<'a> {
    /// Whatever is there.
    #[default]
    Any,
    /// This version or [`Error::Changed`].
    Match(&'a Validator),
    /// [`Error::NotModified`] while it is this version, else the new one.
    NoneMatch(&'a Validator),
}

/// Names one version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Validator {
    /// The entity tag as sent on the wire, quotes included: `"9a0364b9e99bb480dd25e1f0284c8555"`.
    /// Weak (`W/"…"`) where the storage has none of its own.
    pub etag: Arc<str>,
    /// The storage's own name of the version (S3 versioned buckets).
    pub version_id: Option<Arc<str>>,
}

impl Pin<'_> {
    /// Judges the version that was found: [`Error::Changed`] or [`Error::NotModified`] where it is not what
    /// the pin asks for.
    pub fn judge(&self, found: &Validator) -> Result<(), Error> {
        match self {
            Self::Match(wanted) if wanted.etag != found.etag => Err(Error::Changed),
            Self::NoneMatch(known) if known.etag == found.etag => Err(Error::NotModified),
            Self::Any | Self::Match(_) | Self::NoneMatch(_) => Ok(()),
        }
    }
}

/// What storage says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Length of the whole object in bytes.
    pub len: u64,
    /// Which version this is.
    pub validator: Validator,
    /// When it was last written.
    pub last_modified: Option<SystemTime>,
    /// The object's own media type, where one was stored with it.
    pub content_type: Option<Arc<str>>,
    /// The object's own Cache-Control, where one was stored with it.
    pub cache_control: Option<Arc<str>>,
    /// The object's own Content-Encoding, where one was stored with it.
    pub content_encoding: Option<Arc<str>>,
}

/// An answer to [`Storage::get`].
pub struct Object {
    /// The object as a whole.
    pub meta: ObjectMeta,
    /// Which of its bytes `body` carries, end exclusive.
    pub range: Range<u64>,
    /// Those bytes. A backend reports a short or long body as [`Error::Interrupted`] or [`Error::Invalid`];
    /// the reader counts all the same.
    pub body: Body,
}

impl Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// Why storage did not answer with the object. Semantic: `handler/error.rs` alone turns these into statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("no such object")]
    NotFound,
    /// The storage refuses us the object.
    #[error("storage denies access: {0}")]
    Denied(Arc<str>),
    /// The object is in an archive tier (Glacier) and has to be restored first.
    #[error("object is archived ({0}): restore it first")]
    Archived(Arc<str>),
    /// The object is no longer the pinned version.
    #[error("object was replaced while it was read")]
    Changed,
    /// The object is still the version asked about.
    #[error("object is not modified")]
    NotModified,
    /// The range starts at or past the object's end.
    #[error("range starts past the object's end")]
    RangeNotSatisfiable {
        /// The object's length, where the storage told it.
        len: Option<u64>,
    },
    /// The storage asks for less (503 SlowDown, 429).
    #[error("storage asks to slow down")]
    Throttled,
    /// The storage did not answer in time.
    #[error("storage timed out: {phase} took over {limit:?}")]
    Timeout {
        /// What was waited for.
        phase: Phase,
        /// How long.
        limit: Duration,
    },
    /// The storage cannot be reached or fails on its side (5xx).
    #[error("storage is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// The body ended or broke before its announced length.
    #[error("storage body broke off: {0}")]
    Interrupted(Arc<str>),
    /// The storage as configured cannot work: no such bucket or folder, credentials refused.
    #[error("storage is misconfigured: {0}")]
    Misconfigured(Arc<str>),
    /// The storage broke its own protocol (a 206 without Content-Range, bytes past the end).
    #[error("storage sent an invalid answer: {0}")]
    Invalid(Arc<str>),
}

impl Error {
    /// A stable word for this error: a metric's label, a log line's field.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Denied(_) => "denied",
            Self::Archived(_) => "archived",
            Self::Changed => "changed",
            Self::NotModified => "not_modified",
            Self::RangeNotSatisfiable { .. } => "range_not_satisfiable",
            Self::Throttled => "throttled",
            Self::Timeout { phase, .. } => match phase {
                Phase::Connect => "timeout_connect",
                Phase::FirstByte => "timeout_first_byte",
                Phase::Stall => "timeout_stall",
                Phase::Total => "timeout_total",
            },
            Self::Unavailable(_) => "unavailable",
            Self::Interrupted(_) => "interrupted",
            Self::Misconfigured(_) => "misconfigured",
            Self::Invalid(_) => "invalid",
        }
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled
            | Self::Timeout { .. }
            | Self::Unavailable(_)
            | Self::Interrupted(_) => true,
            Self::NotFound
            | Self::Denied(_)
            | Self::Archived(_)
            | Self::Changed
            | Self::NotModified
            | Self::RangeNotSatisfiable { .. }
            | Self::Misconfigured(_)
            | Self::Invalid(_) => false,
        }
    }
}

/// The part of a storage request that a timeout bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From the call to an established connection.
    Connect,
    /// From the request to the response head.
    FirstByte,
    /// Between two pieces of a body.
    Stall,
    /// The whole request, body included.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "the first byte",
            Self::Stall => "the next byte",
            Self::Total => "the whole answer",
        })
    }
}

/// Clamps what `read` wants to an object of `len` bytes; backends that see the whole object share it.
fn clamp(range: Option<&Range<u64>>, len: u64) -> Result<Range<u64>, Error> {
    match range {
        None => Ok(0..len),
        Some(range) if range.is_empty() || range.start >= len => {
            Err(Error::RangeNotSatisfiable { len: Some(len) })
        }
        Some(range) => Ok(range.start..range.end.min(len)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Phase, clamp};
    use std::time::Duration;

    #[test]
    fn a_range_is_clamped_to_the_object() {
        assert_eq!(clamp(None, 0), Ok(0..0));
        assert_eq!(clamp(Some(&(0..u64::MAX)), 10), Ok(0..10));
        assert_eq!(clamp(Some(&(9..10)), 10), Ok(9..10));
        let refused = Err(Error::RangeNotSatisfiable { len: Some(10) });
        assert_eq!(clamp(Some(&(10..11)), 10), refused);
        assert_eq!(clamp(Some(&(4..4)), 10), refused);
    }

    #[test]
    fn reasons_are_snake_case_words() {
        let timeout = Error::Timeout {
            phase: Phase::FirstByte,
            limit: Duration::from_secs(1),
        };
        for error in [
            Error::NotFound,
            Error::Throttled,
            Error::Invalid("x".into()),
            timeout,
        ] {
            let reason = error.reason();
            assert!(
                reason.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{reason}"
            );
        }
    }
}
