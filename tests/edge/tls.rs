//! TLS: who we are by which name, who may come in, and what changes while viewers stay connected.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::server::tls::{Authority, connect};
use crate::server::{Answer, Scripted, Server, ask, pattern, until, whole};

const NAME: &str = "vod.example";

/// Longer than a run, and no multiple of a block: the last record is a short one.
const LEN: usize = 9 << 20 | 4321;

fn object() -> Bytes {
    pattern(LEN, 7)
}

/// A server with a listener for TLS, its second.
fn serving(more: &str) -> Server {
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", object(), "v1");
    storage.put("b.m4s", pattern(1000, 8), "v1");
    Server::over(storage, &format!("[viewer]\nreload = \"50ms\"\n{more}"))
}

fn listener(more: &str) -> String {
    format!("[listener.public]\nlisten = \"127.0.0.1:0\"\n{more}\n")
}

/// An authority with a certificate for [`NAME`], and a server that shows it.
fn simple(more: &str) -> (Authority, Server) {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let listener = listener(&format!("certificates = [\"edge\"]\n{more}"));
    let server = serving(&format!("{}{listener}", authority.section("edge")));
    (authority, server)
}

async fn http1(stream: TlsStream<TcpStream>, path: &str) -> Answer {
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(path).header("host", NAME);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    whole(sender.send_request(request).await.unwrap()).await
}

async fn http2(stream: TlsStream<TcpStream>, path: &str) -> Answer {
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("https://{NAME}{path}"));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    whole(sender.send_request(request).await.unwrap()).await
}

/// What a client that expects `name` is told where it does not come in.
async fn refused(server: &Server, name: &str, config: ClientConfig) -> String {
    let config = Arc::new(config);
    let mut stream = match connect(server.addrs[1], name, &config).await {
        Ok(stream) => stream,
        Err(error) => return error.to_string(),
    };
    // With TLS 1.3 a client that is refused learns of it when it reads.
    let _ = stream.write_all(b"GET /a.m4s HTTP/1.1\r\n\r\n").await;
    stream.read(&mut [0; 16]).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_warns_of_a_certificate_that_has_ended_and_stays_ready() {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair_until(&[NAME], 1, 2021));
    let storage = Arc::new(Scripted::default());
    let listener = "[listener.public]\nlisten = \"127.0.0.1:0\"\ncertificates = [\"edge\"]\n";
    let server = Server::over(storage, &format!("{}{listener}", authority.section("edge")));
    until("the storage is ready", async || {
        let ready = ask(server.admin, http::Method::GET, "/readyz", &[]).await;
        let text = ready.text();
        ready.status == 200 && text.contains("certificate edge: has ended, replace it")
    })
    .await;
    let status = ask(server.admin, http::Method::GET, "/status", &[])
        .await
        .text();
    assert!(
        status.contains("\"certificates\":{\"edge\":{\"ends\":1609459200}}"),
        "{status}"
    );
}

#[tokio::test]
async fn every_byte_arrives_over_either_protocol_and_version() {
    let (authority, server) = simple("");
    for (alpn, version) in [
        ("http/1.1", &rustls::version::TLS13),
        ("http/1.1", &rustls::version::TLS12),
        ("h2", &rustls::version::TLS13),
        ("h2", &rustls::version::TLS12),
    ] {
        let mut config = authority.client_of(&[version]);
        config.alpn_protocols = vec![alpn.into()];
        let stream = connect(server.addrs[1], NAME, &Arc::new(config)).await;
        let stream = stream.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.alpn_protocol(), Some(alpn.as_bytes()));
        let answer = match alpn {
            "h2" => http2(stream, "/a.m4s").await,
            _ => http1(stream, "/a.m4s").await,
        };
        assert_eq!(answer.status, 200, "{alpn}");
        assert!(*answer.bytes() == object(), "{alpn}: a wrong byte");
    }
    let handshakes =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"1.2\",outcome=\"full\"}";
    assert_eq!(server.metric(handshakes).await, 2.0);
}

#[tokio::test]
async fn the_best_that_both_know_is_spoken() {
    let (authority, server) = simple("");
    let offers: [(&[&str], Option<&[u8]>); 3] = [
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["spdy/3", "http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ];
    for (offered, agreed) in offers {
        let config = Arc::new(authority.client(offered, None));
        let stream = connect(server.addrs[1], NAME, &config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
        if agreed.is_none() {
            assert_eq!(http1(stream, "/b.m4s").await.status, 200);
        }
    }
    let told = refused(&server, NAME, authority.client(&["spdy/3"], None)).await;
    assert!(told.contains("NoApplicationProtocol"), "{told}");
    let config = Arc::new(authority.client(&[], None));
    let stream = connect(server.addrs[1], NAME, &config).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group();
    let group = group.unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let authority = Authority::new();
    for (name, names) in [
        ("first", &["first.example"][..]),
        ("wild", &["*.vod.example", "vod.example"]),
    ] {
        authority.write_pair(name, &authority.pair(names, 1));
    }
    let listener = listener("certificates = [\"first\", \"wild\"]");
    let sections = authority.section("first") + &authority.section("wild") + &listener;
    let server = serving(&sections);
    let config = Arc::new(authority.client(&[], None));
    for name in ["first.example", "VOD.example", "a.vod.example"] {
        let stream = connect(server.addrs[1], name, &config).await;
        assert_eq!(http1(stream.unwrap(), "/b.m4s").await.status, 200, "{name}");
    }
    for name in ["other.example", "a.b.vod.example"] {
        let told = refused(&server, name, authority.client(&[], None)).await;
        assert!(told.contains("AccessDenied"), "{name}: {told}");
    }
    let unknown =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"unknown_name\"}";
    assert_eq!(server.metric(unknown).await, 2.0);
    // A health check knows an address and no name. It is shown the first, which is not for an address.
    let told = refused(&server, "127.0.0.1", authority.client(&[], None)).await;
    assert!(told.contains("first.example"), "{told}");
}

#[tokio::test]
async fn a_client_that_comes_back_is_known_again_also_after_the_certificate_was_renewed() {
    let (authority, server) = simple("");
    let config = Arc::new(authority.client(&["http/1.1"], None));
    let kind = async || {
        let mut stream = connect(server.addrs[1], NAME, &config).await.unwrap();
        stream
            .write_all(b"GET /b.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        stream.read_exact(&mut [0; 1100]).await.unwrap();
        stream.get_ref().1.handshake_kind()
    };
    assert_ne!(kind().await, Some(HandshakeKind::Resumed));
    assert_eq!(kind().await, Some(HandshakeKind::Resumed));
    authority.write_pair("edge", &authority.pair(&[NAME], 2));
    loaded(&server, "loaded").await;
    assert_eq!(kind().await, Some(HandshakeKind::Resumed));
}

async fn loaded(server: &Server, outcome: &str) {
    let series = format!("caudal_tls_loads_total{{outcome=\"{outcome}\"}}");
    until(outcome, async || server.metric(&series).await > 0.0).await;
}

fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_nobody_is_dropped_for_it() {
    let (authority, server) = simple("");
    let config = || Arc::new(authority.client(&["http/1.1"], None));
    let stream = connect(server.addrs[1], NAME, &config()).await.unwrap();
    let before = shown(&stream);
    authority.write_pair("edge", &authority.pair(&[NAME], 2));
    loaded(&server, "loaded").await;
    let answer = http1(stream, "/a.m4s").await;
    assert!(
        *answer.bytes() == object(),
        "the connection from before goes on"
    );
    let stream = connect(server.addrs[1], NAME, &config()).await.unwrap();
    assert_ne!(shown(&stream), before);
    let expires =
        server.metric("caudal_certificate_expires_timestamp_seconds{certificate=\"edge\"}");
    assert_eq!(expires.await, 4_733_510_400.0, "the year 2120");
}

#[tokio::test]
async fn what_cannot_be_shown_is_not_and_what_was_shown_before_goes_on() {
    let (authority, server) = simple("");
    let config = || Arc::new(authority.client(&["http/1.1"], None));
    let before = shown(&connect(server.addrs[1], NAME, &config()).await.unwrap());
    // The key of another.
    authority.write("edge.key", &authority.pair(&[NAME], 3).key);
    loaded(&server, "failed").await;
    assert_eq!(
        shown(&connect(server.addrs[1], NAME, &config()).await.unwrap()),
        before
    );
    // One that is over.
    authority.write_pair("edge", &authority.pair_until(&[NAME], 4, 2021));
    let failed = server
        .metric("caudal_tls_loads_total{outcome=\"failed\"}")
        .await;
    let more = async || {
        server
            .metric("caudal_tls_loads_total{outcome=\"failed\"}")
            .await
            > failed + 1.0
    };
    until("it is tried again", more).await;
    assert_eq!(
        shown(&connect(server.addrs[1], NAME, &config()).await.unwrap()),
        before
    );
    assert_eq!(
        server
            .metric("caudal_tls_loads_total{outcome=\"loaded\"}")
            .await,
        0.0
    );
    // And a good one is taken, after all that.
    authority.write_pair("edge", &authority.pair(&[NAME], 5));
    loaded(&server, "loaded").await;
    assert_ne!(
        shown(&connect(server.addrs[1], NAME, &config()).await.unwrap()),
        before
    );
}

#[tokio::test]
async fn what_the_issuer_says_is_stapled() {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let ocsp = authority.write("edge.ocsp", "what the issuer says");
    let section = authority.section("edge") + &format!("ocsp = {ocsp:?}\n");
    let server = serving(&(section + &listener("certificates = [\"edge\"]")));
    let seen = authority.stapled(server.addrs[1], NAME).await;
    assert_eq!(seen, b"what the issuer says");
}

/// A server that only the bearer of a certificate for `cdn.example` may ask.
fn locked(authority: &Authority, more: &str) -> Server {
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let issuers = authority.write("clients.pem", &authority.pem());
    let access =
        "[access.cdn]\nrequire = [\"origin_lock\"]\norigin_lock_identities = [\"cdn.example\"]\n";
    let listener = listener(&format!(
        "certificates = [\"edge\"]\naccess = \"cdn\"\nclient_ca = {issuers:?}\n{more}"
    ));
    serving(&format!("{}{access}{listener}", authority.section("edge")))
}

#[tokio::test]
async fn who_must_show_a_certificate_and_does_not_is_not_spoken_to() {
    let authority = Authority::new();
    let server = locked(&authority, "client_certificate = \"required\"");
    let told = refused(&server, NAME, authority.client(&[], None)).await;
    assert!(told.contains("CertificateRequired"), "{told}");
    let stranger = Authority::new().pair(&["cdn.example"], 9);
    refused(&server, NAME, authority.client(&[], Some(&stranger))).await;
    let bad = "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"bad_client_certificate\"}";
    assert_eq!(server.metric(bad).await, 1.0);
    let cdn = authority.pair(&["cdn.example"], 10);
    let config = Arc::new(authority.client(&[], Some(&cdn)));
    let stream = connect(server.addrs[1], NAME, &config).await.unwrap();
    assert_eq!(http1(stream, "/b.m4s").await.status, 200);
    // Its name is what opens the lock, not that it has a certificate.
    let other = authority.pair(&["other.example"], 11);
    let config = Arc::new(authority.client(&[], Some(&other)));
    let stream = connect(server.addrs[1], NAME, &config).await.unwrap();
    assert_eq!(http1(stream, "/b.m4s").await.status, 403);
    // The listener without TLS has no policy of its own.
    assert_eq!(server.get("/b.m4s").await.status, 200);
}

#[tokio::test]
async fn who_may_show_a_certificate_is_asked_by_the_policy() {
    let authority = Authority::new();
    let server = locked(&authority, "client_certificate = \"optional\"");
    let cdn = authority.pair(&["cdn.example"], 10);
    for (pair, status) in [(None, 403), (Some(&cdn), 200)] {
        let config = Arc::new(authority.client(&["h2"], pair));
        let stream = connect(server.addrs[1], NAME, &config).await.unwrap();
        assert_eq!(http2(stream, "/b.m4s").await.status, status);
    }
}

#[tokio::test]
async fn a_certificate_that_is_withdrawn_opens_nothing_nor_does_its_ticket() {
    let authority = Authority::new();
    let list = authority.write("withdrawn.pem", &authority.withdrawn(&[99]));
    let more = format!("client_certificate = \"required\"\nclient_crls = [{list:?}]");
    let server = locked(&authority, &more);
    let cdn = authority.pair(&["cdn.example"], 10);
    let config = Arc::new(authority.client(&["http/1.1"], Some(&cdn)));
    let ask = async || {
        let mut stream = connect(server.addrs[1], NAME, &config).await?;
        stream
            .write_all(b"GET /b.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
            .await?;
        stream.read_exact(&mut [0; 1100]).await?;
        std::io::Result::Ok(stream.get_ref().1.handshake_kind())
    };
    ask().await.unwrap();
    assert_eq!(ask().await.unwrap(), Some(HandshakeKind::Resumed));
    authority.write("withdrawn.pem", &authority.withdrawn(&[10, 99]));
    loaded(&server, "loaded").await;
    let told = ask().await.unwrap_err().to_string();
    assert!(told.contains("CertificateRevoked"), "{told}");
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut() {
    let (_authority, server) = simple("[server]\nheader_timeout = \"1s\"");
    let mut peer = TcpStream::connect(server.addrs[1]).await.unwrap();
    // The begin of a record that never ends.
    peer.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    let begun = Instant::now();
    let read = tokio::time::timeout(Duration::from_secs(8), peer.read(&mut [0; 64])).await;
    assert!(matches!(read.expect("it is cut"), Ok(0) | Err(_)));
    assert!(begun.elapsed() > Duration::from_millis(900));
    let stalled =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"timeout\"}";
    assert_eq!(server.metric(stalled).await, 1.0);
}

#[tokio::test]
async fn what_is_no_tls_is_answered_with_an_alert() {
    let (_authority, server) = simple("");
    let mut peer = TcpStream::connect(server.addrs[1]).await.unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut told = Vec::new();
    let _ = peer.read_to_end(&mut told).await;
    assert_eq!(told.first(), Some(&21), "an alert: {told:?}");
    let malformed =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"malformed\"}";
    assert_eq!(server.metric(malformed).await, 1.0);
}

#[tokio::test]
async fn a_hello_in_pieces_is_put_together_also_behind_a_proxy_header() {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let listener = listener("certificates = [\"edge\"]");
    let storage = Arc::new(Scripted::default());
    storage.put("b.m4s", pattern(1000, 8), "v1");
    let viewer = "[viewer]\ntrusted_peers = [\"127.0.0.1/32\"]\nproxy_protocol = true\n";
    let sections = format!("{viewer}{}{listener}", authority.section("edge"));
    let server = Server::over(storage, &sections);
    for pieces in [1, 7, 4096] {
        let config = Arc::new(authority.client(&["http/1.1"], None));
        let name = rustls::pki_types::ServerName::try_from(NAME).unwrap();
        let mut session = rustls::ClientConnection::new(config, name).unwrap();
        let mut hello = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n".to_vec();
        session.write_tls(&mut hello).unwrap();
        let mut peer = TcpStream::connect(server.addrs[1]).await.unwrap();
        peer.set_nodelay(true).unwrap();
        for piece in hello.chunks(pieces) {
            peer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = [0; 5];
        peer.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..2], [22, 3], "a server's hello");
    }
}

#[tokio::test]
async fn a_connection_rests_and_comes_back() {
    let (authority, server) = simple("");
    let config = Arc::new(authority.client(&["http/1.1"], None));
    let mut stream = connect(server.addrs[1], NAME, &config).await.unwrap();
    for _ in 0..2 {
        stream
            .write_all(b"GET /b.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let mut body = vec![0; 1000];
        stream.read_exact(&mut body).await.unwrap();
        assert!(body == pattern(1000, 8));
        tokio::time::sleep(Duration::from_millis(1300)).await;
    }
}

#[tokio::test]
async fn only_the_newest_is_spoken_where_that_is_said() {
    let (authority, server) = simple("tls_min = \"1.3\"\nprotocols = [\"http/1.1\"]");
    let told = refused(
        &server,
        NAME,
        authority.client_of(&[&rustls::version::TLS12]),
    )
    .await;
    assert!(told.contains("ProtocolVersion"), "{told}");
    let config = Arc::new(authority.client(&["h2", "http/1.1"], None));
    let stream = connect(server.addrs[1], NAME, &config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(
        stream.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
}
