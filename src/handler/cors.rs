//! What browsers of other origins may do. The same on every status: a player must be able to read an error.

use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, HeaderName,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::ALLOWED_METHODS;
use crate::exchange::{Body, Response};

const ALLOWED_HEADERS: &str = "Range, If-Range, If-None-Match, If-Modified-Since, Authorization, \
     CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status, CTA-Common-Access-Token, caudal-debug";

const EXPOSED_HEADERS: &str = "Content-Range, Content-Length, Accept-Ranges, ETag, Age, Date, Retry-After, \
     CMSD-Static, CMSD-Dynamic, Cache-Status, Server-Timing, caudal-refusal";

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// The origin that may read answers. One constant value: the answer never depends on who asks, so a CDN
/// cannot give one origin's permission to another.
#[derive(Debug, Clone)]
pub struct Cors {
    origin: HeaderValue,
    /// Whether cookies may come along; browsers want one named origin then.
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    /// Allows `origin` (`*` for everybody), with cookies where `credentials` says so; a preflight's answer holds for `max_age`.
    ///
    /// # Errors
    /// When `origin` cannot stand in a header.
    pub fn new(
        origin: &str,
        credentials: bool,
        max_age: Duration,
    ) -> Result<Self, http::header::InvalidHeaderValue> {
        Ok(Self {
            origin: HeaderValue::from_str(origin)?,
            credentials,
            max_age: max_age.as_secs().into(),
        })
    }

    pub(super) fn allow(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED_HEADERS),
        );
        headers.insert(TIMING_ALLOW_ORIGIN, self.origin.clone());
    }
}

/// Answers OPTIONS, preflight or not.
pub(super) fn preflight(cors: &Cors) -> Response {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(ALLOWED_METHODS),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(ALLOWED_HEADERS),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "cache-status",
        HeaderValue::from_static("caudal; fwd=bypass; detail=options"),
    );
    Response {
        status: StatusCode::NO_CONTENT,
        headers,
        body: Body::empty(),
    }
}
