//! Watches a connection's clock: a peer that is slow to ask, or slow to take, is cut.
//!
//! hyper's one header timeout also counts the idle time between requests. An origin behind a CDN needs the
//! two apart: a CDN keeps idle connections for minutes, a request's head has to come within seconds.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::Limits;
use super::busy::Busy;
use super::deadline::Deadline;
use super::frames::Frames;
use super::rest::{self, Resting};
use super::socket::Socket;
use crate::telemetry::Instruments;

/// A socket with deadlines.
pub(super) struct Guarded {
    socket: Socket,
    /// Bytes that were read already, by another reader.
    unread: Bytes,
    protocol: Protocol,
    limits: Arc<Limits>,
    instruments: Arc<Instruments>,
    busy: Busy,
    reading: Deadline,
    writing: Deadline,
    /// Over a time longer than one wait: a peer that takes a byte now and then never lets `writing` pass.
    pace: Deadline,
    /// Bytes taken in that time.
    taken: u64,
    phase: Phase,
    /// Requests begun when the phase was last looked at.
    seen: u32,
    /// Something was written and not yet taken whole.
    unflushed: bool,
    /// Of HTTP/2: what the peer's frames cost.
    frames: Option<Box<Frames>>,
    /// A timeout has been told of; hyper may poll on for a while.
    is_cut: bool,
}

/// What a quiet peer is given time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next request.
    Idle,
    /// The rest of a head.
    Head,
    /// Its body, which nobody reads, or the answer.
    Answer,
}

/// What is spoken on a connection. Its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Unknown,
    Http1,
    Http2,
}

/// How HTTP/2 begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Guarded {
    /// Watches over a connection from here on.
    pub(super) fn new(
        resting: Resting,
        limits: Arc<Limits>,
        instruments: Arc<Instruments>,
    ) -> Self {
        let (phase, reading) = match resting.unread.is_empty() {
            true => (Phase::Idle, Deadline::since(resting.since)),
            false => (Phase::Head, Deadline::default()),
        };
        Self {
            socket: resting.socket,
            unread: resting.unread,
            protocol: resting.protocol,
            limits,
            instruments,
            busy: Busy::default(),
            reading,
            writing: Deadline::default(),
            pace: Deadline::default(),
            taken: 0,
            phase,
            seen: 0,
            unflushed: false,
            frames: (resting.protocol == Protocol::Http2).then(Box::default),
            is_cut: false,
        }
    }

    /// Where the requests of this connection are counted.
    pub(super) fn busy(&self) -> &Busy {
        &self.busy
    }

    /// Reads until the protocol is known. What was read is read again by whoever speaks it.
    ///
    /// # Errors
    /// The socket's own, and those of a peer that is too slow.
    pub(super) async fn recognise(&mut self) -> io::Result<Protocol> {
        if self.protocol != Protocol::Unknown {
            return Ok(self.protocol);
        }
        let mut first = BytesMut::with_capacity(PREFACE.len());
        while self.protocol == Protocol::Unknown {
            let missing = PREFACE.len() - first.len();
            let read = self.read_buf(&mut (&mut first).limit(missing)).await?;
            if first == PREFACE {
                self.protocol = Protocol::Http2;
                self.frames = Some(Box::default());
                // Between the requests of HTTP/2 come frames that are no request's head, and before the first too.
                self.wait_for(Phase::Idle);
            } else if read == 0 || !PREFACE.starts_with(&first) {
                self.protocol = Protocol::Http1;
            }
        }
        // Behind it there may be more that was read before the guard came.
        first.extend_from_slice(&self.unread);
        self.unread = first.freeze();
        Ok(self.protocol)
    }

    /// The connection without its guard, once [`Busy::is_resting`]. `unread` is what was read and not understood yet.
    pub(super) fn rest(mut self, unread: &[u8]) -> Resting {
        Resting {
            since: self.reading.begun(),
            // A copy, as hyper's buffer would be kept whole for it, for no bytes even.
            unread: Bytes::copy_from_slice(unread),
            socket: self.socket,
            protocol: self.protocol,
        }
    }

    /// What the peer is given time for now, given whether bytes just came.
    fn advance(&mut self, received: bool) {
        let begun = self.busy.begun();
        let answered_since = std::mem::replace(&mut self.seen, begun) != begun;
        let next = match self.phase {
            // An answer is under way until its last byte has been taken.
            _ if self.unflushed || !self.busy.is_idle() => Phase::Answer,
            Phase::Head if !answered_since => Phase::Head,
            _ if received && self.protocol != Protocol::Http2 => Phase::Head,
            _ => Phase::Idle,
        };
        if next != self.phase || answered_since {
            self.wait_for(next);
        }
    }

    fn wait_for(&mut self, phase: Phase) {
        self.phase = phase;
        self.reading.clear();
        self.busy.set_resting(false);
    }

    /// Whether the peer has been quiet for too long. Registers for a wake-up when it has not.
    fn out_of_patience(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        let (what, patience) = match self.phase {
            Phase::Idle if self.may_rest() => {
                if self.reading.passed(cx, rest::SOON) {
                    self.busy.set_resting(true);
                }
                return None;
            }
            Phase::Idle => ("idle_timeout", self.limits.idle_timeout),
            Phase::Head => ("header_timeout", self.limits.header_timeout),
            // The write deadline watches the answer.
            Phase::Answer => return None,
        };
        self.reading.passed(cx, patience).then(|| self.cut(what))
    }

    /// Whether the connection will be taken from hyper before its peer has been idle for too long.
    fn may_rest(&self) -> bool {
        self.protocol == Protocol::Http1
            && self.unread.is_empty()
            && self.limits.idle_timeout > rest::SOON
    }

    /// Bytes that were read before come first.
    fn receive(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buf);
        }
        let len = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread.split_to(len));
        Poll::Ready(Ok(()))
    }

    /// Counted here: hyper swallows the error of a connection that was idle.
    fn cut(&mut self, what: &'static str) -> io::Error {
        if !std::mem::replace(&mut self.is_cut, true) {
            self.instruments.transport.closed(what);
        }
        io::Error::new(io::ErrorKind::TimedOut, what)
    }

    /// Why a peer for which bytes wait is to be cut, if it is. Registers for a wake-up when it is not.
    fn stalled(&mut self, cx: &mut Context<'_>) -> Option<&'static str> {
        let patience = self.limits.write_stall;
        if self.writing.passed(cx, patience) {
            return Some("write_stall");
        }
        if !self.pace.passed(cx, patience) {
            return None;
        }
        let least = self.limits.min_rate as f64 * patience.as_secs_f64();
        // The next time begins when it is asked for, as this one did.
        self.pace.clear();
        let taken = std::mem::take(&mut self.taken);
        (taken as f64).lt(&least).then_some("slow_reader")
    }

    /// Everything written has been taken.
    fn all_is_taken(&mut self) {
        self.writing.clear();
        self.pace.clear();
        self.taken = 0;
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = this.receive(cx, buf);
        if let Some(frames) = &mut this.frames
            && !frames.received(&buf.filled()[before..])
        {
            return Poll::Ready(Err(this.cut("flood")));
        }
        this.advance(buf.filled().len() > before);
        if read.is_pending()
            && let Some(error) = this.out_of_patience(cx)
        {
            return Poll::Ready(Err(error));
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.unflushed = true;
        match Pin::new(&mut this.socket).poll_write_vectored(cx, bufs) {
            Poll::Pending => match this.stalled(cx) {
                Some(why) => Poll::Ready(Err(this.cut(why))),
                None => Poll::Pending,
            },
            ready => {
                this.writing.clear();
                if let Poll::Ready(Ok(sent)) = &ready {
                    this.taken += *sent as u64;
                    if let Some(frames) = &mut this.frames {
                        frames.sent(*sent);
                    }
                }
                ready
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.socket).poll_flush(cx);
        if flushed.is_pending() {
            // What TLS has encrypted may be all that is left to send.
            return match this.stalled(cx) {
                Some(why) => Poll::Ready(Err(this.cut(why))),
                None => Poll::Pending,
            };
        }
        // An answer has just ended, perhaps. hyper has asked for the next request already and will not
        // ask again before something comes, so the wait for it is timed from here.
        this.all_is_taken();
        this.unflushed = false;
        this.advance(false);
        match this.out_of_patience(cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
