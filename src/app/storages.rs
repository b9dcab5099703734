//! Opens the storages of the configuration.

use std::collections::HashMap;
use std::sync::Arc;

use super::Error;
use crate::cache::StorageId;
use crate::config::{self, Config, StorageKind};
use crate::storage::{self, Directory, Memory, Storage};
use crate::telemetry::Instruments;

/// A storage in its three roles.
pub(super) struct Opened {
    pub(super) id: StorageId,
    pub(super) name: String,
    /// What readiness asks: the bare storage, so that a probe neither waits for viewers nor counts as one.
    pub(super) probed: Arc<dyn Storage>,
    /// What the cache reads from: observed, limited, retried.
    pub(super) served: Arc<dyn Storage>,
}

pub(super) async fn open(
    config: &Config,
    mut ready_made: HashMap<String, Arc<dyn Storage>>,
    _instruments: &Instruments,
) -> Result<Vec<Opened>, Error> {
    let mut opened = Vec::new();
    for (index, (name, settings)) in config.storage.iter().enumerate() {
        let id = StorageId(u16::try_from(index).map_err(|_| Error::Config("more than 65,536 storages".into()))?);
        let bare = match ready_made.remove(name) {
            Some(storage) => storage,
            None => bare(settings)
                .await
                .map_err(|source| Error::Storage { name: name.clone(), source })?,
        };
        opened.push(Opened { id, name: name.clone(), probed: bare.clone(), served: bare });
    }
    Ok(opened)
}

async fn bare(settings: &config::Storage) -> Result<Arc<dyn Storage>, storage::Error> {
    Ok(match &settings.kind {
        StorageKind::Directory { path } => Arc::new(Directory::open(path)?),
        StorageKind::Memory => Arc::new(Memory::new()),
        StorageKind::S3(_) => todo!(),
    })
}
