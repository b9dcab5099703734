//! Certificates that we order ourselves: when, how often again, and where they are kept. Start at [`Orders::look_after`].
//!
//! What is ordered is written to a file and nothing else: `app/tls` reads it like any other, at the start too, where no
//! issuer is waited for.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::sync::{Mutex, Notify};

use super::shelf::Shelf;
use crate::config::secret::Secret;
use crate::config::{self, Config};
use crate::remote::Remote;
use crate::remote::acme::{Account, Error};
use crate::telemetry::Instruments;
use crate::transport::tls::{Certificate, Questions};

/// Everything that is ordered.
pub(super) struct Orders(Vec<Order>);

/// A certificate that is ordered, again and again.
struct Order {
    name: String,
    acme: config::Acme,
    shelf: Shelf,
    remote: Remote,
    /// Held while an account is made, so that certificates of one issuer share theirs.
    accounts: Arc<Mutex<()>>,
    /// What came and could not be written: issuers sign the same few times a week.
    unkept: std::sync::Mutex<Option<Secret>>,
}

/// The longest sleep: clocks are put right meanwhile, and another process may have ordered.
const LOOK: Duration = Duration::from_secs(3600);

/// The first pause after an order that failed, and the longest. Issuers allow five failures an hour of a name; each pause
/// is three times the one before.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(4 * 3600);

impl Orders {
    /// What a configuration orders. Asks nobody.
    ///
    /// # Errors
    /// Where a certificate could not be kept, or its issuer's server could not be told from others: told at the start
    /// rather than after the order.
    pub(super) fn of(config: &Config) -> Result<Self, String> {
        let accounts = Arc::<Mutex<()>>::default();
        let mut orders = Vec::new();
        for (name, certificate) in &config.certificate {
            let Some(acme) = certificate.ordered() else {
                continue;
            };
            let key = format!("certificate.{name}");
            let shelf = Shelf::of(acme);
            shelf
                .open()
                .map_err(|why| format!("{key}.acme_cache: {why}"))?;
            let remote = match &acme.ca {
                None => Remote::new().map_err(|why| format!("{key}: {why}")),
                Some(path) => Remote::trusting(path).map_err(|why| format!("{key}.acme_ca: {why}")),
            };
            orders.push(Order {
                name: name.clone(),
                acme: acme.clone(),
                shelf,
                remote: remote?,
                accounts: accounts.clone(),
                unkept: Default::default(),
            });
        }
        Ok(Self(orders))
    }

    /// Orders what is not there, or ends soon, for as long as the process runs. `came` is told of each that came.
    pub(super) async fn look_after(
        self,
        questions: Questions,
        came: Arc<Notify>,
        instruments: Arc<Instruments>,
    ) {
        let orders = self.0.iter();
        join_all(orders.map(|order| order.look_after(&questions, &came, &instruments))).await;
    }
}

impl Order {
    async fn look_after(&self, questions: &Questions, came: &Notify, instruments: &Instruments) {
        instruments.certificate_order(&self.name, None);
        let (mut failures, mut told) = (0, String::new());
        let mut chance = fastrand::f64();
        loop {
            let wait = self.due(chance).duration_since(SystemTime::now());
            if let Ok(wait) = wait.as_ref().map(|wait| LOOK.min(*wait)) {
                tokio::time::sleep(wait).await;
                continue;
            }
            let mut outcome = self.order(questions).await;
            instruments.certificate_order(&self.name, Some(outcome.is_ok()));
            let certificate = &self.name;
            if outcome.is_ok() {
                tracing::info!(certificate, "a certificate was ordered, and came");
                came.notify_one();
                chance = fastrand::f64();
                outcome = self.is_settled(chance);
            }
            let Err(problem) = outcome else {
                (failures, told) = (0, String::new());
                continue;
            };
            failures += 1;
            let pause = pause(failures, fastrand::f64());
            let problem = problem.to_string();
            if problem != told {
                let again_in = humantime::format_duration(Duration::from_secs(pause.as_secs()));
                tracing::error!(certificate, %problem, %again_in, "a certificate was ordered, and did not come");
                told = problem;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// When it is to be ordered.
    fn due(&self, chance: f64) -> SystemTime {
        let kept = self.shelf.certificate(&self.name);
        let kept =
            kept.and_then(|pem| Certificate::from_pem(pem.reveal(), pem.reveal(), None).ok());
        match kept.filter(|kept| kept.is_for_all(&self.acme.names)) {
            Some(kept) => due(kept.begins(), kept.ends(), chance),
            None => SystemTime::UNIX_EPOCH,
        }
    }

    /// That nothing is to be ordered now. Where our clock or the issuer's is wrong, what came may be due again at once: that
    /// is a failure like others, or we would order without an end.
    fn is_settled(&self, chance: f64) -> Result<(), Error> {
        if self.due(chance) > SystemTime::now() {
            return Ok(());
        }
        let why = "the certificate that came is to be renewed already: is the clock right?";
        Err(Error::Issuer(why.to_owned()))
    }

    async fn order(&self, questions: &Questions) -> Result<(), Error> {
        let show = |name: &str, digest: &[u8]| {
            let expected = questions.expect(name, digest);
            expected.map_err(|problem| problem.to_string())
        };
        let came = self.unkept().take();
        if let Some(came) = came {
            return self.keep(came);
        }
        let names = &self.acme.names;
        let ordered = match self.account().await?.order(names, show).await {
            Err(Error::NoSuchAccount) => {
                self.shelf.forget_account();
                self.account().await?.order(names, show).await
            }
            outcome => outcome,
        }?;
        // What it is worth is judged before it takes the place of another.
        let (chain, key) = (ordered.chain.as_bytes(), ordered.key.as_bytes());
        let issued = Certificate::from_pem(chain, key, None);
        let issued = issued.map_err(|problem| Error::Issuer(problem.to_string()))?;
        if !issued.is_for_all(names) {
            let why = "the issuer's certificate is not for the names that it was ordered for";
            return Err(Error::Issuer(why.to_owned()));
        }
        self.keep(Secret::new([key, chain].concat()))
    }

    fn keep(&self, came: Secret) -> Result<(), Error> {
        let kept = self.shelf.keep_certificate(&self.name, came.reveal());
        kept.map_err(|why| {
            *self.unkept() = Some(came);
            Error::Proof(why)
        })
    }

    /// What is swapped under this lock is whole, whatever panicked elsewhere.
    fn unkept(&self) -> std::sync::MutexGuard<'_, Option<Secret>> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn account(&self) -> Result<Account, Error> {
        let _one_at_a_time = self.accounts.lock().await;
        if let Some(kept) = self.shelf.account() {
            match Account::open(&self.remote, kept.reveal()).await {
                Err(Error::NoSuchAccount) => {}
                opened => return opened,
            }
        }
        let (directory, contact) = (&self.acme.directory, self.acme.contact.as_deref());
        let (account, kept) = Account::make(&self.remote, directory, contact).await?;
        self.shelf.keep_account(&kept).map_err(Error::Proof)?;
        Ok(account)
    }
}

/// A certificate is renewed with a third of its life left: time for many failures. By chance up to a thirtieth earlier, so
/// that a thousand servers that started together do not ask together.
fn due(begins: SystemTime, ends: SystemTime, chance: f64) -> SystemTime {
    let life = ends.duration_since(begins).unwrap_or_default();
    ends - life / 3 - (life / 30).mul_f64(chance)
}

/// The pause after so many failures in a row, a tenth shorter or longer by chance.
fn pause(failures: u32, chance: f64) -> Duration {
    let times = 3_u32.saturating_pow(failures.saturating_sub(1));
    let pause = PAUSE.saturating_mul(times).min(LONGEST_PAUSE);
    pause.mul_f64(0.9 + 0.2 * chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_with_a_third_of_its_life_left_or_a_little_earlier() {
        let day = Duration::from_secs(86_400);
        let begins = SystemTime::UNIX_EPOCH + day * 1000;
        let ends = begins + day * 90;
        assert_eq!(due(begins, ends, 0.0), begins + day * 60);
        assert_eq!(due(begins, ends, 1.0), begins + day * 57);
        assert_eq!(due(ends, begins, 1.0), begins, "one without a life is due");
    }

    #[tokio::test]
    async fn what_came_and_could_not_be_written_is_not_ordered_again() {
        let folder = tempfile::tempdir().unwrap();
        let acme = config::Acme {
            names: vec!["vod.example".to_owned()],
            // Nobody is there: to order would fail.
            directory: "https://127.0.0.1:9/dir".to_owned(),
            contact: None,
            cache: folder.path().to_owned(),
            ca: None,
        };
        let shelf = Shelf::of(&acme);
        shelf.open().unwrap();
        let in_the_way = shelf.path("vod").join("x");
        std::fs::create_dir_all(&in_the_way).unwrap();
        let order = Order {
            name: "vod".to_owned(),
            shelf: shelf.clone(),
            remote: Remote::new().unwrap(),
            accounts: Arc::default(),
            unkept: Default::default(),
            acme,
        };
        let questions = Questions::default();
        order.keep(Secret::new(b"signed")).unwrap_err();
        order.order(&questions).await.unwrap_err();
        std::fs::remove_dir_all(shelf.path("vod")).unwrap();
        order.order(&questions).await.unwrap();
        assert_eq!(shelf.certificate("vod").unwrap().reveal(), b"signed");
        assert!(order.unkept().is_none());
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_pauses() {
        let minutes = |failures| pause(failures, 0.5).as_secs() / 60;
        let all: Vec<_> = [1, 2, 3, 4, 5, 6, 7, 1000].map(minutes).into();
        assert_eq!(all, [1, 3, 9, 27, 81, 240, 240, 240]);
        assert!(pause(1, 0.0) < pause(1, 1.0));
    }
}
