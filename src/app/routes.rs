//! The routes of the configuration.

use std::sync::Arc;

use super::Error;
use super::storages::Storages;
use crate::config::{self, Config};
use crate::handler::{Route, Routes};
use crate::telemetry::Instruments;

/// The routes of every listener: a listener's own policy stands in where a route has none.
pub(super) fn of_listeners(
    config: &Config,
    storages: &Storages,
    instruments: &Instruments,
) -> Result<Vec<Routes>, Error> {
    let policies = config
        .listener
        .values()
        .map(|listener| listener.access.as_ref());
    let policies = std::iter::once(None).chain(policies);
    let routes = policies.map(|policy| of(config, storages, instruments, policy));
    routes.collect()
}

fn of(
    config: &Config,
    storages: &Storages,
    instruments: &Instruments,
    policy: Option<&String>,
) -> Result<Routes, Error> {
    let route = |route: &config::Route| {
        let storage = storages.id(&route.storage).ok_or_else(|| {
            Error::Config(format!(
                "route {}: there is no storage.{}",
                route.path, route.storage
            ))
        })?;
        let access = route.access.as_ref().or(policy);
        Ok(Route {
            path: route.path.as_str().into(),
            storage,
            strip_prefix: route.strip_prefix,
            prepend: route.prepend.clone(),
            policy: access.and_then(|access| config.access.keys().position(|name| name == access)),
            takes_prefix: access.is_some_and(|access| takes_prefix(config, access)),
            instruments: Arc::new(instruments.route(&route.path)),
            access: Arc::new(instruments.access(access.map_or("-", String::as_str))),
        })
    };
    let routes = config
        .route
        .iter()
        .map(route)
        .collect::<Result<_, Error>>()?;
    Ok(Routes::new(routes))
}

/// Whether a policy takes tokens that stand before the path.
fn takes_prefix(config: &Config, access: &str) -> bool {
    let tokens = config.access.get(access).map(|access| &access.tokens);
    let named = |name: &String| config.token.get(name);
    let takes = |token: &config::Token| token.carriers.contains(&config::Carrier::Path);
    tokens.is_some_and(|tokens| tokens.iter().filter_map(named).any(takes))
}
