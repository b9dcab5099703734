//! CloudFront's signed URLs and cookies. What follows a request's empty line is a policy to sign as it is, or a permit
//! to mint, one `name=value` a line: `url`, `resource`, `expires`, `not_before`, `network`, `policy`, `hash`.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caudal::access::token::cloudfront::{
    CloudFront, Hash, KeySettings, Permit, Policy, Settings, Signing,
};
use caudal::access::{Asking, Carrier, Format as _, Found, Secret, Source, Token};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::request::{Request, field};
use super::token::{accepted, believed};

const PUBLIC: [(&str, &str); 2] = [
    (
        "K2JCJMDEHXQW5F",
        include_str!("../../tests/data/cloudfront-rsa.pub.pem"),
    ),
    (
        "KECDSAEXAMPLE",
        include_str!("../../tests/data/cloudfront-ec.pub.pem"),
    ),
];
const OWN: &str = "KOWN";
const OWN_PUBLIC: &str = include_str!("../../tests/data/cloudfront-test-ec.pub.pem");
const OWN_PRIVATE: &str = include_str!("../../tests/data/cloudfront-test-ec.pkcs8.pem");

/// The end of all that was signed by those whose public keys these are, and the only URL of their canned policies.
const END: i64 = 2_145_916_800;
const URL: &str = "https://d111111abcdef8.cloudfront.net/vod/t1/master.m3u8";

/// What the holders of the private keys have signed of custom policies.
const POLICIES: [&str; 2] = [
    r#"{"Statement":[{"Resource":"https://d111111abcdef8.cloudfront.net/vod/t1/*","Condition":{"DateLessThan":{"AWS:EpochTime":2145916800},"IpAddress":{"AWS:SourceIp":"192.0.2.0/24"},"DateGreaterThan":{"AWS:EpochTime":1735689600}}}]}"#,
    r#"{"Statement":[{"Resource":"https://d111111abcdef8.cloudfront.net/vod/t1/*","Condition":{"DateLessThan":{"AWS:EpochTime":2145916800}}}]}"#,
];

static OTHERS: LazyLock<CloudFront> =
    LazyLock::new(|| format(PUBLIC.map(|(id, public)| key(id, public, None)).to_vec()));
static MINE: LazyLock<CloudFront> =
    LazyLock::new(|| format(vec![key(OWN, OWN_PUBLIC, Some(Secret::new(OWN_PRIVATE)))]));
static PAIR: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let body = OWN_PRIVATE.lines().filter(|line| !line.starts_with('-'));
    let der = STANDARD
        .decode(body.collect::<String>())
        .expect("a PEM is base64");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).expect("the key is of P-256")
});

fn key(id: &str, public: &str, private: Option<Secret>) -> KeySettings {
    KeySettings {
        id: id.to_owned(),
        public: public.to_owned(),
        private,
    }
}

fn format(keys: Vec<KeySettings>) -> CloudFront {
    CloudFront::new(Settings {
        keys,
        resource_base: None,
    })
    .expect("these keys are good")
}

/// What is believed was signed by the key's holder; a policy says the same to another reader; what is signed for a URL
/// is good for it.
pub(super) fn cloudfront(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let asking = request.asking();
    believed(&*OTHERS, &asking, |_, found, token| {
        was_signed(found, token)
    });
    if request.rest.starts_with(b"{") {
        sealed(request.rest, &asking);
    } else {
        minted(&request, &asking);
    }
}

fn was_signed(found: &Found<'_>, token: &Token) {
    assert_eq!(token.expires, Some(END));
    let names = found
        .token
        .split(['&', ';'])
        .filter_map(|part| part.trim().split_once('='));
    let mut policies = names.filter(|(name, _)| name.trim_start_matches("CloudFront-") == "Policy");
    match policies.next() {
        None => assert_eq!(found.bound, URL),
        Some((_, policy)) => {
            let policy = decoded(policy);
            assert!(POLICIES.iter().any(|known| known.as_bytes() == policy));
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    let text = text.replace('-', "+").replace('~', "/").replace('_', "=");
    STANDARD.decode(text).expect("a policy is base64")
}

fn encoded(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    text.replace('+', "-").replace('/', "~").replace('=', "_")
}

/// Any policy, signed.
fn sealed(policy: &[u8], asking: &Asking<'_>) {
    let signature = PAIR
        .sign(&SystemRandom::new(), policy)
        .expect("the key signs");
    let (policy_text, signature) = (encoded(policy), encoded(signature.as_ref()));
    let query = format!(
        "Policy={policy_text}&Signature={signature}&Key-Pair-Id={OWN}&Hash-Algorithm=SHA256"
    );
    let asking = Asking {
        prefix: Some(&query),
        query: "",
        ..*asking
    };
    believed(&*MINE, &asking, |_, _, token| {
        let value: Value = serde_json::from_slice(policy).expect("a policy is JSON");
        let statement = match &value["Statement"] {
            Value::Array(statements) => &statements[0],
            one => one,
        };
        let condition = &statement["Condition"];
        assert_eq!(
            condition["DateLessThan"]["AWS:EpochTime"].as_i64(),
            token.expires
        );
        let after = condition["DateGreaterThan"]["AWS:EpochTime"].as_i64();
        assert_eq!(after.map(|after| after.saturating_add(1)), token.not_before);
    });
}

fn minted(request: &Request<'_>, asking: &Asking<'_>) {
    let fields = request.fields();
    let number = |name| field(&fields, name).and_then(|value| value.parse().ok());
    let (Some(resource), Some(expires)) = (field(&fields, "resource"), number("expires")) else {
        return;
    };
    let permit = Permit {
        resource: resource.to_owned(),
        expires,
        not_before: number("not_before"),
        network: field(&fields, "network").and_then(|network| network.parse().ok()),
    };
    let signing = Signing {
        key: None,
        hash: field(&fields, "hash").map_or(Hash::Sha256, |_| Hash::Sha1),
        policy: field(&fields, "policy").map_or(permit.policy(), |_| Policy::Custom),
    };
    let url = field(&fields, "url").unwrap_or(resource);
    in_a_url(url, &permit, &signing, asking);
    if signing.policy == Policy::Custom {
        in_cookies(&permit, &signing, asking);
    }
}

fn in_a_url(url: &str, permit: &Permit, signing: &Signing<'_>, asking: &Asking<'_>) {
    let Ok(signed) = MINE.sign_url(url, permit, signing) else {
        return;
    };
    let (scheme, rest) = signed.split_once("://").expect("a URL has a scheme");
    let (host, rest) = rest.split_at(rest.find('/').expect("a URL has a path"));
    let (raw_path, query) = rest.split_once('?').expect("a signed URL has a query");
    let asking = Asking {
        scheme,
        host,
        raw_path,
        query,
        ..*asking
    };
    let token = holds(
        &Source {
            carrier: Carrier::Query,
            asking: &asking,
        },
        permit,
    );
    if permit.network.is_none() {
        assert_eq!(token.terms.permit(&asking), Ok(()));
    }
}

fn in_cookies(permit: &Permit, signing: &Signing<'_>, asking: &Asking<'_>) {
    let Ok(cookies) = MINE.sign_cookies(permit, signing) else {
        return;
    };
    let lines = cookies.iter().map(|(name, value)| {
        let line = HeaderValue::from_str(&format!("{name}={value}"));
        (
            HeaderName::from_static("cookie"),
            line.expect("a cookie fits into a header"),
        )
    });
    let headers: HeaderMap = lines.collect();
    let asking = Asking {
        headers: &headers,
        query: "",
        ..*asking
    };
    holds(
        &Source {
            carrier: Carrier::Cookie,
            asking: &asking,
        },
        permit,
    );
}

/// What was minted is believed, by its own key alone, and says what was permitted.
fn holds(source: &Source<'_>, permit: &Permit) -> Token {
    let token = accepted(&*MINE, source);
    assert_eq!(token.expires, Some(permit.expires));
    assert_eq!(token.not_before, permit.not_before);
    let found = MINE
        .find(source)
        .expect("it was read before")
        .expect("it was found before");
    assert!(OTHERS.verify(&found).is_err());
    token
}
