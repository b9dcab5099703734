//! The composition root. [`App::load`] wires everything, in order; [`App::start`] begins to serve;
//! [`Running::stop`] drains.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Mutex;

use crate::admin::{Admin, Certificates, Demo, Reload};
use crate::cache::Cache;
use crate::config::{self, Config, LogFormat};
use crate::handler::Handler;
use crate::storage::{self, Storage};
use crate::telemetry::{AccessLog, Format, Instruments};
use crate::transport::{BindError, Departure, Drain, Inherited, Predecessor, Transport, Workers};

pub(crate) mod access;
mod acme;
mod again;
pub(crate) mod allocator;
mod descriptors;
mod files;
mod generation;
mod listeners;
mod reload;
mod routes;
mod secrets;
mod settings;
mod shelf;
mod storages;
mod tls;
mod upgrade;

pub use reload::Reread;
pub use upgrade::Successor;

use generation::{Generation, House, Rest};
use reload::Reloader;

/// Everything wired, sockets bound, nothing accepted yet.
pub struct App {
    viewers: Transport,
    operators: Transport,
    max_connections: usize,
    drain_grace: Duration,
    drain_timeout: Duration,
    predecessor: Option<Predecessor>,
    house: House,
    handler: Handler,
    admin: Admin,
    generation: Rest,
    reread: Option<Reread>,
    log_writer: Option<std::thread::JoinHandle<()>>,
    background: Runtime,
}

/// What an app takes beyond its configuration.
#[derive(Default)]
pub struct Extras {
    /// Storages made elsewhere, by name: they take the place of what the configuration says of that name.
    pub storages: HashMap<String, Arc<dyn Storage>>,
    /// Paths of a title's manifests, for the player page.
    pub demo: Option<Demo>,
    /// How the configuration is read again; without it, it is not.
    pub reread: Option<Reread>,
    /// Sockets that are bound already.
    pub inherited: Inherited,
    /// The server to take over from.
    pub predecessor: Option<Predecessor>,
}

/// Why an app cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be worked with.
    #[error("{0}")]
    Config(String),
    /// A storage cannot be opened.
    #[error("storage.{name}: {source}")]
    Storage {
        /// Its name in the configuration.
        name: String,
        /// What it said.
        source: storage::Error,
    },
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system refused a thread or a runtime.
    #[error("the system refused a thread: {0}")]
    System(#[from] std::io::Error),
    /// A server that takes over cannot serve what the one before it serves.
    #[error("not ready to take over: {0}")]
    NotReady(String),
}

impl App {
    /// Wires an app. Blocks; not to be called from within an async runtime.
    ///
    /// Storages come first, since everything reads from them; sockets come last, so that a port is never
    /// open with nothing behind it.
    ///
    /// # Errors
    /// See [`Error`]. A storage that cannot be reached is none: readiness says so, and it may come back.
    pub fn load(config: &Config, mut extras: Extras) -> Result<Self, Error> {
        let background = Builder::new_multi_thread()
            .thread_name("background")
            .enable_all()
            .build()?;
        let instruments = Arc::new(Instruments::new());
        descriptors::raise(config.server.max_connections);

        let storages = generation::first_storages(config, extras.storages, &instruments);
        let storages = background.block_on(storages)?;
        let memory = settings::shares(config);
        let cache = Cache::new(
            settings::cache(config, &memory),
            generation::source(config, &storages),
            background.handle().clone(),
            instruments.clone(),
        );
        let (access_log, log_writer) = access_log(&config.log, &instruments)?;
        let house = House {
            background: background.handle().clone(),
            instruments: instruments.clone(),
            cache: cache.clone(),
            access_log,
            certificates: Certificates::default(),
            sessions: Arc::default(),
        };
        let Generation { parts, rest } =
            background.block_on(Generation::make(&house, config, storages, None))?;
        let handler = Handler::new(parts);
        let admin = Admin::new(
            rest.health.clone(),
            cache.clone(),
            instruments,
            house.certificates.clone(),
            extras.demo,
        );
        let inherited = &mut extras.inherited;
        let viewers = listeners::viewers(config, &handler, &rest.tls, inherited)?;
        let operators = listeners::operators(config, inherited)?;
        for socket in inherited.left_over() {
            tracing::warn!(
                socket,
                "a socket that was handed to us is nobody's listener: it is closed"
            );
        }
        Ok(Self {
            viewers: viewers
                .sending_from(cache.arena().cloned())
                .when_quiet(allocator::give_back),
            operators,
            max_connections: config.server.max_connections,
            drain_grace: config.server.drain_grace,
            drain_timeout: config.server.drain_timeout,
            predecessor: extras.predecessor,
            house,
            handler,
            admin,
            generation: rest,
            reread: extras.reread,
            log_writer,
            background,
        })
    }

    /// The addresses viewers are served on.
    pub fn addrs(&self) -> &[SocketAddr] {
        self.viewers.addrs()
    }

    /// The address operators are served on.
    pub fn admin_addr(&self) -> SocketAddr {
        self.operators.addrs()[0]
    }

    /// Begins to serve, on threads of its own. Returns at once, but for a server that takes over: it serves once it is
    /// ready, and tells the one before.
    ///
    /// # Errors
    /// When the system refuses a thread, or a server that takes over is not ready.
    pub fn start(self) -> Result<Running, Error> {
        let (addrs, admin_addr) = (self.addrs().to_vec(), self.admin_addr());
        let instruments = self.house.instruments.clone();
        let cache = self.house.cache.clone();
        self.background.spawn(upkeep(cache, instruments.clone()));
        let reloader = Arc::new(Reloader {
            current: Mutex::new(self.generation.look_after(&self.house)),
            house: self.house,
            handler: self.handler.clone(),
            admin: self.admin.clone(),
            reread: self.reread,
        });
        self.admin
            .reloads_by(reload_on(self.background.handle(), &reloader));
        let departure = take_over(self.predecessor, &self.admin, &self.background)?;
        let mut sockets = self.viewers.copies()?;
        sockets.append(&mut self.operators.copies()?);
        let (viewers_drain, viewers_draining) = Drain::new();
        let (operators_drain, operators_draining) = Drain::new();
        let most = self.max_connections;
        let viewers = self.viewers.after(departure);
        let viewers = viewers.serve(self.handler, most, instruments, viewers_draining)?;
        let uncounted = Arc::new(Instruments::new());
        let operators =
            self.operators
                .serve(self.admin.clone(), most, uncounted, operators_draining)?;
        Ok(Running {
            addrs,
            admin_addr,
            sockets,
            admin: self.admin,
            reloader,
            viewers: (viewers_drain, viewers),
            operators: (operators_drain, operators),
            drain_grace: self.drain_grace,
            drain_timeout: self.drain_timeout,
            log_writer: self.log_writer,
            background: self.background,
        })
    }
}

/// For storages to be reached before another server's viewers are taken from it.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Waits until we can serve, then has the server before us stop: both accept until it has heard.
fn take_over(
    predecessor: Option<Predecessor>,
    admin: &Admin,
    background: &Runtime,
) -> Result<Option<Departure>, Error> {
    let Some(predecessor) = predecessor else {
        return Ok(None);
    };
    let ready = async {
        while !admin.is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ready = background.block_on(async { tokio::time::timeout(READY_WITHIN, ready).await });
    ready.map_err(|_| Error::NotReady(admin.why_not_ready()))?;
    Ok(Some(predecessor.dismiss()?))
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({:?})", self.addrs())
    }
}

/// An app that serves.
pub struct Running {
    addrs: Vec<SocketAddr>,
    admin_addr: SocketAddr,
    /// Copies of all that listen, for a server that takes over.
    sockets: Vec<OwnedFd>,
    admin: Admin,
    reloader: Arc<Reloader>,
    viewers: (Drain, Workers),
    operators: (Drain, Workers),
    drain_grace: Duration,
    drain_timeout: Duration,
    log_writer: Option<std::thread::JoinHandle<()>>,
    background: Runtime,
}

/// How long the log has for its last lines where viewers still hold it.
const LOG_MOMENT: Duration = Duration::from_millis(200);

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every viewer was served to the end.
    Drained,
    /// Some were still being served when the time was up.
    TimedOut,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({:?})", self.addrs)
    }
}

impl Running {
    /// The addresses viewers are served on.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The address operators are served on.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Runs a future on the background runtime: waiting for a signal, say.
    pub fn wait_for<T>(&self, what: impl Future<Output = T>) -> T {
        self.background.block_on(what)
    }

    /// Runs a future beside the server.
    pub fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(what);
    }

    /// Reads the configuration again and takes it into use, all of it or nothing: what is served changes from the next
    /// request on, everything cached is kept. It is told in the log how that went.
    ///
    /// # Errors
    /// What is wrong with the new one. What was in use before goes on.
    pub async fn reload(&self) -> Result<(), String> {
        self.reloader.reload().await
    }

    /// Starts the program anew with all that listens, and waits until it serves. What is left to do is
    /// [`Running::give_way`]. To drop the future is to end what was started.
    ///
    /// # Errors
    /// Why the other one does not serve. We go on.
    pub async fn hand_over(&self) -> Result<Successor, String> {
        let copies = self.sockets.iter().map(OwnedFd::try_clone);
        let outcome = match copies.collect() {
            Ok(copies) => upgrade::hand_over(copies).await,
            Err(error) => Err(error.to_string()),
        };
        let instruments = &self.reloader.house.instruments;
        match &outcome {
            Ok(successor) => tracing::info!(pid = successor.pid, "another process serves now"),
            Err(problem) => {
                instruments.upgrades_failed.increment(1);
                tracing::error!(%problem, "no other process took over: this one goes on");
            }
        }
        outcome
    }

    /// Stops where another process serves already: lets every viewer finish within the drain timeout. Blocks.
    pub fn give_way(self, successor: Successor) -> Stopped {
        let stopped = self.finish(Drain::give_way);
        drop(successor);
        stopped
    }

    /// Stops: says so on `/readyz`, keeps accepting for the grace period, then lets every viewer finish
    /// within the drain timeout. Blocks. Operators are served to the last.
    pub fn stop(self) -> Stopped {
        self.admin.leave();
        std::thread::sleep(self.drain_grace);
        self.finish(Drain::begin)
    }

    fn finish(self, begin: impl Fn(&Drain)) -> Stopped {
        // Copies that stay open would keep the kernel queueing connections for nobody.
        drop(self.sockets);
        let (drain, workers) = self.viewers;
        begin(&drain);
        let finished = self
            .background
            .block_on(async { tokio::time::timeout(self.drain_timeout, drain.finished()).await });
        begin(&self.operators.0);
        if finished.is_err() {
            // The threads end with the process; waiting for them would be waiting for the viewers. The log
            // is given the moment it needs to write what it has.
            std::thread::sleep(LOG_MOMENT);
            // Dropped, the runtime would wait for a read that hangs.
            self.background.shutdown_background();
            return Stopped::TimedOut;
        }
        workers.join();
        drop(self.reloader);
        self.background.shutdown_background();
        if let Some(writer) = self.log_writer {
            let _ = writer.join();
        }
        Stopped::Drained
    }
}

type Log = (AccessLog, Option<std::thread::JoinHandle<()>>);

fn access_log(log: &config::Log, instruments: &Arc<Instruments>) -> Result<Log, Error> {
    if !log.access {
        return Ok((AccessLog::off(instruments.clone()), None));
    }
    let out = std::io::stdout();
    let format = match log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
        LogFormat::Auto if std::io::IsTerminal::is_terminal(&out) => Format::Text,
        LogFormat::Auto => Format::Json,
    };
    let (log, writer) = AccessLog::to(out, format, instruments.clone())?;
    Ok((log, Some(writer)))
}

/// Once a second: what the cache and the histograms put off.
async fn upkeep(cache: Arc<Cache>, instruments: Arc<Instruments>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        cache.upkeep();
        instruments.upkeep();
    }
}

/// Operators ask on a thread of their own; the work is done behind.
fn reload_on(background: &Handle, reloader: &Arc<Reloader>) -> Reload {
    // The log ends when nobody holds it any more, and a reloader holds it: operators, who are served to the last, do not.
    let (background, reloader) = (background.clone(), Arc::downgrade(reloader));
    Reload::new(move || {
        let reloader = reloader.upgrade();
        let reloading = background.spawn(async move {
            match reloader {
                Some(reloader) => reloader.reload().await,
                None => Err("the server is stopping".to_owned()),
            }
        });
        Box::pin(async move {
            let panicked = |_| Err("the server failed to reload: see its log".to_owned());
            reloading.await.unwrap_or_else(panicked)
        })
    })
}
