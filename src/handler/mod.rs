//! Answers one request. Read [`Handler::handle`] first: it is the whole pipeline, in order.

use std::sync::Arc;

use crate::cache::{self, First};
use crate::delivery::{Ask, Content, Delivery};
use crate::exchange::{Answer, Body, Request, Response};
use crate::storage;
use crate::telemetry::{AccessLog, Instruments};

mod admit;
mod body;
mod cache_status;
mod conditional;
mod cors;
mod encoding;
mod error;
mod multipart;
mod range;
mod record;
mod reply;
mod route;

pub use cors::Cors;
pub use reply::CacheControl;
pub use route::{Route, Routes};

use conditional::Verdict;
use error::Error;
use record::Record;

/// Answers viewers' requests. Cheap to clone: every connection has one.
#[derive(Debug, Clone)]
pub struct Handler(Arc<Parts>);

/// What a handler is made of.
#[derive(Debug)]
pub struct Parts {
    /// Paths to assets.
    pub routes: Routes,
    /// Assets to bytes.
    pub delivery: Delivery,
    /// What browsers of other origins may do.
    pub cors: Cors,
    /// What caches on the way are told.
    pub cache_control: CacheControl,
    /// One line a request.
    pub access_log: AccessLog,
    /// What is counted.
    pub instruments: Arc<Instruments>,
}

/// How often a request starts over because the object was replaced before its first byte was sent.
const RESTARTS: usize = 2;

impl Handler {
    /// A handler of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Answers a request: admit → route → open → conditional → range → reply; whatever the answer, CORS is
    /// added and its body is recorded to the end.
    pub async fn handle(&self, request: Request) -> Response {
        let mut record = Record::begin(&request, &self.0);
        let mut answer = match self.story(&request, &mut record).await {
            Ok(response) => response,
            Err(error) => {
                let refusal = error::reply(&error, record.lookup());
                record.refused(&error, refusal.status);
                refusal
            }
        };
        self.0.cors.allow(&mut answer.headers);
        record.finish(answer)
    }

    async fn story(&self, request: &Request, record: &mut Record) -> Result<Response, Error> {
        let method = admit::admit(request)?;
        let routed = self.0.routes.find(request.uri.path())?;
        record.routed(&routed);
        if method == admit::Method::Options {
            return Ok(cors::preflight(&self.0.cors));
        }
        let asked = range::Asked::of(request, method);
        let mut starts = 0;
        loop {
            let ask = Ask {
                asset: routed.asset.clone(),
                first: if routed.kind.compressible() {
                    First::From(0)
                } else {
                    asked.first()
                },
                // A range is over the stored bytes: a part of a compressed variant helps nobody.
                gzip: !asked.is_range() && encoding::accepts_gzip(&request.headers),
            };
            let content = self
                .0
                .delivery
                .open(ask)
                .await
                .inspect_err(|f| record.found(f.lookup))?;
            record.found(content.lookup);
            match self.reply(request, &asked, content, record).await {
                Err(Error::Cache(cache::Error::Storage(storage::Error::Changed)))
                    if starts < RESTARTS =>
                {
                    starts += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn reply(
        &self,
        request: &Request,
        asked: &range::Asked,
        mut content: Content,
        record: &mut Record,
    ) -> Result<Response, Error> {
        let head = reply::Head::of(&content, &self.0.cache_control);
        match conditional::judge(&request.headers, &content) {
            Verdict::NotModified => return Ok(head.not_modified(&content)),
            Verdict::PreconditionFailed => return Err(Error::PreconditionFailed),
            Verdict::Proceed => {}
        }
        let selection = asked.select(&request.headers, &content)?;
        let body = if asked.is_head() {
            Body::empty()
        } else {
            body::of(&mut content, &selection).await?
        };
        record.found(content.lookup);
        Ok(head.with(&selection, &content, body))
    }
}

impl Answer for Handler {
    async fn answer(&self, request: Request) -> Response {
        self.handle(request).await
    }
}
