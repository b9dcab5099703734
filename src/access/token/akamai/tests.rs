use super::*;
use std::sync::LazyLock;

use crate::access::Place;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

const KEY: &str = "a7f3c9d2e8b14056a7f3c9d2e8b14056";
const ACL: &str = "st=1735689600~exp=2145916800~acl=/vod/t1/*~hmac=76e5b896f9c85b16226935aa8ddc29f4fa7c00f70fe6a50e06f844d03443764a";
const URL: &str = "st=1735689600~exp=2145916800~hmac=13ee3fff55d77d779d63229945c00868a3bd9a7cb0b4e5707842d27c4afc799a";
const PATH: &str = "/vod/t1/master.m3u8";
const EXP: i64 = 2_145_916_800;

static PLACE: Place = Place {
    country: None,
    region: None,
    asn: None,
    anonymous: None,
};
static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

fn named(keys: &[(&str, &str)]) -> Settings {
    let keys = keys
        .iter()
        .map(|(name, key)| (Arc::from(*name), hex_key(key).unwrap()));
    Settings::new(keys.collect())
}

fn format() -> EdgeAuth {
    EdgeAuth::new(&named(&[("k1", KEY)])).unwrap()
}

/// Asks for an encoded path.
fn asking<'a>(raw_path: &'a str, path: &'a str) -> Asking<'a> {
    Asking {
        method: "GET",
        scheme: "https",
        host: "cdn.example.com",
        raw_path,
        path,
        query: "",
        headers: &NO_HEADERS,
        prefix: None,
        viewer: IpAddr::from([198, 51, 100, 7]),
        place: &PLACE,
        alpn: None,
        device: None,
        identities: &[],
        now: 1_800_000_000,
    }
}

fn judge(format: &EdgeAuth, token: &str, asking: &Asking<'_>) -> Result<Token, Refusal> {
    let query = format!("x=1&__token__={token}");
    let asking = Asking {
        query: &query,
        ..*asking
    };
    let source = Source {
        carrier: Carrier::Query,
        asking: &asking,
    };
    let found = format.find(&source)?.ok_or(Refusal::TokenMissing)?;
    let token = format.verify(&found)?;
    token.terms.permit(&asking)?;
    Ok(token)
}

fn refusal(token: &str, path: &str) -> Refusal {
    judge(&format(), token, &asking(path, path)).unwrap_err()
}

fn claims(covers: Covers<'_>) -> Claims<'_> {
    Claims {
        address: None,
        starts: None,
        expires: EXP,
        covers,
        session: None,
        data: None,
        escape: Escape::Off,
    }
}

/// A token with these fields, whatever they are.
fn sealed(fields: &str) -> String {
    format().seal(fields.to_owned(), None).unwrap()
}

fn grants(token: &str, raw_path: &str) -> bool {
    let path = unescaped(raw_path).unwrap();
    judge(&format(), token, &asking(raw_path, &path)).is_ok()
}

#[test]
fn the_vector_of_patterns_is_believed_and_minted() {
    for path in [PATH, "/vod/t1/", "/vod/t1/a/b.m4s"] {
        let token = judge(&format(), ACL, &asking(path, path)).unwrap();
        assert_eq!(&*token.key, "k1");
        assert_eq!(
            (token.not_before, token.expires),
            (Some(1_735_689_600), Some(EXP))
        );
        assert_eq!((token.id, token.viewer, token.session), (None, None, None));
    }
    let claims = Claims {
        starts: Some(1_735_689_600),
        ..claims(Covers::Paths(&["/vod/t1/*"]))
    };
    assert_eq!(format().mint(&claims).unwrap(), ACL);
}

#[test]
fn the_vector_of_one_path_is_believed_and_minted() {
    assert!(judge(&format(), URL, &asking(PATH, PATH)).is_ok());
    let claims = Claims {
        starts: Some(1_735_689_600),
        ..claims(Covers::Path(PATH))
    };
    assert_eq!(format().mint(&claims).unwrap(), URL);
}

#[test]
fn refusals() {
    let table: &[(&str, &str, Refusal)] = &[
        ("of another path", ACL, Refusal::TokenScope),
        ("of another single path", URL, Refusal::TokenSignature),
        ("empty", "", Refusal::TokenMalformed),
        ("garbage", "garbage", Refusal::TokenMalformed),
        ("a dot", "a.b.c", Refusal::TokenMalformed),
        (
            "not UTF-8 once decoded",
            "exp=1~acl=%ff~hmac=00",
            Refusal::TokenSignature,
        ),
        ("no hmac", "exp=2145916800~acl=/*", Refusal::TokenMalformed),
        (
            "an hmac of other digits",
            "exp=1~acl=/*~hmac=0g",
            Refusal::TokenMalformed,
        ),
        (
            "an hmac in upper case",
            "exp=1~acl=/*~hmac=0A",
            Refusal::TokenMalformed,
        ),
        (
            "an empty hmac",
            "exp=2145916800~acl=/*~hmac=",
            Refusal::TokenMalformed,
        ),
        (
            "a short hmac",
            "exp=2145916800~acl=/*~hmac=00",
            Refusal::TokenSignature,
        ),
        (
            "two hmacs",
            "exp=1~acl=/*~hmac=00~hmac=00",
            Refusal::TokenMalformed,
        ),
    ];
    for (what, token, expected) in table {
        assert_eq!(refusal(token, "/vod/t2/master.m3u8"), *expected, "{what}");
    }
}

#[test]
fn signed_fields_that_are_not_as_they_should_be_are_refused() {
    let malformed = [
        "acl=/*",
        "exp=~acl=/*",
        "exp=x~acl=/*",
        "exp=-1~acl=/*",
        "exp=+1~acl=/*",
        "exp=0~acl=/*",
        "exp= 2145916800~acl=/*",
        "exp=99999999999999999999~acl=/*",
        "st=x~exp=2145916800~acl=/*",
        "exp=2145916800~acl=",
        "exp=2145916800~acl=/*~id=",
        "exp=2145916800~exp=2145916800~acl=/*",
        "exp=2145916800~acl=/a~acl=/*",
        "exp=2145916800~id=u~acl=/*",
        "exp=2145916800~data=d~id=u",
        "exp=2145916800~st=1~acl=/*",
        "acl=/*~exp=2145916800",
        "exp=2145916800~acl=/*~geo=SE",
        "exp=2145916800~acl=/*~url=/vod/t1/master.m3u8",
        "exp=2145916800~acl=/*~salt=x",
        "exp=2145916800~acl=/vod/~user/*",
        "exp=2145916800~acl=/*~",
        "~exp=2145916800~acl=/*",
        "EXP=2145916800~acl=/*",
        "exp=2145916800~~acl=/*",
    ];
    for fields in malformed {
        assert_eq!(
            refusal(&sealed(fields), PATH),
            Refusal::TokenMalformed,
            "{fields}"
        );
    }
    let many = format!("exp=2145916800~acl=/*{}", "!/x".repeat(MAX_PATTERNS));
    let costly = format!("exp=2145916800~acl=/*?{}*", "a".repeat(100));
    let claims = [
        "exp=2145916800~acl=/%ff/*",
        "ip=nobody~exp=2145916800~acl=/*",
        "ip=198.51.100.0/24~exp=2145916800~acl=/*",
        &many,
        &costly,
    ];
    for fields in claims {
        assert_eq!(
            refusal(&sealed(fields), PATH),
            Refusal::TokenClaim,
            "{fields}"
        );
    }
}

#[test]
fn a_token_without_patterns_or_path_is_for_nothing() {
    assert_eq!(
        refusal(&sealed("exp=2145916800"), PATH),
        Refusal::TokenSignature
    );
    for url in [None, Some("")] {
        let token = format().seal("exp=2145916800".to_owned(), url).unwrap();
        let found = Found {
            token: token.into(),
            bound: "".into(),
        };
        assert_eq!(
            format().verify(&found).unwrap_err(),
            Refusal::TokenSignature,
            "{url:?}"
        );
    }
}

#[test]
fn no_changed_or_cut_token_is_believed() {
    for token in [ACL, URL] {
        for end in 0..token.len() {
            assert!(
                judge(&format(), &token[..end], &asking(PATH, PATH)).is_err(),
                "{end}"
            );
        }
        for at in 0..token.len() {
            for byte in 0x20..0x7f {
                let mut changed = token.as_bytes().to_vec();
                // In a query an `&` ends the value, which is a cut.
                if changed[at] == byte {
                    continue;
                }
                changed[at] = byte;
                let changed = String::from_utf8(changed).unwrap();
                let judged = judge(&format(), &changed, &asking(PATH, PATH));
                assert!(judged.is_err(), "{at} {}", char::from(byte));
            }
        }
        assert!(judge(&format(), &format!("{token}0"), &asking(PATH, PATH)).is_err());
        assert!(judge(&format(), &token.to_uppercase(), &asking(PATH, PATH)).is_err());
    }
}

#[test]
fn an_oversized_token_is_refused_before_anything_is_computed() {
    let token = format!("{ACL}{}", "0".repeat(MAX_TOKEN));
    assert_eq!(refusal(&token, PATH), Refusal::TokenTooLong);
    let found = Found {
        token: Cow::Owned(token),
        bound: Cow::Borrowed(""),
    };
    assert_eq!(format().verify(&found).unwrap_err(), Refusal::TokenTooLong);
}

#[test]
fn any_key_may_have_signed_and_the_first_one_mints() {
    let old = "00112233445566778899aabbccddeeff";
    let both = EdgeAuth::new(&named(&[("new", old), ("old", KEY)])).unwrap();
    assert_eq!(&*judge(&both, ACL, &asking(PATH, PATH)).unwrap().key, "old");
    let token = both.mint(&claims(Covers::Paths(&["/*"]))).unwrap();
    assert_eq!(
        &*judge(&both, &token, &asking(PATH, PATH)).unwrap().key,
        "new"
    );
    assert_eq!(refusal(&token, PATH), Refusal::TokenSignature);
}

#[test]
fn another_algorithm_or_salt_is_another_signature() {
    let mut tokens = Vec::new();
    let with = |algorithm, salt: Option<&str>| {
        let salt = salt.map(Secret::new);
        EdgeAuth::new(&Settings {
            algorithm,
            salt,
            ..named(&[("k1", KEY)])
        })
        .unwrap()
    };
    let formats = [
        with(Algorithm::Sha256, None),
        with(Algorithm::Sha256, Some("pepper")),
        with(Algorithm::Sha256, Some("")),
        with(Algorithm::Sha1, None),
        with(Algorithm::Md5, None),
        with(Algorithm::Md5, Some("pepper")),
    ];
    for covers in [Covers::Paths(&["/vod/*"]), Covers::Path(PATH)] {
        tokens.clear();
        tokens.extend(
            formats
                .iter()
                .map(|format| format.mint(&claims(covers)).unwrap()),
        );
        for (nth, format) in formats.iter().enumerate() {
            for (other, token) in tokens.iter().enumerate() {
                let judged = judge(format, token, &asking(PATH, PATH));
                assert_eq!(judged.is_ok(), nth == other, "{nth} {other}");
            }
        }
    }
}

#[test]
fn the_address_is_compared() {
    let minted = |address: &str| {
        let address = Some(address.parse().unwrap());
        format()
            .mint(&Claims {
                address,
                ..claims(Covers::Paths(&["/*"]))
            })
            .unwrap()
    };
    let from = |viewer: &str, token: &str| {
        let asking = Asking {
            viewer: viewer.parse().unwrap(),
            ..asking(PATH, PATH)
        };
        judge(&format(), token, &asking).map(|_| ())
    };
    let token = minted("198.51.100.7");
    assert!(token.starts_with("ip=198.51.100.7~"));
    assert_eq!(from("198.51.100.7", &token), Ok(()));
    assert_eq!(from("198.51.100.8", &token), Err(Refusal::TokenAddress));
    assert_eq!(from("::1", &token), Err(Refusal::TokenAddress));
    let token = minted("2001:db8::7");
    assert_eq!(from("2001:db8::7", &token), Ok(()));
    assert_eq!(from("2001:db8::8", &token), Err(Refusal::TokenAddress));
    for ip in ["2001%3adb8%3a%3a7", "2001:0db8:0::7"] {
        let token = sealed(&format!("ip={ip}~exp=2145916800~acl=/*"));
        assert_eq!(from("2001:db8::7", &token), Ok(()), "{ip}");
    }
    let token = sealed("ip=::ffff:198.51.100.7~exp=2145916800~acl=/*");
    assert_eq!(from("198.51.100.7", &token), Ok(()));
}

#[test]
fn patterns_mean_files_and_no_way_of_writing_a_path_widens_them() {
    let token = |acl: &str| sealed(&format!("exp=2145916800~acl={acl}"));
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "/vod/t1/*",
            &["/vod/t1/a", "/vod/%741/a"],
            &["/vod/t2/a", "/vod/t1", "/vod/t1%2a", "/a/vod/t1/b"],
        ),
        (
            "/vod/???",
            &["/vod/abc", "/vod/%61bc", "/vod/a%20c"],
            &["/vod/%41", "/vod/a", "/vod/abcd"],
        ),
        (
            "/vod/*1.mp4",
            &["/vod/x1.mp4", "/vod/1.mp4"],
            &["/vod/%41.mp4", "/vod/x%31.mp", "/vod/a"],
        ),
        (
            "/vod/*.m3u8",
            &["/vod/a.m3u8", "/vod/a/b.m3u8"],
            &["/vod/a.mp4", "/vod/a.m3u8/x", "/vod/a.m3u8%3F"],
        ),
        (
            "/vod/a b/*",
            &["/vod/a%20b/1"],
            &["/vod/a%2520b/1", "/vod/a+b/1"],
        ),
        (
            "/vod/a%20b/*",
            &["/vod/a%20b/1"],
            &["/vod/a%2520b/1", "/vod/axxxb/1"],
        ),
        ("/vod/%2a", &["/vod/*", "/vod/%2A"], &["/vod/a"]),
        ("/vod/%3f", &["/vod/%3F"], &["/vod/a"]),
        (
            "/a/1!/b/?!/c/*",
            &["/a/1", "/b/2", "/c/3/4"],
            &["/a/2", "/b/22", "/d", "/a/1!/b/1"],
        ),
        ("*", &["/", "/anything"], &[]),
        ("!", &[], &["/", "/a"]),
        // The whole list as older generators escape it.
        ("%2fvod%2ft1%2f%2a", &["/vod/t1/a"], &["/vod/t2/a"]),
        ("%2Fa%2F*%21%2Fb%2F?", &["/a/1", "/b/2"], &["/b/22", "/c/1"]),
    ];
    for (acl, granted, refused) in table {
        for path in *granted {
            assert!(grants(&token(acl), path), "{acl} should cover {path}");
        }
        for path in *refused {
            assert!(!grants(&token(acl), path), "{acl} should not cover {path}");
        }
    }
}

#[test]
fn one_path_may_be_signed_as_it_is_sent_as_it_is_read_or_as_the_libraries_escape_either() {
    let signed = |url: &str| {
        format()
            .seal("exp=2145916800".to_owned(), Some(url))
            .unwrap()
    };
    let raw = "/vod/a%20b%7E'(1)*!+.m3u8";
    let read = "/vod/a b~'(1)*!+.m3u8";
    for (url, granted) in [
        (raw, true),
        (read, true),
        ("%2fvod%2fa+b~%27%281%29%2a%21%2b.m3u8", true),
        ("%2fvod%2fa%20b%7e%27(1)%2a!%2b.m3u8", true),
        ("%2fvod%2fa%2520b%257E%27%281%29%2a%21%2b.m3u8", true),
        ("%2Fvod%2Fa+b~%27%281%29%2A%21%2B.m3u8", false),
        ("/vod/a+b~'(1)*!+.m3u8", false),
        ("/vod/a b~'(1)*!+.m3u8?", false),
        ("", false),
    ] {
        assert_eq!(grants(&signed(url), raw), granted, "{url}");
    }
}

#[test]
fn a_signed_percent_means_one_file() {
    let signed = |url: &str| {
        format()
            .seal("exp=2145916800".to_owned(), Some(url))
            .unwrap()
    };
    let token = signed("/vod/100%25.m3u8");
    assert!(grants(&token, "/vod/100%25.m3u8"));
    assert!(
        !grants(&token, "/vod/100%2525.m3u8"),
        "which decodes to what is signed"
    );
}

#[test]
fn a_token_for_one_path_stays_with_it() {
    let format = format();
    let found = Found {
        token: Cow::Borrowed(URL),
        bound: Cow::Borrowed(PATH),
    };
    let token = format.verify(&found).unwrap();
    assert_eq!(token.terms.permit(&asking(PATH, PATH)), Ok(()));
    let other = "/vod/t1/other.m3u8";
    assert_eq!(
        token.terms.permit(&asking(other, other)),
        Err(Refusal::TokenScope)
    );
}

#[test]
fn it_travels_by_query_cookie_header_and_path() {
    let format = format();
    let found = |carrier, asking: &Asking<'_>| {
        let found = format.find(&Source { carrier, asking }).unwrap()?;
        assert_eq!(found.bound, "");
        Some(
            format
                .verify(&found)
                .map(|token| token.terms.permit(asking)),
        )
    };
    let encoded = ACL
        .replace('~', "%7E")
        .replace('=', "%3D")
        .replace('/', "%2F")
        .replace('*', "%2A");
    for token in [ACL, &encoded, &path_prefix(ACL)] {
        let query = format!("a=b&__token__={token}");
        let asking = Asking {
            query: &query,
            ..asking(PATH, PATH)
        };
        assert_eq!(found(Carrier::Query, &asking), Some(Ok(Ok(()))), "{token}");
        for (carrier, name, value) in [
            (
                Carrier::Cookie,
                "cookie",
                format!("a=b; __token__={token}; c=d"),
            ),
            (Carrier::Header, "__token__", token.to_owned()),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(&value).unwrap());
            let asking = Asking {
                headers: &headers,
                ..asking
            };
            assert_eq!(found(carrier, &asking), Some(Ok(Ok(()))), "{carrier:?}");
        }
        assert_eq!(found(Carrier::Header, &asking), None);
        assert_eq!(found(Carrier::Cookie, &asking), None);
    }
    let prefix = path_prefix(ACL);
    assert_eq!(prefix, ACL.replace('/', "%2f"));
    let in_path = Asking {
        prefix: Some(&prefix),
        ..asking(PATH, PATH)
    };
    assert_eq!(found(Carrier::Path, &in_path), Some(Ok(Ok(()))));
    let other = Asking {
        prefix: Some("md5=uDVNUirngDmWp5AyWsC9aw&expires=1"),
        ..in_path
    };
    assert_eq!(
        found(Carrier::Path, &other),
        None,
        "a prefix of another format"
    );
}

#[test]
fn the_path_of_a_token_without_patterns_is_bound_as_it_was_sent() {
    let query = format!("__token__={URL}");
    let asking = Asking {
        query: &query,
        ..asking("/a%20b", "/a b")
    };
    let source = Source {
        carrier: Carrier::Query,
        asking: &asking,
    };
    assert_eq!(format().find(&source).unwrap().unwrap().bound, "/a%20b");
}

#[test]
fn all_fields_are_minted_in_order_and_the_session_is_read() {
    let claims = Claims {
        address: Some(IpAddr::from([198, 51, 100, 7])),
        starts: Some(1),
        session: Some("s-1"),
        data: Some("x=1"),
        ..claims(Covers::Paths(&["/a/*", "/vod/??/*"]))
    };
    let token = format().mint(&claims).unwrap();
    let fields = "ip=198.51.100.7~st=1~exp=2145916800~acl=/a/*!/vod/??/*~id=s-1~data=x=1~hmac=";
    assert!(token.starts_with(fields), "{token}");
    let read = judge(&format(), &token, &asking(PATH, PATH)).unwrap();
    assert_eq!(read.session.as_deref(), Some("s-1"));
    assert_eq!((read.not_before, read.expires), (Some(1), Some(EXP)));
}

#[test]
fn what_would_not_be_read_back_is_not_minted() {
    let base = claims(Covers::Paths(&["/*"]));
    let long = "a".repeat(MAX_TOKEN);
    let many = vec!["/a"; MAX_PATTERNS + 1];
    let holed = format!("/*?{long}*");
    let holed = [holed.as_str()];
    let path = |path| Claims {
        covers: Covers::Path(path),
        ..base
    };
    let paths = |list| Claims {
        covers: Covers::Paths(list),
        ..base
    };
    let pattern = |text: &str| MintError::Pattern(text.to_owned());
    let not_a_path = |text: &str| MintError::Path(text.to_owned());
    let table = [
        (Claims { expires: 0, ..base }, MintError::Times),
        (
            Claims {
                expires: fields::LAST_SECOND + 1,
                ..base
            },
            MintError::Times,
        ),
        (
            Claims {
                starts: Some(EXP),
                ..base
            },
            MintError::Times,
        ),
        (
            Claims {
                starts: Some(0),
                ..base
            },
            MintError::Times,
        ),
        (
            Claims {
                session: Some(""),
                ..base
            },
            MintError::Value("id"),
        ),
        (
            Claims {
                session: Some("a~acl=/*"),
                ..base
            },
            MintError::Value("id"),
        ),
        (
            Claims {
                data: Some("a\r\nb"),
                ..base
            },
            MintError::Value("data"),
        ),
        (
            Claims {
                data: Some("a~b"),
                escape: Escape::Plus,
                ..base
            },
            MintError::Value("data"),
        ),
        (
            Claims {
                session: Some(&long),
                ..base
            },
            MintError::TooLong,
        ),
        (paths(&[]), MintError::Acl),
        (paths(&many), MintError::Acl),
        (paths(&holed), MintError::Acl),
        (paths(&[""]), pattern("")),
        (paths(&["/~bob/*"]), pattern("/~bob/*")),
        (paths(&["/a!/*"]), pattern("/a!/*")),
        (paths(&["vod/*"]), pattern("vod/*")),
        (path(""), not_a_path("")),
        (path("vod"), not_a_path("vod")),
        (path("/vod?x=1"), not_a_path("/vod?x=1")),
    ];
    for (claims, error) in table {
        assert_eq!(format().mint(&claims), Err(error));
    }
    let tilde = Claims {
        data: Some("a~b"),
        escape: Escape::Percent,
        ..base
    };
    assert!(grants(&format().mint(&tilde).unwrap(), PATH));
}

#[test]
fn renewal_moves_the_end_and_nothing_else() {
    let format = format();
    let full = sealed("ip=198.51.100.7~st=1~exp=1800000100~acl=/vod/*~id=s%7e~data=d");
    for sent in [full.clone(), path_prefix(&full)] {
        let found = Found {
            token: Cow::Borrowed(&sent),
            bound: Cow::Borrowed(""),
        };
        let token = format.verify(&found).unwrap();
        let renewed = format.renew(&found, &token, 1_800_000_200).unwrap();
        assert_eq!(
            renewed.contains('/'),
            sent.contains('/'),
            "fit for the same carrier"
        );
        let read = judge(&format, &renewed, &asking(PATH, PATH)).unwrap();
        assert_eq!(read.expires, Some(1_800_000_200));
        assert_eq!(read.session.as_deref(), Some("s%7e"));
        let plain = unescaped(&renewed).unwrap();
        let fields = "ip=198.51.100.7~st=1~exp=1800000200~acl=/vod/*~id=s";
        assert!(plain.starts_with(fields), "{renewed}");
        assert_eq!(
            format.renew(&found, &token, 1_800_000_100),
            None,
            "no later"
        );
        assert_eq!(format.renew(&found, &token, 0), None, "earlier");
        let last = fields::LAST_SECOND;
        let renewed = format.renew(&found, &token, last).unwrap();
        let read = judge(&format, &renewed, &asking(PATH, PATH)).unwrap();
        assert_eq!(read.expires, Some(last));
        assert_eq!(format.renew(&found, &token, last + 1), None, "unreadable");
    }
}

#[test]
fn nothing_is_renewed_to_what_is_too_long_to_be_read() {
    // The client escapes less than a prefix does.
    let full = sealed(&format!("exp=1800000100~acl=/*~id={}", "(".repeat(2000)));
    let sent = full.replace('/', "%2f");
    let found = Found {
        token: Cow::Borrowed(&sent),
        bound: Cow::Borrowed(""),
    };
    let token = format().verify(&found).unwrap();
    assert_eq!(format().renew(&found, &token, 1_800_000_200), None);
}

#[test]
fn renewal_signs_with_the_first_key_and_only_what_was_signed() {
    let new = "00112233445566778899aabbccddeeff";
    let both = EdgeAuth::new(&named(&[("new", new), ("old", KEY)])).unwrap();
    let found = Found {
        token: Cow::Borrowed(ACL),
        bound: Cow::Borrowed(""),
    };
    let token = both.verify(&found).unwrap();
    let renewed = both.renew(&found, &token, EXP + 1).unwrap();
    assert_eq!(
        &*judge(&both, &renewed, &asking(PATH, PATH)).unwrap().key,
        "new"
    );
    let forged = ACL.replace("/vod/t1/*", "/*");
    let found = Found {
        token: Cow::Borrowed(&forged),
        bound: Cow::Borrowed(""),
    };
    assert_eq!(both.renew(&found, &token, EXP + 1), None);
    let found = Found {
        token: Cow::Borrowed(URL),
        bound: Cow::Borrowed(PATH),
    };
    let token = both.verify(&found).unwrap();
    assert_eq!(both.renew(&found, &token, EXP + 1), None, "for one path");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let error = |settings: Settings| EdgeAuth::new(&settings).unwrap_err();
    assert_eq!(error(named(&[])), SettingsError::NoKey);
    assert_eq!(
        error(named(&[("a", KEY), ("a", KEY)])),
        SettingsError::SameName("a".into())
    );
    assert_eq!(
        error(named(&[("a", "00")])),
        SettingsError::ShortKey("a".into(), 1)
    );
    let names: Vec<_> = (0..9).map(|nth| nth.to_string()).collect();
    let nine: Vec<_> = names.iter().map(|name| (name.as_str(), KEY)).collect();
    assert_eq!(error(named(&nine)), SettingsError::TooManyKeys(9));
    for name in ["", "a b", "a=b", "a;b", "ä"] {
        let settings = Settings {
            name: name.to_owned(),
            ..named(&[("a", KEY)])
        };
        assert_eq!(error(settings), SettingsError::Name(name.to_owned()));
    }
    for hex in ["0", "0g", "+1", "0x00", "é0", "00 00"] {
        assert_eq!(hex_key(hex), Err(SettingsError::NotHex), "{hex}");
    }
    assert_eq!(hex_key("00fFa0\n").unwrap().reveal(), [0, 255, 160]);
    assert_eq!("sha1".parse(), Ok(Algorithm::Sha1));
    assert_eq!(
        "SHA512".parse::<Algorithm>(),
        Err(SettingsError::Algorithm("SHA512".into()))
    );
}

#[test]
fn debug_shows_no_key() {
    let settings = Settings {
        salt: Some(Secret::new("pepper")),
        ..named(&[("k1", KEY)])
    };
    for text in [
        format!("{settings:?}"),
        format!("{:?}", EdgeAuth::new(&settings).unwrap()),
    ] {
        assert!(!text.contains("a7f3") && !text.contains("167") && !text.contains("pepper"));
        assert!(text.contains("k1") && text.contains("__token__"), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(token in any::<String>(), path in any::<String>()) {
        let found = Found { token: Cow::Borrowed(&token), bound: Cow::Borrowed(&path) };
        prop_assert!(format().verify(&found).is_err());
        prop_assert!(judge(&format(), &token, &asking(&path, &path)).is_err());
    }

    #[test]
    fn signed_nonsense_does_not_panic(fields in "(ip=[0-9.:%]{0,9}~)?(exp|st|x)=[0-9]{0,20}~?(acl=[/*?!%a-f0-9~é]{0,20})?(~id=.{0,4})?") {
        if let Some(token) = format().seal(fields, None) {
            let found = Found { token: Cow::Borrowed(&token), bound: Cow::Borrowed("") };
            if let Ok(token) = format().verify(&found) {
                let _ = token.terms.permit(&asking(PATH, PATH));
            }
        }
    }

    #[test]
    fn every_path_is_granted_by_a_token_minted_for_it(path in "/[ -~éü]{0,20}") {
        proptest::prop_assume!(!path.contains(['?', '%']));
        let raw: String = path.bytes().map(|byte| match byte {
            b'/' | b'!'..=b'~' if byte != b'?' && byte != b'#' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        }).collect();
        for escape in [Escape::Off, Escape::Plus, Escape::Percent] {
            let token = format().mint(&Claims { escape, ..claims(Covers::Path(&path)) }).unwrap();
            prop_assert_eq!(grants(&token, &raw), true);
        }
    }
}
