//! Tokens made here.

use crate::access::Replay;

use super::super::envelope::Envelope;
use super::super::{KeyError, MintError};
use super::*;

fn everything() -> Json {
    json!({
        "iss": "edge", "sub": "u1", "aud": ["a", "b"], "exp": 2_145_916_800_i64, "nbf": 1_735_689_600, "iat": 1, "cti": "0A1b",
        "catreplay": 1, "catv": 1, "catnip": ["192.0.2.0/24", 64496],
        "catu": {"scheme": {"exact": "https"}, "path": {"prefix": "/vod/", "regex": "^/vod/[a-z]"}},
        "catm": ["GET"], "catalpn": ["h2"], "cath": {"x-device": {"exact": "tv"}}, "catgeoiso3166": ["SE"],
        "catr": {"type": "automatic", "expadd": 60},
    })
}

#[test]
fn a_token_of_every_claim_is_verified() {
    let token = mint(&hs256("one", Some("k")), &everything()).unwrap();
    let cat = Cat::new(Settings {
        keys: vec![hs256("one", Some("k"))],
        issuers: vec!["edge".to_owned()],
        audiences: vec!["b".to_owned()],
        ..Settings::default()
    });
    let token = cat.unwrap().verify(&found(&token)).unwrap();
    assert_eq!(token.id.as_deref(), Some("0a1b"));
    assert_eq!(token.viewer.as_deref(), Some("u1"));
    assert_eq!(token.replay, Replay::Prohibited);
    assert_eq!(
        (token.not_before, token.expires),
        (Some(1_735_689_600), Some(2_145_916_800))
    );
    assert_eq!(token.renewal, Some((60, None)));
    let request = Request::of("/vod/a.ts").header("x-device", "tv");
    assert_eq!(token.terms.permit(&request.asking()), Ok(()));
}

#[test]
fn asymmetric_keys_mint_what_their_public_keys_verify() {
    let (private, public) = rsa_pair(aws_lc_rs::rsa::KeySize::Rsa2048);
    let key = |secret: &Secret| Key::new("rsa", Some(b"r"), Algorithm::Ps256, secret).unwrap();
    let claims = json!({"exp": 10, "catu": {"path": {"exact": "/a"}}});
    let keys = || vec![es256_public("ec", Some("e")), key(&public)];
    let pairs = [
        (es256_private("ec", Some("e")), "ec"),
        (key(&private), "rsa"),
    ];
    for (minter, name) in pairs {
        let token = mint(&minter, &claims).unwrap();
        let verified = cat(keys()).verify(&found(&token)).unwrap();
        assert_eq!(&*verified.key, name);
        assert_eq!(
            cat(keys()).renew(&found(&token), &verified, 20),
            None,
            "a public key signs nothing"
        );
        let renewed = cat(vec![minter])
            .renew(&found(&token), &verified, 20)
            .unwrap();
        assert_eq!(
            cat(keys()).verify(&found(&renewed)).unwrap().expires,
            Some(20)
        );
    }
    let public = es256_public("ec", None);
    assert!(!public.can_mint());
    assert_eq!(
        mint(&public, &claims),
        Err(MintError::PublicKey("ec".to_owned()))
    );
}

#[test]
fn the_envelope_is_that_of_node_cat_to_the_byte() {
    let vector = Envelope::open(HS256).unwrap();
    let payload = vector.payload().to_vec();
    let key = hs256("one", Some("Symmetric256"));
    let sealed = Envelope::new(&key, payload).seal(&key);
    assert_eq!(sealed.as_deref(), Some(HS256));
    // The same claims; the order of their keys is the deterministic one here.
    let claims = json!({"iss": "eyevinn", "exp": 2_145_916_800_i64, "catu": {"path": {"prefix": "/vod/t1/"}}});
    let minted = mint(&key, &claims).unwrap();
    assert_eq!(minted.len(), HS256.len());
    let minted = Envelope::open(&minted).unwrap();
    let (ours, theirs) = (cbor::read(minted.payload()), cbor::read(vector.payload()));
    assert_eq!(ours, theirs.map(cbor::deterministic));
}

#[test]
fn the_payload_of_pycose_is_minted_to_the_byte() {
    let claims = json!({
        "iss": "edge-iss", "exp": 2_145_916_800_i64, "nbf": 1_735_689_600,
        "catu": {"host": {"exact": "cdn.example.com"}, "path": {"prefix": "/vod/t1/"}},
        "catm": ["GET", "HEAD"], "catgeoiso3166": ["SE", "US"], "catnip": ["192.0.2.0/24", 64496],
    });
    let minted = mint(&es256_private("ec", Some("es-1")), &claims).unwrap();
    let payload = cbor::read(Envelope::open(ES256).unwrap().payload()).unwrap();
    let payload = cbor::write(&cbor::deterministic(payload));
    assert_eq!(Envelope::open(&minted).unwrap().payload(), payload);
}

#[test]
fn minting_is_deterministic() {
    let mint =
        |claims: &str| mint(&hs256("one", None), &serde_json::from_str(claims).unwrap()).unwrap();
    assert_eq!(
        mint(r#"{"iss": "a", "exp": 1, "catv": 1}"#),
        mint(r#"{"exp": 1, "iss": "a"}"#)
    );
}

#[test]
fn networks_are_minted_as_rfc_9164_has_them() {
    let minted = |network: &str| {
        let token = mint(&hs256("one", None), &json!({"catnip": [network]})).unwrap();
        let payload = Envelope::open(&token).unwrap().payload().to_vec();
        matching::hex(&payload)
    };
    assert!(minted("10.0.0.0/8").contains("d8348208410a"));
    assert!(minted("10.1.2.3/8").contains("d8348208410a"));
    assert!(minted("0.0.0.0/0").contains("d834820040"));
    assert!(minted("192.0.2.1").contains("d83444c0000201"));
    assert!(minted("2001:db8::/32").contains("d8368218204420010db8"));
}

#[test]
fn claims_that_cannot_be_minted_are_named() {
    let refused = |claims: Json| mint(&hs256("one", None), &claims).unwrap_err().to_string();
    for (claims, message) in [
        (json!([]), "the claims are no JSON object"),
        (json!({"catif": {}}), "unknown claim catif"),
        (
            json!({"catu": {"fragment": {}}}),
            "unknown claim catu.fragment",
        ),
        (
            json!({"catu": {"path": {"glob": "*"}}}),
            "unknown claim catu.path.glob",
        ),
        (
            json!({"catr": {"status": 302}}),
            "unknown claim catr.status",
        ),
        (json!({"exp": "tomorrow"}), "claim exp needs a whole number"),
        (json!({"exp": 1.5}), "claim exp needs a whole number"),
        (json!({"cti": "xyz"}), "claim cti needs hex"),
        (json!({"cti": "abc"}), "claim cti needs hex"),
        (json!({"catm": "GET"}), "claim catm needs an array"),
        (json!({"catnip": ["a"]}), "claim catnip needs addresses"),
        (
            json!({"catr": {"type": "redirect", "expadd": 1}}),
            "claim catr.type needs automatic",
        ),
        (
            json!({"catu": {"path": {"exact": 1}}}),
            "claim catu.path.exact needs text",
        ),
        (
            json!({"catu": {"path": {"regex": "\\d"}}}),
            "a claim says what cannot be verified",
        ),
        (
            json!({"catu": {"path": {}}}),
            "a claim says what cannot be verified",
        ),
        (json!({"catv": 2}), "a claim says what cannot be verified"),
        (
            json!({"catr": {"type": "cookie"}}),
            "a claim says what cannot be verified",
        ),
        (
            json!({"catgeoiso3166": ["Sweden"]}),
            "a claim says what cannot be verified",
        ),
        (json!({"sub": "a".repeat(4096)}), "the token has 55"),
    ] {
        let refused = refused(claims);
        assert!(refused.starts_with(message), "{refused}");
    }
}

#[test]
fn a_renewed_token_differs_in_its_end_alone() {
    let cat = cat(vec![hs256("one", Some("Symmetric256"))]);
    let token = cat.verify(&found(HS256)).unwrap();
    let end = 2_145_916_800;
    let renewed = cat.renew(&found(HS256), &token, end + 1).unwrap();
    let payload = |token: &str| Envelope::open(token).unwrap().payload().to_vec();
    let (before, after) = (payload(HS256), payload(&renewed));
    let differing: Vec<_> = (0..before.len())
        .filter(|at| before[*at] != after[*at])
        .collect();
    assert_eq!(before.len(), after.len());
    assert_eq!(differing.len(), 1);
    assert_eq!(cat.verify(&found(&renewed)).unwrap().expires, Some(end + 1));
    assert_eq!(cat.renew(&found(HS256), &token, end), None);
    assert_eq!(cat.renew(&found("2D3R"), &token, end + 1), None);
    let last = 1_000_000_000_000;
    let renewed = cat.renew(&found(HS256), &token, last).unwrap();
    assert_eq!(cat.verify(&found(&renewed)).unwrap().expires, Some(last));
    assert_eq!(cat.renew(&found(HS256), &token, last + 1), None);
}

#[test]
fn only_tokens_that_end_and_may_be_used_again_are_renewed() {
    let renewed = |claims: Json| {
        let token = mint(&hs256("one", None), &claims).unwrap();
        let cat = cat(vec![hs256("one", None)]);
        let verified = cat.verify(&found(&token)).unwrap();
        cat.renew(&found(&token), &verified, 100)
    };
    assert!(renewed(json!({"exp": 10})).is_some());
    assert!(renewed(json!({"exp": 10, "catreplay": 2})).is_some());
    assert!(renewed(json!({"exp": 10, "catreplay": 1, "cti": "aa"})).is_none());
    assert!(renewed(json!({"iss": "a"})).is_none());
}

#[test]
fn a_token_of_another_key_is_not_renewed() {
    let stranger = Secret::new([7; 32]);
    let stranger = Key::new("one", None, Algorithm::Hs256, &stranger).unwrap();
    let theirs = mint(&stranger, &json!({"exp": 10})).unwrap();
    let ours = mint(&hs256("one", None), &json!({"exp": 10})).unwrap();
    let token = verified(&ours).unwrap();
    assert_eq!(
        cat(vec![hs256("one", None)]).renew(&found(&theirs), &token, 20),
        None
    );
}

#[test]
fn times_with_fractions_are_rounded_to_grant_less() {
    let claims = Value::Map(vec![(4.into(), 10.9.into()), (5.into(), 9.1.into())]);
    let token = verified(&of_claims(claims)).unwrap();
    assert_eq!((token.not_before, token.expires), (Some(10), Some(10)));
}

#[test]
fn key_errors_name_the_key_and_the_fix() {
    let error = KeyError::SecretTooShort {
        name: "k".into(),
        bytes: 3,
    };
    assert_eq!(
        error.to_string(),
        "key k: the secret has 3 bytes; HS256 needs at least 16, better 32"
    );
}
