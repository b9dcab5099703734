//! Manifests as packagers write them, and an independent reader as witness.

use std::fs;
use std::path::Path;
use std::time::Duration;

use caudal::media::{AssetPath, Kind, Liveness, hls};
use m3u8_rs::{MediaPlaylistType, Playlist};
use proptest::prelude::*;

/// `NAME.static.EXT` is complete, `NAME.live-2s.EXT` changes every two seconds, `NAME.live.EXT` does not say how often.
#[test]
fn real_manifests_have_the_liveness_of_their_name() {
    let mut cases = 0;
    for folder in ["tests/golden/hls", "tests/golden/dash"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let kind = Kind::of(&AssetPath::from_decoded(name).unwrap());
            let liveness = Liveness::of(kind, &fs::read(&path).unwrap());
            let expected = match name.split('.').nth(1).unwrap() {
                "static" => Liveness::Static,
                "live" => Liveness::Live { refresh: None },
                live => {
                    let seconds = live
                        .trim_start_matches("live-")
                        .trim_end_matches('s')
                        .parse()
                        .unwrap();
                    Liveness::Live {
                        refresh: Some(Duration::from_secs(seconds)),
                    }
                }
            };
            assert_eq!(liveness, expected, "{name}");
            if kind == Kind::HlsPlaylist {
                assert_eq!(
                    witness(&fs::read(&path).unwrap()),
                    Some(expected),
                    "m3u8-rs on {name}"
                );
            }
            cases += 1;
        }
    }
    assert!(cases >= 10, "only {cases} cases found");
}

/// What m3u8-rs makes of a playlist; `None` where it cannot read it.
fn witness(playlist: &[u8]) -> Option<Liveness> {
    match m3u8_rs::parse_playlist_res(playlist).ok()? {
        Playlist::MasterPlaylist(_) => Some(Liveness::Static),
        Playlist::MediaPlaylist(media) => {
            let complete = media.end_list || media.playlist_type == Some(MediaPlaylistType::Vod);
            let target = Duration::from_secs(media.target_duration);
            let refresh = Some(target).filter(|target| !target.is_zero());
            Some(if complete {
                Liveness::Static
            } else {
                Liveness::Live { refresh }
            })
        }
    }
}

fn media_playlist() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        Just(""),
        Just("#EXT-X-PLAYLIST-TYPE:VOD\n"),
        Just("#EXT-X-PLAYLIST-TYPE:EVENT\n")
    ];
    let newline = prop_oneof![Just("\n"), Just("\r\n")];
    (1u64..3600, kind, 1usize..20, any::<bool>(), newline).prop_map(
        |(target, kind, segments, ended, newline)| {
            let mut text =
                format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n{kind}");
            text.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
            for segment in 0..segments {
                text.push_str(&format!("#EXTINF:{target}.000,\nseg-{segment}.m4s\n"));
            }
            if ended {
                text.push_str("#EXT-X-ENDLIST\n");
            }
            text.replace('\n', newline)
        },
    )
}

fn multivariant_playlist() -> impl Strategy<Value = String> {
    (1usize..6, any::<bool>()).prop_map(|(variants, audio)| {
        let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n".to_owned();
        if audio {
            text.push_str("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",URI=\"a.m3u8\"\n");
        }
        for variant in 0..variants {
            text.push_str(&format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={variant}000\nv{variant}.m3u8\n"
            ));
        }
        text
    })
}

proptest! {
    #[test]
    fn an_independent_reader_agrees(playlist in prop_oneof![media_playlist(), multivariant_playlist()]) {
        prop_assert_eq!(Some(hls::liveness(playlist.as_bytes())), witness(playlist.as_bytes()));
    }
}
