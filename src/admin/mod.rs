//! The private listener: what operators and their tools ask. Nothing here is for viewers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;

use crate::cache::Cache;
use crate::exchange::{Answer, Body, Request, Response};
use crate::storage::Health;
use crate::storage::health::Report;
use crate::telemetry::{Counts, Instruments};

use certificates::Ends;

mod certificates;
mod player;

pub use certificates::Certificates;

/// Answers operators. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin(Arc<Parts>);

/// Reads the configuration again; says what is wrong with it, where it cannot be used.
#[derive(Clone)]
pub struct Reload(Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>);

impl Reload {
    /// By this function.
    pub fn new(
        reload: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(reload))
    }
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}

#[derive(Debug)]
struct Parts {
    health: ArcSwap<Health>,
    cache: Arc<Cache>,
    instruments: Arc<Instruments>,
    certificates: Certificates,
    demo: Option<Demo>,
    reload: OnceLock<Reload>,
    started: Instant,
    leaving: AtomicBool,
}

/// Where the demo title plays, for the player page.
#[derive(Debug, Clone, Serialize)]
pub struct Demo {
    /// URL of the multivariant playlist.
    pub hls: String,
    /// URL of the MPD.
    pub dash: String,
}

/// `/status`: one look at the server, for people and for the player page.
#[derive(Debug, Serialize)]
struct Status<'a> {
    name: &'static str,
    version: &'static str,
    uptime_seconds: f64,
    ready: bool,
    requests: Counts,
    cache: CacheStatus,
    storage: BTreeMap<&'a str, Report>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    certificates: BTreeMap<String, Ends>,
    connections: Connections,
    #[serde(skip_serializing_if = "Option::is_none")]
    demo: Option<&'a Demo>,
}

#[derive(Debug, Serialize)]
struct CacheStatus {
    memory_bytes: u64,
    memory_budget_bytes: u64,
    arena_bytes: u64,
    blocks: u64,
    versions: u64,
    blocks_in_flight: u64,
    fills_total: u64,
    fills_in_flight: u64,
    evictions_total: u64,
}

#[derive(Debug, Serialize)]
struct Connections {
    open: u64,
}

const INDEX: &str = "caudal admin\n\n\
    /metrics  for Prometheus\n\
    /livez    200 while the process runs\n\
    /readyz   200 while it should get traffic, else 503 and why\n\
    /status   one look, as JSON\n\
    /reload   POST: reads the configuration again, as SIGHUP does\n\
    /player/  plays a title: /player/?src=URL of a playlist or MPD\n";

impl Admin {
    /// An admin plane over these.
    pub fn new(
        health: Health,
        cache: Arc<Cache>,
        instruments: Arc<Instruments>,
        certificates: Certificates,
        demo: Option<Demo>,
    ) -> Self {
        let leaving = AtomicBool::new(false);
        Self(Arc::new(Parts {
            health: ArcSwap::from_pointee(health),
            cache,
            instruments,
            certificates,
            demo,
            reload: OnceLock::new(),
            started: Instant::now(),
            leaving,
        }))
    }

    /// From now on `/readyz` says no: the process is about to stop.
    pub fn leave(&self) {
        self.0.leaving.store(true, Ordering::Relaxed);
    }

    /// From now on tells of other storages.
    pub fn renew(&self, health: Health) {
        self.0.health.store(Arc::new(health));
    }

    /// What `POST /reload` does.
    pub fn reloads_by(&self, reload: Reload) {
        let _ = self.0.reload.set(reload);
    }

    /// Whether `/readyz` says so.
    pub fn is_ready(&self) -> bool {
        !self.0.leaving.load(Ordering::Relaxed) && self.0.health.load().is_ready()
    }

    fn find(&self, request: &Request) -> Response {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n");
            response
                .headers
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri.path() {
            "/" => text(StatusCode::OK, INDEX),
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readiness(),
            "/status" => self.status(),
            "/metrics" => self.metrics(),
            "/player" => moved("/player/"),
            path => match path.strip_prefix("/player/").and_then(player::file) {
                Some(response) => response,
                None => text(StatusCode::NOT_FOUND, format!("nothing is here\n\n{INDEX}")),
            },
        }
    }

    async fn reload(&self, request: &Request) -> Response {
        if request.method != Method::POST {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use POST\n");
            response
                .headers
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let Some(reload) = self.0.reload.get() else {
            return text(
                StatusCode::NOT_FOUND,
                "this server has no configuration to read again\n",
            );
        };
        match (reload.0)().await {
            Ok(()) => text(StatusCode::OK, "the new configuration is in use\n"),
            Err(problem) => {
                let told = format!("the configuration before goes on: {problem}\n");
                text(StatusCode::UNPROCESSABLE_ENTITY, told)
            }
        }
    }

    fn metrics(&self) -> Response {
        let usage = self.0.cache.usage();
        let gauges = &self.0.instruments.cache;
        // A gauge is a float; no budget is near 2⁵³ bytes.
        gauges.bytes.set(usage.memory as f64);
        gauges.budget.set(usage.memory_budget as f64);
        gauges.arena.set(usage.arena as f64);
        gauges.blocks.set(usage.blocks as f64);
        gauges.versions.set(usage.versions as f64);
        let text = self.0.instruments.render();
        of_type("text/plain; version=0.0.4; charset=utf-8", text)
    }

    /// What `/readyz` says, on one line.
    pub fn why_not_ready(&self) -> String {
        self.told().trim_end().replace('\n', "; ")
    }

    fn readiness(&self) -> Response {
        let status = if self.is_ready() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        text(status, self.told())
    }

    /// Whether traffic should come, and what an operator should look at.
    fn told(&self) -> String {
        let mut body = String::from(if self.is_ready() {
            "ready\n"
        } else {
            "not ready\n"
        });
        if self.0.leaving.load(Ordering::Relaxed) {
            body.push_str("the process is stopping\n");
        }
        for (name, Report { state, detail }) in self.0.health.load().reports() {
            let state = format!("{state:?}").to_ascii_lowercase();
            let detail = detail
                .map(|detail| format!(": {detail}"))
                .unwrap_or_default();
            body.push_str(&format!("storage {name}: {state}{detail}\n"));
        }
        body.push_str(&self.0.certificates.warnings(SystemTime::now()));
        body
    }

    fn status(&self) -> Response {
        let Parts {
            cache,
            instruments,
            certificates,
            demo,
            started,
            ..
        } = &*self.0;
        let (usage, health) = (cache.usage(), self.0.health.load());
        let status = Status {
            name: "caudal",
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: started.elapsed().as_secs_f64(),
            ready: self.is_ready(),
            requests: instruments.requests.counts(),
            cache: CacheStatus {
                memory_bytes: usage.memory,
                memory_budget_bytes: usage.memory_budget,
                arena_bytes: usage.arena,
                blocks: usage.blocks,
                versions: usage.versions,
                blocks_in_flight: usage.blocks_in_flight,
                fills_total: instruments.cache.fills.load(Ordering::Relaxed),
                fills_in_flight: instruments.cache.fills_in_flight.get(),
                evictions_total: instruments.cache.evictions.get(),
            },
            storage: health.reports().collect(),
            certificates: certificates.ends(),
            connections: Connections {
                open: instruments.transport.open.get(),
            },
            demo: demo.as_ref(),
        };
        // Numbers and strings always serialise.
        of_type(
            "application/json",
            serde_json::to_string(&status).unwrap_or_default(),
        )
    }
}

impl Answer for Admin {
    async fn answer(&self, request: Request) -> Response {
        let mut response = match request.uri.path() {
            "/reload" => self.reload(&request).await,
            _ => self.find(&request),
        };
        response
            .headers
            .insert(CONTENT_LENGTH, response.body.left().into());
        response
            .headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        if request.method == Method::HEAD {
            response.body = Body::empty();
        }
        response
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    Response {
        status,
        ..of_type("text/plain; charset=utf-8", body.into())
    }
}

fn moved(to: &'static str) -> Response {
    let mut response = text(StatusCode::PERMANENT_REDIRECT, "");
    response
        .headers
        .insert(LOCATION, HeaderValue::from_static(to));
    response
}

fn of_type(media_type: &'static str, body: impl Into<bytes::Bytes>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    Response {
        status: StatusCode::OK,
        headers,
        body: Body::whole(body.into()),
    }
}
