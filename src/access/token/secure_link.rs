//! Links of nginx's `secure_link`: `?md5=…&expires=…`, an MD5 over an expression of the request and a secret. Start at
//! [`SecureLink`]; what the expression may say is at [`Settings::expression`].
//!
//! MD5 over a text with a secret in it is no HMAC. It stands here because nothing appended to a text can be UTF-8: an
//! extension starts with the byte 0x80 behind the last whole character, and every value that is signed is UTF-8. What
//! nginx's format cannot tell apart stays so: two variables side by side are signed as one text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{
    Asking, Carrier, Format, Found, Refusal, Replay, Secret, Source, Terms, Token,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest, Md5};

mod expression;

pub use expression::{ExpressionError, Variable};

use expression::Expression;

/// The name of the hash where the settings give no other.
pub const MD5: &str = "md5";

/// The name of the end where the settings give no other.
pub const EXPIRES: &str = "expires";

/// The digits of a hash.
const HASH: usize = 22;

/// The longest end, in digits.
const MAX_DIGITS: usize = 15;

/// The most secrets that may be valid at once: a false link is tried with each.
const MAX_SECRETS: usize = 8;

/// What [`SecureLink::new`] wants to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is hashed, as in nginx's `secure_link_md5`, with `{secret}` where the secret stands:
    /// `$secure_link_expires$uri$remote_addr {secret}`. The variables are `$secure_link_expires`, `$uri`,
    /// `$remote_addr`, `$host` and `$arg_NAME`, with or without braces.
    pub expression: String,
    /// The secrets by name, the one that mints first.
    pub secrets: Vec<(Arc<str>, Secret)>,
    /// The name of the parameter or cookie with the hash.
    pub md5: String,
    /// The name of the parameter or cookie with the end.
    pub expires: String,
    /// What the expression may leave out.
    pub waive: Vec<Waiver>,
}

/// What an expression must sign unless that is waived in so many words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiver {
    /// Without `$uri` a link opens every path.
    Path,
    /// Without `$secure_link_expires` a link never ends: an end that is not signed could be changed, so it is ignored.
    End,
}

/// Why there is no verifying with these settings. Shows nothing of the expression but variables' names: who pastes
/// one from nginx's configuration pastes the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// None was given.
    #[error("secure_link needs at least one secret that is not empty")]
    NoSecret,
    /// More than are tried.
    #[error(
        "secure_link takes at most {MAX_SECRETS} secrets, not {0}: remove those no longer in use"
    )]
    TooManySecrets(usize),
    /// Two secrets of one name.
    #[error("two secure_link secrets are named {0:?}: give each a name of its own")]
    SameName(Arc<str>),
    /// Cannot be the names of two cookies and parameters.
    #[error(
        "{0:?} cannot name a secure_link parameter: use letters, digits, `_` and `-`, two different names"
    )]
    Name(String),
    /// Cannot be evaluated.
    #[error("secure_link expression: {0}")]
    Expression(#[from] ExpressionError),
    /// Leaves the path out.
    #[error(
        "the secure_link expression has no `$uri`, so a link would open every path: add it or waive `path`"
    )]
    NoPath,
    /// Leaves the end out.
    #[error(
        "the secure_link expression has no `$secure_link_expires`, so a link would never end: add it or waive `end`"
    )]
    NoEnd,
}

/// Verifies and mints secure links. [`Found::bound`] is the expression's text without the secret, so that each path
/// of a link with `$uri` is verified by itself. They travel in the query, in two cookies, or before the path as
/// `/~md5=…&expires=…/`, and not in headers.
#[derive(Debug)]
pub struct SecureLink {
    expression: Expression,
    secrets: Box<[(Arc<str>, Secret)]>,
    md5: Box<str>,
    expires: Box<str>,
}

/// What a link is made of. Only what the expression names is needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link<'a> {
    /// The path, decoded.
    pub path: &'a str,
    /// Good up to and including this Unix second.
    pub expires: Option<i64>,
    /// The viewer's address.
    pub address: Option<IpAddr>,
    /// The host the viewer asks.
    pub host: Option<&'a str>,
    /// Parameters of the query, as they are sent.
    pub args: &'a [(&'a str, &'a str)],
}

/// Why there is no such link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The expression needs it.
    #[error("the secure_link expression signs {0}, which is not given")]
    Missing(Variable),
    /// Cannot be asked for.
    #[error("{0:?} is not a path: it must start with `/` and be decoded")]
    Path(String),
    /// Not a time.
    #[error(
        "the end must be a Unix time in seconds, later than 1970 and of at most {MAX_DIGITS} digits"
    )]
    Expires,
    /// No honest request has a NUL in it.
    #[error("the value of {0} has a NUL character in it")]
    Nul(Variable),
}

/// The signature covers the request itself, so a verified link leaves nothing to ask.
#[derive(Debug)]
struct Signed;

impl Settings {
    /// The usual names, nothing waived.
    pub fn new(expression: &str, secrets: Vec<(Arc<str>, Secret)>) -> Self {
        Self {
            expression: expression.to_owned(),
            secrets,
            md5: MD5.to_owned(),
            expires: EXPIRES.to_owned(),
            waive: Vec::new(),
        }
    }
}

impl SecureLink {
    /// Checks the settings and takes the expression apart.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let Settings {
            expression,
            secrets,
            md5,
            expires,
            waive,
        } = settings;
        if secrets.is_empty() || secrets.iter().any(|(_, secret)| secret.reveal().is_empty()) {
            return Err(SettingsError::NoSecret);
        }
        if secrets.len() > MAX_SECRETS {
            return Err(SettingsError::TooManySecrets(secrets.len()));
        }
        for (nth, (name, _)) in secrets.iter().enumerate() {
            if secrets[..nth].iter().any(|(other, _)| other == name) {
                return Err(SettingsError::SameName(name.clone()));
            }
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        for name in [md5, expires] {
            if name.is_empty() || !name.bytes().all(is_token) || md5.eq_ignore_ascii_case(expires) {
                return Err(SettingsError::Name(name.clone()));
            }
        }
        let expression = Expression::parse(expression, md5, expires)?;
        if !expression.names(&Variable::Uri) && !waive.contains(&Waiver::Path) {
            return Err(SettingsError::NoPath);
        }
        if !expression.names(&Variable::Expires) && !waive.contains(&Waiver::End) {
            return Err(SettingsError::NoEnd);
        }
        Ok(Self {
            expression,
            secrets: secrets.as_slice().into(),
            md5: md5.as_str().into(),
            expires: expires.as_str().into(),
        })
    }

    /// Makes a link's parameters with the first secret: `md5=…&expires=…`, for the query or a path prefix.
    ///
    /// # Errors
    /// Where something is missing that the expression names, or cannot be in a request.
    pub fn mint(&self, link: &Link<'_>) -> Result<String, MintError> {
        let end = self.end_of(link)?;
        let bound = self.expression.bind(&end, |variable, out| {
            let missing = || MintError::Missing(variable.clone());
            let start = out.len();
            match variable {
                Variable::Expires => out.push_str(&end),
                Variable::Uri if link.path.starts_with('/') => out.push_str(link.path),
                Variable::Uri => return Err(MintError::Path(link.path.to_owned())),
                Variable::RemoteAddr => {
                    // Writing to a string does not fail.
                    let _ = write!(out, "{}", link.address.ok_or_else(missing)?.to_canonical());
                }
                Variable::Host => push_host(out, link.host.ok_or_else(missing)?),
                Variable::Arg(name) => {
                    let mut args = link.args.iter();
                    let named = args.find(|(key, _)| key.eq_ignore_ascii_case(name));
                    out.push_str(named.ok_or_else(missing)?.1);
                }
            }
            match out[start..].contains('\0') {
                true => Err(MintError::Nul(variable.clone())),
                false => Ok(()),
            }
        })?;
        let hash = self
            .secrets
            .first()
            .and_then(|(_, secret)| hash(&bound, secret));
        let hash = hash.expect("there is a secret, and the text is as `bind` makes it");
        let hash = std::str::from_utf8(&hash).expect("base64 is ASCII");
        Ok(match end.as_str() {
            "" => format!("{}={hash}", self.md5),
            end => format!("{}={hash}&{}={end}", self.md5, self.expires),
        })
    }

    /// The end as it is written; empty where the expression has none.
    fn end_of(&self, link: &Link<'_>) -> Result<String, MintError> {
        if !self.expression.names(&Variable::Expires) {
            return Ok(String::new());
        }
        let end = link.expires.ok_or(MintError::Missing(Variable::Expires))?;
        let end = end.to_string();
        seconds(&end).map(|_| end).ok_or(MintError::Expires)
    }

    /// The end as it was sent; empty where the expression has none.
    fn end_in<'a>(&self, source: &Source<'a>) -> Result<&'a str, Refusal> {
        if !self.expression.names(&Variable::Expires) {
            return Ok("");
        }
        let end = source.param(&self.expires).ok_or(Refusal::TokenMalformed)?;
        seconds(end).map(|_| end).ok_or(Refusal::TokenMalformed)
    }
}

impl Format for SecureLink {
    fn find<'a>(&self, source: &Source<'a>) -> Result<Option<Found<'a>>, Refusal> {
        if source.carrier == Carrier::Header {
            return Ok(None);
        }
        let Some(sent) = source.param(&self.md5) else {
            return Ok(None);
        };
        // nginx takes the hash with its padding, too.
        let hash = sent.strip_suffix("==").unwrap_or(sent);
        if hash.len() > HASH {
            return Err(Refusal::TokenTooLong);
        }
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if hash.len() < HASH || !hash.bytes().all(is_digit) {
            return Err(Refusal::TokenMalformed);
        }
        let end = self.end_in(source)?;
        let bound = self.expression.bind(end, |variable, out| {
            let start = out.len();
            push_asked(out, variable, source.asking, end)?;
            // NUL is what sets the parts of the bound text apart.
            match out[start..].contains('\0') {
                true => Err(Refusal::TokenMalformed),
                false => Ok(()),
            }
        })?;
        Ok(Some(Found {
            token: Cow::Borrowed(hash),
            bound: Cow::Owned(bound),
        }))
    }

    fn verify(&self, found: &Found<'_>) -> Result<Token, Refusal> {
        let signs = |(_, secret): &&(Arc<str>, Secret)| {
            let expected = hash(&found.bound, secret);
            expected.is_some_and(|expected| {
                verify_slices_are_equal(&expected, found.token.as_bytes()).is_ok()
            })
        };
        let (key, _) = self
            .secrets
            .iter()
            .find(signs)
            .ok_or(Refusal::TokenSignature)?;
        let expires = match found.bound.split('\0').next() {
            Some(end) if self.expression.names(&Variable::Expires) => {
                // nginx serves until the second is over.
                Some(seconds(end).ok_or(Refusal::TokenMalformed)? + 1)
            }
            _ => None,
        };
        Ok(Token {
            key: key.clone(),
            id: None,
            viewer: None,
            session: None,
            not_before: None,
            expires,
            issued: None,
            replay: Replay::Allowed,
            terms: Box::new(Signed),
            renewal: None,
        })
    }

    /// A link is good for the request that it was made for, so there is none to hand on.
    fn renew(&self, _found: &Found<'_>, _token: &Token, _expires: i64) -> Option<String> {
        None
    }
}

impl Terms for Signed {
    fn permit(&self, _asking: &Asking<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A variable's value in a request.
fn push_asked(
    out: &mut String,
    variable: &Variable,
    asking: &Asking<'_>,
    end: &str,
) -> Result<(), Refusal> {
    match variable {
        Variable::Expires => out.push_str(end),
        Variable::Uri => out.push_str(asking.path),
        Variable::RemoteAddr => {
            // Writing to a string does not fail.
            let _ = write!(out, "{}", asking.viewer);
        }
        Variable::Host => push_host(out, asking.host),
        Variable::Arg(name) => {
            let pairs = asking
                .query
                .split('&')
                .filter_map(|pair| pair.split_once('='));
            let mut named = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
            let value = named.next().map_or("", |(_, value)| value);
            // nginx takes the first of several; what reads the query later may take another.
            if named.next().is_some() {
                return Err(Refusal::TokenMalformed);
            }
            out.push_str(value);
        }
    }
    Ok(())
}

/// The host as nginx has it: in lower case, without its port and a last dot.
fn push_host(out: &mut String, host: &str) {
    let name = match host.find(']') {
        Some(end) if host.starts_with('[') => &host[..=end],
        _ => host.split(':').next().unwrap_or_default(),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    out.extend(name.chars().map(|char| char.to_ascii_lowercase()));
}

/// The hash that [`Expression::bind`]'s text has with a secret.
fn hash(bound: &str, secret: &Secret) -> Option<[u8; HASH]> {
    let (_end, text) = bound.split_once('\0')?;
    let (before, after) = text.split_once('\0')?;
    let hash = Md5::new()
        .chain_update(before)
        .chain_update(secret.reveal())
        .chain_update(after);
    let mut digits = [0; HASH];
    let written = URL_SAFE_NO_PAD
        .encode_slice(hash.finalize(), &mut digits)
        .ok()?;
    (written == HASH).then_some(digits)
}

fn seconds(text: &str) -> Option<i64> {
    let is_number = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|seconds| is_number && *seconds > 0)
}

#[cfg(test)]
mod tests;
