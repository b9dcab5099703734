//! What one configuration says and the next may say otherwise: routes, policies, certificates, storages, lifetimes.
//! Made as a whole, then taken into use as a whole; everything cached is kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::storages::Storages;
use super::{Error, access, routes, settings, tls};
use crate::admin::{Admin, Certificates};
use crate::cache::{Cache, Source};
use crate::config::Config;
use crate::delivery::Delivery;
use crate::handler::{Handler, Parts, Sessions};
use crate::storage::health::{Health, Report, State};
use crate::telemetry::{AccessLog, Instruments, Loaded};

/// What stays while generations come and go.
pub(super) struct House {
    pub(super) background: Handle,
    pub(super) instruments: Arc<Instruments>,
    pub(super) cache: Arc<Cache>,
    pub(super) access_log: AccessLog,
    pub(super) certificates: Certificates,
    pub(super) sessions: Arc<Sessions>,
}

/// Everything that follows from a configuration, not in use yet.
pub(super) struct Generation {
    /// What requests meet.
    pub(super) parts: Parts,
    pub(super) rest: Rest,
}

/// What requests do not meet.
pub(super) struct Rest {
    pub(super) health: Health,
    pub(super) tls: tls::Loader,
    config: Config,
    storages: Storages,
    delivery: Arc<Delivery>,
    access: access::Loader,
}

/// A generation in use. Dropped, it looks after its files and storages no more.
pub(super) struct Current {
    pub(super) config: Config,
    pub(super) storages: Storages,
    health: Health,
    delivery: Arc<Delivery>,
    kept: access::Kept,
    tls: tls::InUse,
    _upkeep: JoinSet<()>,
}

impl Generation {
    /// Makes everything that a configuration says, with what can be kept of the generation `before`.
    ///
    /// # Errors
    /// Where anything that it names cannot be had, or is wrong. Nothing has changed then.
    pub(super) async fn make(
        house: &House,
        config: &Config,
        storages: Storages,
        before: Option<&Current>,
    ) -> Result<Self, Error> {
        let in_use = before.map(|before| before.tls.load_full());
        let access = access::Loader::load(config, before.map(|before| &before.kept)).await?;
        let tls = tls::Loader::load(config, &in_use.unwrap_or_default()).await?;
        let same = before.filter(|before| before.config.compression == config.compression);
        let delivery = match same {
            Some(before) => before.delivery.clone(),
            None => Arc::new(Delivery::new(
                house.cache.clone(),
                settings::compression(config, &settings::shares(config)),
                house.background.clone(),
            )),
        };
        let parts = Parts {
            routes: routes::of_listeners(config, &storages, &house.instruments)?,
            unrouted: Arc::new(house.instruments.route("-")),
            gate: access.gate(),
            delivery: delivery.clone(),
            cors: settings::cors(config)?,
            cache_control: settings::cache_control(config)?,
            access_log: house.access_log.clone(),
            instruments: house.instruments.clone(),
            sessions: config.cmcd.metrics.then(|| house.sessions.clone()),
        };
        let health = match before {
            Some(before) => before.health.renewed(storages.probed()),
            None => Health::new(storages.probed()),
        };
        let rest = Rest {
            config: config.clone(),
            storages,
            delivery,
            access,
            tls,
            health,
        };
        Ok(Self { parts, rest })
    }

    /// Takes all of it into use where another generation served: what is read from comes first, for the new routes
    /// lead there.
    pub(super) fn succeed(self, house: &House, handler: &Handler, admin: &Admin) -> Current {
        let rest = self.rest;
        house.cache.renew(source(&rest.config, &rest.storages));
        rest.tls.commit();
        admin.renew(rest.health.clone());
        handler.renew(self.parts);
        rest.look_after(house)
    }
}

impl Rest {
    /// Begins to look after files, secrets and storages.
    pub(super) fn look_after(self, house: &House) -> Current {
        let (kept, tls) = (self.access.kept(), self.tls.in_use());
        let instruments = &house.instruments;
        let mut upkeep = JoinSet::new();
        let on = &house.background;
        upkeep.spawn_on(watch(self.health.clone(), instruments.clone()), on);
        upkeep.spawn_on(expiries(self.health.clone(), instruments.clone()), on);
        upkeep.spawn_on(self.access.watch(instruments.loads(Loaded::Access)), on);
        let certificates = house.certificates.clone();
        upkeep.spawn_on(self.tls.watch(instruments.clone(), certificates), on);
        let at = SystemTime::now().duration_since(UNIX_EPOCH);
        let loads = instruments.loads(Loaded::Config);
        loads.at.set(at.unwrap_or_default().as_secs_f64());
        Current {
            config: self.config,
            storages: self.storages,
            health: self.health,
            delivery: self.delivery,
            kept,
            tls,
            _upkeep: upkeep,
        }
    }
}

/// What the cache reads from under a configuration.
pub(super) fn source(config: &Config, storages: &Storages) -> Source {
    Source {
        storages: storages.table(),
        rules: settings::rules(&config.freshness),
    }
}

/// Storages of a configuration that nothing was before.
pub(super) async fn first_storages(
    config: &Config,
    ready_made: HashMap<String, Arc<dyn crate::storage::Storage>>,
    instruments: &Instruments,
) -> Result<Storages, Error> {
    Storages::open(config, &Storages::default(), ready_made, instruments).await
}

async fn watch(health: Health, instruments: Arc<Instruments>) {
    let changed = |name: &str, report: &Report| {
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

/// Tells once a second when credentials expire.
async fn expiries(health: Health, instruments: Arc<Instruments>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        for (name, at) in health.credentials_expire() {
            let unix = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            instruments.credentials_expire(name).set(unix.as_secs_f64());
        }
    }
}
