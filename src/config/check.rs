//! What single texts must look like. Each check gives the canonical form, or what to write instead.

use super::format::quoted;

type Checked = Result<String, String>;

/// A name for a storage.
pub(super) fn storage_name(text: &str) -> Checked {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if (1..=32).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a storage's name has 1 to 32 of a-z, 0-9, - and _, write \"media\"".to_owned())
}

/// A name for a key, a token, a policy or a part of one.
pub(super) fn name(text: &str) -> Checked {
    storage_name(text)
        .map_err(|_| "a name has 1 to 32 of a-z, 0-9, - and _, write \"viewers\"".to_owned())
}

/// Any text of visible ASCII and spaces.
pub(super) fn plain(text: &str) -> Checked {
    let fits = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if (1..=1024).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err("must be 1 to 1024 characters of plain ASCII".to_owned())
}

/// The name of a header.
pub(super) fn header_name(text: &str) -> Checked {
    http::HeaderName::from_bytes(text.as_bytes())
        .map(|name| name.as_str().to_owned())
        .map_err(|_| "must be the name of a header, write \"x-origin-verify\"".to_owned())
}

/// The name of a parameter in queries and cookies.
pub(super) fn parameter(text: &str) -> Checked {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err("must have 1 to 64 of a-z, A-Z, 0-9, -, _ and ., write \"token\"".to_owned())
}

/// An algorithm, as RFC 7518 names it.
pub(super) fn algorithm(text: &str) -> Checked {
    const KNOWN: [&str; 10] = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA",
    ];
    match KNOWN.iter().find(|known| known.eq_ignore_ascii_case(text)) {
        Some(known) => Ok((*known).to_owned()),
        None => Err(format!("must be one of {}", KNOWN.join(", "))),
    }
}

/// The scheme and host that signed URLs start with.
pub(super) fn resource(text: &str) -> Checked {
    endpoint(text).map_err(|_| {
        "must be http:// or https:// and a host, without a path, write \"https://media.example.com\""
            .to_owned()
    })
}

/// Where something is fetched from that is believed: over TLS, but for this machine.
pub(super) fn https_url(text: &str) -> Checked {
    let loopback = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
    let fits = text
        .parse::<http::Uri>()
        .is_ok_and(|uri| uri.host().is_some());
    let safe = text.starts_with("https://")
        || loopback.iter().any(|start| {
            let rest = text.strip_prefix(start);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
    match fits && safe {
        true => Ok(text.to_owned()),
        false => Err("must be a URL that begins with https://".to_owned()),
    }
}

/// The name of a host, as certificates have it: at least two labels, none of them a wildcard.
pub(super) fn host_name(text: &str) -> Checked {
    if text.starts_with("*.") {
        return Err(
            "is a wildcard, which cannot be proven on a port: write each name, or bring a certificate"
                .to_owned(),
        );
    }
    let name = text.to_ascii_lowercase();
    let fits = |label: &str| {
        let hyphens = label.starts_with('-') || label.ends_with('-');
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && !hyphens && label.bytes().all(known)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    match name.len() <= 253 && name.contains('.') && name.split('.').all(fits) && !is_address {
        true => Ok(name),
        false => Err("must be the name of a host, write \"vod.example.com\"".to_owned()),
    }
}

/// Where somebody can be written to.
pub(super) fn mailto(text: &str) -> Checked {
    let address = text.strip_prefix("mailto:").unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"?,;".contains(&byte);
    match address.split_once('@') {
        Some((who, at)) if !who.is_empty() && !at.is_empty() && address.bytes().all(fits) => {
            Ok(text.to_owned())
        }
        _ => Err("must be one address, write \"mailto:ops@example.com\"".to_owned()),
    }
}

/// A prefix of storage keys: without a leading slash, with one at the end, or empty.
pub(super) fn key_prefix(text: &str) -> Checked {
    let trimmed = text.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(String::new());
    }
    segments(trimmed)?;
    Ok(format!("{trimmed}/"))
}

/// A prefix of URL paths, decoded: with a slash at both ends.
pub(super) fn route_path(text: &str) -> Checked {
    let Some(path) = text.strip_prefix('/') else {
        return Err(format!(
            "must start with a slash, write {}",
            quoted(&format!("/{text}"))
        ));
    };
    if text.contains(['%', '?', '#', '*']) {
        return Err(
            "must be a plain decoded path without %, ?, # and *, write \"/vod/\"".to_owned(),
        );
    }
    if path.is_empty() {
        return Ok("/".to_owned());
    }
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    segments(trimmed)?;
    Ok(format!("/{trimmed}/"))
}

/// What no path of an asset can have would make a prefix that never matches, or one that leaves the storage.
fn segments(path: &str) -> Result<(), String> {
    if path.len() > 512 {
        return Err("is longer than 512 bytes, shorten it".to_owned());
    }
    if path.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(
            "must not contain backslashes or control characters, write \"titles/\"".to_owned(),
        );
    }
    match path
        .split('/')
        .find(|segment| matches!(*segment, "" | "." | ".."))
    {
        Some("") => Err("must not contain an empty segment, write single slashes".to_owned()),
        Some(dots) => Err(format!(
            "must not contain a {dots} segment, write the path without it"
        )),
        None => Ok(()),
    }
}

/// The name of a bucket, by the rules of S3 for general-purpose buckets.
pub(super) fn bucket(text: &str) -> Checked {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    if text.starts_with("s3://") || text.contains('/') {
        let name = text
            .trim_start_matches("s3://")
            .split('/')
            .next()
            .unwrap_or_default();
        return Err(format!(
            "must be the bucket's name alone, write {} and the rest as prefix",
            quoted(name)
        ));
    }
    let valid = (3..=63).contains(&text.len())
        && bytes.iter().copied().all(fits)
        && ends(bytes.first())
        && ends(bytes.last())
        && !text.contains("..")
        && text.parse::<std::net::Ipv4Addr>().is_err();
    if valid {
        return Ok(text.to_owned());
    }
    Err("a bucket's name has 3 to 63 of a-z, 0-9, - and ., starts and ends with a letter or digit, \
         and is no IP address, write \"my-bucket\""
        .to_owned())
}

/// A region of AWS, or whatever another service calls its own.
pub(super) fn region(text: &str) -> Checked {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a region has a-z, 0-9 and -, write \"eu-central-1\"".to_owned())
}

/// The URL of a service: scheme and authority.
pub(super) fn endpoint(text: &str) -> Checked {
    if is_base_url(text.trim_end_matches('/')) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(
        "must be http:// or https:// and a host, without a path, write \"http://localhost:9000\""
            .to_owned(),
    )
}

/// The value of `Access-Control-Allow-Origin`: one constant for every answer, so that no cache can mix them up.
pub(super) fn cors_origin(text: &str) -> Checked {
    if text == "*" || is_base_url(text) {
        return Ok(text.to_owned());
    }
    Err(
        "must be \"*\" or one origin without a slash at its end, write \"https://player.example\""
            .to_owned(),
    )
}

fn is_base_url(text: &str) -> bool {
    let authority = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    authority.is_some_and(|authority| {
        !authority.is_empty() && !authority.starts_with(':') && authority.bytes().all(fits)
    })
}

/// The name of a profile in the AWS configuration files.
pub(super) fn profile(text: &str) -> Checked {
    if !text.trim().is_empty() && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    Err("must name a profile of the AWS configuration files, write \"media\"".to_owned())
}

/// The number of an AWS account.
pub(super) fn account(text: &str) -> Checked {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("an account is twelve digits in quotes, write \"123456789012\"".to_owned())
}

/// The value of a Cache-Control header.
pub(super) fn cache_control(text: &str) -> Checked {
    let visible = text
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if visible && !text.trim().is_empty() {
        return Ok(text.trim().to_owned());
    }
    Err("must be directives in plain ASCII, write \"public, max-age=60\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_take_their_canonical_form() {
        for (text, canonical) in [
            ("/", "/"),
            ("/vod", "/vod/"),
            ("/vod/", "/vod/"),
            ("/a b/c", "/a b/c/"),
        ] {
            assert_eq!(route_path(text).as_deref(), Ok(canonical), "{text}");
        }
        for (text, canonical) in [
            ("", ""),
            ("/", ""),
            ("titles", "titles/"),
            ("/a/b/", "a/b/"),
        ] {
            assert_eq!(key_prefix(text).as_deref(), Ok(canonical), "{text}");
        }
        for text in [
            "", "vod", "/../x", "/a//b", "/a\\b", "/%2e", "/a?b", "/a/*", "//",
        ] {
            assert!(route_path(text).is_err(), "{text}");
        }
        for text in ["..", "a/../b", "a//b", "a\0", "./a"] {
            assert!(key_prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn buckets_follow_the_rules_of_s3() {
        for text in ["abc", "my-bucket", "my.bucket.1", "1ab"] {
            assert!(bucket(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "ab",
            "My-bucket",
            "my_bucket",
            "-abc",
            "abc.",
            "a..b",
            "192.168.0.1",
            "s3://abc/x",
        ] {
            assert!(bucket(text).is_err(), "{text}");
        }
        assert!(bucket(&"a".repeat(64)).is_err());
    }

    #[test]
    fn urls_have_a_host_and_nothing_else() {
        for text in [
            "http://localhost:9000",
            "https://s3.example/",
            "http://[::1]:9000",
        ] {
            assert!(endpoint(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "localhost:9000",
            "https://",
            "https://:80",
            "https://a/b",
            "https://u@h",
            "ftp://a",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
        assert!(cors_origin("*").is_ok() && cors_origin("https://a.example").is_ok());
        assert!(
            cors_origin("https://a.example/").is_err()
                && cors_origin("https://a, https://b").is_err()
        );
    }

    #[test]
    fn names_of_certificates_are_hosts() {
        for text in ["vod.example", "a-b.c.example.com", "xn--bcher-kva.example"] {
            assert_eq!(host_name(text).as_deref(), Ok(text));
        }
        assert_eq!(host_name("VOD.Example").as_deref(), Ok("vod.example"));
        for text in [
            "",
            "localhost",
            "*.example.com",
            "a..b",
            ".a.b",
            "a.b.",
            "-a.b",
            "a_b.c",
            "127.0.0.1",
            "[::1]",
            "a.b:443",
        ] {
            assert!(host_name(text).is_err(), "{text}");
        }
        assert!(host_name(&format!("{}.example", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_contact_is_one_address() {
        assert!(mailto("mailto:ops@example.com").is_ok());
        for text in [
            "ops@example.com",
            "mailto:",
            "mailto:@b",
            "mailto:a@",
            "mailto:a@b,c@d",
            "mailto:a@b?cc=c@d",
        ] {
            assert!(mailto(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_cannot_be_injected() {
        assert!(cache_control("public\r\nX-Evil: 1").is_err());
        assert!(cache_control(" ").is_err());
    }
}
