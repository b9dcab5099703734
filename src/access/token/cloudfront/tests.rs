use super::*;

use std::net::IpAddr;

use crate::access::{Asking, Place};
use http::HeaderMap;
use http::header::COOKIE;
use proptest::prelude::*;

mod minting;
mod refusals;

macro_rules! data {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/", $name))
    };
}
use data;

/// `DateLessThan` of every vector.
const END: i64 = 2_145_916_800;
const HOST: &str = "d111111abcdef8.cloudfront.net";
const PATH: &str = "/vod/t1/master.m3u8";

/// A request, to be asked in any of the carriers.
#[derive(Clone)]
struct Request {
    scheme: String,
    host: String,
    path: String,
    query: String,
    prefix: Option<String>,
    headers: HeaderMap,
    viewer: IpAddr,
}

impl Request {
    /// For a URL, from a viewer in 192.0.2.0/24.
    fn to(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, _) = rest.split_once('/').unwrap();
        let (path, query) = rest[host.len()..]
            .split_once('?')
            .unwrap_or((&rest[host.len()..], ""));
        Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            prefix: None,
            headers: HeaderMap::new(),
            viewer: "192.0.2.77".parse().unwrap(),
        }
    }

    fn cookies(mut self, cookies: &[(impl AsRef<str>, String)]) -> Self {
        let pairs = cookies
            .iter()
            .map(|(name, value)| format!("{}={value}", name.as_ref()));
        let line = format!("theme=dark; {}", pairs.collect::<Vec<_>>().join("; "));
        self.headers.append(COOKIE, line.parse().unwrap());
        self
    }

    fn from(mut self, viewer: &str) -> Self {
        self.viewer = viewer.parse().unwrap();
        self
    }

    fn ask<T>(&self, then: impl FnOnce(&Asking<'_>) -> T) -> T {
        let place = Place::default();
        then(&Asking {
            method: "GET",
            scheme: &self.scheme,
            host: &self.host,
            raw_path: &self.path,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            prefix: self.prefix.as_deref(),
            viewer: self.viewer,
            place: &place,
            alpn: None,
            device: None,
            identities: &[],
            now: END - 1,
        })
    }

    /// Found, verified and held to its terms, as a policy does it. `None` where there is no token.
    fn asks(&self, format: &CloudFront, carrier: Carrier) -> Option<Result<Token, Refusal>> {
        self.ask(|asking| {
            let found = match format.find(&Source { carrier, asking }) {
                Ok(found) => found?,
                Err(refusal) => return Some(Err(refusal)),
            };
            let token = format.verify(&found);
            Some(token.and_then(|token| token.terms.permit(asking).map(|()| token)))
        })
    }

    fn refused(&self, format: &CloudFront, carrier: Carrier) -> Option<Refusal> {
        self.asks(format, carrier).expect("a token").err()
    }
}

fn key(id: &str, public: &str, private: Option<&str>) -> KeySettings {
    KeySettings {
        id: id.to_owned(),
        public: public.to_owned(),
        private: private.map(Secret::new),
    }
}

/// The keys of the vectors: the public halves only.
fn vectors_format() -> CloudFront {
    CloudFront::new(Settings {
        keys: vec![
            key("K2JCJMDEHXQW5F", data!("cloudfront-rsa.pub.pem"), None),
            key("KECDSAEXAMPLE", data!("cloudfront-ec.pub.pem"), None),
        ],
        resource_base: None,
    })
    .unwrap()
}

/// Keys that mint: `KRSA` and `KEC`.
fn minting_format() -> CloudFront {
    CloudFront::new(Settings {
        keys: vec![
            key(
                "KRSA",
                data!("cloudfront-test-rsa.pub.pem"),
                Some(data!("cloudfront-test-rsa.pkcs8.pem")),
            ),
            key(
                "KEC",
                data!("cloudfront-test-ec.pub.pem"),
                Some(data!("cloudfront-test-ec.sec1.pem")),
            ),
        ],
        resource_base: None,
    })
    .unwrap()
}

/// The signed URLs among the vectors, by the word before them.
fn vectors() -> Vec<(&'static str, &'static str)> {
    let lines = data!("cloudfront.txt").lines();
    let urls = lines.filter_map(|line| {
        let (name, url) = line.rsplit_once(' ')?;
        (url.starts_with("https://") && url.contains("Signature=")).then_some((name, url))
    });
    urls.collect()
}

fn vector(name: &str) -> &'static str {
    vectors()
        .into_iter()
        .find(|(other, _)| *other == name)
        .unwrap()
        .1
}

fn vector_cookies() -> Vec<(String, String)> {
    let lines = data!("cloudfront.txt")
        .lines()
        .skip_while(|line| *line != "COOK {");
    let pairs = lines.skip(1).take_while(|line| *line != "}").map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        let bare = |text: &str| text.trim_matches([' ', '"', ',']).to_owned();
        (bare(name), bare(value))
    });
    pairs.collect()
}

#[test]
fn every_url_of_the_vectors_is_accepted() {
    let format = vectors_format();
    let urls = vectors();
    let names: Vec<_> = urls.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "CANNED URL:",
            "CUSTOM URL:",
            "ECDSA URL:",
            "SHA1",
            "SHA256",
            "EC-SHA256",
            "EC-SHA1"
        ]
    );
    for (name, url) in urls {
        let token = Request::to(url)
            .asks(&format, Carrier::Query)
            .unwrap()
            .unwrap();
        assert_eq!(token.expires, Some(END), "{name}");
        let expected = if name.starts_with("EC") {
            "KECDSAEXAMPLE"
        } else {
            "K2JCJMDEHXQW5F"
        };
        assert_eq!(&*token.key, expected, "{name}");
        // DateGreaterThan refuses at its second still.
        assert_eq!(
            token.not_before,
            (name == "CUSTOM URL:").then_some(1_735_689_601),
            "{name}"
        );
    }
}

#[test]
fn the_policies_of_the_vectors_are_what_is_signed() {
    let line = |name| {
        data!("cloudfront.txt")
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
    };
    let url = format!("https://{HOST}{PATH}");
    assert_eq!(
        policy::canned(&url, &END.to_string()),
        line("CANNED POLICY: ")
    );
    let custom = Custom::parse(line("CUSTOM POLICY: ").as_bytes()).unwrap();
    assert_eq!(custom.to_json(), line("CUSTOM POLICY: "));
}

#[test]
fn the_cookies_of_the_vectors_are_accepted_in_every_order_and_on_several_lines() {
    let format = vectors_format();
    let cookies = vector_cookies();
    assert_eq!(cookies.len(), 4);
    for url in [PATH, "/vod/t1/v/seg-1.m4s", "/vod/t1/a?b=c"] {
        let request = Request::to(&format!("https://{HOST}{url}"));
        for turn in 0..4 {
            let mut cookies = cookies.clone();
            cookies.rotate_left(turn);
            let one_line = request.clone().cookies(&cookies);
            assert_eq!(one_line.refused(&format, Carrier::Cookie), None);
            let lines = request
                .clone()
                .cookies(&cookies[..2])
                .cookies(&cookies[2..]);
            assert_eq!(lines.refused(&format, Carrier::Cookie), None);
        }
    }
    let elsewhere = Request::to(&format!("https://{HOST}/vod/t2/a")).cookies(&cookies);
    assert_eq!(
        elsewhere.refused(&format, Carrier::Cookie),
        Some(Refusal::TokenScope)
    );
}

#[test]
fn the_parameters_may_stand_in_any_order_and_among_the_viewers_own() {
    let format = vectors_format();
    for (name, url) in vectors() {
        let (base, query) = url.split_once('?').unwrap();
        let mut parts: Vec<_> = query.split('&').collect();
        for _ in 0..parts.len() {
            parts.rotate_left(1);
            let turned = Request::to(&format!("{base}?{}", parts.join("&")));
            assert_eq!(turned.refused(&format, Carrier::Query), None, "{name}");
        }
    }
    let (base, query) = vector("CUSTOM URL:").split_once('?').unwrap();
    let among = format!("{base}?a=1&{}&b=2", query.replace('&', "&c=3&"));
    assert_eq!(Request::to(&among).refused(&format, Carrier::Query), None);
}

#[test]
fn a_path_prefix_is_read_as_a_query() {
    let format = vectors_format();
    for (name, url) in vectors() {
        let mut request = Request::to(url);
        request.prefix = Some(std::mem::take(&mut request.query));
        assert_eq!(request.refused(&format, Carrier::Path), None, "{name}");
        assert!(request.asks(&format, Carrier::Query).is_none());
        request.path = "/vod/t2/master.m3u8".to_owned();
        assert!(request.refused(&format, Carrier::Path).is_some(), "{name}");
    }
    let mut other = Request::to("https://h/a");
    other.prefix = Some("eyJhbGciOiJIUzI1NiJ9.e30.c2ln".to_owned());
    assert!(other.asks(&format, Carrier::Path).is_none());
}

#[test]
fn without_parameters_there_is_no_token() {
    let format = vectors_format();
    for url in [
        "https://h/a",
        "https://h/a?b=c&Hash-Algorithm=SHA256&policy=x",
    ] {
        let request =
            Request::to(url).cookies(&[("CloudFront-Hash-Algorithm", "SHA256".to_owned())]);
        for carrier in [
            Carrier::Path,
            Carrier::Query,
            Carrier::Header,
            Carrier::Cookie,
        ] {
            assert!(
                request.asks(&format, carrier).is_none(),
                "{url} {carrier:?}"
            );
        }
    }
    let signed = Request::to(vector("SHA256"));
    assert!(signed.asks(&format, Carrier::Header).is_none());
}

#[test]
fn a_signed_url_makes_cookies_count_for_nothing() {
    let format = vectors_format();
    for query in [
        "Expires=1",
        "Policy",
        "a=b&Signature=c",
        "Key-Pair-Id=K2JCJMDEHXQW5F",
    ] {
        let url = format!("https://{HOST}{PATH}?{query}");
        let request = Request::to(&url).cookies(&vector_cookies());
        assert!(request.asks(&format, Carrier::Cookie).is_none(), "{query}");
        assert_eq!(
            request.refused(&format, Carrier::Query),
            Some(Refusal::TokenMalformed)
        );
    }
}

#[test]
fn the_resource_base_stands_for_what_the_viewer_asks() {
    let settings = |base: &str| Settings {
        keys: vec![key("K2JCJMDEHXQW5F", data!("cloudfront-rsa.pub.pem"), None)],
        resource_base: Some(base.to_owned()),
    };
    let format = CloudFront::new(settings(&format!("https://{HOST}"))).unwrap();
    let elsewhere = CloudFront::new(settings("https://media.example.com")).unwrap();
    for name in ["SHA1", "SHA256", "CUSTOM URL:"] {
        let mut request = Request::to(vector(name));
        request.scheme = "http".to_owned();
        request.host = "origin.internal:8080".to_owned();
        assert_eq!(request.refused(&format, Carrier::Query), None, "{name}");
        assert!(
            request.refused(&elsewhere, Carrier::Query).is_some(),
            "{name}"
        );
        assert!(
            request.refused(&vectors_format(), Carrier::Query).is_some(),
            "{name}"
        );
    }
}

#[test]
fn a_token_depends_on_its_url_only_if_it_is_canned() {
    let format = vectors_format();
    let found = |url: &str, carrier| {
        let find = |asking: &Asking<'_>| {
            let found = format.find(&Source { carrier, asking }).unwrap().unwrap();
            (found.token.into_owned(), found.bound.into_owned())
        };
        Request::to(url).cookies(&vector_cookies()).ask(find)
    };
    let canned = vector("SHA256");
    assert_eq!(
        found(canned, Carrier::Query).1,
        format!("https://{HOST}{PATH}")
    );
    let own = canned.replace('?', "?a=1&") + "&b=2";
    assert_eq!(
        found(&own, Carrier::Query).1,
        format!("https://{HOST}{PATH}?a=1&b=2")
    );
    let custom = vector("CUSTOM URL:");
    let other = custom.replace("master.m3u8", "seg-1.m4s");
    assert_eq!(found(custom, Carrier::Query).1, "");
    assert_eq!(found(custom, Carrier::Query), found(&other, Carrier::Query));
    let url = format!("https://{HOST}/");
    assert_eq!(
        found(&format!("{url}a"), Carrier::Cookie),
        found(&format!("{url}b"), Carrier::Cookie)
    );
}

#[test]
fn a_verified_canned_token_permits_no_other_url() {
    let format = vectors_format();
    let request = Request::to(vector("SHA256"));
    let token = request.asks(&format, Carrier::Query).unwrap().unwrap();
    for url in [
        "/vod/t1/master.m3u",
        "/vod/t1/master.m3u8x",
        "/vod/t1/master.m3u8?a=b",
        "/",
        "/vod",
    ] {
        let other = Request::to(&format!("https://{HOST}{url}"));
        assert_eq!(
            other.ask(|asking| token.terms.permit(asking)),
            Err(Refusal::TokenScope),
            "{url}"
        );
    }
}

#[test]
fn an_escaped_tilde_is_still_one() {
    let format = vectors_format();
    let (base, query) = vector("CUSTOM URL:").split_once('?').unwrap();
    assert!(query.contains('~'));
    let escaped = format!("{base}?{}", query.replace('~', "%7E"));
    assert_eq!(Request::to(&escaped).refused(&format, Carrier::Query), None);
}

#[test]
fn formatting_shows_no_key_and_no_token() {
    let format = minting_format();
    let shown = format!("{format:?}");
    assert!(shown.contains("KRSA") && shown.len() < 200, "{shown}");
    let key = key("KRSA", "", Some(data!("cloudfront-test-rsa.pkcs8.pem")));
    assert!(!format!("{key:?}").contains("MII"));
}

proptest! {
    #[test]
    fn arbitrary_requests_do_not_panic(query in ".{0,80}", prefix in ".{0,80}", cookie in any::<Vec<u8>>(), path in "/.{0,30}") {
        let format = vectors_format();
        let mut request = Request::to(&format!("https://h{}", path.replace('?', "")));
        request.query = query;
        request.prefix = Some(prefix);
        if let Ok(cookie) = http::HeaderValue::from_bytes(&cookie) {
            request.headers.insert(COOKIE, cookie);
        }
        for carrier in [Carrier::Path, Carrier::Query, Carrier::Header, Carrier::Cookie] {
            if let Some(answer) = request.asks(&format, carrier) {
                prop_assert!(answer.is_err());
            }
        }
    }

    #[test]
    fn arbitrary_values_do_not_panic(policy in ".{0,60}", signature in "[A-Za-z0-9~_%-]{0,60}", hash in "(SHA1|SHA256|.{0,8})", expires in "[0-9]{0,14}", cookies in any::<bool>()) {
        let format = vectors_format();
        for first in [format!("Policy={policy}"), format!("Expires={expires}")] {
            let mut token = format!("{first}&Signature={signature}&Key-Pair-Id=KECDSAEXAMPLE&Hash-Algorithm={hash}");
            if cookies {
                token = format!("CloudFront-{}", token.replace('&', "; CloudFront-"));
            }
            let found = Found { token: token.into(), bound: policy.as_str().into() };
            prop_assert!(format.verify(&found).is_err());
        }
    }

    #[test]
    fn arbitrary_found_texts_do_not_panic(token in ".{0,120}", bound in ".{0,40}") {
        let found = Found { token: token.into(), bound: bound.into() };
        prop_assert!(vectors_format().verify(&found).is_err());
    }
}
