//! What is asked for, and the manifests that are read: paths, ranges, playlists.

use caudal::media::range::{MAX_PARTS, content_range};
use caudal::media::{AssetPath, Hint, Kind, RangeSet, Resolution, dash, hls, kind};

/// Whatever parses has one reading, and its URL form leads back to it.
pub(super) fn asset_path(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(asset) = AssetPath::parse(raw) {
        let decoded = asset.as_str();
        assert!(
            decoded
                .split('/')
                .all(|segment| !matches!(segment, "" | "." | ".."))
        );
        assert!(!decoded.contains('\\') && !decoded.contains(char::is_control));
        assert_eq!(AssetPath::parse(&asset.encoded()).as_ref(), Ok(&asset));
        assert_eq!(AssetPath::from_decoded(decoded).as_ref(), Ok(&asset));
        assert!(Kind::ALL.contains(&Kind::of(&asset)));
        assert!(!kind::content_type(&asset).is_empty());
    }
    let _ = AssetPath::from_decoded(raw);
}

/// The first eight bytes are the length of the object, the rest is the header.
pub(super) fn range(data: &[u8]) {
    let Some((len, header)) = data.split_first_chunk() else {
        return;
    };
    let len = u64::from_be_bytes(*len);
    let Some(set) = std::str::from_utf8(header).ok().and_then(RangeSet::parse) else {
        return;
    };
    let parts = match set.resolve(len) {
        Resolution::Whole | Resolution::Unsatisfiable => vec![],
        Resolution::Single(part) => {
            // The hint, from which storage is read, never starts past what is answered.
            match set.hint() {
                Hint::From(first, _) => assert!(set.is_multiple() || first == part.start),
                Hint::Suffix(count) => {
                    assert!(set.is_multiple() || part.start == len.saturating_sub(count))
                }
            }
            vec![part]
        }
        Resolution::Multi(parts) => {
            assert!((2..=MAX_PARTS).contains(&parts.len()));
            parts
        }
    };
    for (at, part) in parts.iter().enumerate() {
        assert!(part.start < part.end && part.end <= len);
        assert!(
            parts[..at]
                .iter()
                .all(|other| part.end <= other.start || other.end <= part.start)
        );
        assert!(content_range(part, len).starts_with("bytes "));
    }
}

/// Any bytes have a liveness; a line feed at the end does not change it.
pub(super) fn hls_liveness(data: &[u8]) {
    assert_eq!(hls::liveness(data), hls::liveness(&[data, b"\n"].concat()));
}

/// Any bytes have a liveness; what follows the root's start tag does not change it.
pub(super) fn dash_liveness(data: &[u8]) {
    dash::liveness(data);
    let root = b"<MPD type='dynamic' minimumUpdatePeriod='PT2S'>";
    assert_eq!(
        dash::liveness(&[root.as_slice(), data].concat()),
        dash::liveness(root)
    );
}
