//! `Cache-Status` (RFC 9211): where every answer came from, and why.

use http::HeaderName;

use crate::cache::{Lookup, Reason, Status};

/// The header's name.
pub(super) const NAME: HeaderName = HeaderName::from_static("cache-status");

/// `caudal; hit; ttl=59`, `caudal; fwd=uri-miss; stored; collapsed; detail=unknown`. A refusal gives its own
/// reason as the detail.
pub(super) fn of(lookup: &Lookup, refusal: Option<&str>) -> String {
    let mut text = String::with_capacity(64);
    text.push_str("caudal; ");
    text.push_str(match (lookup.status, lookup.reason) {
        // Served without waiting for storage: a hit, whatever its age.
        (Status::Hit | Status::Stale | Status::StaleOnError, _) => "hit",
        (Status::Revalidated, _) => "fwd=stale; fwd-status=304",
        (Status::Partial, _) => "fwd=partial",
        (Status::Miss, Some(Reason::Expired)) => "fwd=stale",
        (Status::Miss, _) => "fwd=uri-miss",
        (Status::Bypass, _) => "fwd=bypass",
    });
    let fetched = matches!(lookup.status, Status::Miss | Status::Partial);
    if fetched && refusal.is_none() && lookup.reason != Some(Reason::NoStore) {
        text.push_str("; stored");
    }
    if lookup.collapsed {
        text.push_str("; collapsed");
    }
    if refusal.is_none() && matches!(lookup.status, Status::Hit | Status::Revalidated) {
        text.push_str("; ttl=");
        text.push_str(itoa::Buffer::new().format(lookup.ttl.as_secs()));
    }
    let stale = matches!(lookup.status, Status::Stale | Status::StaleOnError).then_some("stale");
    if let Some(detail) = refusal.or(lookup.reason.map(Reason::as_str)).or(stale) {
        text.push_str("; detail=");
        text.push_str(detail);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_way_an_answer_was_come_by_has_its_words() {
        let lookup = |status, reason| Lookup {
            status,
            reason,
            ..Lookup::BYPASS
        };
        let fresh = Lookup {
            ttl: Duration::from_secs(59),
            ..lookup(Status::Hit, None)
        };
        let joined = Lookup {
            collapsed: true,
            ..lookup(Status::Miss, Some(Reason::Unknown))
        };
        for (lookup, refusal, text) in [
            (fresh, None, "caudal; hit; ttl=59"),
            (fresh, Some("not_found"), "caudal; hit; detail=not_found"),
            (
                lookup(Status::Stale, None),
                None,
                "caudal; hit; detail=stale",
            ),
            (
                joined,
                None,
                "caudal; fwd=uri-miss; stored; collapsed; detail=unknown",
            ),
            (
                joined,
                Some("throttled"),
                "caudal; fwd=uri-miss; collapsed; detail=throttled",
            ),
            (
                lookup(Status::Miss, Some(Reason::Expired)),
                None,
                "caudal; fwd=stale; stored; detail=expired",
            ),
            (
                lookup(Status::Miss, Some(Reason::NoStore)),
                None,
                "caudal; fwd=uri-miss; detail=no_store",
            ),
            (
                Lookup::BYPASS,
                Some("no_route"),
                "caudal; fwd=bypass; detail=no_route",
            ),
        ] {
            assert_eq!(of(&lookup, refusal), text);
        }
    }
}
