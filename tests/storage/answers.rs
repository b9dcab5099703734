//! What is asked of S3, and what is made of its answers' heads.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use caudal::media::AssetPath;
use caudal::storage::conformance::{self, Fixture};
use caudal::storage::s3::{Keys, Timeouts};
use caudal::storage::{Error, Phase, Pin, Read, S3, S3Options, Storage};
use futures_util::future::BoxFuture;

use crate::harness::s3::{Fault, S3Server};
use crate::{BUCKET, KEY, asset, part, read};

struct Served {
    server: S3Server,
    storage: S3,
}

impl Fixture for Served {
    fn storage(&self) -> &dyn Storage {
        &self.storage
    }
    fn put<'a>(&'a self, asset: &'a AssetPath, bytes: Bytes) -> BoxFuture<'a, ()> {
        self.server.put(BUCKET, asset.as_str(), bytes);
        Box::pin(async {})
    }
    fn remove<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, ()> {
        self.server.remove(BUCKET, asset.as_str());
        Box::pin(async {})
    }
}

/// A server with one object of 1,000 bytes, and a storage that differs from the plainest as `change` says.
async fn served_with(change: impl FnOnce(&mut S3Options)) -> Served {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, crate::noise(1000));
    let mut options = server.options(BUCKET);
    change(&mut options);
    let storage = S3::connect(options).await.unwrap();
    Served { server, storage }
}

async fn served() -> Served {
    served_with(|_| {}).await
}

impl Served {
    async fn refusal(&self, read: Read<'_>) -> Error {
        let asset = asset(KEY);
        let answer = self.storage.get(&asset, read).await;
        let error = answer.expect_err("the request is refused");
        let text = format!("{error} {error:?} {:?}", self.storage);
        assert!(
            !text.contains("LEAK") && !text.contains("AWS4") && !text.contains("secret"),
            "{text}"
        );
        error
    }
}

#[tokio::test]
async fn s3_conforms() {
    conformance::run(&served().await).await;
}

#[tokio::test]
async fn s3_with_versions_conforms() {
    let served = served_with(|o| o.versions = true).await;
    served
        .server
        .habits()
        .versions
        .store(true, Ordering::SeqCst);
    conformance::run(&served).await;
}

#[tokio::test]
async fn s3_that_ignores_conditions_conforms_all_the_same() {
    let served = served().await;
    served
        .server
        .habits()
        .conditions_ignored
        .store(true, Ordering::SeqCst);
    conformance::run(&served).await;
}

#[tokio::test]
async fn s3_that_denies_absence_conforms_where_the_operator_says_so() {
    let served = served_with(|o| o.absent_on_denied = true).await;
    served
        .server
        .habits()
        .listing_denied
        .store(true, Ordering::SeqCst);
    conformance::run(&served).await;
}

#[tokio::test]
async fn a_read_is_one_signed_request_with_its_range_and_condition() {
    let served = served().await;
    let validator = served.storage.head(&asset(KEY)).await.unwrap().validator;
    served.server.forget();
    let pinned = Read {
        range: Some(100..200),
        pin: Pin::Match(&validator),
    };
    served.storage.get(&asset(KEY), pinned).await.unwrap();
    let [seen] = served.server.requests().try_into().expect("one request");
    assert_eq!(
        (
            seen.method.as_str(),
            seen.bucket.as_str(),
            seen.key.as_str()
        ),
        ("GET", BUCKET, KEY)
    );
    assert_eq!(seen.range(), Some("bytes=100-199"));
    assert_eq!(seen.header("if-match"), Some(&*validator.etag));
    assert_eq!(seen.header("if-none-match"), None);
    assert!(
        seen.header("authorization")
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256")
    );
    assert_eq!(
        seen.header("user-agent"),
        Some(concat!("caudal/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(seen.header("x-amz-checksum-mode"), None);
    assert_eq!(seen.header("x-amz-request-payer"), None);
    assert_eq!(seen.header("x-amz-expected-bucket-owner"), None);

    let known = Read {
        range: None,
        pin: Pin::NoneMatch(&validator),
    };
    assert_eq!(served.refusal(known).await, Error::NotModified);
    assert_eq!(
        served.server.requests()[1].header("if-none-match"),
        Some(&*validator.etag)
    );
    assert_eq!(served.server.requests()[1].status, Some(304));
}

#[tokio::test]
async fn the_prefix_the_payer_and_the_owner_are_sent() {
    let served = served_with(|o| {
        o.prefix = Some("/vod/films".into());
        o.requester_pays = true;
        o.expected_owner = Some("123456789012".into());
    })
    .await;
    served.server.put(BUCKET, "vod/films/a b.m3u8", "#EXTM3U");
    let object = served
        .storage
        .get(&asset("a b.m3u8"), Read::default())
        .await
        .unwrap();
    assert_eq!(read(object).await.0, b"#EXTM3U");
    let seen = &served.server.requests()[0];
    assert_eq!(seen.key, "vod/films/a b.m3u8");
    assert_eq!(seen.header("x-amz-request-payer"), Some("requester"));
    assert_eq!(
        seen.header("x-amz-expected-bucket-owner"),
        Some("123456789012")
    );
}

#[tokio::test]
async fn a_key_longer_than_s3_takes_is_absent_without_asking() {
    let served = served_with(|o| o.prefix = Some("x".repeat(100))).await;
    let long = asset(&"y".repeat(1000));
    assert_eq!(
        served
            .storage
            .get(&long, Read::default())
            .await
            .unwrap_err(),
        Error::NotFound
    );
    assert_eq!(served.storage.head(&long).await, Err(Error::NotFound));
    assert_eq!(served.server.requests().len(), 0);
}

#[tokio::test]
async fn the_objects_own_headers_are_told() {
    let served = served().await;
    let headers = [
        ("content-type", "application/vnd.apple.mpegurl"),
        ("cache-control", "max-age=4"),
        ("content-encoding", "gzip,aws-chunked"),
    ];
    served.server.put_with(BUCKET, KEY, "#EXTM3U", &headers);
    let got = served
        .storage
        .get(&asset(KEY), part(0..3))
        .await
        .unwrap()
        .meta;
    assert_eq!(
        got.content_type.as_deref(),
        Some("application/vnd.apple.mpegurl")
    );
    assert_eq!(got.cache_control.as_deref(), Some("max-age=4"));
    assert_eq!(got.content_encoding.as_deref(), Some("gzip"));
    assert!(got.last_modified.is_some());
    assert_eq!(served.storage.head(&asset(KEY)).await, Ok(got));
}

#[tokio::test]
async fn a_pinned_version_outlives_its_replacement() {
    let served = served_with(|o| o.versions = true).await;
    served
        .server
        .habits()
        .versions
        .store(true, Ordering::SeqCst);
    served.server.put(BUCKET, KEY, "the old one");
    let old = served.storage.head(&asset(KEY)).await.unwrap().validator;
    served.server.put(BUCKET, KEY, "the new one");
    let pinned = Read {
        range: Some(4..7),
        pin: Pin::Match(&old),
    };
    let object = served
        .storage
        .get(&asset(KEY), pinned.clone())
        .await
        .unwrap();
    assert_eq!(read(object).await.0, b"old");
    assert!(served.server.requests()[1].query.contains("versionId=v"));

    served
        .server
        .faults()
        .push(Fault::Status(404, Some("NoSuchVersion")));
    assert_eq!(served.refusal(pinned).await, Error::Changed);
}

#[tokio::test]
async fn version_ids_are_not_sent_unless_wanted() {
    let served = served().await;
    served
        .server
        .habits()
        .versions
        .store(true, Ordering::SeqCst);
    let validator = served.storage.head(&asset(KEY)).await.unwrap().validator;
    assert_eq!(validator.version_id, None);
}

#[tokio::test]
async fn wrong_parts_are_refused() {
    for fault in [
        Fault::WithoutHeader("content-range"),
        Fault::Header("content-range", "bytes 0-99/1000"),
        Fault::Header("content-range", "bytes 100-198/1000"),
        Fault::Header("content-range", "bytes 100-200/1000"),
        Fault::Header("content-range", "bytes 100-199/*"),
        Fault::Header("content-range", "bytes 100-199/150"),
        Fault::Header("content-range", "bytes 199-100/1000"),
        Fault::Header("content-range", "nonsense"),
    ] {
        let served = served().await;
        served.server.faults().push(fault.clone());
        let error = served.refusal(part(100..200)).await;
        assert!(matches!(error, Error::Invalid(_)), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_200_is_taken_for_a_part_only_where_it_is_that_part() {
    let served = served().await;
    served
        .server
        .habits()
        .ranges_ignored
        .store(true, Ordering::SeqCst);
    for wrong in [0..999, 1..1000, 500..2000, 0..1] {
        let error = served.refusal(part(wrong.clone())).await;
        assert!(matches!(error, Error::Invalid(_)), "{wrong:?}: {error:?}");
    }
    for good in [0..1000, 0..5000, 0..u64::MAX] {
        let object = served.storage.get(&asset(KEY), part(good)).await.unwrap();
        assert_eq!((object.meta.len, object.range.clone()), (1000, 0..1000));
        assert_eq!(read(object).await, (crate::noise(1000).to_vec(), Ok(())));
    }
}

#[tokio::test]
async fn an_error_page_sent_as_a_200_is_refused() {
    let served = served().await;
    for asked in [Read::default(), part(0..1_000_000)] {
        served.server.faults().push(Fault::Text(
            200,
            "<Error><Code>InternalError</Code></Error>",
        ));
        assert!(matches!(served.refusal(asked).await, Error::Invalid(_)));
    }
}

#[tokio::test]
async fn another_version_than_the_pinned_one_is_refused() {
    let served = served().await;
    let validator = served.storage.head(&asset(KEY)).await.unwrap().validator;
    served
        .server
        .faults()
        .push(Fault::Header("etag", "\"another\""));
    let pinned = Read {
        range: Some(0..10),
        pin: Pin::Match(&validator),
    };
    assert_eq!(served.refusal(pinned).await, Error::Changed);
}

#[tokio::test]
async fn a_missing_entity_tag_is_made_of_length_and_time() {
    let served = served().await;
    served.server.faults().always(Fault::WithoutHeader("etag"));
    let validator = served.storage.head(&asset(KEY)).await.unwrap().validator;
    assert!(validator.etag.starts_with("W/\"3e8-"), "{validator:?}");
    // It is compared here, and never sent: no server knows it.
    let pinned = Read {
        range: Some(0..10),
        pin: Pin::Match(&validator),
    };
    assert_eq!(
        served
            .storage
            .get(&asset(KEY), pinned)
            .await
            .unwrap()
            .meta
            .validator,
        validator
    );
    let known = Read {
        range: Some(0..10),
        pin: Pin::NoneMatch(&validator),
    };
    assert_eq!(served.refusal(known).await, Error::NotModified);
    served.server.put(BUCKET, KEY, crate::noise(999));
    let pinned = Read {
        range: Some(0..10),
        pin: Pin::Match(&validator),
    };
    assert_eq!(served.refusal(pinned).await, Error::Changed);
    for seen in served.server.requests() {
        assert_eq!(
            (seen.header("if-match"), seen.header("if-none-match")),
            (None, None)
        );
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let table = [
        (Fault::Status(404, Some("NoSuchKey")), "not_found"),
        (Fault::Status(404, None), "not_found"),
        (Fault::Text(404, "<html>not an S3 document"), "not_found"),
        (Fault::Status(404, Some("NoSuchBucket")), "misconfigured"),
        (Fault::Status(403, Some("AccessDenied")), "denied"),
        (Fault::Status(403, None), "denied"),
        (
            Fault::Status(403, Some("InvalidAccessKeyId")),
            "misconfigured",
        ),
        (
            Fault::Status(403, Some("SignatureDoesNotMatch")),
            "misconfigured",
        ),
        (
            Fault::Status(403, Some("RequestTimeTooSkewed")),
            "misconfigured",
        ),
        (Fault::Status(400, Some("ExpiredToken")), "misconfigured"),
        (
            Fault::Status(301, Some("PermanentRedirect")),
            "misconfigured",
        ),
        (Fault::Status(307, Some("TemporaryRedirect")), "unavailable"),
        (Fault::Status(412, Some("PreconditionFailed")), "changed"),
        (
            Fault::Status(416, Some("InvalidRange")),
            "range_not_satisfiable",
        ),
        (Fault::SlowDown, "throttled"),
        (Fault::Status(429, None), "throttled"),
        (Fault::Status(500, Some("InternalError")), "unavailable"),
        (Fault::Text(502, "<html>Bad Gateway"), "unavailable"),
        (Fault::Status(504, None), "unavailable"),
        (Fault::Close, "unavailable"),
    ];
    let served = served().await;
    for (fault, want) in table {
        served.server.faults().push(fault.clone());
        let error = served.refusal(part(0..10)).await;
        assert_eq!(error.reason(), want, "{fault:?}: {error}");
        assert_eq!(
            served.server.faults().left(),
            0,
            "{fault:?} is not tried again"
        );
    }
    served.server.faults().push(Fault::Archived("DEEP_ARCHIVE"));
    assert_eq!(
        served.refusal(part(0..10)).await,
        Error::Archived("DEEP_ARCHIVE".into())
    );
}

#[tokio::test]
async fn a_head_is_judged_by_its_status_alone() {
    let served = served().await;
    for (status, want) in [
        (404, "not_found"),
        (403, "denied"),
        (400, "misconfigured"),
        (503, "throttled"),
        (500, "unavailable"),
    ] {
        served
            .server
            .faults()
            .push(Fault::Status(status, Some("Whatever")));
        let error = served.storage.head(&asset(KEY)).await.unwrap_err();
        assert_eq!(error.reason(), want, "{status}: {error}");
    }
}

#[tokio::test]
async fn wrong_keys_are_misconfigured_and_never_quoted() {
    for (id, secret) in [
        ("AKIAUNKNOWN", "x"),
        (crate::harness::s3::KEY_ID, "not-that-secret"),
    ] {
        let keys = Keys {
            id: id.into(),
            secret: secret.into(),
        };
        let served = served_with(|o| o.keys = Some(keys)).await;
        let error = served.refusal(Read::default()).await;
        assert!(matches!(&error, Error::Misconfigured(_)), "{error:?}");
        assert!(
            !error.to_string().contains(id) && !error.to_string().contains(secret),
            "{error}"
        );
        assert_eq!(served.server.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_first_byte_is_waited_for_so_long() {
    let limit = Duration::from_millis(200);
    let timeouts = Timeouts {
        first_byte: limit,
        ..Timeouts::default()
    };
    let served = served_with(|o| o.timeouts = timeouts).await;
    served
        .server
        .faults()
        .push(Fault::Delay(Duration::from_secs(30)));
    assert_eq!(
        served.refusal(part(0..10)).await,
        Error::Timeout {
            phase: Phase::FirstByte,
            limit
        }
    );
    assert!(
        served.storage.get(&asset(KEY), part(0..10)).await.is_ok(),
        "the next one is served"
    );
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_a_connect_timeout() {
    // A listener with a full backlog drops SYNs, as a black hole does.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let full: Vec<_> = (0..4)
        .map(|_| tokio::spawn(async move { tokio::net::TcpStream::connect(address).await }))
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;

    let limit = Duration::from_millis(300);
    let served = served_with(|o| {
        o.endpoint = Some(format!("http://{address}"));
        o.timeouts.connect = limit;
    })
    .await;
    assert_eq!(
        served.refusal(part(0..10)).await,
        Error::Timeout {
            phase: Phase::Connect,
            limit
        }
    );
    drop(full);
}

#[tokio::test]
async fn a_host_that_refuses_is_unavailable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let served = served_with(|o| o.endpoint = Some(format!("http://{closed}"))).await;
    let error = served.refusal(part(0..10)).await;
    assert!(
        matches!(&error, Error::Unavailable(why) if why.contains("refused")),
        "{error:?}"
    );
}

#[tokio::test]
async fn connections_are_used_again() {
    let served = served().await;
    for i in 0..20 {
        let object = served
            .storage
            .get(&asset(KEY), part(i..i + 10))
            .await
            .unwrap();
        assert_eq!(read(object).await.1, Ok(()));
    }
    assert_eq!(served.server.connections(), 1);
}
