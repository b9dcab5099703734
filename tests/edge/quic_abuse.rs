//! QUIC from those who mean ill, before there is a connection: addresses that are not theirs, tokens that are not
//! theirs, parameters that cannot be.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::quic::{Client, NAME, serving};
use crate::server::initial::{Initial, Kind, OWN_ID, Said, heard, kind, own_id, parameter, varint};
use crate::server::{Server, until};

/// Handshakes under way past which clients have to prove their address: `transport/quic.rs`, of each worker.
const MOST_UNPROVEN: usize = 64;

// RFC 9000 section 20.1.
const CONNECTION_REFUSED: u64 = 0x02;
const TRANSPORT_PARAMETER_ERROR: u64 = 0x08;
const INVALID_TOKEN: u64 = 0x0b;

/// For what has arrived already.
const MOMENT: Duration = Duration::from_millis(1);

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// Hellos from so many addresses, whose owners, as it were, never asked: nobody answers what the server says.
fn spoofed(server: &Server, count: usize) -> Vec<UdpSocket> {
    let spoof = |nth: usize| {
        let socket = socket();
        let id = (nth as u64).to_be_bytes();
        let initial = Initial {
            id: &id,
            token: &[],
            name: NAME,
            parameters: &own_id(),
        };
        let datagram = initial.datagram();
        socket.send_to(&datagram, server.addrs[1]).unwrap();
        socket
    };
    (0..count).map(spoof).collect()
}

async fn timed_out(server: &Server) -> f64 {
    server
        .metric(
            "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"timeout\"}",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_spoofed_hellos_is_answered_with_retry_and_nobody_else_is_kept_out() {
    flooded("").await;
}

/// Who may ask with its first packet is served before its handshake is done, and is no less unproven.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_spoofed_hellos_is_no_worse_where_early_data_is_taken() {
    flooded("early_data = true\n").await;
}

async fn flooded(of_listener: &str) {
    let more = format!("{of_listener}[server]\nworkers = 1\nheader_timeout = \"5s\"\n");
    let (authority, _storage, server) = serving(&more);
    let sockets = spoofed(&server, MOST_UNPROVEN + 100);
    // A client that is where it says comes in meanwhile, over either transport.
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    assert_eq!(client.get("/b.m4s").await.unwrap().0, 200);
    assert_eq!(server.get("/b.m4s").await.status, 200);
    // Whoever is believed is told again what it does not answer.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let said: Vec<_> = sockets.iter().map(|socket| heard(socket, MOMENT)).collect();
    assert_eq!(timed_out(&server).await, 0.0, "it was within the flood");

    let (mut believed, mut doubted) = (0, 0);
    for datagrams in &said {
        let bytes: usize = datagrams.iter().map(Vec::len).sum();
        // RFC 9000 section 8.1 says three times as much, or whoever has the address is flooded instead. quinn sends a whole
        // datagram where there is room for a byte.
        assert!(bytes < 4 * 1200, "{bytes} bytes for 1200");
        match datagrams.first().map(|datagram| kind(datagram)) {
            Some(Kind::Retry) => {
                assert!(bytes < 200, "a Retry of {bytes} bytes");
                doubted += 1;
            }
            Some(Kind::Initial) => believed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((believed, doubted), (MOST_UNPROVEN, 100));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let all = async || timed_out(&server).await == MOST_UNPROVEN as f64;
    until("who was believed is given up", all).await;
    assert_eq!(server.metric("caudal_connections_open").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_proven_its_address_is_refused_where_there_is_no_room() {
    // So few that nobody may have a place before it has proven where it is.
    let more = "[server]\nworkers = 1\nmax_connections = 1\n";
    let (authority, _storage, server) = serving(more);
    let room = TcpStream::connect(server.addrs[0]).await.unwrap();
    let open = async || server.metric("caudal_connections_open").await;
    until("the only place is taken", async || open().await == 1.0).await;
    let (ours, other) = (socket(), socket());
    let mut initial = Initial {
        id: b"doubted!",
        token: &[],
        name: NAME,
        parameters: &own_id(),
    };
    let said = initial.ask(&ours, server.addrs[1]);
    let Said::Retry { token, id } = said else {
        panic!("{said:?}");
    };
    // From then on packets go to the id that Retry came from, and are sealed by it.
    (initial.id, initial.token) = (&id, &token);
    assert_eq!(
        initial.ask(&other, server.addrs[1]),
        Said::Closed(INVALID_TOKEN),
        "a token is good for the address that it was sent to"
    );
    assert_eq!(
        initial.ask(&ours, server.addrs[1]),
        Said::Closed(CONNECTION_REFUSED)
    );
    drop(room);
    until("there is room", async || open().await == 0.0).await;
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    assert_eq!(client.get("/b.m4s").await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_cannot_be_are_refused_by_their_code() {
    let (authority, _storage, server) = serving("");
    let with = |more: &[Vec<u8>]| [own_id(), more.concat()].concat();
    let told = AtomicU64::new(0);
    let say = |parameters: &[u8]| {
        // Each a connection of its own.
        let id = told.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let initial = Initial {
            id: &id,
            token: &[],
            name: NAME,
            parameters,
        };
        initial.ask(&socket(), server.addrs[1])
    };
    assert_eq!(say(&own_id()), Said::Hello, "or the others prove nothing");
    let wrong = [
        ("none at all", vec![]),
        ("another's id", parameter(0x0f, b"not-mine")),
        (
            "a server's: original id",
            with(&[parameter(0, b"a server")]),
        ),
        ("a server's: reset token", with(&[parameter(2, &[7; 16])])),
        ("a server's: retry id", with(&[parameter(0x10, &OWN_ID)])),
        ("datagrams below 1200", with(&[parameter(3, &varint(1199))])),
        ("an exponent past 20", with(&[parameter(0x0a, &[21])])),
        (
            "a delay of 2^14 ms",
            with(&[parameter(0x0b, &varint(1 << 14))]),
        ),
        ("one id at most", with(&[parameter(0x0e, &[1])])),
        (
            "streams past 2^60",
            with(&[parameter(8, &varint((1 << 60) + 1))]),
        ),
        (
            "twice the same",
            with(&[parameter(1, &[30]), parameter(1, &[30])]),
        ),
        ("a number that is too long", with(&[parameter(4, &[1, 2])])),
        ("one that ends early", [own_id(), vec![1, 4, 0]].concat()),
    ];
    for (what, parameters) in &wrong {
        assert_eq!(
            say(parameters),
            Said::Closed(TRANSPORT_PARAMETER_ERROR),
            "{what}"
        );
    }
    let malformed =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"malformed\"}";
    let all = async || server.metric(malformed).await == wrong.len() as f64;
    until("each is counted", all).await;
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    assert_eq!(client.get("/b.m4s").await.unwrap().0, 200);
}

/// Neither has a client to be answered, nor may either cost anything.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hello_is_passed_over() {
    let (authority, _storage, server) = serving("");
    let initial = Initial {
        id: b"a server",
        token: &[],
        name: NAME,
        parameters: &own_id(),
    };
    let good = initial.datagram();
    let mut flipped = good.clone();
    flipped[600] ^= 1;
    // RFC 9000 section 14.1: an Initial in a datagram of less than 1200 bytes.
    let short = good[..1199].to_vec();
    for datagram in [vec![0x40; 40], vec![0xff; 1200], vec![0], flipped, short] {
        let socket = socket();
        socket.send_to(&datagram, server.addrs[1]).unwrap();
        let told = heard(&socket, Duration::from_millis(200));
        // Of a version that nobody has it may say which there are; of a connection that it does not know, that it is over.
        assert!(
            told.iter().all(|told| kind(told) == Kind::Other),
            "{told:?}"
        );
        let bytes: usize = told.iter().map(Vec::len).sum();
        assert!(bytes <= datagram.len(), "{bytes} for {}", datagram.len());
    }
    let mut client = Client::connect(&authority, server.addrs[1], None)
        .await
        .unwrap();
    assert_eq!(client.get("/b.m4s").await.unwrap().0, 200);
    assert_eq!(server.metric("caudal_connections_open").await, 1.0);
}
