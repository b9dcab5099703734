//! Checks an answer against what was asked. Nothing that fails here is ever handed on.

use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    LAST_MODIFIED,
};
use http::{HeaderMap, StatusCode, response};

use crate::storage::{Error, ObjectMeta, Validator};

/// What the answer to a GET, a 200 or a 206, says of the object, and which part of it the body is; `announced` is the
/// body's length, if it has one.
///
/// A 200 to a ranged request is accepted where it is what the range asked for anyway: from the first byte, and
/// the whole object no longer than the range. RFC 9110 §14.2 lets a server do so.
pub(super) fn judge(
    head: &response::Parts,
    announced: Option<u64>,
    asked: Option<&Range<u64>>,
    versions: bool,
) -> Result<(ObjectMeta, Range<u64>), Error> {
    let said = Said::of(&head.headers)?;
    let is_part = head.status == StatusCode::PARTIAL_CONTENT;
    let (len, range) = match (said.content_range, asked) {
        (None, _) if is_part => return Err(invalid("a 206 without Content-Range")),
        (Some(_), _) if !is_part => return Err(invalid("a 200 with Content-Range")),
        (Some(text), Some(asked)) => part(text, asked)?,
        (Some(_), None) => return Err(invalid("a part where the whole was asked for")),
        (None, asked) => {
            let len = announced.ok_or_else(|| invalid("no Content-Length"))?;
            if asked.is_some_and(|asked| asked.start != 0 || asked.end < len) {
                return Err(invalid("the whole object where a part was asked for"));
            }
            (len, 0..len)
        }
    };
    if announced.is_some_and(|announced| announced != range.end - range.start) {
        return Err(invalid("Content-Length and Content-Range disagree"));
    }
    Ok((said.meta(len, versions)?, range))
}

/// What the answer to a HEAD, a 200 or a 206, says of the object.
pub(super) fn judge_head(head: &response::Parts, versions: bool) -> Result<ObjectMeta, Error> {
    let said = Said::of(&head.headers)?;
    if head.status == StatusCode::PARTIAL_CONTENT || said.content_range.is_some() {
        return Err(invalid("a part where the whole was asked for"));
    }
    let len = head.headers.get(CONTENT_LENGTH);
    let len = len.ok_or_else(|| invalid("no Content-Length"))?;
    let len = len.to_str().ok().and_then(number);
    said.meta(
        len.ok_or_else(|| invalid("Content-Length is no number"))?,
        versions,
    )
}

/// The headers that say something of an object.
struct Said<'a> {
    content_range: Option<&'a str>,
    etag: Option<&'a str>,
    last_modified: Option<SystemTime>,
    version_id: Option<&'a str>,
    content_type: Option<&'a str>,
    cache_control: Option<&'a str>,
    content_encoding: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(headers: &'a HeaderMap) -> Result<Self, Error> {
        let text = |name: HeaderName| match headers.get(&name) {
            Some(value) => std::str::from_utf8(value.as_bytes())
                .map(Some)
                .map_err(|_| invalid(&format!("{name} is not text"))),
            None => Ok(None),
        };
        let last_modified = text(LAST_MODIFIED)?.map(|date| {
            httpdate::parse_http_date(date).map_err(|_| invalid("Last-Modified is no date"))
        });
        Ok(Self {
            content_range: text(CONTENT_RANGE)?,
            etag: text(ETAG)?,
            last_modified: last_modified.transpose()?,
            version_id: text(VERSION_ID)?,
            content_type: text(CONTENT_TYPE)?,
            cache_control: text(CACHE_CONTROL)?,
            content_encoding: text(CONTENT_ENCODING)?,
        })
    }

    fn meta(&self, len: u64, versions: bool) -> Result<ObjectMeta, Error> {
        Ok(ObjectMeta {
            len,
            validator: Validator {
                etag: etag(self.etag, self.last_modified, len)?,
                version_id: version_id(self.version_id, versions),
            },
            last_modified: self.last_modified,
            content_type: self.content_type.map(Arc::from),
            cache_control: self.cache_control.map(Arc::from),
            content_encoding: content_encoding(self.content_encoding),
        })
    }
}

const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// Whether an entity tag is strong, and so of use in a condition on a part (RFC 9110 §8.8.1).
pub(super) fn is_strong(etag: &str) -> bool {
    !etag.starts_with("W/")
}

/// `Content-Range: bytes 0-99/1000`, as the whole length and the part. It has to begin where `asked` does, and
/// to end with it or with the object.
fn part(text: &str, asked: &Range<u64>) -> Result<(u64, Range<u64>), Error> {
    let parsed = text.strip_prefix("bytes ").and_then(|rest| {
        let (part, len) = rest.split_once('/')?;
        let (first, last) = part.split_once('-')?;
        let (first, last, len) = (number(first)?, number(last)?, number(len)?);
        (first <= last && last < len).then_some((len, first..last + 1))
    });
    let (len, range) = parsed.ok_or_else(|| invalid("Content-Range is malformed"))?;
    if range.start != asked.start || range.end != asked.end.min(len) {
        return Err(invalid("Content-Range is another part than was asked for"));
    }
    Ok((len, range))
}

/// Digits only: `parse` alone would take a plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// The entity tag, or a weak one made of length and time. An answer with neither is no object of S3's: some
/// gateways send their error pages as a 200.
fn etag(said: Option<&str>, modified: Option<SystemTime>, len: u64) -> Result<Arc<str>, Error> {
    match (said.filter(|tag| !tag.is_empty()), modified) {
        (Some(tag), _) if tag.ends_with('"') => Ok(tag.into()),
        (Some(bare), _) => Ok(format!("\"{bare}\"").into()),
        (None, Some(modified)) => {
            let seconds = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(format!("W/\"{len:x}-{:x}\"", seconds.as_secs()).into())
        }
        (None, None) => Err(invalid("neither ETag nor Last-Modified")),
    }
}

fn version_id(said: Option<&str>, versions: bool) -> Option<Arc<str>> {
    // "null" names what was there before the bucket had versions; it may be overwritten in place.
    said.filter(|id| versions && *id != "null").map(Arc::from)
}

/// Drops `aws-chunked`, which is about an upload long past and which some servers store.
fn content_encoding(said: Option<&str>) -> Option<Arc<str>> {
    let kept: Vec<_> = said?
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(", ").into())
}

fn invalid(what: &str) -> Error {
    Error::Invalid(what.into())
}

#[cfg(test)]
mod tests {
    use super::{content_encoding, etag, part, version_id};
    use crate::storage::Error;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_content_range_has_to_be_what_was_asked_for() {
        assert_eq!(part("bytes 0-99/1000", &(0..100)), Ok((1000, 0..100)));
        assert_eq!(
            part("bytes 900-999/1000", &(900..5000)),
            Ok((1000, 900..1000))
        );
        let table = [
            ("bytes 1-100/1000", 0..100),
            ("bytes 0-98/1000", 0..100),
            ("bytes 0-100/1000", 0..100),
            ("bytes 0-99/*", 0..100),
            ("bytes 0-99/50", 0..100),
            ("bytes 99-0/1000", 99..100),
            ("bytes +0-99/1000", 0..100),
            ("bytes 0-99", 0..100),
            ("bytes */1000", 0..100),
            ("items 0-99/1000", 0..100),
            ("bytes 0-18446744073709551615/18446744073709551616", 0..100),
            ("", 0..100),
        ];
        for (text, asked) in table {
            assert!(
                matches!(part(text, &asked), Err(Error::Invalid(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn an_entity_tag_is_quoted_or_made_weak() {
        let time = UNIX_EPOCH + Duration::from_secs(255);
        assert_eq!(&*etag(Some("\"a\""), None, 1).unwrap(), "\"a\"");
        assert_eq!(&*etag(Some("W/\"a\""), None, 1).unwrap(), "W/\"a\"");
        assert_eq!(&*etag(Some("a"), None, 1).unwrap(), "\"a\"");
        assert_eq!(&*etag(None, Some(time), 16).unwrap(), "W/\"10-ff\"");
        assert!(matches!(etag(None, None, 1), Err(Error::Invalid(_))));
    }

    #[test]
    fn versions_and_codings_are_told_where_they_mean_something() {
        assert_eq!(version_id(Some("v1"), true).as_deref(), Some("v1"));
        assert_eq!(version_id(Some("v1"), false), None);
        assert_eq!(version_id(Some("null"), true), None);
        assert_eq!(content_encoding(Some("aws-chunked")), None);
        assert_eq!(
            content_encoding(Some("gzip, aws-chunked")).as_deref(),
            Some("gzip")
        );
    }
}
