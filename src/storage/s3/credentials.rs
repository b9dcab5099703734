//! Credentials that outlive a metadata service that is down.
//!
//! The SDK's own cache asks again shortly before credentials expire, and fails every request while the answer is
//! an error, though the credentials in hand are still good. This one asks early and in the background, and hands
//! out what it has until that really expires.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

/// Credentials are renewed this long before they expire; EC2 and EKS have new ones five minutes ahead.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// Credentials that tell no end, such as a process or a file gives, may be others by now.
const REVIEW: Duration = Duration::from_secs(15 * 60);
/// After a failed or a doubtful renewal the next one waits this long.
const PAUSE: Duration = Duration::from_secs(15);
/// Credentials this close to their end may be refused by a clock that is ahead.
const MARGIN: Duration = Duration::from_secs(5);

/// A credentials provider with a cache. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Steady(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: SharedCredentialsProvider,
    held: RwLock<Option<Held>>,
    /// Held while asking: one question at a time.
    asking: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Held {
    credentials: Credentials,
    asked_at: SystemTime,
    /// When to ask for the next ones.
    renew_at: SystemTime,
}

impl Steady {
    pub(super) fn new(source: SharedCredentialsProvider) -> Self {
        Self(Arc::new(Inner {
            source,
            held: RwLock::default(),
            asking: Mutex::default(),
        }))
    }

    /// When the credentials in hand expire.
    pub(super) fn expiry(&self) -> Option<SystemTime> {
        self.0.held()?.credentials.expiry()
    }

    /// Hears that the credentials in hand were refused: rotated early, or this host's clock is behind. They are
    /// renewed at the next request, unless they are as good as new.
    pub(super) fn doubt(&self, now: SystemTime) {
        if let Some(held) = self.0.held()
            && held.asked_at + PAUSE <= now
        {
            self.0.hold(Held {
                renew_at: now,
                ..held
            });
        }
    }

    async fn provide(&self, now: SystemTime) -> Result<Credentials, CredentialsError> {
        match self.0.held() {
            Some(held) if held.is_fresh(now) => Ok(held.credentials),
            Some(held) if held.is_usable(now) => {
                // Nobody waits for the renewal, and whoever finds one under way starts no other.
                let inner = Arc::clone(&self.0);
                tokio::spawn(async move {
                    if let Ok(_asking) = inner.asking.try_lock() {
                        let _ = inner.ask(now).await;
                    }
                });
                Ok(held.credentials)
            }
            _ => self.first(now).await,
        }
    }

    /// Waits for credentials. The question is a task of its own: the request that waits may time out sooner than
    /// the answer takes, and the next one then finds it.
    async fn first(&self, now: SystemTime) -> Result<Credentials, CredentialsError> {
        let inner = Arc::clone(&self.0);
        let asked = tokio::spawn(async move {
            let _asking = inner.asking.lock().await;
            match inner.held() {
                Some(held) if held.is_usable(now) => Ok(held.credentials),
                _ => inner.ask(now).await,
            }
        });
        asked
            .await
            .unwrap_or_else(|e| Err(CredentialsError::unhandled(e)))
    }
}

impl Inner {
    fn held(&self) -> Option<Held> {
        self.held
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hold(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    async fn ask(&self, now: SystemTime) -> Result<Credentials, CredentialsError> {
        match self.source.provide_credentials().await {
            Ok(credentials) => {
                self.hold(Held::new(credentials.clone(), now));
                Ok(credentials)
            }
            Err(error) => {
                if let Some(held) = self.held() {
                    self.hold(Held {
                        renew_at: now + PAUSE,
                        ..held
                    });
                }
                Err(error)
            }
        }
    }
}

impl Held {
    fn new(credentials: Credentials, now: SystemTime) -> Self {
        let renew_at = match credentials.expiry() {
            // Short-lived ones are renewed at half their life, or every request would renew.
            Some(expiry) => expiry - EARLY.min(expiry.duration_since(now).unwrap_or_default() / 2),
            None => now + REVIEW,
        };
        Self {
            credentials,
            asked_at: now,
            renew_at,
        }
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        self.is_usable(now) && now < self.renew_at
    }

    fn is_usable(&self, now: SystemTime) -> bool {
        self.credentials
            .expiry()
            .is_none_or(|expiry| now + MARGIN < expiry)
    }
}

impl ProvideCredentials for Steady {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide(SystemTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::{EARLY, PAUSE, Steady};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::{Duration, SystemTime};

    const LIFE: Duration = Duration::from_secs(3600);

    /// A metadata service that can be down; each of its answers has another name.
    #[derive(Debug, Default)]
    struct Service {
        asked: AtomicUsize,
        down: AtomicBool,
    }

    #[derive(Debug)]
    struct Source(Arc<Service>, SystemTime);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                let nth = self.0.asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                if self.0.down.load(Ordering::SeqCst) {
                    return Err(CredentialsError::provider_error("metadata service is down"));
                }
                let expiry = self.1 + LIFE * (nth as u32 + 1);
                Ok(Credentials::new(
                    format!("key{nth}"),
                    "secret",
                    None,
                    Some(expiry),
                    "test",
                ))
            })
        }
    }

    fn steady() -> (Arc<Service>, Steady, SystemTime) {
        let (service, now) = (Arc::new(Service::default()), SystemTime::now());
        let source = SharedCredentialsProvider::new(Source(Arc::clone(&service), now));
        (service, Steady::new(source), now)
    }

    async fn key_at(steady: &Steady, now: SystemTime) -> Result<String, CredentialsError> {
        let key = steady
            .provide(now)
            .await
            .map(|c| c.access_key_id().to_owned());
        // Lets a renewal in the background finish.
        tokio::time::sleep(Duration::from_millis(50)).await;
        key
    }

    #[tokio::test(start_paused = true)]
    async fn many_requests_ask_once() {
        let (service, steady, now) = steady();
        let all = futures_util::future::join_all((0..100).map(|_| steady.provide(now))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(service.asked.load(Ordering::SeqCst), 1);
        assert_eq!(steady.expiry(), Some(now + LIFE));
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_are_renewed_early_and_in_the_background() {
        let (service, steady, now) = steady();
        assert_eq!(key_at(&steady, now).await.unwrap(), "key0");
        assert_eq!(
            key_at(&steady, now + LIFE - EARLY * 2).await.unwrap(),
            "key0"
        );
        assert_eq!(service.asked.load(Ordering::SeqCst), 1);
        assert_eq!(
            key_at(&steady, now + LIFE - EARLY).await.unwrap(),
            "key0",
            "nobody waits"
        );
        assert_eq!(key_at(&steady, now + LIFE - EARLY).await.unwrap(), "key1");
    }

    #[tokio::test(start_paused = true)]
    async fn good_credentials_are_used_while_the_service_is_down() {
        let (service, steady, now) = steady();
        assert_eq!(key_at(&steady, now).await.unwrap(), "key0");
        service.down.store(true, Ordering::SeqCst);
        let late = now + LIFE - EARLY;
        for _ in 0..10 {
            assert_eq!(key_at(&steady, late).await.unwrap(), "key0");
        }
        assert_eq!(
            service.asked.load(Ordering::SeqCst),
            2,
            "a failed renewal is not repeated at once"
        );
        assert!(
            key_at(&steady, now + LIFE).await.is_err(),
            "expired ones are never used"
        );
        service.down.store(false, Ordering::SeqCst);
        assert_ne!(key_at(&steady, now + LIFE + PAUSE).await.unwrap(), "key0");
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_are_refused_are_renewed_but_not_without_pause() {
        let (service, steady, now) = steady();
        assert_eq!(key_at(&steady, now).await.unwrap(), "key0");
        steady.doubt(now);
        assert_eq!(
            key_at(&steady, now).await.unwrap(),
            "key0",
            "these are as good as new"
        );
        let later = now + PAUSE;
        steady.doubt(later);
        assert_eq!(key_at(&steady, later).await.unwrap(), "key0");
        for _ in 0..10 {
            steady.doubt(later);
            assert_eq!(key_at(&steady, later).await.unwrap(), "key1");
        }
        assert_eq!(service.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_does_not_stop_the_question() {
        let (service, steady, now) = steady();
        let impatient = tokio::time::timeout(Duration::from_millis(1), steady.provide(now)).await;
        assert!(impatient.is_err());
        assert_eq!(key_at(&steady, now).await.unwrap(), "key0");
        assert_eq!(service.asked.load(Ordering::SeqCst), 1);
    }
}
