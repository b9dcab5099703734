//! Certificates and whom they are shown to: read from files, the environment and other services, and read again when
//! any of it changes. Start at [`Loader::load`] and [`Loader::watch`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use futures_util::future::{OptionFuture, join};
use tokio::sync::Notify;

use super::Error;
use super::acme::Orders;
use super::again::{Again, looks};
use super::files::Files;
use super::secrets::Secrets;
use super::shelf::Shelf;
use crate::admin::Certificates;
use crate::config::secret::{Reference, Secret};
use crate::config::{self, ClientCertificate, Config, Protocol, Source, TlsVersion};
use crate::remote::{Remote, SecretsManager};
use crate::telemetry::{Instruments, Loaded};
use crate::transport::tls::{
    Alpn, Asked, Certificate, Clients, Oldest, Questions, Terms, Tickets, Tls,
};

/// Reads and reads again.
pub(super) struct Loader {
    config: Arc<Config>,
    secrets: Secrets,
    files: Files,
    made: Made,
    /// What is in use of it, for the configuration that comes next.
    in_use: InUse,
    orders: Option<Orders>,
    /// Told when one came.
    came: Arc<Notify>,
    /// Something changed that is not in use yet.
    is_stale: bool,
}

/// What is in use now, whoever changed it last. Cheap to clone: all see the same.
pub(super) type InUse = Arc<ArcSwap<Made>>;

/// What a loader has made.
#[derive(Clone, Default)]
pub(super) struct Made {
    /// Those that are there: one that is ordered may be still to come.
    certificates: BTreeMap<String, Certificate>,
    listeners: BTreeMap<String, Listener>,
    /// What issuers ask of all of them.
    questions: Questions,
}

/// A listener with TLS.
#[derive(Clone)]
struct Listener {
    tls: Arc<Tls>,
    /// What it is to have from now on.
    terms: Terms,
    tickets: Tickets,
    /// Whom the tickets were given to: who was let in by others must not come back on one.
    clients: Option<Arc<Clients>>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loader")
    }
}

impl Loader {
    /// A loader, with everything that the listeners need.
    ///
    /// # Errors
    /// Where anything that the configuration names cannot be had, or is wrong. A certificate that is not valid now is
    /// told, and served: listeners without TLS must not go down with it.
    ///
    /// Listeners that were there `before` get nothing of it until [`Loader::commit`].
    pub(super) async fn load(config: &Config, before: &Made) -> Result<Self, Error> {
        let references = references(config);
        let manager = manager(&references)?;
        let mut loader = Self {
            secrets: Secrets::new(references, manager, config.viewer.reload_remote),
            files: Files::default(),
            made: before.clone(),
            in_use: InUse::default(),
            orders: Some(Orders::of(config).map_err(Error::Config)?),
            came: Arc::default(),
            is_stale: false,
            config: Arc::new(config.clone()),
        };
        loader.secrets.read().await.map_err(Error::Config)?;
        loader.build().map_err(Error::Config)?;
        loader.warn();
        Ok(loader)
    }

    fn warn(&self) {
        for name in self.config.certificate.keys() {
            match self.made.certificates.get(name) {
                None => tracing::warn!(
                    certificate = name,
                    "there is no certificate yet: its names are refused until its issuer has signed one"
                ),
                Some(certificate) if !certificate.is_valid(SystemTime::now()) => tracing::error!(
                    certificate = name,
                    "the certificate is not valid now: replace it"
                ),
                Some(_) => {}
            }
        }
    }

    /// The terms of a listener, now and later; `None` for one without TLS.
    pub(super) fn of(&self, listener: &str) -> Option<Arc<Tls>> {
        self.made.listeners.get(listener).map(|of| of.tls.clone())
    }

    /// What a loader for the next configuration goes on with.
    pub(super) fn in_use(&self) -> InUse {
        self.in_use.store(Arc::new(self.made.clone()));
        self.in_use.clone()
    }

    /// Takes what was loaded into use.
    pub(super) fn commit(&self) {
        for listener in self.made.listeners.values() {
            listener.tls.renew(listener.terms.clone());
        }
        self.in_use.store(Arc::new(self.made.clone()));
    }

    /// Looks for changes for as long as the process runs, and orders what is to be ordered. A change that cannot be used
    /// is told once; what was loaded before goes on.
    pub(super) async fn watch(mut self, instruments: Arc<Instruments>, certificates: Certificates) {
        let orders = self.orders.take().map(|orders| {
            let questions = self.made.questions.clone();
            orders.look_after(questions, self.came.clone(), instruments.clone())
        });
        let ordering = OptionFuture::from(orders);
        join(ordering, self.look(instruments, certificates)).await;
    }

    async fn look(mut self, instruments: Arc<Instruments>, certificates: Certificates) {
        let mut again = Again::new(
            instruments.loads(Loaded::Tls),
            [
                "certificates were loaded again",
                "TLS goes on with what was loaded before",
            ],
        );
        self.tell(&instruments, &certificates);
        if self.made.listeners.is_empty() {
            return;
        }
        let mut looks = looks(self.config.viewer.reload);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = self.came.notified() => {}
            }
            if again.went(self.refresh().await) {
                self.tell(&instruments, &certificates);
            }
        }
    }

    fn tell(&self, instruments: &Instruments, certificates: &Certificates) {
        let ends = |name: &String| self.made.certificates.get(name).map(Certificate::ends);
        let all = self.config.certificate.keys();
        certificates.renew(all.map(|name| (name.clone(), ends(name))).collect());
        for (name, certificate) in &self.made.certificates {
            instruments.certificate_ends(name, certificate.ends());
        }
    }

    /// Takes what has changed into use, and says whether anything has.
    async fn refresh(&mut self) -> Result<bool, String> {
        let secrets_changed = self.secrets.read().await?;
        if !secrets_changed && !self.files.have_changed() && !self.is_stale {
            return Ok(false);
        }
        // Until it succeeds it is tried again, though nothing changes any more.
        self.is_stale = true;
        self.build()?;
        self.commit();
        self.is_stale = false;
        Ok(true)
    }

    /// Makes everything anew, or nothing.
    fn build(&mut self) -> Result<(), String> {
        let config = self.config.clone();
        let mut certificates = BTreeMap::new();
        for (name, certificate) in &config.certificate {
            let made = self.certificate(name, certificate);
            let made = made.map_err(|problem| format!("certificate.{name}: {problem}"))?;
            certificates.extend(made.map(|made| (name.clone(), made)));
        }
        let mut made = Vec::new();
        for (name, listener) in &config.listener {
            if !listener.certificates.is_empty() {
                let terms = self.terms(name, listener, &certificates);
                let terms = terms.map_err(|problem| format!("listener.{name}: {problem}"))?;
                made.push((name, terms));
            }
        }
        self.made.certificates = certificates;
        for (name, (terms, tickets, clients)) in made {
            let tls = match self.made.listeners.get(name) {
                None => {
                    let questions = self.made.questions.clone();
                    Arc::new(Tls::new(terms.clone(), questions))
                }
                Some(listener) => listener.tls.clone(),
            };
            let listener = Listener {
                tls,
                terms,
                tickets,
                clients,
            };
            self.made.listeners.insert(name.clone(), listener);
        }
        Ok(())
    }

    /// A certificate; `None` for one that is still to come.
    fn certificate(
        &mut self,
        name: &str,
        from: &config::Certificate,
    ) -> Result<Option<Certificate>, String> {
        let before = self.made.certificates.get(name).cloned();
        let made = match &from.source {
            Source::Kept { chain, key } => self.kept(from.ocsp.as_slice(), chain, key)?,
            Source::Ordered(acme) => match self.ordered(name, acme)? {
                Some(made) => made,
                // Names or issuers may have changed: what was shown until now is shown until the next one comes.
                None => return Ok(before),
            },
        };
        let now = SystemTime::now();
        if before.is_some_and(|before| before.is_valid(now)) && !made.is_valid(now) {
            return Err(
                "the new one is not valid now, the one in use is: replace it again".to_owned(),
            );
        }
        Ok(Some(made))
    }

    /// What an issuer gave us before, if it is there, and whole.
    fn ordered(&mut self, name: &str, acme: &config::Acme) -> Result<Option<Certificate>, String> {
        let shelf = Shelf::of(acme);
        let path = [shelf.path(name)];
        let kept = self.files.of("ordered", &path, |_| {
            Ok::<Option<Secret>, String>(shelf.certificate(name))
        })?;
        let Some(pem) = kept.as_ref() else {
            return Ok(None);
        };
        let made = Certificate::from_pem(pem.reveal(), pem.reveal(), None);
        if let Err(problem) = &made {
            let path = path[0].display();
            tracing::warn!(certificate = name, %path, %problem, "what was ordered is unusable: it is ordered again");
        }
        Ok(made.ok())
    }

    fn kept(
        &mut self,
        ocsp: &[PathBuf],
        chain: &Reference,
        key: &Reference,
    ) -> Result<Certificate, String> {
        let ocsp = match ocsp {
            [] => None,
            path => Some(
                self.files
                    .of("ocsp", path, |paths| read(&paths[0]))?
                    .to_vec(),
            ),
        };
        let (chain, key) = (self.secrets.of(chain)?, self.secrets.of(key)?);
        let made = Certificate::from_pem(chain.reveal(), key.reveal(), ocsp);
        made.map_err(|problem| problem.to_string())
    }

    fn terms(
        &mut self,
        name: &str,
        listener: &config::Listener,
        certificates: &BTreeMap<String, Certificate>,
    ) -> Result<(Terms, Tickets, Option<Arc<Clients>>), String> {
        let clients = self.clients(name, listener)?;
        let same = |known: &&Listener| match (&known.clients, &clients) {
            (Some(known), Some(new)) => Arc::ptr_eq(known, new),
            (known, new) => known.is_none() && new.is_none(),
        };
        let known = self.made.listeners.get(name).filter(same);
        let tickets = known.map(|known| known.tickets.clone());
        let tickets = match tickets {
            Some(tickets) => tickets,
            None => Tickets::new().map_err(|problem| problem.to_string())?,
        };
        let shown = listener.certificates.iter();
        let shown = shown.filter_map(|name| certificates.get(name)).cloned();
        let terms = Terms::new(
            shown.collect(),
            clients.as_deref(),
            &tickets,
            match listener.tls_min {
                TlsVersion::Tls12 => Oldest::Tls12,
                TlsVersion::Tls13 => Oldest::Tls13,
            },
            Alpn {
                h2: listener.protocols.contains(&Protocol::Http2),
                http1: listener.protocols.contains(&Protocol::Http1),
                early_data: listener.early_data,
            },
        );
        let terms = terms.map_err(|problem| problem.to_string())?;
        Ok((terms, tickets, clients))
    }

    fn clients(
        &mut self,
        name: &str,
        listener: &config::Listener,
    ) -> Result<Option<Arc<Clients>>, String> {
        let asked = match listener.client_certificate {
            ClientCertificate::Off => return Ok(None),
            ClientCertificate::Optional => Asked::Optional,
            ClientCertificate::Required => Asked::Required,
        };
        let paths: Vec<_> = listener
            .client_ca
            .iter()
            .chain(&listener.client_crls)
            .cloned()
            .collect();
        let made = self.files.of(name, &paths, |paths| {
            let read: Vec<_> = paths.iter().map(read).collect::<Result<_, _>>()?;
            let [issuers, lists @ ..] = read.as_slice() else {
                return Err("client_ca is missing".to_owned());
            };
            Clients::from_pem(issuers, lists, asked).map_err(|problem| problem.to_string())
        });
        made.map(Some)
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Everything that is kept as a secret, and the key that says where.
fn references(config: &Config) -> Vec<(String, Reference)> {
    let of = |(name, certificate): (&String, &config::Certificate)| match &certificate.source {
        Source::Ordered(_) => vec![],
        Source::Kept { chain, key } => vec![
            (format!("certificate.{name}.chain"), chain.clone()),
            (format!("certificate.{name}.key"), key.clone()),
        ],
    };
    config.certificate.iter().flat_map(of).collect()
}

fn manager(references: &[(String, Reference)]) -> Result<Option<SecretsManager>, Error> {
    let kept_elsewhere =
        |(_, reference): &(String, Reference)| reference.secrets_manager().is_some();
    if !references.iter().any(kept_elsewhere) {
        return Ok(None);
    }
    let remote = Remote::new().map_err(|error| Error::Config(error.to_string()))?;
    Ok(Some(SecretsManager::new(remote)))
}
