//! Who may see what, over a whole server: carriers, refusals and their statuses, spoofed headers, reloads.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use caudal::access::token::jwt::{Algorithm, Jwt, KeySettings, Material, Settings};
use caudal::access::{Secret, debug, prefix};
use caudal::storage::Storage;
use http::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Scripted, Server, until};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn now() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(unix.as_secs()).unwrap()
}

/// A token of these claims, which have an hour left unless they say otherwise.
fn token(claims: Value) -> String {
    let mut claims = claims;
    if claims.get("exp").is_none() {
        claims["exp"] = json!(now() + 3600);
    }
    let settings = Settings {
        keys: vec![KeySettings {
            name: "k1".to_owned(),
            kid: Some("k1".to_owned()),
            algorithm: Algorithm::Hs256,
            material: Material::Secret(Secret::new(KEY)),
        }],
        ..Settings::default()
    };
    Jwt::new(settings)
        .unwrap()
        .mint("k1", &claims.to_string())
        .unwrap()
}

/// A server over one title, with a policy of these lines, its keys in files of `folder`.
fn server(folder: &Path, policy: &str, more: &str) -> Server {
    start(&server_text(folder, policy, more))
}

/// The same behind a load balancer on this machine.
fn proxied(text: String) -> Server {
    let trust = "trusted_peers = [\"127.0.0.1\"]\nproxy_protocol = true";
    start(&text.replace("trusted_peers = [\"127.0.0.2\"]", trust))
}

fn start(text: &str) -> Server {
    let storage = Scripted::default();
    storage.put("vod/t1/master.m3u8", "#EXTM3U\n".into(), "\"1\"");
    storage.put("vod/t1/seg.m4s", "segment".into(), "\"1\"");
    storage.put("vod/t2/seg.m4s", "another".into(), "\"1\"");
    let storage: Arc<dyn Storage> = Arc::new(storage);
    Server::start(text, HashMap::from([("media".to_owned(), storage)]))
}

fn server_text(folder: &Path, policy: &str, more: &str) -> String {
    std::fs::write(folder.join("k1"), KEY).unwrap();
    std::fs::write(folder.join("cdn"), "let me in").unwrap();
    let folder = folder.display();
    format!(
        "[storage.media]\nkind = \"memory\"\nattempts = 1\n\
         [viewer]\nreload = \"50ms\"\ntrusted_peers = [\"127.0.0.2\"]\n\
         [key.k1]\nsecret = \"file:{folder}/k1\"\nalgorithm = \"HS256\"\n\
         [key.cdn]\nsecret = \"file:{folder}/cdn\"\n\
         [token.viewers]\nformat = \"jwt\"\nkeys = [\"k1\"]\n\
         [access.all]\n{policy}\n\
         [[route]]\npath = \"/\"\nstorage = \"media\"\n\
         [[route]]\npath = \"/vod/\"\nstorage = \"media\"\naccess = \"all\"\n{more}"
    )
}

const TOKENS: &str =
    "require = [\"token\"]\ntokens = [\"viewers\"]\ndebug_key = \"cdn\"\nexpired_status = 410";

/// Asks with the header that asks for the reason, and gives status and reason.
async fn why(server: &Server, path: &str) -> (u16, String) {
    let header = debug::mint(&Secret::new("let me in"), now() + 60);
    let answer = server.get_with(path, &[("caudal-debug", &header)]).await;
    let reason = answer.header("caudal-refusal").to_owned();
    (answer.status.as_u16(), reason)
}

fn assert_refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(
        answer.header("caudal-refusal"),
        "",
        "nobody asked with the key"
    );
}

#[tokio::test]
async fn a_token_is_taken_from_every_carrier_and_never_reaches_storage() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), TOKENS, "");
    let good = token(json!({"path": "/vod/t1/"}));
    let prefixed = prefix::join(&good, "/vod/t1/seg.m4s");
    assert_eq!(server.get(&prefixed).await.text(), "segment");
    let query = format!("/vod/t1/seg.m4s?token={good}");
    assert_eq!(server.get(&query).await.text(), "segment");
    for (name, value) in [
        ("authorization", format!("Bearer {good}")),
        ("cookie", format!("a=b; token={good}")),
    ] {
        let answer = server.get_with("/vod/t1/seg.m4s", &[(name, &value)]).await;
        assert_eq!(answer.text(), "segment", "{name}");
    }
    // One object in the cache, whoever asked how: the first was a miss, the rest hits.
    assert_eq!(server.metric("caudal_cache_versions").await, 1.0);
    let granted = "caudal_access_decisions_total{access=\"all\",outcome=\"granted\"}";
    assert_eq!(server.metric(granted).await, 4.0);
}

#[tokio::test]
async fn every_refusal_has_its_status_and_its_reason_is_for_the_keys_holder() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), TOKENS, "");
    let path = "/vod/t1/seg.m4s";
    let missing = server.get(path).await;
    assert_refused(&missing, 401);
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    let with = |token: &str| format!("{path}?token={token}");
    let good = token(json!({"path": "/vod/t1/"}));
    // The signature's first character, so that it is still one.
    let signature = good.rfind('.').unwrap() + 1;
    let other_first = if good[signature..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    let tampered = format!(
        "{}{other_first}{}",
        &good[..signature],
        &good[signature + 1..]
    );
    let expired = token(json!({"exp": now() - 60}));
    let early = token(json!({"nbf": now() + 600}));
    let elsewhere = token(json!({"ip": "192.0.2.1"}));
    let abroad = token(json!({"country": "DE"}));
    let other = token(json!({"path": "/vod/t2/"}));
    for (token, status, reason) in [
        ("", 403, "token_malformed"),
        (good[1..].as_ref(), 403, "token_malformed"),
        (&tampered, 403, "token_signature"),
        (&expired, 410, "token_expired"),
        (&early, 403, "token_not_yet"),
        (&elsewhere, 403, "token_address"),
        (&abroad, 403, "token_country"),
        (&other, 403, "token_scope"),
    ] {
        assert_refused(&server.get(&with(token)).await, status);
        assert_eq!(
            why(&server, &with(token)).await,
            (status, reason.to_owned()),
            "{token}"
        );
    }
    assert_eq!(why(&server, path).await, (401, "token_missing".to_owned()));
    // A preflight has no token, and a route without a policy wants none.
    let preflight = server.ask(Method::OPTIONS, path, &[]).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(server.get("/nothing.m4s").await.status, 404);
    assert_eq!(server.get(&with(&good)).await.status, 200);
}

#[tokio::test]
async fn no_spelling_of_a_path_passes_a_token_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), TOKENS, "");
    let good = token(json!({"path": "/vod/t1/"}));
    for path in [
        "/vod/t2/seg.m4s",
        "/vod/t1/../t2/seg.m4s",
        "/vod/t1/%2e%2e/t2/seg.m4s",
        "/vod/t1%2f..%2ft2/seg.m4s",
        "/vod/t1/..%2ft2/seg.m4s",
        "/vod/t1/%252e%252e/t2/seg.m4s",
        "/vod/t1/..;/t2/seg.m4s",
        "/vod/t1/%5c..%5ct2/seg.m4s",
        "/%76od/t2/seg.m4s",
        "//vod/t1/../t2/seg.m4s",
    ] {
        for asked in [format!("{path}?token={good}"), prefix::join(&good, path)] {
            let status = server.get(&asked).await.status.as_u16();
            assert!([400, 403, 404].contains(&status), "{status} {asked}");
        }
    }
    let same = format!("/%76od/t1/seg%2em4s?token={good}");
    assert_eq!(server.get(&same).await.text(), "segment");
}

#[tokio::test]
async fn a_flood_of_forged_tokens_is_not_looked_at_for_ever_and_stops_no_known_viewer() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), TOKENS, "");
    let known = token(json!({"sub": "known"}));
    let with = |token: &str| format!("/vod/t1/seg.m4s?token={token}");
    assert_eq!(server.get(&with(&known)).await.status, 200);
    let signature = known.rfind('.').unwrap();
    let mut seen = [0; 2];
    for forged in 0..1_000 {
        let claims = token(json!({"sub": forged.to_string()}));
        let claims = &claims[..claims.rfind('.').unwrap()];
        let answer = server
            .get(&with(&format!("{claims}{}", &known[signature..])))
            .await;
        if answer.status == 429 {
            assert_refused(&answer, 429);
            assert_eq!(answer.header("retry-after"), "1");
            seen[1] += 1;
            break;
        }
        assert_eq!(answer.status, 403);
        seen[0] += 1;
    }
    assert!(seen[0] >= 64 && seen[1] == 1, "{seen:?}");
    assert_eq!(server.get(&with(&known)).await.status, 200);
    let new = with(&token(json!({"sub": "new"})));
    until("a second has passed", || async {
        server.get(&new).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn the_origin_lock_takes_each_of_its_secrets_and_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "require = [\"origin_lock\"]\norigin_lock_keys = [\"cdn\", \"k1\"]";
    let server = server(folder.path(), policy, "");
    let path = "/vod/t1/seg.m4s";
    assert_refused(&server.get(path).await, 403);
    let with = |secret: &'static str| [("x-origin-verify", secret)];
    for (secret, status) in [("let me in", 200), (KEY, 200), ("let me i", 403), ("", 403)] {
        let answer = server.get_with(path, &with(secret)).await;
        assert_eq!(answer.status, status, "{secret}");
    }
    let twice = [
        ("x-origin-verify", "let me in"),
        ("x-origin-verify", "let me in"),
    ];
    assert_eq!(server.get_with(path, &twice).await.status, 403);
    std::fs::write(folder.path().join("cdn"), "rotated\n").unwrap();
    until("the new secret counts", || async {
        server.get_with(path, &with("rotated")).await.status == 200
    })
    .await;
    assert_eq!(server.get_with(path, &with("let me in")).await.status, 403);
}

#[tokio::test]
async fn a_stranger_cannot_say_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "require = [\"geo\"]\ngeo = \"here\"";
    let server = server(
        folder.path(),
        policy,
        "[geo.here]\nallow = [\"DE\", \"192.0.2.0/24\"]\n",
    );
    let path = "/vod/t1/seg.m4s";
    // The test's own address is 127.0.0.1, which nobody trusts.
    for headers in [
        [("cloudfront-viewer-country", "DE")],
        [("x-forwarded-for", "192.0.2.7")],
        [("cloudfront-viewer-address", "192.0.2.7:443")],
    ] {
        let answer = server.get_with(path, &headers).await;
        assert_refused(&answer, 451);
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("revoked");
    std::fs::write(&list, "# nobody yet\n").unwrap();
    let policy = format!("{TOKENS}\nrevocations = \"{}\"", list.display());
    let server = server(folder.path(), &policy, "");
    let path = |id: &str| format!("/vod/t1/seg.m4s?token={}", token(json!({"jti": id})));
    let (one, other) = (path("one"), path("other"));
    assert_eq!(server.get(&one).await.status, 200);
    std::fs::write(&list, "token one\n").unwrap();
    until("it is refused", || async {
        server.get(&one).await.status == 403
    })
    .await;
    assert_eq!(why(&server, &one).await.1, "token_revoked");
    assert_eq!(server.get(&other).await.status, 200);
    // A broken list is told, and the last good one goes on.
    std::fs::write(&list, "tokn other\n").unwrap();
    let failed = "caudal_access_loads_total{outcome=\"failed\"}";
    until("the failure is counted", || async {
        server.metric(failed).await > 0.0
    })
    .await;
    assert_eq!(server.get(&one).await.status, 403);
    assert_eq!(server.get(&other).await.status, 200);
}

#[tokio::test]
async fn a_manifest_passes_its_token_on_and_renews_it_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let policy = format!("{TOKENS}\nset_cookie = \"token\"\nrenew = \"4h\"\nrenew_limit = \"5h\"");
    let server = server(folder.path(), &policy, "");
    let asked = |claims| format!("/vod/t1/master.m3u8?token={}", token(claims));
    let answer = server.get(&asked(json!({"iat": now(), "sub": "u1"}))).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(
        cookie.ends_with("; Path=/vod/; HttpOnly; Max-Age=14400; SameSite=Lax"),
        "{cookie}"
    );
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let pair = cookie.split(';').next().unwrap();
    let segment = server
        .get_with("/vod/t1/seg.m4s", &[("cookie", pair)])
        .await;
    assert_eq!(segment.text(), "segment");
    assert_eq!(segment.header("set-cookie"), "", "segments set none");
    // Issued four and a half hours ago: half an hour is left, and the token's own hour is longer.
    let late = server.get(&asked(json!({"iat": now() - 16_200}))).await;
    assert!(
        late.header("set-cookie").contains("; Max-Age=3600"),
        "{late:?}"
    );
    let unknown = server.get(&asked(json!({}))).await;
    assert!(
        unknown.header("set-cookie").contains("; Max-Age=3600"),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_viewer_that_asks_too_much_is_told_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "require = [\"token\", \"limits\"]\ntokens = [\"viewers\"]\nlimits = \"fair\"";
    let more = "[limits.fair]\nrequests_per_second = 1\nburst = 2\nstreams = 1\n";
    let server = server(folder.path(), policy, more);
    let path = |viewer: &str| {
        format!(
            "/vod/t1/seg.m4s?token={}",
            token(json!({"sub": viewer, "jti": viewer}))
        )
    };
    let busy = path("busy");
    assert_eq!(server.get(&busy).await.status, 200);
    assert_eq!(server.get(&busy).await.status, 200);
    let refused = server.get(&busy).await;
    assert_refused(&refused, 429);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(server.get(&path("patient")).await.status, 200);
}

#[tokio::test]
async fn a_title_is_shown_within_its_rights_and_kept_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rights.toml");
    let until =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(now() as u64 + 600));
    std::fs::write(&file, format!("[title.t1]\nuntil = \"{until}\"\n")).unwrap();
    let policy = "require = [\"rights\"]\nrights = \"titles\"";
    let more = format!(
        "[rights.titles]\nfile = \"{}\"\npaths = [\"/vod/{{title}}/*\"]\n",
        file.display()
    );
    let server = server(folder.path(), policy, &more);
    let answer = server.get("/vod/t1/seg.m4s").await;
    assert_eq!(answer.status, 200);
    let control = answer.header("cache-control");
    let age = control
        .split("max-age=")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    assert!(
        (590..=600).contains(&age.parse::<u32>().unwrap()),
        "{control}"
    );
    assert!(!control.contains("immutable"), "{control}");
    assert_refused(&server.get("/vod/t2/seg.m4s").await, 451);
}

/// What a connection of its own says, to its end.
async fn said(server: &Server, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    // In two pieces: a header may come however it likes.
    let (first, rest) = bytes.split_at(bytes.len().min(9));
    stream.write_all(first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _ = stream.write_all(rest).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer));
    let _ = read.await.expect("an end within five seconds");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_trusted_load_balancer_says_who_asks_and_has_to() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "require = [\"geo\"]\ngeo = \"here\"";
    let geo = "[geo.here]\nallow = [\"192.0.2.0/24\"]\n";
    let request = "GET /vod/t1/seg.m4s HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let with = |header: &str| format!("{header}{request}").into_bytes();
    let told = proxied(server_text(folder.path(), policy, geo));
    let v1 = |address: &str| with(&format!("PROXY TCP4 {address} 192.0.2.1 9999 80\r\n"));
    assert!(
        said(&told, &v1("192.0.2.7"))
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        said(&told, &v1("198.51.100.7"))
            .await
            .starts_with("HTTP/1.1 451")
    );
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([192, 0, 2, 7, 192, 0, 2, 1, 0, 9, 0, 80]);
    v2.extend(request.as_bytes());
    assert!(said(&told, &v2).await.starts_with("HTTP/1.1 200"));
    // Without one, a trusted peer could pass a stranger off as itself: it is hung up on.
    assert_eq!(said(&told, request.as_bytes()).await, "");
    let closed = "caudal_connections_closed_total{reason=\"malformed\"}";
    assert_eq!(told.metric(closed).await, 1.0);
    // And of a stranger it is no request.
    let stranger = server(folder.path(), policy, geo);
    assert!(
        said(&stranger, &v1("192.0.2.7"))
            .await
            .starts_with("HTTP/1.1 400")
    );
}

#[tokio::test]
async fn a_trusted_peer_is_believed_and_what_a_viewer_put_before_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "require = [\"geo\"]\ngeo = \"here\"";
    let geo = "[geo.here]\nallow = [\"DE\", \"192.0.2.0/24\"]\n";
    let text = server_text(folder.path(), policy, geo).replace("127.0.0.2", "127.0.0.1");
    let server = start(&text);
    let path = "/vod/t1/seg.m4s";
    for (headers, status) in [
        ([("cloudfront-viewer-country", "DE")], 200),
        ([("cloudfront-viewer-country", "FR")], 451),
        ([("cloudfront-viewer-address", "192.0.2.7:443")], 200),
        ([("x-forwarded-for", "192.0.2.7")], 200),
        ([("x-forwarded-for", "192.0.2.7, 198.51.100.9")], 451),
        ([("x-forwarded-for", "198.51.100.9, 192.0.2.7")], 200),
    ] {
        let answer = server.get_with(path, &headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
}

/// Serves one document to whoever asks, for as long as the process runs.
fn publish(document: String) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let len = document.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(format!("{head}{document}").as_bytes());
        }
    });
    url
}

/// A token by an issuer's own key, which only the issuer has.
fn issued(kid: &str) -> String {
    let pem = include_str!("../data/cloudfront-test-ec.pkcs8.pem");
    let settings = Settings {
        keys: vec![KeySettings {
            name: kid.to_owned(),
            kid: Some(kid.to_owned()),
            algorithm: Algorithm::Es256,
            material: Material::Pem(Secret::new(pem)),
        }],
        ..Settings::default()
    };
    let claims = json!({"sub": "u1", "exp": now() + 600}).to_string();
    Jwt::new(settings).unwrap().mint(kid, &claims).unwrap()
}

#[tokio::test]
async fn keys_that_an_issuer_publishes_are_believed_and_their_absence_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let url = publish(
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "issuer-1", "alg": "ES256", "use": "sig",
            "x": "cDxdg9faFgwe8Qt-4zflyQZ6ACwgCz6C3vDR_ofQiDM", "y": "nO5WcI50G-AI3LDnWWUdJ-PfUkHKi6NqI2Mj0TaWQ0I"}]})
        .to_string(),
    );
    let published = |url: &str| {
        let keys = "keys = [\"k1\"]";
        server_text(folder.path(), TOKENS, "").replace(keys, &format!("{keys}\njwks = \"{url}\""))
    };
    let path = |token: &str| format!("/vod/t1/seg.m4s?token={token}");
    let server = start(&published(&url));
    assert_eq!(
        server.get(&path(&issued("issuer-1"))).await.text(),
        "segment"
    );
    assert_eq!(
        why(&server, &path(&issued("issuer-2"))).await,
        (403, "token_key".to_owned())
    );
    // Our own key beside them.
    assert_eq!(server.get(&path(&token(json!({})))).await.status, 200);
    // Nobody is at this port: the start warns, and tokens by known keys are good.
    let deaf = start(&published("http://127.0.0.1:9/jwks.json"));
    assert_eq!(deaf.get(&path(&token(json!({})))).await.status, 200);
    assert_eq!(deaf.get(&path(&issued("issuer-1"))).await.status, 403);
}
