//! What a request asks for, in the components that `catu` speaks of.

use std::borrow::Cow;

use crate::access::Asking;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::matching::Matches;

/// What a path's characters need no escape for: `pchar` of RFC 3986 and the slash.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// The same for literals of a token, which have escapes already.
const UNSPELT: &AsciiSet = &ESCAPED.remove(b'%');

/// A part of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    Scheme,
    Host,
    Port,
    Path,
    Query,
    ParentPath,
    Filename,
    Stem,
    Extension,
}

impl Component {
    const ALL: [(Self, &str); 9] = [
        (Self::Scheme, "scheme"),
        (Self::Host, "host"),
        (Self::Port, "port"),
        (Self::Path, "path"),
        (Self::Query, "query"),
        (Self::ParentPath, "parent-path"),
        (Self::Filename, "filename"),
        (Self::Stem, "stem"),
        (Self::Extension, "extension"),
    ];

    /// The component of a label.
    pub(super) fn of(label: i64) -> Option<Self> {
        let (component, _) = Self::ALL.get(usize::try_from(label).ok()?)?;
        Some(*component)
    }

    /// The label of a name.
    pub(super) fn label(name: &str) -> Option<i64> {
        let label = Self::ALL.iter().position(|(_, known)| *known == name)?;
        i64::try_from(label).ok()
    }

    /// The spelling that this component's texts have when they are compared.
    pub(super) fn spell(self) -> fn(&str) -> String {
        match self {
            Self::Scheme | Self::Host => str::to_ascii_lowercase,
            Self::Port | Self::Query => str::to_owned,
            Self::Path | Self::ParentPath | Self::Filename | Self::Stem | Self::Extension => {
                spell_path
            }
        }
    }

    /// Whether this component of what is asked is as it must be. `token` is the name of the query's parameter that
    /// carries the token and is no part of what is asked.
    ///
    /// A path is the decoded one, escaped again by one rule. What is served depends on the decoded path alone, so every
    /// file has exactly one spelling here, and no way of writing a URL (`%2F`, `%74`) makes it look like another's.
    pub(super) fn is(self, matches: &Matches, asking: &Asking<'_>, token: &str) -> bool {
        match self {
            Self::Scheme => matches.hold(&lower(asking.scheme)),
            Self::Host => {
                host_and_port(asking.host).is_some_and(|(host, _)| matches.hold(&lower(host)))
            }
            Self::Port => is_port(matches, asking),
            Self::Query => matches.hold(&without(asking.query, token)),
            Self::Path => matches.hold(&spelt(asking.path)),
            Self::ParentPath | Self::Filename | Self::Stem | Self::Extension => {
                self.is_of_file(matches, &spelt(asking.path))
            }
        }
    }

    fn is_of_file(self, matches: &Matches, path: &str) -> bool {
        let Some(slash) = path.rfind('/') else {
            return false;
        };
        let filename = &path[slash + 1..];
        // A path that ends in a slash has no file, or has a folder for one: libraries disagree.
        if filename.is_empty() {
            return false;
        }
        match self {
            // With or without the slash at its end: libraries disagree.
            Self::ParentPath => matches.hold_either([&path[..slash], &path[..=slash]]),
            Self::Filename => matches.hold(filename),
            Self::Stem => dots(filename)
                .is_some_and(|dots| dots.iter().all(|dot| matches.hold(&filename[..*dot]))),
            // Libraries disagree twice: on whether an extension has its dot, and on whether it begins at the first dot
            // or at the last. The first is settled by what the token names, the second by holding for both.
            Self::Extension => dots(filename).is_some_and(|dots| {
                dots.iter().all(|dot| {
                    let extension = &filename[*dot..];
                    let bare = extension.strip_prefix('.').unwrap_or(extension);
                    matches.hold_either([extension, bare])
                })
            }),
            Self::Scheme | Self::Host | Self::Port | Self::Path | Self::Query => false,
        }
    }
}

/// Where a file's first and its last dot are, its end where there is none; `None` for a name that begins or ends with a
/// dot: libraries give it four different stems.
fn dots(filename: &str) -> Option<[usize; 2]> {
    if filename.starts_with('.') || filename.ends_with('.') {
        return None;
    }
    let end = filename.len();
    Some([
        filename.find('.').unwrap_or(end),
        filename.rfind('.').unwrap_or(end),
    ])
}

/// The port that was asked, or the scheme's own. Where it is the scheme's own some libraries say there is none.
fn is_port(matches: &Matches, asking: &Asking<'_>) -> bool {
    let default = match asking.scheme {
        scheme if scheme.eq_ignore_ascii_case("https") => "443",
        scheme if scheme.eq_ignore_ascii_case("http") => "80",
        _ => return false,
    };
    let Some((_, port)) = host_and_port(asking.host) else {
        return false;
    };
    match port.unwrap_or(default) {
        port if port == default => matches.hold_either([port, ""]),
        port => matches.hold(port),
    }
}

/// Takes a host apart; `None` for what is none. A port is a number without zeros before it.
fn host_and_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']')? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return None;
    }
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Some((host, None)),
        None => None,
        Some("") => Some((host, None)),
        Some(port) => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let is_number = is_number && !port.starts_with('0') && port.parse::<u16>().is_ok();
            is_number.then_some((host, Some(port)))
        }
    }
}

/// A query without the parameter that carries the token, else as sent.
fn without<'a>(query: &'a str, token: &str) -> Cow<'a, str> {
    let is_token = |pair: &str| pair.split('=').next() == Some(token);
    if !query.split('&').any(is_token) {
        return Cow::Borrowed(query);
    }
    if let Some((head, last)) = query.rsplit_once('&')
        && is_token(last)
        && !head.split('&').any(is_token)
    {
        return Cow::Borrowed(head);
    }
    let kept: Vec<_> = query.split('&').filter(|pair| !is_token(pair)).collect();
    Cow::Owned(kept.join("&"))
}

/// A decoded path in its one spelling; without an allocation where nothing needs an escape.
fn spelt(path: &str) -> Cow<'_, str> {
    utf8_percent_encode(path, ESCAPED).into()
}

/// A literal of a token in the same spelling (RFC 3986 section 6.2.2, RFC 3987 section 3.1): what must be escaped is,
/// what need not be is not, and hex is upper case. An escaped slash stays one and matches nothing.
fn spell_path(literal: &str) -> String {
    let literal: Cow<'_, str> = utf8_percent_encode(literal, UNSPELT).into();
    let mut spelt = String::with_capacity(literal.len());
    let mut rest = &*literal;
    while let Some((before, after)) = rest.split_once('%') {
        spelt.push_str(before);
        rest = after;
        let byte = after.get(..2).and_then(super::matching::unhex);
        let Some(&[byte]) = byte.as_deref() else {
            spelt.push('%');
            continue;
        };
        rest = &after[2..];
        let bytes = [byte];
        match std::str::from_utf8(&bytes) {
            Ok("/") | Err(_) => spelt.push_str(percent_encoding::percent_encode_byte(byte)),
            Ok(plain) => spelt.extend(utf8_percent_encode(plain, ESCAPED)),
        }
    }
    spelt.push_str(rest);
    spelt
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}
