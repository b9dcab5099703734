//! Connections and the process: limits, the drain, the admin plane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use caudal::app::{App, Extras, Stopped};
use caudal::config::Config;
use caudal::storage::Error;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Scripted, Server, connect, pattern, until};

const MIB: usize = 1 << 20;

fn serving(len: usize, more: &str) -> (Arc<Scripted>, Server) {
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", pattern(len, 1), "v1");
    (storage.clone(), Server::over(storage, more))
}

/// What comes back until the peer closes, and how long that took.
async fn raw(server: &Server, bytes: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let begun = Instant::now();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    (
        String::from_utf8_lossy(&answer).into_owned(),
        begun.elapsed(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_a_viewer_finish_and_refuses_new_ones() {
    let (storage, server) = serving(4 * MIB, "");
    storage.close_gate();
    let get = http::Request::get("/a.m4s")
        .header("host", "x")
        .body(http_body_util::Empty::new())
        .unwrap();
    let response = connect(server.addr).await.send_request(get).await.unwrap();
    let (addr, admin) = (server.addr, server.admin);
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    until("new connections are refused", async || {
        TcpStream::connect(addr).await.is_err()
    })
    .await;
    let ready = crate::server::ask(admin, http::Method::GET, "/readyz", &[]).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().contains("the process is stopping"));
    storage.open_gate();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        pattern(4 * MIB, 1)
    );
    assert_eq!(stopping.await.unwrap(), Stopped::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_and_an_idle_connection_are_cut_each_at_its_time() {
    let more = "[server]\nheader_timeout = \"300ms\"\nidle_timeout = \"3s\"\n";
    let (_storage, server) = serving(1000, more);
    let (answer, after) = raw(&server, b"GET /a.m4s HTTP/1.1\r\nHost: x\r\n").await;
    assert!(!answer.contains("200 OK"));
    assert!(
        after >= Duration::from_millis(250) && after < Duration::from_millis(2800),
        "{after:?}"
    );
    let (answer, after) = raw(&server, b"GET /a.m4s HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.contains("200 OK"));
    assert!(
        after >= Duration::from_millis(2800) && after < Duration::from_secs(9),
        "{after:?}"
    );
    assert_eq!(
        server
            .metric("caudal_connections_closed_total{reason=\"header_timeout\"}")
            .await,
        1.0
    );
    assert_eq!(
        server
            .metric("caudal_connections_closed_total{reason=\"idle_timeout\"}")
            .await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_kept_alive_outlives_the_header_timeout() {
    let more = "[server]\nheader_timeout = \"200ms\"\nidle_timeout = \"5s\"\n";
    let (_storage, server) = serving(1000, more);
    let mut sender = connect(server.addr).await;
    for _ in 0..3 {
        let get = http::Request::get("/a.m4s")
            .header("host", "x")
            .body(http_body_util::Empty::new())
            .unwrap();
        let response = sender.send_request(get).await.unwrap();
        assert_eq!(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .len(),
            1000
        );
        tokio::time::sleep(Duration::from_millis(350)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_that_goes_on_reading_is_not_idle() {
    let text = format!(
        "#EXTM3U\n{}",
        "#a line of a playlist that is long\n".repeat(200_000)
    );
    let storage = Arc::new(Scripted::default());
    storage.put("m.m3u8", text.clone().into(), "v1");
    let server = Server::over(storage, "[server]\nidle_timeout = \"300ms\"\n");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut stream = socket.connect(server.addr).await.unwrap();
    stream
        .write_all(b"GET /m.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let (mut got, mut piece) = (0, vec![0; 128 * 1024]);
    while got < text.len() {
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "cut after {got} of {} bytes", text.len());
        got += read;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_cut() {
    let (_storage, server) = serving(32 * MIB, "[server]\nwrite_stall = \"300ms\"\n");
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream
        .write_all(b"GET /a.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    until("the reader is cut", async || {
        server
            .metric("caudal_connections_closed_total{reason=\"write_stall\"}")
            .await
            == 1.0
    })
    .await;
    assert_eq!(server.metric("caudal_requests_in_flight").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requests_body_is_never_taken_for_a_request() {
    let (_storage, server) = serving(10, "[server]\nbody_timeout = \"300ms\"\n");
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!(
        "GET /a.m4s HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let next = "GET /a.m4s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (answer, _) = raw(&server, format!("{request}{next}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!(!answer.contains("404"));
    // One that never comes is answered all the same, and the connection closed.
    let (answer, after) = raw(
        &server,
        b"GET /a.m4s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    )
    .await;
    assert!(
        answer.contains("200 OK") && answer.contains("connection: close"),
        "{answer}"
    );
    assert!(after < Duration::from_secs(3), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_requests_are_refused() {
    let (_storage, server) = serving(10, "");
    let head = "GET /a.m4s HTTP/1.1\r\n";
    for rest in [
        "\r\n",
        "Host: a\r\nHost: b\r\n\r\n",
        "Host: a,b\r\n\r\n",
        "Host: u@a\r\n\r\n",
    ] {
        let (answer, _) = raw(&server, format!("{head}{rest}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{rest:?}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    let many: String = (0..150).map(|n| format!("X-{n}: 1\r\n")).collect();
    let (answer, _) = raw(&server, format!("{head}Host: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let big = format!("{head}Host: x\r\nX: {}\r\n\r\n", "a".repeat(64 * 1024));
    let (answer, _) = raw(&server, big.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_past_the_cap_wait_their_turn() {
    let (_storage, server) = serving(10, "[server]\nmax_connections = 2\n");
    let first = TcpStream::connect(server.addr).await.unwrap();
    let _second = TcpStream::connect(server.addr).await.unwrap();
    until("two are open", async || {
        server.metric("caudal_connections_open").await == 2.0
    })
    .await;
    let third = tokio::spawn({
        let addr = server.addr;
        async move { crate::server::ask(addr, http::Method::GET, "/a.m4s", &[]).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!third.is_finished());
    drop(first);
    assert_eq!(third.await.unwrap().status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let (_storage, server) = serving(10, "");
    let mut config =
        Config::from_toml("[storage.m]\nkind = \"memory\"\n", std::iter::empty()).unwrap();
    config.server.listen = vec![server.addr];
    config.admin.listen = "127.0.0.1:0".parse().unwrap();
    config.log.access = false;
    let error = tokio::task::spawn_blocking(move || {
        App::load(&config, Extras::default())
            .unwrap_err()
            .to_string()
    });
    let error = error.await.unwrap();
    assert!(
        error.contains(&server.addr.to_string()) && error.contains("in use"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_plane_tells_how_it_goes() {
    let (storage, server) = serving(1000, "");
    server.get("/a.m4s").await;
    server.get("/a.m4s").await;
    let ask =
        async |path: &str| crate::server::ask(server.admin, http::Method::GET, path, &[]).await;
    assert_eq!(ask("/livez").await.text(), "ok\n");
    until("it is ready", async || {
        ask("/readyz").await.status == StatusCode::OK
    })
    .await;
    let status: serde_json::Value = serde_json::from_str(&ask("/status").await.text()).unwrap();
    assert_eq!(status["requests"]["total"], 2);
    assert_eq!(status["requests"]["hits"], 1);
    assert_eq!(status["storage"]["media"]["state"], "ready");
    let metrics = ask("/metrics").await.text();
    for series in [
        "caudal_requests_total{route=\"/\",kind=\"segment\",status=\"2xx\",cache=\"hit\"} 1",
        "caudal_requests_total{route=\"/\",kind=\"segment\",status=\"2xx\",cache=\"miss\"} 1",
        "caudal_sent_bytes_total{route=\"/\",kind=\"segment\"} 2000",
        "caudal_storage_received_bytes_total{storage=\"media\"} 1000",
        "caudal_storage_requests_total{storage=\"media\",outcome=\"ok\"} 1",
        "caudal_cache_misses_total{reason=\"unknown\"} 1",
        "caudal_request_duration_seconds_bucket{route=\"/\",kind=\"segment\",le=\"+Inf\"} 2",
        "caudal_storage_ready{storage=\"media\"} 1",
        "process_open_fds ",
        "caudal_build_info{version=",
    ] {
        assert!(metrics.contains(series), "{series} is not in\n{metrics}");
    }
    for series in metrics.lines().filter(|line| line.starts_with("caudal_")) {
        let name = series.split(['{', ' ']).next().unwrap();
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(name);
        assert!(
            metrics.contains(&format!("# HELP {name} ")),
            "{name} has no description"
        );
    }
    storage.script([crate::server::scripted::Act::Fail(Error::Unavailable(
        "down".into(),
    ))]);
    assert_eq!(
        server.get("/b.m4s").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(ask("/nothing").await.status, StatusCode::NOT_FOUND);
}
