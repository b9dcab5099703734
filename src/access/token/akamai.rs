//! Akamai EdgeAuth 2.0: `st=…~exp=…~acl=…~hmac=…`, as Akamai's own libraries mint it. Start at [`EdgeAuth`].
//!
//! A token says where it is good for in one of two ways. With `acl=` it names patterns of paths and is good for all of
//! them. Without, its signature covers the one path it was made for (URL mode), without the query.
//!
//! Akamai publishes no rule for the second `exp` itself: here the token is over when it strikes.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{
    Asking, Carrier, Format, Found, Refusal, Replay, Secret, Source, Terms, Token, unescaped,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::access::token::glob::Glob;

mod fields;
mod mac;
mod minting;

pub use mac::Algorithm;
pub use minting::{Claims, Covers, Escape, MintError, path_prefix};

use fields::{Fields, LAST_SECOND};
use mac::Key;
use minting::spellings;

/// The token's name where the settings give no other.
pub const NAME: &str = "__token__";

/// The longest token that is read, in bytes.
const MAX_TOKEN: usize = 4096;

/// The most patterns in one token: a request is matched against each.
const MAX_PATTERNS: usize = 32;

/// The most keys that may be valid at once: a false token is tried with each.
const MAX_KEYS: usize = 8;

/// The shortest key, in bytes: a shorter one is found by trial from a single token.
const MIN_KEY: usize = 8;

/// What [`EdgeAuth::new`] wants to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keys by name, the one that mints first; see [`hex_key`].
    pub keys: Vec<(Arc<str>, Secret)>,
    /// How tokens are signed.
    pub algorithm: Algorithm,
    /// Text that is signed and never sent.
    pub salt: Option<Secret>,
    /// The name of the query parameter, header or cookie.
    pub name: String,
}

/// Why there is no verifying with these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// None was given.
    #[error("edgeauth needs at least one key: add the hexadecimal key of your Akamai property")]
    NoKey,
    /// More than are tried.
    #[error("edgeauth takes at most {MAX_KEYS} keys, not {0}: remove those no longer in use")]
    TooManyKeys(usize),
    /// Two keys of one name.
    #[error("two edgeauth keys are named {0:?}: give each a name of its own")]
    SameName(Arc<str>),
    /// Too short to be safe.
    #[error("the edgeauth key {0:?} has {1} bytes: it needs {MIN_KEY} or more, 32 are usual")]
    ShortKey(Arc<str>, usize),
    /// Not hexadecimal.
    #[error("an edgeauth key is an even number of hexadecimal digits and nothing else")]
    NotHex,
    /// Cannot be the name of a header, a cookie and a parameter.
    #[error("{0:?} cannot name an edgeauth token: use letters, digits, `_` and `-`")]
    Name(String),
    /// Not one of the three.
    #[error("unknown edgeauth algorithm {0:?}: use sha256, sha1 or md5")]
    Algorithm(String),
}

/// Verifies and mints EdgeAuth tokens. [`Found::bound`] is empty for a token with an `acl=`, so that it is verified
/// once for all its paths, and the path as sent for one without.
pub struct EdgeAuth {
    keys: Box<[Key]>,
    salt: Option<Secret>,
    name: Box<str>,
}

/// What a verified token is good for.
#[derive(Debug)]
struct Reach {
    paths: Paths,
    address: Option<IpAddr>,
}

#[derive(Debug)]
enum Paths {
    Matching(Box<[Glob]>),
    /// Just this one, as it was sent.
    One(Box<str>),
}

/// Reads a key as Akamai shows it: hexadecimal digits, an even number of them.
///
/// # Errors
/// [`SettingsError::NotHex`].
pub fn hex_key(text: &str) -> Result<Secret, SettingsError> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.trim().as_bytes().chunks(2).map(pair).collect();
    bytes.map(Secret::new).ok_or(SettingsError::NotHex)
}

impl Settings {
    /// SHA-256, no salt, and the usual name.
    pub fn new(keys: Vec<(Arc<str>, Secret)>) -> Self {
        Self {
            keys,
            algorithm: Algorithm::default(),
            salt: None,
            name: NAME.to_owned(),
        }
    }
}

impl EdgeAuth {
    /// Checks the settings and prepares the keys.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let Settings {
            keys,
            algorithm,
            salt,
            name,
        } = settings;
        if keys.is_empty() {
            return Err(SettingsError::NoKey);
        }
        if keys.len() > MAX_KEYS {
            return Err(SettingsError::TooManyKeys(keys.len()));
        }
        for (nth, (name, secret)) in keys.iter().enumerate() {
            if keys[..nth].iter().any(|(other, _)| other == name) {
                return Err(SettingsError::SameName(name.clone()));
            }
            let length = secret.reveal().len();
            if length < MIN_KEY {
                return Err(SettingsError::ShortKey(name.clone(), length));
            }
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(SettingsError::Name(name.clone()));
        }
        let keys = keys
            .iter()
            .map(|(name, secret)| Key::new(name, secret, *algorithm));
        Ok(Self {
            keys: keys.collect(),
            salt: salt.clone(),
            name: name.as_str().into(),
        })
    }

    /// The parts of what the signature covers behind the token's own fields.
    fn tag(&self, key: &Key, signed: &str, url: Option<&str>) -> mac::Hex {
        let (url_label, url) = url.map_or(("", ""), |url| ("~url=", url));
        let (salt_label, salt) = match &self.salt {
            Some(salt) => ("~salt=", salt.reveal()),
            None => ("", &[][..]),
        };
        key.tag(&[
            signed.as_bytes(),
            url_label.as_bytes(),
            url.as_bytes(),
            salt_label.as_bytes(),
            salt,
        ])
    }

    /// The key that signed these fields, for the path `bound` where they name none.
    fn signer(&self, fields: &Fields<'_>, bound: &str) -> Option<&Key> {
        let signs = |key: &&Key, url| {
            let tag = self.tag(key, fields.signed, url);
            verify_slices_are_equal(tag.as_bytes(), fields.hmac.as_bytes()).is_ok()
        };
        if fields.acl.is_some() {
            return self.keys.iter().find(|key| signs(key, None));
        }
        // Every path starts with a slash: without one nothing binds the token.
        if !bound.starts_with('/') {
            return None;
        }
        let urls = spellings(bound);
        let mut keys = self.keys.iter();
        keys.find(|key| urls.iter().any(|url| signs(key, Some(url))))
    }
}

impl Format for EdgeAuth {
    fn find<'a>(&self, source: &Source<'a>) -> Result<Option<Found<'a>>, Refusal> {
        let Some(token) = source.token(&self.name) else {
            return Ok(None);
        };
        // A prefix is the value of every name, and may be of another format.
        if source.carrier == Carrier::Path && !token.contains("hmac") {
            return Ok(None);
        }
        if token.len() > MAX_TOKEN {
            return Err(Refusal::TokenTooLong);
        }
        let names_its_paths = readings(token)
            .find_map(|reading| Some(Fields::parse(&reading)?.acl.is_some()))
            .ok_or(Refusal::TokenMalformed)?;
        let bound = if names_its_paths {
            ""
        } else {
            source.asking.raw_path
        };
        Ok(Some(Found {
            token: Cow::Borrowed(token),
            bound: Cow::Borrowed(bound),
        }))
    }

    fn verify(&self, found: &Found<'_>) -> Result<Token, Refusal> {
        if found.token.len() > MAX_TOKEN {
            return Err(Refusal::TokenTooLong);
        }
        let mut refusal = Refusal::TokenMalformed;
        for reading in readings(&found.token) {
            let Some(fields) = Fields::parse(&reading) else {
                continue;
            };
            if let Some(key) = self.signer(&fields, &found.bound) {
                return believed(key, &fields, &found.bound);
            }
            refusal = Refusal::TokenSignature;
        }
        Err(refusal)
    }

    /// The same fields with a later `exp`, signed with the first key. A token without `acl=` is for one path, so there
    /// is none that could be handed on: `None`.
    fn renew(&self, found: &Found<'_>, _token: &Token, expires: i64) -> Option<String> {
        for reading in readings(&found.token) {
            let Some(fields) = Fields::parse(&reading).filter(|fields| fields.acl.is_some()) else {
                continue;
            };
            if self.signer(&fields, &found.bound).is_none() {
                continue;
            }
            if expires <= fields.expires || expires > LAST_SECOND {
                return None;
            }
            let token = self.seal(Fields { expires, ..fields }.to_string(), None)?;
            let as_sent = matches!(reading, Cow::Borrowed(_));
            let token = if as_sent { token } else { path_prefix(&token) };
            return (token.len() <= MAX_TOKEN).then_some(token);
        }
        None
    }
}

impl fmt::Debug for EdgeAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(Key::name).collect();
        let mut text = f.debug_struct("EdgeAuth");
        text.field("name", &self.name)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

impl Terms for Reach {
    fn permit(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        let covered = match &self.paths {
            // What is served goes by the decoded path, so that is what has to match: no way of writing a path can
            // spread an escape's digits over the pattern's wildcards.
            Paths::Matching(globs) => globs.iter().any(|glob| glob.matches(asking.path)),
            Paths::One(path) => **path == *asking.raw_path,
        };
        if !covered {
            return Err(Refusal::TokenScope);
        }
        match self.address {
            Some(address) if address != asking.viewer => Err(Refusal::TokenAddress),
            _ => Ok(()),
        }
    }
}

/// The ways to read a token: as it was sent, and with escapes that a client or a path prefix needed taken off.
fn readings(token: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let escaped = token.contains('%').then_some(token);
    std::iter::once(Cow::Borrowed(token)).chain(escaped.and_then(unescaped))
}

/// What a token says whose signature is right.
fn believed(key: &Key, fields: &Fields<'_>, bound: &str) -> Result<Token, Refusal> {
    let paths = match fields.acl {
        Some(acl) => Paths::Matching(patterns(acl).ok_or(Refusal::TokenClaim)?),
        None => Paths::One(bound.into()),
    };
    let address = match fields.ip {
        Some(ip) => {
            let ip = unescaped(ip).and_then(|ip| ip.parse::<IpAddr>().ok());
            Some(ip.ok_or(Refusal::TokenClaim)?.to_canonical())
        }
        None => None,
    };
    Ok(Token {
        key: key.name().clone(),
        id: None,
        viewer: None,
        session: fields.id.map(Arc::from),
        not_before: fields.starts,
        expires: Some(fields.expires),
        issued: fields.starts,
        replay: Replay::Allowed,
        terms: Box::new(Reach { paths, address }),
        renewal: None,
    })
}

/// The patterns of an `acl=`, for decoded paths. `None` where one cannot be matched.
fn patterns(acl: &str) -> Option<Box<[Glob]>> {
    // Akamai's older generators escape the whole list, wildcards and all; today's leave it as it is.
    let is_escaped = !acl.contains('/') && acl.to_ascii_lowercase().contains("%2f");
    let list = if is_escaped {
        unescaped(acl)?
    } else {
        Cow::Borrowed(acl)
    };
    if list.split('!').count() > MAX_PATTERNS {
        return None;
    }
    let read = if is_escaped {
        Glob::plain
    } else {
        Glob::escaped
    };
    let globs = list
        .split('!')
        .filter(|pattern| !pattern.is_empty())
        .map(read);
    globs.collect()
}

#[cfg(test)]
mod tests;
