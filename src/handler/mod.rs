//! Answers one request. Read [`Handler::handle`] first: it is the whole pipeline, in order.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::access::Gate;
use crate::delivery::Delivery;
use crate::exchange::{Answer, Body, Request, Response};
use crate::telemetry::{AccessLog, Instruments, RequestInstruments};

mod admit;
mod body;
mod cache_status;
mod conditional;
mod cors;
mod encoding;
mod entity;
mod error;
mod grant;
mod multipart;
mod playback;
mod range;
mod record;
mod reply;
mod route;

pub use cors::Cors;
pub use playback::Sessions;
pub use reply::CacheControl;
pub use route::{Route, Routes};

use conditional::Verdict;
use error::Error;
use grant::{Leave, Visit};
use range::Asked;
use record::Record;
use reply::Head;
use route::Routed;

/// Answers viewers' requests. Cheap to clone: every connection has one.
#[derive(Debug, Clone)]
pub struct Handler(Arc<ArcSwap<Parts>>);

/// What a handler is made of.
#[derive(Debug)]
pub struct Parts {
    /// Paths to assets, for every listener.
    pub routes: Vec<Routes>,
    /// Counts requests that match none.
    pub unrouted: Arc<RequestInstruments>,
    /// Who may see what. Swapped as a whole when a file or a secret of it changes.
    pub gate: Arc<ArcSwap<Gate>>,
    /// Assets to bytes.
    pub delivery: Arc<Delivery>,
    /// What browsers of other origins may do.
    pub cors: Cors,
    /// What caches on the way are told.
    pub cache_control: CacheControl,
    /// One line a request.
    pub access_log: AccessLog,
    /// What is counted.
    pub instruments: Arc<Instruments>,
    /// Where what players say of their playback is counted as well: their sessions.
    pub sessions: Option<Arc<Sessions>>,
}

/// How often a request starts over because the object was replaced before its first byte was sent.
const RESTARTS: usize = 2;

impl Handler {
    /// A handler of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(parts)))
    }

    /// From the next request on, these parts. Requests under way end with those they began with.
    pub fn renew(&self, parts: Parts) {
        self.0.store(Arc::new(parts));
    }

    /// Whether that peer's word about the viewer is taken.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.0.load().gate.load().identify.trusted.contains(peer)
    }

    /// Answers a request: admit → route → grant → open → conditional → range → reply; whatever the answer, CORS is
    /// added and its body is recorded to the end.
    pub async fn handle(&self, request: Request) -> Response {
        let parts = self.0.load_full();
        let mut record = Record::begin(&request, &parts);
        let mut answer = match parts.story(&request, &mut record).await {
            Ok(response) => response,
            Err(error) => {
                let refusal = error::reply(&error, record.lookup(), &parts.cache_control.absent);
                record.refused(&error, refusal.status);
                refusal
            }
        };
        parts.cors.allow(&mut answer.headers);
        record.finish(answer)
    }
}

impl Parts {
    /// The routes of the listener that a request came to.
    fn routes_of(&self, request: &Request) -> &Routes {
        &self.routes[request.peer.listener]
    }

    async fn story(&self, request: &Request, record: &mut Record) -> Result<Response, Error> {
        let method = admit::admit(request)?;
        let routed = self.routes_of(request).find(request.uri.path())?;
        record.routed(&routed);
        if method == admit::Method::Options {
            return Ok(cors::preflight(&self.cors));
        }
        let leave = self.grant(request, &routed, record).await?;
        record.told(request);
        let asked = Asked::of(request, method);
        let mut answer = self.attempt(request, &routed, &asked, record).await;
        for _ in 0..RESTARTS {
            // Replaced before its first byte was sent: nobody has seen the old version yet.
            if !matches!(&answer, Err(error) if error.is_replaced()) {
                break;
            }
            answer = self.attempt(request, &routed, &asked, record).await;
        }
        let mut answer = leave.mark(answer?);
        reply::prioritise(&mut answer.headers, request.version, routed.kind);
        Ok(answer)
    }

    /// What the route's policy says to this viewer. A route without one lets everybody in.
    async fn grant(
        &self,
        request: &Request,
        routed: &Routed,
        record: &mut Record,
    ) -> Result<Leave, Error> {
        let gate = self.gate.load_full();
        let seen = gate.see(request.peer.addr.ip(), &request.headers);
        record.seen(seen.viewer.ip);
        if routed.policy.is_none() {
            return Ok(Leave::default());
        }
        let now = record.unix();
        let visit = Visit {
            request,
            routed,
            now,
        };
        visit.decide(&gate, &seen).await
    }

    /// open → conditional → range → reply, of the version that is there now.
    async fn attempt(
        &self,
        request: &Request,
        routed: &Routed,
        asked: &Asked,
        record: &mut Record,
    ) -> Result<Response, Error> {
        let opened = self.delivery.open(asked.of_asset(routed)).await;
        let mut content = opened.inspect_err(|failure| record.found(failure.lookup))?;
        record.found(content.lookup);
        let head = Head::of(&content, &self.cache_control);
        match conditional::judge(&request.headers, &content) {
            Verdict::NotModified => return Ok(head.not_modified(&content)),
            Verdict::PreconditionFailed => return Err(Error::PreconditionFailed),
            Verdict::Proceed => {}
        }
        let selection = asked.select(&request.headers, &content)?;
        let body = match asked.is_head() {
            true => Ok(Body::empty()),
            false => body::of(&mut content, &selection).await,
        };
        record.found(content.lookup);
        Ok(head.with(&selection, &content, body?))
    }
}

impl Answer for Handler {
    async fn answer(&self, request: Request) -> Response {
        self.handle(request).await
    }
}
