//! Connections that are used again.
//!
//! A connection is one request's until the answer's last byte: it comes back when the body has ended, and is closed
//! where the body is dropped before.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::thread::ThreadId;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::Failure;
use super::dial::{Dial, Driver};

/// A connection rests this long at most: sooner than servers hang up on one that rests.
const REST: Duration = Duration::from_secs(20);

/// A connection that has rested this long may be one that the server was just closing. One that was busy a moment
/// ago and breaks says something of the server, which whoever counts failures has to hear.
const STALE: Duration = Duration::from_secs(1);

/// So many connections rest at most; the oldest go first. As many as requests are let through at once by default.
const MOST: usize = 256;

/// The connections to one endpoint.
pub(super) struct Pool {
    dial: Dial,
    resting: Arc<Resting>,
}

/// Those that no request uses, the latest used last.
#[derive(Default)]
struct Resting(Mutex<VecDeque<Rested>>);

struct Rested {
    line: Line,
    since: Instant,
}

/// A connection.
struct Line {
    sender: SendRequest<Empty<Bytes>>,
    /// Whose runtime has its driver for a task.
    driven_by: ThreadId,
}

impl Line {
    /// A connection whose driver is a task of this thread's runtime.
    fn new(sender: SendRequest<Empty<Bytes>>) -> Self {
        Self {
            sender,
            driven_by: std::thread::current().id(),
        }
    }
}

impl Pool {
    pub(super) fn new(dial: Dial) -> Self {
        Self {
            dial,
            resting: Arc::default(),
        }
    }

    /// Sends `request` over a connection that rests, or else over a new one.
    ///
    /// What a stale connection did not answer is sent again over a new one, once: its server may have closed it
    /// before it saw the request, and a GET may be asked twice.
    pub(super) async fn send(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Arriving>, Failure> {
        let Some(Rested { mut line, since }) = self.resting.take().await else {
            return self.send_afresh(request).await;
        };
        let spare = (since.elapsed() >= STALE).then(|| request.clone());
        match line.sender.try_send_request(request).await {
            Ok(response) => Ok(self.arriving(response, line)),
            Err(mut failed) => match failed.take_message().or(spare) {
                Some(request) => self.send_afresh(request).await,
                None => Err(Failure::Broken(failed.into_error().into())),
            },
        }
    }

    async fn send_afresh(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Arriving>, Failure> {
        let (sender, driver) = self.dial.open().await?;
        let mut line = Line::new(sender);
        tokio::spawn(drive(driver, Arc::downgrade(&self.resting)));
        match line.sender.send_request(request).await {
            Ok(response) => Ok(self.arriving(response, line)),
            Err(error) => Err(Failure::Broken(error.into())),
        }
    }

    fn arriving(&self, response: Response<Incoming>, line: Line) -> Response<Arriving> {
        response.map(|body| Arriving {
            body,
            line: Some(line),
            resting: Arc::clone(&self.resting),
        })
    }
}

/// Drives a connection until it ends, and now and then closes those that have rested too long: nobody else would on
/// a quiet day. Each has its own driver do so, wherever that runs, so there is nothing to keep alive beside them.
async fn drive(driver: Driver, resting: Weak<Resting>) {
    let mut driver = pin!(driver);
    // How a connection ends is told to the request that uses it, if one does.
    while tokio::time::timeout(REST, driver.as_mut()).await.is_err() {
        if let Some(resting) = resting.upgrade() {
            resting.clear_out(Instant::now());
        }
    }
}

impl Resting {
    /// The connection that was used last and is open still. Those that this thread drives come first: what arrives by
    /// another's wakes two threads for every piece.
    async fn take(&self) -> Option<Rested> {
        let here = std::thread::current().id();
        loop {
            let mut rested = {
                let mut all = self.lock();
                let own = all.iter().rposition(|rested| rested.line.driven_by == here);
                let place = own.or(all.len().checked_sub(1))?;
                all.remove(place)?
            };
            // Its driver may not have come to wait for the next request yet.
            if rested.since.elapsed() < REST && rested.line.sender.ready().await.is_ok() {
                return Some(rested);
            }
        }
    }

    fn put(&self, line: Line) {
        if line.sender.is_closed() {
            return;
        }
        let since = Instant::now();
        let mut all = self.lock();
        all.push_back(Rested { line, since });
        let surplus = (all.len() > MOST).then(|| all.pop_front());
        drop(all);
        drop(surplus);
    }

    fn clear_out(&self, now: Instant) {
        let mut all = self.lock();
        let is_good =
            |rested: &Rested| !rested.line.sender.is_closed() && now < rested.since + REST;
        let (good, old) = all.drain(..).partition(is_good);
        *all = good;
        drop(all);
        // Closes them, which wakes their drivers.
        drop::<VecDeque<_>>(old);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Rested>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer, with the connection that it arrives by.
pub(in crate::storage::s3) struct Arriving {
    body: Incoming,
    /// `None` once it rests again.
    line: Option<Line>,
    resting: Arc<Resting>,
}

impl Arriving {
    fn give_back(&mut self) {
        if let Some(line) = self.line.take() {
            self.resting.put(line);
        }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.line = None,
            None => self.give_back(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        // An empty body has ended without being asked for a frame. Any other that gets here with its connection has
        // not, and takes that with it.
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dial::Stream;
    use super::{Line, MOST, REST, Resting, drive};
    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::client::conn::http1::{self, SendRequest};
    use hyper_util::rt::TokioIo;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, DuplexStream};
    use tokio::time::Instant;

    /// A connection, and its other end.
    async fn connection(resting: &Arc<Resting>) -> (SendRequest<Empty<Bytes>>, DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        let near = TokioIo::new(Box::new(near) as Box<dyn Stream>);
        let (sender, driver) = http1::handshake(near).await.unwrap();
        tokio::spawn(drive(driver, Arc::downgrade(resting)));
        (sender, far)
    }

    async fn is_closed(far: &mut DuplexStream) -> bool {
        let read = tokio::time::timeout(Duration::from_millis(1), far.read(&mut [0])).await;
        matches!(read, Ok(Ok(0)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_rests_too_long_is_closed() {
        let resting = Arc::default();
        let (sender, mut far) = connection(&resting).await;
        resting.put(Line::new(sender));
        tokio::time::sleep(REST - Duration::from_secs(1)).await;
        assert!(!is_closed(&mut far).await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(is_closed(&mut far).await);
        assert!(resting.take().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_used_is_used_next_and_the_oldest_makes_room() {
        let resting = Arc::default();
        let mut far = Vec::new();
        for _ in 0..=MOST {
            let (sender, other) = connection(&resting).await;
            far.push(other);
            resting.put(Line::new(sender));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(is_closed(&mut far[0]).await);
        assert!(!is_closed(&mut far[1]).await);
        let latest = resting.take().await.unwrap();
        assert!(latest.since.elapsed() < Duration::from_millis(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_the_other_end_closed_is_passed_over() {
        let resting = Arc::default();
        let (good, _far) = connection(&resting).await;
        let (closed, far) = connection(&resting).await;
        resting.put(Line::new(good));
        resting.put(Line::new(closed));
        drop(far);
        let taken = resting.take().await.unwrap();
        assert!(!taken.line.sender.is_closed());
        assert!(resting.take().await.is_none());
        assert_eq!(Instant::now(), taken.since);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_end_with_their_pool() {
        let resting = Arc::default();
        let (sender, mut far) = connection(&resting).await;
        resting.put(Line::new(sender));
        drop(resting);
        assert!(is_closed(&mut far).await);
    }
}
