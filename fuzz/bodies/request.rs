//! Requests as text, so that seeds can be read and written by hand:
//!
//! ```text
//! /~TOKEN/vod/a.m3u8?b=c
//! host: cdn.example.com
//!
//! what else a body wants
//! ```

use std::net::IpAddr;

use caudal::access::{Asking, Carrier, Country, Place, Source, prefix};
use caudal::media::AssetPath;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Every way by which a token travels.
pub(super) const CARRIERS: [Carrier; 4] = [
    Carrier::Path,
    Carrier::Query,
    Carrier::Header,
    Carrier::Cookie,
];

/// A request that the server would have taken: its parts are as hyper and [`AssetPath`] let them through.
pub(super) struct Request<'a> {
    target: PathAndQuery,
    /// Where the path begins behind a token.
    at: usize,
    path: String,
    /// Its headers. `x-viewer`, `x-country` and `x-method` say what no header of a real request does.
    pub(super) headers: HeaderMap,
    viewer: IpAddr,
    place: Place,
    /// What follows the empty line.
    pub(super) rest: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads one; `None` for what no handler ever sees.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let (line, mut rest) = line(data);
        let target = PathAndQuery::try_from(line).ok()?;
        let at = match prefix::split(target.path()) {
            Some((_, path)) => target.path().len() - path.len(),
            None => 0,
        };
        let asset = AssetPath::parse(&target.path()[at..]).ok()?;
        let mut headers = HeaderMap::new();
        while !rest.is_empty() {
            let (header, after) = self::line(rest);
            rest = after;
            if header.is_empty() {
                break;
            }
            let colon = header.iter().position(|byte| *byte == b':')?;
            let value = header[colon + 1..].trim_ascii();
            let name = HeaderName::from_bytes(&header[..colon]).ok()?;
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let viewer: Option<IpAddr> = said("x-viewer").and_then(|ip| ip.parse().ok());
        let place = Place {
            country: said("x-country").and_then(Country::parse),
            ..Place::default()
        };
        Some(Self {
            path: format!("/{}", asset.as_str()),
            viewer: viewer
                .unwrap_or(IpAddr::from([127, 0, 0, 1]))
                .to_canonical(),
            target,
            at,
            headers,
            place,
            rest,
        })
    }

    /// A bare one for a path that can be asked for.
    pub(super) fn to(path: &'static str) -> Self {
        Self {
            target: PathAndQuery::from_static(path),
            at: 0,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            viewer: IpAddr::from([127, 0, 0, 1]),
            place: Place::default(),
            rest: b"",
        }
    }

    /// As the policy sees it.
    pub(super) fn asking(&self) -> Asking<'_> {
        let said = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let path = self.target.path();
        Asking {
            method: said("x-method").unwrap_or("GET"),
            scheme: "https",
            host: said("host").unwrap_or("cdn.example.com"),
            raw_path: &path[self.at..],
            path: &self.path,
            query: self.target.query().unwrap_or(""),
            headers: &self.headers,
            prefix: (self.at > 0).then(|| &path[2..self.at]),
            viewer: self.viewer,
            place: &self.place,
            alpn: Some("h2"),
            device: None,
            identities: &[],
            now: 1_800_000_000,
        }
    }

    /// What follows the empty line, as `name=value` a line.
    pub(super) fn fields(&self) -> Vec<(&'a str, &'a str)> {
        let text = std::str::from_utf8(self.rest).unwrap_or_default();
        let pairs = text.split('\n').filter_map(|line| line.split_once('='));
        pairs.collect()
    }
}

/// The first of these fields.
pub(super) fn field<'a>(fields: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(own, _)| *own == name);
    found.map(|(_, value)| *value)
}

/// Asks with a value in each carrier that can hold it.
pub(super) fn in_each(asking: &Asking<'_>, name: &str, value: &str, check: impl Fn(&Source<'_>)) {
    let query = format!("{name}={value}");
    let header = [(name, value)];
    let cookie = [("cookie", query.as_str())];
    let headers = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("bodies know headers' names");
            (
                name,
                HeaderValue::from_str(value).expect("tokens fit into headers"),
            )
        });
        pairs.collect::<HeaderMap>()
    };
    let (header, cookie) = (headers(&header), headers(&cookie));
    for carrier in CARRIERS {
        let (prefix, query, headers) = match carrier {
            Carrier::Path => (Some(value), "", asking.headers),
            Carrier::Query => (None, query.as_str(), asking.headers),
            Carrier::Header => (None, "", &header),
            Carrier::Cookie => (None, "", &cookie),
        };
        let asking = Asking {
            prefix,
            query,
            headers,
            ..*asking
        };
        check(&Source {
            carrier,
            asking: &asking,
        });
    }
}

fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, b""),
    }
}
