//! Requests in a time, for each viewer: GCRA, which is a token bucket kept as one number.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use lru::LruCache;

use super::{Error, LONGEST, RequestLimit, Viewer};
use crate::access::shards::Shards;

/// How often each viewer may do something.
pub struct Rate {
    shards: Shards<Limiter>,
    hasher: RandomState,
    start: Instant,
}

impl Rate {
    /// For at most this many viewers at once; see [`super::Local`] for what is forgotten beyond.
    ///
    /// # Errors
    /// For a limit that cannot be held to.
    pub fn new(limit: RequestLimit, viewers: NonZeroUsize, start: Instant) -> Result<Self, Error> {
        if limit.per.is_zero() || limit.per > LONGEST {
            return Err(Error::Per(limit.per));
        }
        let burst = limit.burst;
        let interval = (limit.per / limit.requests.get()).max(Duration::from_nanos(1));
        let earned = interval.saturating_mul(burst.get());
        // The whole bucket, counted in nanoseconds of its refilling, is what GCRA keeps in 64 bits.
        if earned > LONGEST {
            return Err(Error::Burst { burst, earned });
        }
        let quota = Quota::with_period(interval).ok_or(Error::Per(limit.per))?;
        let quota = quota.allow_burst(burst);
        let shards = Shards::new(viewers, |share| {
            let buckets = Buckets(RefCell::new(LruCache::sparse(share)));
            RateLimiter::new(quota, buckets, Hand(Cell::new(Duration::ZERO)))
        });
        Ok(Self {
            shards,
            hasher: RandomState::new(),
            start,
        })
    }

    /// Counts one for this viewer.
    ///
    /// # Errors
    /// How long to wait, when it is one too many. That one is not counted.
    pub fn check(&self, viewer: &Viewer<'_>, now: Instant) -> Result<(), Duration> {
        let key = self.hasher.hash_one(viewer);
        let now = now.saturating_duration_since(self.start);
        let limiter = self.shards.lock(key);
        limiter.clock().0.set(now);
        limiter
            .check_key(&key)
            .map_err(|not_until| not_until.wait_time_from(now))
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").finish_non_exhaustive()
    }
}

type Limiter = RateLimiter<u64, Buckets, Hand, NoOpMiddleware<Duration>>;

/// Buckets by viewer. A viewer is its hash: seeded at random, so that nobody can choose to share a bucket, and of 64
/// bits, so that among a million viewers two share one by chance once in 37 million starts.
struct Buckets(RefCell<LruCache<u64, Nanos>>);

impl StateStore for Buckets {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut buckets = self.0.borrow_mut();
        if let Some(bucket) = buckets.get_mut(key) {
            let (outcome, next) = decide(Some(*bucket))?;
            *bucket = next;
            return Ok(outcome);
        }
        let (outcome, next) = decide(None)?;
        buckets.put(*key, next);
        Ok(outcome)
    }
}

/// A clock that stands where the caller sets it, under its shard's lock: time is an argument.
struct Hand(Cell<Duration>);

impl Clock for Hand {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn limit(requests: u32, per: Duration, burst: u32) -> RequestLimit {
        RequestLimit {
            requests: NonZeroU32::new(requests).unwrap(),
            per,
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    fn rate(limit: RequestLimit, viewers: usize, start: Instant) -> Rate {
        Rate::new(limit, NonZeroUsize::new(viewers).unwrap(), start).unwrap()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_admitted_then_the_rate_holds() {
        let start = Instant::now();
        let rate = rate(limit(2, SECOND, 3), 100, start);
        let viewer = Viewer::Subject("u");
        for _ in 0..3 {
            assert_eq!(rate.check(&viewer, start), Ok(()));
        }
        let half = SECOND / 2;
        assert_eq!(rate.check(&viewer, start), Err(half));
        assert_eq!(rate.check(&viewer, start + half / 2), Err(half / 2));
        assert_eq!(rate.check(&viewer, start + half), Ok(()));
        assert_eq!(rate.check(&viewer, start + half), Err(half));
        assert_eq!(rate.check(&Viewer::Subject("v"), start), Ok(()));
    }

    #[test]
    fn over_a_long_time_the_rate_is_exact() {
        let start = Instant::now();
        let rate = rate(limit(7, SECOND, 5), 100, start);
        let admitted = (0..100_000).filter(|ms| {
            let now = start + Duration::from_millis(*ms);
            rate.check(&Viewer::Token("t"), now).is_ok()
        });
        let admitted = admitted.count();
        assert!((700 + 3..=700 + 5).contains(&admitted), "{admitted}");
    }

    #[test]
    fn a_flood_of_viewers_never_grows_it_beyond_its_bound() {
        for viewers in [1, 10, 10_000] {
            let start = Instant::now();
            let rate = rate(limit(1, SECOND, 1), viewers, start);
            for number in 0..50_000_u32 {
                let address = std::net::Ipv4Addr::from_bits(number).into();
                assert_eq!(rate.check(&Viewer::Address(address), start), Ok(()));
            }
            let kept: usize = rate.shards.each().map(|part| size(part)).sum();
            assert!(kept <= viewers && kept > viewers / 2, "{kept} of {viewers}");
        }
    }

    /// Takes the store's own word for its size.
    fn size(part: std::sync::MutexGuard<'_, Limiter>) -> usize {
        let mut part = part;
        let quota = Quota::with_period(SECOND).unwrap();
        let nothing = Buckets(RefCell::new(LruCache::sparse(NonZeroUsize::MIN)));
        let nothing = RateLimiter::new(quota, nothing, Hand(Cell::new(Duration::ZERO)));
        let store = std::mem::replace(&mut *part, nothing).into_state_store();
        store.0.into_inner().len()
    }

    #[test]
    fn the_viewer_that_keeps_asking_is_not_the_one_forgotten() {
        let start = Instant::now();
        let rate = rate(limit(1, SECOND, 1), 10, start);
        assert_eq!(rate.check(&Viewer::Subject("busy"), start), Ok(()));
        for number in 0..1000_u32 {
            let address = std::net::Ipv4Addr::from_bits(number).into();
            assert_eq!(rate.check(&Viewer::Address(address), start), Ok(()));
            assert_eq!(rate.check(&Viewer::Subject("busy"), start), Err(SECOND));
        }
    }

    #[test]
    fn limits_that_cannot_be_counted_are_refused() {
        let one = NonZeroUsize::MIN;
        let start = Instant::now();
        for (limit, message) in [
            (
                limit(1, Duration::ZERO, 1),
                "a request rate per 0ns cannot be counted",
            ),
            (
                limit(1, LONGEST + SECOND, 1),
                "a request rate per 86401s cannot be counted",
            ),
            (
                limit(1, LONGEST, 2),
                "a burst of 2 requests takes 172800s to earn",
            ),
            (
                limit(1, LONGEST, u32::MAX),
                "a burst of 4294967295 requests takes",
            ),
        ] {
            let error = Rate::new(limit, one, start).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn the_extremes_that_are_accepted_neither_overflow_nor_panic() {
        let start = Instant::now();
        for limit in [
            limit(u32::MAX, Duration::from_nanos(1), u32::MAX),
            limit(1, LONGEST, 1),
            limit(u32::MAX, LONGEST, u32::MAX),
        ] {
            let rate = rate(limit, 10, start);
            let century = Duration::from_secs(100 * 365 * 86_400);
            let before = start.checked_sub(SECOND).unwrap_or(start);
            for now in [before, start, start + century, start] {
                let _ = rate.check(&Viewer::Subject("u"), now);
            }
        }
    }
}
