//! Tokens that are withdrawn before their time, as a text file lists them. Start with [`Revocations::parse`].
//!
//! ```text
//! # leaked in March
//! token   9f3c2a     until=2030-01-01T00:00:00Z
//! session 41d8
//! viewer  "Jane Doe"
//! key     2024-old   # every token it has signed
//! ```

use std::collections::HashSet;
use std::fmt;

use crate::access::Token;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 64 << 20;
/// The most lines, comments included.
pub const MOST_LINES: usize = 1_000_000;
/// The longest id, in bytes.
const LONGEST_ID: usize = 512;

/// What is withdrawn. Formatting shows numbers only: who is in the list is nobody's business.
#[derive(Default)]
pub struct Revocations {
    tokens: HashSet<Box<str>>,
    sessions: HashSet<Box<str>>,
    viewers: HashSet<Box<str>>,
    keys: HashSet<Box<str>>,
}

/// Why a list cannot be used. No part of the list is repeated: what stands in the wrong place may be a whole token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes than are read.
    #[error(
        "the list of revocations is larger than {LARGEST_FILE} bytes: remove what has expired, or revoke the key that \
         signed them"
    )]
    TooLarge,
    /// More lines than are read.
    #[error(
        "the list of revocations has more than {MOST_LINES} lines: remove what has expired, or revoke the key that \
         signed them"
    )]
    TooLong,
    /// One that cannot be read. None of the list counts then: half a list would be taken for a whole one.
    #[error("line {line} of the list of revocations {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Its first word is none of ours.
    #[error("does not begin with token, session, viewer or key: write one of them before the id")]
    Word,
    /// Nothing behind the first word.
    #[error("names nothing: write the id behind the first word")]
    NoId,
    /// Quotes that do not end, or a bad escape between them.
    #[error(
        "has an id in quotes that is no JSON string: end it with a quote, and write \\\" for one inside"
    )]
    Quotes,
    /// More than any id has.
    #[error("has an id longer than {LONGEST_ID} bytes: write the token's id, not the token")]
    LongId,
    /// The token itself, which would match nothing.
    #[error("has a whole token in place of its id: write the value of its jti claim")]
    WholeToken,
    /// Words behind the id.
    #[error(
        "has more than an id and until=: put an id that has spaces in quotes, and # before a comment"
    )]
    Extra,
    /// A time that cannot be read.
    #[error("has an until= that is no time: write it as 2030-01-31T12:00:00Z")]
    Until,
}

impl Revocations {
    /// Reads a list. Each line is `token ID`, `session ID`, `viewer ID` or `key NAME`, with an optional `until=` and an
    /// RFC 3339 time from which on the line is left out: what it withdraws has expired by then. An id that has spaces
    /// or begins with `#` or a quote is written as a JSON string. `#` begins a comment.
    ///
    /// # Errors
    /// For the first line that cannot be read.
    pub fn parse(text: &str, now: i64) -> Result<Self, Error> {
        if text.len() > LARGEST_FILE {
            return Err(Error::TooLarge);
        }
        let mut list = Self::default();
        // Editors on Windows begin files with a mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            if index == MOST_LINES {
                return Err(Error::TooLong);
            }
            list.add(line, now).map_err(|problem| Error::Line {
                line: index + 1,
                problem,
            })?;
        }
        Ok(list)
    }

    /// Whether the token, its session, its viewer or its key is withdrawn.
    pub fn is_revoked(&self, token: &Token) -> bool {
        let lists = [
            (&self.tokens, &token.id),
            (&self.sessions, &token.session),
            (&self.viewers, &token.viewer),
        ];
        let named = lists
            .iter()
            .any(|(list, id)| id.as_deref().is_some_and(|id| list.contains(id)));
        named || self.keys.contains(&*token.key)
    }

    /// How many are withdrawn.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.sessions.len() + self.viewers.len() + self.keys.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, line: &str, now: i64) -> Result<(), Problem> {
        let (word, rest) = split_word(line);
        let list = match word {
            "" => return Ok(()),
            comment if comment.starts_with('#') => return Ok(()),
            "token" => &mut self.tokens,
            "session" => &mut self.sessions,
            "viewer" => &mut self.viewers,
            "key" => &mut self.keys,
            _ => return Err(Problem::Word),
        };
        let (id, rest) = id(rest)?;
        let until = until(rest)?;
        if until.is_none_or(|until| now < until) {
            list.insert(id);
        }
        Ok(())
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("tokens", &self.tokens.len())
            .field("sessions", &self.sessions.len())
            .field("viewers", &self.viewers.len())
            .field("keys", &self.keys.len())
            .finish()
    }
}

/// The first word, and what follows the space behind it.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// The id, and what follows it.
fn id(text: &str) -> Result<(Box<str>, &str), Problem> {
    let text = text.trim_start();
    let (id, rest) = if text.starts_with('"') {
        let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let id = strings.next().and_then(Result::ok).ok_or(Problem::Quotes)?;
        let rest = &text[strings.byte_offset()..];
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err(Problem::Extra);
        }
        (id.into_boxed_str(), rest)
    } else {
        let (id, rest) = split_word(text);
        (id.into(), rest)
    };
    if id.is_empty() || text.starts_with('#') || id.starts_with("until=") {
        return Err(Problem::NoId);
    }
    // Every JWT begins so: it is `{"` in base64.
    if id.starts_with("eyJ") && id.bytes().filter(|byte| *byte == b'.').count() == 2 {
        return Err(Problem::WholeToken);
    }
    if id.len() > LONGEST_ID {
        return Err(Problem::LongId);
    }
    Ok((id, rest))
}

fn until(text: &str) -> Result<Option<i64>, Problem> {
    let (word, rest) = split_word(text);
    if word.is_empty() || word.starts_with('#') {
        return Ok(None);
    }
    let time = word.strip_prefix("until=").ok_or(Problem::Extra)?;
    let time = OffsetDateTime::parse(time, &Rfc3339).map_err(|_| Problem::Until)?;
    let (word, _) = split_word(rest);
    if !word.is_empty() && !word.starts_with('#') {
        return Err(Problem::Extra);
    }
    Ok(Some(time.unix_timestamp()))
}

#[cfg(test)]
mod tests;
