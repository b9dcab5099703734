//! Connections: bind, accept, and hand each exchange to whoever answers.
//!
//! Read [`Transport::bind`] and [`Transport::serve`]: a socket and a runtime for every core, so that a
//! connection never leaves the core that accepted it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;

use tcp::Share;
use tls::Tls;

use crate::cache::Arena;
use crate::exchange::Answer;
use crate::telemetry::{HandshakeInstruments, Instruments};

mod busy;
mod connection;
mod deadline;
mod drain;
mod exchange;
mod frames;
mod guard;
mod introduction;
pub mod proxy;
mod quic;
mod rest;
mod sendfile;
mod socket;
mod streams;
mod tcp;
pub mod tls;

pub use drain::{Drain, Draining};

/// Limits on connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at a time; more wait in the listen queue.
    pub max_connections: usize,
    /// From the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// Between requests of one connection, and before its first.
    pub idle_timeout: Duration,
    /// A peer that takes nothing for so long is cut.
    pub write_stall: Duration,
    /// A request's body is read, and thrown away, for so long; then the answer is given and the connection
    /// closed.
    pub body_timeout: Duration,
    /// Size of a request's head, in bytes.
    pub header_size: usize,
    /// Headers in a request.
    pub header_count: usize,
}

/// A listener: where, and what is spoken there.
#[derive(Debug, Clone)]
pub struct Listener {
    /// What it is called in metrics and errors.
    pub name: String,
    /// Where.
    pub addrs: Vec<SocketAddr>,
    /// With TLS on these terms, or without.
    pub tls: Option<Arc<Tls>>,
    /// Whether HTTP/2 is spoken to who begins with it.
    pub http2: bool,
    /// Whether HTTP/3 is spoken, at the same ports; with TLS alone.
    pub http3: bool,
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
}

/// Bound sockets that do not accept yet.
#[derive(Debug)]
pub struct Transport {
    name: &'static str,
    listeners: Vec<Listener>,
    /// One list for every worker: sockets, and whose they are.
    sockets: Vec<Vec<(usize, std::net::TcpListener)>>,
    /// The same for HTTP/3.
    datagrams: Vec<Vec<(usize, std::net::UdpSocket, quic::Place)>>,
    addrs: Vec<SocketAddr>,
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
    limits: Arc<Limits>,
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
    /// Binds every address once for each worker. `name` is what their threads are called.
    ///
    /// # Errors
    /// The address that could not be bound, and why.
    pub fn bind(
        name: &'static str,
        listeners: Vec<Listener>,
        workers: usize,
    ) -> Result<Self, BindError> {
        let mut sockets: Vec<Vec<_>> = std::iter::repeat_with(Vec::new).take(workers).collect();
        let mut datagrams: Vec<Vec<_>> = std::iter::repeat_with(Vec::new).take(workers).collect();
        let mut addrs = Vec::new();
        let asked = listeners.iter().enumerate();
        let asked =
            asked.flat_map(|(at, listener)| listener.addrs.iter().map(move |addr| (at, *addr)));
        for (at, asked) in asked {
            let failed = |source| BindError {
                addr: asked,
                source,
            };
            let mut addr = asked;
            for (worker, sockets) in sockets.iter_mut().enumerate() {
                let socket = tcp::listener(addr, Share::of(worker)).map_err(failed)?;
                // Where the system chose the port, the others need the same one.
                addr = socket.local_addr().map_err(failed)?;
                sockets.push((at, socket));
            }
            addrs.push(addr);
            if listeners[at].http3 {
                let places = quic::places(workers).into_iter();
                for ((worker, own), place) in datagrams.iter_mut().enumerate().zip(places) {
                    let socket = tcp::datagrams(addr, Share::of(worker)).map_err(failed)?;
                    own.push((at, socket, place));
                }
            }
        }
        Ok(Self {
            name,
            listeners,
            sockets,
            datagrams,
            addrs,
            arena: None,
            when_quiet: || (),
            introduces: None,
        })
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

    /// Starts a worker for each list of sockets: a thread with a runtime of its own. They end when `drain`
    /// does.
    ///
    /// # Errors
    /// When a thread or a runtime cannot be made.
    pub fn serve<A: Answer>(
        self,
        answer: A,
        limits: Limits,
        instruments: Arc<Instruments>,
        drain: Draining,
    ) -> io::Result<Workers> {
        let open = |(index, listener): (usize, &Listener)| {
            let told = || instruments.handshakes(&listener.name);
            let tls = listener.tls.clone().map(|tls| (tls, told()));
            let ports = self.datagrams.first().and_then(|own| {
                let mut own = own.iter().filter(|(at, ..)| *at == index);
                own.next()
                    .and_then(|(_, socket, _)| socket.local_addr().ok())
            });
            let alt_svc = ports.map(|addr| format!("h3=\":{}\"; ma=86400", addr.port()));
            Arc::new(Open {
                index,
                tls,
                http2: listener.http2,
                // Given away for good: a copy for each request is then no count that all cores share.
                alt_svc: alt_svc.map(|value| HeaderValue::from_static(value.leak())),
            })
        };
        let open: Vec<_> = self.listeners.iter().enumerate().map(open).collect();
        let shared = Shared {
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            limits: Arc::new(limits),
            instruments,
            drain,
            arena: self.arena,
            when_quiet: self.when_quiet,
            introduces: self.introduces,
        };
        let mut threads = Vec::new();
        let each = self.sockets.into_iter().zip(self.datagrams);
        for (index, (sockets, datagrams)) in each.enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let sockets = sockets.into_iter();
            let sockets = sockets
                .map(|(at, socket)| (open[at].clone(), socket))
                .collect();
            let datagrams = datagrams
                .into_iter()
                .map(|(at, socket, place)| quic::Listening {
                    open: open[at].clone(),
                    socket,
                    place,
                });
            let datagrams: Vec<_> = datagrams.collect();
            let (answer, shared) = (answer.clone(), shared.clone());
            let work = move || {
                runtime.block_on(tcp::worker(sockets, datagrams, answer, shared));
                // Dropped, the runtime would wait for a fill whose read hangs.
                runtime.shutdown_background();
            };
            let thread = std::thread::Builder::new().name(format!("{}-{index}", self.name));
            threads.push(thread.spawn(work)?);
        }
        Ok(Workers(threads))
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
#[error("cannot listen on {addr}: {}", explain(source))]
pub struct BindError {
    addr: SocketAddr,
    source: io::Error,
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
