//! The sections that are always there, with the default of every key. Fields are called as their keys; sizes are in
//! bytes. `config/reference.toml` argues the defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::check;
use super::format::{
    Address, Addresses, Count, File, Flag, Memory, Optional, Percent, Size, Text, Time, Word,
};
use super::schema::Keys;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `[server]`: the listeners for viewers, and what bounds a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where to listen without TLS; empty where `[listener.NAME]` sections say it all.
    pub listen: Vec<SocketAddr>,
    /// Threads that serve viewers; 0 is one per core.
    pub workers: usize,
    /// Connections open at once, over all listeners.
    pub max_connections: usize,
    /// For a request's head to arrive.
    pub header_timeout: Duration,
    /// The longest request head.
    pub header_size: u64,
    /// The most header fields of a request.
    pub header_count: usize,
    /// For a request's body, which nobody reads, to arrive.
    pub body_timeout: Duration,
    /// How long a connection may rest between requests.
    pub idle_timeout: Duration,
    /// How long a viewer may take nothing of an answer.
    pub write_stall: Duration,
    /// Bytes a second that a viewer takes at least of what waits for it, over [`Server::write_stall`].
    pub min_rate: u64,
    /// After SIGTERM: how long to go on accepting while readiness says no.
    pub drain_grace: Duration,
    /// After that: how long answers under way may take.
    pub drain_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))],
            workers: 0,
            max_connections: 16_384,
            header_timeout: seconds(10),
            header_size: 32 * KIB,
            header_count: 100,
            body_timeout: seconds(30),
            idle_timeout: seconds(125),
            write_stall: seconds(30),
            min_rate: 2 * KIB,
            drain_grace: Duration::ZERO,
            drain_timeout: seconds(30),
        }
    }
}

impl Server {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key(
            "listen",
            &mut self.listen,
            Addresses {
                each: Address {
                    example: "0.0.0.0:8080",
                },
                least: 0,
            },
        );
        keys.key("workers", &mut self.workers, Count(0..=1024));
        keys.key(
            "max_connections",
            &mut self.max_connections,
            Count(1..=1_000_000),
        );
        keys.key("header_timeout", &mut self.header_timeout, Time::POSITIVE);
        // Below 8 KiB hyper does not go; above, a connection that says little holds much.
        keys.key("header_size", &mut self.header_size, Size(8 * KIB..=MIB));
        keys.key("header_count", &mut self.header_count, Count(8..=1000));
        keys.key("body_timeout", &mut self.body_timeout, Time::POSITIVE);
        keys.key("idle_timeout", &mut self.idle_timeout, Time::POSITIVE);
        keys.key("write_stall", &mut self.write_stall, Time::POSITIVE);
        // Without a rate a viewer that takes a byte now and then holds memory for ever; above, slow networks are cut.
        keys.key("min_rate", &mut self.min_rate, Size(1..=64 * KIB));
        keys.key("drain_grace", &mut self.drain_grace, Time::ANY);
        keys.key("drain_timeout", &mut self.drain_timeout, Time::ANY);
    }
}

/// `[admin]`: the private listener for metrics, health and the player page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen.
    pub listen: SocketAddr,
    /// And where in the file system.
    pub socket: Option<PathBuf>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9180)),
            socket: None,
        }
    }
}

impl Admin {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key(
            "listen",
            &mut self.listen,
            Address {
                example: "127.0.0.1:9180",
            },
        );
        let socket = Optional(File("/run/caudal/admin.sock"));
        keys.key("socket", &mut self.socket, socket);
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least important level that is logged.
    pub level: Level,
    /// How lines are written.
    pub format: LogFormat,
    /// Whether every answer is logged.
    pub access: bool,
}

/// How important a log line is, most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed that an operator must mend.
    Error,
    /// Something is off, and served around.
    Warn,
    /// What happens once or rarely.
    Info,
    /// Every decision.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Level {
    const WORDS: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The word for it in the configuration and in log filters.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

impl LogFormat {
    const WORDS: [(&'static str, Self); 3] = [
        ("auto", Self::Auto),
        ("json", Self::Json),
        ("text", Self::Text),
    ];
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: LogFormat::Auto,
            access: true,
        }
    }
}

impl Log {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key("level", &mut self.level, Word(&Level::WORDS));
        keys.key("format", &mut self.format, Word(&LogFormat::WORDS));
        keys.key("access", &mut self.access, Flag);
    }
}

/// `cache.arena`: which blocks are kept in memory that the kernel can send from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArenaUse {
    /// Those that were sent a few times.
    Hot,
    /// All that are long enough.
    All,
    /// None.
    Off,
}

impl ArenaUse {
    const WORDS: [(&'static str, Self); 3] =
        [("hot", Self::Hot), ("all", Self::All), ("off", Self::Off)];
}

/// `[cache]`: what is held in memory, and how it is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// For blocks, those being filled included; at least four runs.
    pub memory: u64,
    /// What is cached as one; a power of two.
    pub block: u64,
    /// The longest read from storage; a multiple of `block`.
    pub run: u64,
    /// Which blocks are kept where they can be sent without a copy.
    pub arena: ArenaUse,
    /// The part of `memory` kept for fills in flight, in percent; see [`Cache::fill_bytes`].
    pub fill_reserve: u8,
    /// How long a fill waits for memory before the answer is 503.
    pub fill_wait: Duration,
    /// How long one fill may take, resumes included.
    pub fill_timeout: Duration,
    /// How often the body of one fill may break: resumes and the first attempt together.
    pub fill_attempts: u32,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            memory: 512 * MIB,
            block: MIB,
            run: 8 * MIB,
            arena: ArenaUse::Hot,
            fill_reserve: 25,
            fill_wait: seconds(2),
            fill_timeout: seconds(60),
            fill_attempts: 4,
        }
    }
}

impl Cache {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key("memory", &mut self.memory, Memory(Size(MIB..=TIB)));
        keys.key("block", &mut self.block, Size(64 * KIB..=16 * MIB));
        keys.key("run", &mut self.run, Size(64 * KIB..=1024 * MIB));
        keys.key("arena", &mut self.arena, Word(&ArenaUse::WORDS));
        keys.key("fill_reserve", &mut self.fill_reserve, Percent(1..=90));
        keys.key("fill_wait", &mut self.fill_wait, Time::ANY);
        keys.key("fill_timeout", &mut self.fill_timeout, Time::POSITIVE);
        keys.key("fill_attempts", &mut self.fill_attempts, Count(1..=100));
    }

    /// The part of `memory` kept for fills in flight, in bytes; at least one run.
    pub fn fill_bytes(&self) -> u64 {
        let bytes = u128::from(self.memory) * u128::from(self.fill_reserve) / 100;
        u64::try_from(bytes).unwrap_or(self.memory)
    }
}

/// `[cors]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The value of `Access-Control-Allow-Origin`: `*` or one origin.
    pub origin: String,
    /// Whether browsers of that origin may send cookies along; not with `*`.
    pub credentials: bool,
    /// How long a browser may remember a preflight answer.
    pub max_age: Duration,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origin: "*".to_owned(),
            credentials: false,
            max_age: seconds(86_400),
        }
    }
}

impl Cors {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key(
            "origin",
            &mut self.origin,
            Text {
                check: check::cors_origin,
                example: "*",
            },
        );
        keys.key("credentials", &mut self.credentials, Flag);
        keys.key("max_age", &mut self.max_age, Time::ANY);
    }
}

/// `[compression]`: gzip of manifests, subtitles and other text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// Whether to compress at all.
    pub enabled: bool,
    /// Shorter objects are sent as they are.
    pub min: u64,
    /// Longer objects are sent as they are.
    pub max: u64,
    /// From 1, fast, to 9, small.
    pub level: u32,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            enabled: true,
            min: 860,
            max: 8 * MIB,
            level: 6,
        }
    }
}

impl Compression {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key("enabled", &mut self.enabled, Flag);
        keys.key("min", &mut self.min, Size(0..=MIB));
        keys.key("max", &mut self.max, Size(KIB..=64 * MIB));
        keys.key("level", &mut self.level, Count(1..=9));
    }
}

/// `[cmcd]`: what players say of their playback (CTA-5004).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cmcd {
    /// Whether it is counted.
    pub metrics: bool,
}

impl Default for Cmcd {
    fn default() -> Self {
        Self { metrics: true }
    }
}

impl Cmcd {
    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        keys.key("metrics", &mut self.metrics, Flag);
    }
}
