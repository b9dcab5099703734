//! A QUIC client's first packets, made by hand: what no library lets a client say, and from whatever address.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::pki_types::ServerName;
use rustls::quic::{ClientConnection, Keys, Version};
use rustls::{ClientConfig, RootCertStore, Side};

/// What is sent in a connection's first datagrams is at least so long (RFC 9000 section 14.1).
const LEN: usize = 1200;

const PACKET_NUMBER: usize = 4;
const TAG: usize = 16;

/// A client's own connection id.
pub(crate) const OWN_ID: [u8; 8] = *b"hand-mad";

/// The kind of a packet with a long head (RFC 9000 section 17.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Initial,
    Handshake,
    Retry,
    Other,
}

/// What a server said to an [`Initial`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It goes on with the handshake.
    Hello,
    /// CONNECTION_CLOSE, and with which code (RFC 9000 section 20.1).
    Closed(u64),
    /// Prove your address: with this token, to this connection id.
    Retry { token: Vec<u8>, id: Vec<u8> },
}

/// The first packet of a connection.
pub(crate) struct Initial<'a> {
    /// The server's connection id, as the client makes it up.
    pub(crate) id: &'a [u8],
    pub(crate) token: &'a [u8],
    pub(crate) name: &'static str,
    /// Transport parameters, as they go over the wire.
    pub(crate) parameters: &'a [u8],
}

/// A variable-length integer (RFC 9000 section 16), in two bytes up to 16,383.
pub(crate) fn varint(value: u64) -> Vec<u8> {
    match value {
        0..64 => vec![value as u8],
        64..16_384 => (0x4000 | value as u16).to_be_bytes().to_vec(),
        _ => (0x8000_0000_0000_0000_u64 | 0x4000_0000_0000_0000 | value)
            .to_be_bytes()
            .to_vec(),
    }
}

/// A transport parameter (RFC 9000 section 18).
pub(crate) fn parameter(id: u64, value: &[u8]) -> Vec<u8> {
    [varint(id), varint(value.len() as u64), value.to_vec()].concat()
}

/// The one parameter that every client sends.
pub(crate) fn own_id() -> Vec<u8> {
    parameter(0x0f, &OWN_ID)
}

fn keys(id: &[u8]) -> Keys {
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    let algorithm = suite.quic_suite().unwrap().quic;
    Keys::initial(Version::V1, suite, algorithm, id, Side::Client)
}

impl Initial<'_> {
    /// The datagram.
    pub(crate) fn datagram(&self) -> Vec<u8> {
        let hello = self.hello();
        let crypto = [
            vec![6, 0],
            varint(hello.len() as u64).to_vec(),
            hello.clone(),
        ]
        .concat();
        let mut head = vec![0xc0 | (PACKET_NUMBER as u8 - 1), 0, 0, 0, 1];
        for id in [self.id, &OWN_ID] {
            head.push(id.len() as u8);
            head.extend_from_slice(id);
        }
        head.extend(varint(self.token.len() as u64));
        head.extend_from_slice(self.token);
        // The length of what follows, in two bytes whatever it is.
        let rest = LEN - head.len() - 2;
        head.extend((0x4000 | rest as u16).to_be_bytes());
        head.extend([0; PACKET_NUMBER]);
        let mut payload = crypto;
        assert!(
            payload.len() <= rest - PACKET_NUMBER - TAG,
            "a hello of {} bytes",
            hello.len()
        );
        payload.resize(rest - PACKET_NUMBER - TAG, 0);
        let keys = keys(self.id).local;
        let tag = keys.packet.encrypt_in_place(0, &head, &mut payload);
        payload.extend_from_slice(tag.unwrap().as_ref());
        let mut first = head[0];
        let at = head.len() - PACKET_NUMBER;
        let (_, number) = head.split_at_mut(at);
        keys.header
            .encrypt_in_place(&payload[..16], &mut first, number)
            .unwrap();
        head[0] = first;
        [head, payload].concat()
    }

    fn hello(&self) -> Vec<u8> {
        let mut provider = aws_lc_rs::default_provider();
        // A hello that fits one datagram.
        provider.kx_groups = vec![kx_group::X25519];
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h3".to_vec()];
        let name = ServerName::try_from(self.name).unwrap();
        let parameters = self.parameters.to_vec();
        let mut session =
            ClientConnection::new(Arc::new(config), Version::V1, name, parameters).unwrap();
        let mut hello = Vec::new();
        session.write_hs(&mut hello);
        hello
    }

    /// Sends it, and waits for what the server says first.
    pub(crate) fn ask(&self, from: &UdpSocket, server: SocketAddr) -> Said {
        from.send_to(&self.datagram(), server).unwrap();
        from.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut bytes = [0; 2048];
        let len = from.recv(&mut bytes).expect("the server says something");
        self.understood(&mut bytes[..len])
    }

    fn understood(&self, datagram: &mut [u8]) -> Said {
        match kind(datagram) {
            Kind::Retry => {
                let (id, at) = source_id(datagram);
                let token = datagram[at..datagram.len() - TAG].to_vec();
                Said::Retry { token, id }
            }
            Kind::Initial => match closed(&self.opened(datagram)) {
                Some(code) => Said::Closed(code),
                None => Said::Hello,
            },
            kind => panic!("{kind:?} comes first"),
        }
    }

    /// The frames of the server's first packet.
    fn opened(&self, datagram: &mut [u8]) -> Vec<u8> {
        let (_, at) = source_id(datagram);
        let (token, at) = number(datagram, at);
        let (len, at) = number(datagram, at + token as usize);
        let keys = keys(self.id).remote;
        let (head, rest) = datagram.split_at_mut(at);
        let (protected, sample) = rest.split_at_mut(PACKET_NUMBER);
        let mut first = head[0];
        keys.header
            .decrypt_in_place(&sample[..16], &mut first, protected)
            .unwrap();
        head[0] = first;
        let width = usize::from(first & 3) + 1;
        let packet_number = protected[..width]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        let head = datagram[..at + width].to_vec();
        let payload = &mut datagram[at + width..at + len as usize];
        let opened = keys.packet.decrypt_in_place(packet_number, &head, payload);
        opened.expect("the server has our keys").to_vec()
    }
}

/// What kind of packet a datagram begins with.
pub(crate) fn kind(datagram: &[u8]) -> Kind {
    match datagram[0] & 0xf0 {
        0xc0 => Kind::Initial,
        0xe0 => Kind::Handshake,
        0xf0 => Kind::Retry,
        _ => Kind::Other,
    }
}

/// The sender's connection id, and where what follows it begins.
fn source_id(datagram: &[u8]) -> (Vec<u8>, usize) {
    let ours = 6 + usize::from(datagram[5]);
    let begins = ours + 1;
    let ends = begins + usize::from(datagram[ours]);
    (datagram[begins..ends].to_vec(), ends)
}

/// A variable-length integer, and where what follows it begins.
fn number(bytes: &[u8], at: usize) -> (u64, usize) {
    let width = 1 << (bytes[at] >> 6);
    let first = u64::from(bytes[at] & 0x3f);
    let rest = &bytes[at + 1..at + width];
    let value = rest
        .iter()
        .fold(first, |value, byte| value << 8 | u64::from(*byte));
    (value, at + width)
}

/// The code of a CONNECTION_CLOSE among frames (RFC 9000 section 19), if there is one.
fn closed(frames: &[u8]) -> Option<u64> {
    let mut at = 0;
    while at < frames.len() {
        let (kind, mut next) = number(frames, at);
        let mut field = || {
            let (value, after) = number(frames, next);
            next = after;
            value
        };
        match kind {
            // PADDING, PING.
            0 | 1 => {}
            // ACK: the largest, the delay, further ranges, the first, and two numbers for each further one.
            2 => {
                let [_, _, ranges, _] = [field(), field(), field(), field()];
                for _ in 0..2 * ranges {
                    field();
                }
            }
            // CRYPTO.
            6 => {
                field();
                let len = field();
                next += len as usize;
            }
            0x1c => return Some(field()),
            kind => panic!("a frame of kind {kind} in an Initial packet"),
        }
        at = next;
    }
    None
}

/// Everything that comes to a socket until nothing does for so long.
pub(crate) fn heard(socket: &UdpSocket, silence: Duration) -> Vec<Vec<u8>> {
    socket.set_read_timeout(Some(silence)).unwrap();
    let begun = Instant::now();
    let mut datagrams = Vec::new();
    let mut bytes = [0; 2048];
    while begun.elapsed() < Duration::from_secs(5) {
        let Ok(len) = socket.recv(&mut bytes) else {
            break;
        };
        datagrams.push(bytes[..len].to_vec());
    }
    datagrams
}
