//! Connections at rest, outside of hyper.
//!
//! hyper keeps some 16 KiB for a connection, whether or not anything is said on it, and a CDN's connections are silent
//! most of the time. So hyper comes when there is something to read, and an HTTP/1 connection that has been quiet for
//! [`SOON`] is taken from it again: what is left is a socket and a timer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::guard::Protocol;
use super::socket::Socket;

/// A connection rests so long after its last answer. One that is asked more often never does, and pays nothing.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// A connection that nobody is being answered on.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) socket: Socket,
    /// What hyper had read of a request that is not whole yet. With such bytes there is no rest, only a change of hands.
    pub(super) unread: Bytes,
    /// When the last answer ended, or the connection began.
    pub(super) since: Instant,
    pub(super) protocol: Protocol,
}

impl Resting {
    /// A connection on which nothing was said yet.
    pub(super) fn fresh(socket: Socket, protocol: Protocol) -> Self {
        Self {
            socket,
            unread: Bytes::new(),
            since: Instant::now(),
            protocol,
        }
    }

    /// Waits until there is something to read, the peer's end included.
    ///
    /// # Errors
    /// When the peer has been idle for `patience`.
    pub(super) async fn stirs(&self, patience: Duration) -> Result<(), Elapsed> {
        let readable = poll_fn(|cx| match self.unread.is_empty() {
            true => self.socket.poll_readable(cx),
            false => Poll::Ready(()),
        });
        timeout_at(self.since + patience, readable).await
    }
}
