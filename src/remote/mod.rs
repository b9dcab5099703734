//! Small documents of other services: published keys, kept secrets, certificates. Asked seldom, read whole, never on a viewer's path.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::builderstates::WantsSchemes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub mod acme;
pub mod near;
mod secrets_manager;

pub use secrets_manager::SecretsManager;

/// For the whole of it: connection, TLS, answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const LARGEST: usize = 512 << 10;

/// A client that trusts whom the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` say who that is).
#[derive(Debug, Clone)]
pub struct Remote(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No certificate to judge others by.
    #[error("no root certificate is found: install ca-certificates, or set SSL_CERT_FILE ({0})")]
    Trust(std::io::Error),
    /// What is to be believed instead is nobody's certificate.
    #[error("{0} holds no certificate: write -----BEGIN CERTIFICATE----- sections")]
    Roots(String),
    /// No whole answer in time.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Nobody there, no trust, or not HTTP.
    #[error("{0}")]
    Unreachable(String),
    /// It broke off, or is larger than any honest one.
    #[error("the answer broke off, or is larger than {LARGEST} bytes")]
    Body,
}

impl Remote {
    /// A client. Connects to nobody yet.
    ///
    /// # Errors
    /// Where the system trusts nobody.
    pub fn new() -> Result<Self, Error> {
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(default_provider())
            .map_err(Error::Trust)?;
        Ok(Self::over(https))
    }

    /// A client that trusts the certificates in a file, PEM, and nobody else.
    ///
    /// # Errors
    /// Where it holds none.
    pub fn trusting(path: &Path) -> Result<Self, Error> {
        let named =
            |why: &dyn std::fmt::Display| Error::Roots(format!("{} ({why})", path.display()));
        let mut roots = RootCertStore::empty();
        let read = CertificateDer::pem_file_iter(path).map_err(|error| named(&error))?;
        for root in read {
            let added = roots.add(root.map_err(|error| named(&error))?);
            added.map_err(|error| named(&error))?;
        }
        if roots.is_empty() {
            return Err(named(&"nothing in it is PEM"));
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| named(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::over(
            HttpsConnectorBuilder::new().with_tls_config(tls),
        ))
    }

    fn over(tls: HttpsConnectorBuilder<WantsSchemes>) -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_max_idle_per_host(0);
        Self(client.build(tls.https_or_http().enable_http1().build()))
    }

    /// Sends a request and reads the answer. Redirects are answers: whoever is believed is asked by name.
    ///
    /// # Errors
    /// See [`Error`]. A status is none.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Answer, Error> {
        let exchange = async {
            let answer = self.0.request(request.map(Full::new)).await;
            let (head, body) = answer.map_err(|error| unreachable(&error))?.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.map_err(|_| Error::Body)?.to_bytes(),
            })
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange).await;
        answer.unwrap_or(Err(Error::Timeout))
    }
}

/// The whole chain: the outermost cause only says that connecting failed.
fn unreachable(error: &dyn std::error::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Error::Unreachable(text)
}
