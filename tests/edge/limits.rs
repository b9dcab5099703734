//! What bounds the connections of one listener, and viewers that take too little.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::server::{Scripted, Server, ask, pattern};

const MIB: usize = 1 << 20;

fn serving(more: &str) -> Server {
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", pattern(24 * MIB, 1), "v1");
    storage.put("b.m4s", pattern(100, 2), "v1");
    Server::over(storage, more)
}

/// How long a connection with half a head is left open, two seconds at most.
async fn patience(addr: std::net::SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET /b.m4s HTTP/1.1\r\n").await.unwrap();
    let begun = Instant::now();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_has_limits_of_its_own() {
    let strict = "[listener.strict]\nlisten = \"127.0.0.1:0\"\nprotocols = [\"http/1.1\"]\n\
                  header_timeout = \"300ms\"\nmax_connections = 1\nheader_size = \"8KiB\"\n";
    let server = serving(strict);
    let [all, strict] = server.addrs[..] else {
        panic!("two listeners")
    };
    assert!(patience(strict).await < Duration::from_secs(1));
    assert!(patience(all).await >= Duration::from_secs(2));
    let long = "x".repeat(12_000);
    let get = async |addr| ask(addr, http::Method::GET, "/b.m4s", &[("x-long", &long)]).await;
    assert_eq!(get(all).await.status, 200);
    assert_eq!(get(strict).await.status, 431);
    // While somebody holds its one place, others wait; those of the other listener do not.
    let mut held = TcpStream::connect(strict).await.unwrap();
    let head = b"HEAD /b.m4s HTTP/1.1\r\nHost: x\r\n\r\n";
    held.write_all(head).await.unwrap();
    // At rest it may stay, where one that never asks is soon cut.
    assert!(held.read(&mut [0; 4096]).await.unwrap() > 0);
    let waits = ask(strict, http::Method::GET, "/b.m4s", &[]);
    let waits = tokio::spawn(waits);
    assert_eq!(ask(all, http::Method::GET, "/b.m4s", &[]).await.status, 200);
    assert!(!waits.is_finished());
    drop(held);
    let waited = tokio::time::timeout(Duration::from_secs(10), waits);
    assert_eq!(waited.await.expect("its turn").unwrap().status, 200);
}

/// Reads so much every tenth of a second, through a buffer of that size, until the end or for ten seconds; what it got.
async fn reads(server: &Server, piece: usize) -> usize {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .set_recv_buffer_size(u32::try_from(piece).unwrap())
        .unwrap();
    let mut stream = socket.connect(server.addr).await.unwrap();
    let get = b"GET /a.m4s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(get).await.unwrap();
    let (begun, mut got, mut buf) = (Instant::now(), 0, vec![0; piece]);
    while begun.elapsed() < Duration::from_secs(10) {
        match stream.read(&mut buf).await {
            Ok(0) | Err(_) => break,
            Ok(read) => got += read,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_takes_a_byte_now_and_then_is_cut() {
    let server = serving("[server]\nwrite_stall = \"2s\"\nmin_rate = \"64KiB\"\n");
    let cut = async || {
        let slow = server.metric("caudal_connections_closed_total{reason=\"slow_reader\"}");
        let stalled = server.metric("caudal_connections_closed_total{reason=\"write_stall\"}");
        slow.await + stalled.await
    };
    let got = reads(&server, 64).await;
    assert!(got < MIB, "{got} bytes");
    assert_eq!(cut().await, 1.0);
    // A viewer that is slow, but not that slow.
    assert!(reads(&server, MIB).await > 8 * MIB);
    assert_eq!(cut().await, 1.0);
}
