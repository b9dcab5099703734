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
use tokio::task::JoinSet;

use super::drain::Draining;
use super::inherit::Departure;
use super::permit::{Counted, Permit};
use super::turns::Turns;
use super::{Limits, Listener, Open, Shared};
use crate::exchange::{Answer, Peer, Secured};

mod bounded;
mod handshake;
mod socket;
mod stream;

use bounded::Bounded;
use handshake::Handshake;
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
    /// Whose the socket has been.
    pub(super) after: Option<Departure>,
}

impl Listening {
    /// Serves until the drain begins and every connection has ended.
    pub(super) async fn serve<A: Answer>(self, answer: A, shared: Shared) {
        let mut drain = shared.drain.clone();
        let mut begun = pin!(drain.begun());
        if let Some(before) = self.after.clone() {
            tokio::select! {
                () = &mut begun => return,
                () = before.over() => {}
            }
        }
        let endpoint = match self.endpoint() {
            Ok(endpoint) => endpoint,
            Err(error) => return tracing::error!(%error, "a socket for HTTP/3 is unusable"),
        };
        let mut guests = Guests::default();
        // Each holds a place among all connections: who is not there at all must not shut out who is.
        let unproven = MOST_UNPROVEN.min(shared.max_connections / 16);
        loop {
            let incoming = tokio::select! {
                () = &mut begun => break,
                () = guests.change(), if !guests.is_empty() => continue,
                incoming = endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { break };
            if guests.unproven() >= unproven && incoming.may_retry() {
                let _ = incoming.retry();
                continue;
            }
            let Some(permit) = Permit::now(&self.open, &shared) else {
                incoming.refuse();
                continue;
            };
            let caller = Caller {
                open: self.open.clone(),
                answer: answer.clone(),
                shared: shared.clone(),
                permit,
                unproven: guests.unproven.clone(),
            };
            guests.handshaking.spawn(caller.agree(incoming));
        }
        guests.leave(&endpoint, &shared.drain).await;
    }

    fn endpoint(&self) -> io::Result<Endpoint> {
        let config = self.open.quic().ok_or(io::ErrorKind::InvalidInput)?;
        let socket = self.place.socket(self.socket.try_clone()?)?;
        let mut endpoint = quinn::EndpointConfig::default();
        let place = self.place.clone();
        endpoint.cid_generator(move || Box::new(place.clone()));
        let runtime = Arc::new(quinn::TokioRuntime);
        Endpoint::new_with_abstract_socket(endpoint, Some(config), socket, runtime)
    }
}

/// Who is shaking hands, and who is served.
struct Guests<A> {
    handshaking: JoinSet<Option<Connection<A>>>,
    served: JoinSet<()>,
    /// Held by each whose handshake is not done: with early data one is served before.
    unproven: Arc<()>,
}

impl<A> Default for Guests<A> {
    fn default() -> Self {
        Self {
            handshaking: JoinSet::new(),
            served: JoinSet::new(),
            unproven: Arc::default(),
        }
    }
}

impl<A: Answer> Guests<A> {
    fn unproven(&self) -> usize {
        Arc::strong_count(&self.unproven) - 1
    }

    fn is_empty(&self) -> bool {
        self.handshaking.is_empty() && self.served.is_empty()
    }

    /// Waits for a handshake or a connection to end. Who has shaken hands is served.
    async fn change(&mut self) {
        tokio::select! {
            Some(agreed) = self.handshaking.join_next() => if let Ok(Some(connection)) = agreed {
                self.served.spawn(connection.serve());
            },
            Some(_) = self.served.join_next() => {}
        }
    }

    /// Sees everybody off.
    async fn leave(mut self, endpoint: &Endpoint, drain: &Draining) {
        if !drain.is_succeeded() {
            // Who comes now is refused, and goes elsewhere.
            endpoint.set_server_config(None);
        }
        while !self.is_empty() {
            tokio::select! {
                () = self.change() => {}
                // It asks again, and is the next server's then.
                Some(incoming) = endpoint.accept() => incoming.ignore(),
            }
        }
        endpoint.close(NO_ERROR, b"");
        let _ = tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    }
}

/// How long nothing is sent, twice, before it is believed that everything has arrived: longer than a lost packet waits to
/// be sent again on a good network.
const LOOK: Duration = Duration::from_millis(100);

/// H3_NO_ERROR (RFC 9114 section 8.1).
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

impl Open {
    /// The terms for a QUIC connection, as they are now; `None` without TLS.
    fn quic(&self) -> Option<ServerConfig> {
        let (tls, _) = self.tls.as_ref()?;
        let mut config = self.quic.clone()?;
        config.crypto = tls.quic();
        Some(config)
    }
}

/// What of a listener's terms stays while certificates change.
pub(super) type Standing = ServerConfig;

/// Those of a listener; `None` where no HTTP/3 is spoken.
pub(super) fn standing(listener: &Listener) -> Option<Standing> {
    let tls = listener.tls.as_ref().filter(|_| listener.http3)?;
    let mut config = ServerConfig::with_crypto(tls.quic());
    config.transport_config(Arc::new(transport(&listener.limits)));
    Some(config)
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
    permit: Permit,
    unproven: Arc<()>,
}

/// A connection whose handshake is done, or will be: early data comes before.
struct Connection<A> {
    quic: quinn::Connection,
    handshake: Handshake,
    open: Arc<Open>,
    secured: Arc<Secured>,
    answer: A,
    shared: Shared,
    _permit: Permit,
}

impl<A: Answer> Caller<A> {
    async fn agree(self, incoming: Incoming) -> Option<Connection<A>> {
        let (_, instruments) = self.open.tls.as_ref()?;
        let (begun, patience) = (Instant::now(), self.open.limits.header_timeout);
        let config = Arc::new(self.open.quic()?);
        let handshake = async {
            let connecting = incoming.accept_with(config)?;
            if !self.open.early_data {
                return Ok((connecting.await?, None));
            }
            // A server's side can always write, and read what comes early, before hands are shaken.
            match connecting.into_0rtt() {
                Ok((quic, agreed)) => Ok((quic, Some(agreed))),
                Err(connecting) => Ok((connecting.await?, None)),
            }
        };
        let (quic, agreed) = match tokio::time::timeout(patience, handshake).await {
            Ok(Ok(agreed)) => agreed,
            Ok(Err(error)) => {
                instruments.failed(word(&error));
                return None;
            }
            Err(_) => {
                instruments.failed("timeout");
                return None;
            }
        };
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
        let handshake = Handshake::default();
        match agreed {
            None => {
                instruments.agreed_on_quic(begun.elapsed());
                handshake.done();
            }
            Some(agreed) => self.finish(quic.clone(), agreed, handshake.clone(), begun),
        }
        Some(Connection {
            quic,
            handshake,
            open: self.open,
            secured: Arc::new(secured),
            answer: self.answer,
            shared: self.shared,
            _permit: self.permit,
        })
    }

    /// Sees a handshake to its end beside the first requests.
    fn finish(
        &self,
        quic: quinn::Connection,
        agreed: quinn::ZeroRttAccepted,
        handshake: Handshake,
        begun: Instant,
    ) {
        let (open, patience) = (self.open.clone(), self.open.limits.header_timeout);
        let unproven = self.unproven.clone();
        tokio::spawn(async move {
            let _until_it_is_done = unproven;
            let Some((_, instruments)) = open.tls.as_ref() else {
                return;
            };
            let agreed = tokio::time::timeout(patience, agreed).await;
            match (agreed, quic.close_reason()) {
                (Ok(_), None) => {
                    instruments.agreed_on_quic(begun.elapsed());
                    handshake.done();
                }
                (Ok(_), Some(error)) => instruments.failed(word(&error)),
                (Err(_), _) => {
                    instruments.failed("timeout");
                    quic.close(NO_ERROR, b"");
                }
            }
        });
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
        // Who grants no stream to say our settings on is no client.
        let patience = self.open.limits.header_timeout;
        let begun = tokio::time::timeout(patience, Box::pin(self.begin())).await;
        let Ok(Some(mut h3)) = begun else {
            return self.shared.instruments.transport.closed("malformed");
        };
        let (mut answering, turns) = (JoinSet::new(), Turns::default());
        let mut drain = self.shared.drain.clone();
        let mut begun = pin!(drain.begun());
        let mut draining = false;
        loop {
            let accepted = tokio::select! {
                () = &mut begun, if !draining => {
                    draining = true;
                    // GOAWAY: nothing more is taken. It names the first request that is not answered, and h3 counts from
                    // the last that is (RFC 9114 section 5.2).
                    let _ = tokio::time::timeout(LOOK, h3.shutdown(1)).await;
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
                        handshake: self.handshake.clone(),
                        turns: turns.clone(),
                        limits: self.open.limits.clone(),
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
            let patience = self.open.limits.write_stall;
            let _ = tokio::time::timeout(patience, self.delivered()).await;
            self.quic.close(NO_ERROR, b"");
        }
    }

    /// Begins to speak HTTP/3. Apart from what a connection at rest holds: to build needs three times what is built, and
    /// what is built would be held twice.
    async fn begin(
        &self,
    ) -> Option<Box<h3::server::Connection<Bounded<h3_quinn::Connection>, Bytes>>> {
        let mut builder = h3::server::builder();
        builder.max_field_section_size(HEAD).send_grease(false);
        let built = builder.build(Bounded::new(self.quic.clone())).await;
        built.ok().map(Box::new)
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
