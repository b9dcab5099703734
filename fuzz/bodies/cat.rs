//! Common Access Tokens. What follows a request's empty line are claims: in JSON to be minted, else in CBOR to be signed
//! as they are.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use caudal::access::token::cat::{Algorithm, Cat, Key, Settings, mint};
use caudal::access::{Asking, Format as _, Found, Refusal, Secret, Token};
use serde_json::Value;

use super::request::{Request, in_each};
use super::token::{accepted, believed, with_a_change};

const SECRET: [u8; 32] = [
    0x40, 0x36, 0x97, 0xde, 0x87, 0xaf, 0x64, 0x61, 0x1c, 0x1d, 0x32, 0xa0, 0x5d, 0xab, 0x0f, 0xe1,
    0xfc, 0xb7, 0x15, 0xa8, 0x6a, 0xb4, 0x35, 0xf1, 0xec, 0x99, 0x19, 0x2d, 0x79, 0x56, 0x93, 0x88,
];
/// The P-256 key of RFC 6979 appendix A.2.5.
const EC_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==
-----END PUBLIC KEY-----
";

/// The payloads that the holders of these keys have signed, in base64: nobody here signs another with them.
const PAYLOADS: [&str; 2] = [
    "pAFnZXlldmlubgQaf+gXgBkBOKEDoQFoL3ZvZC90MS8ZATYB",
    "qAFoZWRnZS1pc3MEGn/oF4AFGmd0hYAZATYBGQE4ogGhAG9jZG4uZXhhbXBsZS5jb20DoQFoL3ZvZC90MS8ZATmCY0dFVGRIRUFEGQE8gmJTRWJVUxkBN4LYNIIYGEPAAAIZ+/A=",
];

static FORMAT: LazyLock<Cat> = LazyLock::new(|| {
    format(vec![
        theirs("hs", Algorithm::Hs256, &SECRET),
        theirs("ec", Algorithm::Es256, EC_PEM.as_bytes()),
    ])
});
static OWN_KEY: LazyLock<Key> = LazyLock::new(|| theirs("own", Algorithm::Hs256, OWN_SECRET));
static OWN: LazyLock<Cat> =
    LazyLock::new(|| format(vec![theirs("own", Algorithm::Hs256, OWN_SECRET)]));

const OWN_SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn theirs(name: &str, algorithm: Algorithm, secret: &[u8]) -> Key {
    Key::new(name, None, algorithm, &Secret::new(secret)).expect("this key is good")
}

fn format(keys: Vec<Key>) -> Cat {
    let settings = Settings {
        keys,
        ..Settings::default()
    };
    Cat::new(settings).expect("these keys have names")
}

/// What is believed was signed by a key's holder; what is minted says what its claims say, also after any change that
/// it survives.
pub(super) fn cat(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let asking = request.asking();
    believed(&*FORMAT, &asking, |_, found, _| {
        let bytes = URL_SAFE_NO_PAD
            .decode(&*found.token)
            .expect("a token is base64url");
        let has = |payload: &str| {
            let payload = STANDARD.decode(payload).expect("this is base64");
            bytes.windows(payload.len()).any(|part| *part == *payload)
        };
        assert!(PAYLOADS.into_iter().any(has), "{}", found.token);
    });
    match serde_json::from_slice::<Value>(request.rest) {
        Ok(claims) => minted(&claims, &asking, data.len()),
        Err(_) => sealed(request.rest, &asking),
    }
}

fn minted(claims: &Value, asking: &Asking<'_>, seed: usize) {
    let Ok(text) = mint(&OWN_KEY, claims) else {
        return;
    };
    let changed = with_a_change(&text, seed);
    for name in ["cat", "CTA-Common-Access-Token"] {
        in_each(asking, name, &text, |source| {
            let Ok(Some(found)) = OWN.find(source) else {
                return;
            };
            // For others: nobody here is an audience.
            if claims.get("aud").is_some() {
                return assert_eq!(OWN.verify(&found).err(), Some(Refusal::TokenIssuer));
            }
            let token = accepted(&*OWN, source);
            assert_eq!(token.viewer.as_deref(), claims["sub"].as_str());
            assert_eq!(token.expires, claims["exp"].as_i64());
            assert_eq!(token.not_before, claims["nbf"].as_i64());
            assert_eq!(token.issued, claims["iat"].as_i64());
            assert!(FORMAT.verify(&found).is_err());
            // Outside of what is signed a token has room for the name of a key.
            let found = Found {
                token: changed.as_str().into(),
                bound: "".into(),
            };
            if let Ok(other) = OWN.verify(&found) {
                assert_eq!(said(&other), said(&token));
            }
        });
    }
}

fn said(token: &Token) -> String {
    format!("{token:?}")
}

/// Any payload, signed as COSE_Mac0 (RFC 9052 section 6.3).
fn sealed(payload: &[u8], asking: &Asking<'_>) {
    let header = b"\xa1\x01\x05";
    let mut signed = b"\x84\x64MAC0\x43\xa1\x01\x05\x40".to_vec();
    signed.extend_from_slice(&byte_string(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, OWN_SECRET), &signed);
    let parts = [
        b"\xd8\x3d\xd1\x84",
        &byte_string(header)[..],
        b"\xa0",
        &byte_string(payload),
        &byte_string(tag.as_ref()),
    ];
    let text = URL_SAFE_NO_PAD.encode(parts.concat());
    let asking = Asking {
        prefix: Some(&text),
        query: "",
        ..*asking
    };
    believed(&*OWN, &asking, |_, found, _| assert_eq!(found.token, text));
}

/// CBOR's byte string (RFC 8949 section 3.1).
fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let mut item = match bytes.len() {
        len @ 0..24 => vec![0x40 + len as u8],
        len @ 24..256 => vec![0x58, len as u8],
        len => vec![0x59, (len >> 8) as u8, len as u8],
    };
    item.extend_from_slice(bytes);
    item
}
