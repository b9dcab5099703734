use std::net::IpAddr;

use crate::access::{
    Asking, Carrier, Country, Format, Found, Place, Refusal, Secret, Source, Token,
};
use http::HeaderMap;
use proptest::prelude::*;

use super::compact::{decode, encode};
use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const HS256: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJlZGdlIiwic3ViIjoidTEiLCJleHAiOjIxNDU5MTY4MDAsIm5iZiI6MTczNTY4OTYwMCwicGF0aCI6Ii92b2QvdDEvIn0.6gBbBoMmNaQwFLhNEXIfgC0crxWP9NwoQAR6pOoT4cs";
const ES256: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjMSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ0MSIsImV4cCI6MjE0NTkxNjgwMH0.zBI4jJ148Bt5bFG_njflH_p9UZwyfj-_y7_0wQAHD0PnV1xcq6iwH9vE1RusQA3JeZhMXM8p3dvcqbUooZZc_Q";
const ES256_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAET3d/MZH56KF4dDcRSReHFotaX/Ld
tDNq65UvRX+bwjqllZsWa2+JpqYudtbdRMhe+ojIRU55NGrp/Wweul4NZA==
-----END PUBLIC KEY-----
";
const EDDSA: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkMSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ0MSIsImV4cCI6MjE0NTkxNjgwMH0.oaG3qE3-1peXq8QNjD-Y3SdOYFph-dGlmsb4aWDWKO_42Az7L-CSChUntlIgPme7CuinR35AYbGgPIl8pwtrBA";
/// RFC 8037 A.1.
const ED_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED_PUBLIC: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"ed1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 7515 A.1, A.2, A.3: one payload, `{"iss":"joe", "exp":1300819380, "http://example.com/is_root":true}`.
const RFC_PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A1_JWK: &str = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const A2_JWK: &str = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
const A3_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

fn key(name: &str, algorithm: Algorithm, material: Material) -> KeySettings {
    KeySettings {
        name: name.to_owned(),
        kid: Some(name.to_owned()),
        algorithm,
        material,
    }
}

fn secret() -> KeySettings {
    key(
        "k1",
        Algorithm::Hs256,
        Material::Secret(Secret::new(SECRET)),
    )
}

fn jwk(name: &str, algorithm: Algorithm, json: &str) -> KeySettings {
    key(name, algorithm, Material::Jwk(Secret::new(json)))
}

fn pem(name: &str, algorithm: Algorithm, text: &str) -> KeySettings {
    key(name, algorithm, Material::Pem(Secret::new(text)))
}

fn with_keys(keys: impl Into<Vec<KeySettings>>) -> Jwt {
    let keys = keys.into();
    Jwt::new(Settings {
        keys,
        ..Settings::default()
    })
    .unwrap()
}

fn found(token: &str) -> Found<'_> {
    Found {
        token: token.into(),
        bound: "".into(),
    }
}

fn verify(jwt: &Jwt, token: &str) -> Result<Token, Refusal> {
    jwt.verify(&found(token))
}

fn refusal(jwt: &Jwt, token: &str) -> Refusal {
    verify(jwt, token).expect_err("it is refused")
}

/// A token of any header and payload, signed with the secret.
fn raw(header: &str, payload: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let mac = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", encode(mac))
}

fn claims(payload: &str) -> Result<Token, Refusal> {
    verify(
        &with_keys([secret()]),
        &raw(r#"{"alg":"HS256","kid":"k1"}"#, payload),
    )
}

/// What a request is, where a test does not say otherwise.
struct Request {
    method: &'static str,
    host: &'static str,
    path: &'static str,
    query: String,
    headers: HeaderMap,
    prefix: Option<String>,
    viewer: &'static str,
    country: Option<&'static str>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET",
            host: "cdn.example",
            path: "/vod/t1/a.m3u8",
            query: String::new(),
            headers: HeaderMap::new(),
            prefix: None,
            viewer: "192.0.2.1",
            country: Some("SE"),
        }
    }
}

impl Request {
    fn ask<T>(&self, judge: impl FnOnce(&Asking<'_>) -> T) -> T {
        let viewer: IpAddr = self.viewer.parse().unwrap();
        let place = Place {
            country: self.country.and_then(Country::parse),
            ..Place::default()
        };
        judge(&Asking {
            method: self.method,
            scheme: "https",
            host: self.host,
            raw_path: self.path,
            path: self.path,
            query: &self.query,
            headers: &self.headers,
            prefix: self.prefix.as_deref(),
            viewer,
            place: &place,
            alpn: None,
            device: None,
            identities: &[],
            now: 1_800_000_000,
        })
    }

    fn find(&self, carrier: Carrier) -> Result<Option<String>, Refusal> {
        let jwt = with_keys([secret()]);
        self.ask(|asking| {
            let found = jwt.find(&Source { carrier, asking })?;
            Ok(found.map(|found| {
                assert!(matches!(found.token, Cow::Borrowed(_)), "nothing is copied");
                assert_eq!(found.bound, "");
                found.token.into_owned()
            }))
        })
    }
}

/// Whether a token with these terms is for that request.
fn permit(terms: &str, request: &Request) -> Result<(), Refusal> {
    let token = claims(&format!(r#"{{"exp":2145916800,{terms}}}"#))?;
    request.ask(|asking| token.terms.permit(asking))
}

#[test]
fn the_hs256_vector_is_read_in_full() {
    let jwt = with_keys([secret()]);
    let token = verify(&jwt, HS256).unwrap();
    assert_eq!(&*token.key, "k1");
    assert_eq!(token.viewer.as_deref(), Some("u1"));
    assert_eq!((token.id, token.session), (None, None));
    assert_eq!(token.not_before, Some(1_735_689_600));
    assert_eq!(token.expires, Some(2_145_916_800));
    Request::default().ask(|asking| token.terms.permit(asking).unwrap());
    let other = Request {
        path: "/vod/t2/a.m3u8",
        ..Request::default()
    };
    assert_eq!(
        other.ask(|asking| token.terms.permit(asking)),
        Err(Refusal::TokenScope)
    );
    let minted = jwt.mint(
        "k1",
        r#"{"iss":"edge","sub":"u1","exp":2145916800,"nbf":1735689600,"path":"/vod/t1/"}"#,
    );
    assert_eq!(minted.unwrap(), HS256);
}

#[test]
fn the_asymmetric_vectors_verify() {
    let jwt = with_keys([
        pem("ec1", Algorithm::Es256, ES256_PEM),
        jwk("ed1", Algorithm::EdDsa, ED_JWK),
    ]);
    assert_eq!(&*verify(&jwt, ES256).unwrap().key, "ec1");
    assert_eq!(&*verify(&jwt, EDDSA).unwrap().key, "ed1");
    let minted = jwt.mint("ed1", r#"{"sub":"t1","exp":2145916800}"#).unwrap();
    assert_eq!(minted, EDDSA);
    let public = jwt.mint("ec1", r#"{"exp":1}"#);
    assert_eq!(public, Err(MintError::PublicKey("ec1".to_owned())));
}

#[test]
fn the_vectors_of_rfc_7515_verify() {
    let vectors = [
        (
            Algorithm::Hs256,
            A1_JWK,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            Algorithm::Rs256,
            A2_JWK,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            Algorithm::Es256,
            A3_JWK,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ];
    for (algorithm, json, header, signature) in vectors {
        let jwt = with_keys([jwk("rfc", algorithm, json)]);
        let token = format!("{header}.{RFC_PAYLOAD}.{signature}");
        let expires = verify(&jwt, &token).unwrap().expires;
        assert_eq!(expires, Some(1_300_819_380), "{algorithm}");
    }
}

#[test]
fn the_vector_of_rfc_8037_verifies_and_is_no_token() {
    const A4: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let settings = jwk("ed", Algorithm::EdDsa, ED_JWK);
    let key = Key::configured(&settings).unwrap();
    let (message, signature) = A4.rsplit_once('.').unwrap();
    assert!(key.signed(message.as_bytes(), &decode(signature).unwrap()));
    assert_eq!(encode(key.sign(message.as_bytes()).unwrap()), signature);
    assert_eq!(refusal(&with_keys([settings]), A4), Refusal::TokenMalformed);
}

#[test]
fn a_header_that_disagrees_with_its_key_is_refused() {
    let jwt = with_keys([secret(), jwk("ed1", Algorithm::EdDsa, ED_JWK)]);
    let payload = r#"{"exp":2145916800}"#;
    for (header, expected) in [
        (r#"{"alg":"none","kid":"k1"}"#, Refusal::TokenAlgorithm),
        (r#"{"alg":"None"}"#, Refusal::TokenAlgorithm),
        (r#"{"alg":"hs256","kid":"k1"}"#, Refusal::TokenAlgorithm),
        (r#"{"alg":"HS384","kid":"k1"}"#, Refusal::TokenAlgorithm),
        (r#"{"alg":"RS256","kid":"k1"}"#, Refusal::TokenAlgorithm),
        (r#"{"alg":"RS256"}"#, Refusal::TokenAlgorithm),
        (r#"{"alg":"HS256","kid":"ed1"}"#, Refusal::TokenAlgorithm),
        (r#"{"alg":"EdDSA","kid":"ed1"}"#, Refusal::TokenSignature),
        (r#"{"alg":"HS256","kid":"k2"}"#, Refusal::TokenKey),
        (r#"{"alg":"HS256","kid":""}"#, Refusal::TokenKey),
        (r#"{"alg":"HS256","kid":1}"#, Refusal::TokenMalformed),
        (r#"{"alg":"HS256","kid":null}"#, Refusal::TokenMalformed),
        (r#"{"alg":"HS256","typ":1}"#, Refusal::TokenMalformed),
        (r#"{"alg":["HS256"]}"#, Refusal::TokenMalformed),
        (r#"{"kid":"k1"}"#, Refusal::TokenMalformed),
        (r#"{"alg":"HS256","alg":"HS256"}"#, Refusal::TokenMalformed),
        (
            r#"{"alg":"HS256","a":{"b":1,"b":1}}"#,
            Refusal::TokenMalformed,
        ),
        (r#"{"alg":"HS256","crit":["exp"]}"#, Refusal::TokenClaim),
        (r#"{"alg":"HS256","crit":[]}"#, Refusal::TokenClaim),
        (r#"{"alg":"HS256","b64":false}"#, Refusal::TokenClaim),
        ("[]", Refusal::TokenMalformed),
        ("", Refusal::TokenMalformed),
    ] {
        assert_eq!(refusal(&jwt, &raw(header, payload)), expected, "{header}");
    }
    for header in [
        r#"{"alg":"HS256","kid":"k1"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","jku":"https://evil.example","jwk":{}}"#,
    ] {
        assert!(verify(&jwt, &raw(header, payload)).is_ok(), "{header}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let ec = with_keys([pem("ec1", Algorithm::Es256, ES256_PEM)]);
    let signed = format!(
        "{}.{}",
        encode(r#"{"alg":"HS256","kid":"ec1"}"#),
        encode(r#"{"exp":1}"#)
    );
    for bytes in [ES256_PEM.as_bytes(), ES256_PEM.trim().as_bytes()] {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, bytes);
        let mac = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        let token = format!("{signed}.{}", encode(mac));
        assert_eq!(refusal(&ec, &token), Refusal::TokenAlgorithm);
    }
}

#[test]
fn a_token_with_any_byte_changed_is_refused() {
    let keys = [
        secret(),
        pem("ec1", Algorithm::Es256, ES256_PEM),
        jwk("ed1", Algorithm::EdDsa, ED_PUBLIC),
    ];
    let jwt = with_keys(keys);
    for token in [HS256, ES256, EDDSA] {
        assert!(verify(&jwt, token).is_ok());
        for place in 0..token.len() {
            for other in [
                b'A', b'B', b'a', b'_', b'.', b'=', b'+', b'%', b'\n', b' ', b'0',
            ] {
                let mut bytes = token.as_bytes().to_vec();
                if bytes[place] != other {
                    bytes[place] = other;
                    let changed = String::from_utf8(bytes).unwrap();
                    assert!(verify(&jwt, &changed).is_err(), "{changed}");
                }
            }
            // The last character of a part has bits that decode to nothing: they must be zero.
            let mut bytes = token.as_bytes().to_vec();
            bytes[place] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(verify(&jwt, &changed).is_err(), "{changed}");
            }
        }
    }
}

#[test]
fn a_token_cut_anywhere_or_lengthened_is_refused() {
    let jwt = with_keys([secret()]);
    for end in 0..HS256.len() {
        assert!(verify(&jwt, &HS256[..end]).is_err(), "{end}");
        assert!(verify(&jwt, &HS256[end + 1..]).is_err(), "{end}");
    }
    for longer in ["=", "==", "A", ".", ".e30", " ", "\n"] {
        assert!(
            verify(&jwt, &format!("{HS256}{longer}")).is_err(),
            "{longer:?}"
        );
        assert!(
            verify(&jwt, &format!("{longer}{HS256}")).is_err(),
            "{longer:?}"
        );
    }
}

#[test]
fn an_oversized_token_is_refused_before_it_is_read() {
    let jwt = with_keys([secret()]);
    let sized = |filling: usize| {
        let payload = format!(r#"{{"exp":1,"x":"{}"}}"#, "x".repeat(filling));
        raw(r#"{"alg":"HS256"}"#, payload)
    };
    let honest = sized(5900);
    assert!(honest.len() < MAX_TOKEN && verify(&jwt, &honest).is_ok());
    assert_eq!(refusal(&jwt, &sized(6200)), Refusal::TokenTooLong);
    assert_eq!(
        refusal(&jwt, &"a".repeat(MAX_TOKEN + 1)),
        Refusal::TokenTooLong
    );
}

#[test]
fn another_key_of_the_same_id_is_refused() {
    let other = key(
        "k1",
        Algorithm::Hs256,
        Material::Secret(Secret::new("x".repeat(32))),
    );
    assert_eq!(refusal(&with_keys([other]), HS256), Refusal::TokenSignature);
    assert_eq!(refusal(&with_keys([]), HS256), Refusal::TokenKey);
}

#[test]
fn without_an_id_a_bounded_number_of_keys_is_tried() {
    let token = raw(r#"{"alg":"HS256"}"#, r#"{"exp":1}"#);
    let with_others = |count: usize| {
        let other = |n| {
            let bytes = Secret::new(format!("{n:032}"));
            key(&format!("o{n}"), Algorithm::Hs256, Material::Secret(bytes))
        };
        let mut keys: Vec<_> = (0..count).map(other).collect();
        keys.push(secret());
        verify(&with_keys(keys), &token).map(|token| token.key.to_string())
    };
    assert_eq!(with_others(MAX_TRIED - 1).as_deref(), Ok("k1"));
    assert_eq!(with_others(MAX_TRIED).unwrap_err(), Refusal::TokenSignature);
}

#[test]
fn a_key_without_an_id_is_not_for_tokens_that_name_one() {
    let nameless = KeySettings {
        kid: None,
        ..secret()
    };
    let jwt = with_keys([nameless]);
    assert_eq!(refusal(&jwt, HS256), Refusal::TokenKey);
    let token = jwt.mint("k1", r#"{"exp":1}"#).unwrap();
    assert!(token.starts_with(&encode(r#"{"alg":"HS256","typ":"JWT"}"#)));
    assert!(verify(&jwt, &token).is_ok());
}

#[test]
fn claims_are_read_or_refused() {
    let token = claims(r#"{"exp":20.5,"nbf":10.5,"iat":1,"jti":"j","sid":"s","sub":"u","x":[]}"#);
    let token = token.unwrap();
    assert_eq!((token.not_before, token.expires), (Some(11), Some(20)));
    assert_eq!(token.id.as_deref(), Some("j"));
    assert_eq!(token.session.as_deref(), Some("s"));
    assert_eq!(token.viewer.as_deref(), Some("u"));
    for (payload, expected) in [
        ("{}", Refusal::TokenClaim),
        (r#"{"exp":"2145916800"}"#, Refusal::TokenClaim),
        (r#"{"exp":null}"#, Refusal::TokenClaim),
        (r#"{"exp":2145916800000}"#, Refusal::TokenClaim),
        (r#"{"exp":18446744073709551615}"#, Refusal::TokenClaim),
        (r#"{"exp":-9223372036854775808}"#, Refusal::TokenClaim),
        (r#"{"exp":1e20}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"nbf":"1"}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"nbf":true}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"iat":[]}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"sub":1}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"jti":1}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"sid":{}}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"iss":["a"]}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"aud":1}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"aud":["a",1]}"#, Refusal::TokenClaim),
        (r#"{"exp":1,"exp":2}"#, Refusal::TokenMalformed),
        (r#"{"exp":1,"e\u0078p":2}"#, Refusal::TokenMalformed),
        ("[]", Refusal::TokenMalformed),
        ("", Refusal::TokenMalformed),
        ("null", Refusal::TokenMalformed),
        (r#"{"exp":1"#, Refusal::TokenMalformed),
        (r#"{"exp":NaN}"#, Refusal::TokenMalformed),
    ] {
        assert_eq!(claims(payload).unwrap_err(), expected, "{payload}");
    }
    let jwt = with_keys([secret()]);
    let not_text = raw(r#"{"alg":"HS256"}"#, b"{\"exp\":1,\"sub\":\"\xff\"}");
    assert_eq!(refusal(&jwt, &not_text), Refusal::TokenMalformed);
}

#[test]
fn a_token_without_an_end_needs_leave() {
    let jwt = Jwt::new(Settings {
        require_expiry: false,
        keys: vec![secret()],
        ..Settings::default()
    });
    let jwt = jwt.unwrap();
    let token = verify(&jwt, &raw(r#"{"alg":"HS256"}"#, "{}")).unwrap();
    assert_eq!(token.expires, None);
    let malformed = raw(r#"{"alg":"HS256"}"#, r#"{"exp":"never"}"#);
    assert_eq!(refusal(&jwt, &malformed), Refusal::TokenClaim);
}

#[test]
fn issuer_and_audience_are_ours_or_the_token_is_refused() {
    let list = |words: &[&str]| Some(words.iter().map(|word| word.to_string()).collect());
    let judge = |issuer: Option<Vec<String>>, audience: Option<Vec<String>>, payload: &str| {
        let jwt = Jwt::new(Settings {
            issuer,
            audience,
            keys: vec![secret()],
            ..Settings::default()
        });
        let token = raw(r#"{"alg":"HS256"}"#, payload);
        verify(&jwt.unwrap(), &token).map(|_| ())
    };
    let refused = Err(Refusal::TokenIssuer);
    assert_eq!(judge(None, None, r#"{"exp":1,"iss":"any"}"#), Ok(()));
    assert_eq!(
        judge(list(&["a", "b"]), None, r#"{"exp":1,"iss":"b"}"#),
        Ok(())
    );
    assert_eq!(judge(list(&["a"]), None, r#"{"exp":1,"iss":"A"}"#), refused);
    assert_eq!(judge(list(&["a"]), None, r#"{"exp":1}"#), refused);
    assert_eq!(judge(None, None, r#"{"exp":1,"aud":"v"}"#), refused);
    assert_eq!(judge(None, None, r#"{"exp":1,"aud":[]}"#), refused);
    assert_eq!(judge(None, list(&["v"]), r#"{"exp":1,"aud":"v"}"#), Ok(()));
    assert_eq!(
        judge(None, list(&["v", "w"]), r#"{"exp":1,"aud":["x","w"]}"#),
        Ok(())
    );
    assert_eq!(judge(None, list(&["v"]), r#"{"exp":1,"aud":[]}"#), refused);
    assert_eq!(judge(None, list(&["v"]), r#"{"exp":1}"#), refused);
}

#[test]
fn terms_cover_what_they_name_and_nothing_else() {
    let usual = Request::default;
    for (terms, expected) in [
        (r#""path":"/vod/t1/""#, Ok(())),
        (r#""path":["/x","/vod/t1/a.m3u8"]"#, Ok(())),
        (r#""paths":["/vod/*"]"#, Ok(())),
        (
            r#""path":"/vod/","paths":"/other/""#,
            Err(Refusal::TokenScope),
        ),
        (r#""path":[]"#, Err(Refusal::TokenScope)),
        (r#""path":"/vod/t1""#, Err(Refusal::TokenScope)),
        (r#""path":"/vod/../vod/t1/""#, Err(Refusal::TokenScope)),
        (r#""path":"/vod%2Ft1/""#, Err(Refusal::TokenScope)),
        (r#""path":"vod/""#, Err(Refusal::TokenClaim)),
        (r#""path":1"#, Err(Refusal::TokenClaim)),
        (r#""path":null"#, Err(Refusal::TokenClaim)),
        (r#""path":["/vod/",1]"#, Err(Refusal::TokenClaim)),
        (r#""ip":"192.0.2.0/24""#, Ok(())),
        (r#""ip":["2001:db8::/32","192.0.2.1"]"#, Ok(())),
        (r#""ip":"192.0.2.2""#, Err(Refusal::TokenAddress)),
        (r#""ip":[]"#, Err(Refusal::TokenAddress)),
        (r#""ip":"anywhere""#, Err(Refusal::TokenClaim)),
        (r#""country":"se""#, Ok(())),
        (r#""countries":["NO","SE"]"#, Ok(())),
        (r#""countries":["NO"]"#, Err(Refusal::TokenCountry)),
        (
            r#""country":"SE","countries":["NO"]"#,
            Err(Refusal::TokenCountry),
        ),
        (r#""country":"SWE""#, Err(Refusal::TokenClaim)),
        (r#""methods":["HEAD","GET"]"#, Ok(())),
        (r#""methods":"HEAD""#, Err(Refusal::TokenMethod)),
        (r#""methods":"get""#, Err(Refusal::TokenMethod)),
        (r#""host":"CDN.example""#, Ok(())),
        (r#""host":["other.example"]"#, Err(Refusal::TokenScope)),
        (r#""host":"cdn.example:443""#, Err(Refusal::TokenScope)),
        (r#""host":"*.example""#, Err(Refusal::TokenClaim)),
        (r#""https://example.com/path":"/other/""#, Ok(())),
    ] {
        assert_eq!(permit(terms, &usual()), expected, "{terms}");
    }
}

#[test]
fn a_viewer_of_no_known_country_is_in_none() {
    let nowhere = Request {
        country: None,
        ..Request::default()
    };
    assert_eq!(
        permit(r#""country":"SE""#, &nowhere),
        Err(Refusal::TokenCountry)
    );
    let block = r#""accessRules":[{"type":"ip.geoip.country","action":"block","country":["US"]}]"#;
    assert_eq!(permit(block, &nowhere), Err(Refusal::TokenCountry));
    let allow = r#""accessRules":[{"type":"ip.geoip.country","action":"allow","country":["US"]},{"type":"any","action":"block"}]"#;
    assert_eq!(permit(allow, &nowhere), Err(Refusal::TokenCountry));
}

#[test]
fn the_first_access_rule_that_matches_decides() {
    let only_us = r#"{"type":"ip.geoip.country","action":"allow","country":["US","MX"]}"#;
    let only_net = r#"{"type":"ip.src","action":"allow","ip":["192.0.2.0/24","2400:cb00::/32"]}"#;
    let nobody = r#"{"type":"any","action":"block"}"#;
    let not_se = r#"{"type":"ip.geoip.country","action":"block","country":["SE"]}"#;
    let not_us = r#"{"type":"ip.geoip.country","action":"block","country":["US"]}"#;
    for (rules, expected) in [
        (vec![], Ok(())),
        (vec![not_us], Ok(())),
        (vec![not_se], Err(Refusal::TokenCountry)),
        (vec![only_us, nobody], Err(Refusal::TokenCountry)),
        (vec![only_us, only_net, nobody], Ok(())),
        (vec![only_net, not_se], Ok(())),
        (vec![not_se, only_net], Err(Refusal::TokenCountry)),
        (vec![nobody], Err(Refusal::TokenScope)),
        (
            vec![r#"{"type":"ip.src","action":"block","ip":["192.0.2.1"]}"#],
            Err(Refusal::TokenAddress),
        ),
        (
            vec![r#"{"type":"ip.src","action":"allow"}"#],
            Err(Refusal::TokenClaim),
        ),
        (
            vec![r#"{"type":"ip.src","action":"block","ip":[]}"#],
            Err(Refusal::TokenClaim),
        ),
        (
            vec![r#"{"type":"ip.src","action":"allow","ip":["x"]}"#],
            Err(Refusal::TokenClaim),
        ),
        (
            vec![r#"{"type":"ip.asn","action":"block"}"#],
            Err(Refusal::TokenClaim),
        ),
        (
            vec![r#"{"type":"any","action":"deny"}"#],
            Err(Refusal::TokenClaim),
        ),
        (vec![r#"{"type":"any"}"#], Err(Refusal::TokenClaim)),
        (
            vec![r#"{"type":"any","action":"allow","unless":1}"#],
            Err(Refusal::TokenClaim),
        ),
        (vec!["1"], Err(Refusal::TokenClaim)),
    ] {
        let terms = format!(r#""accessRules":[{}]"#, rules.join(","));
        assert_eq!(permit(&terms, &Request::default()), expected, "{terms}");
    }
    assert_eq!(
        permit(r#""accessRules":{}"#, &Request::default()),
        Err(Refusal::TokenClaim)
    );
}

#[test]
fn a_subject_may_be_what_is_watched() {
    let jwt = Jwt::new(Settings {
        subject_in_path: true,
        audience: Some(vec!["v".to_owned()]),
        keys: vec![secret()],
        ..Settings::default()
    });
    let jwt = jwt.unwrap();
    let token = |payload: &str| verify(&jwt, &raw(r#"{"alg":"HS256","kid":"k1"}"#, payload));
    let good = token(r#"{"exp":1,"aud":"v","sub":"t1"}"#).unwrap();
    assert_eq!(good.viewer, None);
    let at = |path| {
        let request = Request {
            path,
            ..Request::default()
        };
        request.ask(|asking| good.terms.permit(asking))
    };
    assert_eq!(at("/vod/t1/a.m3u8"), Ok(()));
    assert_eq!(at("/t1.m3u8"), Ok(()));
    assert_eq!(at("/vod/t11/a.m3u8"), Err(Refusal::TokenScope));
    for payload in [
        r#"{"exp":1,"aud":"v"}"#,
        r#"{"exp":1,"aud":"v","sub":""}"#,
        r#"{"exp":1,"aud":"v","sub":"a/b"}"#,
    ] {
        assert_eq!(
            token(payload).unwrap_err(),
            Refusal::TokenClaim,
            "{payload}"
        );
    }
}

#[test]
fn a_token_is_found_in_every_carrier() {
    let mut request = Request {
        query: format!("a=b&token={HS256}"),
        prefix: Some(HS256.to_owned()),
        ..Request::default()
    };
    request
        .headers
        .insert("authorization", format!("Bearer {HS256}").parse().unwrap());
    request
        .headers
        .insert("cookie", format!("a=b; token={HS256}").parse().unwrap());
    for carrier in [
        Carrier::Path,
        Carrier::Query,
        Carrier::Header,
        Carrier::Cookie,
    ] {
        assert_eq!(
            request.find(carrier).unwrap().as_deref(),
            Some(HS256),
            "{carrier:?}"
        );
        assert_eq!(Request::default().find(carrier), Ok(None), "{carrier:?}");
    }
}

#[test]
fn what_has_not_the_form_of_a_token_is_refused_where_it_stands() {
    let query = |value: &str| {
        let request = Request {
            query: format!("token={value}"),
            ..Request::default()
        };
        request.find(Carrier::Query)
    };
    for garbage in ["", "a", "a.b", "a.b.c.d", "%2e%2e"] {
        assert_eq!(query(garbage), Err(Refusal::TokenMalformed), "{garbage}");
    }
    assert_eq!(query(&"a".repeat(9000)), Err(Refusal::TokenTooLong));
    assert_eq!(
        query(&format!("a.b.{}", "c".repeat(9000))),
        Err(Refusal::TokenTooLong)
    );
    let prefix = |value: &str| {
        let request = Request {
            prefix: Some(value.to_owned()),
            ..Request::default()
        };
        request.find(Carrier::Path)
    };
    assert_eq!(
        prefix("Policy=a&Signature=b"),
        Ok(None),
        "of another format"
    );
    assert_eq!(
        prefix(&format!("a.b.{}", "c".repeat(9000))),
        Err(Refusal::TokenTooLong)
    );
}

#[test]
fn renewal_moves_the_end_and_nothing_else() {
    let jwt = with_keys([secret()]);
    let header = r#"{"typ":"JWT","kid":"k1","alg":"HS256","x":1}"#;
    let old = raw(
        header,
        r#"{"z":1.50,"exp":100,"path":"/a/","a":{"c":1,"b":2}}"#,
    );
    let token = verify(&jwt, &old).unwrap();
    let later = jwt.renew(&found(&old), &token, 200).unwrap();
    let expected = raw(
        header,
        r#"{"z":1.50,"exp":200,"path":"/a/","a":{"c":1,"b":2}}"#,
    );
    assert_eq!(later, expected);
    assert_eq!(verify(&jwt, &later).unwrap().expires, Some(200));
    assert_eq!(jwt.renew(&found(&old), &token, 100), None, "not later");
    assert_eq!(jwt.renew(&found(&old), &token, i64::MAX), None);
    let forged = format!("{old}A");
    assert_eq!(
        jwt.renew(&found(&forged), &token, 200),
        None,
        "never signs what was not verified"
    );
}

#[test]
fn public_and_fetched_keys_do_not_renew() {
    let public = with_keys([jwk("ed1", Algorithm::EdDsa, ED_PUBLIC)]);
    let token = verify(&public, EDDSA).unwrap();
    assert_eq!(public.renew(&found(EDDSA), &token, 2_145_916_801), None);
    let fetched = with_keys([]);
    fetched.replace_remote_keys(set(&[ED_PUBLIC]));
    let token = verify(&fetched, EDDSA).unwrap();
    assert_eq!(fetched.renew(&found(EDDSA), &token, 2_145_916_801), None);
    let private = with_keys([jwk("ed1", Algorithm::EdDsa, ED_JWK)]);
    let later = private.renew(&found(EDDSA), &token, 2_145_916_801).unwrap();
    assert_eq!(
        verify(&private, &later).unwrap().expires,
        Some(2_145_916_801)
    );
}

#[test]
fn nothing_is_minted_that_would_be_refused() {
    let jwt = with_keys([secret()]);
    for (claims, expected) in [
        ("{}", Refusal::TokenClaim),
        (r#"{"exp":1,"exp":2}"#, Refusal::TokenMalformed),
        (r#"{"exp":1,"aud":"x"}"#, Refusal::TokenIssuer),
        (r#"{"exp":1,"path":"x"}"#, Refusal::TokenClaim),
    ] {
        assert_eq!(
            jwt.mint("k1", claims),
            Err(MintError::Refused(expected)),
            "{claims}"
        );
    }
    let long = format!(r#"{{"exp":1,"x":"{}"}}"#, "x".repeat(MAX_TOKEN));
    assert_eq!(
        jwt.mint("k1", &long),
        Err(MintError::Refused(Refusal::TokenTooLong))
    );
    let unknown = jwt.mint("k2", r#"{"exp":1}"#);
    assert_eq!(unknown, Err(MintError::UnknownKey("k2".to_owned())));
}

#[test]
fn an_id_that_needs_escapes_is_minted_and_read() {
    let odd = KeySettings {
        kid: Some("a\"b\\\n\u{e9}".to_owned()),
        ..secret()
    };
    let jwt = with_keys([odd]);
    let token = jwt.mint("k1", r#"{"exp":1}"#).unwrap();
    assert_eq!(&*verify(&jwt, &token).unwrap().key, "k1");
}

fn set(jwks: &[&str]) -> KeySet {
    KeySet::from_jwks(format!(r#"{{"keys":[{}]}}"#, jwks.join(",")).as_bytes()).unwrap()
}

#[test]
fn fetched_keys_rotate_and_configured_ones_stay() {
    let jwt = with_keys([secret()]);
    assert_eq!(refusal(&jwt, EDDSA), Refusal::TokenKey);
    assert!(jwt.take_unknown_kid());
    assert!(!jwt.take_unknown_kid(), "asked once, told once");

    assert!(jwt.replace_remote_keys(set(&[ED_PUBLIC])));
    assert_eq!(&*verify(&jwt, EDDSA).unwrap().key, "ed1");
    assert!(verify(&jwt, HS256).is_ok());
    assert!(!jwt.take_unknown_kid());
    assert!(!jwt.replace_remote_keys(set(&[ED_PUBLIC])), "the same keys");

    let other = ED_PUBLIC.replace("ed1", "ed2");
    assert!(jwt.replace_remote_keys(set(&[&other])));
    assert_eq!(
        refusal(&jwt, EDDSA),
        Refusal::TokenKey,
        "its key is withdrawn"
    );
    assert!(jwt.take_unknown_kid());
    assert!(verify(&jwt, HS256).is_ok());
    assert!(jwt.replace_remote_keys(KeySet::default()));
}

#[test]
fn a_wrong_signature_does_not_ask_for_new_keys() {
    let jwt = with_keys([secret()]);
    assert!(verify(&jwt, &format!("{HS256}A")).is_err());
    assert!(verify(&jwt, &raw(r#"{"alg":"none","kid":"zz"}"#, "{}")).is_err());
    assert!(!jwt.take_unknown_kid());
}

#[test]
fn a_key_set_keeps_what_it_can_use_and_counts_the_rest() {
    let rsa = |more: &str| A2_JWK.replace("{\"kty\"", &format!("{{{more}\"kty\""));
    let set = set(&[
        ED_PUBLIC,
        &rsa(""),
        &rsa(r#""alg":"RS512","use":"sig","kid":"r5","#),
        &rsa(r#""alg":"RSA-OAEP","#),
        &rsa(r#""alg":"ES256","#),
        &rsa(r#""use":"enc","#),
        &rsa(r#""key_ops":["encrypt"],"#),
        &rsa(r#""key_ops":["verify"],"kid":"kv","#),
        &rsa(r#""kid":1,"#),
        A1_JWK,
        A3_JWK,
        ED_JWK,
        r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}"#,
        r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        r#"{"kty":"new"}"#,
        "[]",
    ]);
    let kept: Vec<_> = set
        .keys()
        .iter()
        .map(|key| (key.name().to_string(), key.algorithm()))
        .collect();
    let expected = [
        ("ed1", Algorithm::EdDsa),
        ("#1", Algorithm::Rs256),
        ("r5", Algorithm::Rs512),
        ("kv", Algorithm::Rs256),
    ];
    assert_eq!(
        kept,
        expected.map(|(name, algorithm)| (name.to_owned(), algorithm))
    );
    assert_eq!((set.len(), set.skipped()), (4, 15));
}

#[test]
fn a_document_that_is_no_key_set_is_refused() {
    let read = |document: &str| KeySet::from_jwks(document.as_bytes()).map(|set| set.len());
    assert_eq!(read(r#"{"keys":[]}"#), Ok(0));
    for malformed in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
        "<html>",
    ] {
        assert_eq!(read(malformed), Err(KeySetError::Malformed), "{malformed}");
    }
    let none = Err(KeySetError::NoneUsable {
        count: 1,
        first: KeyError::Private,
    });
    assert_eq!(read(&format!(r#"{{"keys":[{A1_JWK}]}}"#)), none);
    assert_eq!(read(&format!(r#"{{"keys":[{ED_JWK}]}}"#)), none);
    let many = format!(r#"{{"keys":[{}]}}"#, vec![ED_PUBLIC; 65].join(","));
    assert_eq!(read(&many), Err(KeySetError::TooManyKeys(65)));
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(256 * 1024));
    assert_eq!(read(&long), Err(KeySetError::TooLong(long.len())));
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let error = |settings: Settings| Jwt::new(settings).map(|_| ()).unwrap_err();
    let cause = |key: KeySettings| match error(Settings {
        keys: vec![key],
        ..Settings::default()
    }) {
        SettingsError::Key { cause, .. } => cause,
        other => panic!("{other}"),
    };
    let bytes = |length| Material::Secret(Secret::new(vec![7; length]));
    assert!(matches!(
        cause(key("a", Algorithm::Hs256, bytes(31))),
        KeyError::ShortSecret { .. }
    ));
    assert!(matches!(
        cause(key("a", Algorithm::Hs512, bytes(63))),
        KeyError::ShortSecret { .. }
    ));
    let pasted = Material::Secret(Secret::new(ES256_PEM));
    assert_eq!(
        cause(key("a", Algorithm::Hs256, pasted)),
        KeyError::PemAsSecret(Algorithm::Hs256)
    );
    assert_eq!(
        cause(pem("a", Algorithm::Hs256, ES256_PEM)),
        KeyError::PemAsSecret(Algorithm::Hs256)
    );
    let long = key("a", Algorithm::Rs256, bytes(64));
    assert_eq!(cause(long), KeyError::SecretAsPair(Algorithm::Rs256));
    for wrong in [Algorithm::Es384, Algorithm::Rs256, Algorithm::EdDsa] {
        assert_eq!(cause(pem("a", wrong, ES256_PEM)), KeyError::Rejected(wrong));
    }
    assert_eq!(cause(pem("a", Algorithm::Es256, "x")), KeyError::Pem);
    let certificate = ES256_PEM.replace("PUBLIC KEY", "CERTIFICATE");
    assert_eq!(
        cause(pem("a", Algorithm::Es256, &certificate)),
        KeyError::PemKind
    );
    assert_eq!(cause(jwk("a", Algorithm::Es256, "{")), KeyError::Jwk);
    assert_eq!(cause(jwk("a", Algorithm::Es384, A3_JWK)), KeyError::JwkKind);
    assert_eq!(cause(jwk("a", Algorithm::Rs256, A3_JWK)), KeyError::JwkKind);
    assert_eq!(
        cause(jwk("a", Algorithm::Rs256, A1_JWK)),
        KeyError::SecretAsPair(Algorithm::Rs256)
    );
    assert_eq!(
        cause(jwk("a", Algorithm::EdDsa, ED_PUBLIC)),
        KeyError::JwkKid
    );
    let swapped = ED_JWK.replace("11qY", "11qZ");
    assert_eq!(
        cause(jwk("a", Algorithm::EdDsa, &swapped)),
        KeyError::Rejected(Algorithm::EdDsa)
    );
    let stated = A3_JWK.replace("{", r#"{"alg":"ES384","#);
    assert_eq!(
        cause(jwk("a", Algorithm::Es256, &stated)),
        KeyError::JwkPurpose(Algorithm::Es256)
    );
}

#[test]
fn names_and_lists_that_find_nothing_are_refused() {
    let error = |settings: Settings| Jwt::new(settings).map(|_| ()).unwrap_err().to_string();
    let twice = error(Settings {
        keys: vec![secret(), secret()],
        ..Settings::default()
    });
    assert!(twice.contains("`k1`"), "{twice}");
    let unsendable = error(Settings {
        cookie: "a b".to_owned(),
        ..Settings::default()
    });
    assert!(
        unsendable.contains("cookie") && unsendable.contains("a b"),
        "{unsendable}"
    );
    let empty = error(Settings {
        audience: Some(vec![]),
        ..Settings::default()
    });
    assert!(empty.contains("audience"), "{empty}");
}

#[test]
fn no_key_shows_in_any_text() {
    let settings = Settings {
        keys: vec![secret(), jwk("ed1", Algorithm::EdDsa, ED_JWK)],
        ..Settings::default()
    };
    let shown = format!("{settings:?} {:?}", Jwt::new(settings.clone()).unwrap());
    let bytes = decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for hidden in [SECRET, "nWGxne", "11qYAY", &hex[..16], "[48, 49"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,300}", dots in "[a-zA-Z0-9_.-]{0,300}") {
        let jwt = with_keys([secret()]);
        prop_assert!(verify(&jwt, &text).is_err());
        prop_assert!(verify(&jwt, &dots).is_err());
    }

    #[test]
    fn arbitrary_headers_and_payloads_never_panic(
        header in any::<Vec<u8>>(),
        payload in any::<Vec<u8>>(),
        value in "\\PC{0,40}",
    ) {
        let jwt = with_keys([secret()]);
        let token = format!("{}.{}.{}", encode(&header), encode(&payload), encode(&header));
        prop_assert!(verify(&jwt, &token).is_err());
        let _ = verify(&jwt, &raw(r#"{"alg":"HS256"}"#, &payload));
        let value = serde_json::to_string(&value).unwrap();
        for name in ["path", "ip", "country", "host", "methods", "accessRules", "aud", "exp"] {
            if let Ok(token) = claims(&format!(r#"{{"x":1,"exp":1,"{name}":[{value}]}}"#)) {
                let _ = Request::default().ask(|asking| token.terms.permit(asking));
            }
        }
        let _ = KeySet::from_jwks(&payload);
    }
}
