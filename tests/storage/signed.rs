//! What is signed is what is sent: the test server checks each signature against what it received.

use std::sync::atomic::Ordering;

use caudal::media::AssetPath;
use caudal::storage::{Error, Pin, Read, S3, S3Options, Storage};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::s3::{Fault, S3Server};
use crate::{BUCKET, KEY, asset, part, read};

/// Keys of everything that one reader or another takes for something else.
fn keys() -> impl Strategy<Value = AssetPath> {
    let odd =
        proptest::string::string_regex("[ +%=&?#;:@!$'()*,\"<>\\[\\]^`{|}~._0-9A-Fa-z-]{1,12}");
    let any = proptest::string::string_regex("\\PC{1,8}");
    let escape = proptest::string::string_regex("%[0-9a-f]{2}(\\+|%2F| )?");
    let segment = prop_oneof![odd.unwrap(), any.unwrap(), escape.unwrap()];
    let path = prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"));
    path.prop_filter_map("no path", |path| AssetPath::from_decoded(&path).ok())
}

#[test]
fn odd_keys_are_signed_as_they_are_sent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, storage) = runtime.block_on(async {
        let server = S3Server::start().await;
        server.create_bucket(BUCKET);
        let options = S3Options {
            prefix: Some("a b+c=/%41".into()),
            requester_pays: true,
            ..server.options(BUCKET)
        };
        let storage = S3::connect(options).await.unwrap();
        (server, storage)
    });
    let mut runner = TestRunner::new(Config::with_cases(512));
    let case = |key: AssetPath| {
        let stored = format!("a b+c=/%41/{key}");
        server.put(BUCKET, &stored, key.as_str().to_owned());
        server.forget();
        let got = runtime.block_on(async {
            let object = storage.get(&key, part(0..u64::MAX)).await;
            read(object.map_err(|e| TestCaseError::fail(e.to_string()))?)
                .await
                .1
                .map_err(|e| TestCaseError::fail(e.to_string()))
        });
        got?;
        prop_assert_eq!(&server.requests()[0].key, &stored);
        server.remove(BUCKET, &stored);
        Ok(())
    };
    runner.run(&keys(), case).unwrap();
}

#[tokio::test]
async fn a_version_id_is_signed_as_it_is_sent() {
    let server = S3Server::start().await;
    server.habits().versions.store(true, Ordering::SeqCst);
    server.put(BUCKET, KEY, "bytes");
    let options = S3Options {
        versions: true,
        ..server.options(BUCKET)
    };
    let storage = S3::connect(options).await.unwrap();
    let mut validator = storage.head(&asset(KEY)).await.unwrap().validator;
    validator.version_id = Some("a+b/c=d%20&e f~é".into());
    let pinned = Read {
        range: None,
        pin: Pin::Match(&validator),
    };
    // Well signed, and not found.
    let error = storage.get(&asset(KEY), pinned).await.unwrap_err();
    assert_eq!(error, Error::Changed);
    let query = &server.requests()[1].query;
    assert_eq!(query, "versionId=a%2Bb%2Fc%3Dd%2520%26e%20f~%C3%A9");
}

#[tokio::test]
async fn the_servers_clock_is_signed_by_once_it_refuses_ours() {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, "bytes");
    let storage = S3::connect(server.options(BUCKET)).await.unwrap();
    server.faults().push_all([
        Fault::Status(403, Some("RequestTimeTooSkewed")),
        Fault::Header("date", "Thu, 01 Jul 2100 00:00:00 GMT"),
    ]);
    for _ in 0..2 {
        let error = storage.get(&asset(KEY), part(0..5)).await.unwrap_err();
        assert!(error.to_string().contains("NTP"), "{error}");
    }
    // The server that we believed refuses that time, and tells its own.
    assert!(storage.get(&asset(KEY), part(0..5)).await.is_ok());
    let dates: Vec<_> = server
        .requests()
        .into_iter()
        .map(|seen| seen.header("x-amz-date").unwrap()[..4].to_owned())
        .collect();
    assert_eq!(dates[1], "2100");
    assert_eq!(dates[0], dates[2]);
}
