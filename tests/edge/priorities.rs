//! Answers of one connection: a playlist does not wait behind segments (RFC 9218).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::server::{Scripted, Server, pattern};

const SEGMENT: usize = 8 << 20;

/// Longer than all that h2 holds of the segments.
const PLAYLIST: usize = 1 << 20;

fn serving() -> Server {
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", pattern(SEGMENT, 1), "v1");
    let line = "#EXT-X-ENDLIST of a playlist that is long\n";
    let text = format!("#EXTM3U\n{}", line.repeat(PLAYLIST / line.len()));
    storage.put("m.m3u8", text.into(), "v1");
    Server::over(storage, "")
}

async fn get(
    sender: &mut SendRequest<Empty<Bytes>>,
    path: &str,
    priority: Option<&str>,
) -> http::Response<Incoming> {
    let mut request = http::Request::get(format!("http://caudal.test{path}"));
    if let Some(priority) = priority {
        request = request.header("priority", priority);
    }
    let request = request.body(Empty::new()).unwrap();
    sender.send_request(request).await.unwrap()
}

/// Bytes of four segments that come between the head of another answer and its end, on one connection.
async fn meanwhile(path: &str, priority: Option<&str>) -> (usize, usize) {
    let server = serving();
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        // What comes is gated by what is read of it: by the turns that the server takes.
        .initial_connection_window_size(65_535)
        .initial_stream_window_size(65_535)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let taken = Arc::new(AtomicUsize::new(0));
    for _ in 0..4 {
        let mut body = get(&mut sender, "/a.m4s", None).await.into_body();
        let taken = taken.clone();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = body.frame().await {
                let len = frame.data_ref().map_or(0, Bytes::len);
                taken.fetch_add(len, Ordering::Relaxed);
            }
        });
    }
    let response = get(&mut sender, path, priority).await;
    let before = taken.load(Ordering::Relaxed);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (body.len(), taken.load(Ordering::Relaxed) - before)
}

#[tokio::test]
async fn a_playlist_goes_before_segments() {
    let (playlist, others) = meanwhile("/m.m3u8", None).await;
    assert!(playlist > PLAYLIST / 2);
    // What h2 held of the four already, and a window of each.
    assert!(others < PLAYLIST, "{others} bytes of segments went before");
}

#[tokio::test]
async fn what_a_client_calls_less_urgent_goes_after_segments() {
    let (playlist, others) = meanwhile("/m.m3u8", Some("u=7")).await;
    assert!(playlist > PLAYLIST / 2);
    assert!(
        others > 4 * PLAYLIST,
        "{others} bytes of segments went before"
    );
}

#[tokio::test]
async fn answers_say_how_urgent_they_are_where_they_share_a_connection() {
    let server = serving();
    let over_h2 = crate::server::h2::get(server.addr, "/m.m3u8").await;
    assert_eq!(over_h2.header("priority"), "u=1");
    assert_eq!(
        crate::server::h2::get(server.addr, "/a.m4s")
            .await
            .header("priority"),
        ""
    );
    assert_eq!(server.get("/m.m3u8").await.header("priority"), "");
}
