//! Listening sockets, and the workers that accept on them.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::connection::Connection;
use super::{Open, Shared, quic};
use crate::exchange::Answer;

/// Connections the kernel queues for a worker that is busy.
const BACKLOG: i32 = 4096;

/// Datagrams that wait to be read, and to be sent, in bytes.
const DATAGRAM_BUFFER: usize = 2 << 20;

/// Pause after the process ran out of descriptors: accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A worker looks so often whether many of its connections have gone quiet.
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

impl Share {
    /// Of a worker, by its number.
    pub(super) fn of(worker: usize) -> Self {
        match worker {
            0 => Self::First,
            _ => Self::Further,
        }
    }
}

/// A bound, listening socket.
pub(super) fn listener(addr: SocketAddr, share: Share) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    bind(&socket, addr, share)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A bound socket for datagrams.
pub(super) fn datagrams(addr: SocketAddr, share: Share) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    bind(&socket, addr, share)?;
    // A burst of a handshake flood or of acknowledgements waits here; the system may allow less.
    let _ = socket.set_recv_buffer_size(DATAGRAM_BUFFER);
    let _ = socket.set_send_buffer_size(DATAGRAM_BUFFER);
    Ok(socket.into())
}

fn bind(socket: &Socket, addr: SocketAddr, share: Share) -> io::Result<()> {
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
    Ok(())
}

/// One worker's life: accepts on its sockets until the drain begins, then waits for its connections.
pub(super) async fn worker<A: Answer>(
    sockets: Vec<(Arc<Open>, std::net::TcpListener)>,
    datagrams: Vec<quic::Listening>,
    answer: A,
    shared: Shared,
) {
    let quieted = Arc::new(AtomicU64::new(0));
    tokio::spawn(tidy(quieted.clone(), shared.when_quiet));
    let accepting = sockets.into_iter().map(|(open, socket)| {
        accept(
            open,
            socket,
            answer.clone(),
            shared.clone(),
            quieted.clone(),
        )
    });
    let listening = datagrams
        .into_iter()
        .map(|listening| listening.serve(answer.clone(), shared.clone()));
    let (accepting, listening) = (join_all(accepting), join_all(listening));
    futures_util::future::join(accepting, listening).await;
    let mut drain = shared.drain.clone();
    let connections = shared.connections.clone();
    let all = u32::try_from(shared.limits.max_connections).unwrap_or(u32::MAX);
    drain.begun().await;
    // Every connection gives its permit back when it ends.
    let _ = connections.acquire_many(all).await;
}

/// Calls `what` some seconds after many connections have gone quiet.
async fn tidy(quieted: Arc<AtomicU64>, what: fn()) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(TIDY).await;
        let now = quieted.load(Ordering::Relaxed);
        if now - seen >= MANY {
            seen = now;
            what();
        }
    }
}

async fn accept<A: Answer>(
    open: Arc<Open>,
    socket: std::net::TcpListener,
    answer: A,
    shared: Shared,
    quieted: Arc<AtomicU64>,
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
                let connection = Connection {
                    addr: peer,
                    listener: open.clone(),
                    tls: None,
                    answer: answer.clone(),
                    shared: shared.clone(),
                    quieted: quieted.clone(),
                    _permit: permit,
                };
                tokio::spawn(connection.serve(stream));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_tidies_up_once_after_many_have_left() {
        static TIDIED: AtomicU64 = AtomicU64::new(0);
        let quieted = Arc::new(AtomicU64::new(MANY - 1));
        let tidying = tokio::spawn(tidy(quieted.clone(), || {
            TIDIED.fetch_add(1, Ordering::Relaxed);
        }));
        tokio::time::sleep(TIDY * 3).await;
        assert_eq!(TIDIED.load(Ordering::Relaxed), 0, "too few have left");
        quieted.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(TIDY * 3).await;
        assert_eq!(TIDIED.load(Ordering::Relaxed), 1);
        tidying.abort();
    }
}
