//! Counts a body and bounds it in time.

use std::error::Error as StdError;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::Timeouts;
use super::refusal::root_cause;
use crate::storage::{Body, Error, Phase};

/// Bytes that have to arrive in each stall window: a server that drips is as good as one that stopped.
const LEAST: u64 = 16 * 1024;

/// So much of an error document is read; S3's own are below 2 KiB.
const DOCUMENT: usize = 64 * 1024;

/// So long is waited for it: the status is known already, and says nearly as much.
const DOCUMENT_WAIT: Duration = Duration::from_secs(1);

/// Hands on exactly the bytes of `range`, or an error as the last item.
pub(super) fn counted<B>(body: B, range: Range<u64>, begun: Instant, timeouts: &Timeouts) -> Body
where
    B: http_body::Body<Data = Bytes, Error: StdError + 'static> + Send + Unpin + 'static,
{
    let counter = Counter {
        body,
        left: range.end - range.start,
        stall: timeouts.stall,
        total: timeouts.total,
        deadline: begun + timeouts.total,
        waited: Duration::ZERO,
        got: 0,
    };
    stream::try_unfold(counter, |mut counter| async move {
        Ok(counter.next().await?.map(|piece| (piece, counter)))
    })
    .boxed()
}

/// The document of an answer that is not the object, as far as it comes; it is read only to learn more than the status
/// tells, so nothing that is wrong with it matters.
pub(super) async fn document<B>(mut body: B) -> Vec<u8>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut document = Vec::new();
    let all = async {
        while let Some(Ok(frame)) = body.frame().await
            && document.len() < DOCUMENT
        {
            if let Ok(piece) = frame.into_data() {
                let room = DOCUMENT - document.len();
                document.extend_from_slice(&piece[..piece.len().min(room)]);
            }
        }
    };
    let _ = tokio::time::timeout(DOCUMENT_WAIT, all).await;
    document
}

struct Counter<B> {
    body: B,
    left: u64,
    stall: Duration,
    total: Duration,
    deadline: Instant,
    /// Time spent waiting in the current stall window. A reader that takes its time does not count.
    waited: Duration,
    /// Bytes received in that window.
    got: u64,
}

impl<B> Counter<B>
where
    B: http_body::Body<Data = Bytes, Error: StdError + 'static> + Unpin,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let piece = self.receive().await?;
        let Some(piece) = piece else {
            return Err(Error::Interrupted(
                format!("{} bytes are missing", self.left).into(),
            ));
        };
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            return Err(too_long());
        };
        self.left = left;
        // The last piece is handed on only once nothing follows it: the reader may take its count for the end.
        if left == 0 && self.receive().await?.is_some() {
            return Err(too_long());
        }
        Ok(Some(piece))
    }

    /// The next piece that is not empty.
    async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let asked = Instant::now();
            let left = self.stall.saturating_sub(self.waited);
            let stalls = asked + left;
            let frame = timeout_at(stalls.min(self.deadline), self.body.frame()).await;
            self.waited += asked.elapsed();
            match frame {
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => {
                        self.pace(piece.len() as u64);
                        return Ok(Some(piece));
                    }
                    // Empty, or trailers.
                    Ok(_) | Err(_) => {}
                },
                Ok(Some(Err(error))) => return Err(Error::Interrupted(root_cause(&error).into())),
                Ok(None) => return Ok(None),
                Err(_) if self.deadline <= stalls => {
                    return Err(Error::Timeout {
                        phase: Phase::Total,
                        limit: self.total,
                    });
                }
                Err(_) => {
                    return Err(Error::Timeout {
                        phase: Phase::Stall,
                        limit: self.stall,
                    });
                }
            }
        }
    }

    /// Opens a new stall window once enough arrived in this one.
    fn pace(&mut self, got: u64) {
        self.got += got;
        if self.got >= LEAST {
            self.got = 0;
            self.waited = Duration::ZERO;
        }
    }
}

fn too_long() -> Error {
    Error::Invalid("the body is longer than announced".into())
}

#[cfg(test)]
mod tests {
    use super::counted;
    use crate::storage::s3::Timeouts;
    use crate::storage::{Error, Phase};
    use bytes::Bytes;
    use futures_util::StreamExt;
    use http_body::{Body, Frame};
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;
    use tokio::time::{Instant, Sleep};

    /// Sends pieces, each after a pause.
    struct Script {
        pieces: VecDeque<(Duration, &'static [u8])>,
        pause: Option<Pin<Box<Sleep>>>,
    }

    impl Body for Script {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some((pause, _)) = self.pieces.front().copied() else {
                return Poll::Ready(None);
            };
            let sleep = self
                .pause
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(sleep.as_mut().poll(cx));
            self.pause = None;
            Poll::Ready(self.pieces.pop_front().map(|(_, piece)| match piece {
                b"BREAK" => Err(std::io::Error::other("connection reset")),
                piece => Ok(Frame::data(Bytes::from_static(piece))),
            }))
        }
    }

    async fn read(len: u64, pieces: &[(f64, &'static [u8])]) -> (usize, Result<(), Error>) {
        let pieces = pieces
            .iter()
            .map(|(s, p)| (Duration::from_secs_f64(*s), *p))
            .collect();
        let body = Script {
            pieces,
            pause: None,
        };
        let timeouts = Timeouts {
            stall: Duration::from_secs(5),
            total: Duration::from_secs(60),
            ..Timeouts::default()
        };
        let mut body = counted(body, 0..len, Instant::now(), &timeouts);
        let mut got = 0;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => got += piece.len(),
                Err(error) => {
                    assert!(body.next().await.is_none(), "an error is the last item");
                    return (got, Err(error));
                }
            }
        }
        (got, Ok(()))
    }

    #[tokio::test(start_paused = true)]
    async fn exact_bodies_pass() {
        assert_eq!(
            read(6, &[(0.0, b"abc"), (4.0, b""), (0.5, b"def")]).await,
            (6, Ok(()))
        );
        assert_eq!(read(0, &[]).await, (0, Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn short_bodies_are_interrupted() {
        let (got, end) = read(6, &[(0.0, b"abc")]).await;
        assert_eq!((got, end.unwrap_err().reason()), (3, "interrupted"));
        let (got, end) = read(6, &[(0.0, b"abc"), (0.0, b"BREAK")]).await;
        assert_eq!(got, 3);
        assert_eq!(end, Err(Error::Interrupted("connection reset".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn long_bodies_are_invalid_before_their_end_is_handed_on() {
        for pieces in [
            &[(0.0, &b"abcdefg"[..])][..],
            &[(0.0, b"abc"), (0.0, b"def"), (0.0, b"g")],
        ] {
            let (got, end) = read(6, pieces).await;
            assert!(got < 6);
            assert_eq!(end.unwrap_err().reason(), "invalid");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_stalled() {
        let limit = Duration::from_secs(5);
        let stalled = Err(Error::Timeout {
            phase: Phase::Stall,
            limit,
        });
        assert_eq!(read(6, &[(0.0, b"abc"), (9.0, b"def")]).await, (3, stalled));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_stalled() {
        let drip = [(1.1, &b"x"[..]); 100];
        let (got, end) = read(100, &drip).await;
        assert_eq!((got, end.unwrap_err().reason()), (4, "timeout_stall"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_body_is_bounded_by_the_total() {
        static ENOUGH: [u8; 20_000] = [0; 20_000];
        let steady = [(4.1, &ENOUGH[..]); 100];
        let (got, end) = read(2_000_000, &steady).await;
        assert_eq!(end.unwrap_err().reason(), "timeout_total");
        assert_eq!(got, 14 * ENOUGH.len());
    }
}
