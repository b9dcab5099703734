//! HTTP/3: the same answers, from clients that move, and from those that take nothing.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use caudal::app::Stopped;
use http::HeaderMap;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::task::JoinHandle;

use crate::server::tls::{Authority, Pair, connect};
use crate::server::{Scripted, Server, pattern, whole};

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
        let tls = authority.client(&["h3"], pair);
        let tls = QuicClientConfig::try_from(tls).unwrap();
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
        let quic = endpoint.connect(addr, NAME).unwrap().await;
        let quic = quic.map_err(|error| error.to_string())?;
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
        "caudal_tls_handshakes_total{listener=\"public\",version=\"1.3\",outcome=\"full\"}";
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
