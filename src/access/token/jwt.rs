//! JSON Web Tokens (RFC 7519) in their compact signed form. [`Jwt`] is the format; `verify` in it is the whole way of
//! a token: split, pick the key, check the signature, read the claims.
//!
//! The claims that narrow a token, all optional, all judged, strings or arrays of strings:
//!
//! | claim | covers |
//! |---|---|
//! | `path`, `paths` | `/a/b.m3u8` that path, `/a/` all below it, `/a/b*` all that starts so; decoded paths |
//! | `host` | the host; with a port that port only |
//! | `methods` | these, written as HTTP does: `GET` does not cover `HEAD` |
//! | `ip` | addresses and CIDR networks |
//! | `country`, `countries` | ISO 3166-1 alpha-2; a viewer whose country is unknown is not covered |
//! | `accessRules` | Cloudflare Stream's list of rules |

mod algorithm;
mod claims;
mod compact;
mod json;
mod jwk;
mod key;
mod key_set;
mod rules;
mod terms;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use key::{KeyError, KeySettings, Material};
pub use key_set::{KeySet, KeySetError};

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::access::{Carrier, Format, Found, Refusal, Source, Token};
use arc_swap::ArcSwap;

use claims::Expectations;
use compact::{Compact, Header, MAX_TOKEN, decode, encode, has_form};
use key::Key;

/// Keys that may be configured.
const MAX_KEYS: usize = 64;

/// Keys that are tried for a token whose header names none, so that one request cannot buy many RSA operations.
const MAX_TRIED: usize = 8;

/// How tokens are found, and what is expected of them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The query parameter that holds the token.
    pub query: String,
    /// The header that holds it, bare or after `Bearer`; in `authorization` only after `Bearer`.
    pub header: String,
    /// The cookie that holds it.
    pub cookie: String,
    /// The values of `iss` that are accepted; `None` does not look at it.
    pub issuer: Option<Vec<String>>,
    /// The values of `aud` that are accepted; `None` refuses a token that has one (RFC 7519 §4.1.3).
    pub audience: Option<Vec<String>>,
    /// Whether a token must have `exp`.
    pub require_expiry: bool,
    /// Whether `sub` must be a segment of the path, or its file's name before the extension. It is then no viewer.
    pub subject_in_path: bool,
    /// The keys. There may be none where all come from a key set.
    pub keys: Vec<KeySettings>,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The name of a parameter, header or cookie that no request can have.
    #[error("the {carrier} name `{name}` cannot be sent: use letters, digits, `-`, `_` and `.`")]
    Name {
        /// Which of the three.
        carrier: &'static str,
        /// What is configured.
        name: String,
    },
    /// A list that accepts nothing.
    #[error("the list `{0}` is empty and accepts no token: name a value or leave it out")]
    EmptyList(&'static str),
    /// More keys than are taken.
    #[error("{0} keys are configured, at most {MAX_KEYS} are taken: remove those out of use")]
    TooManyKeys(usize),
    /// One name for two keys.
    #[error("two keys are named `{0}`: give each a name of its own")]
    RepeatedName(String),
    /// A key that cannot be used.
    #[error("key `{name}`: {cause}")]
    Key {
        /// Its name.
        name: String,
        /// What is wrong with it.
        cause: KeyError,
    },
}

/// Why a token is not minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// No configured key has this name.
    #[error("no key is named `{0}`")]
    UnknownKey(String),
    /// Only the public half is configured.
    #[error("key `{0}` cannot sign: configure its private half")]
    PublicKey(String),
    /// The claims would be refused.
    #[error("the claims make a token that is refused: {0}")]
    Refused(Refusal),
}

/// JWT as a format of tokens.
pub struct Jwt {
    query: String,
    header: String,
    cookie: String,
    expected: Expectations,
    keys: Vec<Key>,
    remote: ArcSwap<KeySet>,
    unknown_kid: AtomicBool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            query: "token".to_owned(),
            header: "authorization".to_owned(),
            cookie: "token".to_owned(),
            issuer: None,
            audience: None,
            require_expiry: true,
            subject_in_path: false,
            keys: Vec::new(),
        }
    }
}

impl Jwt {
    /// The format with these settings.
    ///
    /// # Errors
    /// Where no token could ever be found or verified as they say.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        check_names(&settings)?;
        for (name, list) in [
            ("issuer", &settings.issuer),
            ("audience", &settings.audience),
        ] {
            if list.as_ref().is_some_and(Vec::is_empty) {
                return Err(SettingsError::EmptyList(name));
            }
        }
        Ok(Self {
            keys: configured_keys(&settings.keys)?,
            query: settings.query,
            header: settings.header,
            cookie: settings.cookie,
            expected: Expectations {
                issuers: settings.issuer,
                audiences: settings.audience,
                expiry_required: settings.require_expiry,
                subject_in_path: settings.subject_in_path,
            },
            remote: ArcSwap::default(),
            unknown_kid: AtomicBool::new(false),
        })
    }

    /// Puts a fetched key set in the place of the last one; configured keys stay. Says whether that changed any key:
    /// then whoever keeps verified tokens must forget them, as a key may be withdrawn.
    pub fn replace_remote_keys(&self, keys: KeySet) -> bool {
        let keys = Arc::new(keys);
        !self.remote.swap(keys.clone()).same_as(&keys)
    }

    /// Whether a token named a `kid` that is not there since this was last asked: its issuer may have a new key.
    pub fn take_unknown_kid(&self) -> bool {
        self.unknown_kid.swap(false, Ordering::Relaxed)
    }

    /// Signs claims, a JSON object, with the configured key of this name. The payload is the text as it is given.
    ///
    /// # Errors
    /// Where the key cannot sign, or this format would refuse the token.
    pub fn mint(&self, key: &str, claims: &str) -> Result<String, MintError> {
        let known = self.keys.iter().find(|known| **known.name() == *key);
        let known = known.ok_or_else(|| MintError::UnknownKey(key.to_owned()))?;
        claims::read(claims.as_bytes(), &self.expected, known.name())
            .map_err(MintError::Refused)?;
        let kid = known.kid().map(serde_json::Value::from);
        let kid = kid.map_or_else(String::new, |kid| format!(r#","kid":{kid}"#));
        let header = format!(r#"{{"alg":"{}"{kid},"typ":"JWT"}}"#, known.algorithm());
        let token = seal(known, &encode(header), claims);
        let token = token.ok_or_else(|| MintError::PublicKey(key.to_owned()))?;
        if token.len() > MAX_TOKEN {
            return Err(MintError::Refused(Refusal::TokenTooLong));
        }
        Ok(token)
    }

    /// What a token says that this key signed.
    fn read(&self, token: &Compact<'_>, key: &Key) -> Result<Token, Refusal> {
        let payload = decode(token.payload).ok_or(Refusal::TokenMalformed)?;
        claims::read(&payload, &self.expected, key.name())
    }
}

impl Format for Jwt {
    fn find<'a>(&self, source: &Source<'a>) -> Result<Option<Found<'a>>, Refusal> {
        let name = match source.carrier {
            Carrier::Path => "",
            Carrier::Query => &self.query,
            Carrier::Header => &self.header,
            Carrier::Cookie => &self.cookie,
        };
        let Some(token) = source.token(name) else {
            return Ok(None);
        };
        match (has_form(token), source.carrier) {
            (true, _) if token.len() > MAX_TOKEN => Err(Refusal::TokenTooLong),
            (true, _) => Ok(Some(Found {
                token: Cow::Borrowed(token),
                bound: Cow::Borrowed(""),
            })),
            // A path's prefix has no name: what has not the form is another format's.
            (false, Carrier::Path) => Ok(None),
            (false, _) if token.len() > MAX_TOKEN => Err(Refusal::TokenTooLong),
            (false, _) => Err(Refusal::TokenMalformed),
        }
    }

    fn verify(&self, found: &Found<'_>) -> Result<Token, Refusal> {
        let token = Compact::split(&found.token)?;
        let header = Header::read(token.header)?;
        let remote = self.remote.load();
        let keys = || self.keys.iter().chain(remote.keys());
        if is_unknown(header.kid.as_deref(), keys()) {
            self.unknown_kid.store(true, Ordering::Relaxed);
            return Err(Refusal::TokenKey);
        }
        let key = signer(&token, &header, keys())?;
        self.read(&token, key)
    }

    fn renew(&self, found: &Found<'_>, token: &Token, expires: i64) -> Option<String> {
        if token.expires.is_none_or(|end| expires <= end) {
            return None;
        }
        // Verified again, by the key that is to sign: renewal of what was not would be a way to sign anything.
        let token = Compact::split(&found.token).ok()?;
        let header = Header::read(token.header).ok()?;
        let key = signer(&token, &header, self.keys.iter()).ok()?;
        self.read(&token, key).ok()?;
        let payload = claims::with_expiry(&decode(token.payload)?, expires)?;
        let renewed = seal(key, token.header, &payload)?;
        (renewed.len() <= MAX_TOKEN).then_some(renewed)
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("query", &self.query)
            .field("header", &self.header)
            .field("cookie", &self.cookie)
            .field("expected", &self.expected)
            .field("keys", &self.keys)
            .field("remote", &self.remote.load())
            .finish_non_exhaustive()
    }
}

fn is_unknown<'k>(kid: Option<&str>, mut keys: impl Iterator<Item = &'k Key>) -> bool {
    match kid {
        Some(_) => keys.all(|key| key.kid() != kid),
        None => keys.next().is_none(),
    }
}

/// The key that signed: among those of the header's `kid`, or all where it names none, one whose own algorithm is the
/// header's. The key decides what is computed; the header can only agree.
fn signer<'k>(
    token: &Compact<'_>,
    header: &Header,
    keys: impl Iterator<Item = &'k Key>,
) -> Result<&'k Key, Refusal> {
    let kid = header.kid.as_deref();
    let named = keys.filter(|key| kid.is_none() || key.kid() == kid);
    let mut fitting = named
        .filter(|key| key.algorithm() == header.algorithm)
        .peekable();
    if fitting.peek().is_none() {
        return Err(Refusal::TokenAlgorithm);
    }
    let signature = decode(token.signature).ok_or(Refusal::TokenMalformed)?;
    let mut tried = fitting.take(MAX_TRIED);
    let signer = tried.find(|key| key.signed(token.signed.as_bytes(), &signature));
    signer.ok_or(Refusal::TokenSignature)
}

/// A whole token: this header, already encoded, this payload, and their signature.
fn seal(key: &Key, header: &str, payload: &str) -> Option<String> {
    let signed = format!("{header}.{}", encode(payload));
    let signature = key.sign(signed.as_bytes())?;
    Some(format!("{signed}.{}", encode(signature)))
}

fn check_names(settings: &Settings) -> Result<(), SettingsError> {
    let names = [
        ("query", &settings.query),
        ("header", &settings.header),
        ("cookie", &settings.cookie),
    ];
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let unusable = |name: &str| name.is_empty() || !name.bytes().all(is_plain);
    match names.into_iter().find(|(_, name)| unusable(name)) {
        None => Ok(()),
        Some((carrier, name)) => Err(SettingsError::Name {
            carrier,
            name: name.clone(),
        }),
    }
}

fn configured_keys(settings: &[KeySettings]) -> Result<Vec<Key>, SettingsError> {
    if settings.len() > MAX_KEYS {
        return Err(SettingsError::TooManyKeys(settings.len()));
    }
    let mut keys: Vec<Key> = Vec::new();
    for own in settings {
        if keys.iter().any(|key| **key.name() == *own.name) {
            return Err(SettingsError::RepeatedName(own.name.clone()));
        }
        keys.push(Key::configured(own).map_err(|cause| SettingsError::Key {
            name: own.name.clone(),
            cause,
        })?);
    }
    Ok(keys)
}
