//! Clients of HTTP/3 when another process takes over: their connections end with the first, new ones begin with the second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use quinn::crypto::rustls::QuicClientConfig;

use crate::house::{House, LENGTH, local};
use crate::tls::Authority;

const NAME: &str = "vod.example";

/// For a handshake whose first packets nobody answers, until somebody does.
const PATIENCE: Duration = Duration::from_secs(30);

fn client(authority: &Authority) -> quinn::Endpoint {
    let tls = QuicClientConfig::try_from(authority.client(&["h3"], None)).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    let mut transport = quinn::TransportConfig::default();
    transport.max_idle_timeout(Some(PATIENCE.try_into().unwrap()));
    config.transport_config(Arc::new(transport));
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(config);
    endpoint
}

/// Bytes of a whole answer, over a connection of its own.
async fn get(endpoint: &quinn::Endpoint, addr: SocketAddr) -> Result<usize, String> {
    let quic = endpoint.connect(addr, NAME).unwrap().await;
    let quic = quic.map_err(|error| error.to_string())?;
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let carried = h3_quinn::Connection::new(quic.clone());
    let (mut driver, mut sender) = h3::client::new(carried).await.map_err(|e| told(&e))?;
    tokio::spawn(async move { driver.wait_idle().await });
    let request = http::Request::get(format!("https://{NAME}/5.m4s"))
        .body(())
        .unwrap();
    let mut stream = sender.send_request(request).await.map_err(|e| told(&e))?;
    stream.finish().await.map_err(|e| told(&e))?;
    let head = stream.recv_response().await.map_err(|e| told(&e))?;
    assert_eq!(head.status(), 200);
    let mut len = 0;
    while let Some(mut piece) = stream.recv_data().await.map_err(|e| told(&e))? {
        let piece = piece.copy_to_bytes(piece.remaining());
        assert!(piece.iter().all(|byte| *byte == 5));
        len += piece.len();
    }
    quic.close(0u32.into(), b"");
    Ok(len)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_meanwhile_is_the_next_processs() {
    let authority = Authority::new();
    authority.write_pair("edge", &authority.pair(&[NAME], 1));
    let addr = local();
    let mut house = House::with(&format!(
        "{}[listener.public]\nlisten = \"{addr}\"\ncertificates = [\"edge\"]\n\
         protocols = [\"h3\", \"h2\", \"http/1.1\"]\n",
        authority.section("edge")
    ));
    let endpoint = client(&authority);
    assert_eq!(get(&endpoint, addr).await, Ok(LENGTH));
    // One connection stays open, as a player's does: the first process ends only when this one has gone.
    let open = endpoint.connect(addr, NAME).unwrap().await.unwrap();
    house.signal("USR2");
    let told = house.told("another process serves now", 1);
    let asking = {
        let endpoint = client(&authority);
        tokio::spawn(async move { tokio::time::timeout(PATIENCE, get(&endpoint, addr)).await })
    };
    // GOAWAY, and once nothing is asked, the end.
    open.closed().await;
    assert_eq!(asking.await.unwrap().expect("an answer"), Ok(LENGTH));
    house.passed_on_to(u32::try_from(told["pid"].as_u64().unwrap()).unwrap());
    assert_eq!(get(&endpoint, addr).await, Ok(LENGTH));
}
