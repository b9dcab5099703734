//! What a probe says of a bucket.

use std::sync::atomic::Ordering;

use caudal::storage::{Error, S3, S3Options, Storage};

use crate::BUCKET;
use crate::harness::s3::{Fault, S3Server};

async fn probed(server: &S3Server, change: impl FnOnce(&mut S3Options)) -> Result<(), Error> {
    let mut options = server.options(BUCKET);
    change(&mut options);
    S3::connect(options).await?.probe().await
}

#[tokio::test]
async fn a_bucket_that_answers_is_fine_with_or_without_the_probes_object() {
    let server = S3Server::start().await;
    server.create_bucket(BUCKET);
    let prefixed = |o: &mut S3Options| o.prefix = Some("vod".into());
    assert_eq!(probed(&server, prefixed).await, Ok(()));
    let seen = &server.requests()[0];
    assert_eq!(
        (seen.key.as_str(), seen.range()),
        ("vod/.caudal-probe", Some("bytes=0-0"))
    );
    for bytes in ["", "x", "more"] {
        server.put(BUCKET, "vod/.caudal-probe", bytes);
        assert_eq!(probed(&server, prefixed).await, Ok(()), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_misconfigured_and_named() {
    let server = S3Server::start().await;
    let error = probed(&server, |_| {}).await.unwrap_err();
    assert!(
        matches!(&error, Error::Misconfigured(why) if why.contains(BUCKET)),
        "{error:?}"
    );
}

#[tokio::test]
async fn denial_is_explained_unless_it_is_taken_for_absence() {
    let server = S3Server::start().await;
    server.create_bucket(BUCKET);
    server.habits().listing_denied.store(true, Ordering::SeqCst);
    let error = probed(&server, |_| {}).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Denied(_)), "{text}");
    for part in ["s3:GetObject", "s3:ListBucket", "absent_on_denied", BUCKET] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(probed(&server, |o| o.absent_on_denied = true).await, Ok(()));
}

#[tokio::test]
async fn the_wrong_region_is_corrected() {
    let server = S3Server::start().await;
    server.faults().push_all([
        Fault::Status(301, Some("PermanentRedirect")),
        Fault::Header("x-amz-bucket-region", "ap-south-1"),
    ]);
    let error = probed(&server, |_| {}).await.unwrap_err();
    assert!(
        error.to_string().contains("set region to ap-south-1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_storage_that_is_busy_or_down_is_told_apart() {
    let server = S3Server::start().await;
    server.faults().push(Fault::SlowDown);
    assert_eq!(probed(&server, |_| {}).await, Err(Error::Throttled));
    server.faults().push(Fault::Close);
    assert!(matches!(
        probed(&server, |_| {}).await,
        Err(Error::Unavailable(_))
    ));
}
