//! One test a packaging.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Caudal, programs};
use crate::served::{is_compressed, plays_and_is_the_same};
use crate::title::{LENGTH, indexed, package_into, packaged, sidx};

const TS: &str = "-f hls -hls_time 2 -hls_playlist_type vod -hls_segment_filename seg-%d.ts";

#[test]
fn hls_of_transport_streams() {
    let folder = packaged(&format!("{TS} -master_pl_name master.m3u8 index.m3u8"));
    let log = plays_and_is_the_same(folder.path(), "master.m3u8", None);
    let paths = paths(&log);
    for path in ["/master.m3u8", "/index.m3u8", "/seg-0.ts", "/seg-2.ts"] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
}

#[test]
fn hls_in_byte_ranges_of_one_file() {
    let folder = packaged(
        "-f hls -hls_time 2 -hls_playlist_type vod -hls_segment_type fmp4 -hls_flags single_file \
         -hls_segment_filename all.mp4 index.m3u8",
    );
    let log = plays_and_is_the_same(folder.path(), "index.m3u8", None);
    let playlist = std::fs::read_to_string(folder.path().join("index.m3u8")).unwrap();
    // The map and three segments, each where the playlist says, asked for and sent as a part.
    let wanted = playlist_ranges(&playlist);
    assert_eq!(wanted.len(), 4, "{playlist}");
    let parts = log.iter().filter(|line| line["path"] == "/all.mp4");
    let got = parts.inspect(|line| assert_eq!(line["status"], 206, "{line}"));
    let got: Vec<_> = got.map(|line| line["range"].as_str().unwrap()).collect();
    assert_eq!(got, wanted);
}

#[test]
fn dash_by_number() {
    let folder = packaged("-f dash -seg_duration 2 -use_template 1 -use_timeline 0 manifest.mpd");
    let mpd = std::fs::read_to_string(folder.path().join("manifest.mpd")).unwrap();
    assert!(mpd.contains("$Number") && !mpd.contains("SegmentTimeline"));
    // ffmpeg counts one segment too many where there is no timeline, and complains that it is not there: of the folder
    // as of the server.
    let known = Some("Error when loading first fragment of playlist");
    plays_and_is_the_same(folder.path(), "manifest.mpd", known);
}

#[test]
fn dash_by_timeline() {
    let folder = packaged("-f dash -seg_duration 2 -use_template 1 -use_timeline 1 manifest.mpd");
    let mpd = std::fs::read_to_string(folder.path().join("manifest.mpd")).unwrap();
    assert!(mpd.contains("<SegmentTimeline>"));
    plays_and_is_the_same(folder.path(), "manifest.mpd", None);
}

#[test]
fn dash_by_an_index_within_the_file() {
    let folder = indexed();
    plays_and_is_the_same(folder.path(), "manifest.mpd", None);
}

#[test]
fn a_browser_plays_dash_by_an_index_within_the_file_in_ranges() {
    let folder = indexed();
    let caudal = Caudal::serve(folder.path());
    let outcome = programs::play("shaka", &caudal.url("/manifest.mpd"), None);
    assert_eq!(outcome["fatal"], Value::Null, "{outcome}");
    assert_eq!(outcome["errors"], json!([]), "{outcome}");
    assert_eq!(outcome["ended"], true, "{outcome}");
    let log = caudal.stop();
    for file in ["video.mp4", "audio.mp4"] {
        let index = sidx(&std::fs::read(folder.path().join(file)).unwrap());
        let path = format!("/{file}");
        let parts: Vec<_> = log.iter().filter(|line| line["path"] == *path).collect();
        // The index, the head, three segments.
        assert!(parts.len() >= 5, "{parts:?}");
        assert!(parts.iter().all(|line| line["status"] == 206), "{parts:?}");
        let range = format!("bytes={}-{}", index.start, index.end - 1);
        assert!(
            parts.iter().any(|line| line["range"] == *range),
            "{parts:?}"
        );
    }
}

#[test]
fn hls_with_subtitles() {
    let folder = packaged(&format!("{TS} index.m3u8"));
    let (root, captions) = (folder.path(), captions());
    std::fs::create_dir(root.join("subs")).unwrap();
    std::fs::write(root.join("subs/en.vtt"), &captions).unwrap();
    std::fs::write(
        root.join("subs/index.m3u8"),
        format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{LENGTH}\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXTINF:{LENGTH},\nen.vtt\n#EXT-X-ENDLIST\n"
        ),
    )
    .unwrap();
    std::fs::write(
        root.join("master.m3u8"),
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\",LANGUAGE=\"en\",\
         DEFAULT=YES,AUTOSELECT=YES,URI=\"subs/index.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.42c00c,mp4a.40.2\",SUBTITLES=\"subs\"\nindex.m3u8\n",
    )
    .unwrap();
    plays_and_is_the_same(root, "master.m3u8", None);
    let caudal = Caudal::serve(root);
    let [here, there] = [
        root.join("subs/en.vtt").to_str().unwrap().to_owned(),
        caudal.url("/subs/en.vtt"),
    ]
    .map(|url| programs::captions(&url));
    assert_eq!(there, here);
    assert!(there.contains("caption 60"), "{there}");
    is_compressed(&caudal, "subs/en.vtt", captions.as_bytes());
}

#[test]
fn hls_under_aes_128() {
    const KEY: &[u8; 16] = b"sixteen octets!!";
    let folder = crate::title::folder();
    std::fs::write(folder.path().join("title.key"), KEY).unwrap();
    // The key's address, the file it is in, the initialization vector.
    std::fs::write(
        folder.path().join("key.txt"),
        "title.key\ntitle.key\n000102030405060708090a0b0c0d0e0f\n",
    )
    .unwrap();
    package_into(
        &folder,
        &format!("{TS} -hls_key_info_file key.txt index.m3u8"),
    );
    std::fs::remove_file(folder.path().join("key.txt")).unwrap();
    let playlist = std::fs::read_to_string(folder.path().join("index.m3u8")).unwrap();
    assert!(playlist.contains("METHOD=AES-128"), "{playlist}");
    let log = plays_and_is_the_same(folder.path(), "index.m3u8", None);
    assert!(paths(&log).contains(&"/title.key"));
    the_key_is_never_kept(folder.path(), KEY);
}

/// A key that is taken back is gone, and a new one is there, at once.
fn the_key_is_never_kept(folder: &Path, key: &[u8]) {
    let caudal = Caudal::serve(folder);
    for _ in 0..2 {
        let answer = caudal.get("/title.key", &[]);
        assert_eq!(answer.header("cache-control"), "private, no-store");
        assert_eq!(answer.body(), key);
    }
    std::fs::write(folder.join("next.key"), b"another sixteen!").unwrap();
    std::fs::rename(folder.join("next.key"), folder.join("title.key")).unwrap();
    assert_eq!(caudal.get("/title.key", &[]).body(), b"another sixteen!");
}

fn paths(log: &[Value]) -> Vec<&str> {
    log.iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect()
}

/// The byte ranges a playlist names, in order, as a Range header has them.
fn playlist_ranges(playlist: &str) -> Vec<String> {
    let named = playlist.lines().filter_map(|line| {
        let (_, range) = line.split_once("BYTERANGE")?;
        let (len, start) = range.trim_matches([':', '=', '"']).split_once('@')?;
        let (len, start): (u64, u64) = (len.parse().unwrap(), start.parse().unwrap());
        Some(format!("bytes={start}-{}", start + len - 1))
    });
    named.collect()
}

/// Sixty captions, enough to be worth compressing.
fn captions() -> String {
    let mut text = String::from("WEBVTT\n\n");
    for n in 1..=60 {
        let millis = |n: usize| format!("00:00:0{}.{:03}", n / 10, n % 10 * 100);
        let (from, to) = (millis(n - 1), millis(n));
        text.push_str(&format!(
            "{from} --> {to}\nThis is caption {n} of sixty.\n\n"
        ));
    }
    text
}
