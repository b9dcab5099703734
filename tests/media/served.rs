//! What every packaging has to pass.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::process::client::Answer;
use crate::process::{Caudal, programs};
use crate::title::PICTURES;

const MANIFEST: &str =
    "public, max-age=60, s-maxage=3600, stale-while-revalidate=60, stale-if-error=86400";
const FOREVER: &str = "public, max-age=31536000, immutable";
const OTHER: &str = "public, max-age=3600";
const NEVER: &str = "private, no-store";

/// ffmpeg decodes the same from the server as from the folder, and every file comes as it is on disk. Returns what the
/// server logged of ffmpeg. `known` is the one complaint of ffmpeg's that does not count.
pub(crate) fn plays_and_is_the_same(
    folder: &Path,
    manifest: &str,
    known: Option<&str>,
) -> Vec<Value> {
    let caudal = Caudal::serve(folder);
    let frames = |url: &str| programs::frames(url, &["0:v", "0:a"], known);
    let here = frames(folder.join(manifest).to_str().unwrap());
    let there = frames(&caudal.url(&format!("/{manifest}")));
    assert_eq!(there, here);
    let pictures = here.iter().filter(|line| line.starts_with("0,")).count();
    assert_eq!(pictures, PICTURES);
    assert!(here.len() > PICTURES, "there is no sound");
    every_file_is_the_same(&caudal, folder);
    let mut log = caudal.stop();
    for line in &log {
        let path = folder.join(line["path"].as_str().unwrap().trim_start_matches('/'));
        let expected: &[u64] = if path.exists() { &[200, 206] } else { &[404] };
        let status = line["status"].as_u64().unwrap();
        assert!(expected.contains(&status), "{line}");
        assert!(line["cut_by"] != "storage", "{line}");
    }
    log.retain(|line| {
        let agent = line["user_agent"].as_str().unwrap_or_default();
        agent.starts_with("Lavf")
    });
    assert!(log.len() > 1, "ffmpeg asked for next to nothing: {log:?}");
    log
}

/// Every file of the folder: its bytes, whole and in ranges, its media type and how long it may be kept.
pub(crate) fn every_file_is_the_same(caudal: &Caudal, folder: &Path) {
    let mut files = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap();
            is_the_same(caudal, name, &std::fs::read(entry.path()).unwrap());
            files += 1;
        }
    }
    assert!(
        files > 1,
        "there is next to nothing in {}",
        folder.display()
    );
}

fn is_the_same(caudal: &Caudal, name: &str, file: &[u8]) {
    let path = format!("/{name}");
    let answer = caudal.get(&path, &[]);
    assert_eq!(answer.status, 200, "{name}");
    has_the_right_words(&answer, name);
    assert_eq!(answer.header("content-length"), file.len().to_string());
    assert!(answer.body() == file, "{name} is not what is on disk");
    let (len, half) = (file.len(), file.len() / 2);
    for (range, bytes) in [
        ("0-0".to_owned(), 0..1),
        (format!("{half}-"), half..len),
        ("-5".to_owned(), len - 5..len),
        (format!("3-{half}"), 3..half + 1),
    ] {
        let answer = caudal.get(&path, &[("Range", &format!("bytes={range}"))]);
        assert_eq!(answer.status, 206, "{name} {range}");
        has_the_right_words(&answer, name);
        assert_eq!(
            answer.header("content-range"),
            format!("bytes {}-{}/{len}", bytes.start, bytes.end - 1),
            "{name}"
        );
        assert!(answer.body() == file[bytes], "{name} {range}");
    }
}

fn has_the_right_words(answer: &Answer, name: &str) {
    let file_name = name.rsplit('/').next().unwrap();
    let (media_type, cache_control) = match file_name.rsplit('.').next().unwrap() {
        "m3u8" => ("application/vnd.apple.mpegurl", MANIFEST),
        "mpd" => ("application/dash+xml", MANIFEST),
        "ts" => ("video/mp2t", FOREVER),
        "m4s" if file_name.starts_with("init") => ("video/mp4", FOREVER),
        "m4s" => ("video/iso.segment", FOREVER),
        "mp4" => ("video/mp4", FOREVER),
        "vtt" => ("text/vtt", OTHER),
        "key" => ("application/octet-stream", NEVER),
        _ => panic!("what is {name}?"),
    };
    assert_eq!(answer.header("content-type"), media_type, "{name}");
    assert_eq!(answer.header("cache-control"), cache_control, "{name}");
    assert_eq!(answer.header("accept-ranges"), "bytes", "{name}");
    assert_eq!(answer.header("access-control-allow-origin"), "*", "{name}");
}

/// The compressed variant unpacks to the file, and says that it is another entity.
pub(crate) fn is_compressed(caudal: &Caudal, name: &str, file: &[u8]) {
    let path = format!("/{name}");
    let plain = caudal.get(&path, &[]);
    let packed = caudal.get(&path, &[("Accept-Encoding", "gzip")]);
    assert_eq!((plain.status, packed.status), (200, 200), "{name}");
    assert_eq!(packed.header("content-encoding"), "gzip", "{name}");
    assert_eq!(plain.header("content-encoding"), "", "{name}");
    for answer in [&plain, &packed] {
        assert_eq!(answer.header("vary"), "Accept-Encoding", "{name}");
    }
    assert_ne!(plain.header("etag"), packed.header("etag"), "{name}");
    let packed = packed.body();
    assert!(packed.len() < file.len(), "{name}");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(
        unpacked == file,
        "{name} does not unpack to what is on disk"
    );
}
