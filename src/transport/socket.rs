//! A viewer's socket: as it came, then plain or with TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::sendfile;

/// A connection as it came.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A viewer's socket.
#[derive(Debug)]
pub(super) enum Socket {
    /// Blocks leave it uncopied.
    Plain(sendfile::Socket),
    /// Blocks are encrypted into it.
    Tls(Box<TlsStream<TcpStream>>),
    /// Of somebody on this machine.
    Unix(UnixStream),
}

impl Socket {
    /// Waits for bytes, an error, or the peer's end: to read tells which. May be ready too early, not too late.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(socket) => socket.poll_readable(cx),
            Self::Tls(stream) => {
                let (stream, session) = stream.get_ref();
                // What came with the end of the handshake is decrypted already.
                if !session.wants_read() {
                    return Poll::Ready(());
                }
                stream.poll_read_ready(cx).map(|_| ())
            }
            Self::Unix(stream) => stream.poll_read_ready(cx).map(|_| ()),
        }
    }
}

/// The same call to whatever it is.
macro_rules! each {
    ($this:expr, $socket:ident => $call:expr) => {
        match &mut *$this {
            Socket::Plain(socket) => {
                let $socket = Pin::new(socket);
                $call
            }
            Socket::Tls(stream) => {
                let $socket = Pin::new(stream);
                $call
            }
            Socket::Unix(stream) => {
                let $socket = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, socket => socket.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, socket => socket.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, socket => socket.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, socket => socket.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, socket => socket.poll_shutdown(cx))
    }
}
