//! A socket that sends cached blocks without copying them, where no TLS stands between.
//!
//! hyper hands over an answer as slices: its head, and the body's bytes. A slice of the cache's arena leaves as a
//! place in a file ([`Arena::send`]), any other is copied. hyper need not know; only the last step changes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::cache::Arena;

/// A viewer's socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    arena: Option<Arc<Arena>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, arena: Option<Arc<Arena>>) -> Self {
        Self { stream, arena }
    }

    /// Waits for bytes, an error, or the peer's end: to read tells which. May be ready too early, not too late.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_read_ready(cx).map(|_| ())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let arena = this.arena.as_ref().filter(|arena| arena.has_any(bufs));
        let Some(arena) = arena else {
            return Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        };
        loop {
            ready!(this.stream.poll_write_ready(cx))?;
            let sent = this
                .stream
                .try_io(Interest::WRITABLE, || arena.send(&this.stream, bufs));
            match sent {
                // The readiness was an old one; it is gone now, and the next one wakes us.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
