//! The listeners of the configuration.

use super::{settings, tls};
use crate::config::{self, Config};
use crate::handler::Handler;
use crate::transport::{BindError, Listener, Transport};

/// The listeners for viewers, and what load balancers say before a connection.
pub(super) fn viewers(
    config: &Config,
    handler: &Handler,
    tls: &tls::Loader,
) -> Result<Transport, BindError> {
    let listeners = listeners(config, tls);
    let viewers = Transport::bind("viewers", listeners, settings::workers(config))?;
    if !config.viewer.proxy_protocol {
        return Ok(viewers);
    }
    let handler = handler.clone();
    Ok(viewers.introduced_by(move |peer| handler.trusts(peer)))
}

/// `server.listen`, then the others in the order of their names: so they are counted in requests and in [`super::routes`].
fn listeners(config: &Config, tls: &tls::Loader) -> Vec<Listener> {
    let plain = Listener {
        name: "server".to_owned(),
        addrs: config.server.listen.clone(),
        tls: None,
        http2: true,
        http3: false,
    };
    let others = config.listener.iter().map(|(name, listener)| Listener {
        name: name.clone(),
        addrs: listener.listen.clone(),
        tls: tls.of(name),
        http2: listener.protocols.contains(&config::Protocol::Http2),
        http3: listener.protocols.contains(&config::Protocol::Http3),
    });
    std::iter::once(plain).chain(others).collect()
}

/// The admin's.
pub(super) fn operators(config: &Config) -> Listener {
    Listener {
        name: "admin".to_owned(),
        addrs: vec![config.admin.listen],
        tls: None,
        http2: true,
        http3: false,
    }
}
