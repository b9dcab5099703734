//! How the token that fetched a manifest reaches its segments, and outlives a film.
//!
//! A path prefix needs nothing: relative URLs keep it. A query needs the manifest to say so itself
//! (`EXT-X-DEFINE:QUERYPARAM`, DASH Annex I). For the rest, a manifest's answer sets a cookie, with a later end where
//! that is configured; a hard limit from when the token was first issued is never passed.

use std::time::Duration;

use super::{Accepted, Asking, Carrier};

/// How a manifest's answer passes the token on.
#[derive(Debug, Clone, Default)]
pub struct Renewal {
    /// The cookie it is passed on in; `None` passes nothing on.
    pub cookie: Option<String>,
    /// How long a renewed token is valid; zero renews nothing.
    pub lifetime: Duration,
    /// How long after it was first issued no token is renewed beyond.
    pub limit: Duration,
}

/// Cookies for the viewer to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// Name and value of each.
    pub cookies: Vec<(String, String)>,
    /// For how many seconds; `None` is until the browser closes.
    pub max_age: Option<i64>,
}

impl Renewal {
    /// What an answer to `asking` sets; `None` where the viewer has all it needs.
    pub fn of(&self, accepted: &Accepted, asking: &Asking<'_>) -> Option<Renewed> {
        let name = self.cookie.as_deref()?;
        let later = self.later_end(accepted, asking.now);
        let renewed = later.and_then(|end| Some((accepted.text(asking, Some(end))?, Some(end))));
        let (text, end) = match renewed {
            Some(renewed) => renewed,
            None if accepted.carrier == Carrier::Cookie => return None,
            None => (accepted.text(asking, None)?, accepted.token.expires),
        };
        Some(Renewed {
            cookies: accepted.scheme.format.cookies(name, text),
            max_age: end.map(|end| end.saturating_sub(asking.now).max(0)),
        })
    }

    /// The end of a renewed token, where there is to be one and it is later than the end there is.
    fn later_end(&self, accepted: &Accepted, now: i64) -> Option<i64> {
        let token = &accepted.token;
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let (lifetime, deadline) = match token.renewal {
            Some((lifetime, deadline)) => (lifetime, deadline),
            None => (seconds(self.lifetime), None),
        };
        let first = token.issued.or(token.not_before)?;
        let limit = first.saturating_add(seconds(self.limit));
        let end = now
            .saturating_add(lifetime)
            .min(limit)
            .min(deadline.unwrap_or(i64::MAX));
        (lifetime > 0 && token.expires.is_some_and(|expires| end > expires)).then_some(end)
    }
}
