//! Bodies slowed down to a rate, after a burst at full speed. [`Bucket`] decides, [`paced`] waits.

use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Sleep;

/// Parts of a second that go at once: less would be many small writes, more would be felt as bursts.
const PARTS: u64 = 20;
/// What may be saved up at least, beyond one part: timers wake late, and what that costs has to be made up for.
const SLACK: u64 = 100_000_000;
const NANOS: u128 = 1_000_000_000;

/// How fast one body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bytes per second, in the long run.
    pub rate: NonZeroU64,
    /// Bytes at full speed: the first ones, and again what a pause has saved up. Every body begins with a burst of its
    /// own, so what a player gets that asks for segments one by one is at most `rate` and one burst for each.
    pub burst: u64,
}

/// Says how many bytes may go now. Reads no clock. From its beginning on it never lets more go than `burst` and what
/// `rate` allows in that time; a pause saves up `burst`, or 150 ms of `rate` where that is more.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: u64,
    /// Nanoseconds of sending that are left.
    credit: u64,
    most: u64,
    /// Bytes that are worth waking for.
    part: usize,
    at: Instant,
}

/// What may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// So many bytes, now; they are counted.
    Now(usize),
    /// Nothing until then.
    At(Instant),
}

/// Lets a body go at a pace. The bytes are the same and are not copied; the pieces are smaller. An error is passed on
/// at once. Waits on tokio's clock.
pub fn paced<S, E>(body: S, pace: Pace) -> Paced<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    Paced {
        body,
        bucket: Bucket::new(pace, now()),
        rest: Bytes::new(),
        timer: None,
        is_waiting: false,
    }
}

/// A body at a pace; [`paced`] makes it.
#[derive(Debug)]
pub struct Paced<S> {
    body: S,
    bucket: Bucket,
    /// What the body has given and the bucket has not.
    rest: Bytes,
    /// Made when it is first needed: many bodies end within their burst.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Bucket {
    /// A full one.
    pub fn new(pace: Pace, now: Instant) -> Self {
        let rate = pace.rate.get();
        let part = (rate / PARTS).max(1);
        let burst = nanos(pace.burst, rate);
        Self {
            rate,
            credit: burst,
            most: burst.max(nanos(part, rate).saturating_add(SLACK)),
            part: usize::try_from(part).unwrap_or(usize::MAX),
            at: now,
        }
    }

    /// Takes as many of `wanted` bytes as may go now.
    pub fn take(&mut self, wanted: usize, now: Instant) -> Grant {
        let passed = now.saturating_duration_since(self.at).as_nanos();
        self.at = self.at.max(now);
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.credit = self.credit.saturating_add(passed).min(self.most);
        let allowed = u128::from(self.credit) * u128::from(self.rate) / NANOS;
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX).min(wanted);
        let least = wanted.min(self.part);
        if allowed >= least {
            self.credit = self.credit.saturating_sub(nanos(allowed as u64, self.rate));
            return Grant::Now(allowed);
        }
        let wait = nanos(least as u64, self.rate).saturating_sub(self.credit);
        Grant::At(self.at + Duration::from_nanos(wait))
    }
}

impl<S, E> Stream for Paced<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.is_waiting {
                if let Some(timer) = &mut this.timer {
                    ready!(timer.as_mut().poll(cx));
                }
                this.is_waiting = false;
            }
            if this.rest.is_empty() {
                match ready!(Pin::new(&mut this.body).poll_next(cx)) {
                    Some(Ok(bytes)) => this.rest = bytes,
                    other => return Poll::Ready(other),
                }
            }
            match this.bucket.take(this.rest.len(), now()) {
                Grant::Now(bytes) => return Poll::Ready(Some(Ok(this.rest.split_to(bytes)))),
                Grant::At(then) => this.wait(then),
            }
        }
    }
}

impl<S> Paced<S> {
    fn wait(&mut self, then: Instant) {
        self.is_waiting = true;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(then.into()),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(then.into()))),
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What sending takes, rounded up.
fn nanos(bytes: u64, rate: u64) -> u64 {
    let nanos = (u128::from(bytes) * NANOS).div_ceil(u128::from(rate));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use proptest::prelude::*;

    use super::*;

    fn pace(rate: u64, burst: u64) -> Pace {
        let rate = NonZeroU64::new(rate).unwrap();
        Pace { rate, burst }
    }

    fn body(pieces: &[Bytes]) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        stream::iter(pieces.to_vec()).map(Ok)
    }

    fn bytes(len: usize) -> Bytes {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(pace(1000, 4000), start);
        assert_eq!(bucket.take(10_000, start), Grant::Now(4000));
        let part = Duration::from_millis(50);
        assert_eq!(bucket.take(6000, start), Grant::At(start + part));
        assert_eq!(bucket.take(6000, start + part), Grant::Now(50));
        assert_eq!(
            bucket.take(10, start + part),
            Grant::At(start + part + Duration::from_millis(10))
        );
        assert_eq!(
            bucket.take(6000, start + Duration::from_secs(1)),
            Grant::Now(950)
        );
        // A pause saves up one burst and no more.
        assert_eq!(
            bucket.take(60_000, start + Duration::from_secs(100)),
            Grant::Now(4000)
        );
    }

    #[test]
    fn nothing_wanted_is_granted() {
        let start = Instant::now();
        let mut bucket = Bucket::new(pace(1, 0), start);
        assert_eq!(bucket.take(0, start), Grant::Now(0));
        assert_eq!(
            bucket.take(1, start),
            Grant::At(start + Duration::from_secs(1))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_body_takes_the_time_its_rate_says() {
        let whole = bytes(9_000_000);
        let start = tokio::time::Instant::now();
        let mut paced = paced(
            body(std::slice::from_ref(&whole)),
            pace(1_000_000, 4_000_000),
        );
        let mut sent = Vec::new();
        while let Some(piece) = paced.next().await {
            sent.extend_from_slice(&piece.unwrap());
            let allowed = 4_000_000 + start.elapsed().as_millis() * 1000;
            assert!(sent.len() as u128 <= allowed, "{} of {allowed}", sent.len());
        }
        assert_eq!(sent, whole);
        let took = start.elapsed();
        assert!((5000..=5100).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_within_its_burst_is_not_slowed_and_not_copied() {
        let pieces = [bytes(1000), bytes(2000)];
        let start = tokio::time::Instant::now();
        let sent: Vec<_> = paced(body(&pieces), pace(1, 3000)).collect().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        let sent: Vec<_> = sent.into_iter().map(Result::unwrap).collect();
        assert_eq!(sent, pieces);
        assert_eq!(sent[0].as_ptr(), pieces[0].as_ptr());
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_are_views_of_the_bytes_given() {
        let whole = bytes(5000);
        let range = whole.as_ptr_range();
        let sent: Vec<_> = paced(body(std::slice::from_ref(&whole)), pace(1000, 0))
            .collect()
            .await;
        assert!(sent.len() > 10);
        assert!(
            sent.iter()
                .all(|piece| range.contains(&piece.as_ref().unwrap().as_ptr()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_passed_on_at_once_and_in_its_place() {
        let items = [Ok(bytes(100)), Err("lost"), Ok(bytes(10))];
        let sent: Vec<_> = paced(stream::iter(items), pace(1000, 0)).collect().await;
        let errors = sent.iter().filter(|item| item.is_err()).count();
        let total: usize = sent.iter().flatten().map(Bytes::len).sum();
        assert_eq!((errors, total), (1, 110));
        let before: usize = sent
            .iter()
            .map_while(|item| item.as_ref().ok())
            .map(Bytes::len)
            .sum();
        assert_eq!(before, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_may_catch_up_by_one_burst_only() {
        let slow = stream::unfold(0, |n| async move {
            (n < 2).then_some(())?;
            tokio::time::sleep(Duration::from_secs(60)).await;
            Some((Ok::<_, String>(bytes(10_000)), n + 1))
        });
        let mut paced = paced(Box::pin(slow), pace(1000, 2000));
        assert_eq!(paced.next().await.unwrap().unwrap().len(), 2000);
        let rest: Vec<_> = paced.collect().await;
        assert!(rest.iter().flatten().all(|piece| piece.len() <= 2000));
    }

    proptest! {
        #[test]
        fn no_more_goes_than_the_pace_allows(
            rate in 1..u64::MAX,
            burst in any::<u64>(),
            asked in prop::collection::vec((any::<u32>(), 0..2_000_000_000_u64), 1..50),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(pace(rate, burst), start);
            let (mut now, mut sent) = (start, 0_u128);
            for (wanted, wait) in asked {
                let wanted = wanted as usize;
                match bucket.take(wanted, now) {
                    Grant::Now(granted) => {
                        prop_assert!(granted <= wanted && (granted > 0 || wanted == 0));
                        sent += granted as u128;
                    }
                    Grant::At(then) => {
                        prop_assert!(then > now && then <= now + Duration::from_secs(1));
                        // Whoever waits as told gets something.
                        prop_assert!(matches!(bucket.take(wanted, then), Grant::Now(n) if n > 0));
                        return Ok(());
                    }
                }
                let passed = now.duration_since(start).as_nanos();
                let earned = (passed + 1) * u128::from(rate) / NANOS;
                prop_assert!(sent <= u128::from(burst) + earned + 1 + u128::from(rate) / 1_000_000_000);
                now += Duration::from_nanos(wait);
            }
        }

        #[test]
        fn the_bytes_are_the_same(
            pieces in prop::collection::vec(0..5000_usize, 0..10),
            rate in 1..100_000_u64,
            burst in 0..10_000_u64,
        ) {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build().unwrap();
            let pieces: Vec<_> = pieces.into_iter().map(bytes).collect();
            let sent = runtime.block_on(async {
                paced(body(&pieces), pace(rate, burst)).map(Result::unwrap).collect::<Vec<_>>().await
            });
            prop_assert_eq!(sent.concat(), pieces.concat());
        }
    }
}
