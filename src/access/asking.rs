//! Who asks for what: everything that a policy may look at, gathered once per request.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::Device;

/// A request as the policy sees it. What came from a peer that is not trusted to say it is not in here.
///
/// Neither this nor [`Source`] can be formatted: there may be a token in the query, the headers or before the path.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// `GET`, `HEAD`.
    pub method: &'a str,
    /// `http` or `https`, as the viewer used it.
    pub scheme: &'a str,
    /// The host the viewer asked, with its port where it named one.
    pub host: &'a str,
    /// The path as the viewer wrote it, percent-encoded; a token before it is taken off. Starts with a slash.
    pub raw_path: &'a str,
    /// The same path decoded once and proven normal: no `.`, `..` or empty segment. Starts with a slash.
    pub path: &'a str,
    /// The query as sent, without its `?`; empty for none.
    pub query: &'a str,
    /// Every header as sent. Formats read their own header and cookie here, and nothing that says who the viewer is.
    pub headers: &'a HeaderMap,
    /// What stood between `/~` and the next slash of the path, as sent.
    pub prefix: Option<&'a str>,
    /// The viewer's address; IPv4-mapped IPv6 is written as IPv4.
    pub viewer: IpAddr,
    /// Where the viewer is.
    pub place: &'a Place,
    /// ALPN of the viewer's connection, where it is known: `h2`, `http/1.1`.
    pub alpn: Option<&'a str>,
    /// What the viewer watches on, where the CDN has said so.
    pub device: Option<Device>,
    /// Names in the peer's verified client certificate.
    pub identities: &'a [String],
    /// Unix time in seconds.
    pub now: i64,
}

/// A country: ISO 3166-1 alpha-2, upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

/// A part of a country: what follows the dash in ISO 3166-2, one to three letters or digits, upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region {
    code: [u8; 3],
    len: u8,
}

/// Where a viewer is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The country.
    pub country: Option<Country>,
    /// The part of it.
    pub region: Option<Region>,
    /// The autonomous system that the address belongs to.
    pub asn: Option<u32>,
    /// Whether the address is one of a VPN, a proxy, Tor or a hosting provider; `None` where nothing can tell.
    pub anonymous: Option<bool>,
}

/// A way by which a token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// `/~TOKEN/vod/a.m3u8`
    Path,
    /// `?name=TOKEN`
    Query,
    /// A header of the token's own, or `Authorization: Bearer`.
    Header,
    /// A cookie.
    Cookie,
}

/// One carrier of one request, to look names up in.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Which.
    pub carrier: Carrier,
    /// Of what.
    pub asking: &'a Asking<'a>,
}

impl Country {
    /// Reads two letters, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// Two upper-case letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Region {
    /// Reads one to three letters or digits, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !(1..=3).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let mut code = [0; 3];
        code[..bytes.len()].copy_from_slice(bytes);
        code.make_ascii_uppercase();
        Some(Self {
            code,
            len: bytes.len() as u8,
        })
    }

    /// One to three upper-case letters or digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.code[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl<'a> Source<'a> {
    /// The one value under `name` here, as sent: nothing is decoded. For [`Carrier::Path`] the whole prefix is the
    /// value of every name. `None` where there is none, and where there are two: nobody can say which one counts.
    pub fn token(&self, name: &str) -> Option<&'a str> {
        match self.carrier {
            Carrier::Path => self.asking.prefix,
            _ => self.param(name),
        }
    }

    /// As [`Source::token`], for formats of several parameters: a path prefix is read as a query
    /// (`/~Policy=…&Signature=…/vod/…`).
    pub fn param(&self, name: &str) -> Option<&'a str> {
        match self.carrier {
            Carrier::Path => only(pairs(self.asking.prefix?), name),
            Carrier::Query => only(pairs(self.asking.query), name),
            Carrier::Header => {
                let mut values = self.asking.headers.get_all(name).iter();
                let (value, None) = (values.next()?, values.next()) else {
                    return None;
                };
                let value = value.to_str().ok()?.trim();
                let is_authorization = name.eq_ignore_ascii_case("authorization");
                match value.split_once(' ') {
                    Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                        Some(token.trim())
                    }
                    _ if is_authorization => None,
                    _ => Some(value),
                }
            }
            Carrier::Cookie => {
                let lines = self.asking.headers.get_all(http::header::COOKIE).iter();
                let lines = lines.filter_map(|line| line.to_str().ok());
                only(lines.flat_map(cookies), name)
            }
        }
    }
}

/// The pairs of a query, as sent.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn cookies(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim(), value.trim().trim_matches('"')))
    })
}

fn only<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, name: &str) -> Option<&'a str> {
    let mut named = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    match (named.next(), named.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// A value with its percent escapes resolved once; `None` where that is not UTF-8.
pub fn unescaped(value: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(value).decode_utf8().ok()
}
