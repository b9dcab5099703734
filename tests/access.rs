//! The check at the edge and the check here are the same: both are held to one list of tokens.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use caudal::access::token::{cat, jwt};
use caudal::access::{
    Asking, Carrier, Country, Format, Place, Refusal, Replays, Scheme, Secret, Tokens, Verified,
};
use caudal::media::AssetPath;
use http::{HeaderMap, HeaderName};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/cloudfront")
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join("test").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The keys of one format, by `kid`.
fn keys(format: &str) -> Vec<(String, Secret)> {
    let all = json("keys.json");
    let named = all.as_object().unwrap().iter().filter_map(|(name, value)| {
        let kid = name.strip_prefix(format)?.strip_prefix('/')?;
        let secret = match value.as_str()?.split_once(':')? {
            ("hex", text) => hex::decode(text).unwrap(),
            (_, text) => base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap(),
        };
        Some((kid.to_owned(), Secret::new(secret)))
    });
    named.collect()
}

fn format(name: &str) -> Arc<dyn Format> {
    if name == "cat" {
        let key = |(kid, secret): &(String, Secret)| {
            cat::Key::new(kid, Some(kid.as_bytes()), cat::Algorithm::Hs256, secret).unwrap()
        };
        let settings = cat::Settings {
            keys: keys("cat").iter().map(key).collect(),
            ..cat::Settings::default()
        };
        return Arc::new(cat::Cat::new(settings).unwrap());
    }
    let key = |(kid, secret): (String, Secret)| jwt::KeySettings {
        kid: Some(kid.clone()).filter(|kid| kid != "default"),
        name: kid,
        algorithm: jwt::Algorithm::Hs256,
        material: jwt::Material::Secret(secret),
    };
    let settings = jwt::Settings {
        keys: keys("jwt").into_iter().map(key).collect(),
        ..jwt::Settings::default()
    };
    Arc::new(jwt::Jwt::new(settings).unwrap())
}

/// Puts the token where it travels; gives what stands before the path.
fn carry<'a>(
    vector: &'a Value,
    is_cat: bool,
    headers: &mut HeaderMap,
    query: &mut String,
) -> Option<&'a str> {
    let text = |name: &str| vector[name].as_str().unwrap_or_default();
    let (carrier, token) = (text("carrier"), text("token"));
    let own = if is_cat {
        "cta-common-access-token"
    } else {
        "authorization"
    };
    let put = |headers: &mut HeaderMap, name: &str, value: String| {
        let name = HeaderName::try_from(name).unwrap();
        // A header cannot hold every byte that a query can.
        value
            .parse()
            .is_ok_and(|value| headers.insert(name, value).is_none())
    };
    match carrier {
        "path" => Some(token),
        "query" => {
            let name = if is_cat { "cat" } else { "token" };
            let joint = if query.is_empty() { "" } else { "&" };
            query.push_str(&format!("{joint}{name}={token}"));
            None
        }
        "header" => {
            let scheme = if is_cat { "" } else { "Bearer " };
            put(headers, own, format!("{scheme}{token}"));
            None
        }
        "cookie" => {
            let name = if is_cat {
                "CTA-Common-Access-Token"
            } else {
                "token"
            };
            put(headers, "cookie", format!("a=b; {name}={token}"));
            None
        }
        _ => None,
    }
}

/// What the policy says of one vector; a path that names no asset is refused before it is asked.
fn judged(vector: &Value) -> Result<(), Refusal> {
    let text = |name: &str| vector[name].as_str().unwrap_or_default();
    let Ok(path) = AssetPath::parse(text("path")) else {
        return Err(Refusal::TokenScope);
    };
    let is_cat = text("format") == "cat";
    let (mut headers, mut query) = (HeaderMap::new(), text("query").to_owned());
    let prefix = carry(vector, is_cat, &mut headers, &mut query);
    let place = Place {
        country: Country::parse(text("country")),
        ..Place::default()
    };
    let decoded = format!("/{path}");
    tokens(text("format")).accept(&Asking {
        method: text("method"),
        scheme: "https",
        host: text("host"),
        raw_path: text("path"),
        path: &decoded,
        query: &query,
        headers: &headers,
        prefix,
        viewer: text("ip").parse().unwrap_or(IpAddr::from([0, 0, 0, 0])),
        place: &place,
        alpn: None,
        device: None,
        identities: &[],
        now: vector["now"].as_i64().unwrap(),
    })?;
    Ok(())
}

fn tokens(name: &str) -> Tokens {
    let carriers = vec![
        Carrier::Path,
        Carrier::Query,
        Carrier::Header,
        Carrier::Cookie,
    ];
    let some = NonZeroUsize::new(1000).unwrap();
    Tokens {
        generation: 1,
        schemes: vec![Arc::new(Scheme {
            format: format(name),
            carriers,
        })],
        skew: Duration::from_secs(30),
        revoked: Arc::default(),
        verified: Arc::new(Verified::new(some, 1 << 20)),
        replays: Arc::new(Replays::new(some)),
    }
}

#[test]
fn the_origin_judges_every_token_as_the_edge_does() {
    let vectors = json("vectors.json");
    let shared = vectors
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["only"] != "edge");
    let mut wrong = Vec::new();
    let mut count = 0;
    for vector in shared {
        count += 1;
        let expect = vector["expect"].as_str().unwrap();
        let judged = judged(vector);
        let word = judged.err().map_or("ok", Refusal::as_str);
        let agrees = word == expect || (vector["loose"] == true && judged.is_err());
        if !agrees {
            wrong.push(format!(
                "{}: {word}, the edge says {expect}",
                vector["name"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 150, "{count}");
}

#[test]
fn the_edge_passes_its_own_tests() {
    let node = Command::new("node")
        .args(["--test", "test/vectors.test.mjs", "test/runtime.test.mjs"])
        // The runtime's relative; without it a test would be left out.
        .env("NJS", "/usr/bin/njs")
        .current_dir(folder())
        .output()
        .expect("node is installed by tests/tools.sh");
    let said = String::from_utf8_lossy(&node.stdout);
    let failed: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("not ok"))
        .collect();
    assert!(node.status.success(), "{failed:#?}\n{said:.4000}");
    assert!(
        said.contains("# skipped 0"),
        "a test was left out:\n{said:.4000}"
    );
}
