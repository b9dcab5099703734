//! `[listener.NAME]`: where viewers come in beside `server.listen`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::access;
use super::format::{Address, Addresses, Count, File, Flag, List, Optional, Size, Time, Word};
use super::schema::Keys;

/// `[listener.NAME]`: one more listener for viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen; at least one, all distinct.
    pub listen: Vec<SocketAddr>,
    /// What is spoken.
    pub protocols: Vec<Protocol>,
    /// The certificates that are shown, by their names; none is a listener without TLS.
    pub certificates: Vec<String>,
    /// The oldest TLS that is spoken.
    pub tls_min: TlsVersion,
    /// Whether clients of HTTP/3 may ask before their handshake is done.
    pub early_data: bool,
    /// Whether clients show a certificate.
    pub client_certificate: ClientCertificate,
    /// Whose are believed: PEM.
    pub client_ca: Option<PathBuf>,
    /// Which of those are withdrawn: PEM.
    pub client_crls: Vec<PathBuf>,
    /// The policy of routes that name none, for who comes in here.
    pub access: Option<String>,
    /// What bounds its connections otherwise than `[server]` says.
    pub limits: OwnLimits,
}

/// Limits of one listener; what is absent is as `[server]` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnLimits {
    /// Connections open at once here, of those over all listeners.
    pub max_connections: Option<usize>,
    /// For a request's head to arrive.
    pub header_timeout: Option<Duration>,
    /// The longest request head, in bytes.
    pub header_size: Option<u64>,
    /// The most header fields of a request.
    pub header_count: Option<usize>,
    /// For a request's body to arrive.
    pub body_timeout: Option<Duration>,
    /// How long a connection may rest between requests.
    pub idle_timeout: Option<Duration>,
    /// How long a viewer may take nothing of an answer.
    pub write_stall: Option<Duration>,
    /// Bytes a second that a viewer takes at least.
    pub min_rate: Option<u64>,
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: agreed on in TLS, without TLS by who begins with it.
    Http2,
    /// HTTP/3, over QUIC at the same ports.
    Http3,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// They are not asked.
    Off,
    /// They may.
    Optional,
    /// They must.
    Required,
}

const PROTOCOLS: [(&str, Protocol); 3] = [
    ("http/1.1", Protocol::Http1),
    ("h2", Protocol::Http2),
    ("h3", Protocol::Http3),
];

const VERSIONS: [(&str, TlsVersion); 2] = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];

const CLIENT_CERTIFICATES: [(&str, ClientCertificate); 3] = [
    ("off", ClientCertificate::Off),
    ("optional", ClientCertificate::Optional),
    ("required", ClientCertificate::Required),
];

impl Default for Listener {
    fn default() -> Self {
        Self {
            listen: vec![],
            protocols: vec![Protocol::Http2, Protocol::Http1],
            certificates: vec![],
            tls_min: TlsVersion::Tls12,
            early_data: false,
            client_certificate: ClientCertificate::Off,
            client_ca: None,
            client_crls: vec![],
            access: None,
            limits: OwnLimits::default(),
        }
    }
}

impl Listener {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        let example = "0.0.0.0:8443";
        let each = Address { example };
        keys.required("listen", &mut self.listen, Addresses { each, least: 1 });
        keys.key("protocols", &mut self.protocols, List(Word(&PROTOCOLS)));
        let certificates = List(access::name("edge"));
        keys.key("certificates", &mut self.certificates, certificates);
        keys.key("tls_min", &mut self.tls_min, Word(&VERSIONS));
        keys.key("early_data", &mut self.early_data, Flag);
        keys.key(
            "client_certificate",
            &mut self.client_certificate,
            Word(&CLIENT_CERTIFICATES),
        );
        let issuers = Optional(File("/etc/caudal/client-ca.pem"));
        keys.key("client_ca", &mut self.client_ca, issuers);
        let lists = List(File("/etc/caudal/client-crl.pem"));
        keys.key("client_crls", &mut self.client_crls, lists);
        keys.key(
            "access",
            &mut self.access,
            Optional(access::name("viewers")),
        );
        self.limits.keys(keys);
    }
}

impl OwnLimits {
    fn keys(&mut self, keys: &mut impl Keys) {
        let time = || Optional(Time::POSITIVE);
        let most = Optional(Count(1..=1_000_000));
        keys.key("max_connections", &mut self.max_connections, most);
        keys.key("header_timeout", &mut self.header_timeout, time());
        let size = Optional(Size(8 << 10..=1 << 20));
        keys.key("header_size", &mut self.header_size, size);
        let count = Optional(Count(8..=1000));
        keys.key("header_count", &mut self.header_count, count);
        keys.key("body_timeout", &mut self.body_timeout, time());
        keys.key("idle_timeout", &mut self.idle_timeout, time());
        keys.key("write_stall", &mut self.write_stall, time());
        let rate = Optional(Size(1..=64 << 10));
        keys.key("min_rate", &mut self.min_rate, rate);
    }
}
