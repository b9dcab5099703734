//! Handshakes that are none: in crumbs, of another age, by the hundred and never finished.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::tls::{Authority, connect};
use crate::server::{Scripted, Server, pattern, until};

const NAME: &str = "vod.example";

// RFC 8446 sections 5.1 and 6.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const DECODE_ERROR: u8 = 50;
const UNRECOGNIZED_NAME: u8 = 112;
const ACCESS_DENIED: u8 = 49;

fn serving(more: &str) -> (Authority, Server) {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let storage = Arc::new(Scripted::default());
    storage.put("b.m4s", pattern(1000, 8), "v1");
    let listener = "[listener.public]\nlisten = \"127.0.0.1:0\"\ncertificates = [\"edge\"]\n";
    let sections = format!("{}{listener}{more}", authority.section("edge"));
    (authority, Server::over(storage, &sections))
}

/// The records of a client's hello.
fn hello(authority: &Authority, name: &'static str) -> Vec<u8> {
    let config = Arc::new(authority.client(&["http/1.1"], None));
    let name = ServerName::try_from(name).unwrap();
    let mut session = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

/// One message of a handshake, in records of so many bytes each.
fn in_records(message: &[u8], len: usize) -> Vec<u8> {
    let record = |piece: &[u8]| {
        let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
        [&[HANDSHAKE, 3, 1], &length[..], piece].concat()
    };
    message.chunks(len).flat_map(record).collect()
}

/// What a server answers first: the record's kind, and its first two bytes.
async fn answered(server: &Server, bytes: &[u8]) -> (u8, [u8; 2]) {
    let mut peer = TcpStream::connect(server.addrs[1]).await.unwrap();
    // It may be told before it has sent everything.
    let _ = peer.write_all(bytes).await;
    let mut record = [0; 7];
    let read = tokio::time::timeout(Duration::from_secs(10), peer.read_exact(&mut record));
    // What is not there is zero: the end of the connection, without a word.
    drop(read.await.expect("an answer, or the end"));
    (record[0], [record[5], record[6]])
}

async fn goes_on(authority: &Authority, server: &Server) {
    let config = Arc::new(authority.client(&["http/1.1"], None));
    let mut stream = connect(server.addrs[1], NAME, &config).await.unwrap();
    stream
        .write_all(b"GET /b.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_hello_in_many_records_is_put_together() {
    let (authority, server) = serving("");
    let whole = hello(&authority, NAME);
    let message = &whole[5..];
    for len in [1, 3, 100, 1000] {
        let (kind, [message, _]) = answered(&server, &in_records(message, len)).await;
        assert_eq!((kind, message), (HANDSHAKE, 2), "a server's hello: {len}");
    }
    goes_on(&authority, &server).await;
}

#[tokio::test]
async fn records_that_say_nothing_are_not_waited_for_without_end() {
    let (authority, server) = serving("[server]\nheader_timeout = \"1s\"\n");
    let empty: Vec<u8> = [HANDSHAKE, 3, 1, 0, 0].repeat(10_000);
    let mut peer = TcpStream::connect(server.addrs[1]).await.unwrap();
    let _ = peer.write_all(&empty).await;
    let begun = Instant::now();
    let mut told = Vec::new();
    let ends = tokio::time::timeout(Duration::from_secs(8), peer.read_to_end(&mut told));
    let _ = ends.await.expect("it is cut");
    assert!(begun.elapsed() < Duration::from_secs(4));
    goes_on(&authority, &server).await;
}

/// A hello of TLS 1.1, 1.0 or SSL 3, as programs of their time sent it: a version, a random, no session, suites, no
/// compression.
fn of_old(minor: u8) -> Vec<u8> {
    let suites = [0x00, 0x2f, 0x00, 0x35, 0xc0, 0x13, 0xc0, 0x09];
    let body = [
        &[3, minor][..],
        &[7; 32],
        &[0],
        &[0, suites.len() as u8],
        &suites,
        &[1, 0],
    ]
    .concat();
    let message = [&[1, 0, 0, body.len() as u8], &body[..]].concat();
    in_records(&message, message.len())
}

#[tokio::test]
async fn what_is_older_than_1_2_is_refused_with_an_alert() {
    let (authority, server) = serving("");
    for minor in [0, 1, 2] {
        let (kind, [level, told]) = answered(&server, &of_old(minor)).await;
        // The suites and signatures of their time alone would be enough to refuse them for.
        assert_eq!((kind, level), (ALERT, 2), "3.{minor}");
        assert!(
            [PROTOCOL_VERSION, HANDSHAKE_FAILURE].contains(&told),
            "3.{minor}: {told}"
        );
    }
    goes_on(&authority, &server).await;
}

#[tokio::test]
async fn hellos_that_are_broken_are_answered_with_an_alert() {
    let (authority, server) = serving("");
    let whole = hello(&authority, NAME);
    let message = &whole[5..];
    // It ends before its extensions do.
    let mut cut = message[..200].to_vec();
    cut[1..4].copy_from_slice(&[0, 0, 196]);
    let answer = answered(&server, &in_records(&cut, 200)).await;
    assert_eq!(answer, (ALERT, [2, DECODE_ERROR]));
    let (kind, [_, told]) = answered(&server, &hello(&authority, "other.example")).await;
    assert!(
        kind == ALERT && [UNRECOGNIZED_NAME, ACCESS_DENIED].contains(&told),
        "{told}"
    );
    goes_on(&authority, &server).await;
}

#[tokio::test]
async fn a_flood_of_handshakes_that_stall_keeps_nobody_out() {
    const FLOOD: usize = 300;
    let (authority, server) = serving("[server]\nheader_timeout = \"3s\"\n");
    let whole = hello(&authority, NAME);
    let mut stalled = Vec::new();
    for nth in 0..FLOOD {
        let mut peer = TcpStream::connect(server.addrs[1]).await.unwrap();
        // Some say nothing, some not enough, some nothing more.
        let said = [0, 100, whole.len()][nth % 3];
        peer.write_all(&whole[..said]).await.unwrap();
        stalled.push(peer);
    }
    goes_on(&authority, &server).await;
    let timeouts =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"timeout\"}";
    assert_eq!(
        server.metric(timeouts).await,
        0.0,
        "it was within the flood"
    );
    let gone = async || server.metric("caudal_connections_open").await == 0.0;
    until("all are cut", gone).await;
    goes_on(&authority, &server).await;
}

/// Handshakes hold connections, so there are never more of them than of those.
#[tokio::test]
async fn handshakes_are_bounded_as_connections_are() {
    let more = "[server]\nworkers = 1\nmax_connections = 10\nheader_timeout = \"2s\"\n";
    let (authority, server) = serving(more);
    let mut stalled = Vec::new();
    for _ in 0..30 {
        stalled.push(TcpStream::connect(server.addrs[1]).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let open = server.metric("caudal_connections_open").await;
    assert!(open <= 10.0, "{open}");
    // They are cut in their turn, and then somebody gets in.
    let begun = Instant::now();
    tokio::time::timeout(Duration::from_secs(15), goes_on(&authority, &server))
        .await
        .expect("somebody gets in");
    assert!(
        begun.elapsed() > Duration::from_millis(500),
        "there was room"
    );
}
