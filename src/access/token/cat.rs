//! Common Access Tokens (CTA-5007-B): claims in CBOR, signed as COSE. Start at [`Cat`], which verifies and renews;
//! [`mint()`] makes tokens.
//!
//! What the specification leaves to libraries, and libraries do differently, is granted only where they agree.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::access::{Carrier, Format, Found, Refusal, Replay, Source, Token};
use ciborium::Value;
use http::HeaderName;

use claims::Claims;
use envelope::{Envelope, MAX_CHARS};

mod cbor;
mod claims;
mod envelope;
mod ere;
mod key;
mod matching;
mod mint;
mod target;
mod terms;
#[cfg(test)]
mod tests;

pub use claims::{Renewal, RenewalBy};
pub use key::{Algorithm, Key, KeyError};
pub use mint::{MintError, mint};

/// What tokens are verified by.
#[derive(Debug, Default)]
pub struct Settings {
    /// The keys; at least one. One that has no key id is tried for tokens of every key id.
    pub keys: Vec<Key>,
    /// Issuers of which a token must name one (`iss`); empty for any and none.
    pub issuers: Vec<String>,
    /// Audiences of which a token must name one (`aud`); empty where tokens must name none.
    pub audiences: Vec<String>,
    /// How the token is called.
    pub names: Names,
}

/// How the token is called in each carrier. In a path it needs no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `CTA-Common-Access-Token`
    pub header: String,
    /// `CTA-Common-Access-Token`
    pub cookie: String,
    /// `cat`
    pub query: String,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nothing can be verified.
    #[error("no key: give at least one")]
    NoKey,
    /// Revocation and metrics name keys.
    #[error("two keys are called {0}: give each a name of its own")]
    SameName(Arc<str>),
    /// Not a header.
    #[error("{0:?} is no name of a header: use CTA-Common-Access-Token")]
    Header(String),
    /// Not a cookie or parameter.
    #[error("{0:?} is no name of a cookie or a parameter: use letters, digits, - and _")]
    Name(String),
}

/// Verifies and renews Common Access Tokens.
#[derive(Debug)]
pub struct Cat {
    keys: Vec<Key>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    names: Names,
    parameter: Arc<str>,
}

impl Cat {
    /// Checks the settings.
    ///
    /// # Errors
    /// What is missing or wrong in them.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let Settings {
            keys,
            issuers,
            audiences,
            names,
        } = settings;
        if keys.is_empty() {
            return Err(SettingsError::NoKey);
        }
        let mut seen = HashSet::new();
        if let Some(key) = keys.iter().find(|key| !seen.insert(key.name())) {
            return Err(SettingsError::SameName(key.name().clone()));
        }
        if HeaderName::from_bytes(names.header.as_bytes()).is_err() {
            return Err(SettingsError::Header(names.header));
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        for name in [&names.cookie, &names.query] {
            if name.is_empty() || !name.bytes().all(is_word) {
                return Err(SettingsError::Name(name.clone()));
            }
        }
        let parameter = names.query.as_str().into();
        Ok(Self {
            keys,
            issuers,
            audiences,
            names,
            parameter,
        })
    }

    /// How the issuer of this token wants it renewed; `None` where it does not say, and for a token that is not valid.
    pub fn renewal(&self, found: &Found<'_>) -> Option<Renewal> {
        let (_, claims) = self.read(found).ok()?;
        claims.renewal
    }

    fn read(&self, found: &Found<'_>) -> Result<(&Key, Claims), Refusal> {
        let envelope = Envelope::open(&found.token)?;
        let key = self.signer(&envelope)?;
        let claims = Claims::read(envelope.payload(), &self.parameter)?;
        self.admit(&claims)?;
        Ok((key, claims))
    }

    /// The key that signed it, out of those that it may be.
    fn signer(&self, envelope: &Envelope) -> Result<&Key, Refusal> {
        let may_be = |key: &&Key| match (envelope.kid(), key.kid()) {
            (Some(said), Some(known)) => said == known,
            _ => true,
        };
        let is_pinned = |key: &&Key| key.algorithm() == envelope.algorithm();
        if !self.keys.iter().any(|key| may_be(&key)) {
            return Err(Refusal::TokenKey);
        }
        let mut keys = self.keys.iter().filter(may_be).filter(is_pinned).peekable();
        if keys.peek().is_none() {
            return Err(Refusal::TokenAlgorithm);
        }
        keys.find(|key| envelope.is_signed_by(key))
            .ok_or(Refusal::TokenSignature)
    }

    fn admit(&self, claims: &Claims) -> Result<(), Refusal> {
        let is_issuer = |issuer: &str| self.issuers.iter().any(|known| known == issuer);
        let is_ours = self.issuers.is_empty() || claims.issuer.as_deref().is_some_and(is_issuer);
        let is_us = |audience: &str| self.audiences.iter().any(|us| us == audience);
        let is_for_us = match &claims.audiences {
            Some(audiences) => audiences.iter().any(|audience| is_us(audience)),
            None => self.audiences.is_empty(),
        };
        match is_ours && is_for_us {
            true => Ok(()),
            false => Err(Refusal::TokenIssuer),
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            header: "CTA-Common-Access-Token".to_owned(),
            cookie: "CTA-Common-Access-Token".to_owned(),
            query: "cat".to_owned(),
        }
    }
}

impl Format for Cat {
    fn find<'a>(&self, source: &Source<'a>) -> Result<Option<Found<'a>>, Refusal> {
        let name = match source.carrier {
            Carrier::Header | Carrier::Path => &self.names.header,
            Carrier::Cookie => &self.names.cookie,
            Carrier::Query => &self.names.query,
        };
        let token = match source.token(name) {
            None | Some("") => return Ok(None),
            Some(token) if source.carrier == Carrier::Path && !has_cat_tags(token) => {
                return Ok(None);
            }
            Some(token) => token,
        };
        if token.len() > MAX_CHARS {
            return Err(Refusal::TokenTooLong);
        }
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !token.bytes().all(is_base64url) {
            return Err(Refusal::TokenMalformed);
        }
        Ok(Some(Found {
            token: Cow::Borrowed(token),
            bound: Cow::Borrowed(""),
        }))
    }

    fn verify(&self, found: &Found<'_>) -> Result<Token, Refusal> {
        let (key, claims) = self.read(found)?;
        Ok(Token {
            key: key.name().clone(),
            id: claims.id,
            viewer: claims.viewer,
            session: None,
            not_before: claims.not_before,
            expires: claims.expires,
            issued: claims.issued,
            replay: claims.replay,
            terms: Box::new(claims.grant),
            renewal: claims
                .renewal
                .map(|renewal| (renewal.add, renewal.deadline)),
        })
    }

    fn renew(&self, found: &Found<'_>, token: &Token, expires: i64) -> Option<String> {
        // What may be used once is used up, however long it lasts.
        if token.replay == Replay::Prohibited {
            return None;
        }
        let envelope = Envelope::open(&found.token).ok()?;
        let key = self.keys.iter().find(|key| *key.name() == token.key)?;
        if !envelope.is_signed_by(key) {
            return None;
        }
        let Value::Map(mut claims) = cbor::read(envelope.payload()).ok()? else {
            return None;
        };
        let is_end = |label: &Value| cbor::integer(label) == Some(claims::EXP);
        let (_, end) = claims.iter_mut().find(|(label, _)| is_end(label))?;
        if token.expires? >= expires || expires > claims::MAX_SECONDS {
            return None;
        }
        *end = Value::Integer(expires.into());
        let payload = cbor::write(&Value::Map(claims));
        let renewed = envelope.with_payload(payload).seal(key)?;
        (renewed.len() <= MAX_CHARS).then_some(renewed)
    }
}

/// Whether it begins as all tokens of this format do in base64url: with the tags 61 and 17 or 18, or without 61, before
/// an array of four. A path's prefix has no name, and may as well be another format's.
fn has_cat_tags(token: &str) -> bool {
    ["2D3Rh", "2D3Sh", "0YR", "0oR"]
        .iter()
        .any(|tags| token.starts_with(tags))
}
