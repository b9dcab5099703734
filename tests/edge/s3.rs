//! From S3 to the viewer: what a bucket does wrong never becomes a wrong byte, and becomes the right status.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use caudal::storage::s3::Timeouts;
use caudal::storage::{S3, S3Options, Storage};
use http::StatusCode;

use crate::harness::s3::{Fault, S3Server};
use crate::server::{Server, ask, connect, pattern, until};

const MIB: usize = 1 << 20;
const BUCKET: &str = "films";

async fn bucket(objects: &[(&str, &Bytes)]) -> S3Server {
    let s3 = S3Server::start().await;
    s3.create_bucket(BUCKET);
    for (key, bytes) in objects {
        s3.put(BUCKET, key, (*bytes).clone());
    }
    s3
}

fn brief(s3: &S3Server) -> S3Options {
    S3Options {
        timeouts: Timeouts {
            connect: Duration::from_millis(500),
            first_byte: Duration::from_millis(700),
            stall: Duration::from_millis(500),
            total: Duration::from_secs(10),
        },
        absent_on_denied: true,
        ..s3.options(BUCKET)
    }
}

async fn server(options: S3Options, more: &str) -> Server {
    let storage: Arc<dyn Storage> = Arc::new(S3::connect(options).await.unwrap());
    let text = format!("[storage.media]\nkind = \"memory\"\nattempts = 3\n{more}");
    Server::start(&text, [("media".to_owned(), storage)].into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_object_is_one_signed_get_for_a_hundred_viewers() {
    let bytes = pattern(4 * MIB, 1);
    let s3 = bucket(&[("t1/a.m4s", &bytes)]).await;
    s3.faults().push(Fault::Delay(Duration::from_millis(100)));
    let server = server(s3.options(BUCKET), "").await;
    until("it is ready", async || {
        ask(server.admin, http::Method::GET, "/readyz", &[])
            .await
            .status
            == StatusCode::OK
    })
    .await;
    let addr = server.addr;
    let viewers = (0..100)
        .map(|_| tokio::spawn(async move { ask(addr, http::Method::GET, "/t1/a.m4s", &[]).await }));
    for viewer in viewers.collect::<Vec<_>>() {
        assert_eq!(viewer.await.unwrap().bytes(), &bytes);
    }
    assert_eq!(s3.ranges("t1/a.m4s"), ["bytes=0-8388607"]);
    assert!(
        s3.requests()
            .iter()
            .all(|seen| seen.method != http::Method::HEAD)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_larger_than_a_run_is_read_in_runs_pinned_to_its_version() {
    let bytes = pattern(20 * MIB + 5, 2);
    let s3 = bucket(&[("a.mp4", &bytes)]).await;
    let server = server(brief(&s3), "").await;
    assert_eq!(server.get("/a.mp4").await.bytes(), &bytes);
    assert_eq!(s3.ranges("a.mp4").len(), 3);
    let gets: Vec<_> = s3
        .requests()
        .into_iter()
        .filter(|seen| seen.key == "a.mp4")
        .collect();
    assert!(
        gets[1..]
            .iter()
            .all(|seen| seen.header("if-match").is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_in_passing_the_viewer_never_sees() {
    let bytes = pattern(3 * MIB, 3);
    let passing = [
        Fault::SlowDown,
        Fault::Status(500, Some("InternalError")),
        Fault::Close,
        Fault::Delay(Duration::from_millis(900)),
        Fault::Truncate(MIB + 17),
        Fault::Reset(2 * MIB + 1),
        Fault::Stall(MIB / 2),
    ];
    for fault in passing {
        let s3 = bucket(&[("a.m4s", &bytes)]).await;
        let server = server(brief(&s3), "").await;
        s3.faults().push_for("a.m4s", fault.clone());
        let answer = server.get("/a.m4s").await;
        assert_eq!(answer.status, StatusCode::OK, "{fault:?}");
        assert_eq!(answer.bytes(), &bytes, "{fault:?}");
        assert_eq!(server.get("/a.m4s").await.bytes(), &bytes, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_wrong_becomes_the_right_status_and_is_not_cached() {
    let bytes = pattern(MIB, 4);
    let table = [
        (Fault::SlowDown, 503, "throttled"),
        (
            Fault::Status(500, Some("InternalError")),
            503,
            "unavailable",
        ),
        (Fault::Close, 503, "unavailable"),
        (Fault::Delay(Duration::from_secs(2)), 504, "timeout"),
        (Fault::Archived("GLACIER"), 403, "archived"),
        (
            Fault::Status(404, Some("NoSuchBucket")),
            502,
            "misconfigured",
        ),
        (
            Fault::Status(403, Some("SignatureDoesNotMatch")),
            502,
            "misconfigured",
        ),
        (Fault::WithoutHeader("content-range"), 502, "invalid"),
        (
            Fault::Header("content-range", "bytes 5-9/10"),
            502,
            "invalid",
        ),
        (
            Fault::Text(200, "<Error><Code>Slow</Code></Error>"),
            502,
            "invalid",
        ),
    ];
    for (fault, status, reason) in table {
        let s3 = bucket(&[("a.m4s", &bytes)]).await;
        let server = server(brief(&s3), "").await;
        s3.faults().always_for("a.m4s", fault.clone());
        let answer = server.get("/a.m4s").await;
        assert_eq!(answer.status.as_u16(), status, "{fault:?}");
        assert!(
            answer.header("cache-status").contains(reason),
            "{fault:?}: {answer:?}"
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{fault:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let text = answer.text();
        assert!(
            !text.contains(BUCKET) && !text.contains("127.0.0.1"),
            "{text}"
        );
        s3.faults().clear();
        assert_eq!(
            server.get("/a.m4s").await.bytes(),
            &bytes,
            "after {fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_key_is_absent_or_denied_as_configured() {
    let s3 = bucket(&[]).await;
    s3.habits().listing_denied.store(true, Ordering::SeqCst);
    let absent = server(brief(&s3), "").await;
    assert_eq!(absent.get("/no.m4s").await.status, StatusCode::NOT_FOUND);
    let denied = S3Options {
        absent_on_denied: false,
        ..brief(&s3)
    };
    let denied = server(denied, "").await;
    assert_eq!(denied.get("/no.m4s").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_resumed_is_cut_not_ended() {
    let bytes = pattern(3 * MIB, 5);
    let s3 = bucket(&[("a.m4s", &bytes)]).await;
    let server = server(brief(&s3), "[cache]\nfill_attempts = 1\n").await;
    s3.faults().push_for("a.m4s", Fault::Reset(MIB + 3));
    s3.faults()
        .always_for("a.m4s", Fault::Status(500, Some("InternalError")));
    let answer = server.get("/a.m4s").await;
    assert!(answer.body.is_err(), "{answer:?}");
    assert_eq!(server.metric("caudal_requests_in_flight").await, 0.0);
    s3.faults().clear();
    assert_eq!(server.get("/a.m4s").await.bytes(), &bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_replaced_in_the_bucket_is_never_spliced() {
    use http_body_util::BodyExt;
    let (old, new) = (pattern(40 * MIB, 6), pattern(40 * MIB, 7));
    let s3 = bucket(&[("a.mp4", &old)]).await;
    let server = server(brief(&s3), "").await;
    let request = http::Request::get("/a.mp4")
        .header("host", "x")
        .body(http_body_util::Empty::new());
    let response = connect(server.addr)
        .await
        .send_request(request.unwrap())
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
    s3.put(BUCKET, "a.mp4", new.clone());
    while let Some(Ok(frame)) = body.frame().await {
        got.extend(frame.into_data().unwrap());
    }
    assert!(
        got.len() < old.len() && got == old[..got.len()],
        "{} bytes",
        got.len()
    );
    assert_eq!(server.get("/a.mp4").await.bytes(), &new);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_versioned_bucket_lets_a_reader_finish_the_version_it_began() {
    use http_body_util::BodyExt;
    let (old, new) = (pattern(40 * MIB, 8), pattern(40 * MIB, 9));
    let s3 = S3Server::start().await;
    s3.habits().versions.store(true, Ordering::SeqCst);
    s3.put(BUCKET, "a.mp4", old.clone());
    let options = S3Options {
        versions: true,
        ..brief(&s3)
    };
    let server = server(
        options,
        "[freshness.segment]\nfresh = \"0s\"\nstale_while_revalidate = \"0s\"\n",
    )
    .await;
    let request = http::Request::get("/a.mp4")
        .header("host", "x")
        .body(http_body_util::Empty::new());
    let response = connect(server.addr)
        .await
        .send_request(request.unwrap())
        .await
        .unwrap();
    s3.put(BUCKET, "a.mp4", new.clone());
    assert_eq!(server.get("/a.mp4").await.bytes(), &new);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        old
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_not_ready_and_says_why() {
    let s3 = S3Server::start().await;
    let server = server(brief(&s3), "").await;
    let get = async |path: &str| ask(server.admin, http::Method::GET, path, &[]).await;
    until("readiness says why", async || {
        get("/readyz").await.text().contains(BUCKET)
    })
    .await;
    let ready = get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        ready.text().contains("storage media: failed"),
        "{}",
        ready.text()
    );
    assert_eq!(get("/livez").await.status, StatusCode::OK);
    s3.create_bucket(BUCKET);
    until("the bucket is found", async || {
        get("/readyz").await.status == StatusCode::OK
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_unknown_names_are_a_bounded_load() {
    let s3 = bucket(&[]).await;
    let server = Arc::new(server(brief(&s3), "[cache]\nmemory = \"40MiB\"\n").await);
    let mut askers = Vec::new();
    for asker in 0..8 {
        let server = server.clone();
        askers.push(tokio::spawn(async move {
            for index in 0..125 {
                let answer = server.get(&format!("/no-{asker}-{index}.m4s")).await;
                assert_eq!(answer.status, StatusCode::NOT_FOUND);
            }
        }));
    }
    for asker in askers {
        asker.await.unwrap();
    }
    assert_eq!(server.metric("caudal_cache_bytes").await, 0.0);
}
