//! When a published key set is fetched. Pure: time is an argument, and fetching is the caller's.
//!
//! Wait until [`Refresh::next`], fetch, report how it went, again. A set that was fetched stays in use for as long as
//! no other can be had: an issuer that is down for a night locks nobody out.

use std::time::{Duration, Instant};

/// How long a set is kept whose answer does not say.
const DEFAULT_AGE: Duration = Duration::from_secs(10 * 60);

/// However short an answer says that it lives: some issuers say 15 seconds, others `no-store`.
const LEAST_AGE: Duration = Duration::from_secs(60);

/// However long it says: a withdrawn key must go some day.
const GREATEST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Until the first retry; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest wait between retries.
const LONGEST_RETRY: Duration = Duration::from_secs(5 * 60);

/// Least time from a fetch to one that an unknown `kid` asks for. Anybody can make up a `kid`.
const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(60);

/// The schedule of one key set.
#[derive(Debug, Clone)]
pub struct Refresh {
    next: Instant,
    fetched: Option<Instant>,
    failures: u32,
}

impl Refresh {
    /// A schedule whose first fetch is due at once.
    pub fn new(now: Instant) -> Self {
        Self {
            next: now,
            fetched: None,
            failures: 0,
        }
    }

    /// When to fetch. It only moves when something is reported.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// When the set in use was fetched; `None` before the first.
    pub fn fetched(&self) -> Option<Instant> {
        self.fetched
    }

    /// A set was fetched and put to use. `cache_control` is the answer's header of that name.
    pub fn succeeded(&mut self, now: Instant, cache_control: Option<&str>) {
        let age = cache_control.and_then(max_age).unwrap_or(DEFAULT_AGE);
        self.next = now + age.clamp(LEAST_AGE, GREATEST_AGE);
        self.fetched = Some(now);
        self.failures = 0;
    }

    /// No set could be had, or it could not be read. The one in use stays.
    pub fn failed(&mut self, now: Instant) {
        // Ten doublings are past the longest wait.
        let doubled = FIRST_RETRY * (1 << self.failures.min(10));
        self.next = now + doubled.min(LONGEST_RETRY);
        self.failures = self.failures.saturating_add(1);
    }

    /// A token named a key that is not in the set. Brings the next fetch forward, to a minute after the last one at
    /// the soonest; while fetches fail the retries go on as they are.
    pub fn unknown_kid(&mut self, now: Instant) {
        if let (Some(fetched), 0) = (self.fetched, self.failures) {
            self.next = self.next.min(now.max(fetched + UNKNOWN_KID_PAUSE));
        }
    }
}

/// `max-age` of a Cache-Control header (RFC 9111 §5.2.2); nothing where the answer is not to be kept at all.
fn max_age(cache_control: &str) -> Option<Duration> {
    let directives = cache_control.split(',').map(str::trim);
    let mut age = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            let digits = value.trim_matches('"');
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            // Only a number that no u64 holds fails to parse here.
            age = is_number.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX)));
        }
    }
    age
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn wait(refresh: &Refresh, now: Instant) -> Duration {
        refresh.next().duration_since(now)
    }

    #[test]
    fn the_first_fetch_is_due_at_once() {
        let now = Instant::now();
        assert_eq!(Refresh::new(now).next(), now);
        assert_eq!(Refresh::new(now).fetched(), None);
    }

    #[test]
    fn a_set_lives_as_long_as_its_answer_says_within_bounds() {
        let now = Instant::now();
        let mut refresh = Refresh::new(now);
        for (header, lives) in [
            (None, 600),
            (Some("public"), 600),
            (Some("public, Max-Age=3600"), 3600),
            (Some("max-age=\"120\", must-revalidate"), 120),
            (Some("max-age=15"), 60),
            (Some("max-age=3600, no-store"), 60),
            (Some("no-cache"), 60),
            (Some("max-age=31536000"), 86_400),
            (Some("max-age=99999999999999999999999"), 86_400),
            (Some("max-age=-1"), 600),
            (Some("max-age="), 600),
        ] {
            refresh.succeeded(now, header);
            assert_eq!(wait(&refresh, now), seconds(lives), "{header:?}");
            assert_eq!(refresh.fetched(), Some(now));
        }
    }

    #[test]
    fn failures_wait_twice_as_long_each_time_and_success_starts_over() {
        let now = Instant::now();
        let mut refresh = Refresh::new(now);
        for expected in [5, 10, 20, 40, 80, 160, 300, 300] {
            refresh.failed(now);
            assert_eq!(wait(&refresh, now), seconds(expected));
        }
        (0..100).for_each(|_| refresh.failed(now));
        assert_eq!(wait(&refresh, now), LONGEST_RETRY);
        refresh.succeeded(now, None);
        refresh.failed(now);
        assert_eq!(wait(&refresh, now), FIRST_RETRY);
        assert_eq!(refresh.fetched(), Some(now), "the last good set stays");
    }

    #[test]
    fn unknown_kids_bring_one_fetch_a_minute_forward() {
        let start = Instant::now();
        let mut refresh = Refresh::new(start);
        refresh.succeeded(start, Some("max-age=3600"));
        refresh.unknown_kid(start + seconds(10));
        assert_eq!(refresh.next(), start + seconds(60));
        refresh.unknown_kid(start + seconds(20));
        assert_eq!(refresh.next(), start + seconds(60));

        refresh.succeeded(start + seconds(60), Some("max-age=3600"));
        refresh.unknown_kid(start + seconds(61));
        assert_eq!(refresh.next(), start + seconds(120));

        refresh.succeeded(start + seconds(120), Some("max-age=3600"));
        refresh.unknown_kid(start + seconds(500));
        assert_eq!(
            refresh.next(),
            start + seconds(500),
            "at once when the last is long ago"
        );
    }

    #[test]
    fn unknown_kids_neither_delay_a_fetch_nor_shorten_a_backoff() {
        let start = Instant::now();
        let mut refresh = Refresh::new(start);
        refresh.unknown_kid(start + seconds(5));
        assert_eq!(refresh.next(), start);
        refresh.succeeded(start, Some("max-age=60"));
        refresh.unknown_kid(start + seconds(200));
        assert_eq!(refresh.next(), start + seconds(60));
        (0..8).for_each(|_| refresh.failed(start + seconds(200)));
        refresh.unknown_kid(start + seconds(300));
        assert_eq!(refresh.next(), start + seconds(500));
    }
}
