//! The answers under way on an HTTP/2 connection, and which of them their peer does not take.
//!
//! A stream whose window is closed is not asked for more bytes, and nothing else tells so: the socket may be writable
//! and other streams may flow.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::turns::{Turn, Turns};
use super::urgency::Urgency;
use crate::exchange::{Body, BodyError};

/// The streams of one connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    taken: Arc<Mutex<Vec<Weak<Taken>>>>,
    turns: Turns,
    /// Bytes of an answer that are handed to h2 at a time.
    piece: usize,
}

/// Since when a peer has not asked for more; `None` while it waits for us.
type Taken = Mutex<Option<Instant>>;

/// An answer's body that remembers when its peer last took of it.
pub(super) struct Watched {
    body: Body,
    /// What the body gave and was not passed on yet.
    rest: Bytes,
    watch: Option<Watch>,
}

/// What is remembered of an answer over HTTP/2.
struct Watch {
    taken: Arc<Taken>,
    turn: Turn,
    piece: usize,
}

/// The last piece of an answer, which is watched for as long as it is held.
struct Last {
    piece: Bytes,
    _taken: Arc<Taken>,
}

impl AsRef<[u8]> for Last {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Streams {
    /// None yet.
    pub(super) fn new(piece: usize) -> Self {
        Self {
            taken: Arc::default(),
            turns: Turns::default(),
            piece,
        }
    }

    /// Watches over an answer.
    pub(super) fn watch(&self, body: Body, urgency: Urgency) -> Watched {
        let taken = Arc::new(Taken::default());
        let mut all = lock(&self.taken);
        all.retain(|stream| stream.strong_count() > 0);
        all.push(Arc::downgrade(&taken));
        let turn = self.turns.join(urgency);
        Watched {
            body,
            rest: Bytes::new(),
            watch: Some(Watch {
                taken,
                turn,
                piece: self.piece,
            }),
        }
    }

    /// Waits until a peer has left one of its answers untaken for so long.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            tokio::time::sleep(patience / 4).await;
            let stalls = |stream: &Weak<Taken>| {
                let since = stream.upgrade().and_then(|taken| *lock(&taken));
                since.is_some_and(|since| since.elapsed() >= patience)
            };
            if lock(&self.taken).iter().any(stalls) {
                return;
            }
        }
    }
}

impl Watched {
    /// Of a connection whose socket tells everything.
    pub(super) fn unwatched(body: Body) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            watch: None,
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(watch) = &mut this.watch else {
            return Pin::new(&mut this.body).poll_frame(cx);
        };
        *lock(&watch.taken) = None;
        if this.rest.is_empty() {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.rest = frame.into_data().unwrap_or_default();
                }
                Poll::Ready(end) => return Poll::Ready(end),
                Poll::Pending => {
                    watch.turn.has_nothing();
                    return Poll::Pending;
                }
            }
        }
        ready!(watch.turn.poll(cx));
        let piece = this.rest.len().min(watch.piece);
        let mut piece = this.rest.split_to(piece);
        *lock(&watch.taken) = Some(Instant::now());
        if this.rest.is_empty() && this.body.is_end_stream() {
            // hyper lets go of a body that has ended, however much of it h2 still holds.
            let _taken = watch.taken.clone();
            piece = Bytes::from_owner(Last { piece, _taken });
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.body.size_hint().exact();
        left.map_or_else(SizeHint::default, |left| {
            SizeHint::with_exact(left + self.rest.len() as u64)
        })
    }
}

/// Nothing is left half done under these locks, so a panic elsewhere cannot have broken what they guard.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
