//! HTTP/3 from peers that mean ill or do not know better: each is told by the code that is meant for it, and everybody
//! else is served.

use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, SendStream, VarInt};

use crate::quic::{Client, NAME, serving};
use crate::server::Server;
use crate::server::initial::varint;
use crate::server::tls::Authority;

// RFC 9114 section 8.1, RFC 9204 section 6.
const STREAM_CREATION_ERROR: u64 = 0x103;
const CLOSED_CRITICAL_STREAM: u64 = 0x104;
const FRAME_UNEXPECTED: u64 = 0x105;
const FRAME_ERROR: u64 = 0x106;
const EXCESSIVE_LOAD: u64 = 0x107;
const SETTINGS_ERROR: u64 = 0x109;
const MISSING_SETTINGS: u64 = 0x10a;
const MESSAGE_ERROR: u64 = 0x10e;
const QPACK_DECOMPRESSION_FAILED: u64 = 0x200;

// Kinds of unidirectional streams (section 6.2) and of frames (section 7.2).
const CONTROL: u64 = 0;
const ENCODER: u64 = 2;
const DATA: u64 = 0;
const HEADERS: u64 = 1;
const SETTINGS: u64 = 4;
const PUSH_PROMISE: u64 = 5;
const GOAWAY: u64 = 7;

const PATIENCE: Duration = Duration::from_secs(10);

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [varint(kind), varint(payload.len() as u64), payload.to_vec()].concat()
}

/// A field whose name and value are written out (RFC 9204 section 4.5.6); the name is shorter than 7 bytes.
fn field(name: &str, value: &[u8]) -> Vec<u8> {
    assert!(name.len() < 7);
    // The value's length has 7 bits, and goes on where they do not suffice (RFC 7541 section 5.1).
    let mut length = Vec::new();
    match value.len() {
        short @ 0..127 => length.push(short as u8),
        long => {
            length.push(127);
            let mut rest = long - 127;
            while rest >= 128 {
                length.push(0x80 | (rest % 128) as u8);
                rest /= 128;
            }
            length.push(rest as u8);
        }
    }
    let name = [&[0x20 | name.len() as u8], name.as_bytes()].concat();
    [name, length, value.to_vec()].concat()
}

/// A request's fields, encoded, with more behind them. Nothing of the dynamic table is meant: two zeros come first.
fn head(path: &str, more: &[u8]) -> Vec<u8> {
    // Of the static table (RFC 9204 appendix A): 17 is GET, 23 https, and 1 and 0 the names of path and authority.
    let named =
        |index: u8, value: &str| [&[0x50 | index, value.len() as u8], value.as_bytes()].concat();
    let fields = [vec![0xc0 | 17, 0xc0 | 23], named(1, path), named(0, NAME)].concat();
    [&[0, 0], &fields[..], more].concat()
}

/// A connection that has said hello on its control stream.
struct Peer {
    quic: Connection,
    // Closed when it is dropped.
    _control: SendStream,
    _client: quinn::Endpoint,
}

async fn connect(authority: &Authority, server: &Server) -> (Connection, quinn::Endpoint) {
    let tls = authority.client(&["h3"], None);
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(std::sync::Arc::new(tls)));
    let quic = endpoint.connect(server.addrs[1], NAME).unwrap().await;
    (quic.unwrap(), endpoint)
}

impl Peer {
    async fn hello(authority: &Authority, server: &Server) -> Self {
        let (quic, client) = connect(authority, server).await;
        let control = uni(&quic, CONTROL, &frame(SETTINGS, &[])).await;
        Self {
            quic,
            _control: control,
            _client: client,
        }
    }

    /// A request's stream with these bytes, which end there. What comes back: the bytes, or the code of the reset.
    async fn request(&self, bytes: &[u8]) -> Result<Vec<u8>, u64> {
        let (mut send, mut receive) = self.quic.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send.finish().unwrap();
        let answered = tokio::time::timeout(PATIENCE, receive.read_to_end(1 << 20));
        answered
            .await
            .expect("an answer")
            .map_err(|error| match error {
                quinn::ReadToEndError::Read(quinn::ReadError::Reset(code)) => code.into_inner(),
                other => panic!("{other}"),
            })
    }

    /// That a request is answered with 200.
    async fn is_served(&self) {
        let answer = self.request(&frame(HEADERS, &head("/b.m4s", &[]))).await;
        assert!(answer.unwrap().len() > 1000);
    }
}

async fn uni(quic: &Connection, kind: u64, bytes: &[u8]) -> SendStream {
    let mut stream = quic.open_uni().await.unwrap();
    let all = [varint(kind), bytes.to_vec()].concat();
    stream.write_all(&all).await.unwrap();
    stream
}

/// The code that a connection is ended with; `None` where it goes on.
async fn ended(quic: &Connection) -> Option<u64> {
    let told = tokio::time::timeout(PATIENCE, quic.closed()).await;
    match told.ok()? {
        ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
        other => panic!("{other}"),
    }
}

/// Whether an answer says 431, which is not in the static table: so it is written out, by Huffman's code (RFC 7541
/// appendix B).
fn is_431(answer: &[u8]) -> bool {
    answer.windows(3).any(|three| three == [0x69, 0x90, 0xff])
}

/// Somebody else is served.
async fn goes_on(authority: &Authority, server: &Server) {
    let mut other = Client::connect(authority, server.addrs[1], None)
        .await
        .unwrap();
    assert_eq!(other.get("/b.m4s").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_control_stream_is_there_for_as_long_as_the_connection_is() {
    let (authority, _storage, server) = serving("");
    for reset in [false, true] {
        let (quic, _client) = connect(&authority, &server).await;
        let mut control = uni(&quic, CONTROL, &frame(SETTINGS, &[])).await;
        match reset {
            // Once it has arrived, or there was no control stream to close.
            true => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                control.reset(VarInt::from_u32(0x10c)).unwrap();
            }
            false => control.finish().unwrap(),
        }
        assert_eq!(
            ended(&quic).await,
            Some(CLOSED_CRITICAL_STREAM),
            "reset: {reset}"
        );
    }
    goes_on(&authority, &server).await;
    let malformed = "caudal_connections_closed_total{reason=\"malformed\"}";
    assert_eq!(server.metric(malformed).await, 2.0);
}

/// Streams by what each of them begins with, and what is said on it.
type Said = Vec<(u64, Vec<u8>)>;

/// Of what a client may not say on its control stream, and of streams that it may not open.
#[tokio::test]
async fn what_must_not_be_said_ends_the_connection_with_its_code() {
    let (authority, _storage, server) = serving("");
    let settings = frame(SETTINGS, &[]);
    let then = |more: Vec<u8>| [settings.clone(), more].concat();
    let wrong: [(&str, Said, u64); 8] = [
        (
            "no settings first",
            vec![(CONTROL, frame(GOAWAY, &[0]))],
            MISSING_SETTINGS,
        ),
        (
            "settings twice",
            vec![(CONTROL, then(settings.clone()))],
            FRAME_UNEXPECTED,
        ),
        (
            "data on control",
            vec![(CONTROL, then(frame(DATA, b"x")))],
            FRAME_UNEXPECTED,
        ),
        (
            "a head on control",
            vec![(CONTROL, then(frame(HEADERS, &head("/b.m4s", &[]))))],
            FRAME_UNEXPECTED,
        ),
        (
            "HTTP/2's PING",
            vec![(CONTROL, then(frame(6, &[0; 8])))],
            FRAME_UNEXPECTED,
        ),
        (
            "HTTP/2's setting of streams",
            vec![(CONTROL, frame(SETTINGS, &[3, 1]))],
            SETTINGS_ERROR,
        ),
        (
            "two control streams",
            vec![(CONTROL, settings.clone()), (CONTROL, settings.clone())],
            STREAM_CREATION_ERROR,
        ),
        (
            "two encoders",
            vec![
                (CONTROL, settings.clone()),
                (ENCODER, vec![]),
                (ENCODER, vec![]),
            ],
            STREAM_CREATION_ERROR,
        ),
    ];
    for (what, streams, code) in &wrong {
        let (quic, _client) = connect(&authority, &server).await;
        let mut open = Vec::new();
        for (kind, bytes) in streams {
            open.push(uni(&quic, *kind, bytes).await);
        }
        assert_eq!(ended(&quic).await, Some(*code), "{what}");
    }
    goes_on(&authority, &server).await;
}

#[tokio::test]
async fn a_request_that_is_none_ends_the_connection_with_its_code() {
    let (authority, storage, server) = serving("");
    let wrong = [
        ("data before a head", frame(DATA, b"x"), FRAME_UNEXPECTED),
        ("HTTP/2's PRIORITY", frame(2, &[0; 5]), FRAME_UNEXPECTED),
        ("settings", frame(SETTINGS, &[]), FRAME_UNEXPECTED),
        (
            "a promise",
            frame(PUSH_PROMISE, &head("/b.m4s", &[])),
            FRAME_UNEXPECTED,
        ),
        (
            "a frame that ends early",
            [vec![1, 40], vec![0; 20]].concat(),
            FRAME_ERROR,
        ),
        // The dynamic table is empty, for none was offered.
        (
            "an entry that nobody made",
            frame(HEADERS, &[2, 0, 0x80]),
            QPACK_DECOMPRESSION_FAILED,
        ),
        (
            "past the static table",
            frame(HEADERS, &head("/b.m4s", &[0xff, 0x7f])),
            QPACK_DECOMPRESSION_FAILED,
        ),
        (
            "a length without an end",
            frame(
                HEADERS,
                &[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
            QPACK_DECOMPRESSION_FAILED,
        ),
    ];
    for (what, bytes, code) in &wrong {
        let peer = Peer::hello(&authority, &server).await;
        let (mut send, _receive) = peer.quic.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send.finish().unwrap();
        assert_eq!(ended(&peer.quic).await, Some(*code), "{what}");
    }
    assert!(storage.reads().is_empty(), "none of them was a request");
    goes_on(&authority, &server).await;
}

#[tokio::test]
async fn a_head_that_says_nonsense_costs_its_stream_alone() {
    let (authority, storage, server) = serving("");
    let peer = Peer::hello(&authority, &server).await;
    // Without path and authority: 17 is GET, 23 https.
    let pseudo = |fields: &[u8]| [&[0, 0], fields].concat();
    let wrong = [
        ("no path", pseudo(&[0xc0 | 17, 0xc0 | 23])),
        ("an unknown one", head("/b.m4s", &field(":x", b"1"))),
        (
            "two lines in a value",
            head("/b.m4s", &field("x", b"a\r\nb: c")),
        ),
        ("an upper-case name", head("/b.m4s", &field("Upper", b"1"))),
    ];
    for (what, head) in &wrong {
        let told = peer.request(&frame(HEADERS, head)).await;
        assert_eq!(
            told.map(|answer| answer.len()),
            Err(MESSAGE_ERROR),
            "{what}"
        );
    }
    assert!(storage.reads().is_empty(), "none of them was a request");
    peer.is_served().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_and_the_connection_goes_on() {
    let (authority, storage, server) = serving("");
    let peer = Peer::hello(&authority, &server).await;
    let long = head("/b.m4s", &field("x", &[b'y'; 16 << 10]));
    let answer = peer.request(&frame(HEADERS, &long)).await;
    let answer = answer.expect("it is answered");
    assert!(is_431(&answer), "{answer:?}");
    // Many fields that cost little on the wire: one byte each, of the static table.
    let many = head("/b.m4s", &[0xc0 | 31; 101]);
    let answer = peer.request(&frame(HEADERS, &many)).await.unwrap();
    assert!(is_431(&answer), "{answer:?}");
    assert!(storage.reads().is_empty(), "neither was a request");
    peer.is_served().await;
}

/// It says that it is longer than anything, and is not believed.
#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let (authority, _storage, server) = serving("");
    let peer = Peer::hello(&authority, &server).await;
    let (mut send, mut receive) = peer.quic.open_bi().await.unwrap();
    let endless = [varint(HEADERS), varint(1 << 40), vec![0; 1 << 20]].concat();
    let sent = tokio::time::timeout(PATIENCE, send.write_all(&endless)).await;
    match sent.expect("it is refused, not waited for") {
        Err(quinn::WriteError::Stopped(code)) => assert_eq!(code.into_inner(), EXCESSIVE_LOAD),
        other => panic!("{other:?}"),
    }
    let told = tokio::time::timeout(PATIENCE, receive.read_to_end(1 << 20)).await;
    told.expect("the stream is ended").ok();
    peer.is_served().await;
    goes_on(&authority, &server).await;
}

/// Whatever it is that does not end: settings, what nobody knows, or ever more of what everybody knows.
#[tokio::test]
async fn a_control_stream_that_never_ends_ends_the_connection() {
    let (authority, _storage, server) = serving("");
    let settings = frame(SETTINGS, &[]);
    let long = |kind| [varint(kind), varint(1 << 40), vec![0; 1 << 20]].concat();
    let endless = [
        ("settings", long(SETTINGS)),
        ("unknown", [settings.clone(), long(0x21)].concat()),
        (
            "a flood",
            [settings, frame(0x21, b"x").repeat(1 << 18)].concat(),
        ),
    ];
    for (what, bytes) in &endless {
        let (quic, _client) = connect(&authority, &server).await;
        let mut control = quic.open_uni().await.unwrap();
        let all = [varint(CONTROL), bytes.clone()].concat();
        let sent = tokio::time::timeout(PATIENCE, control.write_all(&all)).await;
        assert!(sent.expect("it is refused").is_err(), "{what}");
        assert_eq!(ended(&quic).await, Some(EXCESSIVE_LOAD), "{what}");
    }
    goes_on(&authority, &server).await;
}

/// Each is sent back at once, so that they neither pile up nor keep a client from what it wants.
#[tokio::test]
async fn a_flood_of_streams_that_nobody_knows_is_taken_one_by_one() {
    let (authority, _storage, server) = serving("");
    let peer = Peer::hello(&authority, &server).await;
    let mut told = 0;
    for nth in 0..2000_u64 {
        let opened = tokio::time::timeout(PATIENCE, peer.quic.open_uni()).await;
        let mut stream = opened.expect("the last was taken").unwrap();
        // Reserved for kinds that nobody knows (RFC 9114 section 6.2.3).
        let kind = varint(0x1f * (nth % 8) + 0x21);
        if stream
            .write_all(&[&kind[..], &[0; 100]].concat())
            .await
            .is_err()
        {
            told += 1;
            continue;
        }
        let stopped = tokio::time::timeout(PATIENCE, stream.stopped()).await;
        let stopped = stopped.expect("it is sent back").unwrap();
        assert_eq!(stopped.map(VarInt::into_inner), Some(STREAM_CREATION_ERROR));
        told += 1;
        let _ = stream.reset(VarInt::from_u32(0x10c));
    }
    assert_eq!(told, 2000);
    peer.is_served().await;
    goes_on(&authority, &server).await;
}

/// Nobody reads what an encoder says, for it was offered no table: it fills the window, and that is all.
#[tokio::test]
async fn a_flood_of_the_encoder_ends_at_its_window() {
    let (authority, _storage, server) = serving("");
    let peer = Peer::hello(&authority, &server).await;
    let mut encoder = uni(&peer.quic, ENCODER, &[]).await;
    let mut written = 0;
    let piece = Bytes::from(vec![0x3f; 8 << 10]);
    let flood = async {
        while encoder.write_all(&piece).await.is_ok() {
            written += piece.len();
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), flood).await;
    assert!(written <= 64 << 10, "{written}");
    peer.is_served().await;
    goes_on(&authority, &server).await;
}

/// As HTTP/2's rapid reset (CVE-2023-44487): each request is taken back at once.
#[tokio::test]
async fn requests_that_are_taken_back_are_not_asked_of_storage_each() {
    let (authority, storage, server) = serving("");
    let peer = Peer::hello(&authority, &server).await;
    for nth in 0..5000 {
        let opened = tokio::time::timeout(PATIENCE, peer.quic.open_bi()).await;
        let Ok((mut send, mut receive)) = opened.expect("the last was taken back") else {
            break;
        };
        let path = format!("/{nth}.m4s");
        let request = frame(HEADERS, &head(&path, &[]));
        let _ = send.write_all(&request).await;
        let _ = send.reset(VarInt::from_u32(0x10c));
        let _ = receive.stop(VarInt::from_u32(0x10c));
    }
    assert!(
        storage.reads().len() < 5000,
        "{} reads",
        storage.reads().len()
    );
    goes_on(&authority, &server).await;
}
