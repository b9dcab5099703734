//! One storage read for everybody, and never a wrong byte.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use caudal::storage::Error;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::task::JoinSet;

use crate::server::scripted::Act;
use crate::server::{Scripted, Server, connect, pattern, until};

const MIB: usize = 1 << 20;

fn scripted(path: &str, bytes: &Bytes) -> Arc<Scripted> {
    let storage = Arc::new(Scripted::default());
    storage.put(path, bytes.clone(), "v1");
    storage
}

fn request(path: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(path)
        .header("host", "caudal.test")
        .body(Empty::new())
        .unwrap()
}

/// Reads the rest of a body, each byte as it has to be.
async fn to_the_end(mut body: Incoming, bytes: Bytes, mut position: usize) {
    while let Some(frame) = body.frame().await {
        let piece = frame.unwrap().into_data().unwrap();
        assert!(
            piece == bytes[position..position + piece.len()],
            "at {position}"
        );
        position += piece.len();
    }
    assert_eq!(position, bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_viewers_of_a_cold_object_cost_one_storage_read() {
    let bytes = pattern(4 * MIB, 1);
    let storage = scripted("a.m4s", &bytes);
    storage.close_gate();
    let server = Server::over(storage.clone(), "[cache]\nfill_timeout = \"10m\"\n");
    let mut viewers = Vec::new();
    for _ in 0..1000 {
        let addr = server.addr;
        viewers.push(tokio::spawn(async move {
            let response = connect(addr)
                .await
                .send_request(request("/a.m4s"))
                .await
                .unwrap();
            let mut body = response.into_body();
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            (first, Instant::now(), body)
        }));
    }
    let mut started = Vec::new();
    for viewer in viewers {
        started.push(viewer.await.unwrap());
    }
    // Every viewer has its first byte while the storage still holds back the rest.
    let opened = Instant::now();
    storage.open_gate();
    // All at once, as viewers do: one that takes nothing while the others are read is cut.
    let mut ending = JoinSet::new();
    for (first, at, body) in started {
        assert!(at < opened);
        assert_eq!(first, bytes[..first.len()]);
        ending.spawn(to_the_end(body, bytes.clone(), first.len()));
    }
    while let Some(ended) = ending.join_next().await {
        ended.unwrap();
    }
    assert_eq!(storage.reads().len(), 1);
    assert_eq!(storage.reads()[0].range, Some(0..8 * MIB as u64));
    assert_eq!(server.metric("caudal_cache_coalesced_total").await, 999.0);
    until("the fill has ended well", async || {
        server.metric("caudal_fills_total{outcome=\"full\"}").await == 1.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_leaves_hurts_no_follower() {
    let bytes = pattern(3 * MIB, 2);
    let storage = scripted("a.m4s", &bytes);
    storage.close_gate();
    let server = Server::over(storage.clone(), "");
    let leader = connect(server.addr)
        .await
        .send_request(request("/a.m4s"))
        .await
        .unwrap();
    let follower = connect(server.addr)
        .await
        .send_request(request("/a.m4s"))
        .await
        .unwrap();
    drop(leader);
    tokio::time::sleep(Duration::from_millis(50)).await;
    storage.open_gate();
    assert_eq!(
        follower.into_body().collect().await.unwrap().to_bytes(),
        bytes
    );
    assert_eq!(storage.reads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_goes_on_when_every_client_has_left() {
    let bytes = pattern(3 * MIB, 3);
    let storage = scripted("a.m4s", &bytes);
    storage.close_gate();
    let server = Server::over(storage.clone(), "");
    drop(
        connect(server.addr)
            .await
            .send_request(request("/a.m4s"))
            .await
            .unwrap(),
    );
    storage.open_gate();
    until("the fill is done", async || {
        server.metric("caudal_fills_total{outcome=\"full\"}").await == 1.0
    })
    .await;
    let answer = server.get("/a.m4s").await;
    assert_eq!(answer.bytes(), &bytes);
    assert!(
        answer.header("cache-status").starts_with("caudal; hit"),
        "{answer:?}"
    );
    assert_eq!(storage.reads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_replaced_mid_read_never_mixes_versions() {
    let (old, new) = (pattern(20 * MIB, 4), pattern(20 * MIB, 5));
    let storage = scripted("a.mp4", &old);
    let server = Server::over(storage.clone(), "");
    // The first run of 8 MiB is the old one; then the object is replaced.
    let response = connect(server.addr)
        .await
        .send_request(request("/a.mp4"))
        .await
        .unwrap();
    let mut body = response.into_body();
    let mut got = body
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap()
        .to_vec();
    storage.put("a.mp4", new.clone(), "v2");
    let cut = loop {
        match body.frame().await {
            Some(Ok(frame)) => got.extend(frame.into_data().unwrap()),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(cut, "a response over two versions has to be cut, not ended");
    assert!(got.len() < old.len());
    assert_eq!(got, old[..got.len()]);
    let answer = server.get("/a.mp4").await;
    assert_eq!(answer.bytes(), &new);
    assert_eq!(answer.header("etag"), "\"v2\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_replaced_before_the_first_byte_starts_over() {
    let (old, new) = (pattern(2 * MIB, 6), pattern(3 * MIB, 7));
    let storage = scripted("a.mp4", &old);
    let server = Server::over(storage.clone(), "");
    server.get_with("/a.mp4", &[("range", "bytes=0-9")]).await;
    storage.put("a.mp4", new.clone(), "v2");
    let answer = server
        .get_with("/a.mp4", &[("range", "bytes=1048576-1048585")])
        .await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.bytes(), &new[MIB..MIB + 10]);
    assert_eq!(
        answer.header("content-range"),
        "bytes 1048576-1048585/3145728"
    );
    assert_eq!(storage.reads()[1].pinned.as_deref(), Some("\"v1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_ignores_conditions_is_caught_all_the_same() {
    let (old, new) = (pattern(20 * MIB, 8), pattern(20 * MIB, 9));
    let storage = Arc::new(Scripted::ignoring_conditions());
    storage.put("a.mp4", old.clone(), "v1");
    let server = Server::over(storage.clone(), "");
    server.get_with("/a.mp4", &[("range", "bytes=0-9")]).await;
    storage.put("a.mp4", new.clone(), "v2");
    let answer = server.get("/a.mp4").await;
    let got = answer.body.unwrap_or_default();
    assert!(got.is_empty() || got == new, "neither cut nor whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_body_is_resumed_where_it_broke() {
    let bytes = pattern(3 * MIB, 10);
    let storage = scripted("a.m4s", &bytes);
    let broken = Error::Interrupted("reset".into());
    storage.script([Act::Break(MIB + 5, Some(broken)), Act::Break(100, None)]);
    let server = Server::over(storage.clone(), "");
    assert_eq!(server.get("/a.m4s").await.bytes(), &bytes);
    let reads = storage.reads();
    assert_eq!(reads[1].range, Some((MIB + 5) as u64..3 * MIB as u64));
    assert_eq!(reads[1].pinned.as_deref(), Some("\"v1\""));
    assert_eq!(reads[2].range, Some((MIB + 105) as u64..3 * MIB as u64));
    assert_eq!(server.metric("caudal_fill_resumes_total").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_truncated_is_ever_admitted() {
    let bytes = pattern(2 * MIB, 11);
    let storage = scripted("a.m4s", &bytes);
    let broken = Error::Interrupted("reset".into());
    storage.script(vec![Act::Break(MIB / 2, Some(broken.clone())); 1]);
    storage.script(vec![Act::Fail(broken); 20]);
    let server = Server::over(storage.clone(), "[cache]\nfill_attempts = 2\n");
    let answer = server.get("/a.m4s").await;
    assert!(
        answer.body.is_err(),
        "a truncated body has to be cut: {answer:?}"
    );
    until("nothing is in flight", async || {
        server.metric("caudal_fills_in_flight").await == 0.0
    })
    .await;
    storage.script([]);
    for _ in 0..25 {
        let _ = server.get("/a.m4s").await;
    }
    let answer = server.get("/a.m4s").await;
    assert_eq!(answer.bytes(), &bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_breaks_its_contract_is_refused() {
    let bytes = pattern(MIB, 12);
    for act in [Act::Overrun, Act::Misalign, Act::Panic] {
        let storage = scripted("a.m4s", &bytes);
        storage.script([act.clone()]);
        let server = Server::over(storage.clone(), "");
        let answer = server.get("/a.m4s").await;
        // Cut or refused; or whole, where the first read had failed before it was looked for.
        let whole = answer.body.as_ref().is_ok_and(|body| *body == bytes);
        assert!(
            answer.status.is_server_error() || answer.body.is_err() || whole,
            "{act:?}: {answer:?}"
        );
        assert_eq!(server.get("/a.m4s").await.bytes(), &bytes, "after {act:?}");
        assert!(storage.reads().len() > 1, "{act:?} was taken for good");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absence_is_remembered_for_a_while() {
    let storage = Arc::new(Scripted::default());
    let server = Server::over(storage.clone(), "[freshness]\nabsent = \"2s\"\n");
    let first = server.get("/no.m4s").await;
    assert_eq!(first.status, StatusCode::NOT_FOUND);
    assert!(first.header("cache-status").contains("fwd=uri-miss"));
    let second = server.get("/no.m4s").await;
    assert_eq!(
        second.header("cache-status"),
        "caudal; hit; detail=not_found"
    );
    assert_eq!(storage.reads().len(), 1);
    storage.put("no.m4s", pattern(10, 1), "v1");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(server.get("/no.m4s").await.status, StatusCode::OK);
}

const STALE: &str = "[freshness.segment]
fresh = \"100ms\"
stale_while_revalidate = \"1h\"
";

const BRIEF: &str = "[freshness.segment]
fresh = \"100ms\"
stale_while_revalidate = \"0s\"
stale_if_error = \"1h\"
";

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_version_is_served_while_storage_is_asked() {
    let (old, new) = (pattern(1000, 13), pattern(1000, 14));
    let storage = scripted("a.m4s", &old);
    let server = Server::over(storage.clone(), STALE);
    server.get("/a.m4s").await;
    storage.put("a.m4s", new.clone(), "v2");
    tokio::time::sleep(Duration::from_millis(150)).await;
    let stale = server.get("/a.m4s").await;
    // The refresh may be quick enough to let go of the old version before it is read.
    if stale.bytes() != &new {
        assert_eq!(stale.bytes(), &old);
        assert_eq!(stale.header("cache-status"), "caudal; hit; detail=stale");
    }
    until("the new version is there", async || {
        server.get("/a.m4s").await.bytes() == &new
    })
    .await;
    assert_eq!(storage.reads()[1].unless.as_deref(), Some("\"v1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_version_is_confirmed_without_its_body() {
    let bytes = pattern(1000, 15);
    let storage = scripted("a.m4s", &bytes);
    let server = Server::over(storage.clone(), BRIEF);
    server.get("/a.m4s").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let answer = server.get("/a.m4s").await;
    assert_eq!(answer.bytes(), &bytes);
    assert!(
        answer
            .header("cache-status")
            .starts_with("caudal; fwd=stale; fwd-status=304"),
        "{answer:?}"
    );
    assert_eq!(storage.reads().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_version_stands_in_for_a_storage_that_is_down() {
    let bytes = pattern(1000, 16);
    let storage = scripted("a.m4s", &bytes);
    let server = Server::over(storage.clone(), BRIEF);
    server.get("/a.m4s").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    storage.script(vec![Act::Fail(Error::Unavailable("down".into())); 100]);
    let begun = Instant::now();
    for _ in 0..20 {
        let answer = server.get("/a.m4s").await;
        assert_eq!(answer.bytes(), &bytes);
        assert_eq!(answer.header("cache-status"), "caudal; hit; detail=stale");
    }
    // One question a second is enough for a storage that is down.
    let questions = storage.reads().len() as u64 - 1;
    assert!(
        questions <= 1 + begun.elapsed().as_secs(),
        "{questions} questions"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_gone_is_gone() {
    let storage = scripted("a.m4s", &pattern(1000, 17));
    let server = Server::over(storage.clone(), BRIEF);
    server.get("/a.m4s").await;
    storage.remove("a.m4s");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(server.get("/a.m4s").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_objects_own_cache_control_rules_and_is_passed_on() {
    let storage = Arc::new(Scripted::default());
    storage.put_with("a.m4s", pattern(1000, 18), "v1", Some("no-store"));
    storage.put_with("b.m4s", pattern(1000, 19), "v1", Some("public, max-age=7"));
    let server = Server::over(storage.clone(), "");
    for _ in 0..2 {
        let answer = server.get("/a.m4s").await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.bytes().len(), 1000);
    }
    assert!(
        storage.reads().len() >= 3,
        "its bytes are not kept: {:?}",
        storage.reads()
    );
    assert_eq!(
        server.get("/b.m4s").await.header("cache-control"),
        "public, max-age=7"
    );
    assert!(
        server
            .get("/b.m4s")
            .await
            .header("cache-status")
            .starts_with("caudal; hit; ttl=")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_range_of_a_huge_object_reads_one_block() {
    let bytes = pattern(32 * MIB, 20);
    let storage = scripted("a.mp4", &bytes);
    let server = Server::over(storage.clone(), "");
    let answer = server
        .get_with("/a.mp4", &[("range", "bytes=20000000-20000099")])
        .await;
    assert_eq!(answer.bytes(), &bytes[20_000_000..20_000_100]);
    let suffix = server.get_with("/a.mp4", &[("range", "bytes=-100")]).await;
    assert_eq!(suffix.bytes(), &bytes[32 * MIB - 100..]);
    let read: u64 = storage
        .reads()
        .iter()
        .map(|seen| seen.range.as_ref().map_or(0, |r| r.end - r.start))
        .sum();
    assert_eq!(read, 2 * MIB as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_past_the_end_of_an_unknown_object_is_416_and_an_empty_object_is_empty() {
    let storage = scripted("a.mp4", &pattern(1000, 21));
    storage.put("empty.mp4", Bytes::new(), "v1");
    let server = Server::over(storage, "");
    let answer = server
        .get_with("/a.mp4", &[("range", "bytes=5000000-")])
        .await;
    assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(answer.header("content-range"), "bytes */1000");
    for _ in 0..2 {
        let empty = server.get("/empty.mp4").await;
        assert_eq!((empty.status, empty.bytes().len()), (StatusCode::OK, 0));
        assert_eq!(empty.header("content-length"), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_smaller_than_its_load_stays_within_its_budget_and_serves_right_bytes() {
    let storage = Arc::new(Scripted::default());
    let objects: Vec<Bytes> = (0..40).map(|seed| pattern(3 * MIB, 100 + seed)).collect();
    for (index, bytes) in objects.iter().enumerate() {
        storage.put(&format!("{index}.m4s"), bytes.clone(), "v1");
    }
    let server = Arc::new(Server::over(storage, "[cache]\nmemory = \"36MiB\"\n"));
    let objects = Arc::new(objects);
    let mut viewers = Vec::new();
    for viewer in 0..16 {
        let (server, objects) = (server.clone(), objects.clone());
        viewers.push(tokio::spawn(async move {
            for step in 0..10 {
                let index = (viewer * 7 + step * 11) % 40;
                let answer = server.get(&format!("/{index}.m4s")).await;
                assert_eq!(answer.bytes(), &objects[index], "object {index}");
            }
        }));
    }
    for viewer in viewers {
        viewer.await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let (used, budget) = (
        server.metric("caudal_cache_bytes").await,
        server.metric("caudal_cache_budget_bytes").await,
    );
    assert!(used <= budget && used > 0.0, "{used} of {budget}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_under_way_that_hold_all_memory_make_the_next_fill_wait_then_shed() {
    let storage = Arc::new(Scripted::default());
    for index in 0..8 {
        storage.put(&format!("{index}.m4s"), pattern(8 * MIB, index), "v1");
    }
    storage.close_gate();
    let more = "[cache]\nmemory = \"36MiB\"\nfill_wait = \"200ms\"\n";
    let server = Server::over(storage.clone(), more);
    let mut held = Vec::new();
    for index in 0..4 {
        held.push(
            connect(server.addr)
                .await
                .send_request(request(&format!("/{index}.m4s")))
                .await
                .unwrap(),
        );
    }
    let answer = server.get("/5.m4s").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    assert!(answer.header("cache-status").contains("detail=no_memory"));
    storage.open_gate();
    for (index, response) in held.into_iter().enumerate() {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, pattern(8 * MIB, index as u64));
    }
    assert_eq!(
        server.ask(Method::GET, "/5.m4s", &[]).await.bytes(),
        &pattern(8 * MIB, 5)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn small_objects_never_take_the_memory_that_fills_need() {
    let storage = Arc::new(Scripted::default());
    let more =
        "[cache]\nmemory = \"2MiB\"\nblock = \"64KiB\"\nrun = \"64KiB\"\nfill_wait = \"1s\"\n";
    let server = Server::over(storage.clone(), more);
    let mut sender = connect(server.addr).await;
    for index in 0..4000 {
        let path = format!("{index}.m4s");
        storage.put(&path, pattern(200, index), "v1");
        sender.ready().await.unwrap();
        let response = sender
            .send_request(request(&format!("/{path}")))
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK, "object {index}");
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            pattern(200, index)
        );
    }
    assert!(server.metric("caudal_cache_evictions_total").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_may_not_be_kept_is_read_once_for_those_who_wait_for_it() {
    let bytes = pattern(1000, 22);
    let storage = Arc::new(Scripted::default());
    storage.put_with("a.m4s", bytes.clone(), "v1", Some("no-store"));
    let server = Server::over(storage.clone(), "");
    let answer = server.get("/a.m4s").await;
    assert_eq!(answer.bytes(), &bytes);
    assert_eq!(storage.reads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_deleted_between_two_reads_is_gone_for_everybody() {
    let storage = scripted("a.mp4", &pattern(4 * MIB, 23));
    let server = Server::over(storage.clone(), "");
    server.get_with("/a.mp4", &[("range", "bytes=0-9")]).await;
    storage.remove("a.mp4");
    let further = server
        .get_with("/a.mp4", &[("range", "bytes=2097152-2097161")])
        .await;
    assert_eq!(further.status, StatusCode::NOT_FOUND);
    let head = server.ask(Method::HEAD, "/a.mp4", &[]).await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_says_no_is_believed_every_time() {
    let storage = scripted("a.m4s", &pattern(1000, 24));
    let server = Server::over(storage.clone(), BRIEF);
    server.get("/a.m4s").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    storage.script(vec![Act::Fail(Error::Denied("by policy".into())); 3]);
    for _ in 0..3 {
        assert_eq!(server.get("/a.m4s").await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_word_of_a_deletion_does_not_hide_what_was_put_since() {
    let (old, new) = (pattern(20 * MIB, 25), pattern(1000, 26));
    let storage = scripted("a.mp4", &old);
    storage.close_gate();
    let more = "[freshness.segment]\nfresh = \"1s\"\nstale_while_revalidate = \"0s\"\n";
    let server = Server::over(storage.clone(), more);
    let mut sender = connect(server.addr).await;
    let reader = sender.send_request(request("/a.mp4")).await.unwrap();
    storage.put("a.mp4", new.clone(), "v2");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(server.get("/a.mp4").await.bytes(), &new);
    // The reader of the old version comes to its next run, and is told that there is no such object.
    storage.script([Act::Fail(Error::NotFound)]);
    storage.open_gate();
    assert!(reader.into_body().collect().await.is_err());
    assert_eq!(server.get("/a.mp4").await.bytes(), &new);
}
