//! Byte ranges (RFC 9110 §14): what a client asked for, and which bytes that means once the length is known.

use std::ops::Range;

/// How many ranges one header may name. Media players name one; a list this long is an attack or a mistake, and the
/// whole object answers it at a known cost.
pub const MAX_SPECS: usize = 16;
/// How many parts one answer may have after overlapping ranges were joined.
pub const MAX_PARTS: usize = 8;
/// How many ranges may overlap one asked for before them; RFC 9110 §14.2 calls more than two an abuse.
pub const MAX_OVERLAPS: usize = 2;
/// How many parts may be shorter than [`TINY`]. Two let a client probe the first and the last byte.
pub const MAX_TINY: usize = 4;
/// A part shorter than this many bytes costs more in its own headers than it carries.
pub const TINY: u64 = 128;

/// The ranges of one `Range` header, not yet held against a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeSet {
    first: Spec,
    /// Those after the first, at most [`MAX_SPECS`] - 1 of them.
    others: Vec<Spec>,
    /// The header named more than [`MAX_SPECS`].
    excessive: bool,
}

/// Which bytes to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The header goes unanswered: send the whole object with 200. So are answered too many, too many overlapping or
    /// too many tiny ranges (see the bounds of this module), and every range of an empty object that RFC 9110
    /// §14.1.2 calls satisfiable: a `Content-Range` cannot name zero bytes.
    Whole,
    /// 206 with these bytes; never empty.
    Single(Range<u64>),
    /// 206 with several parts: at least two, not empty, not overlapping, in the order they were asked for.
    Multi(Vec<Range<u64>>),
    /// 416: no range names a byte that exists.
    Unsatisfiable,
}

/// Where an answer will start, as far as that can be told before the length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// From this byte on, up to an exclusive end where one was named.
    From(u64, Option<u64>),
    /// This many last bytes. Zero of them are unsatisfiable.
    Suffix(u64),
}

/// One range as it was written; numbers too large for 64 bits are `u64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    From(u64),
    /// First and last byte, both inclusive; the last is not below the first.
    Span(u64, u64),
    Suffix(u64),
}

impl RangeSet {
    /// Reads a `Range` header.
    ///
    /// `None` for an unknown unit and for anything malformed, a last byte below the first included: the header is then
    /// ignored and the whole object answers (RFC 9110 §14.2). The alternative, 400, would break players over a header
    /// that is optional by design.
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, list) = header.trim_matches([' ', '\t']).split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        // Empty list elements are to be ignored (RFC 9110 §5.6.1.2).
        let mut specs = list
            .split(',')
            .map(|s| s.trim_matches([' ', '\t']))
            .filter(|s| !s.is_empty());
        let first = Spec::parse(specs.next()?)?;
        let others = specs
            .by_ref()
            .take(MAX_SPECS - 1)
            .map(Spec::parse)
            .collect::<Option<Vec<_>>>()?;
        // What stands behind the bound need not be read: malformed or not, the whole object answers.
        let excessive = specs.next().is_some();
        Some(Self {
            first,
            others,
            excessive,
        })
    }

    /// Which bytes of an object of `len` bytes to answer with.
    pub fn resolve(&self, len: u64) -> Resolution {
        if self.excessive {
            return Resolution::Whole;
        }
        let specs = || std::iter::once(&self.first).chain(&self.others);
        if len == 0 && specs().any(|spec| matches!(spec, Spec::Suffix(1..))) {
            return Resolution::Whole;
        }
        let mut parts = Vec::new();
        let mut overlaps = 0;
        for range in specs().filter_map(|spec| spec.resolve(len)) {
            overlaps += usize::from(join(&mut parts, range));
        }
        let tiny = parts
            .iter()
            .filter(|part| part.end - part.start < TINY)
            .count();
        match parts.as_slice() {
            [] => Resolution::Unsatisfiable,
            _ if overlaps > MAX_OVERLAPS || parts.len() > MAX_PARTS || tiny > MAX_TINY => {
                Resolution::Whole
            }
            [only] => Resolution::Single(only.clone()),
            _ => Resolution::Multi(parts),
        }
    }

    /// Where the first range asked for starts; the whole object where [`RangeSet::resolve`] will say so in any case.
    pub fn hint(&self) -> Hint {
        match self.first {
            _ if self.excessive => Hint::From(0, None),
            Spec::From(first) => Hint::From(first, None),
            // The last of the clamped numbers has no successor, and no object reaches it.
            Spec::Span(first, last) => Hint::From(first, last.checked_add(1)),
            Spec::Suffix(count) => Hint::Suffix(count),
        }
    }

    /// Whether more than one range was asked for.
    pub fn is_multiple(&self) -> bool {
        self.excessive || !self.others.is_empty()
    }
}

/// The `Content-Range` of a 206 that carries `range`, which is not empty (RFC 9110 §14.4): `bytes 0-1/10`.
pub fn content_range(range: &Range<u64>, len: u64) -> String {
    format!(
        "bytes {}-{}/{len}",
        range.start,
        range.end.saturating_sub(1)
    )
}

/// The `Content-Range` of a 416 (RFC 9110 §15.5.17): `bytes */10`.
pub fn unsatisfied(len: u64) -> String {
    format!("bytes */{len}")
}

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (first, last) {
            ("", count) => Some(Self::Suffix(number(count)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let span = Self::Span(number(first)?, number(last)?);
                (!is_less(last, first)).then_some(span)
            }
        }
    }

    /// The bytes this names, `None` where there are none.
    fn resolve(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..len,
            Self::Span(first, last) => first..last.saturating_add(1).min(len),
            Self::Suffix(count) => len.saturating_sub(count)..len,
        };
        (range.start < range.end).then_some(range)
    }
}

/// A run of decimal digits, clamped to 64 bits.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Only overflow can fail now.
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Compares runs of digits as numbers of any size, so that clamping cannot make a malformed range look like a good one.
fn is_less(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    (a.len(), a) < (b.len(), b)
}

/// Adds a range, joined with all that it overlaps, where the earliest of those stood (RFC 9110 §15.3.7.2 keeps the
/// order of the request). Ranges that merely touch stay apart: the client asked for two. Tells whether it overlapped.
fn join(parts: &mut Vec<Range<u64>>, range: Range<u64>) -> bool {
    let overlaps = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    let Some(at) = parts.iter().position(|part| overlaps(part, &range)) else {
        parts.push(range);
        return false;
    };
    let mut joined = range;
    // Parts do not overlap each other, so growing by one never reaches another that `range` itself did not.
    parts.retain(|part| {
        let apart = !overlaps(part, &joined);
        if !apart {
            joined = joined.start.min(part.start)..joined.end.max(part.end);
        }
        apart
    });
    parts.insert(at, joined);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(header: &str, len: u64) -> Resolution {
        RangeSet::parse(header).expect("well-formed").resolve(len)
    }

    #[test]
    #[allow(
        clippy::single_range_in_vec_init,
        reason = "the part is a range, not what it spans"
    )]
    fn single_ranges_follow_the_rfc() {
        use Resolution::{Single, Unsatisfiable, Whole};
        for (header, len, expected) in [
            ("bytes=0-0", 10, Single(0..1)),
            ("bytes=0-", 10, Single(0..10)),
            ("bytes=9-", 10, Single(9..10)),
            ("bytes=-1", 10, Single(9..10)),
            ("bytes=-99", 10, Single(0..10)),
            ("bytes=5-99", 10, Single(5..10)),
            ("bytes=5-99999999999999999999", 10, Single(5..10)),
            ("bytes=-99999999999999999999", 10, Single(0..10)),
            (
                "bytes=0-18446744073709551615",
                u64::MAX,
                Single(0..u64::MAX),
            ),
            (
                "bytes=9223372036854775807-9223372036854775808",
                u64::MAX,
                Single((1 << 63) - 1..(1 << 63) + 1),
            ),
            ("BYTES=0-0", 10, Single(0..1)),
            ("bytes= 0-0 ,", 10, Single(0..1)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-20", 10, Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=0-0", 0, Unsatisfiable),
            ("bytes=-0", 0, Unsatisfiable),
            ("bytes=-5", 0, Whole),
        ] {
            assert_eq!(resolve(header, len), expected, "{header} of {len}");
        }
    }

    #[test]
    fn malformed_headers_are_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=1",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=1 - 2",
            "bytes=0x0-1",
            "bytes=0-1;2-3",
            "bytes=0-1,x",
            "items=0-1",
            "bytes =0-1",
            "bytes=99999999999999999999-18446744073709551616",
            "bytes=١-٢",
            "none",
            "bytes=--1",
        ] {
            assert_eq!(RangeSet::parse(header), None, "{header}");
        }
    }

    #[test]
    fn several_ranges_keep_their_order_and_join_where_they_overlap() {
        use Resolution::{Multi, Single};
        for (header, expected) in [
            ("bytes=500-699,0-199", Multi(vec![500..700, 0..200])),
            ("bytes=0-199,200-399", Multi(vec![0..200, 200..400])),
            ("bytes=0-199,100-299", Single(0..300)),
            ("bytes=0-199,500-699,100-599", Single(0..700)),
            ("bytes=300-399,0-99,50-349", Single(0..400)),
            ("bytes=500-699,0-199,600-799", Multi(vec![500..800, 0..200])),
            ("bytes=0-199,5000-", Single(0..200)),
            ("bytes=0-0,-1", Multi(vec![0..1, 999..1000])),
        ] {
            assert_eq!(resolve(header, 1000), expected, "{header}");
        }
        assert_eq!(
            resolve("bytes=5000-,6000-", 1000),
            Resolution::Unsatisfiable
        );
    }

    #[test]
    fn abuse_costs_one_whole_object() {
        let list = |count: u64, each: &dyn Fn(u64) -> String| {
            format!(
                "bytes={}",
                (0..count).map(each).collect::<Vec<_>>().join(",")
            )
        };
        let long = |n: u64| format!("{}-{}", n * 1000, n * 1000 + 499);
        assert!(
            matches!(resolve(&list(8, &long), 1 << 20), Resolution::Multi(parts) if parts.len() == 8)
        );
        for header in [
            list(9, &long),
            list(1000, &|_| "0-".to_owned()),
            list(1000, &|n| format!("{n}-{n}")),
            list(5, &|n| format!("{}-{}", n * 10, n * 10)),
            list(4, &|_| "0-".to_owned()),
        ] {
            assert_eq!(resolve(&header, 1 << 20), Resolution::Whole, "{header}");
        }
        assert_eq!(
            RangeSet::parse(&list(17, &long)).unwrap().hint(),
            Hint::From(0, None)
        );
    }

    #[test]
    fn hints_tell_the_first_range() {
        let hint = |header| RangeSet::parse(header).unwrap().hint();
        assert_eq!(hint("bytes=5-9,0-1"), Hint::From(5, Some(10)));
        assert_eq!(hint("bytes=5-"), Hint::From(5, None));
        assert_eq!(hint("bytes=5-18446744073709551615"), Hint::From(5, None));
        assert_eq!(hint("bytes=-7"), Hint::Suffix(7));
        assert!(!RangeSet::parse("bytes=5-").unwrap().is_multiple());
    }

    #[test]
    fn content_ranges_are_inclusive() {
        assert_eq!(content_range(&(0..2), 10), "bytes 0-1/10");
        assert_eq!(unsatisfied(10), "bytes */10");
    }

    /// The positions a spec names among `len` bytes, by walking over all of them.
    fn model(spec: Spec, len: u64) -> Vec<u64> {
        (0..len)
            .filter(|&at| match spec {
                Spec::From(first) => at >= first,
                Spec::Span(first, last) => at >= first && at <= last,
                Spec::Suffix(count) => len - at <= count,
            })
            .collect()
    }

    fn specs() -> impl Strategy<Value = Vec<Spec>> {
        let number = || prop_oneof![4 => 0u64..3000, 1 => Just(u64::MAX)];
        let spec = prop_oneof![
            number().prop_map(Spec::From),
            (number(), number()).prop_map(|(a, b)| Spec::Span(a.min(b), a.max(b))),
            number().prop_map(Spec::Suffix),
        ];
        prop::collection::vec(spec, 1..20)
    }

    fn header(specs: &[Spec]) -> String {
        let written = specs.iter().map(|spec| match spec {
            Spec::From(first) => format!("{first}-"),
            Spec::Span(first, last) => format!("{first}-{last}"),
            Spec::Suffix(count) => format!("-{count}"),
        });
        format!("bytes={}", written.collect::<Vec<_>>().join(","))
    }

    proptest! {
        #[test]
        fn one_range_names_the_bytes_of_the_model(specs in specs(), len in 0u64..2500) {
            let spec = specs[0];
            let expected = model(spec, len);
            match resolve(&header(&[spec]), len) {
                Resolution::Single(range) => prop_assert_eq!(range.collect::<Vec<_>>(), expected),
                Resolution::Unsatisfiable => prop_assert!(expected.is_empty()),
                Resolution::Whole => prop_assert!(len == 0 && matches!(spec, Spec::Suffix(1..))),
                Resolution::Multi(parts) => prop_assert!(false, "{parts:?}"),
            }
        }

        #[test]
        fn several_ranges_name_every_byte_once(specs in specs(), len in 1u64..2500) {
            let mut expected: Vec<u64> = specs.iter().flat_map(|&spec| model(spec, len)).collect();
            expected.sort_unstable();
            expected.dedup();
            let set = RangeSet::parse(&header(&specs)).unwrap();
            let parts = match set.resolve(len) {
                Resolution::Whole => return Ok(()),
                Resolution::Unsatisfiable => vec![],
                Resolution::Single(range) => vec![range],
                Resolution::Multi(parts) => { prop_assert!(parts.len() >= 2); parts }
            };
            prop_assert!(parts.len() <= MAX_PARTS && parts.iter().all(|part| part.start < part.end));
            let mut bytes: Vec<u64> = parts.into_iter().flatten().collect();
            bytes.sort_unstable();
            prop_assert_eq!(bytes, expected);
        }

        #[test]
        fn anything_is_read_without_a_panic(text in "(bytes=)?[0-9, \t-]{0,60}", len in any::<u64>()) {
            if let Some(set) = RangeSet::parse(&text) {
                set.hint();
                set.resolve(len);
            }
        }
    }
}
