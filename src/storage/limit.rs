//! Bounds how much is asked of a storage at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Body, Error, Object, ObjectMeta, Read, Storage};
use crate::media::AssetPath;

/// A storage that answers only so many requests at once; the others wait in line.
///
/// A request counts until its body is dropped. Probes do not count: a storage that is busy is not down.
#[derive(Debug, Clone)]
pub struct Limit {
    inner: Arc<dyn Storage>,
    permits: Arc<Semaphore>,
    wait: Duration,
}

impl Limit {
    /// Lets `most` requests through at once (at least one). One that waited `limit_wait` in line is refused with
    /// [`Error::Throttled`].
    pub fn new(inner: Arc<dyn Storage>, most: usize, limit_wait: Duration) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            inner,
            permits: Arc::new(Semaphore::new(most)),
            wait: limit_wait,
        }
    }

    /// How many more requests could start now.
    pub fn available(&self) -> usize {
        self.permits.available_permits()
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.wait, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed; were it, there would be nothing to wait for.
            Ok(Err(_)) | Err(_) => Err(Error::Throttled),
        }
    }
}

fn hold(permit: OwnedSemaphorePermit, body: Body) -> Body {
    body.inspect(move |_| {
        // Owned by the stream, and so dropped with it.
        let _ = &permit;
    })
    .boxed()
}

impl Storage for Limit {
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let permit = self.permit().await?;
            let object = self.inner.get(asset, read).await?;
            Ok(Object {
                body: hold(permit, object.body),
                ..object
            })
        })
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(async move {
            let _permit = self.permit().await?;
            self.inner.head(asset).await
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.probe()
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;
    use crate::storage::double::{Double, Step, asset, collect};
    use crate::storage::{Error, Read, Storage};
    use std::sync::Arc;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_millis(200);

    fn limit(most: usize) -> Limit {
        let answers = std::iter::repeat_with(|| Step::Answer(vec![Ok("abc")])).take(100);
        Limit::new(Arc::new(Double::new(answers)), most, WAIT)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_keeps_its_place_until_it_is_dropped() {
        let limit = limit(1);
        let object = limit.get(&asset(), Read::default()).await.unwrap();
        assert_eq!(
            limit.get(&asset(), Read::default()).await.unwrap_err(),
            Error::Throttled
        );
        assert_eq!(limit.head(&asset()).await, Err(Error::Throttled));
        assert_eq!(limit.probe().await, Ok(()));
        drop(object);
        let object = limit.get(&asset(), Read::default()).await.unwrap();
        assert_eq!(collect(object).await.unwrap(), "abc");
        assert_eq!(limit.available(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_leaves_its_place() {
        let limit = limit(1);
        let begun = tokio::time::timeout(Duration::from_millis(1), limit.head(&asset())).await;
        assert!(begun.is_err());
        assert_eq!(limit.available(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_line_are_let_through_as_others_end() {
        let limit = limit(2);
        // Each takes 10 ms, two at a time: the last of 20 starts after 90 ms.
        let reads = (0..20).map(|_| async {
            collect(limit.get(&asset(), Read::default()).await.unwrap())
                .await
                .unwrap()
        });
        let begun = tokio::time::Instant::now();
        assert_eq!(futures_util::future::join_all(reads).await.len(), 20);
        assert_eq!(begun.elapsed(), Duration::from_millis(100));
    }
}
