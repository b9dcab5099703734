//! The files that operators write: configuration, revocations, rights, networks, and an issuer's published keys.

use std::sync::{Arc, LazyLock};

use caudal::access::geo::Answer;
use caudal::access::networks::Networks;
use caudal::access::revocation::Revocations;
use caudal::access::rights::{File, Paths, Rights, Source as _};
use caudal::access::token::jwt::{Jwt, KeySet, Settings};
use caudal::access::{Asking, Refusal, Replay, Terms, Token};
use caudal::config::Config;
use serde_json::Value;

use super::request::Request;

const NOW: i64 = 1_800_000_000;

static PATHS: LazyLock<Paths> = LazyLock::new(|| {
    let texts = [
        "/vod/{title}/*",
        "/vod/{title}/{height}p/*",
        "/vod/{title}/v{kbps}/*",
    ];
    Paths::new(&texts.map(str::to_owned)).expect("these are patterns")
});

/// Whatever is accepted is written so that it reads back as the same; whatever is refused has a reason.
pub(super) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Config::from_toml(text, std::iter::empty()) {
        Ok(config) => {
            let written = config.to_toml();
            let read = Config::from_toml(&written, std::iter::empty());
            assert_eq!(read.as_ref().ok(), Some(&config), "{written}");
        }
        Err(error) => assert!(!error.problems().is_empty() && !error.to_string().is_empty()),
    }
}

/// Whatever is read from one list says the same with other line ends and with a comment behind it; the later it is read,
/// the fewer are withdrawn; an id that is written as JSON is found.
pub(super) fn revocations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = |text: &str, now| Revocations::parse(text, now).map(|list| list.len());
    let all = read(text, i64::MIN);
    assert_eq!(read(&format!("{text}\n# comment"), i64::MIN), all);
    if !text.contains('\r') {
        assert_eq!(read(&text.replace('\n', "\r\n"), i64::MIN), all);
    }
    let (now, last) = (read(text, NOW), read(text, i64::MAX));
    assert_eq!(now.is_ok(), all.is_ok());
    assert!(last.unwrap_or_default() <= now.unwrap_or_default());
    assert!(now.unwrap_or_default() <= all.unwrap_or_default());

    let id = text.lines().next().unwrap_or_default();
    let line = format!("viewer {} # one", Value::from(id));
    match Revocations::parse(&line, NOW) {
        Ok(list) => {
            assert!(list.is_revoked(&token(id)) && !list.is_revoked(&token(&format!("{id}x"))));
        }
        Err(_) => assert!(
            id.is_empty() || id.len() > 512 || id.starts_with("eyJ") || id.starts_with("until=")
        ),
    }
}

/// A window that was read is never empty, and nobody is let in outside of it; whatever is refused has a reason.
pub(super) fn rights(data: &[u8]) {
    let file = match File::parse("rights.toml", data, &PATHS) {
        Ok(file) => file,
        Err(problems) => return assert!(!problems.is_empty() && problems.len() <= 21),
    };
    if let Some(title) = file.title("t1") {
        let (from, until) = (
            title.from.unwrap_or(i64::MIN),
            title.until.unwrap_or(i64::MAX),
        );
        assert!(from < until);
    }
    let rights = Rights {
        paths: PATHS.clone(),
        unknown: Answer::Deny,
        source: Box::new(file),
    };
    for path in ["/vod/t1/a.m3u8", "/vod/t1/1080p/v9000/a.m4s", "/vod/", "/"] {
        let request = Request::to(path);
        let asking = request.asking();
        for now in [0, NOW, 1 << 40] {
            let permitted = rights.permit(&Asking { now, ..asking }, None);
            if let Ok(Some(until)) = permitted {
                assert!(now < until);
            }
        }
    }
}

/// What is accepted holds an address and is the union with itself; a network holds the address it is written with.
pub(super) fn networks(data: &[u8]) {
    match Networks::from_bytes("list", data, Some("CLOUDFRONT_ORIGIN_FACING")) {
        Ok(networks) => {
            assert!(!networks.is_empty());
            assert_eq!(Networks::union([&networks, &networks]), networks);
        }
        Err(problems) => assert!(!problems.is_empty() && problems.len() <= 21),
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lines: Vec<&str> = text.lines().collect();
    if let Ok(all) = Networks::parse(lines.iter().copied()) {
        let each = lines
            .iter()
            .map(|line| Networks::parse([*line]).expect("it was read before"));
        let each: Vec<_> = each.collect();
        assert_eq!(Networks::union(&each), all);
        for line in lines {
            let address = line
                .split('/')
                .next()
                .and_then(|address| address.parse().ok());
            assert!(all.contains(address.expect("a network begins with an address")));
        }
    }
}

/// Each key of a set that is read was used or skipped; a secret or a private key is never used; a set changes nothing
/// when it comes a second time.
pub(super) fn jwks(data: &[u8]) {
    let Ok(set) = KeySet::from_jwks(data) else {
        return;
    };
    let value: Value = serde_json::from_slice(data).expect("a key set is JSON");
    let keys = value["keys"].as_array().expect("a key set is a list");
    assert_eq!(set.len() + set.skipped(), keys.len());
    let is_secret =
        |key: &&Value| key["kty"] == "oct" || key.get("d").is_some() || key.get("k").is_some();
    assert!(keys.iter().filter(is_secret).count() <= set.skipped());
    let jwt = Jwt::new(Settings::default()).expect("the default settings are good");
    assert_eq!(jwt.replace_remote_keys(set), !keys.is_empty());
    assert!(!jwt.replace_remote_keys(KeySet::from_jwks(data).expect("it was read before")));
}

#[derive(Debug)]
struct Anything;

impl Terms for Anything {
    fn permit(&self, _asking: &Asking<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A token of this viewer.
fn token(viewer: &str) -> Token {
    Token {
        key: Arc::from("k1"),
        id: None,
        viewer: Some(viewer.into()),
        session: None,
        not_before: None,
        expires: None,
        issued: None,
        replay: Replay::Allowed,
        terms: Box::new(Anything),
        renewal: None,
    }
}
