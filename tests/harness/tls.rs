//! A certificate for servers that speak TLS, and who vouches for it.
//!
//! Made once, for the years from 2020 to 2120; the key of the authority was thrown away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

const LEAF: &[u8] = include_bytes!("tls/leaf.der");
const LEAF_KEY: &[u8] = include_bytes!("tls/leaf-key.der");

/// The file to trust whoever is to trust these servers; no system does by itself.
pub(crate) fn authority() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/tls/ca.pem")
}

pub(super) fn acceptor() -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(LEAF)],
            PrivatePkcs8KeyDer::from(LEAF_KEY).into(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}
