//! Connections: bind, accept, and hand each exchange to whoever answers.
//!
//! Read [`Transport::bind`] and [`Transport::serve`]: a socket and a runtime for every core, so that a
//! connection never leaves the core that accepted it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;

use bind::{Binder, Own};
use tls::Tls;

use crate::cache::Arena;
use crate::exchange::Answer;
use crate::telemetry::{HandshakeInstruments, Instruments};

mod bind;
mod busy;
mod connection;
mod deadline;
mod drain;
mod exchange;
mod frames;
mod guard;
mod inherit;
mod introduction;
mod permit;
pub mod proxy;
mod quic;
mod rest;
mod sendfile;
mod socket;
mod streams;
mod tcp;
pub mod tls;
mod turns;
pub mod urgency;

pub use drain::{Drain, Draining};
pub use inherit::{Departure, Inherited, Predecessor, READY};

/// Limits on the connections of a listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// Between requests of one connection, and before its first.
    pub idle_timeout: Duration,
    /// A peer that takes nothing for so long is cut.
    pub write_stall: Duration,
    /// As is one that takes fewer bytes a second of what waits for it, over that time.
    pub min_rate: u64,
    /// A request's body is read, and thrown away, for so long; then the answer is given and the connection
    /// closed.
    pub body_timeout: Duration,
    /// Size of a request's head, in bytes.
    pub header_size: usize,
    /// Headers in a request.
    pub header_count: usize,
}

/// The longest piece of an answer that is handed to h2 or h3, which hold it until the peer takes it; and what it is a
/// multiple of, a frame of HTTP/2.
const PIECE: usize = 64 << 10;
const FRAME: usize = 16 << 10;

impl Limits {
    /// Bytes of which a peer has [`Limits::write_stall`] to take them, where nothing tells that it takes a part: what the
    /// least rate comes to in that time.
    fn piece(&self) -> usize {
        let taken = self.min_rate as f64 * self.write_stall.as_secs_f64();
        (taken.min(PIECE as f64) as usize)
            .next_multiple_of(FRAME)
            .max(FRAME)
    }
}

/// A listener: where, and what is spoken there.
#[derive(Debug, Clone)]
pub struct Listener {
    /// What it is called in metrics and errors.
    pub name: String,
    /// Where.
    pub addrs: Vec<SocketAddr>,
    /// And where in the file system.
    pub path: Option<PathBuf>,
    /// With TLS on these terms, or without.
    pub tls: Option<Arc<Tls>>,
    /// Whether HTTP/2 is spoken to who begins with it.
    pub http2: bool,
    /// Whether HTTP/3 is spoken, at the same ports; with TLS alone.
    pub http3: bool,
    /// Whether its requests are taken before the handshake is done; the terms of TLS have to allow for it.
    pub early_data: bool,
    /// What bounds each of its connections.
    pub limits: Limits,
    /// Connections open at a time here, of those over all listeners.
    pub max_connections: Option<usize>,
}

/// A listener that is bound, and what every connection to it shares.
#[derive(Debug)]
struct Open {
    /// Its place among all.
    index: usize,
    tls: Option<(Arc<Tls>, HandshakeInstruments)>,
    http2: bool,
    /// Where HTTP/3 is spoken instead (RFC 7838).
    alt_svc: Option<HeaderValue>,
    early_data: bool,
    limits: Arc<Limits>,
    /// Of HTTP/3 all but the certificates: for every worker the same, as a token that one gave a client is shown to another.
    quic: Option<quic::Standing>,
    /// Its own cap.
    connections: Option<Arc<Semaphore>>,
}

/// Bound sockets that do not accept yet.
#[derive(Debug)]
pub struct Transport {
    name: &'static str,
    listeners: Vec<Listener>,
    /// Every worker's.
    sockets: Vec<Own>,
    addrs: Vec<SocketAddr>,
    departure: Option<Departure>,
    arena: Option<Arc<Arena>>,
    when_quiet: fn(),
    introduces: Option<Introduces>,
}

/// Whether a peer puts a PROXY header before its connections.
#[derive(Clone)]
struct Introduces(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl std::fmt::Debug for Introduces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Introduces")
    }
}

/// What every connection shares.
#[derive(Debug, Clone)]
struct Shared {
    max_connections: usize,
    connections: Arc<Semaphore>,
    instruments: Arc<Instruments>,
    drain: Draining,
    /// Whose bytes are sent without a copy.
    arena: Option<Arc<Arena>>,
    /// See [`Transport::when_quiet`].
    when_quiet: fn(),
    /// See [`Transport::introduced_by`].
    introduces: Option<Introduces>,
}

/// The workers' threads.
#[derive(Debug)]
pub struct Workers(Vec<std::thread::JoinHandle<()>>);

impl Transport {
    /// Binds every address once for each worker, or takes over what was `inherited` of it. `name` is what their threads are
    /// called.
    ///
    /// # Errors
    /// The address that could not be bound, and why.
    pub fn bind(
        name: &'static str,
        listeners: Vec<Listener>,
        workers: usize,
        inherited: &mut Inherited,
    ) -> Result<Self, BindError> {
        let mut binder = Binder::new(workers, &listeners, inherited);
        for (at, listener) in listeners.iter().enumerate() {
            binder.listen(at, listener)?;
        }
        Ok(Self {
            name,
            sockets: binder.own,
            addrs: binder.addrs,
            listeners,
            departure: None,
            arena: None,
            when_quiet: || (),
            introduces: None,
        })
    }

    /// Copies of every socket, for a server that takes over.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let all = self.sockets.iter().map(Own::copies);
        all.collect::<io::Result<Vec<_>>>()
            .map(|all| all.into_iter().flatten().collect())
    }

    /// Leaves datagrams alone until the server that has read them so far is gone: two would each get half of a connection.
    pub fn after(self, departure: Option<Departure>) -> Self {
        Self { departure, ..self }
    }

    /// Sends the arena's bytes from its file, without a copy.
    pub fn sending_from(self, arena: Option<Arc<Arena>>) -> Self {
        Self { arena, ..self }
    }

    /// Has each worker call `what` on its own thread some seconds after many of its connections have gone to rest or
    /// ended: to give their memory back, which an allocator does for a thread that works, and forgets for one that does not.
    pub fn when_quiet(self, what: fn()) -> Self {
        Self {
            when_quiet: what,
            ..self
        }
    }

    /// Demands a PROXY header, version 1 or 2, of peers that `peers` says yes to: whom it names is then who asks. Of
    /// others it is what it looks like, a request that cannot be read.
    pub fn introduced_by(self, peers: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self {
            introduces: Some(Introduces(Arc::new(peers))),
            ..self
        }
    }

    /// The addresses bound, with the ports the system chose where 0 was asked for.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Starts the workers, each a thread with a runtime of its own. They end when `drain` does. At most `max_connections` are
    /// open at a time, over all listeners; more wait in the listen queue.
    ///
    /// # Errors
    /// When a thread or a runtime cannot be made.
    pub fn serve<A: Answer>(
        self,
        answer: A,
        max_connections: usize,
        instruments: Arc<Instruments>,
        drain: Draining,
    ) -> io::Result<Workers> {
        let open = self.open(&instruments);
        instruments.transport.limit.set(max_connections as f64);
        let shared = Shared {
            connections: Arc::new(Semaphore::new(max_connections)),
            max_connections,
            instruments,
            drain,
            arena: self.arena,
            when_quiet: self.when_quiet,
            introduces: self.introduces,
        };
        let mut threads = Vec::new();
        for (index, own) in self.sockets.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let ears = own.ears.into_iter();
            let ears = ears.map(|(at, ear)| (open[at].clone(), ear)).collect();
            let datagrams = own.datagrams.into_iter();
            let datagrams = datagrams.map(|(at, socket, place)| quic::Listening {
                open: open[at].clone(),
                socket,
                place,
                after: self.departure.clone(),
            });
            let datagrams: Vec<_> = datagrams.collect();
            let (answer, shared) = (answer.clone(), shared.clone());
            let work = move || {
                runtime.block_on(tcp::worker(ears, datagrams, answer, shared));
                // Dropped, the runtime would wait for a fill whose read hangs.
                runtime.shutdown_background();
            };
            let thread = std::thread::Builder::new().name(format!("{}-{index}", self.name));
            threads.push(thread.spawn(work)?);
        }
        Ok(Workers(threads))
    }

    /// What the connections of each listener share.
    fn open(&self, instruments: &Instruments) -> Vec<Arc<Open>> {
        let open = |(index, listener): (usize, &Listener)| {
            let told = || instruments.handshakes(&listener.name);
            let tls = listener.tls.clone().map(|tls| (tls, told()));
            Arc::new(Open {
                index,
                tls,
                http2: listener.http2,
                alt_svc: self.alt_svc(index),
                early_data: listener.early_data,
                limits: Arc::new(listener.limits.clone()),
                quic: quic::standing(listener),
                connections: listener
                    .max_connections
                    .map(|most| Arc::new(Semaphore::new(most))),
            })
        };
        self.listeners.iter().enumerate().map(open).collect()
    }

    /// Where a listener speaks HTTP/3, if it does.
    fn alt_svc(&self, index: usize) -> Option<HeaderValue> {
        let all = self.sockets.iter().flat_map(|own| &own.datagrams);
        let mut own = all.filter(|(at, ..)| *at == index);
        let addr = own.next()?.1.local_addr().ok()?;
        let value = format!("h3=\":{}\"; ma=86400", addr.port());
        // Given away for good: a copy for each request is then no count that all cores share.
        Some(HeaderValue::from_static(value.leak()))
    }
}

#[cfg(test)]
impl Limits {
    /// Longer and more than any test needs.
    fn lavish() -> Self {
        let long = Duration::from_secs(60);
        Self {
            header_timeout: long,
            idle_timeout: long,
            write_stall: long,
            min_rate: 1,
            body_timeout: long,
            header_size: 8192,
            header_count: 100,
        }
    }
}

impl Workers {
    /// Waits until every worker has ended.
    pub fn join(self) {
        for thread in self.0 {
            // A worker that panicked has said so on stderr.
            let _ = thread.join();
        }
    }
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}: {}", explain(source))]
pub struct BindError {
    place: String,
    source: io::Error,
}

impl BindError {
    fn at(place: impl std::fmt::Display, source: io::Error) -> Self {
        Self {
            place: place.to_string(),
            source,
        }
    }
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use: stop the other server or choose another with --listen".into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: choose another with --listen".into()
        }
        _ => error.to_string(),
    }
}
