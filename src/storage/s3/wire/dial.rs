//! Opens connections: TCP, and TLS where the endpoint has it.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use super::{Cause, Endpoint, Failure};
use crate::storage::s3::refusal::chain;
use crate::storage::{Error, OWNED};

/// How much one read from a socket may bring: measured, more saves nothing. hyper finds the size that fits below it,
/// which a fixed one would not: each read takes a buffer of its own, and a drip would pin one for every packet. A read
/// that fills its buffer is a piece that owns its memory.
const READ: usize = OWNED;

/// A silent connection is probed this often; a peer that is gone is then noticed though nothing is sent to it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A byte stream without a name.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What reads requests for a connection from its [`SendRequest`], and writes and reads them.
pub(super) type Driver = Connection<TokioIo<Box<dyn Stream>>, Empty<Bytes>>;

/// The way to one endpoint.
pub(super) struct Dial {
    address: Uri,
    tcp: HttpConnector,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limit: Duration,
}

impl Dial {
    /// Connections to `endpoint` that are open after `limit` or not at all.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] where TLS is asked for and cannot be spoken.
    pub(super) fn new(endpoint: &Endpoint, limit: Duration) -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        // Shared among the host's addresses: one that does not answer must not take all the time.
        tcp.set_connect_timeout(Some(limit));
        let tls = match endpoint.tls {
            true => Some((trusting_the_system()?, server_name(&endpoint.address)?)),
            false => None,
        };
        Ok(Self {
            address: endpoint.address.clone(),
            tcp,
            tls,
            limit,
        })
    }

    /// A connection that is ready for its first request, and what drives it.
    pub(super) async fn open(&self) -> Result<(SendRequest<Empty<Bytes>>, Driver), Failure> {
        match tokio::time::timeout(self.limit, self.reach()).await {
            Ok(Ok(open)) => Ok(open),
            Ok(Err(cause)) if !is_timeout(&*cause) => Err(Failure::Broken(cause)),
            Ok(Err(_)) | Err(_) => Err(Failure::ConnectTimeout),
        }
    }

    async fn reach(&self) -> Result<(SendRequest<Empty<Bytes>>, Driver), Cause> {
        let tcp = self.tcp.clone().call(self.address.clone()).await?;
        let tcp = tcp.into_inner();
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some((tls, name)) => Box::new(tls.connect(name.clone(), tcp).await?),
        };
        let http = http1::Builder::new()
            .max_buf_size(READ)
            .handshake(TokioIo::new(stream));
        Ok(http.await?)
    }
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
    })
}

/// TLS 1.2 and 1.3 with whom the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` say who that is).
fn trusting_the_system() -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    let (trusted, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if trusted == 0 {
        return Err(misconfigured(
            "no root certificate is found to judge the endpoint by: install ca-certificates, or set SSL_CERT_FILE",
        ));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config
        .map_err(|_| misconfigured("TLS has no protocol version to speak"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn server_name(address: &Uri) -> Result<ServerName<'static>, Error> {
    let host = address.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned())
        .map_err(|_| misconfigured("the endpoint's host is no name that a certificate can carry"))
}

fn misconfigured(text: &str) -> Error {
    Error::Misconfigured(text.into())
}
