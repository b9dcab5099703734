//! HTTP/1.1 and HTTP/2 over TCP, by hyper.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::guard::{Answering, Busy, Guarded};
use super::{Shared, sendfile};
use crate::exchange::{Answer, Body, Peer, Request, Response};
use crate::telemetry::Instruments;

/// Connections the kernel queues for a worker that is busy.
const BACKLOG: i32 = 4096;

/// Pause after the process ran out of descriptors: accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A request's body is read and thrown away up to here; past it the connection is closed after the answer.
const BODY_CAP: u64 = 64 * 1024;

/// HTTP/2 streams of one connection.
const H2_STREAMS: u32 = 64;

/// HTTP/2 frames of this size carry media: fewer frames, fewer system calls.
const H2_FRAME: u32 = 64 * 1024;

/// A worker looks so often whether many of its connections have ended.
const TIDY: Duration = Duration::from_secs(10);

/// As many as hold some MiB.
const MANY: u64 = 256;

/// Which of a port's sockets is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// The first: it fails where anybody else has the port, another caudal included.
    First,
    /// One more, for another worker of ours.
    Further,
}

/// A bound, listening socket.
pub(super) fn listener(addr: SocketAddr, share: Share) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        // "[::]" takes IPv4 too, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    if share == Share::Further {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&addr.into())?;
    if share == Share::First {
        // Only now: with SO_REUSEPORT before its bind, two servers of one user would share the port and
        // each get half of the viewers.
        socket.set_reuse_port(true)?;
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One worker's life: accepts on its sockets until the drain begins, then waits for its connections.
pub(super) async fn worker<A: Answer>(
    sockets: Vec<std::net::TcpListener>,
    answer: A,
    shared: Shared,
) {
    let ended = Arc::new(AtomicU64::new(0));
    tokio::spawn(tidy(ended.clone(), shared.when_quiet));
    let accepting = sockets
        .into_iter()
        .map(|socket| accept(socket, answer.clone(), shared.clone(), ended.clone()));
    futures_util::future::join_all(accepting).await;
    let mut drain = shared.drain.clone();
    let connections = shared.connections.clone();
    let all = u32::try_from(shared.limits.max_connections).unwrap_or(u32::MAX);
    drain.begun().await;
    // Every connection gives its permit back when it ends.
    let _ = connections.acquire_many(all).await;
}

/// Calls `what` some seconds after many connections have ended.
async fn tidy(ended: Arc<AtomicU64>, what: fn()) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(TIDY).await;
        let now = ended.load(Ordering::Relaxed);
        if now - seen >= MANY {
            seen = now;
            what();
        }
    }
}

async fn accept<A: Answer>(
    socket: std::net::TcpListener,
    answer: A,
    shared: Shared,
    ended: Arc<AtomicU64>,
) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listening socket is unusable"),
    };
    let mut drain = shared.drain.clone();
    let mut begun = pin!(drain.begun());
    loop {
        let accepted = tokio::select! {
            () = &mut begun => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Past the cap it waits here, and those after it in the kernel's queue.
                let permit = tokio::select! {
                    () = &mut begun => return,
                    permit = shared.connections.clone().acquire_owned() => permit,
                };
                let Ok(permit) = permit else { return };
                let (answer, shared, ended) = (answer.clone(), shared.clone(), ended.clone());
                tokio::spawn(async move {
                    serve(stream, peer, answer, shared).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                    drop(permit);
                });
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors of one connection, not of the listener.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn serve<A: Answer>(stream: TcpStream, addr: SocketAddr, answer: A, shared: Shared) {
    let instruments = shared.instruments.clone();
    instruments.transport.accepted.increment(1);
    let _open = Open::count(instruments.clone());
    prepare(&stream);
    let busy = Busy::default();
    let socket = sendfile::Socket::new(stream, shared.arena.clone());
    let io = Guarded::new(socket, &shared, busy.clone());
    let body_timeout = shared.limits.body_timeout;
    let service = service_fn(move |request| {
        let (answer, answering) = (answer.clone(), busy.begin());
        // hyper keeps room for this future in every connection, idle ones included: a pointer's, so.
        Box::pin(async move {
            Ok::<_, Infallible>(exchange(request, addr, answer, body_timeout, answering).await)
        })
    });
    let builder = builder(&shared);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut drain = shared.drain.clone();
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = drain.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Some(reason) = outcome.err().and_then(|error| reason(&*error)) {
        instruments.transport.closed(reason);
    }
}

/// A connection that is open; it is no more when this is dropped, by a panic too.
struct Open(Arc<Instruments>);

impl Open {
    fn count(instruments: Arc<Instruments>) -> Self {
        instruments.transport.open.up();
        Self(instruments)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.transport.open.down();
    }
}

/// Nagle's algorithm would hold a response's tail back; the kernel notices peers that vanished.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

fn builder(shared: &Shared) -> Builder<TokioExecutor> {
    let limits = &shared.limits;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_headers(limits.header_count)
        .max_buf_size(limits.header_size)
        // The guard keeps the two times apart that this one would mix.
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .max_frame_size(H2_FRAME)
        .max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// One exchange: head in, answer out.
async fn exchange<A: Answer>(
    request: hyper::Request<Incoming>,
    addr: SocketAddr,
    answer: A,
    body_timeout: Duration,
    answering: Answering,
) -> hyper::Response<Body> {
    let received = Instant::now();
    let (parts, body) = request.into_parts();
    let fate = if body.is_end_stream() {
        Fate::Whole
    } else {
        discard(body, body_timeout).await
    };
    let mut response = match fate {
        Fate::Malformed => refusal(),
        _ => {
            let request = Request {
                method: parts.method,
                uri: parts.uri,
                version: parts.version,
                headers: parts.headers,
                peer: Peer { addr },
                received,
            };
            answer.answer(request).await
        }
    };
    if fate != Fate::Whole && parts.version < http::Version::HTTP_2 {
        response
            .headers
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let mut head = hyper::Response::new(response.body.held_with(Box::new(answering)));
    *head.status_mut() = response.status;
    *head.headers_mut() = response.headers;
    head
}

/// What became of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Read to its end, or there was none.
    Whole,
    /// Too long or too slow: the connection is closed after the answer.
    Cut,
    /// Its framing is broken: what follows is not a request.
    Malformed,
}

/// Reads a body and throws it away. It is never taken for the next request.
async fn discard(body: Incoming, patience: Duration) -> Fate {
    let mut body = pin!(body);
    let mut seen = 0;
    let read = async {
        while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            let Ok(frame) = frame else {
                return Fate::Malformed;
            };
            seen += frame.data_ref().map_or(0, |data| data.len() as u64);
            if seen > BODY_CAP {
                return Fate::Cut;
            }
        }
        Fate::Whole
    };
    tokio::time::timeout(patience, read)
        .await
        .unwrap_or(Fate::Cut)
}

fn refusal() -> Response {
    Response {
        status: StatusCode::BAD_REQUEST,
        headers: http::HeaderMap::new(),
        body: Body::whole("400 bad request: the body's framing is broken\n".into()),
    }
}

/// Why a connection ended early, for the metric; `None` where the guard has counted it.
fn reason(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_tidies_up_once_after_many_have_left() {
        static TIDIED: AtomicU64 = AtomicU64::new(0);
        let ended = Arc::new(AtomicU64::new(MANY - 1));
        let tidying = tokio::spawn(tidy(ended.clone(), || {
            TIDIED.fetch_add(1, Ordering::Relaxed);
        }));
        tokio::time::sleep(TIDY * 3).await;
        assert_eq!(TIDIED.load(Ordering::Relaxed), 0, "too few have left");
        ended.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(TIDY * 3).await;
        assert_eq!(TIDIED.load(Ordering::Relaxed), 1);
        tidying.abort();
    }
}
