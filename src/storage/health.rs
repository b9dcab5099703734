//! Whether each storage can serve, asked again and again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{Error, Phase, Storage};

/// Pause between two looks at a storage that is well.
const PAUSE: Duration = Duration::from_secs(10);

/// Pause between two looks at one that is not: whoever mends it wants to see so.
const IMPATIENT_PAUSE: Duration = Duration::from_secs(1);

/// How long a storage may take to say how it is. A folder on a network that hangs never would.
const PATIENCE: Duration = Duration::from_secs(20);

/// The states of every storage. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Vec<Arc<Watched>>>);

#[derive(Debug)]
struct Watched {
    name: String,
    storage: Arc<dyn Storage>,
    report: RwLock<Report>,
}

/// What is known of a storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In a word.
    pub state: State,
    /// What is wrong, where something is.
    pub detail: Option<String>,
}

/// Whether a storage can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not asked yet.
    Starting,
    /// It answers.
    Ready,
    /// It answered before and does not now. What is cached is still served, so that a storage's outage
    /// does not take every replica out of service.
    Degraded,
    /// It cannot work as it is configured, or has never answered.
    Failed,
}

impl Health {
    /// Storages by name, not asked yet.
    pub fn new(storages: impl IntoIterator<Item = (String, Arc<dyn Storage>)>) -> Self {
        Self::default().renewed(storages)
    }

    /// Other storages. What is known of those that stay is not forgotten.
    pub fn renewed(&self, storages: impl IntoIterator<Item = (String, Arc<dyn Storage>)>) -> Self {
        let watched = |(name, storage): (String, Arc<dyn Storage>)| {
            let stays =
                |known: &&Arc<Watched>| known.name == name && Arc::ptr_eq(&known.storage, &storage);
            let stays = self.0.iter().find(stays).cloned();
            stays.unwrap_or_else(|| Arc::new(Watched::new(name, storage)))
        };
        Self(Arc::new(storages.into_iter().map(watched).collect()))
    }

    /// Whether every storage can serve, or could and is expected to again.
    pub fn is_ready(&self) -> bool {
        self.0
            .iter()
            .all(|w| matches!(w.report().state, State::Ready | State::Degraded))
    }

    /// Every storage's name and state, in the order of the configuration.
    pub fn reports(&self) -> impl Iterator<Item = (&str, Report)> {
        self.0
            .iter()
            .map(|watched| (watched.name.as_str(), watched.report()))
    }

    /// When each storage's credentials expire, where they do.
    pub fn credentials_expire(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        let expiry = |w: &'_ Watched| w.storage.credentials_expire();
        self.0
            .iter()
            .filter_map(move |w| Some((w.name.as_str(), expiry(w)?)))
    }

    /// Asks every storage, for ever. `changed` is told of each new state.
    pub async fn watch(self, changed: impl Fn(&str, &Report) + Sync) {
        let each = self.0.iter().map(|watched| watched.keep_asking(&changed));
        futures_util::future::join_all(each).await;
    }
}

impl Watched {
    fn new(name: String, storage: Arc<dyn Storage>) -> Self {
        Self {
            name,
            storage,
            report: RwLock::new(Report {
                state: State::Starting,
                detail: None,
            }),
        }
    }

    async fn keep_asking(&self, changed: &(impl Fn(&str, &Report) + Sync)) {
        loop {
            let before = self.report();
            let now = judge(before.state, self.probe().await);
            if now != before {
                *self.report.write().unwrap_or_else(PoisonError::into_inner) = now.clone();
                changed(&self.name, &now);
            }
            let pause = if now.state == State::Ready {
                PAUSE
            } else {
                IMPATIENT_PAUSE
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn probe(&self) -> Result<(), Error> {
        let limit = PATIENCE;
        let probe = tokio::time::timeout(limit, self.storage.probe()).await;
        probe.unwrap_or(Err(Error::Timeout {
            phase: Phase::Total,
            limit,
        }))
    }

    fn report(&self) -> Report {
        self.report
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The state that follows from a probe. Only an outage of a storage that has answered before is a
/// degradation: what is misconfigured does not mend itself.
fn judge(before: State, probe: Result<(), Error>) -> Report {
    let Err(error) = probe else {
        return Report {
            state: State::Ready,
            detail: None,
        };
    };
    let has_answered = matches!(before, State::Ready | State::Degraded);
    let state = if has_answered && error.is_transient() {
        State::Degraded
    } else {
        State::Failed
    };
    Report {
        state,
        detail: Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_degrades_what_has_answered_and_fails_what_has_not() {
        let outage = || Err(Error::Unavailable("connection refused".into()));
        let state = |before, probe| judge(before, probe).state;
        assert_eq!(state(State::Starting, Ok(())), State::Ready);
        assert_eq!(state(State::Starting, outage()), State::Failed);
        assert_eq!(state(State::Ready, outage()), State::Degraded);
        assert_eq!(state(State::Degraded, outage()), State::Degraded);
        assert_eq!(state(State::Failed, outage()), State::Failed);
        assert_eq!(
            state(State::Ready, Err(Error::Misconfigured("no bucket".into()))),
            State::Failed
        );
        assert_eq!(state(State::Failed, Ok(())), State::Ready);
    }
}
