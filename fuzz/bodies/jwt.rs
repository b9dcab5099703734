//! JSON Web Tokens. What follows a request's empty line are claims; the header `x-jose` is a token's own header.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caudal::access::token::jwt::{Algorithm, Jwt, KeySettings, Material, Settings};
use caudal::access::{Asking, Format as _, Found, Secret, Token};
use serde_json::Value;

use super::request::{Request, in_each};
use super::token::{accepted, believed, refusal, with_a_change};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const EC_PEM: &str = include_str!("../../tests/data/cloudfront-ec.pub.pem");
/// RFC 8037 A.2.
const ED_JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// What the holders of the two private keys have signed: nobody here can sign anything else by them.
const SIGNED: [&str; 2] = [
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjMSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ0MSIsImV4cCI6MjE0NTkxNjgwMH0",
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkMSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ0MSIsImV4cCI6MjE0NTkxNjgwMH0",
];

static FORMAT: LazyLock<Jwt> = LazyLock::new(|| {
    let key = |name: &str, algorithm, material| KeySettings {
        name: name.to_owned(),
        kid: Some(name.to_owned()),
        algorithm,
        material,
    };
    let settings = Settings {
        header: "x-token".to_owned(),
        keys: vec![
            key(
                "k1",
                Algorithm::Hs256,
                Material::Secret(Secret::new(SECRET)),
            ),
            key("ec1", Algorithm::Es256, Material::Pem(Secret::new(EC_PEM))),
            key("ed1", Algorithm::EdDsa, Material::Jwk(Secret::new(ED_JWK))),
        ],
        ..Settings::default()
    };
    Jwt::new(settings).expect("these keys are good")
});

/// What is believed was signed, by the key and the algorithm that the token names; what is minted says what its claims
/// say, and no longer holds when one character of it is another.
pub(super) fn jwt(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let asking = request.asking();
    believed(&*FORMAT, &asking, |_, found, token| {
        was_signed(&found.token, token)
    });
    let header = request
        .headers
        .get("x-jose")
        .map_or(&br#"{"alg":"HS256"}"#[..], |own| own.as_bytes());
    sealed(header, request.rest);
    if let Ok(claims) = std::str::from_utf8(request.rest) {
        minted(claims, &asking);
    }
}

fn was_signed(text: &str, token: &Token) {
    let (signed, signature) = text.rsplit_once('.').expect("a token has dots");
    if *token.key == *"k1" {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        assert_eq!(tag, signature);
    } else {
        assert!(SIGNED.contains(&signed), "{text}");
    }
}

/// Any header and payload, signed with the secret and with a public key in a secret's place.
fn sealed(header: &[u8], payload: &[u8]) {
    let signed = [header, payload]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let with = |secret: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        let token = format!("{signed}.{tag}").into();
        FORMAT.verify(&Found {
            token,
            bound: "".into(),
        })
    };
    for public in [EC_PEM, EC_PEM.trim(), ED_JWK] {
        assert!(with(public).is_err());
    }
    let Ok(token) = with(SECRET) else { return };
    let header: Value = serde_json::from_slice(header).expect("a header is JSON");
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none());
    assert!(header.get("kid").is_none_or(|kid| kid == "k1"));
    says(
        &token,
        &serde_json::from_slice(payload).expect("a payload is JSON"),
    );
}

fn minted(claims: &str, asking: &Asking<'_>) {
    let Ok(text) = FORMAT.mint("k1", claims) else {
        return;
    };
    let value: Value = serde_json::from_str(claims).expect("claims are JSON");
    let changed = with_a_change(&text, claims.len());
    for name in ["token", "x-token"] {
        in_each(asking, name, &text, |source| {
            if FORMAT.find(source) != Ok(None) {
                says(&accepted(&*FORMAT, source), &value);
            }
        });
        in_each(asking, name, &changed, |source| {
            if FORMAT.find(source) != Ok(None) {
                assert!(refusal(&*FORMAT, source).is_some(), "{changed}");
            }
        });
    }
}

/// A token's fields against another reading of its claims.
fn says(token: &Token, claims: &Value) {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    assert_eq!(token.id.as_deref(), text("jti"));
    assert_eq!(token.viewer.as_deref(), text("sub"));
    assert_eq!(token.session.as_deref(), text("sid"));
    let expires = token.expires.expect("an end is demanded");
    let whole = claims["exp"].as_f64().expect("an end is a number").floor();
    assert_eq!(expires as f64, whole);
}
