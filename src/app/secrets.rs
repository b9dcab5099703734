//! The secrets that a part of the configuration refers to, as they were read last.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::secret::{Fingerprint, Reference, Secret};
use crate::remote::SecretsManager;

/// All of them.
pub(in crate::app) struct Secrets {
    references: Vec<(String, Reference)>,
    read: HashMap<Reference, Secret>,
    /// When those that are kept elsewhere were asked for.
    asked: HashMap<Reference, Instant>,
    manager: Option<SecretsManager>,
    /// How long those are believed.
    believed: Duration,
}

impl Secrets {
    /// Those of `references`, each with the key of the configuration that names it; what Secrets Manager keeps is asked
    /// for again when it was `believed` for so long.
    pub(in crate::app) fn new(
        references: Vec<(String, Reference)>,
        manager: Option<SecretsManager>,
        believed: Duration,
    ) -> Self {
        Self {
            references,
            read: HashMap::new(),
            asked: HashMap::new(),
            manager,
            believed,
        }
    }

    /// Reads all of them, and says whether any has changed.
    ///
    /// # Errors
    /// The key that refers to one that cannot be had.
    pub(in crate::app) async fn read(&mut self) -> Result<bool, String> {
        let mut changed = false;
        let mut problem = None;
        for (key, reference) in self.references.clone() {
            match self.resolve(&reference).await {
                Ok(None) => {}
                Ok(Some(secret)) => {
                    let before = self.read.get(&reference).map(Fingerprint::of);
                    changed |= before != Some(Fingerprint::of(&secret));
                    self.read.insert(reference, secret);
                }
                // The others are read all the same: one must not keep another from being rotated.
                Err(error) => problem = Some(format!("{key}: {error}")),
            }
        }
        problem.map_or(Ok(changed), Err)
    }

    /// The secret, or `None` where what was read before still counts.
    async fn resolve(&mut self, reference: &Reference) -> Result<Option<Secret>, String> {
        let (Some(id), Some(manager)) = (reference.secrets_manager(), &self.manager) else {
            let secret = reference.resolve(|name| std::env::var(name).ok());
            return secret.map(Some).map_err(|error| error.to_string());
        };
        let asked = self.asked.get(reference);
        if asked.is_some_and(|asked| asked.elapsed() < self.believed) {
            return Ok(None);
        }
        let secret = manager.get(id).await?;
        self.asked.insert(reference.clone(), Instant::now());
        Ok(Some(secret))
    }

    /// The secret at a reference of the configuration.
    pub(in crate::app) fn of(&self, reference: &Reference) -> Result<&Secret, String> {
        let secret = self.read.get(reference);
        secret.ok_or_else(|| format!("the secret at {reference} was not read"))
    }
}
