//! The demo title in the hands of real players: those of the player page, another one from another origin, and ffmpeg.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::path::Path;

use serde_json::{Value, json};

use process::{Caudal, client, programs};

#[path = "../process/mod.rs"]
mod process;
mod protected;
mod protocols;

/// Length of the demo title, in seconds, and its frames a second.
const LENGTH: f64 = 30.0;
const RATE: usize = 25;

/// The first frame's time as a viewer would have it, in milliseconds.
const STARTUP: f64 = 2000.0;

#[test]
fn the_player_page_plays_hls_to_its_end() {
    page_plays("hls");
}

#[test]
fn the_player_page_plays_dash_to_its_end() {
    page_plays("dash");
}

#[test]
fn shaka_plays_hls_from_another_origin_to_its_end() {
    shaka_plays("/demo/master.m3u8");
}

#[test]
fn shaka_plays_dash_from_another_origin_to_its_end() {
    shaka_plays("/demo/manifest.mpd");
}

#[test]
fn ffmpeg_decodes_every_frame_of_every_rendition() {
    let caudal = Caudal::demo();
    let manifests = ["/demo/master.m3u8", "/demo/manifest.mpd"];
    let [hls, dash] = manifests.map(|manifest| {
        let url = caudal.url(manifest);
        assert_eq!(programs::duration(&url), LENGTH, "{manifest}");
        // One at a time: of several, ffmpeg drops the last pictures of DASH when the first ends.
        let mut renditions = ["0:v:0", "0:v:1", "0:v:2"].map(|stream| {
            let frames = programs::frames(&url, &[stream], None);
            assert_eq!(frames.len(), LENGTH as usize * RATE, "{manifest} {stream}");
            let sums = frames
                .iter()
                .map(|line| line.rsplit(", ").next().unwrap().to_owned());
            sums.collect::<Vec<_>>()
        });
        // Each manifest names them in an order of its own.
        renditions.sort();
        renditions
    });
    // One set of segments behind both.
    assert_eq!(hls, dash);
}

#[test]
fn the_page_carries_the_published_libraries() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = programs::modules();
    for (carried, published) in [
        ("hls.min.js", "hls.js/dist/hls.min.js"),
        ("dash.all.min.js", "dashjs/dist/modern/umd/dash.all.min.js"),
    ] {
        let carried = root.join("src/admin/player/vendor").join(carried);
        let same =
            std::fs::read(&carried).unwrap() == std::fs::read(modules.join(published)).unwrap();
        assert!(
            same,
            "{} is not {published} of the version in tests/players/package.json",
            carried.display()
        );
    }
}

fn page_plays(engine: &str) {
    let caudal = Caudal::demo();
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    let screenshot = screenshots.join(format!("player-{engine}.png"));
    let url = format!("http://{}/player/?engine={engine}", caudal.admin);
    judge(&programs::play("page", &url, Some(&screenshot)));
    assert!(std::fs::metadata(&screenshot).unwrap().len() > 10_000);
    playback_was_told(&caudal);
    answers_were_good(caudal);
}

/// What the player has said of its playback is on `/metrics` (CMCD).
fn playback_was_told(caudal: &Caudal) {
    let metrics = client::get(caudal.admin, "/metrics", &[]).text();
    let number = |name: &str| {
        let series = format!("caudal_cmcd_{name}{{route=\"/demo/\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        let line = line.unwrap_or_else(|| panic!("no {series}in\n{metrics}"));
        line.parse::<f64>().unwrap()
    };
    // Eight segments of picture and of sound, and manifests.
    assert!(number("requests_total") > 16.0, "{metrics}");
    assert_eq!(number("startup_seconds_count"), 1.0, "{metrics}");
    let startup = number("startup_seconds_sum");
    assert!(startup > 0.0 && startup < STARTUP / 1000.0, "{startup}");
    for said in ["buffer_seconds", "throughput_bits_per_second"] {
        assert!(number(&format!("{said}_count")) > 8.0, "{said}:\n{metrics}");
    }
    // The picture's alone, within the title's ladder.
    let pictures = number("bitrate_bits_per_second_count");
    assert!(pictures >= 8.0, "{metrics}");
    let bitrate = number("bitrate_bits_per_second_sum") / pictures;
    assert!((100e3..5e6).contains(&bitrate), "{bitrate}");
}

fn shaka_plays(manifest: &str) {
    let caudal = Caudal::demo();
    judge(&programs::play("shaka", &caudal.url(manifest), None));
    answers_were_good(caudal);
}

/// What a viewer would say of it.
fn judge(outcome: &Value) {
    println!("{outcome}");
    let number = |name: &str| outcome[name].as_f64().unwrap();
    assert_eq!(outcome["fatal"], Value::Null, "{outcome}");
    assert_eq!(outcome["errors"], json!([]), "{outcome}");
    assert_eq!(outcome["violations"], json!([]), "{outcome}");
    assert_eq!(outcome["renditions"], 3, "{outcome}");
    assert!(number("startupMs") < STARTUP, "{outcome}");
    assert!((number("duration") - LENGTH).abs() < 0.1, "{outcome}");
    // At its own pace, without stalls, before anything is asked of it.
    assert!((0.7..1.3).contains(&number("pace")), "{outcome}");
    assert_eq!(outcome["places"].as_array().unwrap().len(), 3, "{outcome}");
    // To the end without leaving anything out. Segments are four seconds long.
    assert!(number("leap") < 1.0, "{outcome}");
    assert_eq!(outcome["ended"], true, "{outcome}");
    assert!((number("endedAt") - LENGTH).abs() < 0.1, "{outcome}");
}

/// Nothing went wrong that a player hides by trying again. A seek may make an answer useless halfway.
fn answers_were_good(caudal: Caudal) {
    let log = caudal.stop();
    let paths: Vec<_> = log
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    for number in 1..=8 {
        let segment = format!("/seg-{number}.m4s");
        let of_it = paths.iter().filter(|path| path.ends_with(&segment));
        assert!(
            of_it.count() >= 2,
            "picture and sound of {segment}: {paths:?}"
        );
    }
    for line in &log {
        assert!(matches!(line["status"].as_u64(), Some(200 | 206)), "{line}");
        assert!(line["cut_by"] != "storage", "{line}");
    }
}
