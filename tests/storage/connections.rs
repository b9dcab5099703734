//! When a connection is used again, and when it is not.

use std::time::{Duration, Instant};

use caudal::storage::{Error, Pin, Read, S3, Storage};

use crate::harness::s3::{Fault, S3Server};
use crate::{BUCKET, KEY, asset, noise, part, read};

const LEN: u64 = 3_000_000;

async fn served() -> (S3Server, S3) {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, noise(LEN as usize));
    let storage = S3::connect(server.options(BUCKET)).await.unwrap();
    (server, storage)
}

async fn fine(storage: &S3) {
    let object = storage.get(&asset(KEY), part(5..10)).await.unwrap();
    assert_eq!(read(object).await, (noise(10)[5..].to_vec(), Ok(())));
}

#[tokio::test]
async fn refusals_and_empty_answers_leave_their_connection_usable() {
    let (server, storage) = served().await;
    server.put(BUCKET, "empty", "");
    for _ in 0..5 {
        let absent = storage.get(&asset("absent"), part(0..10)).await;
        assert_eq!(absent.unwrap_err(), Error::NotFound);
        let empty = storage.get(&asset("empty"), Read::default()).await.unwrap();
        let known = empty.meta.validator.clone();
        assert_eq!(read(empty).await, (vec![], Ok(())));
        let unmodified = Read {
            range: None,
            pin: Pin::NoneMatch(&known),
        };
        let unmodified = storage.get(&asset("empty"), unmodified).await;
        assert_eq!(unmodified.unwrap_err(), Error::NotModified);
        fine(&storage).await;
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_body_dropped_midway_takes_its_connection_with_it() {
    let (server, storage) = served().await;
    for dropped in 1..=5 {
        let mut object = storage.get(&asset(KEY), part(0..LEN)).await.unwrap();
        let first = futures_util::StreamExt::next(&mut object.body).await;
        assert!((first.unwrap().unwrap().len() as u64) < LEN);
        drop(object);
        fine(&storage).await;
        // The one that `fine` used serves the next request.
        assert_eq!(server.connections(), dropped + 1);
    }
}

#[tokio::test]
async fn a_body_that_ran_over_takes_its_connection_with_it() {
    let (server, storage) = served().await;
    server.faults().push(Fault::Extra(7));
    let object = storage.get(&asset(KEY), part(0..1000)).await.unwrap();
    assert!(matches!(read(object).await.1, Err(Error::Invalid(_))));
    fine(&storage).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_not_used_again() {
    let (server, storage) = served().await;
    for ended in 1..=5 {
        server.faults().push(Fault::Header("connection", "close"));
        fine(&storage).await;
        assert_eq!(server.connections(), ended);
    }
}

#[tokio::test]
async fn a_stale_connection_that_breaks_is_replaced_unseen() {
    let (server, storage) = served().await;
    fine(&storage).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    server.faults().push(Fault::Close);
    fine(&storage).await;
    assert_eq!((server.connections(), server.requests().len()), (2, 3));
    // Not more than once: the new one is not stale.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    server.faults().push_times(2, Fault::Close);
    let error = storage.get(&asset(KEY), part(5..10)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn an_error_document_is_read_only_so_far_and_waited_for_only_so_long() {
    let (server, storage) = served().await;
    let stalled = [Fault::Status(404, Some("NoSuchKey")), Fault::Stall(20)];
    server.faults().push_all(stalled);
    let begun = Instant::now();
    let error = storage.get(&asset(KEY), part(5..10)).await.unwrap_err();
    assert_eq!(error, Error::NotFound);
    assert!(begun.elapsed() < Duration::from_secs(4));
    let page: &'static str = "<p>Sorry.</p>".repeat(100_000).leak();
    server.faults().push(Fault::Text(502, page));
    let error = storage.get(&asset(KEY), part(5..10)).await.unwrap_err();
    assert_eq!(error, Error::Unavailable("502".into()));
    fine(&storage).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = S3Server::start_tls().await;
    server.put(BUCKET, KEY, "bytes");
    let storage = S3::connect(server.options(BUCKET)).await.unwrap();
    let error = storage.get(&asset(KEY), part(0..5)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(why) if why.contains("certificate")),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 0);
}
