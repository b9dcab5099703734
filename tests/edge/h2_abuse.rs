//! HTTP/2 from peers that mean ill: each is cut, at a bounded cost, and everybody else is served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Scripted, Server, h2, pattern};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// RFC 9113 section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn serving(more: &str) -> (Arc<Scripted>, Server) {
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", pattern(3 << 20, 1), "v1");
    (storage.clone(), Server::over(storage, more))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field without indexing, its name and value written out (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

fn head(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
    ];
    fields
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(path))
}

/// A connection that has said hello, with these settings.
async fn hello(server: &Server, settings: &[(u16, u32)]) -> TcpStream {
    let mut peer = TcpStream::connect(server.addr).await.unwrap();
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
        .collect();
    let hello = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &payload)].concat();
    peer.write_all(&hello).await.unwrap();
    peer
}

/// Sends one thing again and again until the server has had enough. How many were sent.
async fn flood(mut peer: TcpStream, mut next: impl FnMut(u32) -> Vec<u8>, most: u32) -> u32 {
    let (mut reads, mut writes) = peer.split();
    let sends = async {
        for nth in 0..most {
            if writes.write_all(&next(nth)).await.is_err() {
                return nth;
            }
        }
        most
    };
    // What comes back is read, or the server could not say a word.
    let ends = async {
        let mut sink = vec![0; 64 << 10];
        while !matches!(reads.read(&mut sink).await, Ok(0) | Err(_)) {}
    };
    let both = tokio::time::timeout(
        Duration::from_secs(30),
        futures_util::future::join(sends, ends),
    );
    both.await.expect("the server cuts the connection").0
}

/// The server is there for others, and has counted why it cut one.
async fn goes_on(server: &Server, reason: &str) {
    assert_eq!(h2::get(server.addr, "/a.m4s").await.status, 200);
    let series = format!("caudal_connections_closed_total{{reason=\"{reason}\"}}");
    assert_eq!(server.metric(&series).await, 1.0, "{reason}");
}

#[tokio::test]
async fn floods_of_frames_that_ask_for_nothing_are_cut() {
    let floods: [(&str, Vec<u8>); 6] = [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(99, 0, 0, &[])),
        ("PRIORITY_UPDATE", frame(16, 0, 0, &[0, 0, 0, 1, b'u'])),
    ];
    for (name, flooding) in floods {
        let (_storage, server) = serving("");
        let peer = hello(&server, &[]).await;
        let sent = flood(peer, |_| flooding.clone(), 1_000_000).await;
        assert!(sent < 500_000, "{name}: {sent}");
        goes_on(&server, "flood").await;
    }
}

#[tokio::test]
async fn a_flood_of_empty_data_is_cut() {
    let (_storage, server) = serving("");
    let mut peer = hello(&server, &[]).await;
    let open = frame(HEADERS, END_HEADERS, 1, &head("/a.m4s"));
    peer.write_all(&open).await.unwrap();
    let sent = flood(peer, |_| frame(DATA, 0, 1, &[]), 1_000_000).await;
    assert!(sent < 500_000, "{sent}");
    goes_on(&server, "flood").await;
}

/// CVE-2023-44487: each request is taken back at once.
#[tokio::test]
async fn rapid_reset_is_cut_and_storage_is_not_asked_for_each() {
    let (storage, server) = serving("");
    let peer = hello(&server, &[]).await;
    let begun = Instant::now();
    let next = |nth: u32| {
        let stream = 2 * nth + 1;
        let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        [get(stream, &format!("/{nth}.m4s")), reset].concat()
    };
    let sent = flood(peer, next, 100_000).await;
    assert!(sent < 50_000, "{sent}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(
        storage.reads().len() < 1000,
        "{} reads",
        storage.reads().len()
    );
    assert_eq!(h2::get(server.addr, "/a.m4s").await.status, 200);
}

/// CVE-2025-8671: the server is made to take back each request, by a frame that is wrong.
#[tokio::test]
async fn who_makes_the_server_reset_is_cut() {
    let (storage, server) = serving("");
    let peer = hello(&server, &[]).await;
    let next = |nth: u32| {
        let stream = 2 * nth + 1;
        // A window may not grow by nothing (RFC 9113 section 6.9).
        let wrong = frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
        [get(stream, &format!("/{nth}.m4s")), wrong].concat()
    };
    let sent = flood(peer, next, 100_000).await;
    assert!(sent < 50_000, "{sent}");
    assert!(
        storage.reads().len() < 2000,
        "{} reads",
        storage.reads().len()
    );
    assert_eq!(h2::get(server.addr, "/a.m4s").await.status, 200);
}

/// CVE-2024-27316.
#[tokio::test]
async fn a_head_without_an_end_is_cut() {
    for payload in [vec![], field("x", &"y".repeat(100))] {
        let (_storage, server) = serving("");
        let mut peer = hello(&server, &[]).await;
        let open = frame(HEADERS, END_STREAM, 1, &head("/a.m4s"));
        peer.write_all(&open).await.unwrap();
        let next = |_| frame(CONTINUATION, 0, 1, &payload);
        let sent = flood(peer, next, 1_000_000).await;
        assert!(sent < 500_000, "{sent}");
        assert_eq!(h2::get(server.addr, "/a.m4s").await.status, 200);
    }
}

/// Reads frames until one of a kind, of a stream; its payload.
async fn until(peer: &mut TcpStream, wanted: u8, on: u32) -> Bytes {
    let waited = Duration::from_secs(10);
    let frame = tokio::time::timeout(waited, next(peer, &[wanted], on)).await;
    let (_, payload) = frame
        .ok()
        .flatten()
        .unwrap_or_else(|| panic!("no frame {wanted} of stream {on}"));
    payload
}

/// The begin of an answer's body, or `None` where the stream or the connection is ended instead.
async fn answer(peer: &mut TcpStream, on: u32) -> Option<Bytes> {
    let waited = Duration::from_secs(10);
    let answered = tokio::time::timeout(waited, next(peer, &[RST_STREAM, DATA], on)).await;
    let (kind, told) = answered.expect("an answer or an end")?;
    (kind == DATA).then_some(told)
}

/// The next frame of these kinds, of a stream; `None` where the connection ends.
async fn next(peer: &mut TcpStream, wanted: &[u8], on: u32) -> Option<(u8, Bytes)> {
    loop {
        let mut head = [0; 9];
        peer.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        peer.read_exact(&mut payload).await.ok()?;
        if wanted.contains(&head[3]) && stream == on {
            return Some((head[3], payload.into()));
        }
    }
}

#[tokio::test]
async fn a_peer_that_opens_no_window_is_told_to_go_and_then_cut() {
    let (_storage, server) = serving("[server]\nwrite_stall = \"1s\"\nidle_timeout = \"60s\"");
    // SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 section 6.5.2).
    let mut peer = hello(&server, &[(4, 0)]).await;
    for stream in [1, 3, 5] {
        peer.write_all(&get(stream, "/a.m4s")).await.unwrap();
    }
    until(&mut peer, HEADERS, 1).await;
    let begun = Instant::now();
    until(&mut peer, GOAWAY, 0).await;
    assert!(begun.elapsed() > Duration::from_millis(900));
    let mut sink = vec![0; 1024];
    let ends = async { while !matches!(peer.read(&mut sink).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(Duration::from_secs(10), ends)
        .await
        .expect("it is cut");
    goes_on(&server, "write_stall").await;
}

#[tokio::test]
async fn a_peer_that_takes_a_byte_of_a_short_answer_is_told_to_go_as_well() {
    let (storage, server) = serving("[server]\nwrite_stall = \"1s\"\nidle_timeout = \"60s\"");
    storage.put("short.m4s", pattern(1000, 2), "v1");
    // hyper hands all of it to h2 for a byte of window, and its body is gone.
    let mut peer = hello(&server, &[(4, 1)]).await;
    peer.write_all(&get(1, "/short.m4s")).await.unwrap();
    until(&mut peer, HEADERS, 1).await;
    let told = until(&mut peer, GOAWAY, 0);
    tokio::time::timeout(Duration::from_secs(10), told)
        .await
        .expect("it is told to go");
}

#[tokio::test]
async fn a_peer_that_takes_its_time_and_takes_is_served() {
    let (_storage, server) = serving("[server]\nwrite_stall = \"1s\"");
    let mut peer = hello(&server, &[(4, 0)]).await;
    peer.write_all(&get(1, "/a.m4s")).await.unwrap();
    until(&mut peer, HEADERS, 1).await;
    let mut taken = Vec::new();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let more = 100_000u32.to_be_bytes();
        let grants = [
            frame(WINDOW_UPDATE, 0, 1, &more),
            frame(WINDOW_UPDATE, 0, 0, &more),
        ]
        .concat();
        peer.write_all(&grants).await.unwrap();
        let before = taken.len();
        while taken.len() < before + 100_000 {
            taken.extend_from_slice(&until(&mut peer, DATA, 1).await);
        }
    }
    assert!(
        taken[..] == pattern(3 << 20, 1)[..taken.len()],
        "a wrong byte"
    );
}

#[tokio::test]
async fn too_many_fields_are_refused() {
    let (_storage, server) = serving("");
    let mut peer = hello(&server, &[]).await;
    let many: Vec<u8> = (0..101)
        .flat_map(|nth| field(&format!("x{nth}"), ""))
        .collect();
    let request = [head("/a.m4s"), many].concat();
    peer.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &request))
        .await
        .unwrap();
    until(&mut peer, HEADERS, 1).await;
    let told = until(&mut peer, DATA, 1).await;
    assert!(told.starts_with(b"431 "), "{told:?}");
}

#[tokio::test]
async fn heads_that_are_none_are_refused_one_by_one() {
    let (storage, server) = serving("");
    let plain = |fields: &[(&str, &str)]| -> Vec<u8> {
        fields
            .iter()
            .flat_map(|(name, value)| field(name, value))
            .collect()
    };
    let pseudo = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/a.m4s"),
        (":authority", "x"),
    ];
    let with = |more: &[(&str, &str)]| plain(&[&pseudo[..], more].concat());
    let wrong = [
        plain(&pseudo[..2]),
        with(&[(":path", "/b.m4s")]),
        with(&[(":unknown", "1")]),
        with(&[("x", "a\r\nb: c")]),
        with(&[("Upper", "1")]),
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        plain(&[("x", "1"), pseudo[0], pseudo[1], pseudo[2], pseudo[3]]),
    ];
    for wrong in &wrong {
        let mut peer = hello(&server, &[]).await;
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, wrong);
        peer.write_all(&request).await.unwrap();
        let told = answer(&mut peer, 1).await;
        assert!(
            told.is_none_or(|told| told.starts_with(b"400 ")),
            "{wrong:?}"
        );
    }
    assert!(storage.reads().is_empty(), "none of them was a request");
    // A host that says otherwise than the authority is answered, and refused.
    let mut peer = hello(&server, &[]).await;
    let request = frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &with(&[("host", "y")]),
    );
    peer.write_all(&request).await.unwrap();
    let told = answer(&mut peer, 1).await.expect("an answer");
    assert!(told.starts_with(b"400 "), "{told:?}");
    assert!(storage.reads().is_empty());
}
