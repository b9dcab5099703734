//! The compact form of RFC 7515 §7.1: three parts of base64url between dots, and what the first one says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access::Refusal;

use super::algorithm::Algorithm;
use super::json::Object;

/// Bytes of the longest token that is read: an honest one has a few hundred.
pub(super) const MAX_TOKEN: usize = 8 * 1024;

/// A token in its three parts, none of them decoded.
pub(super) struct Compact<'a> {
    pub(super) header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
    /// What the signature is of: the first two parts with their dot.
    pub(super) signed: &'a str,
}

/// What a header says that matters here. `jku`, `jwk`, `x5u` and `x5c` bring a key along and are not looked at: keys
/// come from the configuration and the configured key set alone.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
}

/// Whether this has the form of a token: two dots.
pub(super) fn has_form(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Strict base64url: no padding, no stray bits, so that every value has one spelling.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Base64url without padding.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl<'a> Compact<'a> {
    pub(super) fn split(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::TokenTooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::TokenMalformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::TokenMalformed)?;
        if payload.contains('.') {
            return Err(Refusal::TokenMalformed);
        }
        Ok(Self {
            header,
            payload,
            signature,
            signed,
        })
    }
}

impl Header {
    pub(super) fn read(part: &str) -> Result<Self, Refusal> {
        let document = decode(part).ok_or(Refusal::TokenMalformed)?;
        let header = Object::parse(&document).ok_or(Refusal::TokenMalformed)?;
        let text = |name| match header.member(name) {
            None => Ok(None),
            Some(value) => value.text().ok_or(Refusal::TokenMalformed).map(Some),
        };
        text("typ")?;
        // RFC 7515 §4.1.11: what is listed in `crit` must be understood, and no extension is. RFC 7797 changes what
        // is signed, and asks to be listed there.
        if header.member("crit").is_some() || header.member("b64").is_some() {
            return Err(Refusal::TokenClaim);
        }
        let kid = text("kid")?.map(str::to_owned);
        let algorithm = text("alg")?.ok_or(Refusal::TokenMalformed)?;
        let algorithm = Algorithm::parse(algorithm).ok_or(Refusal::TokenAlgorithm)?;
        Ok(Self { algorithm, kid })
    }
}
