//! What is remembered of a request while it is answered: counted and logged when its body ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::{HeaderName, RANGE, USER_AGENT};
use http::{Method, StatusCode, Version};

use super::Parts;
use super::error::Error;
use super::playback::Told;
use super::route::Routed;
use crate::access::prefix;
use crate::cache::{Lookup, Reason};
use crate::exchange::{Body, End, Observer, Request, Response};
use crate::media::Kind;
use crate::telemetry::{Line, RequestInstruments, RequestLabels, StatusClass};

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
    time: SystemTime,
    peer: IpAddr,
    /// Who asked, where the peer only passed it on.
    viewer: IpAddr,
    method: &'static str,
    protocol: &'static str,
    said: Said,
    route: Option<Arc<str>>,
    status: u16,
    reason: Option<&'static str>,
    first_byte: Duration,
    received: Instant,
    kind: Kind,
    lookup: Lookup,
    /// The route's counters.
    counters: Option<Arc<RequestInstruments>>,
    /// What the player says of its playback; on the heap, as most say nothing.
    told: Option<Box<Told>>,
    parts: Arc<Parts>,
    ended: bool,
}

impl Record {
    pub(super) fn begin(request: &Request, parts: &Arc<Parts>) -> Self {
        parts.instruments.requests.begin();
        Self {
            time: SystemTime::now(),
            peer: request.peer.addr.ip(),
            viewer: request.peer.addr.ip(),
            method: method(&request.method),
            protocol: protocol(request.version),
            said: Said::of(request),
            route: None,
            status: CLIENT_LEFT,
            reason: None,
            first_byte: Duration::ZERO,
            received: request.received,
            kind: Kind::Other,
            lookup: Lookup::BYPASS,
            counters: None,
            told: None,
            parts: parts.clone(),
            ended: false,
        }
    }

    pub(super) fn routed(&mut self, routed: &Routed) {
        self.route = Some(routed.route.clone());
        self.kind = routed.kind;
        self.counters = Some(routed.instruments.clone());
    }

    pub(super) fn seen(&mut self, viewer: IpAddr) {
        self.viewer = viewer;
    }

    /// The viewer is let in: what its player says counts.
    pub(super) fn told(&mut self, request: &Request) {
        let sessions = self.parts.sessions.as_ref();
        let told = sessions.and_then(|sessions| Told::of(request, self.kind, sessions));
        self.told = told.map(Box::new);
    }

    /// When the request came, in seconds of Unix time.
    pub(super) fn unix(&self) -> i64 {
        let unix = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(unix.as_secs()).unwrap_or(i64::MAX)
    }

    pub(super) fn found(&mut self, lookup: Lookup) {
        self.lookup = lookup;
    }

    /// The request is refused. What is our fault is told to whoever runs this, in the storage's own words.
    pub(super) fn refused(&mut self, error: &Error, status: StatusCode) {
        self.reason = Some(error.reason());
        if status.is_server_error()
            && let Some(held_back) = self.parts.instruments.warnings.pass()
        {
            let status = status.as_u16();
            let path = self.said.path();
            tracing::warn!(path, status, %error, held_back, "request failed");
        }
    }

    fn counters(&self) -> &RequestInstruments {
        self.counters.as_ref().unwrap_or(&self.parts.unrouted)
    }

    pub(super) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// The head is ready: the rest is counted when the body ends.
    pub(super) fn finish(mut self, mut answer: Response) -> Response {
        self.first_byte = self.received.elapsed();
        self.status = answer.status.as_u16();
        let cache = self.lookup.status;
        self.counters()
            .first_byte((cache as usize, cache.as_str()), self.first_byte);
        let instruments = &self.parts.instruments;
        instruments.requests.looked_up(cache.is_hit());
        if let Some(reason) = self.lookup.reason {
            instruments.cache.miss(reason.as_str());
        }
        if self.lookup.collapsed {
            instruments.requests.coalesced();
        }
        let mut body = std::mem::replace(&mut answer.body, Body::empty());
        if self.method == "HEAD" {
            // Errors have a text, which HEAD does without.
            body = Body::empty();
        }
        answer.body = body.observed_by(Box::new(self));
        answer
    }

    /// Who asks for what is not there is no player, or nothing plays.
    fn count_playback(&self, class: StatusClass, end: End, after: Duration) {
        let (Some(told), Some(sessions)) = (&self.told, &self.parts.sessions) else {
            return;
        };
        let is_answered = matches!(class, StatusClass::Success | StatusClass::Redirection);
        if is_answered || class == StatusClass::ServerError {
            let arrived = is_answered && end == End::Complete;
            let playback = self.counters().playback();
            told.count(playback, sessions, arrived, self.received + after);
        }
    }

    fn end(&mut self, end: End, sent: u64) {
        self.ended = true;
        let duration = self.received.elapsed();
        let lookup = &self.lookup;
        let (cut_by, broken) = match end {
            End::Complete => (None, None),
            End::Abandoned => (Some("client"), None),
            End::Broken(reason) => (Some("storage"), Some(reason)),
        };
        let labels = RequestLabels {
            kind: (self.kind as usize, self.kind.as_str()),
            class: StatusClass::of(self.status),
            cache: (lookup.status as usize, lookup.status.as_str()),
        };
        self.counters().end(labels, sent, duration);
        self.count_playback(labels.class, end, duration);
        let failed = labels.class == StatusClass::ServerError || broken.is_some();
        self.parts.instruments.requests.end(sent, failed);
        self.parts.access_log.write(&Line {
            time: self.time,
            peer: self.peer,
            viewer: self.viewer,
            method: self.method,
            path: self.said.path(),
            protocol: self.protocol,
            status: self.status,
            route: self.route.as_deref().unwrap_or(UNROUTED),
            kind: labels.kind.1,
            cache: labels.cache.1,
            reason: broken.or(self.reason).or(lookup.reason.map(Reason::as_str)),
            range: self.said.range(),
            bytes: sent,
            first_byte: self.first_byte,
            duration,
            cut_by,
            user_agent: self.said.user_agent(),
            cdn_request_id: self.said.cdn_request_id(),
        });
    }
}

/// What the log keeps of a request's own words: shortened, in one piece.
struct Said {
    text: Box<str>,
    /// Where the path, the range, the user agent and the CDN's id end, in that order. Who said nothing of one has it
    /// empty.
    ends: [u16; 4],
}

impl Said {
    fn of(request: &Request) -> Self {
        let header = |name| {
            let value = request
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok());
            shortened(value.unwrap_or_default(), LONGEST_VALUE)
        };
        let path = prefix::hidden(request.uri.path());
        let parts = [
            shortened(&path, LONGEST_PATH),
            header(RANGE),
            header(USER_AGENT),
            header(CLOUDFRONT_ID),
        ];
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let ends = parts.map(|part| {
            text.push_str(part);
            // 2 KiB and three times 256 bytes at most.
            text.len() as u16
        });
        Self {
            text: text.into(),
            ends,
        }
    }

    fn path(&self) -> &str {
        &self.text[..usize::from(self.ends[0])]
    }

    fn range(&self) -> Option<&str> {
        self.part(1)
    }

    fn user_agent(&self) -> Option<&str> {
        self.part(2)
    }

    fn cdn_request_id(&self) -> Option<&str> {
        self.part(3)
    }

    fn part(&self, place: usize) -> Option<&str> {
        let (start, end) = (self.ends[place - 1], self.ends[place]);
        (start < end).then(|| &self.text[usize::from(start)..usize::from(end)])
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

fn shortened(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
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
            peer: Peer::plain(([127, 0, 0, 1], 9).into()),
            received: Instant::now(),
        }
    }

    #[test]
    fn what_was_said_is_kept_apart() {
        let mut asked = request("GET", "/a.m4s?token=secret");
        assert_eq!(Said::of(&asked).path(), "/a.m4s");
        let carried = request("GET", "/~secret/a.m4s");
        assert_eq!(Said::of(&carried).path(), "/~/a.m4s");
        assert_eq!(Said::of(&asked).range(), None);
        let id = http::HeaderValue::from_static("abc==");
        asked.headers.insert(CLOUDFRONT_ID, id);
        let long = http::HeaderValue::from_str(&"r".repeat(300)).unwrap();
        asked.headers.insert(RANGE, long);
        let said = Said::of(&asked);
        assert_eq!(said.range().unwrap().len(), LONGEST_VALUE);
        assert_eq!(
            (said.user_agent(), said.cdn_request_id()),
            (None, Some("abc=="))
        );
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
    }
}
