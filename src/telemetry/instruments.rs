//! Every metric: its name, its labels, its description. Nothing else in the crate names a metric.
//!
//! Labels are bounded: a route, a kind, a status class, a reason; never a path or a viewer. Handles are
//! made once and kept, so that a request costs a few atomic additions and no look-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::descriptions::describe;
use super::handles::{counter, gauge, histogram};
use super::playback_instruments;
use super::tls_instruments::{certificate_ends, certificate_gone, certificate_order};
use super::{
    AccessInstruments, HandshakeInstruments, Level, LoadInstruments, Loaded, RequestInstruments,
    Seldom, Tally, Totals,
};

/// Upper bounds of the duration histograms, in seconds: from a memory hit to CloudFront's patience of 30 s.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Where the handles come from. One per process in production, one per server in tests.
pub struct Instruments {
    recorder: Arc<PrometheusRecorder>,
    exporter: PrometheusHandle,
    /// All requests together.
    pub requests: Totals,
    /// Cache and fills.
    pub cache: CacheInstruments,
    /// Connections.
    pub transport: TransportInstruments,
    /// Holds back warnings of failed requests.
    pub warnings: Seldom,
    /// Access-log lines dropped as the writer could not keep up.
    pub log_dropped: Counter,
    /// Processes that were to take over and did not.
    pub upgrades_failed: Counter,
}

/// `caudal_cache_*` and `caudal_fill*`.
pub struct CacheInstruments {
    /// Blocks evicted for room.
    pub evictions: Tally,
    /// Fills that have ended, however they did.
    pub fills: AtomicU64,
    /// Broken bodies read on from the watermark.
    pub fill_resumes: Counter,
    /// Fills running now.
    pub fills_in_flight: Level,
    /// Bytes charged to blocks.
    pub bytes: Gauge,
    /// The budget for them.
    pub budget: Gauge,
    /// The part of `bytes` in the arena.
    pub arena: Gauge,
    /// Full blocks held.
    pub blocks: Gauge,
    /// Versions known.
    pub versions: Gauge,
    recorder: Arc<PrometheusRecorder>,
}

/// `caudal_connections_*`.
pub struct TransportInstruments {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections open now.
    pub open: Level,
    /// How many may be.
    pub limit: Gauge,
    recorder: Arc<PrometheusRecorder>,
}

/// `caudal_storage_*` of one storage.
pub struct StorageInstruments {
    /// Retries of failed requests.
    pub retries: Counter,
    /// Bytes received.
    pub bytes: Counter,
    /// From the request to the head of its answer.
    pub first_byte: Histogram,
    storage: Arc<str>,
    recorder: Arc<PrometheusRecorder>,
}

impl Default for Instruments {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Instruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Instruments")
    }
}

impl Instruments {
    /// A registry of its own.
    pub fn new() -> Self {
        let mut builder = PrometheusBuilder::new();
        let all = (Matcher::Suffix("_seconds".into()), &SECONDS[..]);
        let some = playback_instruments::BOUNDS.map(|(name, of)| (Matcher::Full(name.into()), of));
        // A full name outranks a suffix.
        for (which, bounds) in some.into_iter().chain([all]) {
            builder = builder
                .set_buckets_for_metric(which, bounds)
                .expect("no list of bounds is empty");
        }
        let recorder = Arc::new(builder.build_recorder());
        describe(&recorder);
        let build = [("version", env!("CARGO_PKG_VERSION").to_owned())];
        gauge(&recorder, "caudal_build_info", &build).set(1.0);
        Self {
            exporter: recorder.handle(),
            requests: Totals::new(&recorder),
            cache: CacheInstruments::new(&recorder),
            transport: TransportInstruments {
                accepted: counter(&recorder, "caudal_connections_total", &[]),
                open: Level::new(gauge(&recorder, "caudal_connections_open", &[])),
                limit: gauge(&recorder, "caudal_connections_limit", &[]),
                recorder: recorder.clone(),
            },
            warnings: Seldom::new(Duration::from_secs(1)),
            log_dropped: counter(&recorder, "caudal_access_log_dropped_total", &[]),
            upgrades_failed: counter(&recorder, "caudal_upgrades_failed_total", &[]),
            recorder,
        }
    }

    /// Everything, in the Prometheus text format.
    pub fn render(&self) -> String {
        metrics::with_local_recorder(&*self.recorder, || {
            metrics_process::Collector::default().collect();
        });
        self.exporter.render()
    }

    /// Folds recorded samples into the histograms. Without it they pile up until the next scrape.
    pub fn upkeep(&self) {
        self.exporter.run_upkeep();
    }

    /// The handles of one route.
    pub fn route(&self, route: &str) -> RequestInstruments {
        RequestInstruments::new(self.recorder.clone(), route)
    }

    /// The handles of one policy's decisions.
    pub fn access(&self, policy: &str) -> AccessInstruments {
        AccessInstruments::new(self.recorder.clone(), policy)
    }

    /// The handles of what is read again while the server runs.
    pub fn loads(&self, what: Loaded) -> LoadInstruments {
        LoadInstruments::new(&self.recorder, what)
    }

    /// Tells that a certificate is in use no more.
    pub fn certificate_gone(&self, certificate: &str) {
        certificate_gone(&self.recorder, certificate);
    }

    /// The handles of one listener's handshakes.
    pub fn handshakes(&self, listener: &str) -> HandshakeInstruments {
        HandshakeInstruments::new(&self.recorder, listener)
    }

    /// Counts an order of a certificate: whether it came; `None` before the first.
    pub fn certificate_order(&self, certificate: &str, came: Option<bool>) {
        certificate_order(&self.recorder, certificate, came);
    }

    /// Tells when a certificate ends to be valid.
    pub fn certificate_ends(&self, certificate: &str, at: SystemTime) {
        certificate_ends(&self.recorder, certificate, at);
    }

    /// The handles of one storage.
    pub fn storage(&self, storage: &str) -> StorageInstruments {
        let labels = [("storage", storage.to_owned())];
        StorageInstruments {
            retries: counter(&self.recorder, "caudal_storage_retries_total", &labels),
            bytes: counter(
                &self.recorder,
                "caudal_storage_received_bytes_total",
                &labels,
            ),
            first_byte: histogram(&self.recorder, "caudal_storage_first_byte_seconds", &labels),
            storage: storage.into(),
            recorder: self.recorder.clone(),
        }
    }

    /// When a storage's credentials expire, in seconds of Unix time.
    pub fn credentials_expire(&self, storage: &str) -> Gauge {
        let name = "caudal_storage_credentials_expire_timestamp_seconds";
        gauge(&self.recorder, name, &[("storage", storage.to_owned())])
    }

    /// Whether a storage is ready (1) or not (0).
    pub fn storage_ready(&self, storage: &str) -> Gauge {
        gauge(
            &self.recorder,
            "caudal_storage_ready",
            &[("storage", storage.to_owned())],
        )
    }
}

impl CacheInstruments {
    fn new(recorder: &Arc<PrometheusRecorder>) -> Self {
        Self {
            evictions: Tally::new(counter(recorder, "caudal_cache_evictions_total", &[])),
            fills: AtomicU64::new(0),
            fill_resumes: counter(recorder, "caudal_fill_resumes_total", &[]),
            fills_in_flight: Level::new(gauge(recorder, "caudal_fills_in_flight", &[])),
            bytes: gauge(recorder, "caudal_cache_bytes", &[]),
            budget: gauge(recorder, "caudal_cache_budget_bytes", &[]),
            arena: gauge(recorder, "caudal_cache_arena_bytes", &[]),
            blocks: gauge(recorder, "caudal_cache_blocks", &[]),
            versions: gauge(recorder, "caudal_cache_versions", &[]),
            recorder: recorder.clone(),
        }
    }

    /// Counts a fill by how it ended: `full`, or the reason it did not get there.
    pub fn fill(&self, outcome: &'static str) {
        self.fills.fetch_add(1, Ordering::Relaxed);
        counter(
            &self.recorder,
            "caudal_fills_total",
            &[("outcome", outcome.to_owned())],
        )
        .increment(1);
    }

    /// Counts an answer that needed storage, by why it did.
    pub fn miss(&self, reason: &'static str) {
        counter(
            &self.recorder,
            "caudal_cache_misses_total",
            &[("reason", reason.to_owned())],
        )
        .increment(1);
    }
}

impl TransportInstruments {
    /// Counts a connection that ended early.
    pub fn closed(&self, reason: &'static str) {
        counter(
            &self.recorder,
            "caudal_connections_closed_total",
            &[("reason", reason.to_owned())],
        )
        .increment(1);
    }
}

impl StorageInstruments {
    /// Counts a request by how it ended: `ok`, or the error's word.
    pub fn request(&self, outcome: &'static str) {
        let labels = [
            ("storage", self.storage.to_string()),
            ("outcome", outcome.to_owned()),
        ];
        counter(&self.recorder, "caudal_storage_requests_total", &labels).increment(1);
    }
}

impl std::fmt::Debug for StorageInstruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StorageInstruments({})", self.storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_rendered_with_its_description() {
        let instruments = Instruments::new();
        instruments.cache.fill("full");
        instruments.storage("media").request("ok");
        let text = instruments.render();
        assert!(
            text.contains("# HELP caudal_fills_total Fills, by how they ended."),
            "{text}"
        );
        assert!(
            text.contains("caudal_fills_total{outcome=\"full\"} 1"),
            "{text}"
        );
        assert!(text.contains("caudal_storage_requests_total{storage=\"media\",outcome=\"ok\"} 1"));
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
        assert!(text.contains("caudal_build_info{version="));
    }

    #[test]
    fn what_players_say_has_bounds_of_its_own() {
        let instruments = Instruments::new();
        instruments
            .route("/")
            .playback()
            .started(Duration::from_millis(1900));
        let text = instruments.render();
        for (bound, count) in [("1.5", 0), ("2", 1)] {
            let series = "caudal_cmcd_startup_seconds_bucket{route=\"/\"";
            let line = format!("{series},le=\"{bound}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
}
