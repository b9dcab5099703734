//! Bodies that end too early, too late or not at all.

use std::time::{Duration, Instant};

use caudal::storage::s3::Timeouts;
use caudal::storage::{Error, Phase, Pin, Read, S3, Storage};

use crate::harness::s3::{Fault, S3Server};
use crate::{BUCKET, KEY, asset, noise, part, read};

const LEN: usize = 600_000;
const STALL: Duration = Duration::from_millis(300);

async fn served() -> (S3Server, S3) {
    let server = S3Server::start().await;
    server.put(BUCKET, KEY, noise(LEN));
    let mut options = server.options(BUCKET);
    options.timeouts = Timeouts {
        stall: STALL,
        ..Timeouts::default()
    };
    let storage = S3::connect(options).await.unwrap();
    (server, storage)
}

#[tokio::test]
async fn a_body_that_breaks_off_is_interrupted_with_the_bytes_before_intact() {
    let (server, storage) = served().await;
    for fault in [
        Fault::Truncate(250_000),
        Fault::Truncate(0),
        Fault::Reset(250_000),
        Fault::Reset(0),
    ] {
        for asked in [Read::default(), part(10..500_010)] {
            let from = asked.range.as_ref().map_or(0, |r| r.start as usize);
            server.faults().push(fault.clone());
            let object = storage.get(&asset(KEY), asked).await.unwrap();
            let (got, end) = read(object).await;
            assert!(
                matches!(end, Err(Error::Interrupted(_))),
                "{fault:?}: {end:?}"
            );
            assert!(
                got.len() <= 250_000 && noise(LEN)[from..].starts_with(&got),
                "{fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_broken_body_is_resumed_where_it_broke() {
    let (server, storage) = served().await;
    server.faults().push(Fault::Truncate(250_000));
    let first = storage.get(&asset(KEY), part(0..LEN as u64)).await.unwrap();
    let validator = first.meta.validator.clone();
    let (mut got, _) = read(first).await;
    let rest = Read {
        range: Some(got.len() as u64..LEN as u64),
        pin: Pin::Match(&validator),
    };
    let (more, end) = read(storage.get(&asset(KEY), rest).await.unwrap()).await;
    got.extend(more);
    assert_eq!(end, Ok(()));
    assert!(noise(LEN) == got);
}

#[tokio::test]
async fn a_body_with_bytes_to_spare_is_invalid_and_never_complete() {
    let (server, storage) = served().await;
    for asked in [part(0..LEN as u64), part(100..200_100)] {
        let len = asked.range.clone().unwrap().count();
        server.faults().push(Fault::Extra(1));
        let (got, end) = read(storage.get(&asset(KEY), asked).await.unwrap()).await;
        assert!(matches!(end, Err(Error::Invalid(_))), "{end:?}");
        assert!(got.len() < len);
    }
}

#[tokio::test]
async fn a_whole_body_without_a_length_is_refused() {
    let (server, storage) = served().await;
    server.faults().push(Fault::Extra(0));
    let error = storage.get(&asset(KEY), Read::default()).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    // A part says its length twice, so one is enough.
    server.faults().push(Fault::Extra(0));
    let object = storage.get(&asset(KEY), part(0..1000)).await.unwrap();
    assert!(read(object).await == (noise(LEN)[..1000].to_vec(), Ok(())));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let (server, storage) = served().await;
    for at in [0, 1, 250_000] {
        server.faults().push(Fault::Stall(at));
        let object = storage.get(&asset(KEY), part(0..LEN as u64)).await.unwrap();
        let begun = Instant::now();
        let (got, end) = read(object).await;
        assert_eq!(
            end,
            Err(Error::Timeout {
                phase: Phase::Stall,
                limit: STALL
            }),
            "{at}"
        );
        assert_eq!(got.len(), at);
        assert!(begun.elapsed() >= STALL, "{at}");
    }
}

#[tokio::test]
async fn a_slow_reader_is_no_stall() {
    let (_server, storage) = served().await;
    let mut object = storage.get(&asset(KEY), part(0..LEN as u64)).await.unwrap();
    let mut got = 0;
    while let Some(piece) = futures_util::StreamExt::next(&mut object.body).await {
        if got == 0 {
            tokio::time::sleep(STALL * 2).await;
        }
        got += piece.unwrap().len();
    }
    assert_eq!(got, LEN);
}

#[tokio::test]
async fn a_body_that_is_dropped_leaves_the_storage_usable() {
    let (server, storage) = served().await;
    for _ in 0..20 {
        let object = storage.get(&asset(KEY), part(0..LEN as u64)).await.unwrap();
        drop(object);
    }
    server.faults().push(Fault::Stall(10));
    drop(storage.get(&asset(KEY), part(0..LEN as u64)).await.unwrap());
    let object = storage.get(&asset(KEY), part(0..LEN as u64)).await.unwrap();
    assert_eq!(read(object).await.1, Ok(()));
}
