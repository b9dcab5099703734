//! Asks again where that may help, and never so often that it makes things worse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::{Error, Object, ObjectMeta, Observe, Phase, Read, Storage};
use crate::media::AssetPath;

/// How often and how soon to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts at one request, the first included.
    pub attempts: u32,
    /// The first pause is about this long; each later one is about twice the one before.
    pub base: Duration,
    /// No pause is longer.
    pub cap: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(1),
        }
    }
}

impl Policy {
    /// The pause before attempt `attempt` (the second is 2), between half and all of its length as `luck` goes
    /// from 0 to 1: requests that failed together do not come back together.
    fn pause(&self, attempt: u32, luck: f64) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(2))
            .unwrap_or(u32::MAX);
        let longest = self.base.saturating_mul(doubled).min(self.cap);
        longest.mul_f64(0.5 + 0.5 * luck.clamp(0.0, 1.0))
    }
}

/// A storage that is asked again where it was busy, slow or broken.
///
/// Asked again is after [`Error::Throttled`], [`Error::Unavailable`], a [`Error::Timeout`] before the response, and
/// [`Error::Interrupted`] before the body's first byte. Past that byte, whoever reads knows better where to resume.
#[derive(Debug)]
pub struct Retry {
    inner: Arc<dyn Storage>,
    policy: Policy,
    budget: Budget,
    observer: Arc<dyn Observe>,
}

impl Retry {
    /// Asks `inner` again as `policy` says, and tells `observer`. Clone the `Arc` around it, not this: the budget
    /// is the storage's, not a request's.
    pub fn new(inner: Arc<dyn Storage>, policy: Policy, observer: Arc<dyn Observe>) -> Self {
        Self {
            inner,
            policy,
            budget: Budget::default(),
            observer,
        }
    }

    async fn attempts<'a, T>(
        &'a self,
        attempt: impl Fn() -> BoxFuture<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        self.budget.earn();
        let mut made = 1;
        loop {
            let error = match attempt().await {
                Err(error) if made < self.policy.attempts && helps(&error) => error,
                answer => return answer,
            };
            if !self.budget.spend() {
                return Err(error);
            }
            made += 1;
            self.observer.retried(&error);
            tokio::time::sleep(self.policy.pause(made, fastrand::f64())).await;
        }
    }
}

impl Storage for Retry {
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(self.attempts(move || {
            let read = read.clone();
            Box::pin(async move { begun(self.inner.get(asset, read).await?).await })
        }))
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(self.attempts(move || self.inner.head(asset)))
    }

    /// Not asked again: whoever probes wants to know.
    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.probe()
    }
}

/// Waits for the body's first piece: until then the answer can still be thrown away.
async fn begun(object: Object) -> Result<Object, Error> {
    let Object {
        meta,
        range,
        mut body,
    } = object;
    let first = match body.next().await {
        // Before the response, so to speak: nothing of it has been used.
        Some(Err(error @ Error::Interrupted(_))) => return Err(error),
        first => first,
    };
    let body = stream::iter(first).chain(body).boxed();
    Ok(Object { meta, range, body })
}

fn helps(error: &Error) -> bool {
    match error {
        Error::Throttled | Error::Unavailable(_) | Error::Interrupted(_) => true,
        Error::Timeout { phase, .. } => matches!(phase, Phase::Connect | Phase::FirstByte),
        _ => false,
    }
}

/// How many retries may be made: a fifth of the requests, and a few for a start.
///
/// Without it a storage that fails every request would be asked three times as much as one that works, at the very
/// moment it can least bear it.
#[derive(Debug)]
struct Budget {
    /// In fifths of a retry.
    fifths: AtomicU32,
}

const RETRY: u32 = 5;
/// Ten retries: a quiet storage has them in hand, and a storm is over after as many.
const FULL: u32 = 10 * RETRY;

impl Default for Budget {
    fn default() -> Self {
        Self {
            fifths: AtomicU32::new(FULL),
        }
    }
}

impl Budget {
    fn earn(&self) {
        self.change(|fifths| (fifths < FULL).then_some(fifths + 1));
    }

    fn spend(&self) -> bool {
        self.change(|fifths| fifths.checked_sub(RETRY))
    }

    fn change(&self, change: impl FnMut(u32) -> Option<u32>) -> bool {
        self.fifths
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Observe, Policy, Retry};
    use crate::storage::double::{Double, Step, asset, collect};
    use crate::storage::{Error, Phase, Read, Storage};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::time::Instant;

    #[derive(Debug, Default)]
    struct Count(AtomicUsize);

    impl Observe for Count {
        fn retried(&self, _error: &Error) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    type Asked = Arc<Mutex<Vec<Option<std::ops::Range<u64>>>>>;

    fn retry(steps: impl IntoIterator<Item = Step>) -> (Retry, Asked, Arc<Count>) {
        let double = Double::new(steps);
        let (asked, count) = (double.asked(), Arc::new(Count::default()));
        let observer = Arc::clone(&count) as Arc<dyn Observe>;
        (
            Retry::new(Arc::new(double), Policy::default(), observer),
            asked,
            count,
        )
    }

    fn good() -> Step {
        Step::Answer(vec![Ok("abc"), Ok("def")])
    }

    fn timeout(phase: Phase) -> Error {
        Error::Timeout {
            phase,
            limit: Duration::from_secs(1),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passing_trouble_is_waited_out() {
        let broken = Error::Interrupted("reset".into());
        for trouble in [
            Step::Fail(Error::Throttled),
            Step::Fail(Error::Unavailable("500".into())),
            Step::Fail(timeout(Phase::Connect)),
            Step::Fail(timeout(Phase::FirstByte)),
            Step::Answer(vec![Err(broken)]),
        ] {
            let what = format!("{trouble:?}");
            let (retry, asked, count) = retry([trouble, good()]);
            let read = Read {
                range: Some(5..11),
                ..Read::default()
            };
            let object = retry.get(&asset(), read).await.expect(&what);
            assert_eq!(collect(object).await.unwrap(), "abcdef", "{what}");
            assert_eq!(*asked.lock().unwrap(), [Some(5..11), Some(5..11)], "{what}");
            assert_eq!(count.0.load(Ordering::SeqCst), 1, "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lasting_trouble_is_told_at_once() {
        for trouble in [
            Error::NotFound,
            Error::Denied("403".into()),
            Error::Changed,
            Error::NotModified,
            Error::RangeNotSatisfiable { len: None },
            Error::Misconfigured("no bucket".into()),
            Error::Invalid("no Content-Range".into()),
            timeout(Phase::Total),
        ] {
            let (retry, asked, _) = retry([Step::Fail(trouble.clone())]);
            assert_eq!(
                retry.get(&asset(), Read::default()).await.unwrap_err(),
                trouble
            );
            assert_eq!(asked.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_breaks_later_is_handed_on_as_it_is() {
        let broken = Error::Interrupted("reset".into());
        let (retry, asked, _) = retry([Step::Answer(vec![Ok("abc"), Err(broken.clone())])]);
        let object = retry.get(&asset(), Read::default()).await.unwrap();
        assert_eq!(collect(object).await, Err(broken));
        assert_eq!(asked.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempts_error_is_told() {
        let (retry, asked, count) = retry([
            Step::Fail(Error::Throttled),
            Step::Fail(timeout(Phase::FirstByte)),
            Step::Fail(Error::Unavailable("502".into())),
        ]);
        let begun = Instant::now();
        let error = retry.get(&asset(), Read::default()).await.unwrap_err();
        assert_eq!(error, Error::Unavailable("502".into()));
        assert_eq!(asked.lock().unwrap().len(), 3);
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        let pauses = begun.elapsed() - Duration::from_millis(30);
        assert!((75..=151).contains(&pauses.as_millis()), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_storage_that_is_down_is_not_stormed() {
        let steps = std::iter::repeat_with(|| Step::Fail(Error::Throttled)).take(5000);
        let (retry, asked, _) = retry(steps);
        for _ in 0..1000 {
            retry.get(&asset(), Read::default()).await.unwrap_err();
        }
        let asked = asked.lock().unwrap().len();
        assert!((1190..=1211).contains(&asked), "{asked} for 1000 requests");
    }

    #[test]
    fn pauses_double_up_to_the_cap() {
        let policy = Policy::default();
        let millis = |attempt, luck| policy.pause(attempt, luck).as_millis();
        assert_eq!([2, 3, 4, 5].map(|n| millis(n, 1.0)), [50, 100, 200, 400]);
        assert_eq!([2, 3, 4, 5].map(|n| millis(n, 0.0)), [25, 50, 100, 200]);
        assert_eq!([7, 40, u32::MAX].map(|n| millis(n, 1.0)), [1000; 3]);
    }
}
