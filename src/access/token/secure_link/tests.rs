use super::*;
use std::sync::LazyLock;

use crate::access::Place;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::{any, prop_assert, proptest};

const EXPRESSION: &str = "$secure_link_expires$uri$remote_addr {secret}";
const HASH_OF_VECTOR: &str = "uDVNUirngDmWp5AyWsC9aw";
const QUERY: &str = "md5=uDVNUirngDmWp5AyWsC9aw&expires=2145916800";
const PATH: &str = "/vod/t1/master.m3u8";
const EXPIRES_AT: i64 = 2_145_916_800;

static PLACE: Place = Place {
    country: None,
    region: None,
    asn: None,
    anonymous: None,
};
static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

fn settings(expression: &str) -> Settings {
    Settings::new(expression, vec![("s1".into(), Secret::new("secret"))])
}

fn format(expression: &str) -> SecureLink {
    SecureLink::new(&settings(expression)).unwrap()
}

fn asking<'a>(path: &'a str, query: &'a str) -> Asking<'a> {
    Asking {
        method: "GET",
        scheme: "https",
        host: "CDN.example.com.:8443",
        raw_path: path,
        path,
        query,
        headers: &NO_HEADERS,
        prefix: None,
        viewer: IpAddr::from([127, 0, 0, 1]),
        place: &PLACE,
        alpn: None,
        device: None,
        identities: &[],
        now: 1_800_000_000,
    }
}

fn judge(format: &SecureLink, carrier: Carrier, asking: &Asking<'_>) -> Result<Token, Refusal> {
    let found = format
        .find(&Source { carrier, asking })?
        .ok_or(Refusal::TokenMissing)?;
    let token = format.verify(&found)?;
    token.terms.permit(asking)?;
    Ok(token)
}

fn refusal(path: &str, query: &str) -> Refusal {
    judge(&format(EXPRESSION), Carrier::Query, &asking(path, query)).unwrap_err()
}

fn link(path: &str) -> Link<'_> {
    Link {
        path,
        expires: Some(EXPIRES_AT),
        address: Some(IpAddr::from([127, 0, 0, 1])),
        ..Link::default()
    }
}

#[test]
fn the_vector_is_believed_and_minted() {
    let token = judge(&format(EXPRESSION), Carrier::Query, &asking(PATH, QUERY)).unwrap();
    assert_eq!(&*token.key, "s1");
    assert_eq!(
        token.expires,
        Some(EXPIRES_AT + 1),
        "nginx serves in the last second"
    );
    assert_eq!(
        (token.not_before, token.id, token.session),
        (None, None, None)
    );
    assert_eq!(format(EXPRESSION).mint(&link(PATH)).unwrap(), QUERY);
}

#[test]
fn refusals() {
    let hash = HASH_OF_VECTOR;
    for (query, expected) in [
        ("", Refusal::TokenMissing),
        ("expires=2145916800", Refusal::TokenMissing),
        (&format!("md5={hash}&{QUERY}"), Refusal::TokenMissing),
        (&format!("{QUERY}&expires=1"), Refusal::TokenMalformed),
        (&format!("md5={hash}"), Refusal::TokenMalformed),
        ("md5=%00%ff&expires=%00", Refusal::TokenMalformed),
    ] {
        assert_eq!(refusal(PATH, query), expected, "{query}");
    }
    for (hash, expected) in [
        ("", Refusal::TokenMalformed),
        (&hash[1..], Refusal::TokenMalformed),
        ("uDVNUirngDmWp5AyWsC9a+", Refusal::TokenMalformed),
        ("uDVNUirngDmWp5AyWsC9awA", Refusal::TokenTooLong),
        ("uDVNUirngDmWp5AyWsC9bw", Refusal::TokenSignature),
        // The spare bits of the last digit.
        ("uDVNUirngDmWp5AyWsC9ax", Refusal::TokenSignature),
    ] {
        let query = format!("md5={hash}&expires=2145916800");
        assert_eq!(refusal(PATH, &query), expected, "{query}");
    }
    let oversized = "9".repeat(99);
    for end in ["", "+2145916800", "-1", "0", "soon", &oversized] {
        let query = format!("md5={hash}&expires={end}");
        assert_eq!(refusal(PATH, &query), Refusal::TokenMalformed, "{query}");
    }
    for end in ["2145916801", "02145916800"] {
        let query = format!("md5={hash}&expires={end}");
        assert_eq!(refusal(PATH, &query), Refusal::TokenSignature, "{query}");
    }
    assert_eq!(
        refusal("/vod/t1/other.m3u8", QUERY),
        Refusal::TokenSignature
    );
    assert_eq!(
        refusal("/vod/t1/master.m3u8\0", QUERY),
        Refusal::TokenMalformed
    );
}

#[test]
fn another_address_path_or_case_is_another_signature() {
    let format = format(EXPRESSION);
    for viewer in ["127.0.0.2", "::1"] {
        let asking = Asking {
            viewer: viewer.parse().unwrap(),
            ..asking(PATH, QUERY)
        };
        let judged = judge(&format, Carrier::Query, &asking).unwrap_err();
        assert_eq!(judged, Refusal::TokenSignature);
    }
    for path in ["/VOD/t1/master.m3u8", "/vod/t1/master.m3u8 ", "/", ""] {
        assert_eq!(refusal(path, QUERY), Refusal::TokenSignature, "{path}");
    }
}

#[test]
fn the_path_is_signed_as_it_is_read_however_it_was_sent() {
    let sent = Asking {
        raw_path: "/vod/%741/master%2Em3u8",
        ..asking(PATH, QUERY)
    };
    assert!(judge(&format(EXPRESSION), Carrier::Query, &sent).is_ok());
    let sent = Asking {
        raw_path: PATH,
        ..asking("/vod/t1/other", QUERY)
    };
    assert!(judge(&format(EXPRESSION), Carrier::Query, &sent).is_err());
}

#[test]
fn no_changed_or_cut_link_is_believed() {
    let format = format(EXPRESSION);
    for end in 0..QUERY.len() {
        let asking = asking(PATH, &QUERY[..end]);
        assert!(judge(&format, Carrier::Query, &asking).is_err(), "{end}");
    }
    for at in 0..QUERY.len() {
        for byte in 0x20..0x7f {
            let mut changed = QUERY.as_bytes().to_vec();
            if changed[at] == byte {
                continue;
            }
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            let judged = judge(&format, Carrier::Query, &asking(PATH, &changed));
            assert!(judged.is_err(), "{changed}");
        }
    }
}

#[test]
fn the_hash_may_have_its_padding() {
    let padded = QUERY.replace("&", "==&");
    assert!(judge(&format(EXPRESSION), Carrier::Query, &asking(PATH, &padded)).is_ok());
    let padded = QUERY.replace("&", "=&");
    assert_eq!(refusal(PATH, &padded), Refusal::TokenTooLong);
}

#[test]
fn it_travels_by_query_cookies_and_path_and_not_by_header() {
    let format = format(EXPRESSION);
    let mut headers = HeaderMap::new();
    let cookie = QUERY.replace('&', "; ");
    headers.insert("cookie", HeaderValue::from_str(&cookie).unwrap());
    headers.insert("md5", HeaderValue::from_static(HASH_OF_VECTOR));
    headers.insert("expires", HeaderValue::from_static("2145916800"));
    let asking = Asking {
        headers: &headers,
        prefix: Some(QUERY),
        ..asking(PATH, "")
    };
    assert!(judge(&format, Carrier::Cookie, &asking).is_ok());
    assert!(judge(&format, Carrier::Path, &asking).is_ok());
    for carrier in [Carrier::Header, Carrier::Query] {
        let judged = judge(&format, carrier, &asking).unwrap_err();
        assert_eq!(judged, Refusal::TokenMissing, "{carrier:?}");
    }
}

#[test]
fn the_secret_is_not_in_what_is_found_and_all_that_is_signed_is() {
    let asking = asking(PATH, QUERY);
    let format = format(EXPRESSION);
    let found = format
        .find(&Source {
            carrier: Carrier::Query,
            asking: &asking,
        })
        .unwrap()
        .unwrap();
    assert_eq!(found.token, HASH_OF_VECTOR);
    assert_eq!(
        found.bound,
        "2145916800\x002145916800/vod/t1/master.m3u8127.0.0.1 \x00"
    );
    let owned = Found {
        token: found.token.clone().into_owned().into(),
        bound: found.bound.clone().into_owned().into(),
    };
    assert!(format.verify(&owned).is_ok());
    for bound in [
        "",
        "\0",
        "\0\0",
        "2145916800",
        &found.bound[..found.bound.len() - 1],
    ] {
        let found = Found {
            token: found.token.clone(),
            bound: bound.into(),
        };
        assert_eq!(
            format.verify(&found).unwrap_err(),
            Refusal::TokenSignature,
            "{bound:?}"
        );
    }
}

#[test]
fn any_secret_may_have_signed_and_the_first_one_mints() {
    let secrets = [("new", "other"), ("old", "secret")];
    let secrets = secrets.map(|(name, secret)| (name.into(), Secret::new(secret)));
    let both = SecureLink::new(&Settings::new(EXPRESSION, secrets.to_vec())).unwrap();
    let token = judge(&both, Carrier::Query, &asking(PATH, QUERY)).unwrap();
    assert_eq!(&*token.key, "old");
    let minted = both.mint(&link(PATH)).unwrap();
    let token = judge(&both, Carrier::Query, &asking(PATH, &minted)).unwrap();
    assert_eq!(&*token.key, "new");
    assert_eq!(refusal(PATH, &minted), Refusal::TokenSignature);
}

#[test]
fn every_variable_is_signed_wherever_the_secret_stands() {
    for expression in [
        "{secret}$host|$arg_q|$uri|${remote_addr}|$arg_expires",
        "$host|$arg_q|$uri|{secret}|$remote_addr|$secure_link_expires",
        "${host}|${arg_q}|$uri|$remote_addr|${secure_link_expires}{secret}",
    ] {
        let format = format(expression);
        let link = Link {
            host: Some("cdn.example.com"),
            args: &[("q", "1%20")],
            ..link(PATH)
        };
        let minted = format.mint(&link).unwrap();
        let query = format!("Q=1%20&{minted}");
        let asked = asking(PATH, &query);
        assert!(
            judge(&format, Carrier::Query, &asked).is_ok(),
            "{expression}"
        );
        let without = asking(PATH, &minted);
        let twice = format!("q=1%20&{query}");
        let changed = query.replace("Q=1", "Q=2");
        for (what, asked, expected) in [
            (
                "host",
                Asking {
                    host: "cdn.example.org",
                    ..asked
                },
                Refusal::TokenSignature,
            ),
            ("no arg", without, Refusal::TokenSignature),
            (
                "arg",
                Asking {
                    query: &changed,
                    ..asked
                },
                Refusal::TokenSignature,
            ),
            (
                "two args",
                Asking {
                    query: &twice,
                    ..asked
                },
                Refusal::TokenMalformed,
            ),
            (
                "path",
                Asking { path: "/", ..asked },
                Refusal::TokenSignature,
            ),
        ] {
            let judged = judge(&format, Carrier::Query, &asked).unwrap_err();
            assert_eq!(judged, expected, "{what}");
        }
    }
}

#[test]
fn the_end_is_meant_by_its_parameters_name_too() {
    let settings = Settings {
        md5: "st".into(),
        expires: "e".into(),
        ..settings("$arg_e$uri$remote_addr {secret}")
    };
    let format = SecureLink::new(&settings).unwrap();
    let minted = format.mint(&link(PATH)).unwrap();
    assert_eq!(minted, "st=uDVNUirngDmWp5AyWsC9aw&e=2145916800");
    let in_path = Asking {
        prefix: Some(&minted),
        ..asking(PATH, "")
    };
    assert!(judge(&format, Carrier::Path, &in_path).is_ok());
}

#[test]
fn hosts_are_signed_as_nginx_has_them() {
    for (host, name) in [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com"),
        ("example.com.", "example.com"),
        ("example.com.:80", "example.com"),
        ("[::1]:80", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("", ""),
    ] {
        let mut out = String::new();
        push_host(&mut out, host);
        assert_eq!(out, name, "{host}");
    }
}

#[test]
fn an_expression_must_say_what_a_link_is_for_unless_that_is_waived() {
    let error = |expression| SecureLink::new(&settings(expression)).unwrap_err();
    assert_eq!(
        error("$secure_link_expires {secret}"),
        SettingsError::NoPath
    );
    assert_eq!(error("$uri {secret}"), SettingsError::NoEnd);
    let waived = |expression, waive| {
        SecureLink::new(&Settings {
            waive: vec![waive],
            ..settings(expression)
        })
        .unwrap()
    };
    let anywhere = waived("$secure_link_expires {secret}", Waiver::Path);
    let minted = anywhere.mint(&link("")).unwrap();
    assert!(judge(&anywhere, Carrier::Query, &asking("/any", &minted)).is_ok());
    let forever = waived("$uri {secret}", Waiver::End);
    let minted = forever
        .mint(&Link {
            path: PATH,
            ..Link::default()
        })
        .unwrap();
    assert!(!minted.contains("expires"), "{minted}");
    for query in [minted.clone(), format!("{minted}&expires=1")] {
        let token = judge(&forever, Carrier::Query, &asking(PATH, &query)).unwrap();
        assert_eq!(token.expires, None, "what is not signed says nothing");
    }
}

#[test]
fn settings_that_cannot_be_used_are_named_without_the_expression() {
    use ExpressionError::{Itself, NoName, Nul, Unknown};
    let error = |expression: &str| SecureLink::new(&settings(expression)).unwrap_err();
    let table = [
        ("$secure_link_expires$uri hush", ExpressionError::Secret),
        (
            "{secret}$secure_link_expires$uri hush{secret}",
            ExpressionError::Secret,
        ),
        (
            "$http_user_agent$uri hush{secret}",
            Unknown("http_user_agent".into()),
        ),
        ("$arg_$uri hush{secret}", Unknown("arg_".into())),
        ("$uris hush{secret}", Unknown("uris".into())),
        ("$URI hush{secret}", Unknown("URI".into())),
        ("$arg_MD5 hush{secret}", Itself("arg_MD5".into())),
        ("$ hush{secret}", NoName),
        ("${uri hush{secret}", NoName),
        ("${u-ri} hush{secret}", NoName),
        ("$$uri hush{secret}", NoName),
        ("hush{secret}$", NoName),
        ("hush\0{secret}", Nul),
    ];
    for (expression, expected) in table {
        let error = error(expression);
        assert!(!error.to_string().contains("hush"), "{error}");
        assert_eq!(error, SettingsError::Expression(expected), "{expression}");
    }
    assert!(
        error("$http_cookie{secret}")
            .to_string()
            .contains("$http_cookie")
    );
    let unnamed = |md5: &str, expires: &str| {
        let (md5, expires) = (md5.to_owned(), expires.to_owned());
        SecureLink::new(&Settings {
            md5,
            expires,
            ..settings(EXPRESSION)
        })
        .unwrap_err()
    };
    assert_eq!(unnamed("", "e"), SettingsError::Name(String::new()));
    assert_eq!(unnamed("m", "e="), SettingsError::Name("e=".into()));
    assert_eq!(unnamed("m", "M"), SettingsError::Name("m".into()));
    let secrets = |list: &[(&str, &str)]| {
        let list = list
            .iter()
            .map(|(name, secret)| ((*name).into(), Secret::new(secret)));
        SecureLink::new(&Settings::new(EXPRESSION, list.collect())).unwrap_err()
    };
    assert_eq!(secrets(&[]), SettingsError::NoSecret);
    assert_eq!(secrets(&[("a", "")]), SettingsError::NoSecret);
    assert_eq!(
        secrets(&[("a", "x"), ("a", "y")]),
        SettingsError::SameName("a".into())
    );
    let nine = ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map(|name| (name, "x"));
    assert_eq!(secrets(&nine), SettingsError::TooManySecrets(9));
}

#[test]
fn what_the_expression_names_must_be_given_to_mint() {
    let format = format("$secure_link_expires$uri$remote_addr$host$arg_q{secret}");
    let full = Link {
        host: Some("h"),
        args: &[("q", "1")],
        ..link(PATH)
    };
    assert!(format.mint(&full).is_ok());
    let refused = |link: Link<'_>, error: MintError| assert_eq!(format.mint(&link), Err(error));
    let arg = || Variable::Arg("q".into());
    refused(
        Link {
            expires: None,
            ..full
        },
        MintError::Missing(Variable::Expires),
    );
    refused(
        Link {
            address: None,
            ..full
        },
        MintError::Missing(Variable::RemoteAddr),
    );
    refused(
        Link { host: None, ..full },
        MintError::Missing(Variable::Host),
    );
    refused(Link { args: &[], ..full }, MintError::Missing(arg()));
    refused(
        Link {
            args: &[("q", "\0")],
            ..full
        },
        MintError::Nul(arg()),
    );
    refused(
        Link {
            path: "vod",
            ..full
        },
        MintError::Path("vod".into()),
    );
    refused(
        Link {
            path: "/\0",
            ..full
        },
        MintError::Nul(Variable::Uri),
    );
    for end in [0, -1, i64::MAX] {
        refused(
            Link {
                expires: Some(end),
                ..full
            },
            MintError::Expires,
        );
    }
}

#[test]
fn nothing_is_renewed() {
    let format = format(EXPRESSION);
    let asking = asking(PATH, QUERY);
    let found = format
        .find(&Source {
            carrier: Carrier::Query,
            asking: &asking,
        })
        .unwrap()
        .unwrap();
    let token = format.verify(&found).unwrap();
    assert_eq!(format.renew(&found, &token, EXPIRES_AT + 10), None);
}

#[test]
fn debug_shows_neither_secret_nor_text() {
    let format = format("pepper$uri$secure_link_expires{secret}");
    let text = format!("{format:?}");
    assert!(!text.contains("pepper") && !text.contains("115"), "{text}");
    assert!(text.contains("s1") && text.contains("Uri"), "{text}");
}

proptest! {
    #[test]
    fn nothing_panics(query in any::<String>(), path in any::<String>(), bound in any::<String>()) {
        let format = format("$arg_a$host$uri{secret}$secure_link_expires");
        let asking = Asking { host: &bound, prefix: Some(&query), ..asking(&path, &query) };
        for carrier in [Carrier::Query, Carrier::Path, Carrier::Cookie] {
            prop_assert!(judge(&format, carrier, &asking).is_err());
        }
        let found = Found { token: query.into(), bound: bound.clone().into() };
        prop_assert!(format.verify(&found).is_err());
        let _ = SecureLink::new(&settings(&bound));
    }

    #[test]
    fn every_path_is_granted_by_a_link_minted_for_it(path in "/[^\0]{0,20}", end in 1_i64..=999_999_999_999_999) {
        let format = format(EXPRESSION);
        let minted = format.mint(&Link { expires: Some(end), ..link(&path) }).unwrap();
        let token = judge(&format, Carrier::Query, &asking(&path, &minted)).unwrap();
        prop_assert!(token.expires == Some(end + 1));
    }
}
