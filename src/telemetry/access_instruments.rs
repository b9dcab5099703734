//! What is counted of decisions about access.

use std::sync::{Arc, OnceLock};

use metrics::Counter;
use metrics_exporter_prometheus::PrometheusRecorder;

use super::handles::{counter, gauge};
use super::request_instruments::Word;

/// Room for every outcome: granted, and every refusal.
const OUTCOMES: usize = 40;

/// `caudal_access_decisions_total` of one policy. Series appear once something is counted in them.
pub struct AccessInstruments {
    recorder: Arc<PrometheusRecorder>,
    policy: String,
    outcomes: [OnceLock<Counter>; OUTCOMES],
}

impl AccessInstruments {
    pub(super) fn new(recorder: Arc<PrometheusRecorder>, policy: &str) -> Self {
        Self {
            recorder,
            policy: policy.to_owned(),
            outcomes: [const { OnceLock::new() }; OUTCOMES],
        }
    }

    /// Counts one decision.
    pub fn decided(&self, (place, outcome): Word) {
        let make = || {
            let labels = [
                ("access", self.policy.clone()),
                ("outcome", outcome.to_owned()),
            ];
            counter(&self.recorder, "caudal_access_decisions_total", &labels)
        };
        match self.outcomes.get(place) {
            Some(known) => known.get_or_init(make).increment(1),
            None => make().increment(1),
        }
    }
}

impl std::fmt::Debug for AccessInstruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessInstruments({})", self.policy)
    }
}

/// What is read again while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// Keys, lists and databases of access.
    Access,
    /// Certificates and their keys.
    Tls,
    /// The configuration.
    Config,
}

impl Loaded {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Access => (
                "caudal_access_loads_total",
                "caudal_access_loaded_timestamp_seconds",
            ),
            Self::Tls => (
                "caudal_tls_loads_total",
                "caudal_tls_loaded_timestamp_seconds",
            ),
            Self::Config => (
                "caudal_config_loads_total",
                "caudal_config_loaded_timestamp_seconds",
            ),
        }
    }
}

/// `caudal_*_load*`: whether it could be read when it changed.
pub struct LoadInstruments {
    /// Loads that succeeded.
    pub loaded: Counter,
    /// Loads that failed; what was loaded before goes on.
    pub failed: Counter,
    /// When the last one succeeded, in seconds of Unix time.
    pub at: metrics::Gauge,
}

impl LoadInstruments {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, what: Loaded) -> Self {
        let (loads_total, loaded_at) = what.names();
        let loads = |outcome: &str| {
            let labels = [("outcome", outcome.to_owned())];
            counter(recorder, loads_total, &labels)
        };
        Self {
            loaded: loads("loaded"),
            failed: loads("failed"),
            at: gauge(recorder, loaded_at, &[]),
        }
    }
}

impl std::fmt::Debug for LoadInstruments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoadInstruments")
    }
}
