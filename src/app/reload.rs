//! A new configuration while the server runs: all of it, or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::Error;
use super::generation::{Current, Generation, House};
use super::storages::Storages;
use crate::admin::Admin;
use crate::config::Config;
use crate::handler::Handler;
use crate::telemetry::{Instruments, Loaded};

/// Reads the configuration again from where it was read at start. Its error is for people.
pub type Reread = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// Takes new configurations into use.
pub(super) struct Reloader {
    pub(super) house: House,
    pub(super) handler: Handler,
    pub(super) admin: Admin,
    /// Held while another is made: one at a time.
    pub(super) current: Mutex<Current>,
    pub(super) reread: Option<Reread>,
}

impl Reloader {
    /// Reads the configuration again and takes it into use. Requests under way end as they began; everything cached
    /// is kept.
    ///
    /// # Errors
    /// What is wrong with it. What was in use before goes on.
    pub(super) async fn reload(&self) -> Result<(), String> {
        let mut current = self.current.lock().await;
        let loads = self.house.instruments.loads(Loaded::Config);
        match self.next(&current).await {
            Ok(next) => {
                let next = next.succeed(&self.house, &self.handler, &self.admin);
                forget(&current.config, &next.config, &self.house.instruments);
                *current = next;
                loads.loaded.increment(1);
                tracing::info!("a new configuration is in use");
                Ok(())
            }
            Err(problem) => {
                loads.failed.increment(1);
                tracing::error!(%problem, "the configuration before goes on");
                Err(problem)
            }
        }
    }

    async fn next(&self, current: &Current) -> Result<Generation, String> {
        let Some(reread) = &self.reread else {
            return Err("this server has no configuration to read again".to_owned());
        };
        let config = reread()?;
        let fixed = current.config.fixed_changes(&config);
        if !fixed.is_empty() {
            return Err(format!(
                "{} changes with a restart only: put back what was there, or restart",
                fixed.join(", ")
            ));
        }
        self.make(&config, current)
            .await
            .map_err(|error| error.to_string())
    }

    async fn make(&self, config: &Config, current: &Current) -> Result<Generation, Error> {
        let instruments = &self.house.instruments;
        let before = &current.storages;
        let storages = Storages::open(config, before, HashMap::new(), instruments).await?;
        Generation::make(&self.house, config, storages, Some(current)).await
    }
}

/// What is gone tells nothing any more: no number is true of it, and none may keep an alert alive.
fn forget(before: &Config, after: &Config, instruments: &Instruments) {
    let gone = |name: &&String| !after.storage.contains_key(*name);
    for name in before.storage.keys().filter(gone) {
        instruments.storage_ready(name).set(f64::NAN);
        instruments.credentials_expire(name).set(f64::NAN);
    }
    let gone = |name: &&String| !after.certificate.contains_key(*name);
    for name in before.certificate.keys().filter(gone) {
        instruments.certificate_gone(name);
    }
}
