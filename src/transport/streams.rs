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

use crate::exchange::{Body, BodyError};

/// The streams of one connection. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Mutex<Vec<Weak<Taken>>>>);

/// Since when a peer has not asked for more; `None` while it waits for us.
type Taken = Mutex<Option<Instant>>;

/// An answer's body that remembers when its peer last took of it.
pub(super) struct Watched {
    body: Body,
    /// What the body gave and was not passed on yet.
    rest: Bytes,
    taken: Option<Arc<Taken>>,
}

/// Bytes of an answer that are handed to h2 at a time: it holds them until the peer takes them.
const PIECE: usize = 64 << 10;

impl Streams {
    /// Watches over an answer.
    pub(super) fn watch(&self, body: Body) -> Watched {
        let taken = Arc::new(Taken::default());
        let mut all = lock(&self.0);
        all.retain(|stream| stream.strong_count() > 0);
        all.push(Arc::downgrade(&taken));
        Watched {
            body,
            rest: Bytes::new(),
            taken: Some(taken),
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
            if lock(&self.0).iter().any(stalls) {
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
            taken: None,
        }
    }

    fn note(&self, since: Option<Instant>) {
        if let Some(taken) = &self.taken {
            *lock(taken) = since;
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
        if self.taken.is_none() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        self.note(None);
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                end => return Poll::Ready(end),
            }
        }
        let piece = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(piece);
        self.note(Some(Instant::now()));
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
