//! Wrong signatures, counted by the address that shows them: whoever floods us with forged tokens buys no more than so
//! much verification.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroUsize;

use lru::LruCache;

use crate::access::shards::Shards;
use crate::access::viewer::network;

/// Wrong signatures in one second from one address after which it is believed nothing new for the rest of it. Each costs
/// up to 70 µs (RSA): an address then buys less than half a hundredth of a core.
const MOST: u32 = 64;

/// Addresses that are remembered, at some 60 bytes each; the one that was silent for longest is forgotten for a new one.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(16_384).expect("is not zero");

/// Wrong signatures by address.
pub(super) struct Forgeries {
    shards: Shards<LruCache<IpAddr, Count>>,
    hasher: RandomState,
}

/// How many in the second that was the last to have any.
#[derive(Debug, Clone, Copy)]
struct Count {
    second: i64,
    forgeries: u32,
}

impl Forgeries {
    pub(super) fn new() -> Self {
        Self {
            shards: Shards::new(ADDRESSES, LruCache::sparse),
            hasher: RandomState::new(),
        }
    }

    /// Whether this viewer has shown so many in this second that no further signature of it is looked at.
    pub(super) fn are_too_many(&self, viewer: IpAddr, now: i64) -> bool {
        let network = network(viewer);
        let mut shard = self.shards.lock(self.hasher.hash_one(network));
        let count = shard.get(&network);
        count.is_some_and(|count| count.second == now && count.forgeries >= MOST)
    }

    /// Takes note of one.
    pub(super) fn count(&self, viewer: IpAddr, now: i64) {
        let network = network(viewer);
        let mut shard = self.shards.lock(self.hasher.hash_one(network));
        let forgeries = match shard.get(&network) {
            Some(count) if count.second == now => count.forgeries.saturating_add(1),
            _ => 1,
        };
        let second = now;
        shard.put(network, Count { second, forgeries });
    }
}

impl fmt::Debug for Forgeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forgeries")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_forger_is_looked_at_again_in_the_next_second_and_nobody_else_pays() {
        let forgeries = Forgeries::new();
        let (forger, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..MOST {
            assert!(!forgeries.are_too_many(forger, NOW));
            forgeries.count(forger, NOW);
        }
        assert!(forgeries.are_too_many(forger, NOW));
        assert!(!forgeries.are_too_many(other, NOW));
        assert!(!forgeries.are_too_many(forger, NOW + 1));
        forgeries.count(forger, NOW + 1);
        assert!(!forgeries.are_too_many(forger, NOW + 1));
    }

    #[test]
    fn a_network_of_ipv6_is_one_forger() {
        let forgeries = Forgeries::new();
        for host in 0..MOST {
            forgeries.count(address(&format!("2001:db8::{host:x}")), NOW);
        }
        assert!(forgeries.are_too_many(address("2001:db8::ffff"), NOW));
        assert!(!forgeries.are_too_many(address("2001:db8:0:1::1"), NOW));
    }

    #[test]
    fn a_million_addresses_are_a_bounded_memory() {
        let forgeries = Forgeries::new();
        for host in 0..1_000_000_u32 {
            forgeries.count(IpAddr::from(host.to_be_bytes()), NOW);
        }
        let kept: usize = forgeries.shards.each().map(|shard| shard.len()).sum();
        assert!(kept <= ADDRESSES.get(), "{kept}");
    }
}
