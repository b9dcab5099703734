//! Preconditions (RFC 9110 §13): whether the viewer needs the answer at all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

use crate::delivery::Content;

/// What the preconditions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    NotModified,
    PreconditionFailed,
}

/// After so long a Last-Modified is taken for a strong validator.
const SETTLED: Duration = Duration::from_secs(60);

/// What a precondition is held against.
#[derive(Debug, Clone, Copy)]
struct Entity<'a> {
    etag: &'a str,
    last_modified: Option<SystemTime>,
}

/// Evaluates the preconditions in the order of RFC 9110 §13.2.2.
pub(super) fn judge(headers: &HeaderMap, content: &Content) -> Verdict {
    let etag = content.etag();
    verdict(
        headers,
        Entity {
            etag: &etag,
            last_modified: content.version.meta.last_modified,
        },
    )
}

/// Whether a Range applies: If-Range is absent, or names this very entity (RFC 9110 §13.1.5).
pub(super) fn if_range(headers: &HeaderMap, content: &Content) -> bool {
    let etag = content.etag();
    range_applies(
        headers,
        Entity {
            etag: &etag,
            last_modified: content.version.meta.last_modified,
        },
    )
}

fn verdict(headers: &HeaderMap, entity: Entity<'_>) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, &IF_MATCH, |tag| strong_match(tag, entity.etag)) {
            return Verdict::PreconditionFailed;
        }
    } else if let (Some(since), Some(modified)) =
        (date(headers, &IF_UNMODIFIED_SINCE), entity.modified())
        && modified > since
    {
        return Verdict::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if any_tag(headers, &IF_NONE_MATCH, |tag| weak_match(tag, entity.etag)) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) =
        (date(headers, &IF_MODIFIED_SINCE), entity.modified())
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

fn range_applies(headers: &HeaderMap, entity: Entity<'_>) -> bool {
    let Some(value) = headers.get(IF_RANGE) else {
        return true;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let value = value.trim();
    if value.starts_with('"') || value.starts_with("W/") {
        return strong_match(value, entity.etag);
    }
    // A date has to be the exact Last-Modified: an earlier or a later one is another version's.
    // And a date is a strong validator only once it is past (§8.8.2.2): an object may be replaced twice
    // within its second.
    match (httpdate::parse_http_date(value), entity.modified()) {
        (Ok(date), Some(modified)) => date == modified && modified + SETTLED <= SystemTime::now(),
        _ => false,
    }
}

impl Entity<'_> {
    /// Last-Modified as it is sent: whole seconds.
    fn modified(&self) -> Option<SystemTime> {
        let since_epoch = self.last_modified?.duration_since(UNIX_EPOCH).ok()?;
        Some(UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs()))
    }
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

/// Whether any listed tag, or `*`, satisfies `matches`.
fn any_tag(headers: &HeaderMap, name: &HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .any(|line| {
            let mut rest = line.trim();
            if rest == "*" {
                return true;
            }
            // Split at quotes, not commas: an opaque tag may hold a comma.
            while let Some(open) = rest.find('"') {
                let start = if rest[..open].ends_with("W/") {
                    open - 2
                } else {
                    open
                };
                let Some(len) = rest[open + 1..].find('"') else {
                    return false;
                };
                let end = open + 1 + len + 1;
                if matches(&rest[start..end]) {
                    return true;
                }
                rest = &rest[end..];
            }
            false
        })
}

fn strong_match(a: &str, b: &str) -> bool {
    a == b && !a.starts_with("W/")
}

fn weak_match(a: &str, b: &str) -> bool {
    a.trim_start_matches("W/") == b.trim_start_matches("W/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn entity(etag: &str) -> Entity<'_> {
        let modified = httpdate::parse_http_date(MODIFIED).unwrap();
        Entity {
            etag,
            last_modified: Some(modified + Duration::from_millis(400)),
        }
    }

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_table_of_rfc_9110() {
        use Verdict::{NotModified, PreconditionFailed, Proceed};
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        let table: &[(&[(HeaderName, &str)], Verdict)] = &[
            (&[], Proceed),
            (&[(IF_NONE_MATCH, "\"a\"")], NotModified),
            (&[(IF_NONE_MATCH, "W/\"a\"")], NotModified),
            (&[(IF_NONE_MATCH, "\"x,\", \"a\"")], NotModified),
            (&[(IF_NONE_MATCH, "*")], NotModified),
            (&[(IF_NONE_MATCH, "\"b\"")], Proceed),
            (&[(IF_NONE_MATCH, "a")], Proceed),
            (
                &[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, MODIFIED)],
                Proceed,
            ),
            (&[(IF_MODIFIED_SINCE, MODIFIED)], NotModified),
            (&[(IF_MODIFIED_SINCE, before)], Proceed),
            (&[(IF_MODIFIED_SINCE, "yesterday")], Proceed),
            (&[(IF_MATCH, "\"a\"")], Proceed),
            (&[(IF_MATCH, "*")], Proceed),
            (&[(IF_MATCH, "W/\"a\"")], PreconditionFailed),
            (&[(IF_MATCH, "\"b\"")], PreconditionFailed),
            (&[(IF_UNMODIFIED_SINCE, MODIFIED)], Proceed),
            (&[(IF_UNMODIFIED_SINCE, before)], PreconditionFailed),
            (
                &[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, before)],
                Proceed,
            ),
            (
                &[(IF_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")],
                PreconditionFailed,
            ),
        ];
        for (list, expected) in table {
            assert_eq!(
                verdict(&headers(list), entity("\"a\"")),
                *expected,
                "{list:?}"
            );
        }
    }

    #[test]
    fn if_range_is_a_strong_match_or_the_exact_date() {
        for (value, applies) in [
            ("\"a\"", true),
            ("\"b\"", false),
            ("W/\"a\"", false),
            (MODIFIED, true),
            ("Sun, 06 Nov 1994 08:49:38 GMT", false),
            ("nonsense", false),
        ] {
            assert_eq!(
                range_applies(&headers(&[(IF_RANGE, value)]), entity("\"a\"")),
                applies,
                "{value}"
            );
        }
        let just_now = SystemTime::now();
        let date = httpdate::fmt_http_date(just_now);
        let fresh = Entity {
            etag: "\"a\"",
            last_modified: Some(just_now),
        };
        assert!(!range_applies(&headers(&[(IF_RANGE, &date)]), fresh));
        assert!(range_applies(&HeaderMap::new(), entity("\"a\"")));
        assert!(!range_applies(
            &headers(&[(IF_RANGE, "W/\"a\"")]),
            entity("W/\"a\"")
        ));
    }

    proptest::proptest! {
        #[test]
        fn no_header_breaks_the_reading(value in "[ -~]{0,40}") {
            for name in [IF_MATCH, IF_NONE_MATCH, IF_RANGE, IF_MODIFIED_SINCE] {
                let headers = headers(&[(name, &value)]);
                verdict(&headers, entity("\"a\""));
                range_applies(&headers, entity("\"a\""));
            }
        }
    }
}
