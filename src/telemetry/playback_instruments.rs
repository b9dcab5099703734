//! What players say of their playback (CMCD), by route.

use std::time::Duration;

use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::handles::{counter, histogram};

const STARTUP: &str = "caudal_cmcd_startup_seconds";
const BUFFER: &str = "caudal_cmcd_buffer_seconds";
const THROUGHPUT: &str = "caudal_cmcd_throughput_bits_per_second";
const BITRATE: &str = "caudal_cmcd_bitrate_bits_per_second";

/// Upper bounds of each histogram.
pub(super) const BOUNDS: [(&str, &[f64]); 4] = [
    // Viewers begin to leave after two seconds; closest around it.
    (
        STARTUP,
        &[
            0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0,
        ],
    ),
    // An empty buffer, one or two segments, what players aim at, a film fetched ahead.
    (
        BUFFER,
        &[
            0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0,
        ],
    ),
    // Powers of two, from a bad mobile network to a data centre.
    (
        THROUGHPUT,
        &[
            250e3, 500e3, 1e6, 2e6, 4e6, 8e6, 16e6, 32e6, 64e6, 128e6, 256e6, 512e6, 1e9,
        ],
    ),
    // The rungs of usual ladders, from 240p to what 8K takes.
    (
        BITRATE,
        &[
            200e3, 400e3, 700e3, 1e6, 1.5e6, 2e6, 3e6, 4.5e6, 6e6, 8e6, 12e6, 16e6, 25e6, 50e6,
            100e6,
        ],
    ),
];

/// `caudal_cmcd_*` of one route.
pub struct PlaybackInstruments {
    requests: Counter,
    starved: Counter,
    startup: Histogram,
    buffer: Histogram,
    throughput: Histogram,
    bitrate: Histogram,
}

impl PlaybackInstruments {
    pub(super) fn new(recorder: &PrometheusRecorder, route: &str) -> Self {
        let labels = [("route", route.to_owned())];
        Self {
            requests: counter(recorder, "caudal_cmcd_requests_total", &labels),
            starved: counter(recorder, "caudal_cmcd_starved_total", &labels),
            startup: histogram(recorder, STARTUP, &labels),
            buffer: histogram(recorder, BUFFER, &labels),
            throughput: histogram(recorder, THROUGHPUT, &labels),
            bitrate: histogram(recorder, BITRATE, &labels),
        }
    }

    /// A request said something; `starved` is whether its player had run out of data before.
    pub fn request(&self, starved: bool) {
        self.requests.increment(1);
        self.starved.increment(u64::from(starved));
    }

    /// A session has its first media, so long after it began.
    pub fn started(&self, after: Duration) {
        self.startup.record(after.as_secs_f64());
    }

    /// So much was buffered.
    pub fn buffer(&self, buffer: Duration) {
        self.buffer.record(buffer.as_secs_f64());
    }

    /// The throughput that a player measures, in bit/s.
    pub fn throughput(&self, rate: u64) {
        // Nothing that is believed comes near 2⁵³.
        self.throughput.record(rate as f64);
    }

    /// The bitrate of the picture that a player asks for, in bit/s.
    pub fn bitrate(&self, rate: u64) {
        self.bitrate.record(rate as f64);
    }
}
