//! Makes tokens, byte for byte as Akamai's libraries do, and spells paths as they do.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::access::unescaped;

use super::fields::{Fields, LAST_SECOND};
use super::{EdgeAuth, MAX_TOKEN, patterns};

/// What a new token says.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// The only address it is good for (`ip`).
    pub address: Option<IpAddr>,
    /// Valid from this Unix second on (`st`).
    pub starts: Option<i64>,
    /// No longer valid from this Unix second on (`exp`).
    pub expires: i64,
    /// Where it is good for.
    pub covers: Covers<'a>,
    /// The session it belongs to (`id`).
    pub session: Option<&'a str>,
    /// Whatever the issuer wants to send along (`data`).
    pub data: Option<&'a str>,
    /// How `ip`, `id`, `data` and a single path are written.
    pub escape: Escape,
}

/// Where a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers<'a> {
    /// Every path that one of these patterns matches (`acl`). A `%` starts an escape, as in a URL.
    Paths(&'a [&'a str]),
    /// One path, without a query. It is not in the token.
    Path(&'a str),
}

/// How Akamai's libraries write values: the property's `Escape token input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escape {
    /// As they are.
    #[default]
    Off,
    /// As the Python library does: a space becomes `+`, `~` stays.
    Plus,
    /// As the Node library does: a space becomes `%20`, `~` becomes `%7e`.
    Percent,
}

/// Why there is no such token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// `st` or `exp` is no time, or the token would be over before it starts.
    #[error(
        "the token would never be valid: its end must be later than its start and than 1970, and have at most 15 digits"
    )]
    Times,
    /// Not a path.
    #[error("{0:?} is not a path: it must start with `/`, and its query is not signed")]
    Path(String),
    /// Not a list of patterns.
    #[error(
        "{0:?} cannot stand in an acl: start it with `/` or `*`, and write `?` for `~` and `!`"
    )]
    Pattern(String),
    /// Cannot be matched, or too many.
    #[error("the acl cannot be evaluated: it has too many patterns or one that is too costly")]
    Acl,
    /// Would be read as something else.
    #[error("{0} cannot be empty or have `~` or control characters in it")]
    Value(&'static str),
    /// Would not be read.
    #[error("the token would have more than {MAX_TOKEN} bytes")]
    TooLong,
}

impl EdgeAuth {
    /// Makes a token with the first key.
    ///
    /// # Errors
    /// Where the token would never be valid, or not say what it is meant to.
    pub fn mint(&self, claims: &Claims<'_>) -> Result<String, MintError> {
        let times = claims.starts.unwrap_or(0).saturating_add(1)..=LAST_SECOND;
        if claims.starts.is_some_and(|starts| starts < 1) || !times.contains(&claims.expires) {
            return Err(MintError::Times);
        }
        let escape = claims.escape;
        let (acl, url) = match claims.covers {
            Covers::Paths(list) => (Some(acl(list)?), None),
            Covers::Path(path) => {
                if !path.starts_with('/') || path.contains('?') || path.contains(char::is_control) {
                    return Err(MintError::Path(path.to_owned()));
                }
                (None, Some(escape.apply(path)))
            }
        };
        let ip = claims.address.map(|address| address.to_string());
        let ip = ip.as_deref().map(|ip| escape.apply(ip));
        let id = claims.session.map(|id| escape.apply(id));
        let data = claims.data.map(|data| escape.apply(data));
        for (name, value) in [("id", &id), ("data", &data)] {
            let unfit = |value: &str| value.is_empty() || value.contains(unfit_in_a_value);
            if value.as_deref().is_some_and(unfit) {
                return Err(MintError::Value(name));
            }
        }
        let fields = Fields {
            ip: ip.as_deref(),
            starts: claims.starts,
            expires: claims.expires,
            acl: acl.as_deref(),
            id: id.as_deref(),
            data: data.as_deref(),
            hmac: "",
            signed: "",
        };
        self.seal(fields.to_string(), url.as_deref())
            .ok_or(MintError::TooLong)
    }

    /// Signs fields with the first key; `None` where the result is too long to be read again.
    pub(super) fn seal(&self, mut fields: String, url: Option<&str>) -> Option<String> {
        let tag = self.tag(self.keys.first()?, &fields, url);
        fields.push_str("~hmac=");
        fields.push_str(tag.as_str());
        (fields.len() <= MAX_TOKEN).then_some(fields)
    }
}

impl Escape {
    /// Escapes are written in lower case, which sets them apart from those of a URL.
    pub(super) fn apply(self, text: &str) -> Cow<'_, str> {
        if self == Self::Off {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + 16);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' => {
                    out.push(char::from(byte));
                }
                b' ' if self == Self::Plus => out.push('+'),
                b'~' if self == Self::Plus => out.push('~'),
                b'!' | b'(' | b')' if self == Self::Percent => out.push(char::from(byte)),
                _ => push_escape(&mut out, byte),
            }
        }
        Cow::Owned(out)
    }
}

/// A token as it stands in a path, between `/~` and the next slash: everything is escaped that could end it. It may
/// be sent like this in a query, too.
pub fn path_prefix(token: &str) -> String {
    let mut out = String::with_capacity(token.len() + 16);
    for byte in token.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'=' | b'*' | b'!' | b':' => out.push(char::from(byte)),
            _ => push_escape(&mut out, byte),
        }
    }
    out
}

/// Every text that a signer may have meant this path by: as it was sent or decoded, each as it is and as the libraries
/// escape it.
pub(super) fn spellings(raw_path: &str) -> Vec<Cow<'_, str>> {
    let mut all = vec![Cow::Borrowed(raw_path)];
    // A signed text with a `%` in it means the path that is sent so, not the one that decodes to it: one text, one file.
    let decoded = unescaped(raw_path).filter(|path| path != raw_path && !path.contains('%'));
    all.extend(decoded);
    for nth in 0..all.len() {
        for escape in [Escape::Plus, Escape::Percent] {
            let spelling = escape.apply(&all[nth]).into_owned();
            if !all.iter().any(|known| *known == spelling) {
                all.push(Cow::Owned(spelling));
            }
        }
    }
    all
}

fn acl(list: &[&str]) -> Result<String, MintError> {
    for pattern in list {
        let fits = pattern.starts_with(['/', '*'])
            && !pattern.contains('!')
            && !pattern.contains(unfit_in_a_value);
        if !fits {
            return Err(MintError::Pattern((*pattern).to_owned()));
        }
    }
    let acl = list.join("!");
    if acl.is_empty() || patterns(&acl).is_none() {
        return Err(MintError::Acl);
    }
    Ok(acl)
}

fn unfit_in_a_value(char: char) -> bool {
    char == '~' || char.is_control()
}

fn push_escape(out: &mut String, byte: u8) {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}
