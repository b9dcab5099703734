//! `[access.NAME]` and what it is put together from: `[viewer]`, `[key.NAME]`, `[token.NAME]`, `[geo.NAME]`,
//! `[rights.NAME]`, `[limits.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use super::check;
use super::format::{
    Count, File, Flag, List, OneOf, Optional, SecretReference, Size, Text, Time, Word,
};
use super::schema::Keys;
use super::secret::{Encoding, Reference};

mod token;

pub use token::{Carrier, EdgeHash, Jwt, Token, TokenFormat};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `[viewer]`: how viewers are told apart from those who stand before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Networks, or `file:` lists of them, whose word about the viewer is taken.
    pub trusted_peers: Vec<String>,
    /// What they are, which tells the headers they vouch for.
    pub sent_by: SentBy,
    /// Whether trusted peers put a PROXY header before each connection.
    pub proxy_protocol: bool,
    /// MMDB files that tell where an address is.
    pub databases: Vec<PathBuf>,
    /// How often files and secrets are looked at for changes.
    pub reload: Duration,
    /// How long a secret of Secrets Manager is believed before it is asked for again.
    pub reload_remote: Duration,
}

/// What trusted peers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentBy {
    /// CloudFront, or a proxy that only CloudFront reaches.
    CloudFront,
    /// A load balancer or proxy that hands on what viewers write under CloudFront's names.
    Proxy,
}

/// `[key.NAME]`: what tokens are verified, and perhaps signed, with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where the secret or the PEM of a public key is.
    pub secret: Reference,
    /// Where the PEM of the private key is, for keys that also sign.
    pub private: Option<Reference>,
    /// How the secret's bytes are written there.
    pub encoding: Encoding,
    /// What it is for, as tokens name it: `HS256`, `ES256`; formats with one algorithm need none.
    pub algorithm: Option<String>,
    /// Its id in tokens (`kid`, `Key-Pair-Id`); `None` is the section's name.
    pub id: Option<String>,
}

/// `[access.NAME]`: what a viewer has to meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What is asked for, in this order.
    pub require: Vec<Requirement>,
    /// The header in which the CDN proves itself.
    pub origin_lock_header: String,
    /// The keys whose secrets that header may hold.
    pub origin_lock_keys: Vec<String>,
    /// Names in verified client certificates that prove as much.
    pub origin_lock_identities: Vec<String>,
    /// The formats of tokens, tried in this order.
    pub tokens: Vec<String>,
    /// How far clocks may be apart.
    pub clock_skew: Duration,
    /// The status of an expired token.
    pub expired_status: u16,
    /// The name of the cookie that a manifest's answer sets, so that segments carry the token that fetched it.
    pub set_cookie: Option<String>,
    /// How long a token in an answer to a manifest is valid; zero renews nothing.
    pub renew: Duration,
    /// How long after a token was first issued no renewal goes.
    pub renew_limit: Duration,
    /// Of what is withdrawn before its time.
    pub revocations: Option<PathBuf>,
    /// The geo rules.
    pub geo: Option<String>,
    /// The rights.
    pub rights: Option<String>,
    /// The limits.
    pub limits: Option<String>,
    /// The key that signs the header by which a client may ask for the reason of a refusal.
    pub debug_key: Option<String>,
}

/// One thing that is asked of a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Comes through the CDN.
    OriginLock,
    /// Has a token.
    Token,
    /// Is in the right place.
    Geo,
    /// The title may be shown.
    Rights,
    /// Asks in moderation.
    Limits,
}

/// `[geo.NAME]`: where viewers may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geo {
    /// Countries, regions, groups, networks, `AS` numbers; empty is everywhere.
    pub allow: Vec<String>,
    /// The same; outranks `allow`.
    pub deny: Vec<String>,
    /// Groups of one's own: `NORDIC = DK SE NO FI IS`.
    pub groups: Vec<String>,
    /// Whether a viewer whose country nobody knows may pass.
    pub unknown: Verdict,
    /// Whether one may pass that hides behind a VPN, a proxy, Tor or a hosting provider.
    pub anonymous: Verdict,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// `[rights.NAME]`: what may be shown when, where and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The file of titles.
    pub file: PathBuf,
    /// How paths name their title, and perhaps their quality; the first that fits counts.
    pub paths: Vec<String>,
    /// Whether a title that the file does not have may be shown.
    pub unknown: Verdict,
}

/// `[limits.NAME]`: how much a viewer may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second on average; 0 is any number.
    pub requests_per_second: u32,
    /// Requests at once before that.
    pub burst: u32,
    /// Streams of one viewer at a time; 0 is any number.
    pub streams: u32,
    /// A stream that asked for nothing for so long is over.
    pub stream_window: Duration,
    /// Bytes a second of one answer; 0 is as fast as may be.
    pub pace: u64,
    /// Bytes of an answer that go before that.
    pub pace_burst: u64,
    /// Viewers that are remembered at a time.
    pub viewers: u32,
}

const SENDERS: [(&str, SentBy); 2] = [("cloudfront", SentBy::CloudFront), ("proxy", SentBy::Proxy)];

const VERDICTS: [(&str, Verdict); 2] = [("allow", Verdict::Allow), ("deny", Verdict::Deny)];

const ENCODINGS: [(&str, Encoding); 3] = [
    ("raw", Encoding::Raw),
    ("hex", Encoding::Hex),
    ("base64", Encoding::Base64),
];

impl Requirement {
    const WORDS: [(&'static str, Self); 5] = [
        ("origin_lock", Self::OriginLock),
        ("token", Self::Token),
        ("geo", Self::Geo),
        ("rights", Self::Rights),
        ("limits", Self::Limits),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

pub(super) fn name(example: &'static str) -> Text {
    Text {
        check: check::name,
        example,
    }
}

fn plain(example: &'static str) -> Text {
    Text {
        check: check::plain,
        example,
    }
}

impl Default for Viewer {
    fn default() -> Self {
        Self {
            trusted_peers: vec![],
            sent_by: SentBy::CloudFront,
            proxy_protocol: false,
            databases: vec![],
            reload: seconds(10),
            reload_remote: seconds(300),
        }
    }
}

impl Viewer {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        let peers = &mut self.trusted_peers;
        keys.key("trusted_peers", peers, List(plain("10.0.0.0/8")));
        keys.key("sent_by", &mut self.sent_by, Word(&SENDERS));
        keys.key("proxy_protocol", &mut self.proxy_protocol, Flag);
        let database = File("/var/lib/GeoIP/GeoLite2-Country.mmdb");
        keys.key("databases", &mut self.databases, List(database));
        keys.key("reload", &mut self.reload, Time::POSITIVE);
        keys.key("reload_remote", &mut self.reload_remote, Time::POSITIVE);
    }
}

impl Key {
    pub(super) fn unset() -> Self {
        Self {
            secret: Reference::parse("env:UNSET").expect("it is a reference"),
            private: None,
            encoding: Encoding::Raw,
            algorithm: None,
            id: None,
        }
    }

    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.required("secret", &mut self.secret, SecretReference);
        let private = Optional(SecretReference);
        keys.key("private", &mut self.private, private);
        keys.key("encoding", &mut self.encoding, Word(&ENCODINGS));
        let algorithm = Text {
            check: check::algorithm,
            example: "HS256",
        };
        keys.key("algorithm", &mut self.algorithm, Optional(algorithm));
        keys.key("id", &mut self.id, Optional(plain("K2JCJMDEHXQW5F")));
    }
}

impl Default for Access {
    fn default() -> Self {
        Self {
            require: vec![],
            origin_lock_header: "x-origin-verify".to_owned(),
            origin_lock_keys: vec![],
            origin_lock_identities: vec![],
            tokens: vec![],
            clock_skew: seconds(10),
            expired_status: 403,
            set_cookie: None,
            renew: Duration::ZERO,
            renew_limit: seconds(12 * 3600),
            revocations: None,
            geo: None,
            rights: None,
            limits: None,
            debug_key: None,
        }
    }
}

impl Access {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        let requirement = Word(&Requirement::WORDS);
        keys.required("require", &mut self.require, List(requirement));
        let header = Text {
            check: check::header_name,
            example: "x-origin-verify",
        };
        keys.key("origin_lock_header", &mut self.origin_lock_header, header);
        let lock = &mut self.origin_lock_keys;
        keys.key("origin_lock_keys", lock, List(name("cdn-a")));
        let identities = &mut self.origin_lock_identities;
        keys.key(
            "origin_lock_identities",
            identities,
            List(plain("cdn.example")),
        );
        keys.key("tokens", &mut self.tokens, List(name("viewers")));
        keys.key("clock_skew", &mut self.clock_skew, Time::ANY);
        keys.key(
            "expired_status",
            &mut self.expired_status,
            OneOf(&[401, 403, 410]),
        );
        let cookie = Text {
            check: check::parameter,
            example: "token",
        };
        keys.key("set_cookie", &mut self.set_cookie, Optional(cookie));
        keys.key("renew", &mut self.renew, Time::ANY);
        keys.key("renew_limit", &mut self.renew_limit, Time::POSITIVE);
        let revocations = Optional(File("/etc/caudal/revoked.txt"));
        keys.key("revocations", &mut self.revocations, revocations);
        keys.key("geo", &mut self.geo, Optional(name("dach")));
        keys.key("rights", &mut self.rights, Optional(name("titles")));
        keys.key("limits", &mut self.limits, Optional(name("fair")));
        keys.key("debug_key", &mut self.debug_key, Optional(name("debug")));
    }
}

impl Geo {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key("allow", &mut self.allow, List(plain("DE")));
        keys.key("deny", &mut self.deny, List(plain("DE")));
        keys.key(
            "groups",
            &mut self.groups,
            List(plain("NORDIC = DK SE NO FI IS")),
        );
        keys.key("unknown", &mut self.unknown, Word(&VERDICTS));
        keys.key("anonymous", &mut self.anonymous, Word(&VERDICTS));
    }
}

impl Default for Geo {
    fn default() -> Self {
        Self {
            allow: vec![],
            deny: vec![],
            groups: vec![],
            unknown: Verdict::Deny,
            anonymous: Verdict::Allow,
        }
    }
}

impl Rights {
    pub(super) fn unset() -> Self {
        Self {
            file: PathBuf::new(),
            paths: vec![],
            unknown: Verdict::Deny,
        }
    }

    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.required("file", &mut self.file, File("/etc/caudal/rights.toml"));
        keys.required("paths", &mut self.paths, List(plain("/vod/{title}/*")));
        keys.key("unknown", &mut self.unknown, Word(&VERDICTS));
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 0,
            burst: 100,
            streams: 0,
            stream_window: seconds(60),
            pace: 0,
            pace_burst: 8 << 20,
            viewers: 100_000,
        }
    }
}

impl Limits {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        let most = 0..=1_000_000;
        let rate = &mut self.requests_per_second;
        keys.key("requests_per_second", rate, Count(most.clone()));
        keys.key("burst", &mut self.burst, Count(1..=1_000_000));
        keys.key("streams", &mut self.streams, Count(most));
        keys.key("stream_window", &mut self.stream_window, Time::POSITIVE);
        keys.key("pace", &mut self.pace, Size(0..=1 << 40));
        keys.key("pace_burst", &mut self.pace_burst, Size(64 << 10..=1 << 40));
        keys.key("viewers", &mut self.viewers, Count(1000..=10_000_000));
    }
}
