//! HLS playlists (RFC 8216), read for what the cache needs to know and for nothing else.
//!
//! One scan over the lines, without a parser: a playlist may be anything that someone uploaded, and every byte is read
//! at most once, whatever it says.

use super::Liveness;

/// A longer number is no duration that anyone measured.
const MAX_NUMBER_BYTES: usize = 32;

/// Whether a playlist can still change. Takes time linear in its length, allocates nothing, never panics.
///
/// Static are multivariant playlists, media playlists with `EXT-X-ENDLIST`, and those that declare
/// `EXT-X-PLAYLIST-TYPE:VOD` (RFC 8216 §4.3.3.5: such a playlist does not change). Everything else is live, what is
/// no playlist included; see [`Liveness::Live`].
pub fn liveness(playlist: &[u8]) -> Liveness {
    let playlist = playlist.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(playlist);
    let mut lines = playlist
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    if lines.next() != Some(b"#EXTM3U") {
        return Liveness::live(None);
    }
    let (mut multivariant, mut media, mut target) = (false, false, None);
    for line in lines {
        match Tag::of(line) {
            Some(Tag::Complete) => return Liveness::Static,
            Some(Tag::Multivariant) => multivariant = true,
            Some(Tag::TargetDuration(value)) => {
                media = true;
                target = target.or_else(|| seconds(value));
            }
            Some(Tag::Segment) => media = true,
            None => {}
        }
    }
    // A playlist with tags of both sorts is broken (RFC 8216 §4.1); its segments are what a player would act on.
    if multivariant && !media {
        Liveness::Static
    } else {
        Liveness::live(target)
    }
}

/// The tags that decide.
enum Tag<'a> {
    Complete,
    Multivariant,
    Segment,
    TargetDuration(&'a [u8]),
}

impl<'a> Tag<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        let tag = line.strip_prefix(b"#EXT")?;
        match tag {
            b"-X-ENDLIST" => return Some(Self::Complete),
            b"-X-PLAYLIST-TYPE:VOD" => return Some(Self::Complete),
            _ => {}
        }
        let starts = |name: &[u8]| tag.starts_with(name);
        if starts(b"INF:") {
            Some(Self::Segment)
        } else if starts(b"-X-STREAM-INF:")
            || starts(b"-X-I-FRAME-STREAM-INF:")
            || starts(b"-X-MEDIA:")
        {
            Some(Self::Multivariant)
        } else {
            tag.strip_prefix(b"-X-TARGETDURATION:")
                .map(Self::TargetDuration)
        }
    }
}

/// A number of seconds. RFC 8216 §4.3.3.1 asks for an integer; packagers write fractions too.
fn seconds(value: &[u8]) -> Option<f64> {
    let value = value.trim_ascii();
    if value.len() > MAX_NUMBER_BYTES {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn live(seconds: u64) -> Liveness {
        Liveness::Live {
            refresh: Some(Duration::from_secs(seconds)),
        }
    }

    const UNKNOWN: Liveness = Liveness::Live { refresh: None };

    #[test]
    fn the_authors_promise_decides() {
        for (playlist, expected) in [
            (
                "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST\n",
                Liveness::Static,
            ),
            (
                "#EXTM3U\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-ENDLIST",
                Liveness::Static,
            ),
            (
                "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGETDURATION:6\n",
                Liveness::Static,
            ),
            (
                "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-TARGETDURATION:6\n",
                live(6),
            ),
            (
                "\u{feff}#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n",
                live(6),
            ),
            (
                "#EXTM3U \n#EXT-X-TARGETDURATION: 4 \n#EXTINF:4,\na.ts\n",
                live(4),
            ),
            (
                "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n",
                Liveness::Static,
            ),
            (
                "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"\n",
                Liveness::Static,
            ),
            (
                "#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:URI=\"a\"\n",
                Liveness::Static,
            ),
            (
                "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:7\n",
                live(6),
            ),
            (
                "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA:TYPE=AUDIO\n",
                live(6),
            ),
            ("#EXTM3U\n#EXTINF:6,#EXT-X-ENDLIST\na.ts\n", UNKNOWN),
            ("#EXTM3U\n#EXT-X-ENDLISTED\n", UNKNOWN),
        ] {
            assert_eq!(liveness(playlist.as_bytes()), expected, "{playlist}");
        }
    }

    #[test]
    fn what_does_not_parse_is_live() {
        for playlist in [
            "",
            "\n",
            "<html>",
            "#EXTINF:6,\na.ts\n#EXT-X-ENDLIST",
            "#EXTM3U",
            "EXTM3U\n",
        ] {
            assert_eq!(liveness(playlist.as_bytes()), UNKNOWN, "{playlist}");
        }
        for number in [
            "1e400",
            "NaN",
            "inf",
            "-6",
            "0",
            "",
            "six",
            "\u{0}6",
            &"9".repeat(400),
        ] {
            let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{number}\n#EXTINF:1,\na.ts");
            assert_eq!(liveness(playlist.as_bytes()), UNKNOWN, "{number}");
        }
        assert_eq!(
            liveness(b"#EXTM3U\n#EXT-X-TARGETDURATION:\xff\xfe\n\0\0\n"),
            UNKNOWN
        );
    }

    #[test]
    fn giants_take_one_scan() {
        let mut giant = b"#EXTM3U\n".to_vec();
        giant.resize(50_000_000, b'x');
        assert_eq!(liveness(&giant), UNKNOWN);
        let mut lines = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n".to_vec();
        lines.extend(b"#EXTINF:2,\n".repeat(1_000_000));
        assert_eq!(liveness(&lines), live(2));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            liveness(&bytes);
            liveness(&[b"#EXTM3U\n".as_slice(), &bytes].concat());
        }
    }
}
