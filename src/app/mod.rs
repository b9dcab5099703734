//! The composition root. [`App::load`] wires everything, in order; [`App::start`] begins to serve;
//! [`Running::stop`] drains.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::runtime::{Builder, Runtime};

use crate::admin::{Admin, Demo};
use crate::cache::{Cache, StorageId};
use crate::config::{self, Config, LogFormat};
use crate::delivery::Delivery;
use crate::handler::{Handler, Parts, Route, Routes};
use crate::storage::health::{Health, State};
use crate::storage::{self, Storage};
use crate::telemetry::{AccessLog, Format, Instruments, Loaded};
use crate::transport::{BindError, Drain, Limits, Listener, Transport, Workers};

pub(crate) mod access;
pub(crate) mod allocator;
mod files;
mod secrets;
mod settings;
mod storages;
mod tls;

/// Everything wired, sockets bound, nothing accepted yet.
#[derive(Debug)]
pub struct App {
    viewers: Transport,
    operators: Transport,
    limits: Limits,
    drain_grace: Duration,
    drain_timeout: Duration,
    handler: Handler,
    admin: Admin,
    cache: Arc<Cache>,
    health: Health,
    access: access::Loader,
    tls: tls::Loader,
    instruments: Arc<Instruments>,
    log_writer: Option<std::thread::JoinHandle<()>>,
    background: Runtime,
}

/// What an app takes beyond its configuration.
#[derive(Debug, Default)]
pub struct Extras {
    /// Storages made elsewhere, by name: they take the place of what the configuration says of that name.
    pub storages: HashMap<String, Arc<dyn Storage>>,
    /// Paths of a title's manifests, for the player page.
    pub demo: Option<Demo>,
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
}

impl App {
    /// Wires an app. Blocks; not to be called from within an async runtime.
    ///
    /// Storages come first, since everything reads from them; sockets come last, so that a port is never
    /// open with nothing behind it.
    ///
    /// # Errors
    /// See [`Error`]. A storage that cannot be reached is none: readiness says so, and it may come back.
    pub fn load(config: &Config, extras: Extras) -> Result<Self, Error> {
        let background = Builder::new_multi_thread()
            .thread_name("background")
            .enable_all()
            .build()?;
        let instruments = Arc::new(Instruments::new());

        let opened = background.block_on(storages::open(config, extras.storages, &instruments))?;
        let health = Health::new(opened.iter().map(|s| (s.name.clone(), s.probed.clone())));
        let ids: HashMap<&str, StorageId> =
            opened.iter().map(|s| (s.name.as_str(), s.id)).collect();

        let memory = settings::shares(config);
        let cache = Cache::new(
            settings::cache(config, &memory),
            opened.iter().map(|s| s.served.clone()).collect(),
            background.handle().clone(),
            instruments.clone(),
        );
        let delivery = Delivery::new(
            cache.clone(),
            settings::compression(config, &memory),
            background.handle().clone(),
        );
        let access = background.block_on(access::Loader::load(config))?;
        let tls = background.block_on(tls::Loader::load(config))?;
        let (access_log, log_writer) = access_log(&config.log, &instruments)?;
        let handler = Handler::new(Parts {
            routes: routes(config, &ids, &instruments)?,
            unrouted: Arc::new(instruments.route("-")),
            gate: access.gate(),
            delivery,
            cors: settings::cors(config)?,
            cache_control: settings::cache_control(config)?,
            access_log,
            instruments: instruments.clone(),
        });
        let admin = Admin::new(
            health.clone(),
            cache.clone(),
            instruments.clone(),
            extras.demo,
        );

        Ok(Self {
            viewers: viewers(config, &access, &tls)?
                .sending_from(cache.arena().cloned())
                .when_quiet(allocator::give_back),
            operators: Transport::bind("operators", vec![operators(config)], 1)?,
            limits: settings::limits(config),
            drain_grace: config.server.drain_grace,
            drain_timeout: config.server.drain_timeout,
            handler,
            admin,
            cache,
            health,
            access,
            tls,
            instruments,
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

    /// Begins to serve, on threads of its own. Returns at once.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(self) -> Result<Running, Error> {
        let (addrs, admin_addr) = (self.addrs().to_vec(), self.admin_addr());
        self.background
            .spawn(watch(self.health.clone(), self.instruments.clone()));
        self.background
            .spawn(upkeep(self.cache, self.health, self.instruments.clone()));
        self.background
            .spawn(self.access.watch(self.instruments.loads(Loaded::Access)));
        self.background
            .spawn(self.tls.watch(self.instruments.clone()));
        let (viewers_drain, viewers_draining) = Drain::new();
        let (operators_drain, operators_draining) = Drain::new();
        let (limits, instruments) = (self.limits, self.instruments);
        let viewers = self.viewers.serve(
            self.handler,
            limits.clone(),
            instruments.clone(),
            viewers_draining,
        )?;
        let operators = self.operators.serve(
            self.admin.clone(),
            limits,
            Arc::new(Instruments::new()),
            operators_draining,
        )?;
        Ok(Running {
            addrs,
            admin_addr,
            admin: self.admin,
            viewers: (viewers_drain, viewers),
            operators: (operators_drain, operators),
            drain_grace: self.drain_grace,
            drain_timeout: self.drain_timeout,
            log_writer: self.log_writer,
            background: self.background,
        })
    }
}

/// An app that serves.
#[derive(Debug)]
pub struct Running {
    addrs: Vec<SocketAddr>,
    admin_addr: SocketAddr,
    admin: Admin,
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

    /// Stops: says so on `/readyz`, keeps accepting for the grace period, then lets every viewer finish
    /// within the drain timeout. Blocks. Operators are served to the last.
    pub fn stop(self) -> Stopped {
        self.admin.leave();
        std::thread::sleep(self.drain_grace);
        let (drain, workers) = self.viewers;
        drain.begin();
        let finished = self
            .background
            .block_on(async { tokio::time::timeout(self.drain_timeout, drain.finished()).await });
        self.operators.0.begin();
        if finished.is_err() {
            // The threads end with the process; waiting for them would be waiting for the viewers. The log
            // is given the moment it needs to write what it has.
            std::thread::sleep(LOG_MOMENT);
            // Dropped, the runtime would wait for a read that hangs.
            self.background.shutdown_background();
            return Stopped::TimedOut;
        }
        workers.join();
        self.background.shutdown_background();
        if let Some(writer) = self.log_writer {
            let _ = writer.join();
        }
        Stopped::Drained
    }
}

/// The listeners for viewers, and what load balancers say before a connection.
fn viewers(
    config: &Config,
    access: &access::Loader,
    tls: &tls::Loader,
) -> Result<Transport, BindError> {
    let listeners = listeners(config, tls);
    let viewers = Transport::bind("viewers", listeners, settings::workers(config))?;
    if !config.viewer.proxy_protocol {
        return Ok(viewers);
    }
    let gate = access.gate();
    Ok(viewers.introduced_by(move |peer| gate.load().identify.trusted.contains(peer)))
}

/// `server.listen`, then the others in the order of their names: so they are counted in requests and in [`routes`].
fn listeners(config: &Config, tls: &tls::Loader) -> Vec<Listener> {
    let plain = Listener {
        name: "server".to_owned(),
        addrs: config.server.listen.clone(),
        tls: None,
        http2: true,
    };
    let others = config.listener.iter().map(|(name, listener)| Listener {
        name: name.clone(),
        addrs: listener.listen.clone(),
        tls: tls.of(name),
        http2: listener.protocols.contains(&config::Protocol::Http2),
    });
    std::iter::once(plain).chain(others).collect()
}

fn operators(config: &Config) -> Listener {
    Listener {
        name: "admin".to_owned(),
        addrs: vec![config.admin.listen],
        tls: None,
        http2: true,
    }
}

async fn watch(health: Health, instruments: Arc<Instruments>) {
    let changed = |name: &str, report: &storage::health::Report| {
        let ready = f64::from(u8::from(report.state == State::Ready));
        instruments.storage_ready(name).set(ready);
        match &report.detail {
            None => tracing::info!(storage = name, "storage is ready"),
            Some(detail) => {
                tracing::warn!(storage = name, state = ?report.state, detail, "storage is not ready")
            }
        }
    };
    health.watch(changed).await;
}

/// Once a second: what the cache and the histograms put off, and when credentials expire.
async fn upkeep(cache: Arc<Cache>, health: Health, instruments: Arc<Instruments>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        cache.upkeep();
        instruments.upkeep();
        for (name, at) in health.credentials_expire() {
            let unix = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            instruments.credentials_expire(name).set(unix.as_secs_f64());
        }
    }
}

/// The routes of every listener: a listener's own policy stands in where a route has none.
fn routes(
    config: &Config,
    ids: &HashMap<&str, StorageId>,
    instruments: &Instruments,
) -> Result<Vec<Routes>, Error> {
    let policies = config
        .listener
        .values()
        .map(|listener| listener.access.as_ref());
    let policies = std::iter::once(None).chain(policies);
    let routes = policies.map(|policy| routes_of(config, ids, instruments, policy));
    routes.collect()
}

fn routes_of(
    config: &Config,
    ids: &HashMap<&str, StorageId>,
    instruments: &Instruments,
    policy: Option<&String>,
) -> Result<Routes, Error> {
    let route = |route: &config::Route| {
        let storage = ids.get(route.storage.as_str()).copied().ok_or_else(|| {
            Error::Config(format!(
                "route {}: there is no storage.{}",
                route.path, route.storage
            ))
        })?;
        let access = route.access.as_ref().or(policy);
        Ok(Route {
            path: route.path.as_str().into(),
            storage,
            strip_prefix: route.strip_prefix,
            prepend: route.prepend.clone(),
            policy: access.and_then(|access| config.access.keys().position(|name| name == access)),
            takes_prefix: access.is_some_and(|access| takes_prefix(config, access)),
            instruments: Arc::new(instruments.route(&route.path)),
            access: Arc::new(instruments.access(access.map_or("-", String::as_str))),
        })
    };
    let routes = config
        .route
        .iter()
        .map(route)
        .collect::<Result<_, Error>>()?;
    Ok(Routes::new(routes))
}

/// Whether a policy takes tokens that stand before the path.
fn takes_prefix(config: &Config, access: &str) -> bool {
    let tokens = config.access.get(access).map(|access| &access.tokens);
    let named = |name: &String| config.token.get(name);
    let takes = |token: &config::Token| token.carriers.contains(&config::Carrier::Path);
    tokens.is_some_and(|tokens| tokens.iter().filter_map(named).any(takes))
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
