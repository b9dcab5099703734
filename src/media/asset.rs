//! The name of an asset: proven free of traversal once, and carried as that proof from then on.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// The longest decoded path in bytes: the longest key S3 has.
pub const MAX_BYTES: usize = 1024;

/// Everything but RFC 3986 §2.3 `unreserved` and the slash is escaped, as S3 signs paths: `+` and `;` mean
/// different things to different readers, `%2B` and `%3B` do not.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A decoded, normalised path such as `vod/tears/720p/seg-42.m4s`: no leading slash, no empty, `.` or `..`
/// segment, no control character, no backslash; at most [`MAX_BYTES`] bytes.
///
/// The cache key, the token's path and the storage key are all this one value, so they cannot disagree about
/// what was asked for. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetPath(Arc<str>);

/// Why a path names no asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathError {
    /// A URL path does not start with a slash.
    #[error("path does not start with a slash: write /vod/a.m3u8")]
    Relative,
    /// Nothing follows the leading slash, or nothing remains.
    #[error("path is empty: name an asset")]
    Empty,
    /// More than [`MAX_BYTES`] bytes once decoded.
    #[error("path is longer than {MAX_BYTES} bytes: shorten it")]
    TooLong,
    /// A `%` without two hexadecimal digits behind it.
    #[error("path has a bad percent escape: write % as %25")]
    Escape,
    /// `%2f`: one reader would see a separator where another sees a character.
    #[error("path has an encoded slash: write / as it is")]
    EncodedSlash,
    /// A `?` or `#` that was not escaped: the caller forgot to cut off the query.
    #[error("path has a query or fragment: cut it off, or write ? as %3F and # as %23")]
    Delimiter,
    /// A backslash, which some file systems and proxies read as a slash.
    #[error("path has a backslash: separate with /")]
    Backslash,
    /// A control character, NUL included.
    #[error("path has a control character: remove it")]
    Control,
    /// A `.` or `..` segment.
    #[error("path has a . or .. segment: write the path without it")]
    DotSegment,
    /// Two slashes in a row, or one at the end.
    #[error("path has an empty segment: write single slashes and none at the end")]
    EmptySegment,
    /// Not UTF-8 once decoded; overlong forms count as that.
    #[error("path is not valid UTF-8: encode it as UTF-8")]
    Utf8,
}

impl AssetPath {
    /// Reads the path of a URL: percent-encoded, with its leading slash, without the query.
    ///
    /// Decodes exactly once (RFC 3986 §2.4): `%252e` is the literal text `%2e`, and `+` is a plus.
    ///
    /// # Errors
    /// What names no asset, or could name two: see [`PathError`]. Nothing is repaired.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        let raw = raw.strip_prefix('/').ok_or(PathError::Relative)?;
        // Three bytes encode one; refuse before a hostile megabyte is decoded.
        if raw.len() > 3 * MAX_BYTES {
            return Err(PathError::TooLong);
        }
        check_escapes(raw.as_bytes())?;
        match percent_decode(raw.as_bytes()).decode_utf8() {
            Ok(Cow::Borrowed(decoded)) => Self::from_decoded(decoded),
            Ok(Cow::Owned(decoded)) => Self::from_decoded(&decoded),
            Err(_) => Err(PathError::Utf8),
        }
    }

    /// Accepts a path that is decoded already: a file's name, a storage key, what [`AssetPath::as_str`] gave.
    ///
    /// # Errors
    /// As [`AssetPath::parse`]; a leading slash is an empty segment here.
    pub fn from_decoded(decoded: &str) -> Result<Self, PathError> {
        check_decoded(decoded)?;
        Ok(Self(Arc::from(decoded)))
    }

    /// The decoded path without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for use in a URL: with its leading slash, escaped so that [`AssetPath::parse`] gives it back.
    pub fn encoded(&self) -> String {
        let mut url = String::with_capacity(self.0.len() + 1);
        url.push('/');
        url.extend(utf8_percent_encode(&self.0, ESCAPED));
        url
    }

    /// What remains behind `prefix`, a decoded path; slashes at its ends do not matter.
    ///
    /// Matches whole segments: `vod` is no prefix of `vodka/x`. `None` where it does not match or nothing remains.
    pub fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(prefix)?.strip_prefix('/')?;
        // Whole segments of a checked path are a checked path.
        Some(Self(Arc::from(rest)))
    }

    /// Puts the segments of `prefix`, a decoded path, before this one; slashes at its ends do not matter, and an
    /// empty prefix changes nothing.
    ///
    /// # Errors
    /// Where `prefix` is no path, or both together are too long.
    pub fn prepend(&self, prefix: &str) -> Result<Self, PathError> {
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Ok(self.clone());
        }
        Self::from_decoded(&format!("{prefix}/{}", self.0))
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        let start = self.0.bytes().rposition(|byte| byte == b'/');
        &self.0[start.map_or(0, |slash| slash + 1)..]
    }

    /// What follows the last dot of the file name, as it is written. `None` for `name`, `.name` and `name.`.
    pub fn extension(&self) -> Option<&str> {
        let name = self.file_name();
        let dot = name.bytes().rposition(|byte| byte == b'.')?;
        (dot > 0 && dot + 1 < name.len()).then(|| &name[dot + 1..])
    }
}

impl PathError {
    /// A stable word for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relative => "relative",
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Escape => "bad_escape",
            Self::EncodedSlash => "encoded_slash",
            Self::Delimiter => "delimiter",
            Self::Backslash => "backslash",
            Self::Control => "control_character",
            Self::DotSegment => "dot_segment",
            Self::EmptySegment => "empty_segment",
            Self::Utf8 => "not_utf8",
        }
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses what decoding would hide: a lenient decoder passes a bad escape through and turns `%2f` into a separator.
fn check_escapes(raw: &[u8]) -> Result<(), PathError> {
    for (at, byte) in raw.iter().enumerate() {
        match byte {
            b'?' | b'#' => return Err(PathError::Delimiter),
            b'%' => match raw.get(at + 1..at + 3) {
                Some([b'2', b'f' | b'F']) => return Err(PathError::EncodedSlash),
                Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
                _ => return Err(PathError::Escape),
            },
            _ => {}
        }
    }
    Ok(())
}

fn check_decoded(decoded: &str) -> Result<(), PathError> {
    if decoded.is_empty() {
        return Err(PathError::Empty);
    }
    if decoded.len() > MAX_BYTES {
        return Err(PathError::TooLong);
    }
    if decoded.contains('\\') {
        return Err(PathError::Backslash);
    }
    if decoded.contains(char::is_control) {
        return Err(PathError::Control);
    }
    for segment in decoded.split('/') {
        match segment {
            "" => return Err(PathError::EmptySegment),
            "." | ".." => return Err(PathError::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(decoded: &str) -> AssetPath {
        AssetPath::from_decoded(decoded).unwrap()
    }

    #[test]
    fn decodes_once_and_keeps_a_plus() {
        for (raw, decoded) in [
            ("/vod/a.ts", "vod/a.ts"),
            ("/vod/a%20b+c.ts", "vod/a b+c.ts"),
            ("/%252e%252e/a", "%2e%2e/a"),
            ("/a%23b%3Fc", "a#b?c"),
            ("/a;x.ts", "a;x.ts"),
            ("/%E7%94%BB.ts", "画.ts"),
            ("/画.ts", "画.ts"),
            ("/.hidden/...", ".hidden/..."),
        ] {
            assert_eq!(AssetPath::parse(raw).unwrap().as_str(), decoded, "{raw}");
        }
    }

    #[test]
    fn refuses_every_second_reading() {
        use PathError as E;
        for (raw, reason) in [
            ("", E::Relative),
            ("vod/a", E::Relative),
            ("/", E::Empty),
            ("/a/../b", E::DotSegment),
            ("/%2e%2e/b", E::DotSegment),
            ("/a/.%2E", E::DotSegment),
            ("/a/./b", E::DotSegment),
            ("/..", E::DotSegment),
            ("/a%2fb", E::EncodedSlash),
            ("/a%2F..%2Fb", E::EncodedSlash),
            ("/a\\b", E::Backslash),
            ("/a%5c..%5Cb", E::Backslash),
            ("/a%00.ts", E::Control),
            ("/a%0d%0ab", E::Control),
            ("/a%7f", E::Control),
            ("/a%C2%85", E::Control),
            ("/a//b", E::EmptySegment),
            ("//a", E::EmptySegment),
            ("/a/", E::EmptySegment),
            ("/a%", E::Escape),
            ("/a%4", E::Escape),
            ("/a%zz", E::Escape),
            ("/a%+1", E::Escape),
            ("/a%C0%AE", E::Utf8),
            ("/%C0%AF", E::Utf8),
            ("/%F8%80%80%80%AF", E::Utf8),
            ("/%ED%A0%80", E::Utf8),
            ("/%ff", E::Utf8),
            ("/a?b", E::Delimiter),
            ("/a#b", E::Delimiter),
        ] {
            assert_eq!(AssetPath::parse(raw), Err(reason), "{raw}");
        }
    }

    #[test]
    fn the_limit_counts_decoded_bytes() {
        let longest = "%41".repeat(MAX_BYTES);
        assert_eq!(
            AssetPath::parse(&format!("/{longest}"))
                .unwrap()
                .as_str()
                .len(),
            MAX_BYTES
        );
        assert_eq!(
            AssetPath::parse(&format!("/{longest}a")),
            Err(PathError::TooLong)
        );
        assert_eq!(
            AssetPath::parse(&format!("/{}", "a".repeat(1025))),
            Err(PathError::TooLong)
        );
        assert_eq!(
            path(&"a".repeat(1023)).prepend("b"),
            Err(PathError::TooLong)
        );
    }

    #[test]
    fn prefixes_match_whole_segments() {
        let asset = path("vod/tears/a.ts");
        for prefix in ["vod", "/vod", "vod/", "/vod/"] {
            assert_eq!(
                asset.strip_prefix(prefix),
                Some(path("tears/a.ts")),
                "{prefix}"
            );
        }
        assert_eq!(asset.strip_prefix("/"), Some(asset.clone()));
        for other in [
            "vo",
            "vod/tear",
            "vod/tears/a.ts",
            "tears",
            "vod/tears/a.ts/b",
        ] {
            assert_eq!(asset.strip_prefix(other), None, "{other}");
        }
        assert_eq!(path("vodka/x").strip_prefix("vod"), None);
    }

    #[test]
    fn a_prefix_is_checked_like_a_path() {
        assert_eq!(path("a").prepend("titles/"), Ok(path("titles/a")));
        assert_eq!(path("a").prepend(""), Ok(path("a")));
        assert_eq!(path("a").prepend("../x"), Err(PathError::DotSegment));
        assert_eq!(path("a").prepend("x//y"), Err(PathError::EmptySegment));
    }

    #[test]
    fn extensions_belong_to_the_file_name() {
        for (asset, extension) in [
            ("a/b.M3U8", Some("M3U8")),
            ("a.b/c", None),
            ("a/.ts", None),
            ("a/b.", None),
            ("a/b.tar.gz", Some("gz")),
        ] {
            assert_eq!(path(asset).extension(), extension, "{asset}");
        }
        assert_eq!(path("a/b.ts").file_name(), "b.ts");
        assert_eq!(path("b.ts").file_name(), "b.ts");
    }

    proptest! {
        #[test]
        fn whatever_parses_has_no_second_reading(raw in "/[a-z%2eE5cCfF0./\\\\+;?#é]{0,40}") {
            if let Ok(asset) = AssetPath::parse(&raw) {
                let decoded = asset.as_str();
                prop_assert!(!decoded.contains('\\') && !decoded.contains(char::is_control));
                prop_assert!(decoded.split('/').all(|s| !s.is_empty() && s != "." && s != ".."));
                prop_assert_eq!(decoded.matches('/').count() + 1, raw.matches('/').count());
            }
        }

        #[test]
        fn encoding_is_the_inverse_of_parsing(decoded in "\\PC{1,60}") {
            if let Ok(asset) = AssetPath::from_decoded(&decoded) {
                prop_assert_eq!(AssetPath::parse(&asset.encoded()), Ok(asset));
            }
        }

        #[test]
        fn stripping_undoes_prepending(a in "[a-z]{1,8}(/[a-z]{1,8}){0,3}", p in "[a-z]{1,8}(/[a-z]{1,8}){0,3}") {
            let asset = path(&a);
            prop_assert_eq!(asset.prepend(&p).unwrap().strip_prefix(&p), Some(asset));
        }
    }
}
