//! Wildcards over paths: `*` stands for any characters, slashes included, `?` for exactly one character. Start at
//! [`Glob::matches`]: its time grows with the text's length alone, whatever the pattern, and it allocates nothing.

use std::borrow::Cow;

use crate::access::unescaped;

/// The most characters between two stars when a `?` is among them: such a piece is sought by trying every place.
const MAX_HOLED: usize = 64;

/// A pattern, ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    /// What stands before the first star; the whole pattern where there is none.
    first: Piece,
    /// What stands between two stars.
    middle: Box<[Piece]>,
    /// What stands behind the last star; `None` where there is none.
    last: Option<Piece>,
}

/// A stretch of a pattern without a star.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Without a `?` either.
    Text(Box<str>),
    /// With a `?` at every `None`.
    Holed(Box<[Option<char>]>),
}

impl Glob {
    /// A pattern to be taken as it is written. `None` where it cannot be matched in bounded time.
    pub(super) fn plain(pattern: &str) -> Option<Self> {
        Self::build(pattern, |text| Some(Cow::Borrowed(text)))
    }

    /// A pattern whose text is percent-encoded; it matches decoded text. An escaped star is a star, not a wildcard.
    /// `None` as for [`Glob::plain`], and where the text is not UTF-8.
    pub(super) fn escaped(pattern: &str) -> Option<Self> {
        Self::build(pattern, unescaped)
    }

    /// Whether the pattern covers the whole of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = self.first.after_start(text) else {
            return false;
        };
        let Some(last) = &self.last else {
            return rest.is_empty();
        };
        // The leftmost place is always good enough: what follows a star takes any remainder.
        for piece in &self.middle {
            match piece.after_first(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.ends(rest)
    }

    fn build(pattern: &str, literal: impl Fn(&str) -> Option<Cow<'_, str>>) -> Option<Self> {
        let mut pieces = pattern
            .split('*')
            .map(|piece| Piece::parse(piece, &literal));
        let first = pieces.next()??;
        let mut middle = pieces.collect::<Option<Vec<_>>>()?;
        let last = middle.pop();
        let sought_in_bounds = |piece: &Piece| match piece {
            Piece::Text(_) => true,
            Piece::Holed(chars) => chars.len() <= MAX_HOLED,
        };
        middle.iter().all(sought_in_bounds).then(|| Self {
            first,
            middle: middle.into(),
            last,
        })
    }
}

impl Piece {
    fn parse(piece: &str, literal: impl Fn(&str) -> Option<Cow<'_, str>>) -> Option<Self> {
        if !piece.contains('?') {
            return Some(Self::Text(literal(piece)?.into()));
        }
        let mut chars = Vec::new();
        for (nth, text) in piece.split('?').enumerate() {
            if nth > 0 {
                chars.push(None);
            }
            chars.extend(literal(text)?.chars().map(Some));
        }
        Some(Self::Holed(chars.into()))
    }

    /// What follows this piece at the start of `text`.
    fn after_start<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Self::Text(own) => text.strip_prefix(&**own),
            Self::Holed(own) => {
                let mut rest = text.chars();
                let mut wanted = own.iter();
                wanted
                    .all(|wanted| rest.next().is_some_and(|char| fits(*wanted, char)))
                    .then_some(rest)
                    .map(|rest| rest.as_str())
            }
        }
    }

    /// What follows this piece at the first place in `text` that has it.
    fn after_first<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Self::Text(own) => text.find(&**own).map(|at| &text[at + own.len()..]),
            Self::Holed(_) => {
                let mut places = text.char_indices();
                places.find_map(|(at, _)| self.after_start(&text[at..]))
            }
        }
    }

    /// Whether `text` ends with this piece.
    fn ends(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => text.ends_with(&**own),
            Self::Holed(own) => {
                let mut rest = text.chars().rev();
                let mut wanted = own.iter().rev();
                wanted.all(|wanted| rest.next().is_some_and(|char| fits(*wanted, char)))
            }
        }
    }
}

fn fits(wanted: Option<char>, char: char) -> bool {
    wanted.is_none_or(|wanted| wanted == char)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn plain(pattern: &str, text: &str) -> bool {
        Glob::plain(pattern).unwrap().matches(text)
    }

    fn escaped(pattern: &str, text: &str) -> bool {
        Glob::escaped(pattern).unwrap().matches(text)
    }

    #[test]
    fn without_wildcards_only_the_text_itself_matches() {
        assert!(plain("/vod/a", "/vod/a"));
        for other in ["/vod/", "/vod/ab", "/vod/A", "", "x/vod/a"] {
            assert!(!plain("/vod/a", other), "{other}");
        }
        assert!(plain("", ""));
        assert!(!plain("", "/"));
    }

    #[test]
    fn a_star_takes_any_characters_slashes_included() {
        for text in ["/vod/", "/vod/a", "/vod/a/b/c.m4s", "/vod/é"] {
            assert!(plain("/vod/*", text), "{text}");
        }
        for text in ["/vod", "/vo/a", "/live/vod/a"] {
            assert!(!plain("/vod/*", text), "{text}");
        }
        assert!(plain("*", ""));
        assert!(plain("**", "anything"));
        assert!(plain("/*/t1/*.m4s", "/a/b/t1/c/1.m4s"));
        assert!(!plain("/*/t1/*.m4s", "/a/b/t1/c/1.mp4"));
        assert!(
            !plain("ab*ba", "aba"),
            "the two ends may not share a character"
        );
    }

    #[test]
    fn a_question_mark_takes_exactly_one_character() {
        assert!(plain("/vod/??", "/vod/22"));
        assert!(plain("/vod/?", "/vod/é"));
        assert!(!plain("/vod/??", "/vod/2"));
        assert!(!plain("/vod/??", "/vod/222"));
        assert!(plain("/v*a?c*x?", "/vod/abc/xy"));
        assert!(!plain("/v*a?c*x?", "/vod/abc/x"));
    }

    #[test]
    fn escaped_text_matches_decoded_text_and_escaped_wildcards_are_text() {
        assert!(escaped("/vod/a%20b/*", "/vod/a b/1"));
        assert!(escaped("/vod/%2a", "/vod/*"));
        assert!(!escaped("/vod/%2a", "/vod/x"));
        assert!(escaped("/%C3%A9?", "/éa"));
        assert!(escaped("/100%", "/100%"), "what is no escape is text");
        assert_eq!(Glob::escaped("/%ff"), None);
        assert_eq!(Glob::escaped("/%C3?%A9"), None);
    }

    #[test]
    fn a_piece_that_takes_long_to_seek_is_no_pattern() {
        let holed = |length: usize| format!("*?{}*", "a".repeat(length - 1));
        assert!(Glob::plain(&holed(MAX_HOLED)).is_some());
        assert_eq!(Glob::plain(&holed(MAX_HOLED + 1)), None);
        let anchored = format!("{0}?*?{0}", "a".repeat(500));
        assert!(Glob::plain(&anchored).is_some(), "the ends are not sought");
    }

    #[test]
    fn a_hostile_pair_costs_little() {
        let text = "a".repeat(8192);
        let started = std::time::Instant::now();
        assert!(!plain(&format!("{}b", "*a".repeat(1000)), &text));
        assert!(!plain(&format!("*{}b*", "a".repeat(4000)), &text));
        assert!(!plain(&format!("*?{}b*", "a".repeat(MAX_HOLED - 2)), &text));
        assert!(
            started.elapsed().as_millis() < 500,
            "{:?}",
            started.elapsed()
        );
    }

    /// The definition of the wildcards, without regard to time.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', after)), _) => {
                (0..=text.len()).any(|taken| by_definition(after, &text[taken..]))
            }
            (Some((wanted, after)), Some((char, rest))) => {
                (*wanted == '?' || wanted == char) && by_definition(after, rest)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_as_defined(pattern in "[ab*?]{0,8}", text in "[abé]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(plain(&pattern, &text), by_definition(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn nothing_panics(pattern in any::<String>(), text in any::<String>()) {
            let _ = Glob::plain(&pattern).map(|glob| glob.matches(&text));
            let _ = Glob::escaped(&pattern).map(|glob| glob.matches(&text));
        }
    }
}
