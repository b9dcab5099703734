//! Keys whose secrets AWS Secrets Manager keeps, over moto: read at start, read again when they change, kept when it is
//! gone, and never shown.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use caudal::access::Secret;
use caudal::access::token::jwt::{Algorithm, Jwt, KeySettings, Material, Settings};
use serde_json::{Value, json};

use process::moto::Moto;
use process::{Caudal, binary};

mod process;

const FIRST: &str = "the first secret of the viewers' tokens";
const SECOND: &str = "the second secret of the viewers' tokens";

#[test]
fn a_secret_is_read_at_start_and_again_when_it_has_changed() {
    let moto = Moto::start();
    asked(
        &moto,
        "CreateSecret",
        &json!({"Name": "viewers", "SecretString": FIRST}),
    );
    let folder = tempfile::tempdir().unwrap();
    let mut caudal = Caudal::configured_in(&config(folder.path(), "viewers"), &aws(&moto.url));
    assert_eq!(status(&caudal, FIRST), 200);
    assert_eq!(status(&caudal, SECOND), 403);
    asked(
        &moto,
        "PutSecretValue",
        &json!({"SecretId": "viewers", "SecretString": SECOND}),
    );
    until("the new secret counts", || status(&caudal, SECOND) == 200);
    assert_eq!(status(&caudal, FIRST), 403);
    assert!(metric(&caudal, "caudal_access_loads_total{outcome=\"loaded\"}") >= 1.0);
    // Nobody there to ask: what was read last counts on, and the log and a metric say so.
    drop(moto);
    let told = caudal.told(|line| line["problem"].is_string());
    let problem = told["problem"].as_str().unwrap();
    assert!(
        problem.contains("key.k1.secret: aws secrets manager"),
        "{told}"
    );
    assert!(metric(&caudal, "caudal_access_loads_total{outcome=\"failed\"}") >= 1.0);
    assert_eq!(status(&caudal, SECOND), 200);
    let written = caudal.written();
    for secret in [FIRST, SECOND] {
        assert!(!written.contains(secret), "{written}");
    }
}

#[test]
fn one_key_of_a_document_and_bytes_are_secrets_too() {
    let moto = Moto::start();
    let document = json!({"tokens": FIRST, "other": "x"}).to_string();
    asked(
        &moto,
        "CreateSecret",
        &json!({"Name": "document", "SecretString": document}),
    );
    // The bytes of FIRST in base64, as the API takes them.
    let bytes = "dGhlIGZpcnN0IHNlY3JldCBvZiB0aGUgdmlld2VycycgdG9rZW5z";
    asked(
        &moto,
        "CreateSecret",
        &json!({"Name": "bytes", "SecretBinary": bytes}),
    );
    for name in ["document#tokens", "bytes"] {
        let folder = tempfile::tempdir().unwrap();
        let caudal = Caudal::configured_in(&config(folder.path(), name), &aws(&moto.url));
        assert_eq!(status(&caudal, FIRST), 200, "{name}");
        assert_eq!(status(&caudal, SECOND), 403, "{name}");
    }
}

#[test]
fn a_secret_that_is_not_there_stops_the_start_and_is_named() {
    let moto = Moto::start();
    let document = json!({"other": FIRST}).to_string();
    asked(
        &moto,
        "CreateSecret",
        &json!({"Name": "document", "SecretString": document}),
    );
    for (name, says) in [
        ("absent", "absent: there is no such secret in this region"),
        (
            "document#tokens",
            "document#tokens: the secret's JSON does not have the key",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), name);
        let args = ["serve", "--config", config.to_str().unwrap()];
        let output = binary(&args, &aws(&moto.url)).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("key.k1.secret") && said.contains(says),
            "{said}"
        );
        assert!(!said.contains(FIRST), "{said}");
    }
}

/// One title behind tokens whose key is kept under `name`.
fn config(folder: &Path, name: &str) -> PathBuf {
    std::fs::create_dir_all(folder.join("films")).unwrap();
    std::fs::write(folder.join("films/a.m4s"), "segment").unwrap();
    let text = format!(
        "[viewer]\nreload = \"50ms\"\nreload_remote = \"100ms\"\n\
         [server]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [storage.films]\nkind = \"directory\"\npath = \"{}/films\"\n\
         [key.k1]\nsecret = \"aws-secretsmanager:{name}\"\nalgorithm = \"HS256\"\n\
         [token.viewers]\nformat = \"jwt\"\nkeys = [\"k1\"]\n\
         [access.viewers]\nrequire = [\"token\"]\ntokens = [\"viewers\"]\n\
         [[route]]\npath = \"/\"\nstorage = \"films\"\naccess = \"viewers\"\n",
        folder.display()
    );
    let path = folder.join("caudal.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The surroundings in which AWS is moto.
fn aws(url: &str) -> [(&'static str, &str); 4] {
    [
        ("AWS_ENDPOINT_URL", url),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]
}

/// What a viewer is answered whose token is signed with this secret.
fn status(caudal: &Caudal, secret: &str) -> u16 {
    let key = KeySettings {
        name: "k1".to_owned(),
        kid: Some("k1".to_owned()),
        algorithm: Algorithm::Hs256,
        material: Material::Secret(Secret::new(secret)),
    };
    let settings = Settings {
        keys: vec![key],
        ..Settings::default()
    };
    let token = Jwt::new(settings).unwrap();
    let token = token.mint("k1", r#"{"exp":4000000000}"#).unwrap();
    caudal.get(&format!("/a.m4s?token={token}"), &[]).status
}

fn metric(caudal: &Caudal, series: &str) -> f64 {
    let answer = process::client::get(caudal.admin, "/metrics", &[]);
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    let line = text.lines().find(|line| line.starts_with(series));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_default()
}

/// Has Secrets Manager do something.
fn asked(moto: &Moto, action: &str, task: &Value) {
    let authority = moto.url.strip_prefix("http://").unwrap();
    let body = task.to_string();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {authority}\r\nX-Amz-Target: secretsmanager.{action}\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/secretsmanager/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{action}: {answer}");
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !there() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
