//! The parameters that a token consists of: looked up in a query or in cookies, and joined into one text.

use std::borrow::Cow;
use std::ops::Range;

use crate::access::{Refusal, Source};

/// Encoded; decoded three quarters of it. CloudFront itself takes no URL longer than 8,192 bytes.
const MAX_POLICY: usize = 8 * 1024;
/// Encoded: an RSA key of 8192 bits makes 1,368 characters, some of them perhaps percent-encoded.
const MAX_SIGNATURE: usize = 2 * 1024;
/// CloudFront's own have 14 characters.
pub(super) const MAX_KEY_ID: usize = 128;
/// Of Unix seconds: the year 33658 has twelve.
const MAX_EXPIRES: usize = 12;

/// A parameter of CloudFront's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Expires,
    Policy,
    Signature,
    KeyPairId,
    HashAlgorithm,
}

/// The parameters as sent.
#[derive(Default, Clone, Copy)]
pub(super) struct Parts<'a>([Option<&'a str>; 5]);

/// A token whose parameters are complete and of bearable length. Nothing of it is verified.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) key: &'a str,
    pub(super) signature: &'a str,
    pub(super) hash: Option<&'a str>,
    pub(super) policy: Carried<'a>,
}

/// How a token carries its policy.
#[derive(Clone, Copy)]
pub(super) enum Carried<'a> {
    /// Not at all: it is made of the URL and of this time, which is one without sign and leading zeros.
    Canned(&'a str),
    /// Encoded.
    Custom(&'a str),
}

impl Name {
    /// In the order in which minted tokens have them.
    pub(super) const ALL: [Self; 5] = [
        Self::Expires,
        Self::Policy,
        Self::Signature,
        Self::KeyPairId,
        Self::HashAlgorithm,
    ];

    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Expires => "Expires",
            Self::Policy => "Policy",
            Self::Signature => "Signature",
            Self::KeyPairId => "Key-Pair-Id",
            Self::HashAlgorithm => "Hash-Algorithm",
        }
    }

    pub(super) fn cookie(self) -> &'static str {
        match self {
            Self::Expires => "CloudFront-Expires",
            Self::Policy => "CloudFront-Policy",
            Self::Signature => "CloudFront-Signature",
            Self::KeyPairId => "CloudFront-Key-Pair-Id",
            Self::HashAlgorithm => "CloudFront-Hash-Algorithm",
        }
    }

    fn of(segment: &str) -> Option<Self> {
        let name = segment.split_once('=').map_or(segment, |(name, _)| name);
        Self::ALL.into_iter().find(|own| own.parameter() == name)
    }
}

impl<'a> Parts<'a> {
    /// Of a query, with the token's text: the query itself where the parameters stand side by side in it. `None`
    /// without any; `Hash-Algorithm` alone is none.
    pub(super) fn of_query(query: &'a str) -> Result<Option<(Self, Cow<'a, str>)>, Refusal> {
        let mut parts = Self::default();
        let mut run = Run::default();
        for (range, segment) in segments(query) {
            let Some(name) = Name::of(segment) else {
                continue;
            };
            let value = segment.split_once('=').map_or("", |(_, value)| value);
            if parts.0[name as usize].replace(value).is_some() {
                return Err(Refusal::TokenMalformed);
            }
            run.add(range);
        }
        if !parts.any() {
            return Ok(None);
        }
        // Before anything is copied: the lengths are looked at.
        Signed::of(&parts)?;
        let text = match run {
            Run::Whole(range) => Cow::Borrowed(&query[range]),
            _ => Cow::Owned(parts.query()),
        };
        Ok(Some((parts, text)))
    }

    /// As [`Parts::of_query`], of the request's cookies.
    pub(super) fn of_cookies(source: &Source<'a>) -> Result<Option<(Self, Cow<'a, str>)>, Refusal> {
        let parts = Self(Name::ALL.map(|name| source.param(name.cookie())));
        if !parts.any() {
            return Ok(None);
        }
        Signed::of(&parts)?;
        Ok(Some((parts, Cow::Owned(parts.cookies()))))
    }

    /// Of a token's text, whichever of the two it has.
    pub(super) fn of_token(token: &'a str) -> Result<Self, Refusal> {
        if !is_cookies(token) {
            let found = Self::of_query(token)?;
            return Ok(found.ok_or(Refusal::TokenMalformed)?.0);
        }
        let mut parts = Self::default();
        for pair in token.split("; ") {
            let (name, value) = pair.split_once('=').ok_or(Refusal::TokenMalformed)?;
            let name = Name::ALL.into_iter().find(|own| own.cookie() == name);
            let name = name.ok_or(Refusal::TokenMalformed)?;
            if parts.0[name as usize].replace(value).is_some() {
                return Err(Refusal::TokenMalformed);
            }
        }
        Ok(parts)
    }

    pub(super) fn with(mut self, name: Name, value: &'a str) -> Self {
        self.0[name as usize] = Some(value);
        self
    }

    /// Those that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Name, &'a str)> {
        let all = Name::ALL.into_iter().zip(self.0);
        all.filter_map(|(name, value)| Some((name, value?)))
    }

    /// `Expires=…&Signature=…&Key-Pair-Id=…`
    pub(super) fn query(&self) -> String {
        self.join("&", Name::parameter)
    }

    /// `CloudFront-Expires=…; CloudFront-Signature=…; CloudFront-Key-Pair-Id=…`
    pub(super) fn cookies(&self) -> String {
        self.join("; ", Name::cookie)
    }

    fn join(&self, between: &str, spelling: impl Fn(Name) -> &'static str) -> String {
        let len = self
            .iter()
            .map(|(name, value)| spelling(name).len() + value.len() + 3);
        let mut text = String::with_capacity(len.sum());
        for (name, value) in self.iter() {
            if !text.is_empty() {
                text.push_str(between);
            }
            text.push_str(spelling(name));
            text.push('=');
            text.push_str(value);
        }
        text
    }

    fn get(&self, name: Name) -> Option<&'a str> {
        self.0[name as usize]
    }

    fn any(&self) -> bool {
        self.iter().any(|(name, _)| name != Name::HashAlgorithm)
    }
}

impl<'a> Signed<'a> {
    pub(super) fn of(parts: &Parts<'a>) -> Result<Self, Refusal> {
        let part = |name, max| match parts.get(name) {
            None | Some("") => Err(Refusal::TokenMalformed),
            Some(value) if value.len() > max => Err(Refusal::TokenTooLong),
            Some(value) => Ok(value),
        };
        // With both nobody can say which one counts.
        let policy = match (parts.get(Name::Expires), parts.get(Name::Policy)) {
            (Some(_), None) => {
                let expires = part(Name::Expires, MAX_EXPIRES)?;
                if !expires.bytes().all(|byte| byte.is_ascii_digit()) || expires.starts_with('0') {
                    return Err(Refusal::TokenMalformed);
                }
                Carried::Canned(expires)
            }
            (None, Some(_)) => Carried::Custom(part(Name::Policy, MAX_POLICY)?),
            _ => return Err(Refusal::TokenMalformed),
        };
        let hash = parts.get(Name::HashAlgorithm);
        if hash.is_some_and(|hash| hash.len() > 16) {
            return Err(Refusal::TokenTooLong);
        }
        Ok(Self {
            key: part(Name::KeyPairId, MAX_KEY_ID)?,
            signature: part(Name::Signature, MAX_SIGNATURE)?,
            hash,
            policy,
        })
    }
}

/// Whether a query makes its URL a signed one: any of `Expires`, `Policy`, `Signature` and `Key-Pair-Id` does. Cookies
/// are then not looked at.
pub fn is_signed_url(query: &str) -> bool {
    let mut names = segments(query).filter_map(|(_, segment)| Name::of(segment));
    names.any(|name| name != Name::HashAlgorithm)
}

/// A query without CloudFront's parameters, in the order as sent. Copied only where the viewer's own stand on both
/// sides of CloudFront's.
pub(super) fn own_query(query: &str) -> Cow<'_, str> {
    let own = || segments(query).filter(|(_, segment)| Name::of(segment).is_none());
    let mut run = Run::default();
    own().for_each(|(range, _)| run.add(range));
    match run {
        Run::None => Cow::Borrowed(""),
        Run::Whole(range) => Cow::Borrowed(&query[range]),
        Run::Broken => Cow::Owned(own().map(|(_, own)| own).collect::<Vec<_>>().join("&")),
    }
}

/// Whether a token's text is that of cookies.
pub(super) fn is_cookies(token: &str) -> bool {
    token.starts_with("CloudFront-")
}

/// Where in a query certain segments stand.
#[derive(Default)]
enum Run {
    #[default]
    None,
    /// All in this range and nothing else.
    Whole(Range<usize>),
    /// With others between them.
    Broken,
}

impl Run {
    fn add(&mut self, next: Range<usize>) {
        *self = match std::mem::take(self) {
            Self::None => Self::Whole(next),
            Self::Whole(range) if range.end + 1 == next.start => Self::Whole(range.start..next.end),
            _ => Self::Broken,
        };
    }
}

fn segments(query: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    query.split('&').map(move |segment| {
        let range = start..start + segment.len();
        start = range.end + 1;
        (range, segment)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_query_keeps_its_order_and_its_oddities() {
        let own = |query| own_query(query).into_owned();
        assert_eq!(own(""), "");
        assert_eq!(own("a=1&b=2"), "a=1&b=2");
        assert_eq!(own("Expires=1&Signature=s&Key-Pair-Id=k"), "");
        assert_eq!(
            own("a=1&Expires=1&Signature=s&Key-Pair-Id=k&Hash-Algorithm=SHA256"),
            "a=1"
        );
        assert_eq!(own("Policy=p&b=2&a=1"), "b=2&a=1");
        assert_eq!(own("b=2&Policy=p&a=1&Signature=s&&c"), "b=2&a=1&&c");
        assert_eq!(own("policy=p&Policy%20=q"), "policy=p&Policy%20=q");
    }

    #[test]
    fn only_parameters_with_others_between_them_are_copied() {
        let text = |query| Parts::of_query(query).unwrap().unwrap().1;
        let beside = text("a=1&Expires=1&Signature=s&Key-Pair-Id=k&b=2");
        assert!(matches!(
            beside,
            Cow::Borrowed("Expires=1&Signature=s&Key-Pair-Id=k")
        ));
        let apart = text("Key-Pair-Id=k&a=1&Signature=s&Expires=1");
        assert_eq!(apart, "Expires=1&Signature=s&Key-Pair-Id=k");
        assert!(matches!(apart, Cow::Owned(_)));
    }

    #[test]
    fn any_of_the_four_makes_a_signed_url() {
        for query in ["Expires=1", "a=1&Policy=", "Signature", "Key-Pair-Id=k&a=1"] {
            assert!(is_signed_url(query), "{query}");
        }
        for query in [
            "",
            "a=1",
            "Hash-Algorithm=SHA256",
            "expires=1",
            "a=Expires=1",
        ] {
            assert!(!is_signed_url(query), "{query}");
        }
    }
}
