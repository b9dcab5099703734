//! Shared by all tests: keys, requests, and tokens made by hand.

use std::net::IpAddr;

use crate::access::{
    Asking, Carrier, Country, Format, Found, Place, Refusal, Region, Secret, Source,
};
use crate::access::{Terms, Token};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ciborium::{Value, cbor};
use coset::{Header, MacContext, ProtectedHeader, mac_structure_data};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::{Algorithm, Cat, Key, Settings, cbor, matching, mint};

mod granting;
mod minting;
mod refusing;

/// Minted by the npm package @eyevinn/cat, accepted by the crate common-access-token.
const HS256: &str = "2D3RhEOhAQWhBExTeW1tZXRyaWMyNTZYJKQBZ2V5ZXZpbm4EGn_oF4AZATihA6EBaC92b2QvdDEvGQE2AVggsO_KgXf5_Dm1rKbqf2H6LWhxMWPASZbaL4-U-4kEu0U";
/// Minted by pycose 1.1.0.
const ES256: &str = "2D3ShEOhASahBERlcy0xWGWoAWhlZGdlLWlzcwQaf-gXgAUaZ3SFgBkBNgEZATiiAaEAb2Nkbi5leGFtcGxlLmNvbQOhAWgvdm9kL3QxLxkBOYJjR0VUZEhFQUQZATyCYlNFYlVTGQE3gtg0ghgYQ8AAAhn78FhAHM4JMKz7kMp1NVXKpe2FJSltl_kcwpYByqS8yHkHMKXzlF9j56kg2Kindnvy5rF8nKsYolKx5A36FVRy97k9Hw";

const SECRET: &str = "403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388";
/// The P-256 key of RFC 6979 appendix A.2.5.
const EC_PRIVATE: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const EC_PUBLIC: &str = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

/// A request; each test changes what it is about.
struct Request {
    method: &'static str,
    scheme: &'static str,
    host: &'static str,
    path: String,
    query: String,
    headers: HeaderMap,
    viewer: IpAddr,
    place: Place,
    alpn: Option<&'static str>,
    prefix: Option<String>,
}

impl Request {
    fn of(path: &str) -> Self {
        Self {
            method: "GET",
            scheme: "https",
            host: "cdn.example.com",
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            viewer: "192.0.2.7".parse().unwrap(),
            place: place("SE", None, Some(64500)),
            alpn: Some("h2"),
            prefix: None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn header(self, name: &str, value: &str) -> Self {
        self.with(|this| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            this.headers
                .append(name, HeaderValue::from_str(value).unwrap());
        })
    }

    fn asking(&self) -> Asking<'_> {
        Asking {
            method: self.method,
            scheme: self.scheme,
            host: self.host,
            raw_path: &self.path,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            prefix: self.prefix.as_deref(),
            viewer: self.viewer,
            place: &self.place,
            alpn: self.alpn,
            device: None,
            identities: &[],
            now: 1_800_000_000,
        }
    }
}

fn place(country: &str, region: Option<&str>, asn: Option<u32>) -> Place {
    Place {
        country: Country::parse(country),
        region: region.and_then(Region::parse),
        asn,
        anonymous: None,
    }
}

fn pem(label: &str, der: &[u8]) -> Secret {
    let body = STANDARD.encode(der);
    Secret::new(format!(
        "-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
    ))
}

fn hs256(name: &str, kid: Option<&str>) -> Key {
    let secret = Secret::new(matching::unhex(SECRET).unwrap());
    Key::new(name, kid.map(str::as_bytes), Algorithm::Hs256, &secret).unwrap()
}

fn ec_pair() -> EcdsaKeyPair {
    EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &matching::unhex(EC_PRIVATE).unwrap(),
        &matching::unhex(EC_PUBLIC).unwrap(),
    )
    .unwrap()
}

fn es256_public(name: &str, kid: Option<&str>) -> Key {
    let der: PublicKeyX509Der<'_> = ec_pair().public_key().as_der().unwrap();
    let pem = pem("PUBLIC KEY", der.as_ref());
    Key::new(name, kid.map(str::as_bytes), Algorithm::Es256, &pem).unwrap()
}

fn es256_private(name: &str, kid: Option<&str>) -> Key {
    let der = ec_pair().to_pkcs8v1().unwrap();
    let pem = pem("PRIVATE KEY", der.as_ref());
    Key::new(name, kid.map(str::as_bytes), Algorithm::Es256, &pem).unwrap()
}

fn rsa_pair(size: KeySize) -> (Secret, Secret) {
    let pair = RsaKeyPair::generate(size).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (
        pem("PRIVATE KEY", private.as_ref()),
        pem("PUBLIC KEY", public.as_ref()),
    )
}

fn cat(keys: Vec<Key>) -> Cat {
    Cat::new(Settings {
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

fn verified(token: &str) -> Result<Token, Refusal> {
    cat(vec![hs256("one", None)]).verify(&found(token))
}

/// The terms of a token of these claims.
fn terms(claims: Json) -> Box<dyn Terms> {
    let token = mint(&hs256("one", None), &claims).unwrap();
    verified(&token).unwrap().terms
}

/// Whether a token of these claims is for this request.
fn permits(claims: Json, request: &Request) -> Result<(), Refusal> {
    terms(claims).permit(&request.asking())
}

fn encoded(value: &Value) -> Vec<u8> {
    cbor::write(value)
}

/// A token of exactly these bytes, its MAC correct.
fn forged(protected: &[u8], unprotected: Value, payload: &[u8]) -> String {
    let header = ProtectedHeader {
        original_data: Some(protected.to_vec()),
        header: Header::default(),
    };
    let message = mac_structure_data(MacContext::CoseMac0, header, &[], payload);
    let tag = hs256("one", None).sign(&message).unwrap();
    text(Value::Tag(
        61,
        Box::new(Value::Tag(
            17,
            Box::new(Value::Array(vec![
                Value::Bytes(protected.to_vec()),
                unprotected,
                Value::Bytes(payload.to_vec()),
                Value::Bytes(tag),
            ])),
        )),
    ))
}

/// A token of these claims, as CBOR has them.
fn of_claims(claims: Value) -> String {
    forged(&[0xa1, 1, 5], Value::Map(vec![]), &encoded(&claims))
}

fn text(value: Value) -> String {
    URL_SAFE_NO_PAD.encode(encoded(&value))
}

fn refusal(token: &str) -> Refusal {
    verified(token).unwrap_err()
}

#[test]
fn the_vector_of_node_cat_is_verified() {
    let cat = cat(vec![hs256("one", Some("Symmetric256"))]);
    let token = cat.verify(&found(HS256)).unwrap();
    assert_eq!(&*token.key, "one");
    assert_eq!(token.expires, Some(2_145_916_800));
    assert_eq!((token.id, token.viewer, token.session), (None, None, None));
    let permit = |path: &str| token.terms.permit(&Request::of(path).asking());
    assert_eq!(permit("/vod/t1/a.m3u8"), Ok(()));
    assert_eq!(permit("/vod/t2/a.m3u8"), Err(Refusal::TokenScope));
}

#[test]
fn the_vector_of_pycose_is_verified() {
    let cat = cat(vec![es256_public("ec", Some("es-1"))]);
    let token = cat.verify(&found(ES256)).unwrap();
    assert_eq!(token.not_before, Some(1_735_689_600));
    assert_eq!(token.expires, Some(2_145_916_800));
    let good = || Request::of("/vod/t1/a.m3u8");
    let permit = |request: Request| token.terms.permit(&request.asking());
    assert_eq!(permit(good()), Ok(()));
    assert_eq!(permit(good().with(|r| r.method = "HEAD")), Ok(()));
    assert_eq!(
        permit(good().with(|r| r.method = "POST")),
        Err(Refusal::TokenMethod)
    );
    assert_eq!(
        permit(good().with(|r| r.host = "cdn.example.org")),
        Err(Refusal::TokenScope)
    );
    assert_eq!(
        permit(Request::of("/vod/t10/a.m3u8")),
        Err(Refusal::TokenScope)
    );
    assert_eq!(
        permit(good().with(|r| r.place.country = None)),
        Err(Refusal::TokenCountry)
    );
    assert_eq!(
        permit(good().with(|r| r.place = place("NO", None, None))),
        Err(Refusal::TokenCountry)
    );
    let elsewhere: IpAddr = "198.51.100.1".parse().unwrap();
    assert_eq!(
        permit(good().with(|r| r.viewer = elsewhere)),
        Err(Refusal::TokenAddress)
    );
    // The second item of its catnip is an autonomous system.
    let by_system = good().with(|r| (r.viewer, r.place.asn) = (elsewhere, Some(64496)));
    assert_eq!(permit(by_system), Ok(()));
}

#[test]
fn a_token_is_found_in_each_carrier() {
    let cat = cat(vec![hs256("one", None)]);
    let found = |carrier, request: &Request| {
        let asking = request.asking();
        let source = Source {
            carrier,
            asking: &asking,
        };
        cat.find(&source)
            .map(|found| found.map(|found| found.token.into_owned()))
    };
    let token = Ok(Some(HS256.to_owned()));
    let request = Request::of("/a").header("cta-common-access-token", HS256);
    assert_eq!(found(Carrier::Header, &request), token);
    assert_eq!(found(Carrier::Cookie, &request), Ok(None));
    let request =
        Request::of("/a").header("cookie", &format!("a=b; CTA-Common-Access-Token={HS256}"));
    assert_eq!(found(Carrier::Cookie, &request), token);
    let request = Request::of("/a").with(|r| r.query = format!("x=1&cat={HS256}"));
    assert_eq!(found(Carrier::Query, &request), token);
    let request = Request::of("/a").with(|r| r.prefix = Some(HS256.to_owned()));
    assert_eq!(found(Carrier::Path, &request), token);
    // Another format's.
    for other in [
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
        "Policy=x&Signature=y",
        "2D3R!",
    ] {
        let request = Request::of("/a").with(|r| r.prefix = Some(other.to_owned()));
        assert_eq!(
            found(Carrier::Path, &request).ok().flatten(),
            None,
            "{other}"
        );
    }
    let query = |query: &str| {
        found(
            Carrier::Query,
            &Request::of("/a").with(|r| r.query = query.to_owned()),
        )
    };
    assert_eq!(query("cat="), Ok(None));
    assert_eq!(query("cat=%32D3R"), Err(Refusal::TokenMalformed));
    assert_eq!(query("cat=a%00"), Err(Refusal::TokenMalformed));
    assert_eq!(
        query(&format!("cat={}", "A".repeat(4096))),
        Ok(Some("A".repeat(4096)))
    );
    assert_eq!(
        query(&format!("cat={}", "A".repeat(4097))),
        Err(Refusal::TokenTooLong)
    );
}

#[test]
fn settings_are_checked() {
    let refused = |change: fn(&mut Settings)| {
        let mut settings = Settings {
            keys: vec![hs256("one", None)],
            ..Settings::default()
        };
        change(&mut settings);
        Cat::new(settings).unwrap_err().to_string()
    };
    assert_eq!(refused(|s| s.keys.clear()), "no key: give at least one");
    let same = refused(|s| s.keys.push(hs256("one", None)));
    assert!(same.starts_with("two keys are called one"));
    assert!(refused(|s| s.names.header = "a b".to_owned()).starts_with("\"a b\" is no name"));
    assert!(refused(|s| s.names.query = "a&b".to_owned()).starts_with("\"a&b\" is no name"));
    assert!(refused(|s| s.names.cookie = String::new()).starts_with("\"\" is no name"));
}

#[test]
fn keys_are_checked() {
    let refused = |algorithm, secret: &Secret| {
        Key::new("k", None, algorithm, secret)
            .unwrap_err()
            .to_string()
    };
    let short = Secret::new("fifteen bytes..");
    assert!(refused(Algorithm::Hs256, &short).starts_with("key k: the secret has 15 bytes"));
    assert!(refused(Algorithm::Es256, &short).starts_with("key k: no PEM"));
    let (private, public) = rsa_pair(KeySize::Rsa2048);
    assert!(refused(Algorithm::Es256, &private).contains("not a key for ES256"));
    assert!(refused(Algorithm::Es256, &public).contains("not a key for ES256"));
    let ec = pem("PRIVATE KEY", ec_pair().to_pkcs8v1().unwrap().as_ref());
    assert!(refused(Algorithm::Ps256, &ec).contains("not a key for PS256"));
    let kid = Key::new("k", Some(b""), Algorithm::Ps256, &public).unwrap_err();
    assert!(kid.to_string().contains("the kid is empty"));
}

#[test]
fn debugging_shows_nothing_of_a_key() {
    let debug = format!("{:?}", cat(vec![hs256("one", Some("kid"))]));
    assert!(debug.contains("Key(one, HS256)"), "{debug}");
    assert!(!debug.contains("4036"));
}
