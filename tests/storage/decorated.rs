//! The decorators around a real client.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use caudal::storage::retry::Policy;
use caudal::storage::{Error, Limit, Observe, Observed, Operation, Retry, S3, Storage};

use crate::harness::s3::{Fault, S3Server};
use crate::{BUCKET, KEY, asset, noise, part, read};

#[derive(Debug, Default)]
struct Tally {
    answered: AtomicU64,
    bytes: AtomicU64,
    reasons: Mutex<Vec<&'static str>>,
    retried: AtomicU64,
}

impl Observe for Tally {
    fn answered(&self, _operation: Operation, _after: Duration) {
        self.answered.fetch_add(1, Ordering::SeqCst);
    }
    fn failed(&self, _operation: Operation, error: &Error) {
        self.reasons.lock().unwrap().push(error.reason());
    }
    fn received(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }
    fn retried(&self, _error: &Error) {
        self.retried.fetch_add(1, Ordering::SeqCst);
    }
}

async fn tower(server: &S3Server, most: usize) -> (Arc<dyn Storage>, Arc<Tally>) {
    let tally = Arc::new(Tally::default());
    let observer = || Arc::clone(&tally) as Arc<dyn Observe>;
    let s3 = Arc::new(S3::connect(server.options(BUCKET)).await.unwrap());
    let observed = Arc::new(Observed::new(s3, observer()));
    let limited = Arc::new(Limit::new(observed, most, Duration::from_secs(5)));
    (
        Arc::new(Retry::new(limited, Policy::default(), observer())),
        tally,
    )
}

#[tokio::test]
async fn slow_downs_and_breaks_before_the_first_byte_are_retried() {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, noise(1000));
    let (storage, tally) = tower(&server, 8).await;
    for fault in [
        Fault::SlowDown,
        Fault::Close,
        Fault::Truncate(0),
        Fault::Reset(0),
    ] {
        server.faults().push_times(2, fault.clone());
        let object = storage.get(&asset(KEY), part(100..200)).await.unwrap();
        assert_eq!(
            read(object).await,
            (noise(1000)[100..200].to_vec(), Ok(())),
            "{fault:?}"
        );
    }
    assert_eq!(server.ranges(KEY), ["bytes=100-199"; 12]);
    assert_eq!(tally.retried.load(Ordering::SeqCst), 8);
    assert_eq!(tally.bytes.load(Ordering::SeqCst), 400);
    let want = ["throttled", "throttled", "unavailable", "unavailable"];
    assert_eq!(tally.reasons.lock().unwrap()[..4], want);
    assert_eq!(tally.reasons.lock().unwrap()[4..], ["interrupted"; 4]);
}

#[tokio::test]
async fn absence_and_denial_are_asked_for_once() {
    let server = S3Server::start().await;
    server.create_bucket(BUCKET);
    let (storage, _) = tower(&server, 8).await;
    assert_eq!(storage.head(&asset(KEY)).await, Err(Error::NotFound));
    server
        .faults()
        .push(Fault::Status(403, Some("AccessDenied")));
    assert_eq!(
        storage
            .get(&asset(KEY), part(0..1))
            .await
            .unwrap_err()
            .reason(),
        "denied"
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn no_more_connections_are_opened_than_requests_are_let_through() {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, noise(100_000));
    let (storage, _) = tower(&server, 3).await;
    server
        .faults()
        .push_times(12, Fault::Delay(Duration::from_millis(20)));
    let asset = asset(KEY);
    let reads = (0..30).map(|i| {
        let (storage, asset) = (&storage, &asset);
        async move {
            read(storage.get(asset, part(i..i + 50_000)).await.unwrap())
                .await
                .1
        }
    });
    for end in futures_util::future::join_all(reads).await {
        assert_eq!(end, Ok(()));
    }
    assert!(
        server.connections() <= 6,
        "{} connections",
        server.connections()
    );
}
