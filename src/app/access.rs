//! What access is decided by: read from files, the environment and other services, made into a gate, and made anew when
//! any of it changes. Start at [`Loader::load`] and [`Loader::watch`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::Error;
use super::again::{Again, looks};
use super::files::Files;
use super::secrets::Secrets;
use crate::access::Gate;
use crate::access::limits::Limits;
use crate::config::secret::Reference;
use crate::config::{self, Config, Key};
use crate::remote::{Remote, SecretsManager};
use crate::telemetry::LoadInstruments;

mod build;
mod formats;
mod published;
mod sign;

pub(crate) use sign::{Signer, Wanted};

pub(super) use build::Kept;
use published::Published;

/// Reads and reads again. What is remembered between two gates is here; a gate remembers nothing.
pub(super) struct Loader {
    config: Arc<Config>,
    secrets: Secrets,
    files: Files,
    published: Published,
    kept: Kept,
    /// Something changed that no gate has been made of yet.
    is_stale: bool,
    gate: Arc<ArcSwap<Gate>>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loader")
    }
}

impl Loader {
    /// A loader, and the gate that it will keep up to date.
    ///
    /// # Errors
    /// Where anything that the configuration names cannot be had, or is wrong: at start nothing is let through on a
    /// guess.
    pub(super) async fn load(config: &Config, before: Option<&Kept>) -> Result<Self, Error> {
        let config = Arc::new(config.clone());
        let remote = Remote::new;
        let remote = match needs_remote(&config) {
            true => Some(remote().map_err(|error| Error::Config(error.to_string()))?),
            false => None,
        };
        let manager = remote.clone().map(SecretsManager::new);
        let mut loader = Self {
            secrets: Secrets::new(references(&config), manager, config.viewer.reload_remote),
            files: Files::default(),
            published: Published::new(&config, remote),
            kept: Kept::new(&config, before).map_err(Error::Config)?,
            is_stale: false,
            gate: Arc::default(),
            config,
        };
        loader.secrets.read().await.map_err(Error::Config)?;
        loader.published.fetch(Instant::now()).await;
        let gate = loader.build().map_err(Error::Config)?;
        loader.gate.store(Arc::new(gate));
        Ok(loader)
    }

    /// The gate as it is now, and as it will be.
    pub(super) fn gate(&self) -> Arc<ArcSwap<Gate>> {
        self.gate.clone()
    }

    /// What a loader for the next configuration goes on with.
    pub(super) fn kept(&self) -> Kept {
        self.kept.clone()
    }

    fn build(&mut self) -> Result<Gate, String> {
        let Self {
            config,
            secrets,
            files,
            published,
            kept,
            ..
        } = self;
        build::gate(config, secrets, files, published, kept)
    }

    /// Looks for changes for as long as the process runs. A change that cannot be used is told once; what was loaded
    /// before goes on, for a list that is being written must not lock everybody out.
    pub(super) async fn watch(mut self, instruments: LoadInstruments) {
        let mut again = Again::new(
            instruments,
            [
                "keys, lists and databases of access were loaded again",
                "access goes on with what was loaded before",
            ],
        );
        let mut looks = looks(self.config.viewer.reload);
        loop {
            looks.tick().await;
            self.kept.upkeep(unix_now());
            let fetched = self.published.fetch(Instant::now()).await;
            again.failed(fetched.failures);
            // Another generation: nothing that an old key verified is believed.
            self.is_stale |= fetched.changed;
            again.went(self.refresh().await);
        }
    }

    /// Makes a new gate if anything has changed, and says whether it did.
    async fn refresh(&mut self) -> Result<bool, String> {
        let secrets_changed = self.secrets.read().await?;
        let files_changed = self.files.have_changed();
        if !secrets_changed && !files_changed && !self.is_stale {
            return Ok(false);
        }
        // Until it succeeds it is tried again, though nothing changes any more.
        self.is_stale = true;
        let gate = self.build()?;
        self.gate.store(Arc::new(gate));
        self.is_stale = false;
        Ok(true)
    }
}

/// Limits count on while gates come and go.
type Counts = BTreeMap<String, (config::Limits, Arc<dyn Limits>)>;

fn needs_remote(config: &Config) -> bool {
    let jwks = config.token.values().any(|token| match &token.format {
        crate::config::TokenFormat::Jwt(jwt) => jwt.jwks.is_some(),
        _ => false,
    });
    jwks || references(config)
        .iter()
        .any(|(_, reference)| reference.secrets_manager().is_some())
}

/// Every secret of a key, and the key of the configuration that says where it is.
fn references(config: &Config) -> Vec<(String, Reference)> {
    let of_key = |(name, key): (&String, &Key)| {
        let secret = (format!("key.{name}.secret"), key.secret.clone());
        let private = key.private.clone();
        let private = private.map(|private| (format!("key.{name}.private"), private));
        [Some(secret), private].into_iter().flatten()
    };
    config.key.iter().flat_map(of_key).collect()
}

fn unix_now() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(unix.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
