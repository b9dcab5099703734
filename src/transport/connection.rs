//! One connection, by hyper: HTTP/1.1 or HTTP/2, as its first bytes tell.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::exchange::exchange;
use super::guard::{Busy, Guarded};
use super::{Shared, sendfile};
use crate::exchange::Answer;
use crate::telemetry::Instruments;

/// HTTP/2 streams of one connection.
const H2_STREAMS: u32 = 64;

/// HTTP/2 frames of this size carry media: fewer frames, fewer system calls.
const H2_FRAME: u32 = 64 * 1024;

/// From the first byte to the last.
pub(super) async fn serve<A: Answer>(
    stream: TcpStream,
    addr: SocketAddr,
    answer: A,
    shared: Shared,
) {
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
