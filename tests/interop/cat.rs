//! Tokens of public libraries are verified here, and theirs there.

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caudal::access::token::cat::{Algorithm, Cat, Key, Settings, mint};
use caudal::access::{Asking, Country, Format, Found, Place, Refusal, Secret, Token};
use common_access_token::{KeyId, RegisteredClaims, TokenBuilder, VerificationOptions};
use http::HeaderMap;
use serde_json::{Value, json};

const SECRET: &str = "403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388";
const EC_PRIVATE: &str = include_str!("cat/ec.pem");
const EC_PUBLIC: &str = include_str!("cat/ec.pub.pem");
const RSA_PRIVATE: &str = include_str!("cat/rsa.pem");
const RSA_PUBLIC: &str = include_str!("cat/rsa.pub.pem");
const END: i64 = 4_102_444_800;

/// Runs a script of `interop/` with a question and returns its answer.
fn ask(script: &[&str], question: &Value) -> Value {
    let folder = crate::folder("cat");
    let mut child = Command::new(script[0])
        .args(&script[1..])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter is installed");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(question.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script:?} of {}", question["do"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn node(question: &Value) -> Value {
    ask(&["node", "node.mjs"], question)
}

fn python(question: &Value) -> Value {
    ask(&[crate::python().to_str().unwrap(), "python.py"], question)
}

fn secret() -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&SECRET[at..at + 2], 16).unwrap();
    (0..SECRET.len()).step_by(2).map(byte).collect()
}

fn key(algorithm: Algorithm, secret: &[u8]) -> Key {
    Key::new("key", Some(b"k1"), algorithm, &Secret::new(secret)).unwrap()
}

/// The first 32 bytes, as that crate compares them.
fn digest_of(algorithm: &'static digest::Algorithm, text: &str) -> Vec<u8> {
    digest::digest(algorithm, text.as_bytes()).as_ref()[..32].to_vec()
}

fn hs256() -> Key {
    key(Algorithm::Hs256, &secret())
}

fn verify(key: Key, token: &str) -> Result<Token, Refusal> {
    let cat = Cat::new(Settings {
        keys: vec![key],
        ..Settings::default()
    });
    cat.unwrap().verify(&Found {
        token: token.into(),
        bound: "".into(),
    })
}

/// Whether the token is for this path, asked from Sweden.
fn permit(token: &Token, path: &str) -> Result<(), Refusal> {
    let place = Place {
        country: Country::parse("SE"),
        ..Place::default()
    };
    token.terms.permit(&Asking {
        method: "GET",
        scheme: "https",
        host: "cdn.example.com",
        raw_path: path,
        path,
        query: "",
        headers: &HeaderMap::new(),
        prefix: None,
        viewer: "192.0.2.7".parse::<IpAddr>().unwrap(),
        place: &place,
        alpn: None,
        device: None,
        identities: &[],
        now: 1_800_000_000,
    })
}

fn payload(token: &str) -> String {
    // The payload is the third of four; what is before it has a fixed length with these keys.
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let at = hex.find("04426b31").unwrap() + 8;
    let (skip, len) = match &hex[at..at + 2] {
        "58" => (4, usize::from_str_radix(&hex[at + 2..at + 4], 16).unwrap()),
        "59" => (6, usize::from_str_radix(&hex[at + 2..at + 6], 16).unwrap()),
        short => (2, usize::from_str_radix(short, 16).unwrap() - 0x40),
    };
    hex[at + skip..at + skip + 2 * len].to_owned()
}

fn node_verifies(token: &str, url: &str) -> Value {
    node(&json!({
        "do": "verify", "key": SECRET, "kid": "k1", "token": token, "issuer": "eyevinn", "url": url, "ip": "192.0.2.7",
    }))
}

#[test]
fn tokens_of_node_cat_are_verified() {
    let minted = node(
        &json!({"do": "mint", "key": SECRET, "kid": "k1", "claims": {
            "iss": "eyevinn", "sub": "u1", "exp": END, "nbf": 1, "iat": 1, "cti": "0a0b", "catreplay": 0,
            "catu": {
                "scheme": {"exact-match": "https"}, "host": {"exact-match": "cdn.example.com"}, "port": {"exact-match": ""},
                "path": {"prefix-match": "/vod/t1/"}, "query": {"exact-match": ""},
                "parent-path": {"exact-match": "/vod/t1"}, "filename": {"regex-match": ["^[a-z]\\.m3u8$"]},
                "stem": {"exact-match": "a"}, "extension": {"exact-match": ".m3u8"},
            },
            "catm": ["GET"], "catnip": ["192.0.2.0/24", 64496], "catgeoiso3166": ["SE"],
            "catr": {"type": "header", "header-name": "cta-common-access-token", "expadd": 120, "deadline": 60},
        }}),
    );
    let token = verify(hs256(), minted["token"].as_str().unwrap()).unwrap();
    assert_eq!(
        (token.expires, token.id.as_deref()),
        (Some(END), Some("0a0b"))
    );
    assert_eq!(token.renewal, Some((120, None)));
    assert_eq!(permit(&token, "/vod/t1/a.m3u8"), Ok(()));
    assert_eq!(permit(&token, "/vod/t1/b.m3u8"), Err(Refusal::TokenScope));
    assert_eq!(permit(&token, "/vod/t2/a.m3u8"), Err(Refusal::TokenScope));
}

#[test]
fn node_cat_verifies_tokens_from_here() {
    let token = mint(&hs256(), &json!({
        "iss": "eyevinn", "sub": "u1", "exp": END, "cti": "0a0b", "catm": ["GET"], "catnip": ["192.0.2.7"],
        "catu": {
            "scheme": {"exact": "https"}, "path": {"prefix": "/vod/t1/"}, "filename": {"regex": "^[a-z]\\.m3u8$"},
            "extension": {"exact": ".m3u8"},
        },
        "catr": {"type": "header", "expadd": 120, "deadline": 60},
    })).unwrap();
    let good = node_verifies(&token, "https://cdn.example.com/vod/t1/a.m3u8");
    assert_eq!(good["error"], Value::Null, "{good}");
    assert_eq!(good["claims"]["catu"]["path"]["prefix-match"], "/vod/t1/");
    let bad = node_verifies(&token, "https://cdn.example.com/vod/t2/a.m3u8");
    assert_eq!(bad["error"], "UriNotAllowedError");
    let changed = token[..token.len() - 4].to_owned() + "AAAA";
    assert_ne!(
        node_verifies(&changed, "https://cdn.example.com/vod/t1/a.m3u8")["error"],
        Value::Null
    );
}

#[test]
fn node_cat_verifies_what_was_renewed_here() {
    let minted = node(
        &json!({"do": "mint", "key": SECRET, "kid": "k1", "claims": {
            "iss": "eyevinn", "exp": 10, "catu": {"path": {"prefix-match": "/vod/"}},
        }}),
    );
    let minted = minted["token"].as_str().unwrap();
    let url = "https://cdn.example.com/vod/a";
    assert_eq!(node_verifies(minted, url)["error"], "TokenExpiredError");
    let cat = Cat::new(Settings {
        keys: vec![hs256()],
        ..Settings::default()
    });
    let found = Found {
        token: minted.into(),
        bound: "".into(),
    };
    let cat = cat.unwrap();
    let renewed = cat
        .renew(&found, &cat.verify(&found).unwrap(), END)
        .unwrap();
    assert_eq!(node_verifies(&renewed, url)["error"], Value::Null);
}

#[test]
fn python_libraries_agree_both_ways() {
    let claims = json!({
        "iss": "edge", "exp": END, "catu": {"path": {"prefix": "/vod/t1/"}}, "catgeoiso3166": ["SE"],
        "catnip": ["192.0.2.0/24"],
    });
    let keys = [
        (Algorithm::Hs256, SECRET, SECRET),
        (Algorithm::Es256, EC_PRIVATE, EC_PUBLIC),
        (Algorithm::Ps256, RSA_PRIVATE, RSA_PUBLIC),
    ];
    for (algorithm, private, public) in keys {
        let key = |text: &str| match algorithm {
            Algorithm::Hs256 => hs256(),
            _ => key(algorithm, text.as_bytes()),
        };
        let ours = mint(&key(private), &claims).unwrap();
        for lib in ["pycose", "cwt"] {
            let verified = python(&json!({
                "do": "verify", "lib": lib, "alg": algorithm.as_str(), "key": public, "kid": "k1", "token": ours,
            }));
            assert_eq!(verified["valid"], true, "{lib} {algorithm}");
            if lib == "pycose" {
                assert_eq!(verified["payload"], payload(&ours));
            }
            let minted = python(&json!({
                "do": "mint", "lib": lib, "alg": algorithm.as_str(), "key": private, "kid": "k1", "payload": payload(&ours),
            }));
            let theirs = minted["token"].as_str().unwrap();
            let token = verify(key(public), theirs).unwrap();
            assert_eq!(token.expires, Some(END), "{lib} {algorithm}");
            assert_eq!(permit(&token, "/vod/t1/a.ts"), Ok(()));
            assert_eq!(permit(&token, "/vod/t2/a.ts"), Err(Refusal::TokenScope));
        }
    }
}

#[test]
fn the_rust_crate_agrees_both_ways() {
    use common_access_token::{CborValue, catm, catu, uri_components};

    let uri = [
        (uri_components::PATH, catu::prefix_match("/vod/t1/")),
        (uri_components::EXTENSION, catu::exact_match(".ts")),
        (uri_components::PARENT_PATH, catu::exact_match("/vod/t1")),
        (
            uri_components::FILENAME,
            catu::sha256_match(digest_of(&digest::SHA256, "a.ts")),
        ),
        (
            uri_components::STEM,
            catu::sha512_256_match(digest_of(&digest::SHA512, "a")),
        ),
    ];
    for kid in [KeyId::string("k1"), KeyId::binary(b"k1".to_vec())] {
        let theirs = TokenBuilder::new()
            .algorithm(common_access_token::Algorithm::HmacSha256)
            .protected_key_id(kid)
            .registered_claims(
                RegisteredClaims::new()
                    .with_issuer("edge")
                    .with_cti(vec![10, 11])
                    .with_expiration(END as u64),
            )
            .custom_cbor(312, catu::create(uri.iter().cloned().collect()))
            .custom_cbor(313, CborValue::Array(catm::create(vec!["GET"])))
            .custom_int(310, 1)
            .sign(&secret())
            .unwrap();
        let theirs = URL_SAFE_NO_PAD.encode(theirs.to_bytes().unwrap());
        let token = verify(hs256(), &theirs).unwrap();
        assert_eq!(
            (token.expires, token.id.as_deref()),
            (Some(END), Some("0a0b"))
        );
        assert_eq!(permit(&token, "/vod/t1/a.ts"), Ok(()));
        assert_eq!(permit(&token, "/vod/t1/b.ts"), Err(Refusal::TokenScope));
    }

    let ours = mint(&hs256(), &json!({
        "iss": "edge", "exp": END, "catm": ["GET"],
        "catu": {"path": {"prefix": "/vod/t1/", "regex": "[a-z]\\.ts$"}, "extension": {"exact": ".ts"}},
    })).unwrap();
    let ours = URL_SAFE_NO_PAD.decode(ours).unwrap();
    let token = common_access_token::Token::from_bytes(&ours).unwrap();
    token.verify(&secret()).unwrap();
    let judged = |uri: &str| {
        let options = VerificationOptions::new()
            .verify_exp(true)
            .expected_issuer("edge");
        let options = options
            .verify_catu(true)
            .uri(uri)
            .verify_catm(true)
            .http_method("GET");
        token.verify_claims(&options).is_ok()
    };
    assert!(judged("https://cdn.example.com/vod/t1/a.ts"));
    assert!(!judged("https://cdn.example.com/vod/t2/a.ts"));
}
