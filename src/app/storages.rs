//! Opens the storages of the configuration.

use std::collections::HashMap;
use std::sync::Arc;

use super::Error;
use crate::cache::StorageId;
use crate::config::{self, Config, StorageKind};
use crate::storage::s3::Timeouts;
use crate::storage::{self, Directory, Memory, S3, S3Options, Storage};
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
        let id = StorageId(
            u16::try_from(index).map_err(|_| Error::Config("more than 65,536 storages".into()))?,
        );
        let bare = match ready_made.remove(name) {
            Some(storage) => storage,
            None => bare(settings).await.map_err(|source| Error::Storage {
                name: name.clone(),
                source,
            })?,
        };
        opened.push(Opened {
            id,
            name: name.clone(),
            probed: bare.clone(),
            served: bare,
        });
    }
    Ok(opened)
}

async fn bare(settings: &config::Storage) -> Result<Arc<dyn Storage>, storage::Error> {
    Ok(match &settings.kind {
        StorageKind::Directory { path } => Arc::new(Directory::open(path)?),
        StorageKind::Memory => Arc::new(Memory::new()),
        StorageKind::S3(s3) => Arc::new(S3::connect(s3_options(s3)).await?),
    })
}

fn s3_options(s3: &config::S3) -> S3Options {
    S3Options {
        bucket: s3.bucket.clone(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        path_style: s3.path_style,
        prefix: Some(s3.prefix.clone()).filter(|prefix| !prefix.is_empty()),
        profile: s3.profile.clone(),
        requester_pays: s3.requester_pays,
        expected_owner: s3.expected_owner.clone(),
        versions: s3.versions,
        absent_on_denied: s3.absent_on_denied,
        timeouts: Timeouts {
            connect: s3.connect_timeout,
            first_byte: s3.first_byte_timeout,
            stall: s3.stall_timeout,
            total: s3.total_timeout,
        },
    }
}
