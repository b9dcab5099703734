//! What all formats of tokens have in common: found in a carrier, verified once, then held to its terms at every use.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub mod akamai;
pub mod cat;
pub mod cloudfront;
mod glob;
pub mod jwks;
pub mod jwt;
pub mod secure_link;

use super::{Asking, Refusal, Source};

/// A format of tokens with the keys it is verified by. One value per configured `[token.NAME]`.
pub trait Format: fmt::Debug + Send + Sync {
    /// This format's token in one carrier; `None` where there is none. Cheap, allocates little: it runs at every
    /// request, before the cache of verified tokens is asked.
    ///
    /// # Errors
    /// [`Refusal::TokenMalformed`] or [`Refusal::TokenTooLong`] where there is one that cannot be read.
    fn find<'a>(&self, source: &Source<'a>) -> Result<Option<Found<'a>>, Refusal>;

    /// Verifies the signature and reads what the token says. Depends on `found` and on the keys alone, so that its
    /// result is kept and used again for the same `found`.
    ///
    /// # Errors
    /// Why the token is not to be believed. Times, paths and addresses are not looked at here.
    fn verify(&self, found: &Found<'_>) -> Result<Token, Refusal>;

    /// The same token with a later end, for the same carrier; `None` where this format or these keys cannot mint.
    fn renew(&self, found: &Found<'_>, token: &Token, expires: i64) -> Option<String>;

    /// The cookies, names and values, in which a token's text travels; `name` is the configured one.
    fn cookies(&self, name: &str, text: String) -> Vec<(String, String)> {
        vec![(name.to_owned(), text)]
    }
}

/// A token as it was found, and what of the request its signature covers.
#[derive(Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The token; of a format with several parameters all that verification needs, joined so that it can be split.
    pub token: Cow<'a, str>,
    /// What of the request the signature covers besides: a URL, a path, an address. Empty for a token that says
    /// everything itself.
    pub bound: Cow<'a, str>,
}

/// What a verified token says.
#[derive(Debug)]
pub struct Token {
    /// The name of the key that signed it.
    pub key: Arc<str>,
    /// The token's own id (`jti`, `cti`, …), by which it may be revoked.
    pub id: Option<Arc<str>>,
    /// Whom it was given to (`sub`).
    pub viewer: Option<Arc<str>>,
    /// The session it belongs to (`sid`, …).
    pub session: Option<Arc<str>>,
    /// Valid from this Unix second on.
    pub not_before: Option<i64>,
    /// No longer valid from this Unix second on.
    pub expires: Option<i64>,
    /// When it was first issued, in Unix seconds: renewal keeps it and is bounded by it.
    pub issued: Option<i64>,
    /// Whether it may be used more than once.
    pub replay: Replay,
    /// What it is valid for.
    pub terms: Box<dyn Terms>,
    /// Seconds that a manifest's answer adds to its end (CAT `catr`), and the second past which it never goes.
    /// `None` leaves renewal to the configuration.
    pub renewal: Option<(i64, Option<i64>)>,
}

/// Whether a token may be used more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replay {
    /// As often as wanted.
    #[default]
    Allowed,
    /// Once.
    Prohibited,
}

/// What a token is valid for, beyond its time.
pub trait Terms: fmt::Debug + Send + Sync {
    /// Whether they cover this request.
    ///
    /// # Errors
    /// The first that does not.
    fn permit(&self, asking: &Asking<'_>) -> Result<(), Refusal>;
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Found({} bytes)", self.token.len())
    }
}
