//! Who asks: what the CDN and the proxies before us say of the viewer, believed from trusted peers alone. Start at
//! [`Identify::viewer`].

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::access::{Country, Region};
use http::{HeaderMap, HeaderName};

use super::geo::regions;
use super::networks::Networks;

#[cfg(test)]
mod tests;

/// Entries of `X-Forwarded-For` that are looked at, from the right. No honest chain has as many proxies.
const HOPS_MAX: usize = 32;

/// Bytes of an address with brackets and port; an honest one is shorter.
const ADDRESS_MAX: usize = 64;

/// CloudFront's classes of devices. A tablet is a mobile device to CloudFront as well, so the narrower come first.
static DEVICES: [(HeaderName, Device); 4] = [
    (
        HeaderName::from_static("cloudfront-is-smarttv-viewer"),
        Device::Tv,
    ),
    (
        HeaderName::from_static("cloudfront-is-tablet-viewer"),
        Device::Tablet,
    ),
    (
        HeaderName::from_static("cloudfront-is-mobile-viewer"),
        Device::Mobile,
    ),
    (
        HeaderName::from_static("cloudfront-is-desktop-viewer"),
        Device::Desktop,
    ),
];

static VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");
static VIEWER_COUNTRY: HeaderName = HeaderName::from_static("cloudfront-viewer-country");
static VIEWER_REGION: HeaderName = HeaderName::from_static("cloudfront-viewer-country-region");
static VIEWER_ASN: HeaderName = HeaderName::from_static("cloudfront-viewer-asn");
static VIEWER_PROTO: HeaderName = HeaderName::from_static("cloudfront-forwarded-proto");
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whom to believe, and what.
#[derive(Debug, Clone, Default)]
pub struct Identify {
    /// The peers that are believed: the CDN's origin-facing networks, our own load balancers. One who is in here can
    /// claim to be any viewer.
    pub trusted: Networks,
    /// What such a peer is.
    pub sender: Sender,
}

/// What a trusted peer is, which tells the headers that it vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sender {
    /// CloudFront, or a proxy that only CloudFront reaches: its own headers count before `X-Forwarded-*`.
    #[default]
    CloudFront,
    /// A load balancer or proxy: `X-Forwarded-For` and `X-Forwarded-Proto` count. It hands on what viewers invent under
    /// CloudFront's names, so those do not.
    Proxy,
}

/// What is known of a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    /// The address; IPv4-mapped IPv6 is written as IPv4.
    pub ip: IpAddr,
    /// The country that the CDN tells.
    pub country: Option<Country>,
    /// The part of that country; none without a country.
    pub region: Option<Region>,
    /// The autonomous system that the CDN tells.
    pub asn: Option<u32>,
    /// How the viewer speaks to the CDN.
    pub scheme: Option<Scheme>,
    /// What the CDN takes the viewer's device for.
    pub device: Option<Device>,
}

/// How a viewer speaks to the CDN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// A class of devices, as CloudFront tells them from `User-Agent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A desktop computer or a laptop.
    Desktop,
    /// A television or a box on one.
    Tv,
}

impl Identify {
    /// Who sent this request, given who is at the other end of the connection. Of a peer that is not trusted nothing
    /// is believed: it is the viewer itself.
    ///
    /// The address is that of `CloudFront-Viewer-Address` or else the rightmost of `X-Forwarded-For` that is not
    /// trusted. An entry that is no address ends the search: what stands left of it was written by nobody we know, and
    /// the last good address counts. Where a header that has one value has two, none is taken.
    pub fn viewer(&self, peer: IpAddr, headers: &HeaderMap) -> Viewer {
        let peer = peer.to_canonical();
        let mut viewer = Viewer::at(peer);
        if !self.trusted.contains(peer) {
            return viewer;
        }
        if self.sender == Sender::CloudFront {
            viewer.country = only(headers, &VIEWER_COUNTRY).and_then(regions::known_country);
            viewer.region = only(headers, &VIEWER_REGION)
                .and_then(Region::parse)
                .filter(|_| viewer.country.is_some());
            viewer.asn = only(headers, &VIEWER_ASN).and_then(number);
            viewer.scheme = only(headers, &VIEWER_PROTO).and_then(Scheme::parse);
            viewer.device = device(headers);
            if let Some(ip) = only(headers, &VIEWER_ADDRESS).and_then(viewer_address) {
                viewer.ip = ip;
            } else {
                viewer.ip = self.forwarded_for(peer, headers);
            }
        } else {
            viewer.ip = self.forwarded_for(peer, headers);
        }
        viewer.scheme = viewer
            .scheme
            .or_else(|| only(headers, &FORWARDED_PROTO).and_then(Scheme::parse));
        viewer
    }

    fn forwarded_for(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(&FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut last = peer;
        for entry in entries.take(HOPS_MAX) {
            let entry = entry.trim_ascii();
            // An empty element of a list is none (RFC 9110, section 5.6.1).
            if entry.is_empty() {
                continue;
            }
            let Some(ip) = std::str::from_utf8(entry).ok().and_then(hop) else {
                break;
            };
            last = ip;
            if !self.trusted.contains(ip) {
                break;
            }
        }
        last
    }
}

impl Viewer {
    /// A viewer of whom only the address is known.
    pub fn at(ip: IpAddr) -> Self {
        Self {
            ip: ip.to_canonical(),
            country: None,
            region: None,
            asn: None,
            scheme: None,
            device: None,
        }
    }
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }

    /// `http`, `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Device {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Mobile, Self::Tablet, Self::Desktop, Self::Tv];

    /// Reads the word for one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.as_str() == text)
    }

    /// The word for it: `mobile`, `tablet`, `desktop`, `tv`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
            Self::Tv => "tv",
        }
    }
}

/// Whom an address stands for: of IPv6 the whole /64, which is what one connection is given.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
    }
}

/// The one value of a header; none where there are two, for nobody can say which one counts.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    value.to_str().ok().map(str::trim)
}

fn device(headers: &HeaderMap) -> Option<Device> {
    let is = |name: &HeaderName| {
        only(headers, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    DEVICES
        .iter()
        .find(|(name, _)| is(name))
        .map(|(_, device)| *device)
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// One entry of `X-Forwarded-For`: an address, with or without brackets and a port.
fn hop(text: &str) -> Option<IpAddr> {
    if text.len() > ADDRESS_MAX {
        return None;
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let ip: std::net::Ipv6Addr = inner.parse().ok()?;
        return Some(IpAddr::V6(ip).to_canonical());
    }
    let socket: SocketAddr = text.parse().ok()?;
    match socket {
        // A zone means something on its own host only.
        SocketAddr::V6(v6) if v6.scope_id() != 0 => None,
        _ => Some(socket.ip().to_canonical()),
    }
}

/// `CloudFront-Viewer-Address`: the port always follows, and IPv6 comes without brackets, so that what follows the last
/// colon is never a part of the address.
fn viewer_address(text: &str) -> Option<IpAddr> {
    if text.len() > ADDRESS_MAX {
        return None;
    }
    let (ip, port) = text.rsplit_once(':')?;
    number(port).filter(|port| *port <= u32::from(u16::MAX))?;
    let bare = ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip: IpAddr = bare.unwrap_or(ip).parse().ok()?;
    Some(ip.to_canonical())
}
