//! What is refused before any claim is held against a request.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::*;

fn map(entries: Vec<(i64, Value)>) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

/// HS256, as a header names it.
fn alg() -> (i64, Value) {
    (1, 5.into())
}

/// A token without claims under these headers.
fn with_headers(protected: Vec<(i64, Value)>, unprotected: Vec<(i64, Value)>) -> String {
    forged(&encoded(&map(protected)), map(unprotected), &[0xa0])
}

#[test]
fn wrong_keys_and_algorithms_are_refused() {
    let refusal = |keys: Vec<Key>, token: &str| cat(keys).verify(&found(token)).unwrap_err();
    let stranger = Secret::new([7; 32]);
    let stranger = |kid: Option<&str>| {
        Key::new("x", kid.map(str::as_bytes), Algorithm::Hs256, &stranger).unwrap()
    };
    assert_eq!(
        refusal(vec![hs256("one", Some("other"))], HS256),
        Refusal::TokenKey
    );
    assert_eq!(
        refusal(vec![stranger(Some("Symmetric256"))], HS256),
        Refusal::TokenSignature
    );
    assert_eq!(
        refusal(vec![stranger(None)], HS256),
        Refusal::TokenSignature
    );
    assert_eq!(
        refusal(vec![es256_public("ec", Some("Symmetric256"))], HS256),
        Refusal::TokenAlgorithm
    );
    assert_eq!(
        refusal(vec![hs256("one", Some("es-1"))], ES256),
        Refusal::TokenAlgorithm
    );
    // A public key is no secret of HMAC.
    assert_eq!(
        refusal(vec![es256_public("ec", None)], HS256),
        Refusal::TokenAlgorithm
    );
    let keys = vec![
        stranger(None),
        es256_public("ec", None),
        hs256("one", Some("Symmetric256")),
    ];
    assert_eq!(&*cat(keys).verify(&found(HS256)).unwrap().key, "one");
}

#[test]
fn a_token_without_a_key_id_is_tried_with_every_key_of_its_algorithm() {
    let token = mint(&hs256("one", None), &json!({"exp": 1})).unwrap();
    let keys = vec![es256_public("ec", None), hs256("one", Some("any"))];
    assert_eq!(&*cat(keys).verify(&found(&token)).unwrap().key, "one");
}

#[test]
fn headers_that_are_not_understood_are_refused() {
    let typ = |typ: &str| (16, Value::from(typ));
    let crit = || (2, Value::Array(vec![16.into()]));
    let refusal = |protected, unprotected| refusal(&with_headers(protected, unprotected));
    assert!(verified(&with_headers(vec![alg(), typ("CAT")], vec![])).is_ok());
    assert_eq!(
        refusal(vec![alg(), typ("JWT")], vec![]),
        Refusal::TokenMalformed
    );
    assert_eq!(
        refusal(vec![alg(), (16, 7.into())], vec![]),
        Refusal::TokenMalformed
    );
    for unsigned in [
        typ("CAT"),
        typ("JWT"),
        (5, Value::Bytes(vec![0])),
        (99, 1.into()),
    ] {
        assert_eq!(
            refusal(vec![alg()], vec![unsigned]),
            Refusal::TokenMalformed
        );
    }
    assert_eq!(
        refusal(vec![alg(), crit(), typ("CAT")], vec![]),
        Refusal::TokenClaim
    );
    assert_eq!(refusal(vec![alg()], vec![crit()]), Refusal::TokenClaim);
}

#[test]
fn a_key_id_stands_in_one_of_both_headers() {
    let kid = |kid: &str| (4, Value::Bytes(kid.as_bytes().to_vec()));
    let key_of = |token: &str| cat(vec![hs256("one", Some("a"))]).verify(&found(token));
    assert!(key_of(&with_headers(vec![alg(), kid("a")], vec![])).is_ok());
    assert!(key_of(&with_headers(vec![alg()], vec![kid("a")])).is_ok());
    assert!(key_of(&with_headers(vec![alg()], vec![(4, "a".into())])).is_ok());
    assert!(key_of(&with_headers(vec![alg(), (4, "a".into())], vec![])).is_ok());
    let other = with_headers(vec![alg(), kid("b")], vec![]);
    assert_eq!(key_of(&other).unwrap_err(), Refusal::TokenKey);
    for second in [kid("a"), kid("b")] {
        let both = with_headers(vec![alg(), kid("a")], vec![second]);
        assert_eq!(refusal(&both), Refusal::TokenMalformed);
    }
    let more = with_headers(vec![alg()], vec![kid("a"), (99, 1.into())]);
    assert_eq!(refusal(&more), Refusal::TokenMalformed);
}

#[test]
fn the_algorithm_is_protected_and_known() {
    let refusal = |protected, unprotected| refusal(&with_headers(protected, unprotected));
    assert!(verified(&with_headers(vec![alg()], vec![])).is_ok());
    assert_eq!(refusal(vec![], vec![alg()]), Refusal::TokenMalformed);
    assert_eq!(refusal(vec![alg()], vec![alg()]), Refusal::TokenMalformed);
    assert_eq!(refusal(vec![], vec![]), Refusal::TokenAlgorithm);
    let empty = forged(&[], Value::Map(vec![]), &[0xa0]);
    assert_eq!(super::refusal(&empty), Refusal::TokenAlgorithm);
    // HS256 cut to 64 bits, a signature in the place of a MAC, one that nobody knows, none at all.
    for algorithm in [4, -7, -37, -999, 99_999, 0] {
        let refusal = refusal(vec![(1, algorithm.into())], vec![]);
        assert_eq!(refusal, Refusal::TokenAlgorithm, "{algorithm}");
    }
}

#[test]
fn only_the_two_tags_of_cose_are_read() {
    let message = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let token = URL_SAFE_NO_PAD.decode(HS256).unwrap();
    assert!(verified(HS256).is_ok());
    assert!(verified(&message(&token[2..])).is_ok(), "without tag 61");
    assert_eq!(
        refusal(&message(&token[3..])),
        Refusal::TokenMalformed,
        "without a tag"
    );
    for (tag, refused) in [
        (0xd2, Refusal::TokenAlgorithm),
        (0xd0, Refusal::TokenMalformed),
    ] {
        let mut token = token.clone();
        token[2] = tag;
        assert_eq!(refusal(&message(&token)), refused);
    }
    let twice = [&[0xd8, 61][..], &token].concat();
    assert_eq!(refusal(&message(&twice)), Refusal::TokenMalformed);
}

#[test]
fn a_signed_payload_of_more_than_one_meaning_is_refused() {
    let payload = |payload: &[u8]| forged(&[0xa1, 1, 5], Value::Map(vec![]), payload);
    assert!(verified(&payload(&[0xa1, 4, 10])).is_ok());
    let refused: [(&str, &[u8]); 10] = [
        ("a key twice", &[0xa2, 4, 10, 4, 11]),
        ("a key twice in two encodings", &[0xa2, 4, 10, 0x18, 4, 11]),
        (
            "a key twice, once as a bignum",
            &[0xa2, 4, 10, 0xc2, 0x41, 4, 11],
        ),
        ("indefinite length", &[0xbf, 4, 10, 0xff]),
        ("trailing bytes", &[0xa1, 4, 10, 0]),
        ("truncated", &[0xa2, 4, 10]),
        ("not a map", &[0x81, 4]),
        ("nothing", &[]),
        ("a key that is an array", &[0xa1, 0x80, 10]),
        ("indefinite text", &[0xa1, 1, 0x7f, 0x61, b'a', 0xff]),
    ];
    for (what, bytes) in refused {
        assert_eq!(refusal(&payload(bytes)), Refusal::TokenMalformed, "{what}");
    }
    let deep = [&[0xa1, 2][..], &[0x81; 13], &[0x80]].concat();
    assert_eq!(refusal(&payload(&deep)), Refusal::TokenMalformed);
    let many = [&[0xa1, 3, 0x99, 0x02, 0x00][..], &[0x60; 512]].concat();
    assert_eq!(refusal(&payload(&many)), Refusal::TokenMalformed);
    let huge = [
        0xa1, 3, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(refusal(&payload(&huge)), Refusal::TokenMalformed);
    // The protected header and the envelope are read by the same rules.
    let header = forged(&[0xa2, 1, 5, 1, 5], Value::Map(vec![]), &[0xa0]);
    assert_eq!(refusal(&header), Refusal::TokenMalformed);
}

#[test]
fn what_is_not_a_token_is_refused() {
    let padded = format!("{HS256}==");
    for garbage in [
        "",
        "A",
        "====",
        "2D3R",
        "e30.e30.",
        "not base64!",
        "ä",
        &padded,
        "9g",
        "oA",
    ] {
        assert_eq!(refusal(garbage), Refusal::TokenMalformed, "{garbage}");
    }
    assert_eq!(refusal(&"A".repeat(4097)), Refusal::TokenTooLong);
    for end in 0..HS256.len() {
        assert!(verified(&HS256[..end]).is_err(), "{end}");
    }
}

#[test]
fn no_byte_of_a_token_can_be_changed() {
    let ec = cat(vec![es256_public("ec", None)]);
    let mac = cat(vec![hs256("one", Some("Symmetric256"))]);
    for (cat, token) in [(&mac, HS256), (&ec, ES256)] {
        assert!(cat.verify(&found(token)).is_ok());
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let changed = URL_SAFE_NO_PAD.encode(changed);
                let verified = cat.verify(&found(&changed));
                // The key id is not signed: a key without one is tried whatever the token calls it, and as text it is
                // the same as in bytes.
                let is_kid = token == ES256 && (11..15).contains(&at) || (at, bit) == (10, 5);
                assert_eq!(verified.is_ok(), is_kid, "{at} {bit}");
            }
        }
        for at in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let is_kid = token == ES256 && (13..20).contains(&at);
            assert!(cat.verify(&found(&changed)).is_err() || is_kid, "{at}");
        }
    }
}

#[test]
fn unknown_claims_are_refused() {
    let unknown = [
        8, 282, 309, 317, 318, 319, 320, 321, 322, 324, 325, -1, 0, 65_536,
    ];
    for label in unknown {
        let token = of_claims(map(vec![(label, 0.into())]));
        assert_eq!(refusal(&token), Refusal::TokenClaim, "{label}");
    }
    assert_eq!(
        refusal(&of_claims(cbor!({"exp" => 1}).unwrap())),
        Refusal::TokenClaim
    );
    // Nothing to know it again by.
    assert_eq!(
        refusal(&of_claims(map(vec![(308, 1.into())]))),
        Refusal::TokenClaim
    );
}

#[test]
fn claims_of_another_kind_are_refused() {
    let wrong = [
        cbor!({1 => 2}),
        cbor!({2 => 2}),
        cbor!({3 => 2}),
        cbor!({3 => [1]}),
        cbor!({4 => "1"}),
        cbor!({4 => null}),
        cbor!({4 => 1e300}),
        cbor!({4 => (f64::NAN)}),
        cbor!({5 => [1]}),
        cbor!({4 => 18_446_744_073_709_551_615_u64}),
        cbor!({6 => "1"}),
        cbor!({7 => "id"}),
        cbor!({308 => 3}),
        cbor!({308 => -1}),
        cbor!({308 => true}),
        cbor!({310 => 2}),
        cbor!({310 => "1"}),
        cbor!({311 => 5}),
        cbor!({311 => ["192.0.2.0/24"]}),
        cbor!({311 => [-1]}),
        cbor!({311 => [4_294_967_296_i64]}),
        cbor!({312 => []}),
        cbor!({312 => {9 => {0 => "a"}}}),
        cbor!({312 => {-1 => {0 => "a"}}}),
        cbor!({312 => {3 => "a"}}),
        cbor!({312 => {3 => {}}}),
        cbor!({312 => {3 => {5 => "a"}}}),
        cbor!({312 => {3 => {0 => 1}}}),
        cbor!({312 => {2 => {0 => 443}}}),
        cbor!({312 => {3 => {4 => ["a", "i"]}}}),
        cbor!({312 => {3 => {4 => "(?i)a"}}}),
        cbor!({312 => {3 => {(-1) => "ab"}}}),
        cbor!({312 => {3 => {(-3) => "ab"}}}),
        cbor!({313 => "GET"}),
        cbor!({313 => [1]}),
        cbor!({314 => "h2"}),
        cbor!({315 => {1 => {0 => "a"}}}),
        cbor!({315 => {"a b" => {0 => "a"}}}),
        cbor!({316 => ["SWE"]}),
        cbor!({316 => ["US-"]}),
        cbor!({316 => ["US-CALI"]}),
        cbor!({316 => "US"}),
        cbor!({316 => [""]}),
    ];
    refuse(wrong.map(Result::unwrap));
}

#[test]
fn claims_in_part_of_another_kind_are_refused() {
    let catr = |entries: Vec<(i64, Value)>| map(vec![(323, map(entries))]);
    let kind = |kind: i64| (0, Value::from(kind));
    let add = || (1, Value::from(60));
    let short = map(vec![(-1, Value::Bytes(vec![0; 31]))]);
    refuse([
        catr(vec![kind(0)]),
        catr(vec![add()]),
        catr(vec![kind(3), add()]),
        catr(vec![kind(0), (1, 0.into())]),
        catr(vec![kind(0), add(), (8, 1.into())]),
        catr(vec![kind(1), add(), (3, "a=b; c".into())]),
        map(vec![(312, map(vec![(3, short)]))]),
        map(vec![(7, Value::Bytes(vec![]))]),
        map(vec![(4, Value::Tag(1, Box::new(1.into())))]),
    ]);
}

fn refuse<const N: usize>(wrong: [Value; N]) {
    for claims in wrong {
        let token = of_claims(claims.clone());
        assert_eq!(refusal(&token), Refusal::TokenClaim, "{claims:?}");
    }
}

#[test]
fn networks_that_are_none_are_refused() {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let prefix =
        |length: i64, bytes: &[u8]| Value::Array(vec![length.into(), Value::Bytes(bytes.to_vec())]);
    let refused = [
        Value::Tag(52, Box::new(prefix(33, &[1, 2, 3, 4]))),
        Value::Tag(52, Box::new(prefix(-1, &[1, 2, 3, 4]))),
        Value::Tag(52, Box::new(prefix(24, &[1, 2, 3, 4, 5]))),
        Value::Tag(52, Box::new(bytes(&[1, 2, 3]))),
        Value::Tag(54, Box::new(bytes(&[1, 2, 3, 4]))),
        Value::Tag(54, Box::new(prefix(129, &[1]))),
        Value::Tag(53, Box::new(bytes(&[1, 2, 3, 4]))),
        Value::Tag(
            52,
            Box::new(Value::Array(vec![bytes(&[1, 2, 3, 4]), 24.into()])),
        ),
    ];
    for network in refused {
        let token = of_claims(map(vec![(311, Value::Array(vec![network.clone()]))]));
        assert_eq!(refusal(&token), Refusal::TokenClaim, "{network:?}");
    }
}

#[test]
fn issuers_and_audiences_must_be_ours() {
    let verify = |issuers: &[&str], audiences: &[&str], claims: Json| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let cat = Cat::new(Settings {
            keys: vec![hs256("one", None)],
            issuers: words(issuers),
            audiences: words(audiences),
            ..Settings::default()
        });
        let token = mint(&hs256("one", None), &claims).unwrap();
        cat.unwrap().verify(&found(&token)).map(drop)
    };
    let refused = Err(Refusal::TokenIssuer);
    assert_eq!(verify(&[], &[], json!({})), Ok(()));
    assert_eq!(verify(&[], &[], json!({"iss": "a"})), Ok(()));
    assert_eq!(verify(&["a", "b"], &[], json!({"iss": "b"})), Ok(()));
    assert_eq!(verify(&["a"], &[], json!({"iss": "A"})), refused);
    assert_eq!(verify(&["a"], &[], json!({})), refused);
    assert_eq!(verify(&[], &[], json!({"aud": "x"})), refused);
    assert_eq!(verify(&[], &["x"], json!({"aud": "x"})), Ok(()));
    assert_eq!(verify(&[], &["x"], json!({"aud": ["y", "x"]})), Ok(()));
    assert_eq!(verify(&[], &["x"], json!({"aud": ["y"]})), refused);
    assert_eq!(verify(&[], &["x"], json!({"aud": []})), refused);
    assert_eq!(verify(&[], &["x"], json!({})), refused);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_tokens_never_panic_and_never_pass(token: String) {
        prop_assert!(verified(&token).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_pass(bytes: Vec<u8>) {
        prop_assert!(verified(&URL_SAFE_NO_PAD.encode(&bytes)).is_err());
        let tagged = [&[0xd8, 61, 0xd1, 0x84][..], &bytes].concat();
        prop_assert!(verified(&URL_SAFE_NO_PAD.encode(tagged)).is_err());
    }

    #[test]
    fn arbitrary_signed_payloads_never_panic(label in 1_i64..330, payload: Vec<u8>) {
        let bytes = [&[0xa1][..], &encoded(&label.into()), &payload].concat();
        for payload in [&payload, &bytes] {
            let token = forged(&[0xa1, 1, 5], Value::Map(vec![]), payload);
            if let Ok(token) = verified(&token) {
                let _ = token.terms.permit(&Request::of("/vod/a.ts").asking());
            }
        }
    }

    #[test]
    fn arbitrary_requests_never_panic(
        path: String, query: String, component in 0_i64..9, kind in 0_i64..4, value: String,
    ) {
        let claims = map(vec![(312, map(vec![(component, map(vec![(kind, value.into())]))]))]);
        let token = verified(&of_claims(claims)).unwrap();
        let request = Request::of(&format!("/{path}")).with(|r| r.query = query);
        let first = token.terms.permit(&request.asking());
        prop_assert_eq!(first, token.terms.permit(&request.asking()));
    }

    #[test]
    fn arbitrary_hosts_never_panic(host: String, scheme in any::<bool>()) {
        let host: &'static str = host.leak();
        let request = Request::of("/a").with(|r| {
            r.host = host;
            r.scheme = if scheme { "http" } else { "ftp" };
        });
        let claims = json!({"catu": {"host": {"exact": "nobody"}, "port": {"exact": "1"}}});
        prop_assert!(permits(claims, &request).is_err());
    }
}
