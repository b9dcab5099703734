//! Path → route → asset. From here on traversal is unrepresentable.

use std::sync::Arc;

use super::error::Error;
use crate::cache::{AssetKey, StorageId};
use crate::media::{AssetPath, Kind};
use crate::telemetry::RequestInstruments;

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
    /// Its counters.
    pub instruments: Arc<RequestInstruments>,
}

/// Every route. The longest prefix wins.
#[derive(Debug)]
pub struct Routes {
    longest_first: Vec<Route>,
    unrouted: Arc<RequestInstruments>,
}

/// A path's asset.
#[derive(Debug, Clone)]
pub(super) struct Routed {
    pub(super) route: Arc<str>,
    pub(super) instruments: Arc<RequestInstruments>,
    pub(super) asset: AssetKey,
    pub(super) kind: Kind,
}

impl Routes {
    /// These routes; requests that match none are counted in `unrouted`.
    pub fn new(mut routes: Vec<Route>, unrouted: Arc<RequestInstruments>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        Self {
            longest_first: routes,
            unrouted,
        }
    }

    /// Every set of counters, the unrouted one included.
    pub fn instruments(&self) -> impl Iterator<Item = &Arc<RequestInstruments>> {
        self.longest_first
            .iter()
            .map(|route| &route.instruments)
            .chain([&self.unrouted])
    }

    pub(super) fn unrouted(&self) -> &Arc<RequestInstruments> {
        &self.unrouted
    }

    /// The asset that a request's path names. The query plays no part: players add hints to it
    /// (`_HLS_msn`, `CMCD`), CDNs add tokens.
    pub(super) fn find(&self, path: &str) -> Result<Routed, Error> {
        let path = AssetPath::parse(path).map_err(Error::Path)?;
        for route in &self.longest_first {
            let prefix = route.path.trim_matches('/');
            let stripped = match prefix {
                "" => Some(path.clone()),
                prefix => path.strip_prefix(prefix),
            };
            let Some(stripped) = stripped else { continue };
            let kept = if route.strip_prefix { stripped } else { path };
            let named = match route.prepend.as_str() {
                "" => kept,
                prepend => kept.prepend(prepend).map_err(Error::Path)?,
            };
            return Ok(Routed {
                route: route.path.clone(),
                instruments: route.instruments.clone(),
                kind: Kind::of(&named),
                asset: AssetKey {
                    storage: route.storage,
                    path: named,
                },
            });
        }
        Err(Error::NoRoute)
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
            instruments: counters.clone(),
        };
        Routes::new(
            table.iter().enumerate().map(route).collect(),
            counters.clone(),
        )
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
