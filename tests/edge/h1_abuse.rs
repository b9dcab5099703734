//! HTTP/1.1 from peers that hurry, dawdle or never finish, over TLS and without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::tls::{Authority, connect};
use crate::server::{Scripted, Server, pattern, until};

const NAME: &str = "vod.example";

/// Objects that are told apart.
const OBJECTS: u64 = 10;
const PIPELINED: u64 = 1000;

/// A server with a listener for TLS, its second, and objects `/0.m4s` to `/9.m4s`.
fn serving(len: usize, more: &str) -> (Authority, Server) {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let storage = Arc::new(Scripted::default());
    for number in 0..OBJECTS {
        storage.put(&format!("{number}.m4s"), pattern(len, number), "v1");
    }
    let listener = "[listener.public]\nlisten = \"127.0.0.1:0\"\ncertificates = [\"edge\"]\n";
    let sections = format!("{}{listener}{more}", authority.section("edge"));
    (authority, Server::over(storage, &sections))
}

/// A connection, with TLS or without.
trait Conn: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Conn for T {}

async fn reach(authority: &Authority, server: &Server, tls: bool) -> Box<dyn Conn> {
    if !tls {
        return Box::new(TcpStream::connect(server.addr).await.unwrap());
    }
    let config = Arc::new(authority.client(&["http/1.1"], None));
    Box::new(connect(server.addrs[1], NAME, &config).await.unwrap())
}

/// Asks for all at once, before anything is read.
async fn ask_for_all(peer: &mut dyn Conn) {
    let request = |nth| {
        format!(
            "GET /{}.m4s HTTP/1.1\r\nHost: {NAME}\r\n\r\n",
            nth % OBJECTS
        )
    };
    let requests: String = (0..PIPELINED).map(request).collect();
    peer.write_all(requests.as_bytes()).await.unwrap();
}

/// Reads one answer: its body, which is as long as it says.
async fn answer(peer: &mut (impl AsyncRead + Unpin)) -> Bytes {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    peer.read_exact(&mut body).await.unwrap();
    body.into()
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_answered_in_their_order() {
    let (authority, server) = serving(1000, "");
    for tls in [false, true] {
        let mut peer = reach(&authority, &server, tls).await;
        ask_for_all(&mut peer).await;
        let mut peer = tokio::io::BufReader::new(peer);
        for nth in 0..PIPELINED {
            let body = answer(&mut peer).await;
            assert!(body == pattern(1000, nth % OBJECTS), "tls: {tls}, {nth}");
        }
    }
}

/// 62 MiB are asked for, and nobody reads: they wait as requests, not as answers.
#[tokio::test]
async fn a_thousand_requests_that_nobody_reads_the_answers_of_hold_little() {
    const LEN: usize = 64 << 10;
    let (authority, server) = serving(LEN, "");
    for number in 0..OBJECTS {
        server.get(&format!("/{number}.m4s")).await;
    }
    for tls in [false, true] {
        let mut peer = reach(&authority, &server, tls).await;
        let before = resident();
        ask_for_all(&mut peer).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let grown = resident().saturating_sub(before);
        assert!(grown < 8 << 20, "tls: {tls}: {} KiB more", grown >> 10);
        let mut peer = tokio::io::BufReader::with_capacity(1 << 20, peer);
        for nth in 0..PIPELINED {
            let body = answer(&mut peer).await;
            assert!(body == pattern(LEN, nth % OBJECTS), "tls: {tls}, {nth}");
        }
    }
}

/// Resident bytes of this process, the server's and the test's: each test has a process of its own.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

/// Sends `bytes`, and waits until the server ends the connection.
async fn cut_after(peer: &mut dyn Conn, bytes: &[u8]) -> Duration {
    peer.write_all(bytes).await.unwrap();
    let begun = Instant::now();
    let mut told = Vec::new();
    let ends = tokio::time::timeout(Duration::from_secs(10), peer.read_to_end(&mut told));
    let _ = ends.await.expect("the connection is cut");
    begun.elapsed()
}

#[tokio::test]
async fn a_slow_head_is_cut_also_behind_tls() {
    let (authority, server) = serving(1000, "[server]\nheader_timeout = \"1s\"\n");
    for tls in [false, true] {
        let mut peer = reach(&authority, &server, tls).await;
        let took = cut_after(&mut peer, b"GET /0.m4s HTTP/1.1\r\nHo").await;
        assert!(took > Duration::from_millis(700), "tls: {tls}: {took:?}");
    }
}

/// A byte now and then is not enough: what counts is when the whole was to be there.
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_at_its_time() {
    let (authority, server) = serving(1000, "[server]\nheader_timeout = \"1s\"\n");
    for tls in [false, true] {
        let peer = reach(&authority, &server, tls).await;
        let (mut reads, mut writes) = tokio::io::split(peer);
        let begun = Instant::now();
        let drips = async {
            for byte in b"GET /0.m4s HTTP/1.1\r\nHost: vod.example\r\n"
                .iter()
                .cycle()
            {
                if writes.write_all(&[*byte]).await.is_err() {
                    return;
                }
                let _ = writes.flush().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let mut told = Vec::new();
        let ends = tokio::time::timeout(Duration::from_secs(10), reads.read_to_end(&mut told));
        tokio::select! {
            ended = ends => drop(ended.expect("it is cut")),
            () = drips => {}
        }
        // A head that dawdles may be put away once, a second after it began.
        assert!(begun.elapsed() < Duration::from_secs(5), "tls: {tls}");
        assert!(!told.starts_with(b"HTTP/1.1 200"), "tls: {tls}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (authority, server) = serving(1000, "[server]\nbody_timeout = \"1s\"\n");
    for tls in [false, true] {
        let mut peer = reach(&authority, &server, tls).await;
        let begun = b"GET /0.m4s HTTP/1.1\r\nHost: vod.example\r\nContent-Length: 1000\r\n\r\nsome";
        let took = cut_after(&mut peer, begun).await;
        assert!(took < Duration::from_secs(5), "tls: {tls}: {took:?}");
    }
    let gone = async || server.metric("caudal_connections_open").await == 0.0;
    until("nobody is left", gone).await;
}

/// What `make compare ARGS="--only beset"` does with ten thousand and two thousand.
#[tokio::test(flavor = "multi_thread")]
async fn idle_and_slow_connections_keep_nobody_from_being_served() {
    const LEN: usize = 1 << 20;
    // Nobody is cut for being slow here: all are to be there to the end.
    let more = "[server]\nheader_timeout = \"1m\"\nwrite_stall = \"1m\"\n";
    let (authority, server) = serving(LEN, more);
    let mut idle = Vec::new();
    for nth in 0..500 {
        idle.push(reach(&authority, &server, nth % 2 == 0).await);
    }
    let mut slow = Vec::new();
    for nth in 0..100 {
        let mut peer = reach(&authority, &server, nth % 2 == 0).await;
        let request = format!("GET /{}.m4s HTTP/1.1\r\nHost: x\r\n", nth % OBJECTS);
        peer.write_all(request.as_bytes()).await.unwrap();
        // A half of them never ends the head, a half takes a byte of the answer a second.
        if nth % 4 < 2 {
            peer.write_all(b"\r\n").await.unwrap();
        }
        slow.push((peer, nth % 4 < 2));
    }
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    let creep = tokio::spawn(async move {
        while !told.load(Ordering::Relaxed) {
            for (peer, takes) in &mut slow {
                let mut byte = [0];
                match takes {
                    true => drop(peer.read_exact(&mut byte).await.unwrap()),
                    false => peer.write_all(b"x").await.unwrap(),
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        slow
    });
    for nth in 0..200 {
        let number = nth % OBJECTS;
        let answer = server.get(&format!("/{number}.m4s")).await;
        assert!(*answer.bytes() == pattern(LEN, number), "{nth}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    assert!(!creep.is_finished(), "nobody was cut meanwhile");
    assert_eq!(server.metric("caudal_connections_open").await, 600.0);
    over.store(true, Ordering::Relaxed);
    drop(creep.await.unwrap());
    for peer in &mut idle {
        peer.write_all(b"GET /7.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 12];
        peer.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
}
