//! A title behind tokens in the hands of real players: each carrier to the end, refused without, stopped when the token
//! is taken back.

use std::path::Path;

use caudal::access::token::jwt::{Algorithm, Jwt, KeySettings, Material, Settings};
use caudal::access::{Secret, prefix};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::LENGTH;
use super::process::{Caudal, free_port, programs};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const HLS: &str = "/vod/t1/master.m3u8";
const DASH: &str = "/vod/t1/manifest.mpd";

/// How much faster than life a title is played where nothing has to happen meanwhile.
const HURRY: f64 = 6.0;

#[test]
fn a_token_before_the_path_reaches_every_segment() {
    for (engine, manifest) in [
        ("hls", HLS),
        ("shaka", HLS),
        ("shaka", DASH),
        ("dash", DASH),
    ] {
        let house = House::build("");
        let url = prefix::join(&house.token("play-1"), manifest);
        let outcome = house.watch(&Scene::new(engine, "url"), &[&url]);
        house.was_seen_to_its_end(&outcome[0]);
    }
}

#[test]
fn a_header_of_the_player_is_on_every_request() {
    for (engine, manifest) in [("hls", HLS), ("shaka", HLS), ("dash", DASH)] {
        let house = House::build("");
        let outcome = house.watch(&Scene::new(engine, "header"), &[manifest]);
        house.was_seen_to_its_end(&outcome[0]);
    }
}

#[test]
fn a_playlists_cookie_opens_its_segments() {
    for (engine, manifest) in [("hls", HLS), ("shaka", HLS), ("dash", DASH)] {
        let port = free_port();
        let origin = format!("[cors]\norigin = \"http://127.0.0.1:{port}\"\ncredentials = true\n");
        let house = House::build(&origin);
        let url = format!("{manifest}?token={}", house.token("play-1"));
        let scene = Scene {
            port,
            ..Scene::new(engine, "cookie")
        };
        let outcome = house.watch(&scene, &[&url]);
        house.was_seen_to_its_end(&outcome[0]);
    }
}

#[test]
fn a_playlist_can_hand_its_own_query_on() {
    for (engine, manifest) in [("hls", HLS), ("dash", DASH)] {
        let house = House::of("", &handing_on());
        let url = format!("{manifest}?token={}", house.token("play-1"));
        let outcome = house.watch(&Scene::new(engine, "url"), &[&url]);
        house.was_seen_to_its_end(&outcome[0]);
    }
}

#[test]
fn without_a_token_a_player_is_told_401() {
    for (engine, manifest) in [("hls", HLS), ("shaka", HLS), ("dash", DASH)] {
        let house = House::build("");
        let outcome = house.watch(&Scene::new(engine, "url"), &[manifest]);
        assert_eq!(outcome[0]["fatal"]["status"], 401, "{engine}: {outcome}");
        assert_eq!(outcome[0]["at"], 0.0, "{engine}: {outcome}");
        assert_eq!(statuses(&outcome[0]), ["401"], "{engine}: {outcome}");
    }
}

#[test]
fn a_player_is_stopped_when_its_token_is_taken_back() {
    for engine in ["hls", "shaka"] {
        let mut house = House::build("");
        let url = prefix::join(&house.token("play-1"), HLS);
        let scene = Scene {
            rate: 2.0,
            ..Scene::new(engine, "url")
        };
        let task = house.task(&scene, &[&url]);
        let outcome = std::thread::scope(|scope| {
            let playing = scope.spawn(|| programs::browse("viewers.mjs", task));
            let is_second = |line: &Value| line["path"].as_str().unwrap().ends_with("/seg-2.m4s");
            house.caudal.logged(is_second);
            let list = house.folder.path().join("revoked.txt");
            std::fs::write(list, "token play-1\n").unwrap();
            playing.join().unwrap()
        });
        let outcome = &outcome[0];
        assert_eq!(outcome["fatal"]["status"], 403, "{engine}: {outcome}");
        assert_eq!(outcome["ended"], false, "{engine}: {outcome}");
        assert_eq!(statuses(outcome), ["200", "403"], "{engine}: {outcome}");
        let at = outcome["at"].as_f64().unwrap();
        assert!((1.0..LENGTH - 8.0).contains(&at), "{engine}: {outcome}");
        house.log_of_no_token();
    }
}

#[test]
fn a_second_stream_of_one_viewer_is_refused_and_the_first_goes_on() {
    for engine in ["hls", "shaka"] {
        let house = House::build("");
        let urls = ["play-1", "play-2"].map(|id| prefix::join(&house.token(id), HLS));
        let scene = Scene {
            rate: 2.0,
            ..Scene::new(engine, "url")
        };
        let outcome = house.watch(&scene, &[&urls[0], &urls[1]]);
        assert_eq!(outcome[1]["fatal"]["status"], 429, "{engine}: {outcome}");
        assert_eq!(outcome[1]["at"], 0.0, "{engine}: {outcome}");
        assert_eq!(statuses(&outcome[1]), ["429"], "{engine}: {outcome}");
        watched_to_the_end(&outcome[0]);
        house.log_of_no_token();
    }
}

/// What is played, and how.
struct Scene {
    engine: &'static str,
    carrier: &'static str,
    rate: f64,
    /// Of the player's page; 0 for any.
    port: u16,
}

impl Scene {
    fn new(engine: &'static str, carrier: &'static str) -> Self {
        Self {
            engine,
            carrier,
            rate: HURRY,
            port: 0,
        }
    }
}

/// A caudal whose one title wants a token; one stream at a time for each viewer.
struct House {
    folder: TempDir,
    caudal: Caudal,
}

impl House {
    /// Of the sample title, with more lines of configuration.
    fn build(more: &str) -> Self {
        Self::of(more, &[])
    }

    /// Of the sample title with other texts in some of its files.
    fn of(more: &str, texts: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        copy(&sample(), &at("films/t1"));
        for (name, text) in texts {
            std::fs::write(at("films/t1").join(name), text).unwrap();
        }
        std::fs::write(at("key"), KEY).unwrap();
        std::fs::write(at("revoked.txt"), "").unwrap();
        let config = CONFIG.replace("FOLDER", folder.path().to_str().unwrap());
        std::fs::write(at("caudal.toml"), format!("{more}{config}")).unwrap();
        let caudal = Caudal::configured(&at("caudal.toml"));
        Self { folder, caudal }
    }

    /// Of one viewer; `id` is the playback's.
    fn token(&self, id: &str) -> String {
        let key = KeySettings {
            name: "k1".to_owned(),
            kid: Some("k1".to_owned()),
            algorithm: Algorithm::Hs256,
            material: Material::Secret(Secret::new(KEY)),
        };
        let settings = Settings {
            keys: vec![key],
            ..Settings::default()
        };
        let claims =
            json!({"sub": "alice", "jti": id, "exp": 4_000_000_000_i64, "path": "/vod/t1/"});
        let format = Jwt::new(settings).unwrap();
        format.mint("k1", &claims.to_string()).unwrap()
    }

    fn task(&self, scene: &Scene, paths: &[&str]) -> Value {
        let urls: Vec<_> = paths.iter().map(|path| self.caudal.url(path)).collect();
        json!({
            "engine": scene.engine,
            "carrier": scene.carrier,
            "rate": scene.rate,
            "port": scene.port,
            "urls": urls,
            "token": self.token("play-1"),
        })
    }

    fn watch(&self, scene: &Scene, paths: &[&str]) -> Value {
        programs::browse("viewers.mjs", self.task(scene, paths))
    }

    /// Everything went well, on both sides.
    fn was_seen_to_its_end(self, outcome: &Value) {
        watched_to_the_end(outcome);
        assert_eq!(statuses(outcome), ["200"], "{outcome}");
        for line in self.log_of_no_token() {
            // A preflight is answered with 204.
            assert!(
                matches!(line["status"].as_u64(), Some(200 | 204 | 206)),
                "{line}"
            );
        }
    }

    /// The access log, in which nothing of a token stands: they all begin alike.
    fn log_of_no_token(self) -> Vec<Value> {
        let log = self.caudal.stop();
        assert!(log.len() > 5, "{log:?}");
        for line in &log {
            assert!(!line.to_string().contains("eyJ"), "{line}");
        }
        log
    }
}

const CONFIG: &str = r#"
[viewer]
reload = "100ms"
[storage.films]
kind = "directory"
path = "FOLDER/films"
[key.k1]
secret = "file:FOLDER/key"
algorithm = "HS256"
[token.viewers]
format = "jwt"
keys = ["k1"]
[limits.fair]
streams = 1
[access.viewers]
require = ["token", "limits"]
tokens = ["viewers"]
limits = "fair"
set_cookie = "token"
revocations = "FOLDER/revoked.txt"
[[route]]
path = "/vod/"
storage = "films"
strip_prefix = true
access = "viewers"
"#;

fn watched_to_the_end(outcome: &Value) {
    assert_eq!(outcome["fatal"], Value::Null, "{outcome}");
    assert_eq!(outcome["ended"], true, "{outcome}");
    let at = outcome["at"].as_f64().unwrap();
    assert!((at - LENGTH).abs() < 0.1, "{outcome}");
}

/// The statuses that the player saw.
fn statuses(outcome: &Value) -> Vec<&str> {
    let statuses = outcome["statuses"].as_object().unwrap();
    statuses.keys().map(String::as_str).collect()
}

/// The sample title's manifests, as a packager writes them that wants the manifest's query on every request: the same
/// text for every viewer.
fn handing_on() -> Vec<(String, String)> {
    let read = |name: &str| std::fs::read_to_string(sample().join(name)).unwrap();
    let playlists = [
        "master",
        "audio/index",
        "v240/index",
        "v480/index",
        "v720/index",
    ];
    let mut texts: Vec<_> = playlists
        .iter()
        .map(|name| {
            let name = format!("{name}.m3u8");
            let text = read(&name).replacen(
                "#EXT-X-VERSION:7",
                "#EXT-X-VERSION:11\n#EXT-X-DEFINE:QUERYPARAM=\"token\"",
                1,
            );
            let files = [".m3u8", ".m4s", ".mp4"];
            let text = files.iter().fold(text, |text, end| {
                text.replace(end, &format!("{end}?token={{$token}}"))
            });
            (name, text)
        })
        .collect();
    let query = "<SupplementalProperty schemeIdUri=\"urn:mpeg:dash:urlparam:2014\">\
                 <up:UrlQueryInfo xmlns:up=\"urn:mpeg:dash:schema:urlparam:2014\" queryTemplate=\"$querypart$\" \
                 useMPDUrlQuery=\"true\"/></SupplementalProperty><SegmentTemplate";
    let manifest = read("manifest.mpd").replace("<SegmentTemplate", query);
    texts.push(("manifest.mpd".to_owned(), manifest));
    texts
}

fn sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/title")
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}
