//! The demo title in Chromium over HTTP/2 and HTTP/3: another implementation of either, and a player's habits on top.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use x509_parser::pem::parse_x509_pem;

use super::LENGTH;
use super::process::programs;
use super::process::site::{NAME, Site};

/// A page that plays the title to its end, faster than life.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<video id="video" muted playsinline width="640"></video><script src="/shaka.js"></script><script>
const video = document.getElementById("video");
const player = new shaka.Player();
shaka.polyfill.installAll();
window.played = new Promise((done) => {
  const end = (fatal) => done({ ended: video.ended, duration: video.duration, fatal });
  player.addEventListener("error", ({ detail }) => end(`${detail.category} ${detail.code}`));
  video.addEventListener("ended", () => end(null));
  (async () => {
    await player.attach(video);
    await player.load("/master.m3u8");
    video.playbackRate = 6;
    await video.play();
  })().catch((error) => end(`${error.message ?? error.code}`));
});
</script>"#;

/// Fetched beside the player, each byte compared.
const FETCHED: [&str; 4] = [
    "/large.m4s",
    "/small.m4s",
    "/v240/seg-1.m4s",
    "/v720/seg-3.m4s",
];

#[test]
fn a_title_plays_over_http2() {
    plays("h2", &["h2", "http/1.1"]);
}

#[test]
fn a_title_plays_over_http3() {
    plays("h3", &["h3", "h2", "http/1.1"]);
}

/// HTTP/3 is forced: with a certificate that no authority it knows has signed, Chromium follows no Alt-Svc.
fn plays(by: &str, protocols: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let site = Site::over(protocols, |media| {
        copy(&root.join("src/demo/title"), media);
        let shaka = programs::modules().join("shaka-player/dist/shaka-player.compiled.js");
        std::fs::copy(shaka, media.join("shaka.js")).unwrap();
        std::fs::write(media.join("page.html"), PAGE).unwrap();
        std::fs::write(media.join("small.m4s"), vec![7; 1000]).unwrap();
        let large: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
        std::fs::write(media.join("large.m4s"), large).unwrap();
    });
    let task = json!({
        "url": site.url("/page.html"), "name": NAME, "spki": spki(&site), "h3": by == "h3", "fetches": FETCHED,
    });
    let outcome = programs::browse("protocols.mjs", task);
    println!("{outcome}");
    assert_eq!(outcome["errors"], json!([]), "{outcome}");
    assert_eq!(
        (&outcome["fatal"], &outcome["ended"]),
        (&Value::Null, &json!(true)),
        "{outcome}"
    );
    assert!(
        (outcome["duration"].as_f64().unwrap() - LENGTH).abs() < 0.1,
        "{outcome}"
    );
    let spoken = outcome["spoken"].as_object().unwrap();
    assert!(spoken.len() > 20, "{outcome}");
    for (path, spoken) in spoken {
        assert_eq!(spoken, by, "{path}: {outcome}");
    }
    for path in FETCHED {
        let sum = digest(&SHA256, &site.bytes(&path[1..]));
        assert_eq!(outcome["sums"][path], hex::encode(sum.as_ref()), "{path}");
    }
    let security = &outcome["security"];
    // The first that caudal takes, and a browser that has it.
    assert_eq!(security["keyExchangeGroup"], "X25519MLKEM768", "{security}");
    for line in site.caudal.stop() {
        assert!(matches!(line["status"].as_u64(), Some(200 | 206)), "{line}");
    }
}

/// The SHA-256 of the certificate's public key, as the browser wants to be told.
fn spki(site: &Site) -> String {
    let pem = std::fs::read(site.file("edge.pem")).unwrap();
    let (_, pem) = parse_x509_pem(&pem).unwrap();
    let certificate = pem.parse_x509().unwrap();
    STANDARD.encode(digest(&SHA256, certificate.public_key().raw))
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(target).unwrap(),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
