//! Matches: what CAT says about a text, in a component of a URI or in a header.

use aws_lc_rs::digest;
use ciborium::Value;
use regex::bytes::Regex;

use super::cbor;
use super::ere;

/// All that one text must be; never empty.
#[derive(Debug)]
pub(super) struct Matches(Box<[Match]>);

#[derive(Debug)]
enum Match {
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    Regex(Regex),
    Sha256([u8; 32]),
    Sha512([u8; 32]),
}

impl Matches {
    /// Reads `{match: value}`. `spell` brings a literal into the spelling that texts have where it is compared.
    pub(super) fn read(value: &Value, spell: fn(&str) -> String) -> Option<Self> {
        let entries = value.as_map()?.iter();
        let matches = entries.map(|(kind, value)| Match::read(cbor::integer(kind)?, value, spell));
        let matches = matches.collect::<Option<Box<[_]>>>()?;
        (!matches.is_empty()).then_some(Self(matches))
    }

    /// Whether all hold for this text.
    pub(super) fn hold(&self, text: &str) -> bool {
        self.0.iter().all(|this| this.holds(text))
    }

    /// Whether all hold for a text of which there are two readings, where nobody knows which one the issuer meant. One
    /// who names the whole or its end has meant the reading in which that exists, since in the other the token would be
    /// for nothing at all: one reading is enough. Anything else must hold in both, so that a token never grants what
    /// one of the readings does not.
    pub(super) fn hold_either(&self, readings: [&str; 2]) -> bool {
        self.0.iter().all(|this| match this {
            Match::Exact(_) | Match::Suffix(_) | Match::Sha256(_) | Match::Sha512(_) => {
                readings.iter().any(|text| this.holds(text))
            }
            Match::Prefix(_) | Match::Contains(_) | Match::Regex(_) => {
                readings.iter().all(|text| this.holds(text))
            }
        })
    }
}

impl Match {
    fn read(kind: i64, value: &Value, spell: fn(&str) -> String) -> Option<Self> {
        let literal = || Some(spell(value.as_text()?).into_boxed_str());
        Some(match kind {
            0 => Self::Exact(literal()?),
            1 => Self::Prefix(literal()?),
            2 => Self::Suffix(literal()?),
            3 => Self::Contains(literal()?),
            4 => Self::Regex(ere::compile(pattern(value)?)?),
            -1 => Self::Sha256(digest_of(value)?),
            -2 => Self::Sha512(digest_of(value)?),
            _ => return None,
        })
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Exact(value) => text == &**value,
            Self::Prefix(value) => text.starts_with(&**value),
            Self::Suffix(value) => text.ends_with(&**value),
            Self::Contains(value) => text.contains(&**value),
            Self::Regex(regex) => regex.is_match(text.as_bytes()),
            Self::Sha256(value) => is_digest(&digest::SHA256, text, value),
            // Some libraries cut SHA-512 short instead of SHA-512/256. Neither says anything of another text.
            Self::Sha512(value) => {
                is_digest(&digest::SHA512_256, text, value)
                    || is_digest(&digest::SHA512, text, value)
            }
        }
    }
}

/// A pattern is a text, alone or as the only item of an array: a second item is a flag for some libraries and what a
/// group has to be for others.
fn pattern(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => match items.as_slice() {
            [only] => only.as_text(),
            _ => None,
        },
        value => value.as_text(),
    }
}

/// A digest is 32 bytes, or the same in hex as some libraries write it.
fn digest_of(value: &Value) -> Option<[u8; 32]> {
    match value {
        Value::Bytes(bytes) => bytes.as_slice().try_into().ok(),
        Value::Text(text) => unhex(text)?.try_into().ok(),
        _ => None,
    }
}

fn is_digest(algorithm: &'static digest::Algorithm, text: &str, value: &[u8; 32]) -> bool {
    digest::digest(algorithm, text.as_bytes())
        .as_ref()
        .starts_with(value)
}

/// Bytes of hex in either case.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
