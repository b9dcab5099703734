//! Claims held against requests.

use aws_lc_rs::digest;

use super::super::ere;
use super::*;

const OUT_OF_SCOPE: Result<(), Refusal> = Err(Refusal::TokenScope);

fn catu(component: &str, kind: &str, value: &str) -> Json {
    json!({"catu": {component: {kind: value}}})
}

/// Whether one match of one component covers a path.
fn covers(component: &str, kind: &str, value: &str, path: &str) -> bool {
    permits(catu(component, kind, value), &Request::of(path)).is_ok()
}

#[test]
fn a_token_without_restricting_claims_is_for_everything() {
    let request = Request::of("/a/b.ts").with(|r| {
        r.place = Place::default();
        r.alpn = None;
    });
    assert_eq!(permits(json!({"exp": 1, "catv": 1}), &request), Ok(()));
}

#[test]
fn every_match_of_a_path_is_held() {
    let path = "/vod/t1/a.m3u8";
    for (kind, good, bad) in [
        ("exact", "/vod/t1/a.m3u8", "/vod/t1/a.m3u"),
        ("prefix", "/vod/t1/", "/vod/t2/"),
        ("suffix", "a.m3u8", "b.m3u8"),
        ("contains", "/t1/", "/t2/"),
        (
            "regex",
            "^/vod/t[0-9]/[a-z]+\\.m3u8$",
            "^/vod/t[0-9]/[a-z]+\\.ts$",
        ),
    ] {
        assert!(covers("path", kind, good, path), "{kind}");
        assert!(!covers("path", kind, bad, path), "{kind}");
    }
    for (kind, algorithm) in [
        ("sha256", &digest::SHA256),
        ("sha512-256", &digest::SHA512_256),
        ("sha512-256", &digest::SHA512),
    ] {
        let digest = digest::digest(algorithm, path.as_bytes());
        let digest = matching::hex(&digest.as_ref()[..32]);
        assert!(covers("path", kind, &digest, path), "{kind}");
        assert!(!covers("path", kind, &digest, "/vod/t1/a.m3u9"), "{kind}");
    }
}

#[test]
fn all_matches_of_all_components_must_hold() {
    let claims = || {
        json!({"catu": {
            "host": {"suffix": ".example.com"},
            "path": {"prefix": "/vod/", "suffix": ".ts"},
        }})
    };
    let permits = |request: Request| permits(claims(), &request);
    assert_eq!(permits(Request::of("/vod/a.ts")), Ok(()));
    assert_eq!(permits(Request::of("/vod/a.mp4")), OUT_OF_SCOPE);
    assert_eq!(permits(Request::of("/live/a.ts")), OUT_OF_SCOPE);
    assert_eq!(
        permits(Request::of("/vod/a.ts").with(|r| r.host = "example.com")),
        OUT_OF_SCOPE
    );
}

#[test]
fn schemes_hosts_and_ports_are_told_apart() {
    let permits = |component: &str, value: &str, host: &'static str| {
        let request = Request::of("/a").with(|r| r.host = host);
        permits(catu(component, "exact", value), &request).is_ok()
    };
    assert!(permits("scheme", "https", "h"));
    assert!(permits("scheme", "HTTPS", "h"));
    assert!(!permits("scheme", "http", "h"));
    assert!(permits("host", "cdn.example.com", "CDN.Example.com:8443"));
    assert!(permits("host", "CDN.example.com", "cdn.example.com"));
    assert!(permits("host", "[::1]", "[::1]:443"));
    for none in [
        "cdn.example.com.",
        "a@cdn.example.com",
        "cdn.example.com:1:2",
        "cdn.example.com:x",
        "",
        "[::1",
    ] {
        assert!(!permits("host", "cdn.example.com", none), "{none}");
    }
    assert!(permits("port", "443", "h"));
    assert!(permits("port", "443", "h:443"));
    assert!(permits("port", "443", "h:"));
    assert!(
        permits("port", "", "h"),
        "as libraries say that use the rules of browsers"
    );
    assert!(permits("port", "8443", "h:8443"));
    assert!(!permits("port", "443", "h:8443"));
    assert!(!permits("port", "", "h:8443"));
    assert!(!permits("port", "443", "h:0443"));
    assert!(!permits("port", "99999", "h:99999"));
    let plain = Request::of("/a").with(|r| r.scheme = "http");
    assert_eq!(super::permits(catu("port", "exact", "80"), &plain), Ok(()));
    assert_eq!(
        super::permits(catu("port", "exact", "443"), &plain),
        OUT_OF_SCOPE
    );
}

#[test]
fn a_query_is_matched_without_the_token() {
    let permits = |value: &str, query: &str| {
        let request = Request::of("/a").with(|r| r.query = query.to_owned());
        permits(catu("query", "exact", value), &request).is_ok()
    };
    assert!(permits("", ""));
    assert!(permits("", "cat=TOKEN"));
    assert!(permits("a=1", "a=1&cat=TOKEN"));
    assert!(permits("a=1", "cat=TOKEN&a=1"));
    assert!(permits("a=1&b=2", "a=1&cat=TOKEN&b=2"));
    assert!(!permits("a=1", "a=1&b=2"));
    assert!(!permits("a=1", "a=1&category=2"));
    assert!(!permits("", "%63at=TOKEN"));
}

#[test]
fn parent_paths_hold_under_both_readings() {
    let file = "/vod/t1/a.ts";
    for (kind, value) in [
        ("exact", "/vod/t1"),
        ("exact", "/vod/t1/"),
        ("suffix", "t1"),
        ("suffix", "t1/"),
        ("prefix", "/vod/t1"),
        ("contains", "t1"),
    ] {
        assert!(covers("parent-path", kind, value, file), "{kind} {value}");
    }
    // Without a slash at its end the parent path of this file does not begin so.
    assert!(!covers("parent-path", "prefix", "/vod/t1/", file));
    assert!(!covers("parent-path", "regex", "^/vod/t1/", file));
    assert!(covers("parent-path", "regex", "^/vod/t1/?$", file));
    assert!(!covers("parent-path", "exact", "/vod", file));
    assert!(!covers("parent-path", "exact", "/vod/t1", "/vod/t1/b/a.ts"));
    assert!(covers("parent-path", "exact", "/", "/a.ts"));
    assert!(covers("parent-path", "exact", "", "/a.ts"));
    assert!(!covers("parent-path", "exact", "/vod", "/vod/t1/"));
}

#[test]
fn filenames_and_stems_hold_under_all_readings() {
    assert!(covers("filename", "exact", "a.ts", "/vod/a.ts"));
    assert!(!covers("filename", "exact", "a.ts", "/vod/b/a.tsx"));
    assert!(covers("stem", "exact", "a", "/vod/a.ts"));
    assert!(covers("stem", "exact", "a", "/v.1/a"));
    assert!(covers("stem", "prefix", "a", "/a.tar.gz"));
    for stem in ["a", "a.tar"] {
        assert!(
            !covers("stem", "exact", stem, "/a.tar.gz"),
            "first dot or last"
        );
    }
    for hidden in ["/.profile", "/a."] {
        for value in ["", ".profile", "a", "a.", "profile", "."] {
            assert!(!covers("stem", "exact", value, hidden), "{hidden} {value}");
            assert!(
                !covers("extension", "exact", value, hidden),
                "{hidden} {value}"
            );
        }
    }
}

#[test]
fn extensions_hold_under_all_readings() {
    assert!(covers("extension", "exact", ".ts", "/a.ts"));
    assert!(covers("extension", "exact", "ts", "/a.ts"));
    assert!(covers("extension", "exact", "", "/v.1/a"));
    assert!(!covers("extension", "exact", "", "/a.ts"));
    assert!(!covers("extension", "exact", "s", "/a.ts"));
    assert!(!covers("extension", "exact", "ts", "/ts"));
    assert!(covers("extension", "suffix", ".ts", "/a.ts"));
    assert!(covers("extension", "suffix", ".ts", "/a.1.ts"));
    assert!(
        !covers("extension", "exact", ".ts", "/a.1.ts"),
        "first dot or last"
    );
    assert!(
        !covers("extension", "exact", ".1.ts", "/a.1.ts"),
        "first dot or last"
    );
    assert!(covers("extension", "regex", "ts$", "/a.ts"));
    assert!(
        !covers("extension", "regex", "^ts$", "/a.ts"),
        "not with its dot"
    );
    assert!(
        !covers("extension", "regex", "^\\.ts$", "/a.ts"),
        "not without its dot"
    );
    assert!(!covers("extension", "regex", "^.ts$", "/a.ts"));
    assert!(covers("extension", "regex", "^\\.?(ts|m4s)$", "/a.m4s"));
    assert!(!covers("extension", "prefix", "m", "/a.m4s"));
}

#[test]
fn a_path_has_one_spelling() {
    // What stands here is the decoded path; however it was escaped, this is what is served.
    assert!(covers("path", "exact", "/vod/a%20b.ts", "/vod/a b.ts"));
    assert!(covers("path", "exact", "/vod/a b.ts", "/vod/a b.ts"));
    assert!(covers(
        "path",
        "exact",
        "/vod/M%c3%BCller.ts",
        "/vod/Müller.ts"
    ));
    assert!(covers("path", "prefix", "/vod/Mü", "/vod/Müller.ts"));
    assert!(covers("path", "exact", "/v%6Fd/a%28.ts", "/vod/a(.ts"));
    assert!(covers("path", "exact", "/100%25", "/100%"));
    assert!(
        !covers("path", "exact", "/a%20b", "/a%20b"),
        "an escape that is the file's own name"
    );
    assert!(!covers("path", "exact", "/vod%2Fa.ts", "/vod/a.ts"));
    assert!(!covers("path", "prefix", "/vod/%2e%2e/", "/vod/a.ts"));
    assert!(
        !covers("parent-path", "exact", "/vod", "/vod/t1/a.ts"),
        "asked as /vod/t1%2Fa.ts"
    );
    // Escapes in what is asked do not count, only what they stand for.
    let request = Request::of("/vod/t1/a.ts");
    let asking = Asking {
        raw_path: "/vod/t1%2Fa.ts",
        ..request.asking()
    };
    let filename = terms(catu("filename", "exact", "a.ts"));
    assert_eq!(filename.permit(&asking), Ok(()));
    let raw = terms(catu("path", "contains", "%2F"));
    assert_eq!(raw.permit(&asking), OUT_OF_SCOPE);
}

#[test]
fn methods_are_held_exactly() {
    let permits = |method: &'static str| {
        permits(
            json!({"catm": ["GET", "HEAD"]}),
            &Request::of("/a").with(|r| r.method = method),
        )
    };
    assert_eq!(permits("GET"), Ok(()));
    assert_eq!(permits("get"), Err(Refusal::TokenMethod));
    assert_eq!(permits("PUT"), Err(Refusal::TokenMethod));
    let none = super::permits(json!({"catm": []}), &Request::of("/a"));
    assert_eq!(none, Err(Refusal::TokenMethod));
}

#[test]
fn protocols_are_held_where_they_are_known() {
    let permits = |alpn| {
        let request = Request::of("/a").with(|r| r.alpn = alpn);
        permits(json!({"catalpn": ["h2", "h3"]}), &request)
    };
    assert_eq!(permits(Some("h2")), Ok(()));
    assert_eq!(permits(Some("http/1.1")), OUT_OF_SCOPE);
    assert_eq!(permits(None), Err(Refusal::TokenClaim));
}

#[test]
fn headers_are_held_when_they_come_once() {
    let claims = || json!({"cath": {"X-Device": {"prefix": "tv-"}}});
    let permits = |request: Request| permits(claims(), &request);
    assert_eq!(
        permits(Request::of("/a").header("x-device", "tv-1")),
        Ok(())
    );
    assert_eq!(
        permits(Request::of("/a").header("x-device", "phone")),
        OUT_OF_SCOPE
    );
    assert_eq!(permits(Request::of("/a")), OUT_OF_SCOPE);
    let twice = Request::of("/a")
        .header("x-device", "tv-1")
        .header("x-device", "tv-2");
    assert_eq!(permits(twice), OUT_OF_SCOPE);
    assert_eq!(
        permits(Request::of("/a").header("x-device", "tv-ä")),
        OUT_OF_SCOPE
    );
}

#[test]
fn networks_are_held() {
    let permits = |viewer: &str, asn| {
        let claims =
            json!({"catnip": ["192.0.2.0/25", "203.0.113.9", "2001:db8::/33", "::1", 64496]});
        let request = Request::of("/a").with(|r| {
            r.viewer = viewer.parse().unwrap();
            r.place.asn = asn;
        });
        permits(claims, &request).is_ok()
    };
    for good in [
        "192.0.2.0",
        "192.0.2.127",
        "203.0.113.9",
        "2001:db8:7fff::1",
        "::1",
    ] {
        assert!(permits(good, None), "{good}");
    }
    for bad in [
        "192.0.2.128",
        "203.0.113.8",
        "2001:db8:8000::1",
        "::2",
        "::192.0.2.1",
    ] {
        assert!(!permits(bad, None), "{bad}");
        assert!(!permits(bad, Some(64497)), "{bad}");
        assert!(permits(bad, Some(64496)), "{bad}");
    }
    let none = super::permits(json!({"catnip": []}), &Request::of("/a"));
    assert_eq!(none, Err(Refusal::TokenAddress));
    // A network whose own address has bits beyond its length, as some libraries write it.
    let host = Value::Array(vec![24.into(), Value::Bytes(vec![192, 0, 2, 200])]);
    let claims = Value::Map(vec![(
        311.into(),
        Value::Array(vec![Value::Tag(52, Box::new(host))]),
    )]);
    let token = verified(&of_claims(claims)).unwrap();
    assert_eq!(token.terms.permit(&Request::of("/a").asking()), Ok(()));
}

#[test]
fn countries_and_regions_are_held() {
    let permits = |place: Place| {
        let request = Request::of("/a").with(|r| r.place = place);
        permits(json!({"catgeoiso3166": ["SE", "US-CA"]}), &request)
    };
    let refused = Err(Refusal::TokenCountry);
    assert_eq!(permits(place("SE", None, None)), Ok(()));
    assert_eq!(permits(place("SE", Some("AB"), None)), Ok(()));
    assert_eq!(permits(place("US", Some("CA"), None)), Ok(()));
    assert_eq!(permits(place("US", Some("NY"), None)), refused);
    assert_eq!(permits(place("US", None, None)), refused);
    assert_eq!(permits(place("CA", None, None)), refused);
    assert_eq!(permits(Place::default()), refused);
}

const COMMON: &[&str] = &[
    "a",
    "^a$",
    "^/vod/[^/]+/.*\\.(ts|m4s)$",
    "(a|b)+c{2}d{1,}e{1,3}",
    "[[:alnum:]_-]+",
    "[-a]",
    "[a-]",
    "[a-z0-9.]",
    "\\(\\)\\[\\]\\{\\}\\*\\+\\?\\|\\^\\$\\\\\\.\\/\\-",
    "(^a|b$)",
    "[.*+?(){}$|]",
    "a ?b",
];

const DIFFERENT: &[&str] = &[
    "",
    "\\d",
    "\\w+",
    "\\bvod",
    "\\1",
    "(a)\\1",
    "(?i)a",
    "(?:a)",
    "(?=a)",
    "(?P<n>a)",
    "a*?",
    "a+?",
    "a??",
    "a**",
    "a{2}{3}",
    "*a",
    "+",
    "^*",
    "(*a)",
    "|a",
    "a|",
    "a||b",
    "()",
    "(a|)",
    "(a",
    "a)",
    "[a",
    "[]a]",
    "[^]a]",
    "[a\\]]",
    "[\\d]",
    "[a[b]]",
    "[a&&b]",
    "[a--b]",
    "[--]",
    "[a~~b]",
    "[[.a.]]",
    "[[=a=]]",
    "[[:word:]]",
    "[[:^alpha:]]",
    "[z-a]",
    "[a-z-9]",
    "[%-/]",
    "a{",
    "a{,3}",
    "a{3,1}",
    "a{1,256}",
    "a{x}",
    "a{1",
    "a}",
    "ä",
    "a\n",
    "\\",
    "a\\",
    "\\p{L}",
    "\\x41",
    "\\n",
    "((((((((((((((((((a))))))))))))))))))",
];

#[test]
fn expressions_are_read_where_both_kinds_agree() {
    for pattern in COMMON {
        assert!(ere::compile(pattern).is_some(), "{pattern}");
    }
    for pattern in DIFFERENT {
        assert!(ere::compile(pattern).is_none(), "{pattern}");
    }
    assert!(ere::compile(&"a".repeat(513)).is_none());
    assert!(
        ere::compile("((((a{200}){200}){200}){200})").is_none(),
        "too large when compiled"
    );
}

#[test]
fn renewal_is_read() {
    let renewal = |catr: Json| {
        let token = mint(&hs256("one", None), &json!({"exp": 1, "catr": catr})).unwrap();
        let cat = cat(vec![hs256("one", None)]);
        let short = cat.verify(&found(&token)).unwrap().renewal;
        let long = cat.renewal(&found(&token)).unwrap();
        assert_eq!(short, Some((long.add, long.deadline)));
        long
    };
    let cookie = renewal(json!({
        "type": "cookie", "expadd": 120, "deadline": 2_000_000_000, "cookie-name": "Renewed", "cookie-params": ["Secure"],
    }));
    assert_eq!(cookie.by, super::super::RenewalBy::Carrier(Carrier::Cookie));
    assert_eq!((cookie.add, cookie.deadline), (120, Some(2_000_000_000)));
    assert_eq!(cookie.cookie.as_deref(), Some("Renewed"));
    let header =
        renewal(json!({"type": "header", "expadd": 1, "deadline": 60, "header-name": "X-Cat"}));
    assert_eq!(header.by, super::super::RenewalBy::Carrier(Carrier::Header));
    assert_eq!(header.header.unwrap(), "x-cat");
    assert_eq!(
        header.deadline, None,
        "a minute before the end, not after 1970"
    );
    let automatic = renewal(json!({"type": "automatic", "expadd": 3600}));
    assert_eq!(automatic.by, super::super::RenewalBy::Automatic);
}
