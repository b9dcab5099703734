//! The contract of [`Storage`], as one suite that every backend passes. Read [`run`] first: it lists the chapters.
//!
//! Nothing in the binary calls this, so nothing of it is linked into a release.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::StreamExt;

use super::{Error, Object, ObjectMeta, Pin, Read, Storage};
use crate::media::AssetPath;

/// A backend under test, and the way to write into it.
pub trait Fixture: Sync {
    /// The storage under test.
    fn storage(&self) -> &dyn Storage;

    /// Puts an object the way a publisher does: whole, in place of the one before.
    fn put<'a>(&'a self, asset: &'a AssetPath, bytes: Bytes) -> BoxFuture<'a, ()>;

    /// Takes an object away.
    fn remove<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, ()>;
}

/// Runs the whole suite; panics at the first breach of the contract.
pub async fn run(fixture: &dyn Fixture) {
    fixture
        .storage()
        .probe()
        .await
        .expect("a working storage passes its probe");
    whole_objects(fixture).await;
    ranges(fixture).await;
    empty_objects(fixture).await;
    head_says_what_get_says(fixture).await;
    pins(fixture).await;
    replaced_objects(fixture).await;
    absent_objects(fixture).await;
    odd_names(fixture).await;
    large_objects(fixture).await;
    cancelled_reads(fixture).await;
    concurrent_reads(fixture).await;
}

async fn whole_objects(fixture: &dyn Fixture) {
    let (asset, bytes) = put(fixture, "conformance/whole.bin", 1000).await;
    let object = get(fixture, &asset, Read::default())
        .await
        .expect("the object is there");
    assert_eq!(object.meta.len, 1000);
    assert_eq!(object.range, 0..1000);
    assert_eq!(collect(object).await, Ok(bytes));
}

async fn ranges(fixture: &dyn Fixture) {
    let (asset, bytes) = put(fixture, "conformance/ranges.bin", 1000).await;
    let table = [
        (0..1, 0..1),
        (0..100, 0..100),
        (450..550, 450..550),
        (999..1000, 999..1000),
        (0..1000, 0..1000),
        (900..5000, 900..1000),
        (0..u64::MAX, 0..1000),
    ];
    for (asked, told) in table {
        let object = get(fixture, &asset, part(asked.clone())).await;
        let object = object.unwrap_or_else(|e| panic!("{asked:?}: {e}"));
        assert_eq!(object.meta.len, 1000, "{asked:?} tells the whole length");
        assert_eq!(object.range, told, "{asked:?}");
        let want = bytes.slice(told.start as usize..told.end as usize);
        assert_eq!(collect(object).await, Ok(want), "{asked:?}");
    }
    for asked in [1000..1001, 5000..6000, u64::MAX - 1..u64::MAX] {
        let refused = refusal(fixture, &asset, part(asked.clone())).await;
        let ok = matches!(
            refused,
            Error::RangeNotSatisfiable {
                len: None | Some(1000)
            }
        );
        assert!(ok, "{asked:?}: {refused:?}");
    }
    for nothing in [0..0, 10..10, 1000..1000] {
        let refused = refusal(fixture, &asset, part(nothing.clone())).await;
        assert!(
            matches!(refused, Error::RangeNotSatisfiable { .. }),
            "{nothing:?}: {refused:?}"
        );
    }
}

async fn empty_objects(fixture: &dyn Fixture) {
    let (asset, _) = put(fixture, "conformance/empty.bin", 0).await;
    assert_eq!(head(fixture, &asset).await.len, 0);
    let object = get(fixture, &asset, Read::default())
        .await
        .expect("an empty object is an object");
    assert_eq!((object.meta.len, object.range.clone()), (0, 0..0));
    assert_eq!(collect(object).await, Ok(Bytes::new()));
    let refused = refusal(fixture, &asset, part(0..1)).await;
    assert!(
        matches!(
            refused,
            Error::RangeNotSatisfiable {
                len: None | Some(0)
            }
        ),
        "{refused:?}"
    );
}

async fn head_says_what_get_says(fixture: &dyn Fixture) {
    let (asset, _) = put(fixture, "conformance/head.bin", 321).await;
    let said = head(fixture, &asset).await;
    assert_eq!(said.len, 321);
    assert!(!said.validator.etag.is_empty());
    let whole = get(fixture, &asset, Read::default())
        .await
        .expect("the object is there");
    assert_eq!(whole.meta, said);
    let part = get(fixture, &asset, part(5..10))
        .await
        .expect("the object is there");
    assert_eq!(part.meta, said);
}

async fn pins(fixture: &dyn Fixture) {
    let (asset, bytes) = put(fixture, "conformance/pins.bin", 64).await;
    let now = head(fixture, &asset).await.validator;
    let mut other = now.clone();
    other.etag = "\"00000000000000000000000000000000\"".into();
    other.version_id = None;

    let read = |range, pin| Read { range, pin };
    for range in [None, Some(8..16)] {
        let want = range.clone().map_or(bytes.clone(), |r| {
            bytes.slice(r.start as usize..r.end as usize)
        });
        for pin in [Pin::Match(&now), Pin::NoneMatch(&other)] {
            let object = get(fixture, &asset, read(range.clone(), pin)).await;
            let object = object.unwrap_or_else(|e| panic!("{range:?} {pin:?}: {e}"));
            assert_eq!(
                collect(object).await.as_ref(),
                Ok(&want),
                "{range:?} {pin:?}"
            );
        }
        let changed = refusal(fixture, &asset, read(range.clone(), Pin::Match(&other))).await;
        assert_eq!(changed, Error::Changed, "{range:?}");
        let same = refusal(fixture, &asset, read(range.clone(), Pin::NoneMatch(&now))).await;
        assert_eq!(same, Error::NotModified, "{range:?}");
    }
}

async fn replaced_objects(fixture: &dyn Fixture) {
    let (asset, _) = put(fixture, "conformance/replaced.bin", 500).await;
    let before = head(fixture, &asset).await;
    let (_, bytes) = put(fixture, "conformance/replaced.bin", 700).await;
    let after = head(fixture, &asset).await;
    assert_ne!(
        before.validator.etag, after.validator.etag,
        "a new version has a new entity tag"
    );
    assert_eq!(after.len, 700);

    let pinned = Read {
        range: Some(0..10),
        pin: Pin::Match(&before.validator),
    };
    // A storage that keeps versions may still hold the pinned one; it may never answer with the other.
    match get(fixture, &asset, pinned).await {
        Err(error) => assert_eq!(error, Error::Changed),
        Ok(object) => {
            assert!(before.validator.version_id.is_some());
            assert_eq!(object.meta.validator, before.validator);
        }
    }
    let fresh = Read {
        range: None,
        pin: Pin::NoneMatch(&before.validator),
    };
    let object = get(fixture, &asset, fresh)
        .await
        .expect("the new version is told");
    assert_eq!(object.meta, after);
    assert_eq!(collect(object).await, Ok(bytes));
}

async fn absent_objects(fixture: &dyn Fixture) {
    let asset = name("conformance/absent.bin");
    assert_eq!(
        refusal(fixture, &asset, Read::default()).await,
        Error::NotFound
    );
    assert_eq!(refusal(fixture, &asset, part(0..10)).await, Error::NotFound);
    assert_eq!(fixture.storage().head(&asset).await, Err(Error::NotFound));

    let (asset, _) = put(fixture, "conformance/removed.bin", 10).await;
    fixture.remove(&asset).await;
    assert_eq!(
        refusal(fixture, &asset, Read::default()).await,
        Error::NotFound
    );

    let below = name("conformance/whole.bin/below.bin");
    assert_eq!(
        refusal(fixture, &below, Read::default()).await,
        Error::NotFound
    );
    let folder = name("conformance");
    assert_eq!(
        refusal(fixture, &folder, Read::default()).await,
        Error::NotFound
    );
}

async fn odd_names(fixture: &dyn Fixture) {
    let table = [
        "conformance/with space.mp4",
        "conformance/with+plus.mp4",
        "conformance/with%20percent%2F.mp4",
        "conformance/(parens) [brackets] {braces}.mp4",
        "conformance/q?query&a=b#fragment;x.ts",
        "conformance/a'quote\"d!*~$@,:=.mp4",
        "conformance/niño/películas/日本語/🎬.mp4",
        "conformance/.hidden",
        "conformance/...",
        "conformance/trailing.",
    ];
    for text in table {
        let (asset, bytes) = put(fixture, text, text.len()).await;
        let object = get(fixture, &asset, part(0..1000)).await;
        let object = object.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(collect(object).await, Ok(bytes), "{text}");
        assert_eq!(head(fixture, &asset).await.len, text.len() as u64, "{text}");
    }
}

async fn large_objects(fixture: &dyn Fixture) {
    let len = 5 * 1024 * 1024 + 17;
    let (asset, bytes) = put(fixture, "conformance/large.bin", len).await;
    let whole = get(fixture, &asset, Read::default())
        .await
        .expect("the object is there");
    assert!(
        collect(whole).await == Ok(bytes.clone()),
        "the whole of a large object, exactly"
    );
    let middle = 1_048_575..4_194_305;
    let object = get(fixture, &asset, part(middle.clone()))
        .await
        .expect("the object is there");
    let want = bytes.slice(middle.start as usize..middle.end as usize);
    assert!(
        collect(object).await == Ok(want),
        "the middle of a large object, exactly"
    );
}

async fn cancelled_reads(fixture: &dyn Fixture) {
    let asset = name("conformance/large.bin");
    for _ in 0..8 {
        // Dropped before the head, then after the first piece: neither may harm the reads that follow.
        let begun = get(fixture, &asset, Read::default());
        let _ = tokio::time::timeout(Duration::from_micros(50), begun).await;
        let mut object = get(fixture, &asset, Read::default())
            .await
            .expect("the object is there");
        let first = object.body.next().await.expect("the object is not empty");
        assert!(!first.expect("the first piece is read").is_empty());
    }
    let object = get(fixture, &asset, part(10..20))
        .await
        .expect("the object is there");
    assert_eq!(collect(object).await.map(|b| b.len()), Ok(10));
}

async fn concurrent_reads(fixture: &dyn Fixture) {
    let (asset, bytes) = put(fixture, "conformance/concurrent.bin", 300_000).await;
    let reads = (0..32_u64).map(|i| {
        let (asset, bytes) = (&asset, &bytes);
        async move {
            let range = i * 9_000..i * 9_000 + 20_000;
            let object = get(fixture, asset, part(range.clone())).await;
            let got = collect(object.expect("the object is there")).await;
            let want = bytes.slice(range.start as usize..range.end.min(300_000) as usize);
            assert!(got == Ok(want), "{range:?}, read beside others, is exact");
        }
    });
    join_all(reads).await;
}

fn name(text: &str) -> AssetPath {
    AssetPath::from_decoded(text).unwrap_or_else(|_| panic!("{text} names an asset"))
}

fn part(range: std::ops::Range<u64>) -> Read<'static> {
    Read {
        range: Some(range),
        pin: Pin::Any,
    }
}

/// Puts `len` bytes that differ from one name and one length to the next.
async fn put(fixture: &dyn Fixture, text: &str, len: usize) -> (AssetPath, Bytes) {
    let asset = name(text);
    let mut state = text
        .bytes()
        .fold(len as u64 + 1, |s, b| s.wrapping_mul(31) + u64::from(b));
    let bytes: Bytes = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(len)
    .collect();
    fixture.put(&asset, bytes.clone()).await;
    (asset, bytes)
}

async fn get(fixture: &dyn Fixture, asset: &AssetPath, read: Read<'_>) -> Result<Object, Error> {
    fixture.storage().get(asset, read).await
}

async fn head(fixture: &dyn Fixture, asset: &AssetPath) -> ObjectMeta {
    fixture
        .storage()
        .head(asset)
        .await
        .unwrap_or_else(|e| panic!("head of {asset}: {e}"))
}

async fn refusal(fixture: &dyn Fixture, asset: &AssetPath, read: Read<'_>) -> Error {
    let shown = format!("{read:?}");
    match get(fixture, asset, read).await {
        Err(error) => error,
        Ok(object) => panic!("{asset}: {shown} is answered with {object:?}"),
    }
}

async fn collect(mut object: Object) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = object.body.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes.into())
}
