//! The workers that accept connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::bind::Ear;
use super::connection::Connection;
use super::permit::Permit;
use super::{Open, Shared, quic};
use crate::exchange::Answer;

/// Pause after the process ran out of descriptors: accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A worker looks so often whether many of its connections have gone quiet.
const TIDY: Duration = Duration::from_secs(10);

/// As many as hold some MiB.
const MANY: u64 = 256;

/// One worker's life: accepts on its sockets until the drain begins, then waits for its connections.
pub(super) async fn worker<A: Answer>(
    ears: Vec<(Arc<Open>, Ear)>,
    datagrams: Vec<quic::Listening>,
    answer: A,
    shared: Shared,
) {
    let quieted = Arc::new(AtomicU64::new(0));
    tokio::spawn(tidy(quieted.clone(), shared.when_quiet));
    let accepting = ears
        .into_iter()
        .map(|(open, ear)| accept(open, ear, answer.clone(), shared.clone(), quieted.clone()));
    let listening = datagrams
        .into_iter()
        .map(|listening| listening.serve(answer.clone(), shared.clone()));
    let (accepting, listening) = (join_all(accepting), join_all(listening));
    futures_util::future::join(accepting, listening).await;
    let mut drain = shared.drain.clone();
    let connections = shared.connections.clone();
    let all = u32::try_from(shared.max_connections).unwrap_or(u32::MAX);
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
    ear: Ear,
    answer: A,
    shared: Shared,
    quieted: Arc<AtomicU64>,
) {
    let listener = match Listening::on(ear) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listening socket is unusable"),
    };
    let mut drain = shared.drain.clone();
    let mut begun = pin!(drain.begun());
    loop {
        let accepted = tokio::select! {
            biased;
            // Before the drain: whom the kernel has let in already is not turned away.
            accepted = listener.accept() => accepted,
            () = &mut begun => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Past the cap it waits here, and those after it in the kernel's queue.
                let permit = tokio::select! {
                    biased;
                    permit = Permit::wait(&open, &shared) => permit,
                    () = &mut begun => return,
                };
                let Some(permit) = permit else { return };
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

/// A socket that accepts, on a worker's runtime.
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection as it came.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Who comes by a path is of this machine.
const THIS_MACHINE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Listening {
    fn on(ear: Ear) -> io::Result<Self> {
        Ok(match ear {
            Ear::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Ear::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), peer))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), THIS_MACHINE))
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
