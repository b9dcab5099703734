//! Regular expressions as CAT means them (POSIX extended), run by an engine that means something else in places: what
//! the two read differently is refused.

use regex::bytes::{Regex, RegexBuilder};

/// Longest expression, in bytes.
const MAX_PATTERN: usize = 512;
/// Memory that a compiled expression and its cache may take, in bytes each.
const MAX_COMPILED: usize = 256 * 1024;
/// Groups within each other.
const MAX_NESTING: u32 = 16;
/// Most repetitions that POSIX promises (`RE_DUP_MAX`).
const MAX_REPEAT: u32 = 255;

const CLASSES: [&str; 12] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "xdigit",
];

/// Compiles an expression; `None` for one that is too large or that says something on which POSIX and this engine do
/// not agree. As in POSIX it matches anywhere unless it is anchored. Time to match is linear in the text.
pub(super) fn compile(pattern: &str) -> Option<Regex> {
    if pattern.len() > MAX_PATTERN || !is_common(pattern.as_bytes()) {
        return None;
    }
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(MAX_NESTING)
        .build()
        .ok()
}

/// Whether both read it the same. Refused: escapes of anything but punctuation (`\d`, `\b`, back references), groups
/// with options (`(?i)`), lazy and doubled repetition, what POSIX leaves undefined (an empty alternative, a repetition
/// of nothing), and in brackets backslashes, nesting and set operations.
fn is_common(pattern: &[u8]) -> bool {
    let mut rest = pattern;
    let mut depth = 0_usize;
    let mut is_empty = true;
    let mut is_repeatable = false;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'|' | b')' if is_empty => return false,
            b'|' => (is_empty, is_repeatable) = (true, false),
            b'(' => {
                depth += 1;
                (is_empty, is_repeatable) = (true, false);
            }
            b')' => {
                let Some(outer) = depth.checked_sub(1) else {
                    return false;
                };
                (depth, is_empty, is_repeatable) = (outer, false, true);
            }
            b'*' | b'+' | b'?' | b'{' if !is_repeatable => return false,
            b'*' | b'+' | b'?' => is_repeatable = false,
            b'{' => {
                let Some(after) = after_interval(rest) else {
                    return false;
                };
                (rest, is_repeatable) = (after, false);
            }
            b'^' | b'$' => (is_empty, is_repeatable) = (false, false),
            _ => {
                let Some(after) = after_atom(*byte, rest) else {
                    return false;
                };
                (rest, is_empty, is_repeatable) = (after, false, true);
            }
        }
    }
    depth == 0 && !is_empty
}

/// What follows one character, escape or bracket expression that began with `first`.
fn after_atom(first: u8, rest: &[u8]) -> Option<&[u8]> {
    match first {
        b'[' => after_bracket(rest),
        b'\\' => match rest {
            [escaped, rest @ ..] if br".[](){}*+?|^$\/-".contains(escaped) => Some(rest),
            _ => None,
        },
        b'}' => None,
        b' '..=b'~' => Some(rest),
        _ => None,
    }
}

/// What follows `{m}`, `{m,}` or `{m,n}` after its opening brace.
fn after_interval(rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().position(|byte| *byte == b'}')?;
    let text = std::str::from_utf8(&rest[..end]).ok()?;
    let bound = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = text.parse().ok().filter(|_| is_number)?;
        (number <= MAX_REPEAT).then_some(number)
    };
    let is_good = match text.split_once(',') {
        None => bound(text).is_some(),
        Some((least, "")) => bound(least).is_some(),
        Some((least, most)) => bound(least)? <= bound(most)?,
    };
    is_good.then(|| &rest[end + 1..])
}

/// What follows a bracket expression after its opening bracket.
fn after_bracket(rest: &[u8]) -> Option<&[u8]> {
    let mut rest = rest.strip_prefix(b"^").unwrap_or(rest);
    let mut is_first = true;
    loop {
        rest = match rest {
            [b']', after @ ..] if !is_first => return Some(after),
            [b'[', b':', after @ ..] => {
                let len = CLASSES.iter().find_map(|class| {
                    let after = after.strip_prefix(class.as_bytes())?;
                    after.starts_with(b":]").then_some(class.len() + 2)
                })?;
                &after[len..]
            }
            // A dash is itself at either end.
            [b'-', after @ ..] if is_first && !after.starts_with(b"-") => after,
            [b'-', after @ ..] if after.starts_with(b"]") => after,
            [from, b'-', to, after @ ..] if *to != b']' => {
                let is_range = from.is_ascii_alphanumeric() && to.is_ascii_alphanumeric();
                if !is_range || from > to {
                    return None;
                }
                after
            }
            // Two of a kind are operations on sets for this engine.
            [b'&', b'&', ..] | [b'~', b'~', ..] => return None,
            [b'[' | b']' | b'\\' | b'-' | b'^', ..] => return None,
            [b' '..=b'~', after @ ..] => after,
            _ => return None,
        };
        is_first = false;
    }
}
