//! What is counted of each request, by route.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::handles::{counter, gauge, histogram};
use super::{Level, PlaybackInstruments, Tally};

/// Most words a label may have here. A table of handles is indexed by the words' places.
const MOST_WORDS: usize = 8;

/// The handles of one route. Series appear once something is counted in them.
pub struct RequestInstruments {
    recorder: Arc<PrometheusRecorder>,
    route: String,
    requests: Vec<OnceLock<Counter>>,
    sent: Vec<OnceLock<Counter>>,
    duration: Vec<OnceLock<Histogram>>,
    first_byte: Vec<OnceLock<Histogram>>,
    playback: OnceLock<PlaybackInstruments>,
}

/// What is counted of all requests, without labels, for `/status`.
pub struct Totals {
    in_flight: Level,
    total: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    coalesced: Tally,
    errors: AtomicU64,
    bytes_out: AtomicU64,
}

/// [`Totals`] at one moment.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Counts {
    /// Requests whose body has ended.
    pub total: u64,
    /// Answers that waited for nobody.
    pub hits: u64,
    /// Answers that waited for storage.
    pub misses: u64,
    /// Answers that followed another request's storage read.
    pub coalesced: u64,
    /// 5xx, and bodies that broke off on our account.
    pub errors: u64,
    /// Body bytes handed to connections.
    pub bytes_out: u64,
    /// Requests whose body has not ended.
    pub in_flight: u64,
}

/// A label's word, and its place among the words it may be.
pub type Word = (usize, &'static str);

/// What a finished request is counted under.
#[derive(Debug, Clone, Copy)]
pub struct RequestLabels {
    /// The kind of asset.
    pub kind: Word,
    /// 2xx, 3xx, …
    pub class: StatusClass,
    /// How the cache came by it.
    pub cache: Word,
}

/// The first digit of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusClass {
    /// 1xx and 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
}

impl StatusClass {
    /// The class of a status code.
    pub fn of(status: u16) -> Self {
        match status {
            ..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

impl RequestInstruments {
    pub(super) fn new(recorder: Arc<PrometheusRecorder>, route: &str) -> Self {
        Self {
            recorder,
            route: route.to_owned(),
            requests: slots(MOST_WORDS * MOST_WORDS * 4),
            sent: slots(MOST_WORDS),
            duration: slots(MOST_WORDS),
            first_byte: slots(MOST_WORDS),
            playback: OnceLock::new(),
        }
    }

    /// Its head is ready to be sent.
    pub fn first_byte(&self, cache: Word, after: Duration) {
        let slot = &self.first_byte[cache.0];
        let histogram = slot.get_or_init(|| {
            let labels = [("route", self.route.clone()), ("cache", cache.1.to_owned())];
            histogram(&self.recorder, "caudal_first_byte_seconds", &labels)
        });
        histogram.record(after.as_secs_f64());
    }

    /// What players say of their playback from this route.
    pub fn playback(&self) -> &PlaybackInstruments {
        self.playback
            .get_or_init(|| PlaybackInstruments::new(&self.recorder, &self.route))
    }

    /// Its body has ended, one way or another.
    pub fn end(&self, labels: RequestLabels, sent: u64, after: Duration) {
        let (kind, cache) = (labels.kind, labels.cache);
        let slot = (kind.0 * MOST_WORDS + cache.0) * 4 + labels.class as usize;
        let by_kind = || [("route", self.route.clone()), ("kind", kind.1.to_owned())];
        self.requests[slot]
            .get_or_init(|| {
                let [route, kind] = by_kind();
                let class = ("status", labels.class.as_str().to_owned());
                let labels = [route, kind, class, ("cache", cache.1.to_owned())];
                counter(&self.recorder, "caudal_requests_total", &labels)
            })
            .increment(1);
        self.sent[kind.0]
            .get_or_init(|| counter(&self.recorder, "caudal_sent_bytes_total", &by_kind()))
            .increment(sent);
        self.duration[kind.0]
            .get_or_init(|| {
                histogram(
                    &self.recorder,
                    "caudal_request_duration_seconds",
                    &by_kind(),
                )
            })
            .record(after.as_secs_f64());
    }
}

impl Totals {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        Self {
            in_flight: Level::new(gauge(recorder, "caudal_requests_in_flight", &[])),
            total: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            coalesced: Tally::new(counter(recorder, "caudal_cache_coalesced_total", &[])),
            errors: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }

    /// A request has begun.
    pub fn begin(&self) {
        self.in_flight.up();
    }

    /// The cache was asked; `hit` is whether the viewer waited for nobody.
    pub fn looked_up(&self, hit: Option<bool>) {
        match hit {
            Some(true) => self.hits.fetch_add(1, Relaxed),
            Some(false) => self.misses.fetch_add(1, Relaxed),
            None => 0,
        };
    }

    /// The request followed another one's storage read.
    pub fn coalesced(&self) {
        self.coalesced.add(1);
    }

    /// The request has ended. `failed` is whether that is on our account.
    pub fn end(&self, sent: u64, failed: bool) {
        self.in_flight.down();
        self.total.fetch_add(1, Relaxed);
        self.bytes_out.fetch_add(sent, Relaxed);
        self.errors.fetch_add(u64::from(failed), Relaxed);
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        Counts {
            total: self.total.load(Relaxed),
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            coalesced: self.coalesced.get(),
            errors: self.errors.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            in_flight: self.in_flight.get(),
        }
    }
}

impl std::fmt::Debug for RequestInstruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestInstruments({})", self.route)
    }
}

fn slots<T>(count: usize) -> Vec<OnceLock<T>> {
    std::iter::repeat_with(OnceLock::new).take(count).collect()
}
