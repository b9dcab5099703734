//! Opens the storages of the configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use crate::cache::StorageId;
use crate::config::{self, Config, StorageKind};
use crate::storage::observe::{Observe, Observed, Operation};
use crate::storage::s3::Timeouts;
use crate::storage::{self, Directory, Limit, Memory, Retry, S3, S3Options, Storage, retry};
use crate::telemetry::{Instruments, StorageInstruments};

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
    instruments: &Instruments,
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
        let served = decorate(bare.clone(), settings, instruments.storage(name));
        opened.push(Opened {
            id,
            name: name.clone(),
            probed: bare.clone(),
            served,
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

/// What every storage gets on top: a cap on requests under way, whose wait is part of an attempt; a count of
/// each attempt; and another attempt where one failed for a passing cause.
fn decorate(
    bare: Arc<dyn Storage>,
    settings: &config::Storage,
    instruments: StorageInstruments,
) -> Arc<dyn Storage> {
    let meter = Arc::new(Meter(instruments));
    let limited = Arc::new(Limit::new(bare, settings.max_concurrent, LIMIT_WAIT));
    let observed = Arc::new(Observed::new(limited, meter.clone()));
    let policy = retry::Policy {
        attempts: settings.attempts,
        ..retry::Policy::default()
    };
    Arc::new(Retry::new(observed, policy, meter))
}

/// How long a request waits for one of `max_concurrent` places.
const LIMIT_WAIT: Duration = Duration::from_secs(2);

/// Counts what a storage does.
#[derive(Debug)]
struct Meter(StorageInstruments);

impl Observe for Meter {
    fn answered(&self, _: Operation, after: Duration) {
        self.0.request("ok");
        self.0.first_byte.record(after.as_secs_f64());
    }

    fn failed(&self, _: Operation, error: &storage::Error) {
        self.0.request(error.reason());
    }

    fn received(&self, bytes: u64) {
        self.0.bytes.increment(bytes);
    }

    fn retried(&self, _: &storage::Error) {
        self.0.retries.increment(1);
    }
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
        keys: None,
        timeouts: Timeouts {
            connect: s3.connect_timeout,
            first_byte: s3.first_byte_timeout,
            stall: s3.stall_timeout,
            total: s3.total_timeout,
        },
    }
}
