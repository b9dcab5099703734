//! Path → route → asset. From here on traversal is unrepresentable.

use std::sync::Arc;

use super::error::Error;
use crate::access::prefix;
use crate::cache::{AssetKey, StorageId};
use crate::media::{AssetPath, Kind};
use crate::telemetry::{AccessInstruments, RequestInstruments};

/// Maps a part of the URL space to a storage.
#[derive(Debug)]
pub struct Route {
    /// The path prefix it serves, `/vod/`; also its name in metrics and logs.
    pub path: Arc<str>,
    /// Where its assets live.
    pub storage: StorageId,
    /// Whether `path` is taken off before storage is asked.
    pub strip_prefix: bool,
    /// Put before the name storage is asked for; empty for nothing.
    pub prepend: String,
    /// What a viewer has to meet, by its place among the policies; `None` lets everybody in.
    pub policy: Option<usize>,
    /// Whether a token may stand before the path.
    pub takes_prefix: bool,
    /// Its counters.
    pub instruments: Arc<RequestInstruments>,
    /// What its policy decided.
    pub access: Arc<AccessInstruments>,
}

/// Every route. The longest prefix wins.
#[derive(Debug)]
pub struct Routes(Vec<Route>);

/// A path's asset.
#[derive(Debug, Clone)]
pub(super) struct Routed {
    pub(super) route: Arc<str>,
    pub(super) instruments: Arc<RequestInstruments>,
    pub(super) access: Arc<AccessInstruments>,
    pub(super) policy: Option<usize>,
    /// Where the path begins behind a token, in bytes of the target; `None` where there is no token before it.
    pub(super) prefix: Option<usize>,
    /// The path that was asked for, a token before it taken off.
    pub(super) path: AssetPath,
    pub(super) asset: AssetKey,
    pub(super) kind: Kind,
}

impl Routes {
    /// These routes.
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        Self(routes)
    }

    /// The asset that a request's path names. The query plays no part: players add hints to it (`_HLS_msn`, `CMCD`),
    /// CDNs add tokens. Nor does a token before the path, where the route behind it takes one.
    pub(super) fn find(&self, path: &str) -> Result<Routed, Error> {
        if let Some((_, behind)) = prefix::split(path)
            && let Ok((routed, true)) = self.find_plain(behind)
        {
            let prefix = Some(path.len() - behind.len());
            return Ok(Routed { prefix, ..routed });
        }
        // What stands there is a part of the name, then.
        self.find_plain(path).map(|(routed, _)| routed)
    }

    /// The asset of a path as it stands, and whether its route takes a token before it.
    fn find_plain(&self, path: &str) -> Result<(Routed, bool), Error> {
        let path = AssetPath::parse(path).map_err(Error::Path)?;
        for route in &self.0 {
            let prefix = route.path.trim_matches('/');
            let stripped = match prefix {
                "" => Some(path.clone()),
                prefix => path.strip_prefix(prefix),
            };
            let Some(stripped) = stripped else { continue };
            let kept = if route.strip_prefix {
                stripped
            } else {
                path.clone()
            };
            let named = match route.prepend.as_str() {
                "" => kept,
                prepend => kept.prepend(prepend).map_err(Error::Path)?,
            };
            return Ok((route.to(path, named), route.takes_prefix));
        }
        Err(Error::NoRoute)
    }
}

impl Route {
    fn to(&self, path: AssetPath, named: AssetPath) -> Routed {
        Routed {
            route: self.path.clone(),
            instruments: self.instruments.clone(),
            access: self.access.clone(),
            policy: self.policy,
            prefix: None,
            path,
            kind: Kind::of(&named),
            asset: AssetKey {
                storage: self.storage,
                path: named,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Instruments;

    fn routes(table: &[(&str, bool, &str)]) -> Routes {
        let instruments = Instruments::new();
        let counters = Arc::new(instruments.route("-"));
        let route = |(index, &(path, strip_prefix, prepend)): (usize, &(&str, bool, &str))| Route {
            path: path.into(),
            storage: StorageId(index as u16),
            strip_prefix,
            prepend: prepend.to_owned(),
            policy: None,
            takes_prefix: path.starts_with("/locked"),
            instruments: counters.clone(),
            access: Arc::new(instruments.access("-")),
        };
        Routes::new(table.iter().enumerate().map(route).collect())
    }

    fn found(routes: &Routes, path: &str) -> Option<(u16, String)> {
        let routed = routes.find(path).ok()?;
        Some((routed.asset.storage.0, routed.asset.path.to_string()))
    }

    #[test]
    fn the_longest_prefix_wins_on_segment_borders() {
        let routes = routes(&[
            ("/", false, ""),
            ("/vod/", false, ""),
            ("/vod/live/", false, ""),
        ]);
        let at = |path| found(&routes, path).unwrap();
        assert_eq!(at("/x.ts"), (0, "x.ts".into()));
        assert_eq!(at("/vod/x.ts"), (1, "vod/x.ts".into()));
        assert_eq!(at("/vodka/x.ts"), (0, "vodka/x.ts".into()));
        assert_eq!(at("/vod/live/x.ts"), (2, "vod/live/x.ts".into()));
    }

    #[test]
    fn a_prefix_is_stripped_and_another_put_before() {
        let routes = routes(&[("/vod/", true, "titles/"), ("/raw/", true, "")]);
        let at = |path| found(&routes, path).unwrap();
        assert_eq!(at("/vod/t1/a%20b.ts"), (0, "titles/t1/a b.ts".into()));
        assert_eq!(at("/raw/t1/a.ts"), (1, "t1/a.ts".into()));
        assert_eq!(found(&routes, "/other/a.ts"), None);
    }

    #[test]
    fn a_token_before_the_path_is_taken_off_where_the_route_takes_one() {
        let routes = routes(&[
            ("/locked/", false, ""),
            ("/open/", false, ""),
            ("/", false, ""),
        ]);
        let routed = routes.find("/~a.b.c/locked/x.ts").unwrap();
        assert_eq!(routed.prefix, Some(7));
        assert_eq!(routed.path.as_str(), "locked/x.ts");
        assert_eq!(routed.asset.path.as_str(), "locked/x.ts");
        let routed = routes.find("/~a/open/x.ts").unwrap();
        assert_eq!(routed.prefix, None);
        assert_eq!(routed.asset.path.as_str(), "~a/open/x.ts");
        assert!(routes.find("/~a/locked/%2e%2e/x").is_err());
        assert_eq!(
            routes.find("/~a/~b/locked/x").unwrap().prefix,
            None,
            "only one"
        );
    }

    #[test]
    fn the_encoding_of_a_path_cannot_choose_another_route() {
        let routes = routes(&[("/vod/", false, "")]);
        for path in [
            "/vod/../x.ts",
            "/vod/%2e%2e/x.ts",
            "/%2e%2e/vod/x.ts",
            "/vod%2fx.ts",
            "//vod/x.ts",
        ] {
            assert_eq!(found(&routes, path), None, "{path}");
        }
        assert_eq!(found(&routes, "/%76od/x.ts"), Some((0, "vod/x.ts".into())));
    }
}
