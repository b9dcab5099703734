//! TLS: who we are by which name, who may connect, and what is spoken.
//!
//! What it is made of comes as PEM and becomes a [`Terms`] as a whole, or a problem that says what to mend;
//! [`Tls::renew`] swaps it under connections that are open.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, WebPkiClientVerifier,
};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::guard::Protocol;
use crate::exchange::Secured;

mod certificate;
mod clients;
mod names;
mod questions;

pub use certificate::Certificate;
pub(super) use clients::identities;
pub use clients::{Asked, Clients};
use questions::{Caller, answered};
pub use questions::{Expected, Questions};

/// What of an answer is encrypted before it is handed to the system: enough for sixteen records in one call. More
/// measured no faster, less did (`make compare`, the TLS rows).
const BUFFER: usize = 256 << 10;

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oldest {
    /// 1.2, with forward secrecy and authenticated encryption only: rustls has no other.
    Tls12,
    /// 1.3.
    Tls13,
}

/// What clients may agree on, in the order in which we like it (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alpn {
    /// HTTP/2.
    pub h2: bool,
    /// HTTP/1.1.
    pub http1: bool,
    /// Whether clients of HTTP/3 that come back may ask before the handshake is done.
    pub early_data: bool,
}

/// Sessions of HTTP/3 that are remembered where early data is taken, a KiB each.
const SESSIONS: usize = 8192;

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        let h2 = self.h2.then(|| b"h2".to_vec());
        let http1 = self.http1.then(|| b"http/1.1".to_vec());
        h2.into_iter().chain(http1).collect()
    }
}

/// Session tickets: a client that comes back shows one and saves the handshake's signature. Their keys are made anew
/// every six hours and forgotten after twelve.
#[derive(Debug, Clone)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// With keys that nobody else has.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> Result<Self, Problem> {
        Ok(Self(
            Ticketer::new().map_err(|error| Problem(error.to_string()))?,
        ))
    }
}

/// What TLS of one listener is made of.
#[derive(Clone)]
pub struct Terms {
    tcp: Arc<ServerConfig>,
    quic: Arc<QuicServerConfig>,
}

/// What cannot be used, and how to mend it. Says nothing of a key but that it is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub(super) String);

impl Terms {
    /// Puts them together. A client is shown the first certificate that has its name and a key it can verify; one that
    /// gives no name the first of all; one that asks for a name that none has is refused.
    ///
    /// # Errors
    /// What of it does not fit together.
    pub fn new(
        certificates: Vec<Certificate>,
        clients: Option<&Clients>,
        tickets: &Tickets,
        oldest: Oldest,
        alpn: Alpn,
    ) -> Result<Self, Problem> {
        let provider = Arc::new(default_provider());
        let versions: &[_] = match oldest {
            Oldest::Tls12 => &[&TLS13, &TLS12],
            Oldest::Tls13 => &[&TLS13],
        };
        let failed = |error: rustls::Error| Problem(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(failed)?;
        let verifier = match clients {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(clients) => clients.verifier(provider)?,
        };
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(names::ByName::new(certificates)));
        config.alpn_protocols = alpn.protocols();
        // Tickets alone: a store of sessions would be one for all cores, behind a lock.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = tickets.0.clone();
        let mut quic = config.clone();
        quic.alpn_protocols = vec![b"h3".to_vec()];
        if alpn.early_data {
            // Each session is taken out of the store by the first who comes back on it: what is replayed finds none, and is
            // no early data any more (RFC 8446 section 8.1). Tickets could not do that.
            quic.session_storage = ServerSessionMemoryCache::new(SESSIONS);
            quic.ticketer = Arc::new(NoTickets);
            quic.max_early_data_size = u32::MAX;
        }
        let quic = QuicServerConfig::try_from(quic);
        Ok(Self {
            tcp: Arc::new(config),
            // It speaks TLS 1.3 whatever the oldest version is.
            quic: Arc::new(quic.map_err(|error| Problem(error.to_string()))?),
        })
    }
}

/// Sessions are remembered instead.
#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// A listener's terms as they are now, and as they will be.
pub struct Tls {
    terms: ArcSwap<Terms>,
    questions: Questions,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// A connection whose handshake is done.
pub(super) struct Agreed {
    pub(super) stream: Box<TlsStream<TcpStream>>,
    pub(super) protocol: Protocol,
    pub(super) secured: Arc<Secured>,
    /// Whether the client has been here before, and saved a signature.
    pub(super) resumed: bool,
}

impl Tls {
    /// With these terms; issuers' questions are answered beside them.
    pub fn new(terms: Terms, questions: Questions) -> Self {
        Self {
            terms: ArcSwap::from_pointee(terms),
            questions,
        }
    }

    /// From the next handshake on, with these. Connections that are open keep what they have.
    pub fn renew(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    /// For a connection over QUIC.
    pub(super) fn quic(&self) -> Arc<QuicServerConfig> {
        self.terms.load().quic.clone()
    }

    /// Shakes hands. `unread` is what was read of the connection already.
    ///
    /// # Errors
    /// A word for the metric: what went wrong, that it took too long, or that it was no client but an issuer.
    pub(super) async fn agree(
        &self,
        stream: TcpStream,
        unread: Bytes,
        patience: Duration,
    ) -> Result<Agreed, &'static str> {
        let handshake = self.shake_hands(stream, unread);
        let agreed = tokio::time::timeout(patience, handshake).await;
        agreed.unwrap_or(Err("timeout"))
    }

    async fn shake_hands(
        &self,
        mut stream: TcpStream,
        mut unread: Bytes,
    ) -> Result<Agreed, &'static str> {
        // For a few seconds in months: otherwise the first words are the handshake's alone.
        if self.questions.are_expected() {
            let heard = self.questions.hear(&mut stream, unread).await;
            let (caller, words) = heard.map_err(|error| word(&error))?;
            if let Caller::Issuer(terms) = caller {
                return Err(answered(stream, words, terms).await);
            }
            unread = words;
        }
        let acceptor = TlsAcceptor::from(self.terms.load().tcp.clone());
        let handshake = acceptor.accept_with(stream, |session| {
            session.set_buffer_limit(Some(BUFFER));
            feed(session, &unread);
        });
        let stream = handshake.await.map_err(|error| word(&error))?;
        Ok(Agreed::of(Box::new(stream)))
    }
}

impl Agreed {
    fn of(stream: Box<TlsStream<TcpStream>>) -> Self {
        let session = stream.get_ref().1;
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        Self {
            protocol: match session.alpn_protocol() {
                Some(b"h2") => Protocol::Http2,
                Some(_) => Protocol::Http1,
                None => Protocol::Unknown,
            },
            secured: Arc::new(Secured {
                version: match session.protocol_version() {
                    Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
                    _ => "1.3",
                },
                alpn: match session.alpn_protocol() {
                    Some(b"h2") => Some("h2"),
                    Some(_) => Some("http/1.1"),
                    None => None,
                },
                identities: shown.map_or_else(Vec::new, |leaf| identities(leaf)),
            }),
            resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            stream,
        }
    }
}

/// Gives a session what was read by another reader. What is wrong with it is met again by the handshake.
fn feed(session: &mut ServerConnection, mut unread: &[u8]) {
    while !unread.is_empty() {
        let read = session.read_tls(&mut unread).unwrap_or(0);
        if session.process_new_packets().is_err() || read == 0 {
            return;
        }
    }
}

/// Why a handshake failed, in one word of a bounded list.
fn word(error: &io::Error) -> &'static str {
    use rustls::Error as E;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<E>()) else {
        // It left, or was cut.
        return "peer";
    };
    match tls {
        E::NoApplicationProtocol => "no_protocol",
        E::PeerIncompatible(_) => "incompatible",
        E::NoCertificatesPresented => "no_client_certificate",
        E::InvalidCertificate(_) | E::InvalidCertRevocationList(_) => "bad_client_certificate",
        // The client does not like us: our certificate, as a rule.
        E::AlertReceived(_) => "alert",
        // The only thing that our resolver says no to.
        E::General(_) => "unknown_name",
        _ => "malformed",
    }
}
