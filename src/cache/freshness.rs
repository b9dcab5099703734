//! How long a version may be served without asking storage. Pure: time is an argument.

use std::time::Duration;

/// The lifetimes of a class of assets, or of one object that states its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetimes {
    /// For so long it is served without asking storage.
    pub fresh: Duration,
    /// For so long after that it is served while storage is asked in the background (RFC 5861 §3).
    pub stale_while_revalidate: Duration,
    /// For so long after it went stale it is served when storage cannot answer (RFC 5861 §4).
    pub stale_if_error: Duration,
    /// Its bytes are not kept (Cache-Control: no-store).
    pub no_store: bool,
}

/// What may be done with a version of a given age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Served as it is.
    Fresh {
        /// Time until it goes stale.
        left: Duration,
    },
    /// Served as it is while storage is asked in the background.
    Stale {
        /// Time since it went stale.
        since: Duration,
    },
    /// Storage is asked first.
    Expired {
        /// Whether it may be served all the same when storage cannot answer.
        usable_on_error: bool,
    },
}

/// Judges a version that storage confirmed `age` ago.
pub fn judge(lifetimes: &Lifetimes, age: Duration) -> Freshness {
    match age.checked_sub(lifetimes.fresh) {
        None => Freshness::Fresh {
            left: lifetimes.fresh - age,
        },
        Some(since) if since < lifetimes.stale_while_revalidate => Freshness::Stale { since },
        Some(since) => Freshness::Expired {
            usable_on_error: since < lifetimes.stale_if_error,
        },
    }
}

impl Lifetimes {
    /// These lifetimes as an object's own Cache-Control changes them (RFC 9111 §5.2.2, RFC 5861).
    ///
    /// `s-maxage` outranks `max-age`, as this is a shared cache. What the object does not state stays as
    /// its class has it. A directive that cannot be read is as good as absent.
    pub fn overridden_by(self, cache_control: &str) -> Self {
        let mut lifetimes = self;
        let mut max_age = None;
        let mut shared_max_age = None;
        let mut always_ask = false;
        for directive in cache_control.split(',') {
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name.trim(), seconds(value)),
                None => (directive.trim(), None),
            };
            match (name.to_ascii_lowercase().as_str(), value) {
                ("max-age", Some(age)) => max_age = Some(age),
                ("s-maxage", Some(age)) => shared_max_age = Some(age),
                ("stale-while-revalidate", Some(age)) => lifetimes.stale_while_revalidate = age,
                ("stale-if-error", Some(age)) => lifetimes.stale_if_error = age,
                ("no-store", _) => (lifetimes.no_store, always_ask) = (true, true),
                ("no-cache" | "private", _) => always_ask = true,
                ("must-revalidate" | "proxy-revalidate", _) => {
                    lifetimes.stale_while_revalidate = Duration::ZERO;
                    lifetimes.stale_if_error = Duration::ZERO;
                }
                _ => {}
            }
        }
        if always_ask {
            return Self {
                no_store: lifetimes.no_store,
                ..Self::default()
            };
        }
        lifetimes.fresh = shared_max_age.or(max_age).unwrap_or(self.fresh);
        lifetimes
    }
}

/// A delta-seconds value; quoted forms are accepted as RFC 9111 §5.2 asks. Too large is a year short of forever.
fn seconds(value: &str) -> Option<Duration> {
    let digits = value.trim().trim_matches('"');
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse::<u64>().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds.min(i32::MAX as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn class() -> Lifetimes {
        Lifetimes {
            fresh: S(60),
            stale_while_revalidate: S(30),
            stale_if_error: S(600),
            no_store: false,
        }
    }

    #[test]
    fn a_version_is_fresh_then_stale_then_expired() {
        assert_eq!(judge(&class(), S(0)), Freshness::Fresh { left: S(60) });
        assert_eq!(judge(&class(), S(59)), Freshness::Fresh { left: S(1) });
        assert_eq!(judge(&class(), S(60)), Freshness::Stale { since: S(0) });
        assert_eq!(judge(&class(), S(89)), Freshness::Stale { since: S(29) });
        assert_eq!(
            judge(&class(), S(90)),
            Freshness::Expired {
                usable_on_error: true
            }
        );
        assert_eq!(
            judge(&class(), S(660)),
            Freshness::Expired {
                usable_on_error: false
            }
        );
    }

    #[test]
    fn a_lifetime_of_nothing_asks_every_time() {
        let never = Lifetimes::default();
        assert_eq!(
            judge(&never, S(0)),
            Freshness::Expired {
                usable_on_error: false
            }
        );
    }

    #[test]
    fn the_objects_own_cache_control_outranks_its_class() {
        let own = |text: &str| class().overridden_by(text);
        assert_eq!(own("max-age=10").fresh, S(10));
        assert_eq!(own("max-age=10, s-maxage=20").fresh, S(20));
        assert_eq!(own("S-MaxAge=\"20\" , max-age=10").fresh, S(20));
        assert_eq!(own("public").fresh, S(60));
        assert_eq!(own("max-age=-1").fresh, S(60));
        assert_eq!(
            own("max-age=99999999999999999999999").fresh,
            S(i32::MAX as u64)
        );
        assert_eq!(
            own("max-age=5, stale-while-revalidate=7").stale_while_revalidate,
            S(7)
        );
        assert_eq!(own("must-revalidate").stale_if_error, S(0));
        assert_eq!(own("private, max-age=60").fresh, S(0));
        assert!(own("no-store").no_store);
        assert_eq!(own("").fresh, S(60));
    }

    proptest::proptest! {
        #[test]
        fn no_cache_control_breaks_the_reading(text in "\\PC{0,80}", age in 0u64..1 << 40) {
            judge(&class().overridden_by(&text), S(age));
        }
    }
}
