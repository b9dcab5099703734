//! Akamai's own libraries mint, and we mint the same and believe it.

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use caudal::access::token::akamai::{
    Algorithm, Claims, Covers, EdgeAuth, Escape, Settings, hex_key,
};
use caudal::access::{Asking, Carrier, Format, Place, Source, unescaped};
use http::HeaderMap;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

const KEY: &str = "a7f3c9d2e8b14056a7f3c9d2e8b14056";
const EXPIRES: i64 = 2_145_916_800;

/// What browsers escape in a path; `~`, `'`, `*` and the like they send as they are.
const IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

const PATHS: [&str; 9] = [
    "/vod/t1/master.m3u8",
    "/vod/a b/~c'd*e.m3u8",
    "/vod/(x)!/$&+,;=:@/y.m4s",
    "/vod/\"<>`{|}^\\[]#.mp4",
    "/vod/året/фильм/映画.mpd",
    "/vod/a+b.m3u8",
    "/",
    "/-_.~/",
    "/vod/o'brien *(1) x/1.m4s",
];

struct Case {
    algorithm: &'static str,
    salt: Option<&'static str>,
    ip: Option<&'static str>,
    starts: Option<i64>,
    id: Option<&'static str>,
    data: Option<&'static str>,
    acl: Option<Vec<String>>,
    /// The path that is asked for, decoded.
    path: String,
}

/// Runs a script on cases and returns its tokens.
fn minted(program: &str, script: &str, escape: bool, cases: &[Case]) -> Vec<String> {
    let folder = crate::folder("akamai");
    let mut child = Command::new(if program == "node" {
        "node".into()
    } else {
        crate::python()
    })
    .arg(folder.join(script))
    .current_dir(&folder)
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .expect("interop needs its venv and node_modules");
    let lines: Vec<_> = cases.iter().map(|case| line(case, escape)).collect();
    child
        .stdin
        .take()
        .unwrap()
        .write_all((lines.join("\n") + "\n").as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} failed");
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["token"].as_str().unwrap().to_owned()
    };
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(read)
        .collect()
}

fn line(case: &Case, escape: bool) -> String {
    json!({
        "key": KEY, "algorithm": case.algorithm, "salt": case.salt, "ip": case.ip,
        "starts": case.starts, "expires": EXPIRES, "id": case.id, "data": case.data,
        "acl": case.acl, "url": case.path, "escape": escape,
    })
    .to_string()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in PATHS {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let tail = format!("{folder}/*");
        for (algorithm, salt) in [
            ("sha256", None),
            ("sha1", Some("pepper")),
            ("md5", Some("å~")),
        ] {
            for (ip, starts, id, data) in [
                (None, None, None, None),
                (
                    Some("198.51.100.7"),
                    Some(1_735_689_600),
                    Some("s-1"),
                    Some("a=b&c=d e*'"),
                ),
                (
                    Some("2001:db8::7"),
                    None,
                    Some("sé ssion"),
                    Some("(x)!:/?#%"),
                ),
            ] {
                for acl in [
                    None,
                    Some(vec![tail.clone()]),
                    Some(vec!["/none/??".into(), tail.clone()]),
                ] {
                    let path = path.to_owned();
                    cases.push(Case {
                        algorithm,
                        salt,
                        ip,
                        starts,
                        id,
                        data,
                        acl,
                        path,
                    });
                }
            }
        }
    }
    cases
}

fn format(case: &Case) -> EdgeAuth {
    let algorithm: Algorithm = case.algorithm.parse().unwrap();
    let keys = vec![(Arc::from("k1"), hex_key(KEY).unwrap())];
    let salt = case.salt.map(caudal::access::Secret::new);
    EdgeAuth::new(&Settings {
        algorithm,
        salt,
        ..Settings::new(keys)
    })
    .unwrap()
}

/// Whether a request for the case's path with this token is granted.
fn is_granted(case: &Case, token: &str, raw_path: &str) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(
        "__token__",
        http::HeaderValue::from_bytes(token.as_bytes()).unwrap(),
    );
    // What a header cannot carry goes as a query, encoded.
    let query = format!(
        "__token__={}",
        caudal::access::token::akamai::path_prefix(token)
    );
    let asking = Asking {
        method: "GET",
        scheme: "https",
        host: "h",
        raw_path,
        path: &unescaped(raw_path).unwrap(),
        query: &query,
        headers: &headers,
        prefix: None,
        viewer: case.ip.unwrap_or("::1").parse::<IpAddr>().unwrap(),
        place: &Place::default(),
        alpn: None,
        device: None,
        identities: &[],
        now: 1_800_000_000,
    };
    let carrier = if token.is_ascii() && !token.contains(' ') {
        Carrier::Header
    } else {
        Carrier::Query
    };
    let format = format(case);
    let found = format.find(&Source {
        carrier,
        asking: &asking,
    });
    let Ok(Some(found)) = found else { return false };
    format
        .verify(&found)
        .is_ok_and(|token| token.terms.permit(&asking).is_ok())
}

fn ours(case: &Case, escape: Escape) -> Option<String> {
    let acl: Vec<&str> = case.acl.iter().flatten().map(String::as_str).collect();
    let covers = if acl.is_empty() {
        Covers::Path(&case.path)
    } else {
        Covers::Paths(&acl)
    };
    let claims = Claims {
        address: case.ip.map(|ip| ip.parse().unwrap()),
        starts: case.starts,
        expires: EXPIRES,
        covers,
        session: case.id,
        data: case.data,
        escape,
    };
    format(case).mint(&claims).ok()
}

fn agrees(program: &str, script: &str, escape: Escape) {
    let cases = cases();
    let theirs = minted(program, script, escape != Escape::Off, &cases);
    assert_eq!(theirs.len(), cases.len());
    let mut granted = 0;
    for (case, token) in cases.iter().zip(&theirs) {
        let raw = utf8_percent_encode(&case.path, IN_PATHS).to_string();
        // `~` ends a field and `!` a pattern, so no pattern can have one: Akamai's libraries mint it all the same.
        let is_unfit = case
            .acl
            .iter()
            .flatten()
            .any(|acl| acl.contains(['~', '!']));
        if is_unfit {
            assert_eq!(ours(case, escape), None, "{token}");
            continue;
        }
        assert_eq!(ours(case, escape).as_deref(), Some(token.as_str()));
        assert!(is_granted(case, token, &raw), "{token} for {raw}");
        let is_for_all = case.acl.iter().flatten().any(|acl| acl == "/*");
        assert_eq!(
            is_granted(case, token, "/nowhere/at.all"),
            is_for_all,
            "{token}"
        );
        granted += 1;
    }
    assert!(granted > cases.len() / 2);
}

#[test]
fn tokens_of_the_python_library() {
    agrees("python", "mint.py", Escape::Off);
    agrees("python", "mint.py", Escape::Plus);
}

#[test]
fn tokens_of_the_node_library() {
    agrees("node", "mint.mjs", Escape::Off);
    agrees("node", "mint.mjs", Escape::Percent);
}
