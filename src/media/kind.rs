//! What an asset is, told from its name alone: the kind for headers and metrics, the class for the cache.

use super::{AssetPath, Liveness};

/// What an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An HLS playlist, multivariant or media (RFC 8216).
    HlsPlaylist,
    /// A DASH MPD or MPD patch (ISO/IEC 23009-1).
    DashManifest,
    /// An initialization segment: small, and needed before anything plays.
    Init,
    /// Media itself: a segment, or a whole file that is read in ranges.
    Segment,
    /// Captions or subtitles outside of a media container.
    Subtitle,
    /// A decryption key.
    Key,
    /// A poster or thumbnail.
    Image,
    /// Anything else.
    Other,
}

/// How an asset may be cached: every class has its own freshness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A manifest that is complete.
    Manifest,
    /// A manifest that changes.
    LiveManifest,
    /// Media: named once, never rewritten.
    Segment,
    /// Initialization segments: as media.
    Init,
    /// Decryption keys: never stored by anyone.
    Key,
    /// Everything that may be replaced under its name.
    Other,
}

impl Kind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 8] = [
        Self::HlsPlaylist,
        Self::DashManifest,
        Self::Init,
        Self::Segment,
        Self::Subtitle,
        Self::Key,
        Self::Image,
        Self::Other,
    ];

    /// Tells the kind from extension and file name; case does not matter.
    pub fn of(asset: &AssetPath) -> Self {
        let Some(format) = Format::of(asset) else {
            return Self::Other;
        };
        match format.kind {
            Self::Segment if format.fragmented && is_init(asset.file_name()) => Self::Init,
            kind => kind,
        }
    }

    /// A stable word for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HlsPlaylist => "hls_playlist",
            Self::DashManifest => "dash_manifest",
            Self::Init => "init",
            Self::Segment => "segment",
            Self::Subtitle => "subtitle",
            Self::Key => "key",
            Self::Image => "image",
            Self::Other => "other",
        }
    }

    /// Whether assets of this kind are text: read whole, and compressed. Of [`Kind::Other`] some is text too, and some a
    /// gigabyte: it streams.
    pub fn compressible(self) -> bool {
        matches!(
            self,
            Self::HlsPlaylist | Self::DashManifest | Self::Subtitle
        )
    }

    /// How urgent an asset of this kind is (RFC 9218 section 4.1), `None` where it is as urgent as anything: without a
    /// manifest, an initialization segment or a key nothing plays, without a thumbnail everything does.
    pub fn priority(self) -> Option<&'static str> {
        match self {
            Self::HlsPlaylist | Self::DashManifest | Self::Init | Self::Key => Some("u=1"),
            Self::Subtitle => Some("u=2"),
            Self::Segment | Self::Other => None,
            Self::Image => Some("u=5"),
        }
    }

    /// Whether this is a manifest, whose bytes tell its [`Liveness`].
    pub fn is_manifest(self) -> bool {
        matches!(self, Self::HlsPlaylist | Self::DashManifest)
    }

    /// How to cache an asset of this kind; `liveness` matters for manifests alone.
    ///
    /// Subtitles are no segments: a caption file is corrected in place, under its name, long after release, and an
    /// `immutable` copy in players would keep the mistake. Images are replaced the same way.
    pub fn class(self, liveness: Liveness) -> Class {
        match (self, liveness) {
            (Self::HlsPlaylist | Self::DashManifest, Liveness::Static) => Class::Manifest,
            (Self::HlsPlaylist | Self::DashManifest, Liveness::Live { .. }) => Class::LiveManifest,
            (Self::Segment, _) => Class::Segment,
            (Self::Init, _) => Class::Init,
            (Self::Key, _) => Class::Key,
            (Self::Subtitle | Self::Image | Self::Other, _) => Class::Other,
        }
    }
}

impl Class {
    /// Every class, in declaration order.
    pub const ALL: [Self; 6] = [
        Self::Manifest,
        Self::LiveManifest,
        Self::Segment,
        Self::Init,
        Self::Key,
        Self::Other,
    ];

    /// A stable word for logs, metric labels and the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::LiveManifest => "live_manifest",
            Self::Segment => "segment",
            Self::Init => "init",
            Self::Key => "key",
            Self::Other => "other",
        }
    }
}

/// The media type to send for an asset, told from its name; `application/octet-stream` where the name tells nothing.
pub fn content_type(asset: &AssetPath) -> &'static str {
    match Format::of(asset) {
        // An initialization segment is a complete (if empty) MP4 file whatever it is called, unlike what follows it.
        Some(format) if format.mime == M4S && Kind::of(asset) == Kind::Init => "video/mp4",
        Some(format) => format.mime,
        None => "application/octet-stream",
    }
}

/// Media segments of the ISO format. Both this and `video/mp4` are in use; players (AVPlayer, ExoPlayer, hls.js,
/// Shaka, dash.js) take codecs from the manifest and ignore the type of a segment, and CDNs treat both as opaque
/// media. This one is registered for exactly these files (ISO/IEC 23009-1), it is what mime-db, Apache and Debian map
/// `.m4s` to, and it claims neither that the bytes are a playable file nor that they are video: audio segments are
/// called `.m4s` too.
const M4S: &str = "video/iso.segment";

/// The longest extension below, and some.
const LONGEST_EXTENSION: usize = 8;

/// What an extension stands for.
struct Format {
    kind: Kind,
    mime: &'static str,
    /// ISO base media, so that a file may be an initialization segment.
    fragmented: bool,
}

impl Format {
    fn of(asset: &AssetPath) -> Option<Self> {
        let written = asset.extension()?.as_bytes();
        let mut lower = [0; LONGEST_EXTENSION];
        // Longer than every known extension: nothing to look up.
        let extension = lower.get_mut(..written.len())?;
        extension.copy_from_slice(written);
        extension.make_ascii_lowercase();
        let plain = |kind, mime| {
            Some(Self {
                kind,
                mime,
                fragmented: false,
            })
        };
        let iso = |mime| {
            Some(Self {
                kind: Kind::Segment,
                mime,
                fragmented: true,
            })
        };
        match std::str::from_utf8(extension).ok()? {
            "m3u8" | "m3u" => plain(Kind::HlsPlaylist, "application/vnd.apple.mpegurl"),
            "mpd" => plain(Kind::DashManifest, "application/dash+xml"),
            "mpp" => plain(Kind::DashManifest, "application/dash-patch+xml"),
            "m4s" => iso(M4S),
            "mp4" | "m4v" | "cmfv" => iso("video/mp4"),
            "m4a" | "cmfa" => iso("audio/mp4"),
            // CMAF text and metadata tracks, and headers of any track.
            "cmft" | "cmfm" => iso("application/mp4"),
            "cmfi" => Some(Self {
                kind: Kind::Init,
                mime: "video/mp4",
                fragmented: true,
            }),
            "ts" | "m2ts" => plain(Kind::Segment, "video/mp2t"),
            "webm" => plain(Kind::Segment, "video/webm"),
            "aac" => plain(Kind::Segment, "audio/aac"),
            "ac3" => plain(Kind::Segment, "audio/ac3"),
            "ec3" => plain(Kind::Segment, "audio/eac3"),
            "mp3" => plain(Kind::Segment, "audio/mpeg"),
            "vtt" | "webvtt" => plain(Kind::Subtitle, "text/vtt"),
            "ttml" | "dfxp" => plain(Kind::Subtitle, "application/ttml+xml"),
            "srt" => plain(Kind::Subtitle, "application/x-subrip"),
            "key" => plain(Kind::Key, "application/octet-stream"),
            "jpg" | "jpeg" => plain(Kind::Image, "image/jpeg"),
            "png" => plain(Kind::Image, "image/png"),
            "webp" => plain(Kind::Image, "image/webp"),
            "avif" => plain(Kind::Image, "image/avif"),
            "gif" => plain(Kind::Image, "image/gif"),
            "html" | "htm" => plain(Kind::Other, "text/html; charset=utf-8"),
            "css" => plain(Kind::Other, "text/css; charset=utf-8"),
            "js" | "mjs" => plain(Kind::Other, "text/javascript; charset=utf-8"),
            "json" => plain(Kind::Other, "application/json"),
            "xml" => plain(Kind::Other, "application/xml"),
            "txt" => plain(Kind::Other, "text/plain; charset=utf-8"),
            _ => None,
        }
    }
}

/// Whether a file name says "initialization segment": `init` that no letter follows, as in `init.mp4`, `init-0.m4s`,
/// `video_init.mp4`, `stream-init.0.mp4`; `initial-scene.mp4` is media.
fn is_init(file_name: &str) -> bool {
    const WORD: &[u8] = b"init";
    let is_word = |(at, four): (usize, &[u8])| {
        let after = || file_name[at + WORD.len()..].chars().next();
        four.eq_ignore_ascii_case(WORD) && after().is_none_or(|next| !next.is_alphabetic())
    };
    let mut fours = file_name.as_bytes().windows(WORD.len()).enumerate();
    fours.any(is_word)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn asset(path: &str) -> AssetPath {
        AssetPath::from_decoded(path).unwrap()
    }

    #[test]
    fn names_tell_kind_and_type() {
        use Kind as K;
        for (path, kind, mime) in [
            (
                "a/master.m3u8",
                K::HlsPlaylist,
                "application/vnd.apple.mpegurl",
            ),
            (
                "a/MASTER.M3U8",
                K::HlsPlaylist,
                "application/vnd.apple.mpegurl",
            ),
            ("a/stream.mpd", K::DashManifest, "application/dash+xml"),
            (
                "a/stream.mpp",
                K::DashManifest,
                "application/dash-patch+xml",
            ),
            ("a/seg-1.m4s", K::Segment, "video/iso.segment"),
            ("a/seg-1.ts", K::Segment, "video/mp2t"),
            ("a/movie.mp4", K::Segment, "video/mp4"),
            ("a/movie.m4v", K::Segment, "video/mp4"),
            ("a/initial-scene.mp4", K::Segment, "video/mp4"),
            ("init/movie.mp4", K::Segment, "video/mp4"),
            ("a/init.mp4", K::Init, "video/mp4"),
            ("a/init-stream0.m4s", K::Init, "video/mp4"),
            ("a/init_1.cmfv", K::Init, "video/mp4"),
            ("a/video_Init.MP4", K::Init, "video/mp4"),
            ("a/audioinit.m4a", K::Init, "audio/mp4"),
            ("a/stream-init.0.mp4", K::Init, "video/mp4"),
            ("a/v.cmfi", K::Init, "video/mp4"),
            ("a/a.cmfa", K::Segment, "audio/mp4"),
            ("a/a.m4a", K::Segment, "audio/mp4"),
            ("a/a.ec3", K::Segment, "audio/eac3"),
            ("a/en.vtt", K::Subtitle, "text/vtt"),
            ("a/en.srt", K::Subtitle, "application/x-subrip"),
            ("a/init.vtt", K::Subtitle, "text/vtt"),
            ("a/1.key", K::Key, "application/octet-stream"),
            ("a/poster.jpg", K::Image, "image/jpeg"),
            ("a/index.html", K::Other, "text/html; charset=utf-8"),
            ("a/m3u8", K::Other, "application/octet-stream"),
            ("a/b.unheardof", K::Other, "application/octet-stream"),
        ] {
            assert_eq!(Kind::of(&asset(path)), kind, "{path}");
            assert_eq!(content_type(&asset(path)), mime, "{path}");
        }
    }

    #[test]
    fn liveness_matters_for_manifests_alone() {
        let live = Liveness::Live { refresh: None };
        for kind in Kind::ALL {
            let (at_rest, moving) = (kind.class(Liveness::Static), kind.class(live));
            assert_eq!(at_rest != moving, kind.is_manifest(), "{kind:?}");
        }
        assert_eq!(Kind::HlsPlaylist.class(live), Class::LiveManifest);
        assert_eq!(Kind::DashManifest.class(Liveness::Static), Class::Manifest);
        assert_eq!(Kind::Subtitle.class(Liveness::Static), Class::Other);
    }

    #[test]
    fn words_are_distinct() {
        assert_eq!(
            Kind::ALL
                .map(Kind::as_str)
                .iter()
                .collect::<HashSet<_>>()
                .len(),
            Kind::ALL.len()
        );
        assert_eq!(
            Class::ALL
                .map(Class::as_str)
                .iter()
                .collect::<HashSet<_>>()
                .len(),
            Class::ALL.len()
        );
    }

    proptest! {
        #[test]
        fn every_name_has_a_kind_and_a_type(path in "[a-zA-Z0-9._é-]{1,12}(/[a-zA-Z0-9._é-]{1,12}){0,2}") {
            if let Ok(asset) = AssetPath::from_decoded(&path) {
                let kind = Kind::of(&asset);
                prop_assert!(Kind::ALL.contains(&kind));
            }
        }
    }
}
