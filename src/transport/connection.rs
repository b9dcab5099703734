//! One connection: at rest until something comes, then with hyper until it is quiet again.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::maybe_done;
use http::header::ALT_SVC;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::busy::Busy;
use super::exchange::{Bounds, exchange};
use super::guard::{Guarded, Protocol};
use super::introduction::introduced;
use super::permit::{Counted, Permit};
use super::rest::Resting;
use super::socket::{Socket, Stream};
use super::streams::{Streams, Watched};
use super::urgency::{PRIORITY, Urgency};
use super::{Limits, Open, Shared, sendfile};
use crate::exchange::{Answer, Peer, Secured};

/// HTTP/2 streams of one connection.
const H2_STREAMS: u32 = 64;

/// The longest head over HTTP/2: there are as many at once as streams, and each is held until its answer is known.
const H2_HEAD: usize = 16 * 1024;

/// Bytes of an answer that h2 takes beyond what its peer's windows allow. More measured no faster.
const H2_AHEAD: usize = 64 * 1024;

/// How long a connection that nothing is asked on stays open once the drain has begun. A request that is on its way when
/// its connection is closed has failed for a client that does not ask twice; one that comes in this time gets an answer
/// that says it is the last (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// How often in that time it is looked whether anything is asked.
const LOOKS: u32 = 4;

/// Waits for the drain, and then for a last request.
async fn lingered(drain: Pin<&mut impl Future<Output = ()>>) {
    drain.await;
    tokio::time::sleep(LINGER).await;
}

/// A connection that was accepted.
pub(super) struct Connection<A> {
    pub(super) addr: SocketAddr,
    /// Where it was accepted.
    pub(super) listener: Arc<Open>,
    /// What TLS says of it, once hands were shaken.
    pub(super) tls: Option<Arc<Secured>>,
    pub(super) answer: A,
    pub(super) shared: Shared,
    /// How often connections of this worker have let go of hyper and its memory.
    pub(super) quieted: Arc<AtomicU64>,
    /// Its place under the cap; none for who came as the drain began.
    pub(super) _permit: Option<Permit>,
    /// Kept for as long as it is there, for the worker that waits for it.
    pub(super) _here: mpsc::Sender<()>,
}

/// The connection at rest, or `None` where it has ended.
type Spoken<E> = Result<Option<Resting>, E>;

impl<A: Answer> Connection<A> {
    /// From the first byte to the last.
    pub(super) async fn serve(mut self, stream: Stream) {
        self.shared.instruments.transport.accepted.increment(1);
        let _counted = Counted::new(self.shared.instruments.clone());
        let mut resting = match self.begin(stream).await {
            Ok(resting) => resting,
            Err(reason) => return self.shared.instruments.transport.closed(reason),
        };
        let shared = &self.shared;
        let mut drain = shared.drain.clone();
        // Once it has begun it goes on saying so.
        let mut begun = pin!(maybe_done(drain.begun()));
        loop {
            tokio::select! {
                biased;
                stirred = resting.stirs(self.listener.limits.idle_timeout) => if stirred.is_err() {
                    return shared.instruments.transport.closed("idle_timeout");
                },
                () = lingered(begun.as_mut()) => return,
            }
            // Apart from this future, so that a connection at rest has no room for what it does not do.
            let spoken = Box::pin(self.speak(resting, begun.as_mut())).await;
            self.quieted.fetch_add(1, Ordering::Relaxed);
            match spoken {
                Some(rests) => resting = rests,
                None => return,
            }
        }
    }

    /// Everything before the first request: who is there, and under what terms.
    async fn begin(&mut self, stream: Stream) -> Result<Resting, &'static str> {
        let mut stream = match stream {
            Stream::Tcp(stream) => stream,
            Stream::Unix(stream) => {
                return Ok(Resting::fresh(Socket::Unix(stream), Protocol::Unknown));
            }
        };
        prepare(&stream);
        let unread = self.meet(&mut stream).await?;
        if self.listener.tls.is_some() {
            return Box::pin(self.shake_hands(stream, unread)).await;
        }
        let socket = sendfile::Socket::new(stream, self.shared.arena.clone());
        let mut resting = Resting::fresh(Socket::Plain(socket), Protocol::Unknown);
        resting.unread = unread;
        Ok(resting)
    }

    /// Agrees on TLS.
    async fn shake_hands(
        &mut self,
        stream: TcpStream,
        unread: Bytes,
    ) -> Result<Resting, &'static str> {
        let (tls, instruments) = self.listener.tls.as_ref().ok_or("malformed")?;
        let begun = Instant::now();
        let agreed = tls
            .agree(stream, unread, self.listener.limits.header_timeout)
            .await;
        let agreed = agreed.map_err(|why| {
            instruments.failed(why);
            "handshake"
        })?;
        instruments.agreed(agreed.secured.version, agreed.resumed, begun.elapsed());
        self.tls = Some(agreed.secured);
        Ok(Resting::fresh(Socket::Tls(agreed.stream), agreed.protocol))
    }

    /// Learns who is at the other end of a connection that a load balancer has opened. Gives what it read of the first
    /// request meanwhile.
    async fn meet(&mut self, stream: &mut TcpStream) -> Result<Bytes, &'static str> {
        let introduces = self.shared.introduces.as_ref();
        if !introduces.is_some_and(|introduces| (introduces.0)(self.addr.ip().to_canonical())) {
            return Ok(Bytes::new());
        }
        let patience = self.listener.limits.header_timeout;
        let (source, unread) = Box::pin(introduced(stream, patience)).await?;
        self.addr = source.unwrap_or(self.addr);
        Ok(unread)
    }

    /// Answers requests until the connection is quiet, or over.
    async fn speak(
        &self,
        resting: Resting,
        mut drain: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Resting> {
        let mut io = Guarded::new(
            resting,
            self.listener.limits.clone(),
            self.shared.instruments.clone(),
        );
        let protocol = tokio::select! {
            biased;
            protocol = io.recognise() => protocol,
            () = lingered(drain.as_mut()) => return None,
        };
        let spoken = match protocol {
            Ok(Protocol::Http2) if self.listener.http2 => {
                self.http2(io, drain).await.map_err(Into::into)
            }
            Ok(_) => self.http1(io, drain).await.map_err(Into::into),
            Err(error) => Err(Box::<dyn Error + Send + Sync>::from(error)),
        };
        spoken.unwrap_or_else(|error| {
            if let Some(reason) = reason(&*error) {
                self.shared.instruments.transport.closed(reason);
            }
            None
        })
    }

    async fn http1(
        &self,
        io: Guarded,
        drain: Pin<&mut impl Future<Output = ()>>,
    ) -> Spoken<hyper::Error> {
        let busy = io.busy().clone();
        let mut connection = http1_builder(&self.listener.limits)
            .serve_connection(TokioIo::new(io), self.service(busy.clone(), None));
        let ended = tokio::select! {
            biased;
            ended = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
                Poll::Pending if busy.is_resting() => Poll::Ready(None),
                polled => polled.map(Some),
            }) => ended,
            () = drain => return farewell(connection, &busy).await.map(|()| None),
        };
        if let Some(outcome) = ended {
            return outcome.map(|()| None);
        }
        let parts = connection.into_parts();
        Ok(Some(parts.io.into_inner().rest(&parts.read_buf)))
    }

    async fn http2(
        &self,
        io: Guarded,
        drain: Pin<&mut impl Future<Output = ()>>,
    ) -> Spoken<hyper::Error> {
        let streams = Streams::new(self.listener.limits.piece());
        let service = self.service(io.busy().clone(), Some(streams.clone()));
        let patience = self.listener.limits.write_stall;
        let builder = http2_builder(&self.listener.limits);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
        let outcome = tokio::select! {
            biased;
            outcome = connection.as_mut() => outcome,
            () = drain => {
                connection.as_mut().graceful_shutdown();
                // Who leaves its answers untaken is cut now as at any time, or it would hold the drain to its end.
                tokio::select! {
                    biased;
                    outcome = connection => outcome,
                    () = streams.stalled(patience) => {
                        self.shared.instruments.transport.closed("write_stall");
                        return Ok(None);
                    }
                }
            }
            () = streams.stalled(patience) => {
                // GOAWAY: the peer may take what it still wants, and come again.
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(patience, connection).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        self.shared.instruments.transport.closed("write_stall");
                        return Ok(None);
                    }
                }
            }
        };
        outcome.map(|()| None)
    }

    fn service(
        &self,
        busy: Busy,
        streams: Option<Streams>,
    ) -> impl Service<
        hyper::Request<Incoming>,
        Response = hyper::Response<Watched>,
        Error = Infallible,
        Future: Send + 'static,
    > + use<A> {
        let peer = Peer {
            addr: self.addr,
            listener: self.listener.index,
            tls: self.tls.clone(),
        };
        let (answer, alt_svc) = (self.answer.clone(), self.listener.alt_svc.clone());
        let bounds = Bounds::of(&self.listener.limits);
        service_fn(move |request| {
            let (peer, answer, answering) = (peer.clone(), answer.clone(), busy.begin());
            // hyper keeps room for this future in every connection: a pointer's, so.
            let (streams, alt_svc) = (streams.clone(), alt_svc.clone());
            Box::pin(async move {
                // What a client says of urgency is looked at where answers share a connection.
                let asked = streams
                    .as_ref()
                    .map(|_| request.headers().get(PRIORITY).cloned());
                let mut response = exchange(request, peer, answer, bounds, answering).await;
                if let Some(alt_svc) = alt_svc {
                    response.headers_mut().insert(ALT_SVC, alt_svc);
                }
                let Some(streams) = streams else {
                    return Ok(response.map(Watched::unwatched));
                };
                let urgency = Urgency::of(asked.flatten().as_ref(), response.headers());
                Ok(response.map(|body| streams.watch(body, urgency)))
            })
        })
    }
}

/// Ends a connection of HTTP/1 without failing a request: the next answer says that it is the last; where nothing is asked,
/// it ends after a while.
async fn farewell<S>(
    mut connection: http1::Connection<TokioIo<Guarded>, S>,
    busy: &Busy,
) -> hyper::Result<()>
where
    S: Service<hyper::Request<Incoming>, Response = hyper::Response<Watched>, Error = Infallible>,
{
    busy.set_last();
    let (mut looks, mut begun) = (0, busy.begun());
    while looks < LOOKS {
        if let Ok(outcome) = tokio::time::timeout(LINGER / LOOKS, &mut connection).await {
            return outcome;
        }
        let quiet = busy.is_idle() && busy.begun() == begun;
        (looks, begun) = (if quiet { looks + 1 } else { 0 }, busy.begun());
    }
    Pin::new(&mut connection).graceful_shutdown();
    connection.await
}

/// Nagle's algorithm would hold a response's tail back; the kernel notices peers that vanished.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(limits.header_count)
        .max_buf_size(limits.header_size)
        // The guard keeps the two times apart that this one would mix.
        .header_read_timeout(None);
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .max_send_buf_size(H2_AHEAD)
        .max_header_list_size(u32::try_from(limits.header_size.min(H2_HEAD)).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Why a connection ended early, for the metric; `None` where the guard has counted it.
fn reason(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The guard's own errors carry a word; the kernel's (a peer that vanished) do not.
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut && io.get_ref().is_some()) {
            return None;
        }
        match error.downcast_ref::<hyper::Error>() {
            Some(hyper) if hyper.is_parse() => return Some("malformed"),
            Some(hyper) if hyper.is_user() => return Some("body_broken"),
            _ => cause = error.source(),
        }
    }
    Some("peer")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::super::drain::Drain;
    use super::super::rest::SOON;
    use super::*;
    use crate::exchange::{Body, Request, Response};
    use crate::telemetry::Instruments;

    #[derive(Clone)]
    struct Nothing;

    impl Answer for Nothing {
        async fn answer(&self, _request: Request) -> Response {
            Response {
                status: http::StatusCode::NO_CONTENT,
                headers: http::HeaderMap::new(),
                body: Body::empty(),
            }
        }
    }

    /// A connection with nothing to say, its socket, its peer, and the owner of its drain.
    async fn accepted() -> (Connection<Nothing>, Stream, TcpStream, Drain) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, addr) = listener.accept().await.unwrap();
        let (drain, draining) = Drain::new();
        let connections = Arc::new(Semaphore::new(1));
        let shared = Shared {
            max_connections: 1,
            connections,
            instruments: Arc::new(Instruments::new()),
            drain: draining,
            arena: None,
            when_quiet: || (),
            introduces: None,
        };
        let listener = Arc::new(Open {
            index: 0,
            tls: None,
            http2: true,
            alt_svc: None,
            early_data: false,
            limits: Arc::new(Limits::lavish()),
            quic: None,
            connections: None,
        });
        let permit = Permit::now(&listener, &shared).unwrap();
        let connection = Connection {
            addr,
            listener,
            tls: None,
            answer: Nothing,
            shared,
            quieted: Arc::default(),
            _permit: Some(permit),
            _here: mpsc::channel(1).0,
        };
        (connection, Stream::Tcp(stream), peer, drain)
    }

    async fn ask(peer: &mut TcpStream) {
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 1024];
        let read = peer.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 204"));
    }

    #[tokio::test]
    async fn hyper_is_left_when_a_connection_is_quiet_and_not_while_it_is_busy() {
        let (connection, stream, mut peer, _drain) = accepted().await;
        let quieted = connection.quieted.clone();
        let times = || quieted.load(Ordering::Relaxed);
        let serving = tokio::spawn(connection.serve(stream));
        for rests in 0..2 {
            for _ in 0..4 {
                ask(&mut peer).await;
                tokio::time::sleep(SOON / 2).await;
                assert_eq!(times(), rests);
            }
            tokio::time::sleep(SOON).await;
            assert_eq!(times(), rests + 1);
        }
        drop(peer);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_at_rest_is_small() {
        let (connection, stream, _peer, _drain) = accepted().await;
        let size = size_of_val(&connection.serve(stream));
        assert!(size <= 1024, "{size} bytes");
    }
}
