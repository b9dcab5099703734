//! What is asked for and said with it, and the manifests that are read: paths, ranges, CMCD, playlists.

use std::time::Duration;

use caudal::media::range::{MAX_PARTS, content_range};
use caudal::media::{AssetPath, Cmcd, Hint, Kind, RangeSet, Resolution, dash, hls, kind};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::request::Request;

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

/// What a player says is within its bounds, and the same from the query and from the header; every id that is written as
/// CTA-5004 has it is read.
pub(super) fn cmcd(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let said = Cmcd::said(request.asking().query, headers);
    within_bounds(&said.unwrap_or_default());
    let said = said_both_ways(request.rest);
    within_bounds(&said.unwrap_or_default());
    let id = request.rest;
    let mut list = br#"bl=1,cid="a,b\",sid=",sid=""#.to_vec();
    for byte in id {
        if matches!(byte, b'"' | b'\\') {
            list.push(b'\\');
        }
        list.push(*byte);
    }
    list.extend_from_slice(b"\",su");
    let said = said_both_ways(&list).unwrap_or_default();
    // A longer list is not read.
    if list.len() <= 4096 {
        let wanted = (1..=64).contains(&id.len()).then_some(id);
        assert_eq!(said.sid.as_ref().map(|sid| sid.as_bytes()), wanted);
        assert!(said.urgent && said.buffer == Some(Duration::from_millis(1)));
    }
}

fn said_both_ways(list: &[u8]) -> Option<Cmcd> {
    let query = format!("a=b&CMCD={}", percent_encode(list, NON_ALPHANUMERIC));
    let said = Cmcd::said(&query, std::iter::empty());
    let header = Cmcd::said("", [("cmcd-status", list)].into_iter());
    // A query is bounded as it is written, a header as it is.
    assert!(said == header || list.len() > 4096);
    said
}

fn within_bounds(said: &Cmcd) {
    let length = said.sid.map_or(1, |sid| sid.as_bytes().len());
    assert!((1..=64).contains(&length));
    assert!(said.buffer.unwrap_or_default() <= Duration::from_secs(3600));
    assert!(
        said.throughput
            .is_none_or(|rate| (1000..=100_000_000_000).contains(&rate))
    );
    assert!(
        said.bitrate
            .is_none_or(|rate| (1000..=1_000_000_000).contains(&rate))
    );
}
