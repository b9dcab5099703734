//! One exchange: hyper's request in, hyper's response out. A request's body is nobody's business.

use std::pin::pin;
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use super::Limits;
use super::busy::Answering;
use crate::exchange::{Answer, Body, Peer, Request, Response};

/// A request's body is read and thrown away up to here; past it the connection is closed after the answer.
const BODY_CAP: u64 = 64 * 1024;

/// What is asked of a request. A copy for each, as all cores share what it is taken from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    body_timeout: Duration,
    header_count: usize,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            body_timeout: limits.body_timeout,
            header_count: limits.header_count,
        }
    }
}

/// One exchange: head in, answer out.
pub(super) async fn exchange<A: Answer>(
    request: hyper::Request<Incoming>,
    peer: Peer,
    answer: A,
    bounds: Bounds,
    answering: Answering,
) -> hyper::Response<Body> {
    let received = Instant::now();
    let (parts, body) = request.into_parts();
    let fate = if body.is_end_stream() {
        Fate::Whole
    } else {
        discard(body, bounds.body_timeout).await
    };
    let mut response = match fate {
        Fate::Malformed => refusal(StatusCode::BAD_REQUEST, "the body's framing is broken"),
        // hyper counts them for HTTP/1 alone.
        _ if parts.headers.len() > bounds.header_count => {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            refusal(status, "there are too many header fields")
        }
        _ => {
            let request = Request {
                method: parts.method,
                uri: parts.uri,
                version: parts.version,
                headers: parts.headers,
                peer,
                received,
            };
            answer.answer(request).await
        }
    };
    let is_last = fate != Fate::Whole || answering.is_last();
    if is_last && parts.version < http::Version::HTTP_2 {
        response
            .headers
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut head = hyper::Response::new(response.body.held_with(Box::new(answering)));
    *head.status_mut() = response.status;
    *head.headers_mut() = response.headers;
    head
}

/// What became of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Read to its end, or there was none.
    Whole,
    /// Too long or too slow: the connection is closed after the answer.
    Cut,
    /// Its framing is broken: what follows is not a request.
    Malformed,
}

/// Reads a body and throws it away. It is never taken for the next request.
async fn discard(body: Incoming, patience: Duration) -> Fate {
    let mut body = pin!(body);
    let mut seen = 0;
    let read = async {
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let Ok(frame) = frame else {
                return Fate::Malformed;
            };
            seen += frame.data_ref().map_or(0, |data| data.len() as u64);
            if seen > BODY_CAP {
                return Fate::Cut;
            }
        }
        Fate::Whole
    };
    tokio::time::timeout(patience, read)
        .await
        .unwrap_or(Fate::Cut)
}

/// What the transport itself answers.
pub(super) fn refusal(status: StatusCode, why: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or_default().to_lowercase();
    Response {
        status,
        headers: http::HeaderMap::new(),
        body: Body::whole(format!("{} {reason}: {why}\n", status.as_u16()).into()),
    }
}
