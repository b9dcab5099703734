//! HTTP/3: the same answers, from clients that move, and from those that take nothing.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use caudal::app::Stopped;
use http::HeaderMap;
use quinn::TransportConfig;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::task::JoinHandle;

use crate::server::tls::{Authority, Pair, connect};
use crate::server::{Scripted, Server, pattern, until, whole};

pub(super) const NAME: &str = "vod.example";

const LEN: usize = 9 << 20 | 4321;

fn object() -> Bytes {
    pattern(LEN, 7)
}

/// A server with a listener for HTTP/3, its second.
pub(super) fn serving(more: &str) -> (Authority, Arc<Scripted>, Server) {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", object(), "v1");
    storage.put("b.m4s", pattern(1000, 8), "v1");
    let listener = "[listener.public]\nlisten = \"127.0.0.1:0\"\ncertificates = [\"edge\"]\n\
                    protocols = [\"h3\", \"h2\", \"http/1.1\"]\n";
    let issuers = authority.write("clients.pem", &authority.pem());
    let more = more.replace("{issuers}", issuers.to_str().unwrap());
    let sections = format!("{}{listener}{more}", authority.section("edge"));
    let server = Server::over(storage.clone(), &sections);
    (authority, storage, server)
}

pub(super) struct Client {
    endpoint: quinn::Endpoint,
    pub(super) quic: quinn::Connection,
    sender: h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
    driver: JoinHandle<h3::error::ConnectionError>,
}

impl Client {
    pub(super) async fn connect(
        authority: &Authority,
        addr: SocketAddr,
        pair: Option<&Pair>,
    ) -> Result<Self, String> {
        let (endpoint, quic) = dial(authority, addr, pair, TransportConfig::default()).await?;
        Self::over(endpoint, quic).await
    }

    /// Speaks HTTP/3 over a connection.
    async fn over(endpoint: quinn::Endpoint, quic: quinn::Connection) -> Result<Self, String> {
        let carried = h3_quinn::Connection::new(quic.clone());
        let (mut driver, sender) = h3::client::new(carried)
            .await
            .map_err(|error| error.to_string())?;
        let driver = tokio::spawn(async move { driver.wait_idle().await });
        Ok(Self {
            endpoint,
            quic,
            sender,
            driver,
        })
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<(u16, HeaderMap, Vec<u8>), String> {
        self.get_with(path, async || {}).await
    }

    /// Does something after every piece of the body.
    async fn get_with(
        &mut self,
        path: &str,
        between: impl AsyncFn(),
    ) -> Result<(u16, HeaderMap, Vec<u8>), String> {
        let told = |error: h3::error::StreamError| error.to_string();
        let request = http::Request::get(format!("https://{NAME}{path}"))
            .body(())
            .unwrap();
        let mut stream = self.sender.send_request(request).await.map_err(told)?;
        stream.finish().await.map_err(told)?;
        let head = stream.recv_response().await.map_err(told)?;
        let mut body = Vec::new();
        while let Some(mut piece) = stream.recv_data().await.map_err(told)? {
            while piece.has_remaining() {
                let chunk = piece.chunk();
                body.extend_from_slice(chunk);
                let len = chunk.len();
                piece.advance(len);
            }
            between().await;
        }
        Ok((head.status().as_u16(), head.headers().clone(), body))
    }
}

/// A connection that nothing is said on yet.
async fn dial(
    authority: &Authority,
    addr: SocketAddr,
    pair: Option<&Pair>,
    transport: TransportConfig,
) -> Result<(quinn::Endpoint, quinn::Connection), String> {
    let tls = authority.client(&["h3"], pair);
    let tls = QuicClientConfig::try_from(tls).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(config);
    let quic = endpoint.connect(addr, NAME).unwrap().await;
    Ok((endpoint, quic.map_err(|error| error.to_string())?))
}

#[tokio::test]
async fn every_byte_arrives() {
    let (authority, _storage, server) = serving("");
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    for _ in 0..2 {
        let (status, headers, body) = client.get("/a.m4s").await.unwrap();
        assert_eq!(status, 200);
        assert_eq!(headers["content-length"], LEN.to_string());
        assert!(
            headers.contains_key("cache-status")
                && headers.contains_key("access-control-allow-origin")
        );
        assert!(body == object(), "a wrong byte");
    }
    let (status, _, _) = client.get("/absent.m4s").await.unwrap();
    assert_eq!(status, 404);
    let handshakes =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"1.3\",outcome=\"agreed\"}";
    assert_eq!(server.metric(handshakes).await, 1.0);
    assert_eq!(server.metric("caudal_connections_open").await, 1.0);
}

#[tokio::test]
async fn clients_learn_of_it_over_tcp() {
    let (authority, _storage, server) = serving("");
    let config = Arc::new(authority.client(&["http/1.1"], None));
    let stream = connect(server.addrs[1], NAME, &config).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/b.m4s").header("host", NAME);
    let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
    let answer = whole(sender.send_request(request).await.unwrap()).await;
    let told = format!("h3=\":{}\"; ma=86400", server.addrs[1].port());
    assert_eq!(answer.header("alt-svc"), told);
    assert_eq!(
        server.get("/b.m4s").await.header("alt-svc"),
        "",
        "there is no TLS to begin with"
    );
}

/// With several workers most new ports of a client are dealt to another worker than the one that has its connection.
#[tokio::test]
async fn a_client_that_moves_is_served_on() {
    let (authority, _storage, server) = serving("[server]\nworkers = 4\n");
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    let (endpoint, quic) = (client.endpoint.clone(), client.quic.clone());
    for _ in 0..8 {
        let moves = async || {
            if rand_bit() {
                endpoint
                    .rebind(UdpSocket::bind("127.0.0.1:0").unwrap())
                    .unwrap();
            }
        };
        moves().await;
        let (status, _, body) = client.get("/a.m4s").await.unwrap();
        assert_eq!(status, 200);
        assert!(body == object(), "a wrong byte");
    }
    assert!(quic.close_reason().is_none());
    assert_eq!(server.metric("caudal_connections_total").await, 1.0);
}

/// Not random: every other one.
fn rand_bit() -> bool {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
}

#[tokio::test]
async fn names_in_a_clients_certificate_open_a_lock() {
    let lock = "access = \"cdn\"\nclient_certificate = \"required\"\nclient_ca = \"{issuers}\"\n\
                [access.cdn]\nrequire = [\"origin_lock\"]\norigin_lock_identities = [\"cdn.example\"]\n";
    let (authority, _storage, server) = serving(lock);
    for (name, status) in [("cdn.example", 200), ("other.example", 403)] {
        let pair = authority.pair(&[name], 9);
        let mut client = Client::connect(&authority, server.addrs[1], Some(&pair))
            .await
            .unwrap();
        assert_eq!(client.get("/b.m4s").await.unwrap().0, status, "{name}");
    }
    let mut without = Client::connect(&authority, server.addrs[1], None).await;
    let told = match &mut without {
        Err(told) => told.clone(),
        Ok(client) => client.get("/b.m4s").await.unwrap_err(),
    };
    assert!(!told.is_empty());
}

#[tokio::test]
async fn a_drain_lets_a_viewer_finish() {
    let (authority, storage, server) = serving("");
    storage.close_gate();
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    let getting = tokio::spawn(async move {
        let got = client.get("/a.m4s").await;
        (client, got)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    storage.open_gate();
    let (client, got) = getting.await.unwrap();
    let (status, _, body) = got.unwrap();
    assert_eq!(status, 200);
    assert!(body == object(), "a wrong byte");
    drop(client.sender);
    client.driver.await.unwrap();
    assert_eq!(stopping.await.unwrap(), Stopped::Drained);
}

/// The next frame of a stream whose frames are short: its type and what it holds (RFC 9114 section 7.1).
async fn frame(stream: &mut quinn::RecvStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    assert!(head.iter().all(|byte| *byte < 64), "{head:?} is longer");
    let mut held = vec![0; head[1].into()];
    stream.read_exact(&mut held).await.unwrap();
    (head[0], held)
}

#[tokio::test]
async fn a_drain_says_which_requests_are_answered_still() {
    let (authority, storage, server) = serving("");
    storage.close_gate();
    let (_endpoint, quic) = dial(
        &authority,
        server.addrs[1],
        None,
        TransportConfig::default(),
    )
    .await
    .unwrap();
    let mut control = quic.open_uni().await.unwrap();
    // A control stream, with settings that set nothing.
    control.write_all(&[0, 4, 0]).await.unwrap();
    let (mut asking, mut answer) = quic.open_bi().await.unwrap();
    // GET https, the authority and the path by their names in QPACK's static table (RFC 9204 appendix A).
    let mut head = vec![0, 0, 0xd1, 0xd7];
    for (name, value) in [(0x50, NAME), (0x51, "/b.m4s")] {
        head.extend([name, value.len() as u8]);
        head.extend(value.bytes());
    }
    let request = [&[1, head.len() as u8], &head[..]].concat();
    asking.write_all(&request).await.unwrap();
    asking.finish().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    let mut told = loop {
        let mut stream = quic.accept_uni().await.unwrap();
        let mut kind = [0];
        stream.read_exact(&mut kind).await.unwrap();
        if kind == [0] {
            break stream;
        }
    };
    assert_eq!(frame(&mut told).await.0, 4, "settings come first");
    // From the second request on they may be asked for elsewhere: the first, stream 0, is under way (section 5.2).
    assert_eq!(frame(&mut told).await, (7, vec![4]));
    storage.open_gate();
    assert!(answer.read_to_end(1 << 20).await.unwrap().len() > 1000);
    drop(quic);
    assert_eq!(stopping.await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_who_asks_nothing() {
    let (authority, _storage, server) = serving("");
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    assert_eq!(client.get("/b.m4s").await.unwrap().0, 200);
    let begun = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    let told = client.quic.closed().await;
    assert!(told.to_string().contains("256"), "H3_NO_ERROR: {told}");
    assert_eq!(stopping.await.unwrap(), Stopped::Drained);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

/// Passes datagrams on between one client and a server, and keeps the client's.
async fn relay(server: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (at, kept) = (
        socket.local_addr().unwrap(),
        Arc::<Mutex<Vec<Vec<u8>>>>::default(),
    );
    let keep = kept.clone();
    tokio::spawn(async move {
        let (mut buf, mut client) = (vec![0; 65536], None);
        loop {
            let (len, from) = socket.recv_from(&mut buf).await.unwrap();
            let to = if from == server {
                client
            } else {
                client = Some(from);
                keep.lock().unwrap().push(buf[..len].to_vec());
                Some(server)
            };
            if let Some(to) = to {
                let _ = socket.send_to(&buf[..len], to).await;
            }
        }
    });
    (at, kept)
}

#[tokio::test]
async fn a_client_that_comes_back_asks_with_its_first_packet_and_nobody_asks_it_again() {
    let (authority, _storage, server) = serving("early_data = true\n");
    let (addr, kept) = relay(server.addrs[1]).await;
    let mut tls = authority.client(&["h3"], None);
    tls.enable_early_data = true;
    let tls = QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
    let asked = server.metric("caudal_requests_total").await;
    let first = endpoint.connect(addr, NAME).unwrap();
    assert!(first.into_0rtt().is_err(), "there is no session yet");
    let first = endpoint.connect(addr, NAME).unwrap().await.unwrap();
    let mut client = Client::over(endpoint.clone(), first).await.unwrap();
    assert_eq!(client.get("/b.m4s").await.unwrap().0, 200);
    client.quic.close(0u32.into(), b"");
    // The client's first flight, and what is recorded of it from here on.
    kept.lock().unwrap().clear();
    let Ok((early, accepted)) = endpoint.connect(addr, NAME).unwrap().into_0rtt() else {
        panic!("the client has no session to come back on");
    };
    let mut client = Client::over(endpoint.clone(), early).await.unwrap();
    let (status, _, body) = client.get("/b.m4s").await.unwrap();
    assert_eq!((status, body.len()), (200, 1000));
    assert!(accepted.await, "the server took no early data");
    let answered = server.metric("caudal_requests_total").await - asked;
    assert_eq!(answered, 2.0);
    // Until the connection is forgotten its packets are its own, whoever sends them.
    client.quic.close(0u32.into(), b"");
    until("the connection is over", async || {
        server.metric("caudal_connections_open").await == 0.0
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Somebody who has recorded it sends it once more: its session is taken, so nothing of it is an early request.
    let replayed = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let flight = kept.lock().unwrap().clone();
    for datagram in flight {
        replayed.send_to(&datagram, server.addrs[1]).await.unwrap();
    }
    let mut buf = vec![0; 65536];
    let heard = tokio::time::timeout(Duration::from_secs(5), replayed.recv_from(&mut buf));
    heard
        .await
        .expect("the server answers the handshake")
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answered = server.metric("caudal_requests_total").await - asked;
    assert_eq!(answered, 2.0, "a replayed request was answered");
}

#[tokio::test]
async fn what_is_not_safe_waits_for_the_handshake() {
    let (authority, _storage, server) = serving("early_data = true\n");
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    let request = http::Request::post(format!("https://{NAME}/b.m4s"))
        .body(())
        .unwrap();
    let mut stream = client.sender.send_request(request).await.unwrap();
    stream.finish().await.unwrap();
    let status = stream.recv_response().await.unwrap().status().as_u16();
    // 425 where it came before, 405 as ever where it came after.
    assert!(status == 425 || status == 405, "{status}");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_answer() {
    let (authority, _storage, server) = serving("[server]\nwrite_stall = \"1s\"\n");
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    let begun = Instant::now();
    let stalls = async || {
        if begun.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    };
    let got = client.get_with("/a.m4s", stalls).await;
    assert!(
        got.is_err(),
        "{:?}",
        got.map(|(status, _, body)| (status, body.len()))
    );
    assert_eq!(
        server
            .metric("caudal_connections_closed_total{reason=\"write_stall\"}")
            .await,
        1.0
    );
    // The connection is good for another.
    assert_eq!(client.get("/b.m4s").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_reader_that_takes_not_even_a_head_loses_its_answer() {
    let (authority, _storage, server) = serving("[server]\nwrite_stall = \"1s\"\n");
    let mut transport = TransportConfig::default();
    // Room for settings, each stream on its own, and for part of a head.
    transport.stream_receive_window(quinn::VarInt::from_u32(64));
    let (endpoint, quic) = dial(&authority, server.addrs[1], None, transport)
        .await
        .unwrap();
    let mut client = Client::over(endpoint, quic).await.unwrap();
    let request = http::Request::get(format!("https://{NAME}/b.m4s"));
    let request = request.body(()).unwrap();
    let mut asked = client.sender.send_request(request).await.unwrap();
    asked.finish().await.unwrap();
    let stalled = "caudal_connections_closed_total{reason=\"write_stall\"}";
    let all = async || server.metric(stalled).await == 1.0;
    until("its answer is given up", all).await;
}

#[tokio::test]
async fn who_grants_no_stream_for_settings_is_not_waited_for() {
    let (authority, _storage, server) = serving("[server]\nheader_timeout = \"1s\"\n");
    let mut transport = TransportConfig::default();
    transport.max_concurrent_uni_streams(quinn::VarInt::from_u32(0));
    let (_endpoint, quic) = dial(&authority, server.addrs[1], None, transport)
        .await
        .unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(10), quic.closed());
    waited.await.expect("it is told to go");
}
