//! Runs the fuzz targets' bodies on stable, with inputs near enough to the formats to get past the first check.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use proptest::prelude::*;
use proptest::sample::select;

/// Strings of a format's own words between arbitrary ones.
fn soup(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => "\\PC{0,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

const PATHS: &[&str] = &[
    "/", "a", "vod", ".", "..", "%2e", "%2f", "%5c", "%00", "%C0%AF", "%", "%25", "init", ".mp4",
    ".m3u8", "+", ";", "é",
];
const RANGES: &[&str] = &[
    "bytes=",
    "0",
    "1",
    "9",
    "500",
    "-",
    ",",
    " ",
    "18446744073709551615",
    "99999999999999999999",
    "items=",
];
const HLS: &[&str] = &[
    "#EXTM3U\n",
    "#EXT-X-TARGETDURATION:",
    "6",
    "1e400",
    "\n",
    "\r\n",
    "#EXT-X-ENDLIST",
    "#EXTINF:6,\n",
    "a.ts\n",
    "#EXT-X-STREAM-INF:",
    "#EXT-X-MEDIA:",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    "\u{feff}",
    "\0",
];
const MPD: &[&str] = &[
    "<MPD",
    " type='dynamic'",
    " type=\"static\"",
    " minimumUpdatePeriod='PT2S'",
    " minimumUpdatePeriod='P9Y1e400S'",
    ">",
    "/>",
    "<?xml version='1.0'?>",
    "<!--",
    "-->",
    "<!DOCTYPE a [",
    "<![CDATA[",
    "]]>",
    "&amp;",
    "&a;",
    "\u{feff}",
    "\n",
];
const TOML: &[&str] = &[
    "[cache]\n",
    "[server]\n",
    "[storage.a]\n",
    "[storage.b]\n",
    "[[route]]\n",
    "[freshness.key]\n",
    "memory = ",
    "block = ",
    "run = ",
    "listen = ",
    "kind = ",
    "path = ",
    "storage = ",
    "bucket = ",
    "prefix = ",
    "fresh = ",
    "level = ",
    "\"memory\"\n",
    "\"directory\"\n",
    "\"s3\"\n",
    "\"/a\"\n",
    "\"a\"\n",
    "\"abc\"\n",
    "\"64MiB\"\n",
    "\"10s\"\n",
    "7\n",
    "\"0.0.0.0:80\"\n",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn asset_path(data in soup(PATHS)) {
        bodies::asset_path(&data);
        bodies::asset_path(&[b"/".as_slice(), &data].concat());
    }

    #[test]
    fn range(len in prop_oneof![0u64..1000, any::<u64>()], data in soup(RANGES)) {
        bodies::range(&[len.to_be_bytes().as_slice(), &data].concat());
        bodies::range(&[len.to_be_bytes().as_slice(), b"bytes=", &data].concat());
    }

    #[test]
    fn hls_liveness(data in soup(HLS)) {
        bodies::hls_liveness(&data);
        bodies::hls_liveness(&[b"#EXTM3U\n".as_slice(), &data].concat());
    }

    #[test]
    fn dash_liveness(data in soup(MPD)) {
        bodies::dash_liveness(&data);
    }

    #[test]
    fn config(data in soup(TOML)) {
        bodies::config(&data);
    }
}
