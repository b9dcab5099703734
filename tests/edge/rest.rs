//! Connections that rest between requests: no byte is lost, no time is forgotten, and nobody stays open for nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use caudal::app::Stopped;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Scripted, Server, pattern, until};

/// A connection goes to rest a second after its last answer.
const RESTED: Duration = Duration::from_millis(1300);

const GET: &[u8] = b"GET /a.m4s HTTP/1.1\r\nHost: x\r\n\r\n";

fn serving(more: &str) -> (Arc<Scripted>, Server) {
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", object(), "v1");
    (storage.clone(), Server::over(storage, more))
}

fn object() -> Bytes {
    pattern(1000, 1)
}

async fn asked_once(server: &Server) -> TcpStream {
    let mut peer = TcpStream::connect(server.addr).await.unwrap();
    peer.set_nodelay(true).unwrap();
    peer.write_all(GET).await.unwrap();
    answered(&mut peer).await;
    peer
}

async fn answered(peer: &mut TcpStream) {
    answered_with(peer, &object()).await;
}

/// Reads one answer, and not a byte more.
async fn answered_with(peer: &mut TcpStream, expected: &Bytes) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.read_u8().await.expect("an answer's head"));
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK"), "{head:?}");
    let mut body = vec![0; expected.len()];
    peer.read_exact(&mut body).await.unwrap();
    assert!(body == *expected, "a wrong byte");
}

/// How long it takes until the server closes, which it does without another byte.
async fn closed(peer: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    let read = tokio::time::timeout(Duration::from_secs(8), peer.read(&mut [0; 64])).await;
    assert!(
        matches!(read.expect("the server closes"), Ok(0) | Err(_)),
        "bytes that nobody asked for"
    );
    begun.elapsed()
}

async fn closed_for(server: &Server, reason: &str) -> f64 {
    let series = format!("caudal_connections_closed_total{{reason=\"{reason}\"}}");
    server.metric(&series).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_after_a_rest_is_answered_and_so_are_those_right_behind_it() {
    let (_storage, server) = serving("");
    let mut peer = asked_once(&server).await;
    for _ in 0..2 {
        tokio::time::sleep(RESTED).await;
        peer.write_all(&[GET, GET, GET].concat()).await.unwrap();
        for _ in 0..3 {
            answered(&mut peer).await;
        }
    }
    assert_eq!(server.metric("caudal_connections_total").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_is_lost_at_the_moment_of_going_to_rest() {
    let (_storage, server) = serving("");
    let mut peers = tokio::task::JoinSet::new();
    for at in (900..1100).step_by(4) {
        let mut peer = asked_once(&server).await;
        peers.spawn(async move {
            tokio::time::sleep(Duration::from_millis(at)).await;
            for byte in [GET, GET].concat() {
                peer.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answered(&mut peer).await;
            answered(&mut peer).await;
        });
    }
    while let Some(ended) = peers.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_takes_longer_than_a_rest_is_whole_in_the_end() {
    let (_storage, server) = serving("");
    for split in [1, 5, GET.len() - 1] {
        // Behind an answer, after a rest, and as the first of its connection.
        let mut behind = TcpStream::connect(server.addr).await.unwrap();
        behind
            .write_all(&[GET, &GET[..split]].concat())
            .await
            .unwrap();
        answered(&mut behind).await;
        let mut rested = asked_once(&server).await;
        tokio::time::sleep(RESTED).await;
        rested.write_all(&GET[..split]).await.unwrap();
        let mut fresh = TcpStream::connect(server.addr).await.unwrap();
        fresh.write_all(&GET[..split]).await.unwrap();
        tokio::time::sleep(RESTED).await;
        for mut peer in [behind, rested, fresh] {
            peer.write_all(&GET[split..]).await.unwrap();
            answered(&mut peer).await;
            peer.write_all(GET).await.unwrap();
            answered(&mut peer).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_never_whole_is_cut_at_its_time() {
    let (_storage, server) = serving("[server]\nheader_timeout = \"1500ms\"\n");
    let half = &GET[..GET.len() / 2];
    let mut behind = TcpStream::connect(server.addr).await.unwrap();
    behind.write_all(&[GET, half].concat()).await.unwrap();
    answered(&mut behind).await;
    let mut rested = asked_once(&server).await;
    tokio::time::sleep(RESTED).await;
    rested.write_all(half).await.unwrap();
    let mut fresh = TcpStream::connect(server.addr).await.unwrap();
    fresh.write_all(half).await.unwrap();
    // What lies behind an answer is only known to be half a head when the connection should rest.
    for (mut peer, most) in [(behind, 2000), (rested, 2300), (fresh, 2300)] {
        let after = closed(&mut peer).await;
        assert!(after < Duration::from_millis(most), "{after:?}");
    }
    assert_eq!(closed_for(&server, "header_timeout").await, 3.0);
    assert_eq!(closed_for(&server, "idle_timeout").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_is_counted_from_the_last_answer_not_from_the_rest() {
    let (_storage, server) = serving("[server]\nidle_timeout = \"2s\"\n");
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    let mut rested = asked_once(&server).await;
    let after = closed(&mut rested).await;
    assert!(
        after > Duration::from_millis(1800) && after < Duration::from_millis(2700),
        "{after:?}"
    );
    closed(&mut silent).await;
    until("both are counted", async || {
        closed_for(&server, "idle_timeout").await == 2.0
    })
    .await;
    assert_eq!(server.metric("caudal_connections_open").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_closes_who_rests_and_waits_for_who_is_being_answered() {
    let (storage, server) = serving("");
    // Of more than one piece: the first passes the gate.
    let slow = pattern(1 << 20, 2);
    storage.put("slow.m4s", slow.clone(), "v1");
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    let mut rested = asked_once(&server).await;
    tokio::time::sleep(RESTED).await;
    storage.close_gate();
    let mut busy = TcpStream::connect(server.addr).await.unwrap();
    busy.write_all(b"GET /slow.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    until("it is asked for", async || {
        server.metric("caudal_requests_in_flight").await == 1.0
    })
    .await;
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    // Not under a request that may be on its way: after a second without one.
    for peer in [&mut silent, &mut rested] {
        let after = closed(peer).await;
        assert!(after < Duration::from_secs(3), "{after:?}");
    }
    storage.open_gate();
    answered_with(&mut busy, &slow).await;
    closed(&mut busy).await;
    assert_eq!(stopping.await.unwrap(), Stopped::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_rest_and_are_answered_again() {
    let (_storage, server) = serving("");
    let mut peers = Vec::new();
    for _ in 0..1000 {
        peers.push(asked_once(&server).await);
    }
    for _ in 0..2 {
        tokio::time::sleep(RESTED).await;
        for peer in &mut peers {
            peer.write_all(GET).await.unwrap();
        }
        for peer in &mut peers {
            answered(peer).await;
        }
    }
    assert_eq!(server.metric("caudal_connections_open").await, 1000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_leaves_while_it_rests_is_noticed() {
    let (_storage, server) = serving("");
    let silent = TcpStream::connect(server.addr).await.unwrap();
    let rested = asked_once(&server).await;
    let reset = asked_once(&server).await;
    tokio::time::sleep(RESTED).await;
    assert_eq!(server.metric("caudal_connections_open").await, 3.0);
    drop((silent, rested));
    reset.set_zero_linger().unwrap();
    drop(reset);
    until("nobody is there", async || {
        server.metric("caudal_connections_open").await == 0.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_known_by_its_first_bytes_however_they_are_cut_up() {
    let (_storage, server) = serving("[server]\nheader_timeout = \"2s\"\n");
    let mut peer = TcpStream::connect(server.addr).await.unwrap();
    peer.set_nodelay(true).unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".iter().chain(&settings) {
        peer.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut frame = [0; 9];
    peer.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3..5], [4, 0], "not the server's settings: {frame:?}");
    // Nothing was asked, but no head is late: HTTP/2 has no half ones.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(closed_for(&server, "header_timeout").await, 0.0);
    // The first letter is that of POST too, and a whole request may be shorter than the preface.
    for (request, status) in [
        ("POST /a.m4s HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
        ("PRI * HTTP/1.1\r\n\r\n", "4"),
        ("GET / HTTP/1.0\r\n\r\n", "4"),
    ] {
        let mut peer = TcpStream::connect(server.addr).await.unwrap();
        for part in [&request[..1], &request[1..]] {
            peer.write_all(part.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut start = [0; 12];
        peer.read_exact(&mut start).await.unwrap();
        let start = String::from_utf8_lossy(&start).into_owned();
        assert!(start[9..].starts_with(status), "{request:?}: {start}");
    }
}
