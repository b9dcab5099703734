//! What each part takes from the configuration.

use http::HeaderValue;

use super::Error;
use crate::cache::{Lifetimes, Placement, Rules, Settings};
use crate::config::{self, ArenaUse, Config, Freshness, OwnLimits, Policy};
use crate::delivery::Compression;
use crate::handler::{CacheControl, Cors};
use crate::media::Class;
use crate::transport::Limits;

/// Threads that serve viewers.
pub(super) fn workers(config: &Config) -> usize {
    match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

/// How `cache.memory` is shared out, in bytes. It bounds all three together.
pub(super) struct Shares {
    blocks: u64,
    versions: u64,
    variants: u64,
}

/// One part in 16 for what is known of assets (a thousandth of a typical segment each), one in 32 for
/// compressed playlists, the rest for blocks.
pub(super) fn shares(config: &Config) -> Shares {
    let memory = config.cache.memory;
    let (versions, variants) = (memory / 16, memory / 32);
    Shares {
        blocks: memory - versions - variants,
        versions,
        variants,
    }
}

pub(super) fn cache(config: &Config, shares: &Shares) -> Settings {
    let cache = &config.cache;
    Settings {
        memory: shares.blocks,
        fill_reserve: fill_reserve(cache, shares.blocks),
        block: cache.block,
        run: cache.run,
        placement: placement(cache.arena),
        fill_wait: cache.fill_wait,
        fill_timeout: cache.fill_timeout,
        fill_attempts: cache.fill_attempts,
        versions_memory: shares.versions,
    }
}

pub(super) fn rules(freshness: &Freshness) -> Rules {
    Rules {
        absent: freshness.absent,
        classes: Class::ALL.map(|class| lifetimes(policy(freshness, class))),
        honour_object: freshness.honour_object_cache_control,
    }
}

fn placement(arena: ArenaUse) -> Placement {
    match arena {
        ArenaUse::Hot => Placement::Hot,
        ArenaUse::All => Placement::All,
        ArenaUse::Off => Placement::Heap,
    }
}

/// The share that is configured, and at least one run with its bookkeeping: less, and a long object could
/// never be read.
fn fill_reserve(cache: &config::Cache, blocks: u64) -> u64 {
    let run = cache.run + cache.run / cache.block * (1 << 10);
    (blocks / 100 * u64::from(cache.fill_reserve)).max(run)
}

pub(super) fn compression(config: &Config, shares: &Shares) -> Compression {
    let compression = &config.compression;
    Compression {
        enabled: compression.enabled,
        min: compression.min,
        max: compression.max,
        level: compression.level,
        memory: shares.variants,
    }
}

pub(super) fn cors(config: &Config) -> Result<Cors, Error> {
    let cors = &config.cors;
    Cors::new(&cors.origin, cors.credentials, cors.max_age)
        .map_err(|error| Error::Config(format!("cors.origin: {error}")))
}

pub(super) fn cache_control(config: &Config) -> Result<CacheControl, Error> {
    let value = |class: Class| {
        let text = &policy(&config.freshness, class).cache_control;
        HeaderValue::from_str(text).map_err(|error| {
            Error::Config(format!(
                "freshness.{}.cache_control: {error}",
                class.as_str()
            ))
        })
    };
    let mut classes = [const { HeaderValue::from_static("no-store") }; Class::ALL.len()];
    for class in Class::ALL {
        classes[class as usize] = value(class)?;
    }
    let absent = format!("public, max-age={}", config.freshness.absent.as_secs());
    Ok(CacheControl {
        classes,
        absent: HeaderValue::try_from(absent).expect("a number is ASCII"),
        honour_object: config.freshness.honour_object_cache_control,
    })
}

/// What bounds a connection: as a listener has it, else as all do.
pub(super) fn limits(config: &Config, own: &OwnLimits) -> Limits {
    let server = &config.server;
    let header_size = own.header_size.unwrap_or(server.header_size);
    Limits {
        header_timeout: own.header_timeout.unwrap_or(server.header_timeout),
        idle_timeout: own.idle_timeout.unwrap_or(server.idle_timeout),
        write_stall: own.write_stall.unwrap_or(server.write_stall),
        min_rate: own.min_rate.unwrap_or(server.min_rate),
        body_timeout: own.body_timeout.unwrap_or(server.body_timeout),
        header_size: usize::try_from(header_size).unwrap_or(usize::MAX),
        header_count: own.header_count.unwrap_or(server.header_count),
    }
}

fn policy(freshness: &Freshness, class: Class) -> &Policy {
    match class {
        Class::Manifest => &freshness.manifest,
        Class::LiveManifest => &freshness.live_manifest,
        Class::Segment => &freshness.segment,
        Class::Init => &freshness.init,
        Class::Key => &freshness.key,
        Class::Other => &freshness.other,
    }
}

fn lifetimes(policy: &Policy) -> Lifetimes {
    Lifetimes {
        fresh: policy.fresh,
        stale_while_revalidate: policy.stale_while_revalidate,
        stale_if_error: policy.stale_if_error,
        no_store: false,
    }
}
