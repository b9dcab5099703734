//! Mints tokens from claims in JSON, each under its name in CTA-5007. [`mint`] is all there is.

use std::net::IpAddr;

use crate::access::Refusal;
use crate::access::networks::cidr;
use ciborium::Value;
use ipnet::IpNet;
use serde_json::{Map, Value as Json};

use super::cbor;
use super::claims::{self, Claims, IPV4_TAG, IPV6_TAG};
use super::envelope::{Envelope, MAX_CHARS};
use super::key::Key;
use super::matching::unhex;
use super::target::Component;

/// Why a token cannot be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// Not an object of claims.
    #[error("the claims are no JSON object: write {{\"iss\": \"…\", \"exp\": …, \"catu\": {{…}}}}")]
    NotAnObject,
    /// A claim or a part of one that this product does not verify either.
    #[error("unknown claim {0}")]
    Unknown(String),
    /// A claim's value is of another kind.
    #[error("claim {name} needs {wanted}")]
    Value {
        /// The claim, with the part of it.
        name: String,
        /// What it needs.
        wanted: &'static str,
    },
    /// What this product would refuse to verify.
    #[error(
        "a claim says what cannot be verified: look at patterns (catu, cath), countries, networks and catr, which needs type and expadd"
    )]
    Unverifiable,
    /// The key only verifies.
    #[error("key {0} is public: give a private key or a secret")]
    PublicKey(String),
    /// Longer than what is verified.
    #[error("the token has {0} characters, and at most {MAX_CHARS} are accepted: leave claims out")]
    TooLong(usize),
}

/// Mints a token of these claims:
///
/// - `iss`, `sub`: text; `aud`: text or an array of it; `exp`, `nbf`, `iat`: Unix seconds; `cti`: hex
/// - `catreplay`: 0, 1 or 2; `catv`: 1, as without it
/// - `catu`: `{"path": {"prefix": "/vod/"}}` with `scheme`, `host`, `port`, `path`, `query`, `parent-path`, `filename`,
///   `stem`, `extension` and with `exact`, `prefix`, `suffix`, `contains`, `regex`, `sha256`, `sha512-256` (hex)
/// - `cath`: the same with names of headers; `catm`, `catalpn`, `catgeoiso3166`: arrays of text
/// - `catnip`: an array of addresses and networks as text and of autonomous systems as numbers
/// - `catr`: `type` (`automatic`, `cookie`, `header`), `expadd`, `deadline`, `cookie-name`, `header-name`,
///   `cookie-params`, `header-params`
///
/// The encoding is deterministic: the same claims are the same payload (RFC 8949 section 4.2).
///
/// # Errors
/// What is wrong with the claims or the key.
pub fn mint(key: &Key, claims: &Json) -> Result<String, MintError> {
    let object = claims.as_object().ok_or(MintError::NotAnObject)?;
    let entries = object.iter().map(|(name, value)| claim(name, value));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    if !object.contains_key("catv") {
        entries.push((claims::CATV.into(), 1.into()));
    }
    let payload = cbor::write(&cbor::deterministic(Value::Map(entries)));
    match Claims::read(&payload, &"".into()) {
        Ok(_) => {}
        // More items than any reader takes.
        Err(Refusal::TokenMalformed) => return Err(MintError::TooLong(payload.len())),
        Err(_) => return Err(MintError::Unverifiable),
    }
    let token = Envelope::new(key, payload)
        .seal(key)
        .ok_or_else(|| MintError::PublicKey(key.name().to_string()))?;
    match token.len() {
        0..=MAX_CHARS => Ok(token),
        len => Err(MintError::TooLong(len)),
    }
}

/// One entry of a map: its key and its value.
type Entry = (Value, Value);

/// One claim.
fn claim(name: &str, json: &Json) -> Result<Entry, MintError> {
    let (label, value) = match name {
        "iss" => (claims::ISS, text(name, json)?),
        "sub" => (claims::SUB, text(name, json)?),
        "aud" if json.is_array() => (claims::AUD, array(name, json, text)?),
        "aud" => (claims::AUD, text(name, json)?),
        "exp" => (claims::EXP, integer(name, json)?),
        "nbf" => (claims::NBF, integer(name, json)?),
        "iat" => (claims::IAT, integer(name, json)?),
        "cti" => (claims::CTI, hex_bytes(name, json)?),
        "catreplay" => (claims::CATREPLAY, integer(name, json)?),
        "catv" => (claims::CATV, integer(name, json)?),
        "catnip" => (claims::CATNIP, array(name, json, network)?),
        "catu" => (claims::CATU, map(name, json, component)?),
        "catm" => (claims::CATM, array(name, json, text)?),
        "catalpn" => (claims::CATALPN, array(name, json, bytes)?),
        "cath" => (claims::CATH, map(name, json, header)?),
        "catgeoiso3166" => (claims::CATGEOISO3166, array(name, json, text)?),
        "catr" => (claims::CATR, map(name, json, renewal)?),
        _ => return Err(MintError::Unknown(name.to_owned())),
    };
    Ok((label.into(), value))
}

fn component(name: &str, part: &str, json: &Json) -> Result<Entry, MintError> {
    let label = Component::label(part).ok_or_else(|| MintError::Unknown(join(name, part)))?;
    Ok((label.into(), map(&join(name, part), json, one_match)?))
}

fn header(name: &str, header: &str, json: &Json) -> Result<Entry, MintError> {
    let matches = map(&join(name, header), json, one_match)?;
    Ok((Value::Text(header.to_owned()), matches))
}

fn one_match(name: &str, kind: &str, json: &Json) -> Result<Entry, MintError> {
    let name = &join(name, kind);
    let (label, value) = match kind {
        "exact" => (0, text(name, json)?),
        "prefix" => (1, text(name, json)?),
        "suffix" => (2, text(name, json)?),
        "contains" => (3, text(name, json)?),
        // All libraries read an array of one pattern; only some read the pattern alone.
        "regex" => (4, Value::Array(vec![text(name, json)?])),
        "sha256" => (-1, hex_bytes(name, json)?),
        "sha512-256" => (-2, hex_bytes(name, json)?),
        _ => return Err(MintError::Unknown(name.clone())),
    };
    Ok((label.into(), value))
}

fn renewal(name: &str, part: &str, json: &Json) -> Result<Entry, MintError> {
    let name = &join(name, part);
    let (label, value) = match part {
        "type" => {
            let kinds = ["automatic", "cookie", "header"];
            let kind = kinds.iter().position(|kind| json.as_str() == Some(kind));
            let kind = kind.ok_or_else(|| wrong(name, "automatic, cookie or header"))?;
            (0, Value::Integer((kind as u64).into()))
        }
        "expadd" => (1, integer(name, json)?),
        "deadline" => (2, integer(name, json)?),
        "cookie-name" => (3, text(name, json)?),
        "header-name" => (4, text(name, json)?),
        "cookie-params" => (5, array(name, json, text)?),
        "header-params" => (6, array(name, json, text)?),
        _ => return Err(MintError::Unknown(name.clone())),
    };
    Ok((label.into(), value))
}

fn network(name: &str, json: &Json) -> Result<Value, MintError> {
    let wanted = "addresses, networks in CIDR as text, and autonomous systems as numbers";
    let text = match json {
        Json::Number(_) => return integer(name, json),
        Json::String(text) => text,
        _ => return Err(wrong(name, wanted)),
    };
    let net = match (cidr(text), text.parse::<IpAddr>()) {
        (Some(net), _) => net.trunc(),
        (_, Ok(address)) => IpNet::from(address),
        _ => return Err(wrong(name, wanted)),
    };
    let (tag, mut bytes) = match net.network() {
        IpAddr::V4(address) => (IPV4_TAG, address.octets().to_vec()),
        IpAddr::V6(address) => (IPV6_TAG, address.octets().to_vec()),
    };
    let value = if net.prefix_len() == net.max_prefix_len() {
        Value::Bytes(bytes)
    } else {
        // RFC 9164 section 3.2: zeros at the end are left out.
        let len = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        bytes.truncate(len);
        Value::Array(vec![net.prefix_len().into(), Value::Bytes(bytes)])
    };
    Ok(Value::Tag(tag, Box::new(value)))
}

fn text(name: &str, json: &Json) -> Result<Value, MintError> {
    let text = json.as_str().ok_or_else(|| wrong(name, "text"))?;
    Ok(Value::Text(text.to_owned()))
}

fn bytes(name: &str, json: &Json) -> Result<Value, MintError> {
    let text = json.as_str().ok_or_else(|| wrong(name, "text"))?;
    Ok(Value::Bytes(text.as_bytes().to_vec()))
}

fn hex_bytes(name: &str, json: &Json) -> Result<Value, MintError> {
    let bytes = json.as_str().and_then(unhex);
    Ok(Value::Bytes(bytes.ok_or_else(|| wrong(name, "hex"))?))
}

fn integer(name: &str, json: &Json) -> Result<Value, MintError> {
    let integer = json.as_i64().ok_or_else(|| wrong(name, "a whole number"))?;
    Ok(Value::Integer(integer.into()))
}

fn array(
    name: &str,
    json: &Json,
    item: fn(&str, &Json) -> Result<Value, MintError>,
) -> Result<Value, MintError> {
    let items = json.as_array().ok_or_else(|| wrong(name, "an array"))?;
    let items = items.iter().map(|json| item(name, json));
    Ok(Value::Array(items.collect::<Result<_, _>>()?))
}

fn map(
    name: &str,
    json: &Json,
    entry: fn(&str, &str, &Json) -> Result<Entry, MintError>,
) -> Result<Value, MintError> {
    let object: &Map<_, _> = json.as_object().ok_or_else(|| wrong(name, "an object"))?;
    let entries = object.iter().map(|(part, json)| entry(name, part, json));
    Ok(Value::Map(entries.collect::<Result<_, _>>()?))
}

fn wrong(name: &str, wanted: &'static str) -> MintError {
    let name = name.to_owned();
    MintError::Value { name, wanted }
}

fn join(name: &str, part: &str) -> String {
    format!("{name}.{part}")
}
