//! The listeners of the configuration.

use std::net::SocketAddr;

use super::{settings, tls};
use crate::config::{self, Config, OwnLimits};
use crate::handler::Handler;
use crate::transport::{BindError, Inherited, Listener, Transport};

/// The listeners for viewers, and what load balancers say before a connection.
pub(super) fn viewers(
    config: &Config,
    handler: &Handler,
    tls: &tls::Loader,
    inherited: &mut Inherited,
) -> Result<Transport, BindError> {
    let (listeners, workers) = (listeners(config, tls), settings::workers(config));
    let viewers = Transport::bind("viewers", listeners, workers, inherited)?;
    if !config.viewer.proxy_protocol {
        return Ok(viewers);
    }
    let handler = handler.clone();
    Ok(viewers.introduced_by(move |peer| handler.trusts(peer)))
}

/// `server.listen`, then the others in the order of their names: so they are counted in requests and in [`super::routes`].
fn listeners(config: &Config, tls: &tls::Loader) -> Vec<Listener> {
    let first = plain(config, "server", config.server.listen.clone());
    let others = config.listener.iter().map(|(name, listener)| Listener {
        tls: tls.of(name),
        http2: listener.protocols.contains(&config::Protocol::Http2),
        http3: listener.protocols.contains(&config::Protocol::Http3),
        early_data: listener.early_data,
        limits: settings::limits(config, &listener.limits),
        max_connections: listener.limits.max_connections,
        ..plain(config, name, listener.listen.clone())
    });
    std::iter::once(first).chain(others).collect()
}

/// The admin's.
pub(super) fn operators(
    config: &Config,
    inherited: &mut Inherited,
) -> Result<Transport, BindError> {
    let admin = Listener {
        path: config.admin.socket.clone(),
        ..plain(config, "admin", vec![config.admin.listen])
    };
    Transport::bind("operators", vec![admin], 1, inherited)
}

/// One without TLS, with everybody's limits.
fn plain(config: &Config, name: &str, addrs: Vec<SocketAddr>) -> Listener {
    Listener {
        name: name.to_owned(),
        addrs,
        path: None,
        tls: None,
        http2: true,
        http3: false,
        early_data: false,
        limits: settings::limits(config, &OwnLimits::default()),
        max_connections: None,
    }
}
