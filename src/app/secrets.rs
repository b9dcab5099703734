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
    /// Whether any has changed that was not told of yet.
    changed: bool,
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
            changed: false,
        }
    }

    /// Reads all of them, and says whether any has changed since this was said last. One that changed while another could
    /// not be had is told of once all can.
    ///
    /// # Errors
    /// The key that refers to one that cannot be had.
    pub(in crate::app) async fn read(&mut self) -> Result<bool, String> {
        let mut problem = None;
        for (key, reference) in self.references.clone() {
            match self.resolve(&reference).await {
                Ok(None) => {}
                Ok(Some(secret)) => {
                    let before = self.read.get(&reference).map(Fingerprint::of);
                    self.changed |= before != Some(Fingerprint::of(&secret));
                    self.read.insert(reference, secret);
                }
                // The others are read all the same: one must not keep another from being rotated.
                Err(error) => problem = Some(format!("{key}: {error}")),
            }
        }
        match problem {
            None => Ok(std::mem::take(&mut self.changed)),
            Some(problem) => Err(problem),
        }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_change_is_told_of_though_another_secret_could_not_be_read_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        let reference = |path: &std::path::Path| {
            let written = format!("file:{}", path.display());
            (written.clone(), Reference::parse(&written).unwrap())
        };
        let references = vec![reference(&first), reference(&second)];
        let mut secrets = Secrets::new(references, None, Duration::ZERO);
        fs::write(&first, "old").unwrap();
        fs::write(&second, "same").unwrap();
        assert_eq!(secrets.read().await, Ok(true));
        fs::write(&first, "new").unwrap();
        fs::remove_file(&second).unwrap();
        assert!(secrets.read().await.is_err());
        fs::write(&second, "same").unwrap();
        assert_eq!(secrets.read().await, Ok(true));
        assert_eq!(secrets.read().await, Ok(false));
    }
}
