//! Versions and blocks of assets, in memory: get them, or fill them from storage, once for everybody.
//!
//! Read [`Cache::open`] first (which version is served), then [`Cache::window`] (which blocks are there,
//! which are on their way, which have to be fetched). `fill.rs` fetches.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use moka::sync::Cache as Moka;
use tokio::runtime::Handle;

use crate::media::{Class, Kind, Liveness};
use crate::storage::{self, ObjectMeta, Storage};
use crate::telemetry::Instruments;

#[cfg(target_os = "linux")]
mod arena;
#[cfg(not(target_os = "linux"))]
#[path = "no_arena.rs"]
mod arena;
mod block;
mod budget;
mod fill;
pub mod freshness;
mod home;
mod key;
mod lookup;
#[cfg(target_os = "linux")]
mod mapping;
mod memory;
mod open;
mod window;

pub use arena::Arena;
pub use block::{AtHand, Block};
pub use freshness::{Freshness, Lifetimes};
pub use home::Placement;
pub use key::{AssetKey, BlockKey, StorageId, VersionId};
pub use lookup::{Failure, Found, Lookup, Reason, Status};
pub use open::First;
pub use window::{Slot, Window};

/// What an entry of the version table is charged beyond its name, in bytes: the version, its metadata, the headers
/// worked out of it, and moka's own bookkeeping.
const ENTRY: u32 = 1280;

/// Blocks that are let go at once when a version is replaced.
const MOST_FORGOTTEN: u64 = 65_536;

/// What a cache is built with. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The budget for all blocks, those in flight included.
    pub memory: u64,
    /// The part of `memory` that full blocks never occupy, so that fills find room.
    pub fill_reserve: u64,
    /// Size of a block; a power of two.
    pub block: u64,
    /// Most bytes of one storage read; a multiple of `block`.
    pub run: u64,
    /// Which blocks live where they can be sent without a copy.
    pub placement: Placement,
    /// How long a fill waits for memory.
    pub fill_wait: Duration,
    /// How long a fill may take in all.
    pub fill_timeout: Duration,
    /// How often a fill resumes a broken body.
    pub fill_attempts: u32,
    /// Memory for what is known of assets, absences included.
    pub versions_memory: u64,
}

/// What may change while everything cached is kept.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where assets are read from; [`StorageId`]s index them. An id never comes to mean another place.
    pub storages: Vec<Arc<dyn Storage>>,
    /// How long what is read lives.
    pub rules: Rules,
}

/// How long assets live.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long an asset counts as absent once storage said so.
    pub absent: Duration,
    /// By [`Class`], in the order of [`Class::ALL`].
    pub classes: [Lifetimes; Class::ALL.len()],
    /// Whether an object's own Cache-Control changes its lifetimes.
    pub honour_object: bool,
}

/// Why an asset, or a part of it, could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Storage said no, or did not answer.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The memory budget is taken by reads under way.
    #[error("no memory for a fill within {waited:?}: raise cache.memory or shed load")]
    NoMemory {
        /// How long the fill waited.
        waited: Duration,
    },
    /// The fill took too long as a whole.
    #[error("fill took over {limit:?}")]
    FillTimeout {
        /// The limit it broke.
        limit: Duration,
    },
    /// The fill ended without a word: it panicked, or the process is on its way out.
    #[error("fill ended unfinished")]
    FillEnded,
}

/// What storage said of an asset, and what follows from it.
#[derive(Debug)]
pub struct Version {
    /// Which version of which asset.
    pub id: VersionId,
    /// What storage said.
    pub meta: ObjectMeta,
    /// What kind of asset, by its name.
    pub kind: Kind,
    /// Whether a manifest still changes; known once somebody read it.
    liveness: OnceLock<Liveness>,
    /// See [`Version::worked_out`].
    worked_out: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// The versions and blocks at hand, and those on their way. Shared by `Arc`; fills run on the runtime of whoever
/// asks first and outlive the request.
#[derive(Debug)]
pub struct Cache {
    settings: Settings,
    source: ArcSwap<Source>,
    background: Handle,
    instruments: Arc<Instruments>,
    versions: Moka<AssetKey, Entry>,
    memory: memory::Memory,
    home: home::Home,
    /// Blocks on their way. A table of its own because moka may refuse a newcomer or evict it at once:
    /// coalescing must never depend on admission.
    flights: Mutex<HashMap<BlockKey, Arc<Block>>>,
    /// Assets about which storage is being asked.
    opens: Mutex<HashMap<AssetKey, open::Flight>>,
}

/// What is known of an asset, and since when.
#[derive(Debug, Clone)]
struct Entry {
    known: Known,
    confirmed: Instant,
    /// Storage just failed to confirm: until then nobody asks again.
    hold_until: Option<Instant>,
}

#[derive(Debug, Clone)]
enum Known {
    Present(Arc<Version>),
    Absent,
}

/// Counts for `/status` and the gauges.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Bytes charged to blocks: in flight, full, or evicted and still being sent.
    pub memory: u64,
    /// The budget for them.
    pub memory_budget: u64,
    /// The part of `memory` that lies in the arena.
    pub arena: u64,
    /// Full blocks held.
    pub blocks: u64,
    /// Versions known, absences included.
    pub versions: u64,
    /// Blocks on their way.
    pub blocks_in_flight: u64,
}

impl Cache {
    /// An empty cache in front of `source`. What nobody waits for runs on `background`; fills run on the runtime of whoever asks first.
    pub fn new(
        settings: Settings,
        source: Source,
        background: Handle,
        instruments: Arc<Instruments>,
    ) -> Arc<Self> {
        let memory = memory::Memory::new(&settings, instruments.clone());
        let home = home::Home::new(&settings);
        let versions = Moka::builder()
            .max_capacity(settings.versions_memory)
            .weigher(|key: &AssetKey, _: &Entry| {
                u32::try_from(key.path.as_str().len())
                    .unwrap_or(u32::MAX)
                    .saturating_add(ENTRY)
            })
            .build();
        Arc::new(Self {
            settings,
            source: ArcSwap::from_pointee(source),
            background,
            instruments,
            versions,
            memory,
            home,
            flights: Mutex::default(),
            opens: Mutex::default(),
        })
    }

    /// From now on reads from `source`, and lets everything live as long as that says.
    pub fn renew(&self, source: Source) {
        self.source.store(Arc::new(source));
    }

    /// Size of a block in bytes.
    pub fn block_size(&self) -> u64 {
        self.settings.block
    }

    /// Whose bytes a transport can send without a copy; `None` where there is no such memory.
    pub fn arena(&self) -> Option<&Arc<Arena>> {
        self.home.arena()
    }

    /// How long a version lives, by its class and its own Cache-Control.
    pub fn lifetimes(&self, version: &Version) -> Lifetimes {
        let source = self.source.load();
        let class = source.rules.classes[version.class() as usize];
        match &version.meta.cache_control {
            Some(own) if source.rules.honour_object => class.overridden_by(own),
            _ => class,
        }
    }

    /// What the cache holds now, what moka put off included: whoever asks is told no number of a second ago.
    pub fn usage(&self) -> Usage {
        self.upkeep();
        Usage {
            memory: self.memory.used(),
            memory_budget: self.settings.memory,
            arena: self.arena().map_or(0, |arena| arena.used()),
            blocks: self.memory.blocks(),
            versions: self.versions.entry_count(),
            blocks_in_flight: self.flights().len() as u64,
        }
    }

    /// Does what moka puts off. Called every second, so that an idle server evicts too.
    pub fn upkeep(&self) {
        self.memory.upkeep();
        self.versions.run_pending_tasks();
    }

    /// Takes note that storage replaced `version`: new requests get the new one, its blocks are let go.
    /// Responses under way end in an error, never in another version's bytes.
    fn replaced(&self, version: &Version) {
        if self.is_served(version) {
            self.versions.invalidate(version.id.asset());
        }
        // What is left of a very long asset leaves by eviction: nobody can ask for it any more.
        let blocks = version
            .meta
            .len
            .div_ceil(self.settings.block)
            .min(MOST_FORGOTTEN);
        for index in 0..u32::try_from(blocks).unwrap_or(u32::MAX) {
            self.memory.forget(&BlockKey {
                version: version.id.clone(),
                index,
            });
        }
    }

    /// Takes note that the object behind `version` is gone. A newer one, put in its place since, stays.
    fn removed(&self, version: &Version) {
        let was_served = self.is_served(version);
        self.replaced(version);
        if was_served {
            let entry = Entry {
                known: Known::Absent,
                confirmed: Instant::now(),
                hold_until: None,
            };
            self.versions.insert(version.id.asset().clone(), entry);
        }
    }

    /// Whether new requests get `version`.
    fn is_served(&self, version: &Version) -> bool {
        let entry = self.versions.get(version.id.asset());
        entry.is_some_and(|entry| match &entry.known {
            Known::Present(held) => held.id == version.id,
            Known::Absent => false,
        })
    }

    fn storage(&self, key: &AssetKey) -> Arc<dyn Storage> {
        self.source.load().storages[usize::from(key.storage.0)].clone()
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<BlockKey, Arc<Block>>> {
        // The table is sound between any two operations, so a panic elsewhere cannot have broken it.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opens(&self) -> MutexGuard<'_, HashMap<AssetKey, open::Flight>> {
        self.opens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Version {
    fn new(asset: AssetKey, meta: ObjectMeta) -> Self {
        Self {
            kind: Kind::of(&asset.path),
            id: VersionId::new(asset, meta.validator.clone(), meta.len),
            meta,
            liveness: OnceLock::new(),
            worked_out: OnceLock::new(),
        }
    }

    /// The class whose lifetimes apply. A manifest nobody has read yet counts as live: the shorter life is
    /// the safe one.
    pub fn class(&self) -> Class {
        self.kind.class(
            self.liveness
                .get()
                .copied()
                .unwrap_or(Liveness::Live { refresh: None }),
        )
    }

    /// What follows from this version alone, worked out once and kept as long as it. The cache does not look into it;
    /// one layer above may keep one thing here.
    ///
    /// # Panics
    /// Where two layers keep two.
    pub fn worked_out<T: Any + Send + Sync>(&self, work_out: impl FnOnce() -> T) -> &T {
        let kept = self.worked_out.get_or_init(|| Box::new(work_out()));
        kept.downcast_ref().expect("one layer keeps one thing here")
    }

    /// Whether somebody has read this manifest.
    pub fn is_inspected(&self) -> bool {
        self.liveness.get().is_some()
    }

    /// Records whether this manifest still changes. The first reading stands: the bytes do not change.
    pub fn inspected(&self, liveness: Liveness) {
        let _ = self.liveness.set(liveness);
    }
}

impl Error {
    /// A stable word for metrics, logs and Cache-Status.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.reason(),
            Self::NoMemory { .. } => "no_memory",
            Self::FillTimeout { .. } => "fill_timeout",
            Self::FillEnded => "fill_ended",
        }
    }

    /// Whether a stale version may stand in: storage could not answer, as opposed to answering no.
    /// Refused credentials are an outage of ours, not the object's; a denied object is an answer.
    pub fn excuses_stale(&self) -> bool {
        match self {
            Self::Storage(storage::Error::Misconfigured(_)) => true,
            Self::Storage(error) => error.is_transient(),
            Self::NoMemory { .. } | Self::FillTimeout { .. } | Self::FillEnded => true,
        }
    }
}
