//! HTTP/3: the same exchanges over QUIC. quinn speaks QUIC, h3 the rest.
//!
//! Every worker has a socket of the same port and an endpoint of its own; `socket.rs` sees to it that a connection whose
//! client has moved still finds its worker.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::{Endpoint, Incoming, ServerConfig, TransportConfig, VarInt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::connection::Counted;
use super::{Limits, Open, Shared};
use crate::exchange::{Answer, Peer, Secured};

mod bounded;
mod socket;
mod stream;

use bounded::Bounded;
pub(super) use socket::{Place, places};

/// Requests of one connection at a time, as over HTTP/2.
const STREAMS: u32 = 64;

/// A client's streams beside its requests: control, and two of QPACK (RFC 9114 section 6.2).
const UNI_STREAMS: u32 = 8;

/// The longest head, as over HTTP/2.
const HEAD: u64 = 16 * 1024;

/// What a client may send before it is read. Requests are short, and nobody reads bodies.
const RECEIVE: u32 = 64 * 1024;

/// What is held of answers until it is acknowledged: 25 ms at a Gbit/s, or 250 at 100 Mbit/s.
const SEND: u64 = 3 << 20;

/// Handshakes under way past which a client has to show first that it is where it says (RFC 9000 section 8.1.2).
const MOST_UNPROVEN: usize = 64;

/// One worker's end of a listener.
pub(super) struct Listening {
    pub(super) open: Arc<Open>,
    pub(super) socket: UdpSocket,
    pub(super) place: Place,
}

impl Listening {
    /// Serves until the drain begins and every connection has ended.
    pub(super) async fn serve<A: Answer>(self, answer: A, shared: Shared) {
        let endpoint = match self.endpoint(&shared.limits) {
            Ok(endpoint) => endpoint,
            Err(error) => return tracing::error!(%error, "a socket for HTTP/3 is unusable"),
        };
        let mut connections = JoinSet::new();
        let mut handshaking = JoinSet::new();
        let mut drain = shared.drain.clone();
        let mut begun = pin!(drain.begun());
        loop {
            let incoming = tokio::select! {
                () = &mut begun => break,
                Some(_) = connections.join_next() => continue,
                Some(agreed) = handshaking.join_next() => {
                    if let Ok(Some(connection)) = agreed {
                        let connection: Connection<A> = connection;
                        connections.spawn(connection.serve());
                    }
                    continue;
                }
                incoming = endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { break };
            if handshaking.len() >= MOST_UNPROVEN && incoming.may_retry() {
                let _ = incoming.retry();
                continue;
            }
            let Ok(permit) = shared.connections.clone().try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            let caller = Caller {
                open: self.open.clone(),
                answer: answer.clone(),
                shared: shared.clone(),
                permit,
            };
            handshaking.spawn(caller.agree(incoming));
        }
        // Who comes now is refused, and goes elsewhere.
        endpoint.set_server_config(None);
        while connections.join_next().await.is_some() {}
        endpoint.close(NO_ERROR, b"");
        let _ = tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    }

    fn endpoint(&self, limits: &Limits) -> io::Result<Endpoint> {
        let config = self.open.quic(limits).ok_or(io::ErrorKind::InvalidInput)?;
        let socket = self.place.socket(self.socket.try_clone()?)?;
        let mut endpoint = quinn::EndpointConfig::default();
        let place = self.place.clone();
        endpoint.cid_generator(move || Box::new(place.clone()));
        let runtime = Arc::new(quinn::TokioRuntime);
        Endpoint::new_with_abstract_socket(endpoint, Some(config), socket, runtime)
    }
}

/// How long nothing is sent, twice, before it is believed that everything has arrived: longer than a lost packet waits to
/// be sent again on a good network.
const LOOK: Duration = Duration::from_millis(100);

/// H3_NO_ERROR (RFC 9114 section 8.1).
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

impl Open {
    /// The terms for a QUIC connection, as they are now; `None` without TLS.
    fn quic(&self, limits: &Limits) -> Option<ServerConfig> {
        let (tls, _) = self.tls.as_ref()?;
        let mut config = ServerConfig::with_crypto(tls.quic());
        config.transport_config(Arc::new(transport(limits)));
        Some(config)
    }
}

fn transport(limits: &Limits) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
        .stream_receive_window(VarInt::from_u32(RECEIVE))
        .receive_window(VarInt::from_u32(4 * RECEIVE))
        .send_window(SEND)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(limits.idle_timeout.try_into().ok());
    transport
}

/// A client that wants to connect.
struct Caller<A> {
    open: Arc<Open>,
    answer: A,
    shared: Shared,
    permit: OwnedSemaphorePermit,
}

/// A connection whose handshake is done.
struct Connection<A> {
    quic: quinn::Connection,
    open: Arc<Open>,
    secured: Arc<Secured>,
    answer: A,
    shared: Shared,
    _permit: OwnedSemaphorePermit,
}

impl<A: Answer> Caller<A> {
    async fn agree(self, incoming: Incoming) -> Option<Connection<A>> {
        let (_, instruments) = self.open.tls.as_ref()?;
        let (begun, patience) = (Instant::now(), self.shared.limits.header_timeout);
        let config = Arc::new(self.open.quic(&self.shared.limits)?);
        let handshake = async { incoming.accept_with(config)?.await };
        let quic = match tokio::time::timeout(patience, handshake).await {
            Ok(Ok(quic)) => quic,
            Ok(Err(error)) => {
                instruments.failed(word(&error));
                return None;
            }
            Err(_) => {
                instruments.failed("timeout");
                return None;
            }
        };
        instruments.agreed("1.3", false, begun.elapsed());
        let identity = quic.peer_identity();
        let identity = identity.and_then(|chain| {
            let chain = chain.downcast::<Vec<rustls_pki_types::CertificateDer<'static>>>();
            chain.ok()?.into_iter().next()
        });
        let secured = Secured {
            version: "1.3",
            alpn: Some("h3"),
            identities: identity.map_or_else(Vec::new, |leaf| super::tls::identities(&leaf)),
        };
        Some(Connection {
            quic,
            open: self.open,
            secured: Arc::new(secured),
            answer: self.answer,
            shared: self.shared,
            _permit: self.permit,
        })
    }
}

/// Why a handshake failed, in one word of a bounded list.
fn word(error: &quinn::ConnectionError) -> &'static str {
    match error {
        quinn::ConnectionError::TimedOut => "timeout",
        // RFC 9001 section 4.8: an alert of TLS, 0x100 added.
        quinn::ConnectionError::TransportError(error) if u64::from(error.code) >> 8 == 1 => "alert",
        quinn::ConnectionError::TransportError(_) => "malformed",
        _ => "peer",
    }
}

impl<A: Answer> Connection<A> {
    /// Answers requests until the client goes, or the drain begins and everything asked for is answered.
    async fn serve(self) {
        self.shared.instruments.transport.accepted.increment(1);
        let _counted = Counted::new(self.shared.instruments.clone());
        let mut builder = h3::server::builder();
        builder.max_field_section_size(HEAD).send_grease(false);
        let carried = Bounded::new(self.quic.clone());
        let Ok(mut h3) = builder.build::<_, Bytes>(carried).await else {
            return self.shared.instruments.transport.closed("malformed");
        };
        let mut answering = JoinSet::new();
        let mut drain = self.shared.drain.clone();
        let mut begun = pin!(drain.begun());
        let mut draining = false;
        loop {
            let accepted = tokio::select! {
                () = &mut begun, if !draining => {
                    draining = true;
                    // GOAWAY: nothing more is taken.
                    let _ = h3.shutdown(0).await;
                    continue;
                }
                Some(_) = answering.join_next() => continue,
                accepted = h3.accept(), if !draining => accepted,
                else => break,
            };
            match accepted {
                Ok(Some(resolver)) => {
                    let asked = stream::Asked {
                        peer: self.peer(),
                        limits: self.shared.limits.clone(),
                        instruments: self.shared.instruments.clone(),
                    };
                    answering.spawn(asked.answer(resolver, self.answer.clone()));
                }
                Ok(None) => break,
                Err(error) => {
                    if !error.is_h3_no_error() && self.is_ours() {
                        self.shared.instruments.transport.closed("malformed");
                    }
                    break;
                }
            }
        }
        while answering.join_next().await.is_some() {}
        if draining {
            let patience = self.shared.limits.write_stall;
            let _ = tokio::time::timeout(patience, self.delivered()).await;
            self.quic.close(NO_ERROR, b"");
        }
    }

    /// Waits until what was written has arrived, or the client has gone: to close throws away what has not. QUIC tells
    /// nobody, but it sends again what is not acknowledged, so all is there once nothing is sent any more.
    async fn delivered(&self) {
        let (mut sent, mut quiet) = (None, 0);
        while quiet < 2 {
            let look = (4 * self.quic.rtt()).max(LOOK);
            if tokio::time::timeout(look, self.quic.closed()).await.is_ok() {
                return;
            }
            let now = Some(self.quic.stats().frame_tx.stream);
            quiet = if now == sent { quiet + 1 } else { 0 };
            sent = now;
        }
    }

    /// Who asks: where a client that moves is now.
    fn peer(&self) -> Peer {
        let addr: SocketAddr = self.quic.remote_address();
        Peer {
            addr,
            listener: self.open.index,
            tls: Some(self.secured.clone()),
        }
    }

    /// Whether it was we who ended the connection.
    fn is_ours(&self) -> bool {
        matches!(
            self.quic.close_reason(),
            Some(quinn::ConnectionError::LocallyClosed | quinn::ConnectionError::TransportError(_))
        )
    }
}
