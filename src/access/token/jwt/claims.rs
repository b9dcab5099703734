//! The claims of a token whose signature is right: what the caller judges, and the terms.
//!
//! A claim outside our vocabulary is ignored, as RFC 7519 §4 demands; one within it that cannot be read refuses.

use std::fmt;
use std::sync::Arc;

use crate::access::{Refusal, Replay, Token};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::json::{Json, Object};
use super::terms::Terms;

/// The last second of the year 9999. An end past it is milliseconds taken for seconds: a token for ever.
const LAST_SECOND: i64 = 253_402_300_799;

/// What is expected of every token.
#[derive(Debug)]
pub(super) struct Expectations {
    pub(super) issuers: Option<Vec<String>>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) expiry_required: bool,
    pub(super) subject_in_path: bool,
}

/// Reads a payload whose signature was verified.
pub(super) fn read(
    payload: &[u8],
    expected: &Expectations,
    key: &Arc<str>,
) -> Result<Token, Refusal> {
    let claims = Object::parse(payload).ok_or(Refusal::TokenMalformed)?;
    expected.check_parties(&claims)?;
    let expires = seconds(&claims, "exp", f64::floor)?;
    if expires.is_none() && expected.expiry_required {
        return Err(Refusal::TokenClaim);
    }
    let issued = seconds(&claims, "iat", f64::floor)?;
    let subject = text(&claims, "sub")?;
    let (viewer, segment) = if expected.subject_in_path {
        // It names what is watched: counted as a viewer, all who watch it would be one.
        (None, Some(subject.ok_or(Refusal::TokenClaim)?))
    } else {
        (subject, None)
    };
    Ok(Token {
        key: key.clone(),
        id: text(&claims, "jti")?.map(Into::into),
        viewer: viewer.map(Into::into),
        session: text(&claims, "sid")?.map(Into::into),
        not_before: seconds(&claims, "nbf", f64::ceil)?,
        expires,
        issued,
        replay: Replay::Allowed,
        terms: Box::new(Terms::read(&claims, segment)?),
        renewal: None,
    })
}

/// The same payload with another `exp`; all other members as they were, to the byte, in their order.
pub(super) fn with_expiry(payload: &[u8], expires: i64) -> Option<String> {
    if expires > LAST_SECOND {
        return None;
    }
    let mut members: Members<'_> = serde_json::from_slice(payload).ok()?;
    let exp = to_raw_value(&expires).ok()?;
    let member = members.0.iter_mut().find(|(name, _)| name == "exp")?;
    member.1 = &exp;
    serde_json::to_string(&members).ok()
}

impl Expectations {
    /// `iss` and `aud`. RFC 7519 §4.1.3: who does not find itself in an `aud` that is there must refuse, so that a
    /// token for an audience is never good where none is configured.
    fn check_parties(&self, claims: &Object<'_>) -> Result<(), Refusal> {
        let issuer = text(claims, "iss")?;
        let by_ours =
            |known: &Vec<String>| issuer.is_some_and(|own| known.iter().any(|k| k == own));
        let audience = claims
            .member("aud")
            .map(|aud| aud.texts().ok_or(Refusal::TokenClaim));
        let audience = audience.transpose()?;
        let for_us = match (&self.audiences, &audience) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.iter().any(|own| theirs.contains(&own.as_str())),
            _ => false,
        };
        if self.issuers.as_ref().is_none_or(by_ours) && for_us {
            Ok(())
        } else {
            Err(Refusal::TokenIssuer)
        }
    }
}

fn text<'a>(claims: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match claims.member(name) {
        None => Ok(None),
        Some(value) => value.text().map(Some).ok_or(Refusal::TokenClaim),
    }
}

/// A NumericDate. Fractions are rounded so that the token is never valid a moment longer.
fn seconds(claims: &Object<'_>, name: &str, round: fn(f64) -> f64) -> Result<Option<i64>, Refusal> {
    let whole = match claims.member(name) {
        None => return Ok(None),
        Some(Json::Integer(whole)) => *whole,
        // The cast saturates, and what is past the bound either way is refused below.
        Some(Json::Float(number)) => round(*number) as i64,
        Some(_) => return Err(Refusal::TokenClaim),
    };
    if whole.abs_diff(0) > LAST_SECOND.unsigned_abs() {
        return Err(Refusal::TokenClaim);
    }
    Ok(Some(whole))
}

/// An object whose values are not read.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_end_leaves_every_other_member_as_it_was() {
        let payload = br#"{ "b":1.50e0,"exp": 10.5, "big":123456789012345678901234567890, "a":{"y":[ 1 ],"x":"\u0041"}}"#;
        let later = with_expiry(payload, 99).unwrap();
        let expected = r#"{"b":1.50e0,"exp":99,"big":123456789012345678901234567890,"a":{"y":[ 1 ],"x":"\u0041"}}"#;
        assert_eq!(later, expected);
        assert_eq!(with_expiry(br#"{"a":1}"#, 99), None);
        assert_eq!(with_expiry(payload, LAST_SECOND + 1), None);
    }

    #[test]
    fn fractions_never_lengthen_a_token() {
        let claims = Object::parse(br#"{"exp":10.9,"nbf":10.1,"far":1e300,"ms":1735689600000}"#);
        let claims = claims.unwrap();
        assert_eq!(seconds(&claims, "exp", f64::floor), Ok(Some(10)));
        assert_eq!(seconds(&claims, "nbf", f64::ceil), Ok(Some(11)));
        assert_eq!(seconds(&claims, "far", f64::ceil), Err(Refusal::TokenClaim));
        assert_eq!(seconds(&claims, "ms", f64::ceil), Err(Refusal::TokenClaim));
        assert_eq!(seconds(&claims, "none", f64::ceil), Ok(None));
    }
}
