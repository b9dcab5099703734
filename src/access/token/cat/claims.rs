//! Claims by their CBOR keys (RFC 8392, CTA-5007-B), read completely: one that is not understood is a refusal.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::access::{Carrier, Country, Refusal, Region, Replay};
use ciborium::Value;
use http::HeaderName;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::cbor;
use super::matching::{Matches, hex};
use super::target::Component;
use super::terms::{Grant, Network};

pub(super) const ISS: i64 = 1;
pub(super) const SUB: i64 = 2;
pub(super) const AUD: i64 = 3;
pub(super) const EXP: i64 = 4;
pub(super) const NBF: i64 = 5;
pub(super) const IAT: i64 = 6;
pub(super) const CTI: i64 = 7;
pub(super) const CATREPLAY: i64 = 308;
pub(super) const CATV: i64 = 310;
pub(super) const CATNIP: i64 = 311;
pub(super) const CATU: i64 = 312;
pub(super) const CATM: i64 = 313;
pub(super) const CATALPN: i64 = 314;
pub(super) const CATH: i64 = 315;
pub(super) const CATGEOISO3166: i64 = 316;
pub(super) const CATR: i64 = 323;

/// The tags of IPv4 and IPv6 addresses and prefixes (RFC 9164).
pub(super) const IPV4_TAG: u64 = 52;
pub(super) const IPV6_TAG: u64 = 54;

/// A `deadline` below is a number of seconds, one above a Unix time: September 2001.
const EARLIEST_TIME: i64 = 1_000_000_000;
/// Times and spans beyond are refused, so that sums of them never overflow: the year 33658.
pub(super) const MAX_SECONDS: i64 = 1_000_000_000_000;

/// All that a token says.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) issuer: Option<Arc<str>>,
    pub(super) audiences: Option<Vec<Box<str>>>,
    pub(super) viewer: Option<Arc<str>>,
    pub(super) id: Option<Arc<str>>,
    pub(super) not_before: Option<i64>,
    pub(super) expires: Option<i64>,
    /// When it was issued (`iat`).
    pub(super) issued: Option<i64>,
    pub(super) replay: Replay,
    pub(super) renewal: Option<Renewal>,
    pub(super) grant: Grant,
}

/// How an issuer wants its token renewed (`catr`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Where the new token goes.
    pub by: RenewalBy,
    /// The cookie to set, where it is named.
    pub cookie: Option<Box<str>>,
    /// The header to send, where it is named.
    pub header: Option<HeaderName>,
    /// Seconds that the new token's end is later.
    pub add: i64,
    /// The Unix second that no renewal goes past. Some issuers write a number of seconds before the end instead, from
    /// which on the token is to be renewed; they set no last second, and it is `None`.
    pub deadline: Option<i64>,
}

/// Where a renewed token goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalBy {
    /// Where it came from.
    Automatic,
    /// Into this carrier: a cookie or a header.
    Carrier(Carrier),
}

impl Claims {
    /// Reads the payload of a token that is verified. `parameter` is the query's parameter that carries tokens.
    ///
    /// `catpor`, `catgeocoord`, `catgeoalt`, `cattpk`, `catdpop`, `catif`, `catifdata` and the disputed 324 are refused
    /// with everything else that is not known: a token that is restricted by what nobody here can see grants nothing.
    /// For `catif` one could argue that it only speaks of what happens after a refusal; but then it asks for tokens and
    /// redirects that this origin does not make.
    pub(super) fn read(payload: &[u8], parameter: &Arc<str>) -> Result<Self, Refusal> {
        let Value::Map(entries) = cbor::read(payload)? else {
            return Err(Refusal::TokenMalformed);
        };
        let mut claims = Self::default();
        claims.grant.parameter = parameter.clone();
        for (label, value) in &entries {
            cbor::integer(label)
                .and_then(|label| claims.take(label, value))
                .ok_or(Refusal::TokenClaim)?;
        }
        // A token is known again by its id, not by its bytes: of those, some signatures have several.
        if claims.replay == Replay::Prohibited && claims.id.is_none() {
            return Err(Refusal::TokenClaim);
        }
        Ok(claims)
    }

    fn take(&mut self, label: i64, value: &Value) -> Option<()> {
        match label {
            ISS => self.issuer = Some(value.as_text()?.into()),
            SUB => self.viewer = Some(value.as_text()?.into()),
            AUD => self.audiences = Some(audiences(value)?),
            EXP => self.expires = Some(seconds(value, f64::floor)?),
            NBF => self.not_before = Some(seconds(value, f64::ceil)?),
            IAT => self.issued = Some(seconds(value, f64::floor)?),
            CTI => self.id = Some(hex(value.as_bytes().filter(|id| !id.is_empty())?).into()),
            CATREPLAY => self.replay = replay(value)?,
            CATV => drop((cbor::integer(value)? == 1).then_some(())?),
            CATR => self.renewal = Some(renewal(value)?),
            _ => return self.grant.take(label, value),
        }
        Some(())
    }
}

impl Grant {
    fn take(&mut self, label: i64, value: &Value) -> Option<()> {
        match label {
            CATNIP => self.networks = Some(list(value, network)?),
            CATU => self.uri = uri(value)?,
            CATM => self.methods = Some(list(value, |method| Some(method.as_text()?.into()))?),
            CATALPN => self.alpn = Some(list(value, protocol)?),
            CATH => self.headers = headers(value)?,
            CATGEOISO3166 => self.places = Some(list(value, place)?),
            _ => return None,
        }
        Some(())
    }
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(read).collect()
}

fn audiences(value: &Value) -> Option<Vec<Box<str>>> {
    match value {
        Value::Text(one) => Some(vec![one.as_str().into()]),
        many => list(many, |audience| Some(audience.as_text()?.into())),
    }
}

/// A time, whole or with a fraction, rounded to the side that grants less.
fn seconds(value: &Value, round: fn(f64) -> f64) -> Option<i64> {
    let seconds = match value {
        Value::Float(seconds) if seconds.abs() <= MAX_SECONDS as f64 => round(*seconds) as i64,
        value => cbor::integer(value)?,
    };
    (-MAX_SECONDS..=MAX_SECONDS)
        .contains(&seconds)
        .then_some(seconds)
}

/// 2 leaves it to the verifier to detect reuse, which then refuses nothing by itself.
fn replay(value: &Value) -> Option<Replay> {
    match cbor::integer(value)? {
        0 | 2 => Some(Replay::Allowed),
        1 => Some(Replay::Prohibited),
        _ => None,
    }
}

fn uri(value: &Value) -> Option<Vec<(Component, Matches)>> {
    let components = value.as_map()?.iter().map(|(label, matches)| {
        let component = Component::of(cbor::integer(label)?)?;
        Some((component, Matches::read(matches, component.spell())?))
    });
    components.collect()
}

fn headers(value: &Value) -> Option<Vec<(HeaderName, Matches)>> {
    let headers = value.as_map()?.iter().map(|(name, matches)| {
        let name = HeaderName::from_bytes(name.as_text()?.as_bytes()).ok()?;
        Some((name, Matches::read(matches, str::to_owned)?))
    });
    headers.collect()
}

/// Bytes, or text as some libraries write it.
fn protocol(value: &Value) -> Option<Box<[u8]>> {
    match value {
        Value::Bytes(bytes) => Some(bytes.as_slice().into()),
        Value::Text(text) => Some(text.as_bytes().into()),
        _ => None,
    }
}

fn place(value: &Value) -> Option<(Country, Option<Region>)> {
    let text = value.as_text()?;
    match text.split_once('-') {
        None => Some((Country::parse(text)?, None)),
        Some((country, region)) => Some((Country::parse(country)?, Some(Region::parse(region)?))),
    }
}

fn network(value: &Value) -> Option<Network> {
    match value {
        Value::Tag(IPV4_TAG, value) => {
            let (prefix, bytes) = prefix::<4>(value, 32)?;
            let net = Ipv4Net::new(Ipv4Addr::from(bytes), prefix).ok()?;
            Some(Network::Addresses(IpNet::V4(net.trunc())))
        }
        Value::Tag(IPV6_TAG, value) => {
            let (prefix, bytes) = prefix::<16>(value, 128)?;
            let net = Ipv6Net::new(Ipv6Addr::from(bytes), prefix).ok()?;
            Some(Network::Addresses(IpNet::V6(net.trunc())))
        }
        value => u32::try_from(cbor::integer(value)?)
            .ok()
            .map(Network::System),
    }
}

/// `[length, bytes]` without the zeros at its end, or a whole address. The third form of RFC 9164, an address with its
/// network's length, does not say which of both is meant.
fn prefix<const N: usize>(value: &Value, whole: u8) -> Option<(u8, [u8; N])> {
    match value {
        Value::Bytes(bytes) => Some((whole, bytes.as_slice().try_into().ok()?)),
        Value::Array(items) => match items.as_slice() {
            [length, Value::Bytes(bytes)] => {
                let mut all = [0; N];
                all.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some((u8::try_from(cbor::integer(length)?).ok()?, all))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Redirection (3) is refused: the origin would have to send the viewer somewhere for a new token, and a token that is
/// never renewed the way its issuer wants does not last as long as its issuer thinks.
fn renewal(value: &Value) -> Option<Renewal> {
    let mut by = None;
    let mut add = None;
    let (mut cookie, mut header, mut deadline) = (None, None, None);
    for (label, value) in value.as_map()? {
        match cbor::integer(label)? {
            0 => {
                by = Some(match cbor::integer(value)? {
                    0 => RenewalBy::Automatic,
                    1 => RenewalBy::Carrier(Carrier::Cookie),
                    2 => RenewalBy::Carrier(Carrier::Header),
                    _ => return None,
                });
            }
            1 => add = Some(cbor::integer(value).filter(|add| (1..=MAX_SECONDS).contains(add))?),
            2 => deadline = Some(seconds(value, f64::floor)?),
            3 => cookie = Some(cookie_name(value.as_text()?)?),
            4 => header = Some(HeaderName::from_bytes(value.as_text()?.as_bytes()).ok()?),
            // The attributes of the cookie, the parameters of the header and the status of the answer are this
            // origin's own to choose.
            5..=7 => {}
            _ => return None,
        }
    }
    Some(Renewal {
        by: by?,
        cookie,
        header,
        add: add?,
        deadline: deadline.filter(|deadline| *deadline >= EARLIEST_TIME),
    })
}

/// A cookie's name is a token as a header's name is one (RFC 6265 section 4.1.1), but case counts.
fn cookie_name(name: &str) -> Option<Box<str>> {
    HeaderName::from_bytes(name.as_bytes()).ok()?;
    Some(name.into())
}
