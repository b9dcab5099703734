//! `Cache-Status` (RFC 9211): where every answer came from, and why.

use http::HeaderName;

use crate::cache::{Lookup, Status};

/// The header's name.
pub(super) const NAME: HeaderName = HeaderName::from_static("cache-status");

/// `caudal; hit; ttl=59`, `caudal; fwd=uri-miss; collapsed; detail=unknown` (RFC 9211).
pub(super) fn of(lookup: &Lookup) -> String {
    let mut text = String::with_capacity(64);
    text.push_str("caudal; ");
    text.push_str(match lookup.status {
        Status::Hit => "hit",
        // Served without waiting for storage, so a hit, with a time to live that is over.
        Status::Stale | Status::StaleOnError => "hit; detail=stale",
        Status::Revalidated => "fwd=stale; fwd-status=304",
        Status::Partial => "fwd=partial; stored",
        Status::Miss => "fwd=uri-miss; stored",
        Status::Bypass => "fwd=bypass",
    });
    if let Some(reason) = lookup.reason {
        text.push_str("; detail=");
        text.push_str(reason.as_str());
    }
    if lookup.collapsed {
        text.push_str("; collapsed");
    }
    if matches!(lookup.status, Status::Hit | Status::Revalidated) {
        text.push_str("; ttl=");
        text.push_str(&lookup.ttl.as_secs().to_string());
    }
    text
}

/// `caudal; fwd=uri-miss; detail=throttled`, `caudal; hit; detail=not_found`.
pub(super) fn of_error(lookup: &Lookup, reason: &str) -> String {
    match lookup.status {
        Status::Hit => format!("caudal; hit; detail={reason}"),
        Status::Bypass => format!("caudal; fwd=bypass; detail={reason}"),
        _ => format!("caudal; fwd=uri-miss; detail={reason}"),
    }
}
