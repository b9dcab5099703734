//! What a verified token is valid for, held against a request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Asking, Refusal, Terms};
use ipnet::Ipv4Net;

use super::parts::own_query;
use super::resource::{Resource, Url, is_host};

/// The scheme and host that signers write, where these are not what the viewer asks.
#[derive(Debug)]
pub(super) struct Base {
    scheme: String,
    host: String,
}

/// A token's terms, besides its times.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) scope: Scope,
    pub(super) network: Option<Ipv4Net>,
    pub(super) base: Option<Arc<Base>>,
}

#[derive(Debug)]
pub(super) enum Scope {
    /// This URL, to the byte.
    Url(Box<str>),
    Resource(Resource),
}

impl Base {
    /// `https://media.example.com`
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        (matches!(scheme, "http" | "https") && is_host(host)).then(|| Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
        })
    }
}

/// The URL of a request as signers write it. Its query is apart because it may need memory of its own.
pub(super) fn url<'a>(base: Option<&'a Base>, asking: &Asking<'a>, query: &'a str) -> Url<'a> {
    let (scheme, host) = match base {
        Some(base) => (base.scheme.as_str(), base.host.as_str()),
        None => (asking.scheme, asking.host),
    };
    Url {
        scheme,
        host,
        path: asking.raw_path,
        query,
    }
}

/// The URL of a request in one piece. `None` for a host that holds more than one: with a slash in it, it would make one
/// path look like another.
pub(super) fn whole_url(base: Option<&Base>, asking: &Asking<'_>) -> Option<String> {
    let query = own_query(asking.query);
    let Url {
        scheme,
        host,
        path,
        query,
    } = url(base, asking, &query);
    let mark = if query.is_empty() { "" } else { "?" };
    is_host(host).then(|| [scheme, "://", host, path, mark, query].concat())
}

impl Terms for Held {
    fn permit(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        let query: Cow<'_, str> = own_query(asking.query);
        let url = url(self.base.as_deref(), asking, &query);
        let in_scope = match &self.scope {
            Scope::Url(whole) => is_host(url.host) && is_url(whole, &url),
            Scope::Resource(resource) => resource.covers(&url),
        };
        if !in_scope {
            return Err(Refusal::TokenScope);
        }
        match self.network {
            Some(network) if !contains(network, asking.viewer) => Err(Refusal::TokenAddress),
            _ => Ok(()),
        }
    }
}

fn is_url(whole: &str, url: &Url<'_>) -> bool {
    let rest = whole
        .strip_prefix(url.scheme)
        .and_then(|rest| rest.strip_prefix("://"));
    let rest = rest.and_then(|rest| rest.strip_prefix(url.host)?.strip_prefix(url.path));
    match rest {
        Some("") => url.query.is_empty(),
        Some(rest) => rest.strip_prefix('?') == Some(url.query),
        None => false,
    }
}

/// Networks are of IPv4: an IPv6 viewer is in the one only that has everybody.
fn contains(network: Ipv4Net, viewer: IpAddr) -> bool {
    match viewer {
        IpAddr::V4(address) => network.contains(&address),
        IpAddr::V6(_) => network.prefix_len() == 0,
    }
}
