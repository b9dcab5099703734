//! The name of an asset: proven free of traversal once, and carried as that proof from then on.

use std::fmt;
use std::sync::Arc;

/// A decoded, normalised path such as `vod/tears/720p/seg-42.m4s`: no leading slash, no empty, `.` or `..`
/// segment, no control character, no backslash; at most 1,024 bytes (the longest S3 key).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetPath(Arc<str>);

/// Why a path names no asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError;

impl AssetPath {
    /// Validates a path that is already decoded.
    pub fn from_decoded(path: &str) -> Result<Self, PathError> {
        let segment = |s: &str| !matches!(s, "" | "." | "..");
        let ok = path.len() <= 1024
            && path.split('/').all(segment)
            && !path.contains(|c: char| c.is_control() || c == '\\');
        if ok {
            Ok(Self(path.into()))
        } else {
            Err(PathError)
        }
    }

    /// The decoded path without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
