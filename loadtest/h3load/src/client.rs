//! One connection, and one exchange on it.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes};
use http::{Request, StatusCode, Uri};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use socket2::SockRef;

/// Asked of the system for a socket's receive buffer; it may give less.
const BUFFER: usize = 8 << 20;

/// What may be under way: windows are never what a server waits for.
const STREAM_WINDOW: u32 = 4 << 20;
const WINDOW: u32 = 32 << 20;

/// Longer than any server keeps a connection that says nothing.
const IDLE: Duration = Duration::from_secs(300);

/// A connection that asks for nothing says so every now and then: Caddy ends one that is silent for 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// A connection whose handshake is done.
pub(crate) struct Client {
    quic: quinn::Connection,
    sender: h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
    driver: tokio::task::JoinHandle<h3::error::ConnectionError>,
}

/// A socket of its own, for clients of this server.
pub(crate) fn endpoint(url: &Uri) -> Result<Endpoint> {
    let unspecified: SocketAddr = match server(url)? {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(unspecified)?;
    let buffer = SockRef::from(&socket);
    buffer.set_recv_buffer_size(BUFFER)?;
    buffer.set_send_buffer_size(BUFFER)?;
    let config = EndpointConfig::default();
    let mut endpoint = Endpoint::new(config, None, socket, Arc::new(TokioRuntime))?;
    endpoint.set_default_client_config(config_of_clients()?);
    Ok(endpoint)
}

fn server(url: &Uri) -> Result<SocketAddr> {
    let (host, port) = (url.host(), url.port_u16());
    ensure!(
        url.scheme_str() == Some("https") && host.is_some(),
        "{url} is no URL of HTTP/3: it begins with https://HOST"
    );
    let host = host.unwrap_or_default().trim_matches(['[', ']']);
    let mut found = (host, port.unwrap_or(443))
        .to_socket_addrs()
        .with_context(|| format!("{host} has no address"))?;
    found
        .next()
        .with_context(|| format!("{host} has no address"))
}

fn config_of_clients() -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE.try_into()?));
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

impl Client {
    /// Shakes hands.
    pub(crate) async fn connect(url: &Uri, endpoint: &Endpoint) -> Result<Self> {
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let quic = endpoint.connect(server(url)?, host)?.await?;
        let carried = h3_quinn::Connection::new(quic.clone());
        let (mut driver, sender) = h3::client::new(carried).await?;
        let driver = tokio::spawn(async move { driver.wait_idle().await });
        Ok(Self {
            quic,
            sender,
            driver,
        })
    }

    /// Another who asks on the same connection. All have to be gone before it can be [closed](Client::close).
    pub(crate) fn asker(&self) -> Asker {
        Asker(self.sender.clone())
    }

    /// One exchange; see [`Asker::get`].
    pub(crate) async fn get(&mut self, url: &Uri, took: impl FnMut(&[u8])) -> Result<u64> {
        self.asker().get(url, took).await
    }

    /// Why the connection has ended, where it has.
    pub(crate) fn ended(&self) -> Option<quinn::ConnectionError> {
        self.quic.close_reason()
    }

    /// Leaves as a client should: H3_NO_ERROR.
    pub(crate) async fn close(self) {
        drop(self.sender);
        let _ = self.driver.await;
        self.quic.close(VarInt::from_u32(0x100), b"");
    }
}

/// Who asks on a connection.
pub(crate) struct Asker(h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>);

impl Asker {
    /// One GET; every piece of the body is shown to `took`. The body's length, which is the one announced, or it is an
    /// error, as is any other status than 200.
    pub(crate) async fn get(&mut self, url: &Uri, mut took: impl FnMut(&[u8])) -> Result<u64> {
        let request = Request::get(url).body(())?;
        let mut stream = self.0.send_request(request).await?;
        stream.finish().await?;
        let head = stream.recv_response().await?;
        ensure!(head.status() == StatusCode::OK, "status {}", head.status());
        let mut length = 0;
        while let Some(mut piece) = stream.recv_data().await? {
            while piece.has_remaining() {
                let chunk = piece.chunk();
                took(chunk);
                let taken = chunk.len();
                length += taken as u64;
                piece.advance(taken);
            }
        }
        let announced = head.headers().get(http::header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
        if announced != Some(length) {
            bail!("{length} bytes came, content-length says {announced:?}");
        }
        Ok(length)
    }
}

/// Believes whoever answers: the bench looks at the bytes itself.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC has TLS 1.3 alone".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
