//! Tells an observer what a storage does. [`Observe`] is the observer's side; [`Observed`] watches any storage.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::StreamExt;
use tokio::time::Instant;

use super::{Body, Error, Object, ObjectMeta, Read, Storage};
use crate::media::AssetPath;

/// Hears what a storage does; wire it to metrics. Calls come from the request's own task and must not block.
pub trait Observe: Send + Sync + Debug {
    /// An answer's head arrived, `after` the call: the time to the first byte.
    fn answered(&self, operation: Operation, after: Duration) {
        let _ = (operation, after);
    }

    /// There was no such answer, but `error` (its [`Error::reason`] is a label), or its body broke with it.
    /// [`Error::NotModified`] and [`Error::NotFound`] come here too.
    fn failed(&self, operation: Operation, error: &Error) {
        let _ = (operation, error);
    }

    /// Bytes of a body arrived.
    fn received(&self, bytes: u64) {
        let _ = bytes;
    }

    /// A request failed with `error` and is about to be made again.
    fn retried(&self, error: &Error) {
        let _ = error;
    }
}

/// Hears nothing.
impl Observe for () {}

/// What was asked of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Storage::get`].
    Get,
    /// [`Storage::head`].
    Head,
    /// [`Storage::probe`].
    Probe,
}

impl Operation {
    /// A stable word: a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Probe => "probe",
        }
    }
}

/// A storage under observation. Below [`Retry`](super::Retry) it sees each attempt, above it each request.
#[derive(Debug, Clone)]
pub struct Observed {
    inner: Arc<dyn Storage>,
    observer: Arc<dyn Observe>,
}

impl Observed {
    /// Tells `observer` what `inner` does.
    pub fn new(inner: Arc<dyn Storage>, observer: Arc<dyn Observe>) -> Self {
        Self { inner, observer }
    }

    async fn watch<T>(
        &self,
        operation: Operation,
        request: BoxFuture<'_, Result<T, Error>>,
    ) -> Result<T, Error> {
        let asked = Instant::now();
        let answer = request.await;
        match &answer {
            Ok(_) => self.observer.answered(operation, asked.elapsed()),
            Err(error) => self.observer.failed(operation, error),
        }
        answer
    }

    fn watch_body(&self, body: Body) -> Body {
        let observer = Arc::clone(&self.observer);
        body.inspect(move |piece| match piece {
            Ok(piece) => observer.received(piece.len() as u64),
            Err(error) => observer.failed(Operation::Get, error),
        })
        .boxed()
    }
}

impl Storage for Observed {
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let object = self
                .watch(Operation::Get, self.inner.get(asset, read))
                .await?;
            Ok(Object {
                body: self.watch_body(object.body),
                ..object
            })
        })
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(self.watch(Operation::Head, self.inner.head(asset)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.watch(Operation::Probe, self.inner.probe()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Observe, Observed, Operation};
    use crate::storage::double::{Double, Step, asset, collect};
    use crate::storage::{Error, Read, Storage};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[derive(Debug, Default)]
    struct Diary(Mutex<Vec<String>>);

    impl Diary {
        fn write(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }
    }

    impl Observe for Diary {
        fn answered(&self, operation: Operation, after: Duration) {
            self.write(format!("{} answered after {after:?}", operation.name()));
        }
        fn failed(&self, operation: Operation, error: &Error) {
            self.write(format!("{} failed: {}", operation.name(), error.reason()));
        }
        fn received(&self, bytes: u64) {
            self.write(format!("received {bytes}"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_observer_hears_of_answers_bytes_and_failures() {
        let broken = Error::Interrupted("reset".into());
        let double = Double::new([
            Step::Answer(vec![Ok("abc"), Ok("de")]),
            Step::Fail(Error::NotFound),
            Step::Answer(vec![Ok("abc"), Err(broken)]),
        ]);
        let diary = Arc::new(Diary::default());
        let observed = Observed::new(Arc::new(double), Arc::clone(&diary) as Arc<dyn Observe>);
        for _ in 0..3 {
            if let Ok(object) = observed.get(&asset(), Read::default()).await {
                let _ = collect(object).await;
            }
        }
        observed.head(&asset()).await.unwrap();
        observed.probe().await.unwrap();
        let heard = diary.0.lock().unwrap().clone();
        assert_eq!(
            heard,
            [
                "get answered after 10ms",
                "received 3",
                "received 2",
                "get failed: not_found",
                "get answered after 10ms",
                "received 3",
                "get failed: interrupted",
                "head answered after 10ms",
                "probe answered after 0ns",
            ]
        );
    }
}
