//! What is remembered of a request while it is answered: counted and logged when its body ends.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::{HeaderName, RANGE, USER_AGENT};
use http::{HeaderMap, Method, StatusCode, Version};

use super::Parts;
use super::error::Error;
use super::route::Routed;
use crate::cache::{Lookup, Reason};
use crate::exchange::{Body, End, Observer, Request, Response};
use crate::media::Kind;
use crate::telemetry::{
    AccessLog, Instruments, Line, RequestInstruments, RequestLabels, StatusClass,
};

/// CloudFront's id of a request: the key to its own logs.
const CLOUDFRONT_ID: HeaderName = HeaderName::from_static("x-amz-cf-id");

/// Longest header value kept in the log, in bytes.
const LONGEST_VALUE: usize = 256;

/// Longest path kept in the log, in bytes.
const LONGEST_PATH: usize = 2048;

/// Logged where the client left before there was an answer. Never sent; nginx made the number known.
const CLIENT_LEFT: u16 = 499;

/// Ends when it is dropped, whatever became of the request: with its body, or before there was one.
pub(super) struct Record {
    line: Line,
    received: Instant,
    kind: Kind,
    lookup: Lookup,
    counters: Arc<RequestInstruments>,
    instruments: Arc<Instruments>,
    log: AccessLog,
    ended: bool,
}

impl Record {
    pub(super) fn begin(request: &Request, parts: &Parts) -> Self {
        parts.instruments.requests.begin();
        let line = Line {
            time: SystemTime::now(),
            peer: request.peer.addr.ip(),
            method: method(&request.method),
            path: shortened(request.uri.path(), LONGEST_PATH),
            protocol: protocol(request.version),
            status: CLIENT_LEFT,
            route: UNROUTED.into(),
            range: header(&request.headers, &RANGE),
            user_agent: header(&request.headers, &USER_AGENT),
            cdn_request_id: header(&request.headers, &CLOUDFRONT_ID),
            ..Line::default()
        };
        Self {
            line,
            received: request.received,
            kind: Kind::Other,
            lookup: Lookup::BYPASS,
            counters: parts.routes.unrouted().clone(),
            instruments: parts.instruments.clone(),
            log: parts.access_log.clone(),
            ended: false,
        }
    }

    pub(super) fn routed(&mut self, routed: &Routed) {
        self.line.route = routed.route.clone();
        self.kind = routed.kind;
        self.counters = routed.instruments.clone();
    }

    pub(super) fn found(&mut self, lookup: Lookup) {
        self.lookup = lookup;
    }

    /// The request is refused. What is our fault is told to whoever runs this, in the storage's own words.
    pub(super) fn refused(&mut self, error: &Error, status: StatusCode) {
        self.line.reason = Some(error.reason());
        if status.is_server_error()
            && let Some(held_back) = self.instruments.warnings.pass()
        {
            let status = status.as_u16();
            tracing::warn!(path = self.line.path, status, %error, held_back, "request failed");
        }
    }

    pub(super) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// The head is ready: the rest is counted when the body ends.
    pub(super) fn finish(mut self, mut answer: Response) -> Response {
        self.line.first_byte = self.received.elapsed();
        self.line.status = answer.status.as_u16();
        let cache = self.lookup.status;
        self.counters
            .first_byte((cache as usize, cache.as_str()), self.line.first_byte);
        self.instruments.requests.looked_up(cache.is_hit());
        if let Some(reason) = self.lookup.reason {
            self.instruments.cache.miss(reason.as_str());
        }
        if self.lookup.collapsed {
            self.instruments.requests.coalesced();
        }
        let mut body = std::mem::replace(&mut answer.body, Body::empty());
        if self.line.method == "HEAD" {
            // Errors have a text, which HEAD does without.
            body = Body::empty();
        }
        answer.body = body.observed_by(Box::new(self));
        answer
    }

    fn end(&mut self, end: End, sent: u64) {
        self.ended = true;
        let mut line = std::mem::take(&mut self.line);
        line.bytes = sent;
        line.duration = self.received.elapsed();
        line.kind = self.kind.as_str();
        line.cache = self.lookup.status.as_str();
        line.reason = line.reason.or(self.lookup.reason.map(Reason::as_str));
        match end {
            End::Complete => {}
            End::Abandoned => line.cut_by = Some("client"),
            End::Broken(reason) => (line.cut_by, line.reason) = (Some("storage"), Some(reason)),
        }
        let labels = RequestLabels {
            kind: (self.kind as usize, self.kind.as_str()),
            class: StatusClass::of(line.status),
            cache: (self.lookup.status as usize, self.lookup.status.as_str()),
        };
        self.counters.end(labels, sent, line.duration);
        let failed = labels.class == StatusClass::ServerError || matches!(end, End::Broken(_));
        self.instruments.requests.end(sent, failed);
        self.log.write(line);
    }
}

impl Observer for Record {
    fn ended(mut self: Box<Self>, end: End, sent: u64) {
        self.end(end, sent);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.end(End::Abandoned, 0);
        }
    }
}

/// The route's name where none matched.
const UNROUTED: &str = "-";

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/0.9",
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(shortened(headers.get(name)?.to_str().ok()?, LONGEST_VALUE))
}

fn shortened(text: &str, longest: usize) -> String {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::exchange::Peer;

    pub(in crate::handler) fn request(method: &str, target: &str) -> Request {
        Request {
            method: method.parse().unwrap(),
            uri: target.parse().unwrap(),
            version: Version::HTTP_11,
            headers: [(
                http::header::HOST,
                http::HeaderValue::from_static("caudal.example"),
            )]
            .into_iter()
            .collect(),
            peer: Peer {
                addr: ([127, 0, 0, 1], 9).into(),
            },
            received: Instant::now(),
        }
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
    }
}
