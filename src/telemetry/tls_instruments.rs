//! `caudal_tls_*` and `caudal_certificate_*`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::handles::{counter, gauge, histogram};

/// Handshakes of one listener.
pub struct HandshakeInstruments {
    listener: String,
    /// Full and resumed, of TLS 1.2 and of 1.3.
    agreed: [[Counter; 2]; 2],
    /// Full or resumed.
    over_quic: Counter,
    seconds: Histogram,
    recorder: Arc<PrometheusRecorder>,
}

impl HandshakeInstruments {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, listener: &str) -> Self {
        let agreed = |version: &str, outcome: &str| {
            counter(recorder, NAME, &labels(listener, version, outcome))
        };
        let both = |version: &str| [agreed(version, "full"), agreed(version, "resumed")];
        let of = [("listener", listener.to_owned())];
        Self {
            agreed: [both("1.2"), both("1.3")],
            over_quic: agreed("1.3", "agreed"),
            seconds: histogram(recorder, "caudal_tls_handshake_seconds", &of),
            listener: listener.to_owned(),
            recorder: recorder.clone(),
        }
    }

    /// Counts a handshake that succeeded.
    pub fn agreed(&self, version: &str, resumed: bool, took: Duration) {
        self.agreed[usize::from(version != "1.2")][usize::from(resumed)].increment(1);
        self.seconds.record(took);
    }

    /// Counts one over QUIC that succeeded: quinn does not tell whether a session was resumed.
    pub fn agreed_on_quic(&self, took: Duration) {
        self.over_quic.increment(1);
        self.seconds.record(took);
    }

    /// Counts one that did not, by a word of a bounded list.
    pub fn failed(&self, why: &'static str) {
        counter(&self.recorder, NAME, &labels(&self.listener, "-", why)).increment(1);
    }
}

impl std::fmt::Debug for HandshakeInstruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HandshakeInstruments({})", self.listener)
    }
}

const NAME: &str = "caudal_tls_handshakes_total";

fn labels(listener: &str, version: &str, outcome: &str) -> [(&'static str, String); 3] {
    [
        ("listener", listener.to_owned()),
        ("version", version.to_owned()),
        ("outcome", outcome.to_owned()),
    ]
}

/// Tells when a certificate ends to be valid.
pub(super) fn certificate_ends(recorder: &PrometheusRecorder, certificate: &str, at: SystemTime) {
    let unix = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    expires(recorder, certificate).set(unix.as_secs_f64());
}

/// Tells that a certificate is in use no more.
pub(super) fn certificate_gone(recorder: &PrometheusRecorder, certificate: &str) {
    expires(recorder, certificate).set(f64::NAN);
}

/// Counts an order of a certificate: whether it came. `None`, that it may be ordered from now on: a counter that begins
/// with 1 has not increased, for Prometheus.
pub(super) fn certificate_order(
    recorder: &PrometheusRecorder,
    certificate: &str,
    came: Option<bool>,
) {
    for (outcome, counts) in [("ordered", true), ("failed", false)] {
        let labels = [
            ("certificate", certificate.to_owned()),
            ("outcome", outcome.to_owned()),
        ];
        let count = u64::from(came == Some(counts));
        counter(recorder, "caudal_certificate_orders_total", &labels).increment(count);
    }
}

fn expires(recorder: &PrometheusRecorder, certificate: &str) -> Gauge {
    let labels = [("certificate", certificate.to_owned())];
    let name = "caudal_certificate_expires_timestamp_seconds";
    gauge(recorder, name, &labels)
}
