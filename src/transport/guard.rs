//! Watches a connection's clock: a peer that is slow to ask, or slow to take, is cut.
//!
//! hyper's one header timeout also counts the idle time between requests. An origin behind a CDN needs the
//! two apart: a CDN keeps idle connections for minutes, a request's head has to come within seconds.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::sendfile::Socket;
use super::{Limits, Shared};
use crate::telemetry::Instruments;

/// Requests being answered on a connection. Shared by the connection's socket and its service.
#[derive(Debug, Clone, Default)]
pub(super) struct Busy(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU32,
    ended: AtomicU32,
}

/// One request being answered. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Answering(Busy);

impl Busy {
    pub(super) fn begin(&self) -> Answering {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    fn begun(&self) -> u32 {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed) == self.begun()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A socket with deadlines.
pub(super) struct Guarded {
    socket: Socket,
    limits: Arc<Limits>,
    instruments: Arc<Instruments>,
    busy: Busy,
    reading: Deadline,
    writing: Deadline,
    phase: Phase,
    /// Requests begun when the phase was last looked at.
    seen: u32,
    preface: Preface,
    /// Something was written and not yet taken whole.
    unflushed: bool,
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

/// How HTTP/2 begins; no HTTP/1 method does.
const PREFACE: &[u8] = b"PRI ";

/// What the connection's first bytes have told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preface {
    Matching(usize),
    Complete,
    Absent,
}

/// A timer that is set at most once for each wait. Moving it forward is a store; the timer wheel is only
/// touched when it would fire too early.
#[derive(Default)]
struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
    due: Option<Instant>,
}

impl Guarded {
    pub(super) fn new(socket: Socket, shared: &Shared, busy: Busy) -> Self {
        Self {
            socket,
            limits: shared.limits.clone(),
            instruments: shared.instruments.clone(),
            busy,
            reading: Deadline::default(),
            writing: Deadline::default(),
            phase: Phase::Idle,
            seen: 0,
            preface: Preface::Matching(0),
            unflushed: false,
            is_cut: false,
        }
    }

    /// What the peer is given time for now, given the bytes that just came.
    fn advance(&mut self, received: &[u8]) {
        self.recognise(received);
        let begun = self.busy.begun();
        let answered_since = std::mem::replace(&mut self.seen, begun) != begun;
        let next = match self.phase {
            // An answer is under way until its last byte has been taken.
            _ if self.unflushed || !self.busy.is_idle() => Phase::Answer,
            Phase::Head if !answered_since => Phase::Head,
            _ if !received.is_empty() && !self.is_multiplexed() => Phase::Head,
            _ => Phase::Idle,
        };
        if next != self.phase || answered_since {
            self.phase = next;
            self.reading.clear();
        }
    }

    /// Looks for the preface of HTTP/2 in the connection's first bytes, however they are cut up.
    fn recognise(&mut self, received: &[u8]) {
        for byte in received {
            match self.preface {
                Preface::Matching(at) if *byte == PREFACE[at] && at + 1 < PREFACE.len() => {
                    self.preface = Preface::Matching(at + 1);
                }
                Preface::Matching(at) if *byte == PREFACE[at] => self.preface = Preface::Complete,
                Preface::Matching(_) => self.preface = Preface::Absent,
                Preface::Complete | Preface::Absent => return,
            }
        }
    }

    /// Whether this is HTTP/2: between its requests come frames that are no request's head.
    fn is_multiplexed(&self) -> bool {
        self.preface == Preface::Complete
    }

    /// Whether the peer has been quiet for too long. Registers for a wake-up when it has not.
    fn out_of_patience(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        let (what, patience) = match self.phase {
            Phase::Idle => ("idle_timeout", self.limits.idle_timeout),
            Phase::Head => ("header_timeout", self.limits.header_timeout),
            // The write deadline watches the answer.
            Phase::Answer => return None,
        };
        self.reading
            .passed(cx, patience)
            .then(|| self.timed_out(what))
    }

    /// Counted here: hyper swallows the error of a connection that was idle.
    fn timed_out(&mut self, what: &'static str) -> io::Error {
        if !std::mem::replace(&mut self.is_cut, true) {
            self.instruments.transport.closed(what);
        }
        io::Error::new(io::ErrorKind::TimedOut, what)
    }

    fn stalled(&mut self, cx: &mut Context<'_>) -> bool {
        self.writing.passed(cx, self.limits.write_stall)
    }
}

impl Deadline {
    fn clear(&mut self) {
        self.due = None;
    }

    /// Whether `patience` has passed since the wait began. Registers for a wake-up when it has not.
    fn passed(&mut self, cx: &mut Context<'_>, patience: Duration) -> bool {
        let due = *self.due.get_or_insert_with(|| Instant::now() + patience);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        // A timer left from an earlier wait fires early at worst, and is then set anew.
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                return true;
            }
            timer.as_mut().reset(due);
        }
        if timer.deadline() > due {
            timer.as_mut().reset(due);
            return timer.as_mut().poll(cx).is_ready();
        }
        false
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
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        this.advance(&buf.filled()[before..]);
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
            Poll::Pending if this.stalled(cx) => Poll::Ready(Err(this.timed_out("write_stall"))),
            Poll::Pending => Poll::Pending,
            ready => {
                this.writing.clear();
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
        // An answer has just ended, perhaps. hyper has asked for the next request already and will not
        // ask again before something comes, so the wait for it is timed from here.
        this.unflushed &= !flushed.is_ready();
        this.advance(&[]);
        match this.out_of_patience(cx) {
            Some(error) => Poll::Ready(Err(error)),
            None => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
