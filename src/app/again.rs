//! What is loaded again while the server runs: when, and what is told of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Interval, MissedTickBehavior};

use crate::telemetry::LoadInstruments;

/// Tells how loads went.
pub(super) struct Again {
    loads: LoadInstruments,
    /// What is said of one that went well, and of one that did not.
    words: [&'static str; 2],
    /// The problem that was told last.
    told: String,
}

impl Again {
    /// Everything has just been loaded for the first time.
    pub(super) fn new(loads: LoadInstruments, words: [&'static str; 2]) -> Self {
        let again = Self {
            loads,
            words,
            told: String::new(),
        };
        again.now();
        again
    }

    /// Counts failures of parts, which stop nothing.
    pub(super) fn failed(&self, times: u64) {
        self.loads.failed.increment(times);
    }

    /// Tells how one went, of a problem once, and says whether anything new is in use.
    pub(super) fn went(&mut self, outcome: Result<bool, String>) -> bool {
        let [loaded, failed] = self.words;
        match outcome {
            Ok(changed) => {
                self.told.clear();
                if changed {
                    self.loads.loaded.increment(1);
                    self.now();
                    tracing::info!("{loaded}");
                }
                changed
            }
            Err(problem) => {
                self.loads.failed.increment(1);
                if self.told != problem {
                    tracing::error!(%problem, "{failed}");
                    self.told = problem;
                }
                false
            }
        }
    }

    fn now(&self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        self.loads.at.set(unix.unwrap_or_default().as_secs_f64());
    }
}

/// Looks for changes every so often; the first look is a while from now.
pub(super) fn looks(every: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
