//! Where a request says something of its own: tokens in their carriers, the path's prefix, the debug header.

use caudal::access::{Carrier, Secret, Source, debug, prefix};
use http::{HeaderName, HeaderValue};

use super::request::{CARRIERS, Request, in_each};

/// What is found in a query or a path stands there once and to the byte; what is put into a carrier is found in it.
pub(super) fn carriers(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let asking = request.asking();
    for carrier in CARRIERS {
        let source = Source {
            carrier,
            asking: &asking,
        };
        for name in [
            "token",
            "md5",
            "authorization",
            "a b",
            "",
            "CloudFront-Policy",
        ] {
            let text = match carrier {
                Carrier::Path => asking.prefix.unwrap_or_default(),
                _ => asking.query,
            };
            let found = source.param(name);
            if let (Some(value), Carrier::Path | Carrier::Query) = (found, carrier) {
                let is_it = |part: &&str| {
                    **part == format!("{name}={value}") || (value.is_empty() && **part == *name)
                };
                assert_eq!(
                    text.split('&')
                        .filter(|part| !part.is_empty())
                        .filter(is_it)
                        .count(),
                    1
                );
            }
            if let (Some(value), Carrier::Cookie) = (found, carrier) {
                assert!(!value.contains(';'));
            }
        }
    }
    let value = std::str::from_utf8(request.rest).unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"&;".contains(&byte);
    if value.bytes().all(is_plain) && !value.is_empty() {
        in_each(&asking, "token", value, |source| {
            assert_eq!(source.token("token"), Some(value))
        });
    }
}

/// A token comes off as it was put before a path, and what is written down has none of it.
pub(super) fn path_prefix(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match prefix::split(text) {
        Some((token, path)) => {
            assert!(!token.is_empty() && !token.contains('/') && path.starts_with('/'));
            assert_eq!(prefix::join(token, path), text);
            assert_eq!(prefix::hidden(text), format!("/~{path}"));
        }
        None if text.starts_with("/~") => assert!(prefix::hidden(text).starts_with("/~")),
        None => assert_eq!(prefix::hidden(text), text),
    }
    let (token, path) = text.split_once('\n').unwrap_or((text, ""));
    let path = format!("/{path}");
    if !token.is_empty() && !token.contains('/') {
        assert_eq!(
            prefix::split(&prefix::join(token, &path)),
            Some((token, path.as_str()))
        );
    }
}

/// Whoever is told the reason sent what was minted, in the one spelling that it has.
pub(super) fn debug(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let key = Secret::new("a key of nobody");
    let headers = [(HeaderName::from_static(debug::REQUEST), value)]
        .into_iter()
        .collect();
    let text = str::from_utf8(data).unwrap_or_default();
    let expires = text
        .split('.')
        .next()
        .and_then(|end| end.parse::<i64>().ok());
    let now = expires.unwrap_or_default();
    let minted = debug::mint(&key, now);
    if debug::is_asked(&key, &headers, now) {
        assert!(text.eq_ignore_ascii_case(&minted), "{text}");
    }
    let good = HeaderValue::from_str(&minted).expect("it fits into a header");
    let good = [(HeaderName::from_static(debug::REQUEST), good)]
        .into_iter()
        .collect();
    assert!(debug::is_asked(&key, &good, now));
    assert!(!debug::is_asked(&key, &good, now.saturating_add(1)) || now == i64::MAX);
    assert!(!debug::is_asked(&Secret::new("another key"), &good, now));
}
