//! The workers that accept connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, maybe_done};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

use super::bind::Ear;
use super::connection::Connection;
use super::permit::Permit;
use super::socket::Stream;
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
    // This worker's own. To wait for the places of all would take those that others still need for whom they let in.
    let (here, mut gone) = mpsc::channel(1);
    let accepting = ears.into_iter().map(|(open, ear)| {
        let accepting = Accepting {
            open,
            answer: answer.clone(),
            shared: shared.clone(),
            quieted: quieted.clone(),
            here: here.clone(),
        };
        accepting.on(ear)
    });
    let listening = datagrams
        .into_iter()
        .map(|listening| listening.serve(answer.clone(), shared.clone()));
    let (accepting, listening) = (join_all(accepting), join_all(listening));
    futures_util::future::join(accepting, listening).await;
    let mut drain = shared.drain.clone();
    drain.begun().await;
    drop(here);
    // Nothing is ever sent: it ends when the last connection has.
    let _ = gone.recv().await;
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

/// Who accepts on a socket.
struct Accepting<A> {
    open: Arc<Open>,
    answer: A,
    shared: Shared,
    quieted: Arc<AtomicU64>,
    here: mpsc::Sender<()>,
}

impl<A: Answer> Accepting<A> {
    /// Accepts until the drain begins, and whom the kernel has let in until then: nobody is turned away.
    async fn on(self, ear: Ear) {
        let listener = match Listening::on(ear) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "a listening socket is unusable"),
        };
        let mut drain = self.shared.drain.clone();
        // Once it has begun it goes on saying so.
        let mut begun = pin!(maybe_done(drain.begun()));
        loop {
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                () = &mut begun => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Past the cap it waits here, and those after it in the kernel's queue. Past the end too it is served.
                    let permit = tokio::select! {
                        biased;
                        permit = Permit::wait(&self.open, &self.shared) => permit,
                        () = &mut begun => None,
                    };
                    tokio::spawn(self.connection(peer, permit).serve(stream));
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn connection(&self, addr: SocketAddr, permit: Option<Permit>) -> Connection<A> {
        Connection {
            addr,
            listener: self.open.clone(),
            tls: None,
            answer: self.answer.clone(),
            shared: self.shared.clone(),
            quieted: self.quieted.clone(),
            _permit: permit,
            _here: self.here.clone(),
        }
    }
}

/// A socket that accepts, on a worker's runtime.
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
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
