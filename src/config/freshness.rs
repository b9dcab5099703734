//! `[freshness]`: how long what storage said is believed, and what clients are told.

use std::time::Duration;

use super::check;
use super::format::{Flag, Text, Time};
use super::schema::Keys;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `[freshness]`: a policy for every cache class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// Whether a Cache-Control stored with an object replaces the class's own.
    pub honour_object_cache_control: bool,
    /// How long an absence is believed.
    pub absent: Duration,
    /// `[freshness.manifest]`: manifests that are complete.
    pub manifest: Policy,
    /// `[freshness.live_manifest]`: manifests that change.
    pub live_manifest: Policy,
    /// `[freshness.segment]`: media.
    pub segment: Policy,
    /// `[freshness.init]`: initialization segments.
    pub init: Policy,
    /// `[freshness.key]`: decryption keys.
    pub key: Policy,
    /// `[freshness.other]`: everything else.
    pub other: Policy,
}

/// How long one class of assets is believed (RFC 5861), and what clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long before storage is asked again.
    pub fresh: Duration,
    /// After that: how long an answer does not wait for storage.
    pub stale_while_revalidate: Duration,
    /// After `fresh`: how long an answer is given while storage fails.
    pub stale_if_error: Duration,
    /// The Cache-Control of answers.
    pub cache_control: String,
}

impl Policy {
    /// A policy in seconds.
    fn new([fresh, revalidate, error]: [u64; 3], cache_control: &str) -> Self {
        Self {
            fresh: Duration::from_secs(fresh),
            stale_while_revalidate: Duration::from_secs(revalidate),
            stale_if_error: Duration::from_secs(error),
            cache_control: cache_control.to_owned(),
        }
    }

    fn keys(&mut self, keys: &mut impl Keys) {
        keys.key("fresh", &mut self.fresh, Time::ANY);
        keys.key(
            "stale_while_revalidate",
            &mut self.stale_while_revalidate,
            Time::ANY,
        );
        keys.key("stale_if_error", &mut self.stale_if_error, Time::ANY);
        let text = Text {
            check: check::cache_control,
            example: "public, max-age=60",
        };
        keys.key("cache_control", &mut self.cache_control, text);
    }
}

impl Default for Freshness {
    fn default() -> Self {
        let immutable =
            || Policy::new([HOUR, HOUR, 7 * DAY], "public, max-age=31536000, immutable");
        Self {
            honour_object_cache_control: true,
            absent: Duration::from_secs(5),
            manifest: Policy::new(
                [MINUTE, MINUTE, DAY],
                "public, max-age=60, s-maxage=3600, stale-while-revalidate=60, stale-if-error=86400",
            ),
            live_manifest: Policy::new([1, 0, 10], "public, max-age=1"),
            segment: immutable(),
            init: immutable(),
            key: Policy::new([0, 0, 0], "private, no-store"),
            other: Policy::new([MINUTE, MINUTE, DAY], "public, max-age=3600"),
        }
    }
}

impl Freshness {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key(
            "honour_object_cache_control",
            &mut self.honour_object_cache_control,
            Flag,
        );
        keys.key("absent", &mut self.absent, Time::ANY);
        keys.section("manifest", |keys| self.manifest.keys(keys));
        keys.section("live_manifest", |keys| self.live_manifest.keys(keys));
        keys.section("segment", |keys| self.segment.keys(keys));
        keys.section("init", |keys| self.init.keys(keys));
        keys.section("key", |keys| self.key.keys(keys));
        keys.section("other", |keys| self.other.keys(keys));
    }
}
