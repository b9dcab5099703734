//! When certificates end: told before anybody is shut out, and no reason to take a server out of the traffic.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use serde::Serialize;

/// From so long before its end on, a certificate is told of. Issuers that renew by themselves do it 30 days before.
const SOON: Duration = Duration::from_secs(14 * DAY);

const DAY: u64 = 24 * 60 * 60;

/// The certificates there are to be, and when each ends that is there. Cheap to clone: all see the same.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Arc<ArcSwap<BTreeMap<String, Option<SystemTime>>>>);

/// What `/status` says of one.
#[derive(Debug, Serialize)]
pub(super) struct Ends {
    /// Seconds of Unix time; null for one that was ordered and has not come.
    ends: Option<u64>,
}

impl Certificates {
    /// These are in use from now on, each until it ends; those without an end are still to come.
    pub fn renew(&self, certificates: BTreeMap<String, Option<SystemTime>>) {
        self.0.store(Arc::new(certificates));
    }

    pub(super) fn ends(&self) -> BTreeMap<String, Ends> {
        let unix = |at: &SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let all = self.0.load();
        let ends = all.iter().map(|(name, at)| {
            (
                name.clone(),
                Ends {
                    ends: at.as_ref().map(unix),
                },
            )
        });
        ends.collect()
    }

    /// A line for each that ends soon, or has ended.
    pub(super) fn warnings(&self, now: SystemTime) -> String {
        let mut told = String::new();
        for (name, at) in self.0.load().iter() {
            // To write to a string does not fail.
            let Some(at) = at else {
                let _ = writeln!(
                    told,
                    "certificate {name}: was ordered, and has not come yet"
                );
                continue;
            };
            let _ = match at.duration_since(now) {
                Err(_) => writeln!(told, "certificate {name}: has ended, replace it"),
                Ok(left) if left < SOON => {
                    let days = left.as_secs() / DAY;
                    writeln!(told, "certificate {name}: ends in {days} days, replace it")
                }
                Ok(_) => Ok(()),
            };
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_two_weeks_before_its_end() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000 * DAY);
        let in_days = |days: u64| Some(now + Duration::from_secs(days * DAY + 60));
        let certificates = Certificates::default();
        assert_eq!(certificates.warnings(now), "");
        certificates.renew(
            [
                ("far".to_owned(), in_days(14)),
                ("near".to_owned(), in_days(13)),
                ("over".to_owned(), Some(now - Duration::from_secs(1))),
                ("to-come".to_owned(), None),
            ]
            .into(),
        );
        assert_eq!(
            certificates.warnings(now),
            "certificate near: ends in 13 days, replace it\n\
             certificate over: has ended, replace it\n\
             certificate to-come: was ordered, and has not come yet\n"
        );
    }
}
