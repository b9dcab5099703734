//! A socket that sends cached blocks without copying them.
//!
//! hyper hands over an answer as slices: its head, and the body's bytes. A slice of the cache's arena leaves as a
//! place in a file (`sendfile`), any other is copied (`sendmsg`). hyper need not know; only the last step changes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::cache::Arena;

/// To copy fewer bytes than this costs less than to look their pages up one by one, which is what the kernel does to
/// send them from the file: measured at 64 KiB, where copying is a tenth cheaper.
const LEAST: usize = 128 << 10;

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

    /// Sends what the socket takes of `bufs`.
    fn send(&self, arena: &Arena, mut bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut sent = 0;
        while !bufs.is_empty() {
            let (slices, answer) = self.send_some(arena, bufs);
            let wanted: usize = bufs[..slices].iter().map(|slice| slice.len()).sum();
            match answer {
                Ok(taken) => sent += taken,
                // What was taken is told first; the next call meets the error again.
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error),
            }
            if answer.is_ok_and(|taken| taken < wanted) {
                break;
            }
            bufs = &bufs[slices..];
        }
        Ok(sent)
    }

    /// One system call: for a slice of the arena's, or for all slices before the next of those. Tells for how many.
    fn send_some(&self, arena: &Arena, bufs: &[IoSlice<'_>]) -> (usize, io::Result<usize>) {
        if let Some(place) = place_in(arena, &bufs[0]) {
            let mut at = place;
            let sent =
                rustix::fs::sendfile(&self.stream, arena.file(), Some(&mut at), bufs[0].len());
            return (1, sent.map_err(io::Error::from));
        }
        let copied = bufs
            .iter()
            .take_while(|slice| place_in(arena, slice).is_none())
            .count();
        let mut flags = SendFlags::NOSIGNAL;
        if copied < bufs.len() {
            // The block that follows shares the last packet of this.
            flags |= SendFlags::MORE;
        }
        let mut control = SendAncillaryBuffer::default();
        let sent = sendmsg(&self.stream, &bufs[..copied], &mut control, flags);
        (copied, sent.map_err(io::Error::from))
    }
}

/// Where the slice is in the arena's file, if it pays to send it from there.
fn place_in(arena: &Arena, slice: &[u8]) -> Option<u64> {
    if slice.len() < LEAST {
        return None;
    }
    arena.place_of(slice)
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
        let arena = this.arena.as_ref();
        let Some(arena) = arena.filter(|a| bufs.iter().any(|b| place_in(a, b).is_some())) else {
            return Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        };
        loop {
            ready!(this.stream.poll_write_ready(cx))?;
            let sent = this
                .stream
                .try_io(Interest::WRITABLE, || this.send(arena, bufs));
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
