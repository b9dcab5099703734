//! Which certificate a client is shown.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Certificate;

/// Certificates by the names in them.
#[derive(Debug)]
pub(super) struct ByName(Vec<Certificate>);

impl ByName {
    pub(super) fn new(certificates: Vec<Certificate>) -> Self {
        Self(certificates)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        // RFC 6066 section 3: without a name the client takes what it gets, as health checks do.
        let has_name = |certificate: &&Certificate| {
            hello
                .server_name()
                .is_none_or(|name| certificate.is_for(name))
        };
        let signs =
            |certificate: &&Certificate| certificate.key.key.choose_scheme(schemes).is_some();
        let mut named = self.0.iter().filter(has_name);
        let first = named.clone().next()?;
        Some(named.find(signs).unwrap_or(first).key.clone())
    }
}
