//! The policy's turn: what a request looks like to it, and what its answer does to ours.

use http::header::{CACHE_CONTROL, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::error::Error;
use super::route::Routed;
use crate::access::limits::Asked;
use crate::access::limits::pace::{self, Pace};
use crate::access::{Asking, Gate, Grant, Policy, Seen, Spoken, debug};
use crate::exchange::{Request, Response};
use crate::media::Kind;

/// The outcome of a decision that is no refusal.
const GRANTED: (usize, &str) = (0, "granted");

/// What a grant does to an answer. Worked out before the answer is, so that nothing of the request is held on to.
#[derive(Debug, Default)]
pub(super) struct Leave {
    /// Seconds after which the answer must be forgotten.
    left: Option<i64>,
    /// Cookies that it sets.
    cookies: Vec<HeaderValue>,
    /// How fast its body may go.
    pace: Option<Pace>,
}

/// A request that a policy is asked about.
pub(super) struct Visit<'a> {
    pub(super) request: &'a Request,
    pub(super) routed: &'a Routed,
    /// Unix time in seconds.
    pub(super) now: i64,
}

impl Visit<'_> {
    /// Leave to see what was asked for, by the gate's policy for the route.
    ///
    /// # Errors
    /// [`Error::Refused`], which knows the status and who may be told why.
    pub(super) async fn decide(&self, gate: &Gate, seen: &Seen) -> Result<Leave, Error> {
        let policy = self.routed.policy.and_then(|at| gate.policies.get(at));
        // A route's policy is always there: they are made of one configuration.
        let policy = policy.ok_or(Error::NoRoute)?;
        // The same value names the cached asset: they cannot disagree about what was asked for.
        let path = format!("/{}", self.routed.path);
        let asking = self.asking(seen, &path);
        let decision = policy.decide(&asking, self.asked()).await;
        self.routed.access.decided(match &decision {
            Ok(_) => GRANTED,
            Err(refused) => (refused.why as usize + 1, refused.why.as_str()),
        });
        let grant = decision.map_err(|refused| Error::Refused {
            refused,
            expired_status: policy.expired_status,
            told: self.may_be_told(policy),
        })?;
        Ok(Leave {
            left: grant
                .until
                .map(|until| until.saturating_sub(self.now).max(0)),
            cookies: self.cookies(policy, &grant, &asking),
            pace: grant.pace,
        })
    }

    fn asking<'b>(&'b self, seen: &'b Seen, path: &'b str) -> Asking<'b> {
        let (headers, uri) = (&self.request.headers, &self.request.uri);
        let tls = self.request.peer.tls.as_deref();
        let ours = if tls.is_some() { "https" } else { "http" };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = uri.authority().map(|authority| authority.as_str());
        let (prefix, raw_path) = match self.routed.prefix {
            Some(at) => (Some(&uri.path()[2..at]), &uri.path()[at..]),
            None => (None, uri.path()),
        };
        Asking {
            method: self.request.method.as_str(),
            scheme: seen.viewer.scheme.map_or(ours, Spoken::as_str),
            host: host.or(authority).unwrap_or(""),
            raw_path,
            path,
            query: uri.query().unwrap_or(""),
            headers,
            prefix,
            viewer: seen.viewer.ip,
            place: &seen.place,
            alpn: tls.and_then(|tls| tls.alpn),
            device: seen.viewer.device,
            identities: tls.map_or(&[], |tls| &tls.identities),
            now: self.now,
        }
    }

    fn asked(&self) -> Asked {
        match self.routed.kind {
            kind if kind.is_manifest() => Asked::Playlist,
            Kind::Init | Kind::Segment => Asked::Media,
            _ => Asked::Other,
        }
    }

    fn may_be_told(&self, policy: &Policy) -> bool {
        let key = policy.debug_key.as_ref();
        key.is_some_and(|key| debug::is_asked(key, &self.request.headers, self.now))
    }

    /// A manifest's answer passes the token on.
    fn cookies(&self, policy: &Policy, grant: &Grant, asking: &Asking<'_>) -> Vec<HeaderValue> {
        let accepted = grant.accepted.as_ref();
        let Some(accepted) = accepted.filter(|_| self.routed.kind.is_manifest()) else {
            return Vec::new();
        };
        let Some(renewed) = policy.renewal.of(accepted, asking) else {
            return Vec::new();
        };
        let mut attributes = format!("; Path={}; HttpOnly", self.routed.route);
        if let Some(max_age) = renewed.max_age {
            attributes.push_str(&format!("; Max-Age={max_age}"));
        }
        // A player's page is of another site, as a rule; browsers then send the cookie over TLS only.
        attributes.push_str(match asking.scheme {
            "https" => "; Secure; SameSite=None",
            _ => "; SameSite=Lax",
        });
        let cookies = renewed.cookies.iter();
        let cookies = cookies.map(|(name, value)| format!("{name}={value}{attributes}"));
        cookies
            .filter_map(|cookie| cookie.try_into().ok())
            .collect()
    }
}

impl Leave {
    /// Has the answer keep to the grant's terms.
    pub(super) fn mark(self, mut answer: Response) -> Response {
        if let Some(left) = self.left {
            end_by(&mut answer.headers, left);
        }
        if !self.cookies.is_empty() {
            // One viewer's token is in them.
            let private = HeaderValue::from_static("private, no-store");
            answer.headers.insert(CACHE_CONTROL, private);
        }
        for cookie in self.cookies {
            answer.headers.append(SET_COOKIE, cookie);
        }
        match self.pace {
            Some(pace) => Response {
                body: answer
                    .body
                    .through(|bytes| Box::pin(pace::paced(bytes, pace))),
                ..answer
            },
            None => answer,
        }
    }
}

/// Has every cache on the way forget the answer within `left` seconds, if it would keep it longer.
fn end_by(headers: &mut HeaderMap, left: i64) {
    let Some(value) = headers
        .get(CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
    else {
        return;
    };
    let seconds = |directive: &str| {
        let (_, seconds) = directive.trim().split_once('=')?;
        seconds.trim_matches('"').parse::<i64>().ok()
    };
    // Stale use comes on top of freshness: only a sum within the window may stay.
    let longest: i64 = value
        .split(',')
        .filter_map(seconds)
        .fold(0, i64::saturating_add);
    if longest <= left {
        return;
    }
    let mut kept: Vec<String> = Vec::new();
    for directive in value.split(',').map(str::trim) {
        let name = directive.split('=').next().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "max-age" | "s-maxage" => {
                let shorter = seconds(directive).unwrap_or(0).min(left);
                kept.push(format!("{name}={shorter}"));
            }
            // Either would carry it past the end.
            "stale-while-revalidate" | "stale-if-error" | "immutable" => {}
            _ => kept.push(directive.to_owned()),
        }
    }
    kept.push("must-revalidate".to_owned());
    if let Ok(value) = HeaderValue::try_from(kept.join(", ")) {
        headers.insert(CACHE_CONTROL, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(value: &str, left: i64) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, value.parse().unwrap());
        end_by(&mut headers, left);
        headers[CACHE_CONTROL].to_str().unwrap().to_owned()
    }

    #[test]
    fn no_cache_keeps_an_answer_past_the_window() {
        let whole = "public, max-age=60, s-maxage=3600, stale-if-error=86400";
        assert_eq!(
            ended(whole, 100),
            "public, max-age=60, s-maxage=100, must-revalidate"
        );
        assert_eq!(ended(whole, 1_000_000), whole, "the window is long");
        assert_eq!(
            ended("public, max-age=31536000, immutable", 5),
            "public, max-age=5, must-revalidate"
        );
        assert_eq!(ended("no-store", 5), "no-store");
        assert_eq!(ended("max-age=10", 0), "max-age=0, must-revalidate");
    }
}
