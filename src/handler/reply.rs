//! Status and headers of an answer that succeeded.

use std::time::Duration;

use http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::cache_status;
use super::range::Selection;
use crate::cache::Lookup;
use crate::delivery::{Content, Encoding, Timing};
use crate::exchange::{Body, Response};
use crate::media::{Class, range};

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
        let meta = &content.version.meta;
        let mut headers = HeaderMap::with_capacity(24);
        put(&mut headers, ETAG, &content.etag());
        if let Some(modified) = meta.last_modified {
            put(
                &mut headers,
                LAST_MODIFIED,
                &httpdate::fmt_http_date(modified),
            );
        }
        let own = meta
            .cache_control
            .as_ref()
            .filter(|_| cache_control.honour_object);
        let own = own.and_then(|own| HeaderValue::from_str(own).ok());
        let by_class = || cache_control.classes[content.class() as usize].clone();
        headers.insert(CACHE_CONTROL, own.unwrap_or_else(by_class));
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
        let mut headers = self.0;
        let (status, len) = match selection {
            Selection::Whole => (StatusCode::OK, content.len),
            Selection::Single(range) => {
                put(
                    &mut headers,
                    CONTENT_RANGE,
                    &range::content_range(range, content.len),
                );
                (StatusCode::PARTIAL_CONTENT, range.end - range.start)
            }
            Selection::Multi(multipart) => (StatusCode::PARTIAL_CONTENT, multipart.len()),
        };
        headers.insert(CONTENT_LENGTH, len.into());
        match selection {
            Selection::Multi(multipart) => {
                put(&mut headers, CONTENT_TYPE, &multipart.content_type())
            }
            _ => put(&mut headers, CONTENT_TYPE, content.media_type()),
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        match (content.encoding, &content.version.meta.content_encoding) {
            (Encoding::Gzip, _) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            (Encoding::Identity, own) => {
                headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                if let Some(own) = own {
                    put(&mut headers, CONTENT_ENCODING, own);
                }
            }
        }
        Response {
            status,
            headers,
            body,
        }
    }

    fn status_headers(&mut self, lookup: Lookup, timing: Timing) {
        put(
            &mut self.0,
            cache_status::NAME,
            &cache_status::of(&lookup, None),
        );
        put(&mut self.0, SERVER_TIMING, &server_timing(timing));
    }
}

fn server_timing(timing: Timing) -> String {
    let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
    let cache = format!("cache;dur={:.3}", millis(timing.cache));
    if timing.storage.is_zero() {
        return cache;
    }
    format!("{cache}, storage;dur={:.3}", millis(timing.storage))
}

/// Puts a header. A value that cannot stand in one (a control character in an object's own metadata) is
/// left out: it must not fail the answer.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
