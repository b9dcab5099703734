//! Every "no", and the only map from causes to status codes.

use http::header::{
    AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::cache_status;
use crate::access::{Refusal, Refused, debug};
use crate::cache::{self, Failure, Lookup};
use crate::exchange::{Body, Response};
use crate::media::{PathError, range};
use crate::storage;

/// The methods we answer, for `Allow`.
pub(super) const ALLOWED_METHODS: &str = "GET, HEAD, OPTIONS";

/// Why a request is not answered with what it asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Error {
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    #[error("bad path: {0}")]
    Path(PathError),
    #[error("the request target is longer than 8192 bytes")]
    TargetTooLong,
    #[error("method not allowed: use GET, HEAD or OPTIONS")]
    MethodNotAllowed,
    #[error("no route serves this path")]
    NoRoute,
    #[error("access is refused: {}", .refused.why)]
    Refused {
        refused: Refused,
        /// The status of a token that has expired: some players fetch another on one, some on the other.
        expired_status: StatusCode,
        /// Whether the client may be told why.
        told: bool,
    },
    #[error("precondition failed")]
    PreconditionFailed,
    #[error("no range lies within the {len} bytes")]
    RangeNotSatisfiable { len: u64 },
    #[error(transparent)]
    Cache(#[from] cache::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Cache(failure.error)
    }
}

impl Error {
    fn status(&self) -> StatusCode {
        use storage::Error as S;
        match self {
            Self::BadRequest(_) | Self::Path(_) => StatusCode::BAD_REQUEST,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Refused {
                refused,
                expired_status,
                ..
            } => refused_status(refused.why, *expired_status),
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Cache(cache::Error::Storage(error)) => match error {
                S::NotFound => StatusCode::NOT_FOUND,
                S::Denied(_) | S::Archived(_) => StatusCode::FORBIDDEN,
                S::Throttled | S::Unavailable(_) | S::Changed => StatusCode::SERVICE_UNAVAILABLE,
                S::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
                S::Interrupted(_) | S::Invalid(_) | S::Misconfigured(_) => StatusCode::BAD_GATEWAY,
                // Answers to conditions and ranges of our own: they never get this far.
                S::NotModified | S::RangeNotSatisfiable { .. } => StatusCode::BAD_GATEWAY,
            },
            Self::Cache(cache::Error::NoMemory { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Cache(cache::Error::FillTimeout { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Self::Cache(cache::Error::FillEnded) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the object was replaced while it was opened.
    pub(super) fn is_replaced(&self) -> bool {
        matches!(
            self,
            Self::Cache(cache::Error::Storage(storage::Error::Changed))
        )
    }

    /// A stable word for metrics, logs and Cache-Status.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Path(_) => "bad_path",
            Self::TargetTooLong => "target_too_long",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NoRoute => "no_route",
            Self::Refused { refused, .. } => refused.why.as_str(),
            Self::PreconditionFailed => "precondition_failed",
            Self::RangeNotSatisfiable { .. } => "range_not_satisfiable",
            Self::Cache(error) => error.reason(),
        }
    }

    /// What the client reads. Nothing of the inside: no bucket, no folder, no upstream's words.
    fn text(&self, status: StatusCode) -> String {
        let phrase = || {
            let phrase = status.canonical_reason().unwrap_or_default();
            phrase.to_ascii_lowercase()
        };
        match self {
            Self::Cache(error) => {
                format!("{} {}: {}\n", status.as_u16(), phrase(), error.reason())
            }
            // Why is for whoever runs this: it would tell a thief how close a guess came.
            Self::Refused { told: false, .. } => format!("{} {}\n", status.as_u16(), phrase()),
            own => format!("{} {own}\n", status.as_u16()),
        }
    }
}

fn refused_status(why: Refusal, expired: StatusCode) -> StatusCode {
    use Refusal as R;
    match why {
        R::TokenMissing => StatusCode::UNAUTHORIZED,
        R::TokenExpired => expired,
        R::GeoDenied
        | R::GeoUnknown
        | R::GeoAnonymous
        | R::RightsUnknown
        | R::RightsCountry
        | R::RightsNotYet
        | R::RightsEnded
        | R::RightsDevice
        | R::RightsQuality => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
        R::RequestRate | R::Streams | R::TokenForgeries => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    }
}

/// The answer that says no. `absent` is the Cache-Control of an asset that is not there.
pub(super) fn reply(error: &Error, lookup: &Lookup, absent: &HeaderValue) -> Response {
    let status = error.status();
    let text = error.text(status);
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CONTENT_LENGTH, text.len().into());
    headers.insert(
        CACHE_CONTROL,
        match status {
            StatusCode::NOT_FOUND => absent.clone(),
            // CloudFront keeps an error for ten seconds unless it is told not to.
            _ => HeaderValue::from_static("no-store"),
        },
    );
    if !lookup.age.is_zero() {
        // A remembered absence counts from when storage said so (RFC 9111 §5.1).
        headers.insert(AGE, lookup.age.as_secs().into());
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let reason = match error {
        Error::Refused { told: false, .. } => "refused",
        error => error.reason(),
    };
    if let Ok(value) = HeaderValue::from_str(&cache_status::of(lookup, Some(reason))) {
        headers.insert(cache_status::NAME, value);
    }
    match error {
        Error::MethodNotAllowed => {
            headers.insert(ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
        }
        Error::RangeNotSatisfiable { len } => {
            if let Ok(value) = HeaderValue::from_str(&range::unsatisfied(*len)) {
                headers.insert(CONTENT_RANGE, value);
            }
        }
        Error::Refused { refused, told, .. } => {
            if status == StatusCode::UNAUTHORIZED {
                // RFC 9110 §15.5.2 has it so; browsers ask nobody for a Bearer token.
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            if let Some(wait) = refused.retry_after {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, seconds.max(1).into());
            }
            if *told {
                let why = HeaderValue::from_static(refused.why.as_str());
                headers.insert(debug::ANSWER, why);
            }
        }
        // What follows on this connection may not be what it seems.
        Error::BadRequest(_) => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    Response {
        status,
        headers,
        body: Body::whole(text.into()),
    }
}
