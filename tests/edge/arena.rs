//! Blocks that are sent from a file are the bytes they were, whatever becomes of their slots.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::server::{Scripted, Server, pattern, until};

const MIB: usize = 1 << 20;

fn of_objects(count: u64, len: usize, more: &str) -> (Server, Vec<Bytes>) {
    let storage = Arc::new(Scripted::default());
    let objects: Vec<Bytes> = (0..count).map(|seed| pattern(len, seed)).collect();
    for (index, bytes) in objects.iter().enumerate() {
        storage.put(&format!("{index}.m4s"), bytes.clone(), "v1");
    }
    (Server::over(storage, more), objects)
}

/// Asks, and reads no further than the head.
fn ask_and_wait(addr: SocketAddr, path: &str) -> TcpStream {
    let mut peer = TcpStream::connect(addr).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    write!(
        peer,
        "GET {path} HTTP/1.1\r\nhost: caudal.test\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    peer
}

fn read_rest(mut peer: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_gets_its_own_bytes_after_their_slots_are_refilled() {
    let settings = "[cache]\nmemory = \"36MiB\"\narena = \"all\"\n";
    let (server, objects) = of_objects(40, 3 * MIB, settings);
    for index in [0, 1] {
        assert_eq!(
            server.get(&format!("/{index}.m4s")).await.bytes(),
            &objects[index]
        );
    }
    let held = server.metric("caudal_cache_arena_bytes").await;
    assert!(held >= 6.0 * MIB as f64, "{held} bytes in the arena");
    let waiting: Vec<_> = (0..6)
        .map(|n| ask_and_wait(server.addr, &format!("/{}.m4s", n % 2)))
        .collect();
    // What they wait for is evicted and its slots are filled with others' bytes, again and again.
    for round in 0..2 {
        for (index, bytes) in objects.iter().enumerate().skip(2) {
            let answer = server.get(&format!("/{index}.m4s")).await;
            assert_eq!(answer.bytes(), bytes, "round {round}, object {index}");
        }
    }
    assert!(server.metric("caudal_cache_evictions_total").await > 60.0);
    for (n, peer) in waiting.into_iter().enumerate() {
        assert!(read_rest(peer) == objects[n % 2], "waiting client {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_proves_itself_moves_and_is_the_same() {
    let (server, objects) = of_objects(2, 3 * MIB + 100_000, "");
    let arena = || server.metric("caudal_cache_arena_bytes");
    for _ in 0..2 {
        assert_eq!(server.get("/1.m4s").await.bytes(), &objects[1]);
    }
    assert_eq!(arena().await, 0.0, "asked for twice is no proof");
    for _ in 0..10 {
        assert_eq!(server.get("/0.m4s").await.bytes(), &objects[0]);
    }
    until("the blocks have moved", async || {
        arena().await >= 3.0 * MIB as f64
    })
    .await;
    assert_eq!(server.get("/0.m4s").await.bytes(), &objects[0]);
    for (from, to) in [
        (0, 9),
        (5000, 70_000),
        (MIB - 5000, MIB + 5000),
        (MIB, 3 * MIB),
    ] {
        let range = format!("bytes={from}-{to}");
        let answer = server.get_with("/0.m4s", &[("range", &range)]).await;
        assert_eq!(answer.bytes(), &objects[0][from..=to], "{range}");
    }
    let used = server.metric("caudal_cache_bytes").await;
    assert!(
        used < 7.1 * MIB as f64,
        "{used} bytes charged: the copies on the heap are gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_arena_everything_is_copied_and_right() {
    let (server, objects) = of_objects(1, 3 * MIB, "[cache]\narena = \"off\"\n");
    for _ in 0..10 {
        assert_eq!(server.get("/0.m4s").await.bytes(), &objects[0]);
    }
    assert_eq!(server.metric("caudal_cache_arena_bytes").await, 0.0);
}
