//! The `Resource` of a custom policy: a URL with wildcards that stay inside its scheme, domain, path or query.

/// Characters of a `Resource`. With [`MAX_WILDCARDS`] it bounds what matching costs, whatever the URL.
const MAX_RESOURCE: usize = 2048;
/// Asterisks and question marks of a `Resource`.
const MAX_WILDCARDS: usize = 32;

/// A URL in its sections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    /// With the port, where there is one.
    pub(super) host: &'a str,
    /// Percent-encoded as sent. Starts with a slash.
    pub(super) path: &'a str,
    /// Without its `?`, and without CloudFront's parameters.
    pub(super) query: &'a str,
}

/// What a custom policy is for.
#[derive(Debug)]
pub(super) enum Resource {
    /// `*`, or nothing said.
    Everything,
    /// What every section covers.
    Sections(Box<Sections>),
}

#[derive(Debug)]
pub(super) struct Sections {
    scheme: Glob,
    domain: Glob,
    path: Glob,
    /// `None` if no `\?` begins one.
    query: Option<Glob>,
    /// Where in `path` a `?` stands that may begin the query instead: signers that write the URL itself do not escape
    /// it.
    marks: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
struct Glob(Vec<Atom>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Atom {
    Byte(u8),
    One,
    Many,
}

impl<'a> Url<'a> {
    /// Takes an absolute `http` or `https` URL apart.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (host, _) = rest.split_once('/')?;
        let (path, query) = match rest[host.len()..].split_once('?') {
            Some((_, "")) => return None,
            Some(both) => both,
            None => (&rest[host.len()..], ""),
        };
        let known = matches!(scheme, "http" | "https") && is_host(host) && !text.contains('#');
        known.then_some(Self {
            scheme,
            host,
            path,
            query,
        })
    }
}

impl Resource {
    /// `None` if it cannot be evaluated.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everything);
        }
        let wildcards = text
            .bytes()
            .filter(|byte| matches!(byte, b'*' | b'?'))
            .count();
        if text.len() > MAX_RESOURCE || wildcards > MAX_WILDCARDS {
            return None;
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => (scheme, rest),
            _ => ("*", text),
        };
        let (domain, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            // An asterisk that ends the domain is one for the path as well.
            None if rest.ends_with('*') => (rest, "/*"),
            None => (rest, "/"),
        };
        let (path, query) = match path.split_once(r"\?") {
            Some((path, query)) => (path, Some(Glob::parse(query)?)),
            None => (path, None),
        };
        let path = Glob::parse(path)?;
        let marks = if query.is_none() {
            path.marks()
        } else {
            Vec::new()
        };
        Some(Self::Sections(Box::new(Sections {
            scheme: Glob::parse(&scheme.to_ascii_lowercase())?,
            domain: Glob::parse(&domain.to_ascii_lowercase())?,
            path,
            query,
            marks,
        })))
    }

    /// Whether it covers a URL. Takes at most time proportional to the lengths of both, multiplied.
    pub(super) fn covers(&self, url: &Url<'_>) -> bool {
        let Self::Sections(sections) = self else {
            return true;
        };
        is_host(url.host)
            && is_unambiguous(url.path)
            && sections.scheme.covers_folded(url.scheme)
            && sections.domain.covers_folded(url.host)
            && sections.cover(url.path.as_bytes(), url.query.as_bytes())
    }
}

impl Sections {
    fn cover(&self, path: &[u8], query: &[u8]) -> bool {
        if let Some(own) = &self.query {
            return covers(&self.path.0, path) && covers(&own.0, query);
        }
        // An asterisk that ends the path is one for the query as well.
        let any_query = self.path.0.last() == Some(&Atom::Many);
        if (query.is_empty() || any_query) && covers(&self.path.0, path) {
            return true;
        }
        !query.is_empty()
            && self.marks.iter().any(|&mark| {
                let (before, after) = (&self.path.0[..mark], &self.path.0[mark + 1..]);
                covers(before, path) && covers(after, query)
            })
    }
}

impl Glob {
    /// A backslash is for nothing but `\?`.
    fn parse(text: &str) -> Option<Self> {
        let mut atoms = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            atoms.push(match byte {
                b'*' if atoms.last() == Some(&Atom::Many) => continue,
                b'*' => Atom::Many,
                b'?' => Atom::One,
                b'\\' if bytes.next() == Some(b'?') => Atom::Byte(b'?'),
                b'\\' => return None,
                byte => Atom::Byte(byte),
            });
        }
        Some(Self(atoms))
    }

    fn marks(&self) -> Vec<usize> {
        let atoms = self.0.iter().enumerate();
        atoms
            .filter(|(_, atom)| **atom == Atom::One)
            .map(|(index, _)| index)
            .collect()
    }

    /// Schemes and domains are the same in either case; the pattern is in lower case.
    fn covers_folded(&self, text: &str) -> bool {
        covers_by(&self.0, text.as_bytes(), |byte| byte.to_ascii_lowercase())
    }
}

fn covers(pattern: &[Atom], text: &[u8]) -> bool {
    covers_by(pattern, text, |byte| byte)
}

/// Goes back to the last asterisk only: what one before it could still take, the last one can take too.
fn covers_by(pattern: &[Atom], text: &[u8], fold: impl Fn(u8) -> u8) -> bool {
    let (mut at, mut pos) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    while pos < text.len() {
        match pattern.get(at) {
            Some(Atom::Many) => {
                at += 1;
                last = Some((at, pos));
            }
            Some(Atom::One) => (at, pos) = (at + 1, pos + 1),
            Some(Atom::Byte(byte)) if *byte == fold(text[pos]) => (at, pos) = (at + 1, pos + 1),
            _ => {
                let Some((after, taken)) = last else {
                    return false;
                };
                last = Some((after, taken + 1));
                (at, pos) = (after, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|atom| *atom == Atom::Many)
}

/// Whether a host is nothing but one: a slash in it would be the path's.
pub(super) fn is_host(host: &str) -> bool {
    let ours = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(ours)
}

/// Whether a path means the same to everybody who decodes it, so that what a wildcard covers stays where it is: no
/// encoded slash, backslash or control character, and no dot segment, encoded or followed by `;`.
fn is_unambiguous(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|segment| is_plain(segment.as_bytes()))
}

fn is_plain(segment: &[u8]) -> bool {
    let (mut dots, mut others, mut parameters) = (0_usize, false, false);
    let mut pos = 0;
    while let Some(&raw) = segment.get(pos) {
        let decoded = (raw == b'%')
            .then(|| segment.get(pos + 1..pos + 3).and_then(hex))
            .flatten();
        pos += if decoded.is_some() { 3 } else { 1 };
        match decoded.unwrap_or(raw) {
            b'/' | b'\\' | 0..0x20 | 0x7f => return false,
            b';' => parameters = true,
            _ if parameters => {}
            b'.' => dots += 1,
            _ => others = true,
        }
    }
    others || !matches!(dots, 1 | 2)
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match digits {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
