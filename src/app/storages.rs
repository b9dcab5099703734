//! Opens the storages of the configuration.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Error;
use crate::cache::StorageId;
use crate::config::{self, Config, StorageKind};
use crate::storage::observe::{Observe, Observed, Operation};
use crate::storage::s3::Timeouts;
use crate::storage::{self, Directory, Limit, Memory, Retry, S3, S3Options, Storage, retry};
use crate::telemetry::{Instruments, StorageInstruments};

/// A storage that is open.
#[derive(Clone)]
struct Opened {
    id: StorageId,
    settings: config::Storage,
    /// What readiness asks: the bare storage, so that a probe neither waits for viewers nor counts as one.
    probed: Arc<dyn Storage>,
}

/// Every storage of a configuration.
#[derive(Clone, Default)]
pub(super) struct Storages {
    by_name: BTreeMap<String, Opened>,
    /// What the cache reads from, observed, limited, retried: every storage there ever was, by its id, for
    /// what is cached of one must not be taken for another's.
    table: Vec<Arc<dyn Storage>>,
}

impl Storages {
    /// Those of a configuration: ready-made ones, those of `before` that stay as they are, and the rest opened. One
    /// that goes on to mean the same place keeps its id, and so all that is cached of it.
    ///
    /// # Errors
    /// Where one cannot be opened.
    pub(super) async fn open(
        config: &Config,
        before: &Self,
        mut ready_made: HashMap<String, Arc<dyn Storage>>,
        instruments: &Instruments,
    ) -> Result<Self, Error> {
        let mut all = Self {
            by_name: BTreeMap::new(),
            table: before.table.clone(),
        };
        for (name, settings) in &config.storage {
            let known = before.by_name.get(name);
            let known = known.filter(|known| same_place(&known.settings, settings));
            if let Some(known) = known.filter(|known| known.settings == *settings) {
                all.by_name.insert(name.clone(), known.clone());
                continue;
            }
            let same_kind = known.filter(|known| known.settings.kind == settings.kind);
            let bare = match (ready_made.remove(name), same_kind) {
                (Some(storage), _) => storage,
                (None, Some(known)) => known.probed.clone(),
                (None, None) => bare(settings).await.map_err(|source| Error::Storage {
                    name: name.clone(),
                    source,
                })?,
            };
            let served = decorate(bare.clone(), settings, instruments.storage(name));
            let id = match known {
                Some(known) => known.id,
                None => all.next_id()?,
            };
            match all.table.get_mut(usize::from(id.0)) {
                Some(place) => *place = served,
                None => all.table.push(served),
            }
            let opened = Opened {
                id,
                settings: settings.clone(),
                probed: bare,
            };
            all.by_name.insert(name.clone(), opened);
        }
        Ok(all)
    }

    fn next_id(&self) -> Result<StorageId, Error> {
        let next = u16::try_from(self.table.len());
        let full = |_| Error::Config("65,536 storages were configured so far: restart".to_owned());
        next.map(StorageId).map_err(full)
    }

    /// The id of one, by its name.
    pub(super) fn id(&self, name: &str) -> Option<StorageId> {
        Some(self.by_name.get(name)?.id)
    }

    /// Every storage, by id.
    pub(super) fn table(&self) -> Vec<Arc<dyn Storage>> {
        self.table.clone()
    }

    /// What readiness asks.
    pub(super) fn probed(&self) -> impl Iterator<Item = (String, Arc<dyn Storage>)> {
        let probed = |(name, opened): (&String, &Opened)| (name.clone(), opened.probed.clone());
        self.by_name.iter().map(probed)
    }
}

/// Whether two configurations of a storage mean the same objects. How they are reached may differ.
fn same_place(a: &config::Storage, b: &config::Storage) -> bool {
    match (&a.kind, &b.kind) {
        (StorageKind::Memory, StorageKind::Memory) => true,
        (StorageKind::Directory { path: a }, StorageKind::Directory { path: b }) => a == b,
        (StorageKind::S3(a), StorageKind::S3(b)) => {
            (&a.bucket, &a.region, &a.endpoint, &a.prefix)
                == (&b.bucket, &b.region, &b.endpoint, &b.prefix)
        }
        _ => false,
    }
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
