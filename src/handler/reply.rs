//! Status and headers of an answer that succeeded.

use std::time::Duration;

use http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use super::cache_status;
use super::entity::Entity;
use super::range::Selection;
use crate::cache::Lookup;
use crate::delivery::{Content, Encoding, Timing};
use crate::exchange::{Body, Response};
use crate::media::{Class, Kind, range};

/// Room for the headers of an answer, CORS and those of the transport included.
const HEADERS: usize = 24;

const PRIORITY: HeaderName = HeaderName::from_static("priority");

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What caches on the way are told, by class.
#[derive(Debug, Clone)]
pub struct CacheControl {
    /// In the order of [`Class::ALL`].
    pub classes: [HeaderValue; Class::ALL.len()],
    /// Of an asset that is not there.
    pub absent: HeaderValue,
    /// Whether an object's own Cache-Control is passed on instead.
    pub honour_object: bool,
}

/// The headers that a 200, a 206 and a 304 of one entity share.
pub(super) struct Head(HeaderMap);

impl Head {
    pub(super) fn of(content: &Content, cache_control: &CacheControl) -> Self {
        let entity = Entity::of(content);
        let mut headers = HeaderMap::with_capacity(HEADERS);
        put(&mut headers, ETAG, entity.etag.clone());
        put(&mut headers, LAST_MODIFIED, entity.last_modified.clone());
        let own = entity.cache_control.as_ref();
        let own = own.filter(|_| cache_control.honour_object);
        let by_class = || &cache_control.classes[content.class() as usize];
        headers.insert(CACHE_CONTROL, own.unwrap_or_else(by_class).clone());
        // RFC 9111 §5.1: caches on the way count from when storage confirmed it, not from now.
        headers.insert(AGE, content.lookup.age.as_secs().into());
        if content.version.kind.compressible() {
            headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        Self(headers)
    }

    pub(super) fn not_modified(mut self, content: &Content) -> Response {
        self.status_headers(content.lookup, content.timing);
        Response {
            status: StatusCode::NOT_MODIFIED,
            headers: self.0,
            body: Body::empty(),
        }
    }

    /// The answer that sends `selection`; `body` is empty for HEAD, the headers are not.
    pub(super) fn with(mut self, selection: &Selection, content: &Content, body: Body) -> Response {
        self.status_headers(content.lookup, content.timing);
        let entity = Entity::of(content);
        let mut headers = self.0;
        let (status, len) = match selection {
            Selection::Whole => (StatusCode::OK, content.len),
            Selection::Single(range) => {
                let part = range::content_range(range, content.len);
                put(&mut headers, CONTENT_RANGE, written(part));
                (StatusCode::PARTIAL_CONTENT, range.end - range.start)
            }
            Selection::Multi(multipart) => (StatusCode::PARTIAL_CONTENT, multipart.len()),
        };
        headers.insert(CONTENT_LENGTH, len.into());
        match selection {
            Selection::Multi(multipart) => put(
                &mut headers,
                CONTENT_TYPE,
                written(multipart.content_type()),
            ),
            _ => put(&mut headers, CONTENT_TYPE, entity.media_type.clone()),
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        put(&mut headers, CONTENT_ENCODING, entity.encoding.clone());
        if content.encoding == Encoding::Identity {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        Response {
            status,
            headers,
            body,
        }
    }

    fn status_headers(&mut self, lookup: Lookup, timing: Timing) {
        let status = cache_status::of(&lookup, None);
        put(&mut self.0, cache_status::NAME, written(status));
        put(&mut self.0, SERVER_TIMING, written(server_timing(timing)));
    }
}

/// Tells how urgent an answer is (RFC 9218), where several share a connection, and where it is not what all are.
pub(super) fn prioritise(headers: &mut HeaderMap, version: Version, kind: Kind) {
    if version < Version::HTTP_2 {
        return;
    }
    if let Some(priority) = kind.priority() {
        headers.insert(PRIORITY, HeaderValue::from_static(priority));
    }
}

/// `cache;dur=0.012, storage;dur=38.201`: milliseconds to the microsecond (Server Timing, W3C).
fn server_timing(timing: Timing) -> String {
    let mut text = String::with_capacity(48);
    text.push_str("cache;dur=");
    push_millis(&mut text, timing.cache);
    if !timing.storage.is_zero() {
        text.push_str(", storage;dur=");
        push_millis(&mut text, timing.storage);
    }
    text
}

fn push_millis(text: &mut String, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    text.push_str(itoa::Buffer::new().format(micros / 1000));
    text.push('.');
    for place in [100, 10, 1] {
        text.push(char::from(b'0' + (micros / place % 10) as u8));
    }
}

fn written(text: String) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok()
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}
