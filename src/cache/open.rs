//! Which version of an asset is served: the one at hand while it is fresh, else what storage says,
//! asked once for everybody who waits.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::block::AtHand;
use super::fill::Run;
use super::freshness::{Freshness, judge};
use super::{
    AssetKey, Cache, Entry, Error, Failure, Found, Known, Lookup, Reason, Status, Version,
};
use crate::storage::{self, Object, Pin, Read, Storage};

/// After storage failed to confirm a version, nobody asks again for so long: a failing storage is not
/// made worse by every viewer's retry.
const HOLD: Duration = Duration::from_secs(1);

/// Which bytes a request needs first. On an unknown asset they are what the one storage read asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    /// From this offset on, to the end.
    From(u64),
    /// These, end exclusive.
    Bytes(Range<u64>),
    /// Not known before the length is (a suffix), or none (HEAD): the least that tells the length.
    Least,
}

/// An answer under way, shared by everybody who waits for it.
pub(super) type Flight = watch::Receiver<Option<Result<Resolved, Error>>>;

/// What storage said.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    version: Arc<Version>,
    status: Status,
    /// The blocks that its storage read fills: who waited holds them, whatever moka makes of them.
    at_hand: Option<AtHand>,
}

impl Cache {
    /// The version of an asset to serve now.
    ///
    /// Waits for storage only where nothing servable is at hand. Dropping the future harms nobody: the
    /// storage read goes on for the others and for the cache.
    ///
    /// # Errors
    /// Why there is none. [`storage::Error::NotFound`] may itself come from the cache.
    pub async fn open(
        self: &Arc<Self>,
        key: &AssetKey,
        first: First,
        now: Instant,
    ) -> Result<Found, Failure> {
        let Some(entry) = self.versions.get(key) else {
            return self.ask(key, None, first).await;
        };
        let age = now.saturating_duration_since(entry.confirmed);
        let absent = self.source.load().rules.absent;
        let version = match &entry.known {
            Known::Present(version) => version.clone(),
            Known::Absent if age < absent => {
                let lookup = Lookup {
                    status: Status::Hit,
                    age,
                    ttl: absent - age,
                    ..Lookup::BYPASS
                };
                return Err(Failure {
                    error: storage::Error::NotFound.into(),
                    lookup,
                });
            }
            Known::Absent => return self.ask(key, None, first).await,
        };
        match judge(&self.lifetimes(&version), age) {
            Freshness::Fresh { left } => Ok(found(version, Status::Hit, age, left)),
            Freshness::Stale { .. } => {
                if !entry.is_held() {
                    self.lead(key, Some(version.clone()), First::Least);
                }
                Ok(found(version, Status::Stale, age, Duration::ZERO))
            }
            Freshness::Expired {
                usable_on_error: true,
            } if entry.is_held() => Ok(found(version, Status::StaleOnError, age, Duration::ZERO)),
            Freshness::Expired { usable_on_error } => {
                match self.ask(key, Some(version.clone()), first).await {
                    Err(failure) if usable_on_error && failure.error.excuses_stale() => {
                        Ok(found(version, Status::StaleOnError, age, Duration::ZERO))
                    }
                    answer => answer,
                }
            }
        }
    }

    /// Asks storage, or joins whoever is asking, and waits for the answer.
    async fn ask(
        self: &Arc<Self>,
        key: &AssetKey,
        known: Option<Arc<Version>>,
        first: First,
    ) -> Result<Found, Failure> {
        let reason = if known.is_some() {
            Reason::Expired
        } else {
            Reason::Unknown
        };
        let (mut flight, collapsed) = self.lead(key, known, first);
        let answer = match flight.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().unwrap_or(Err(Error::FillEnded)),
            Err(_) => Err(Error::FillEnded),
        };
        let mut lookup = Lookup {
            status: Status::Miss,
            reason: Some(reason),
            collapsed,
            ..Lookup::BYPASS
        };
        match answer {
            Ok(Resolved {
                version,
                status,
                at_hand,
            }) => {
                lookup.status = status;
                lookup.ttl = self.lifetimes(&version).fresh;
                Ok(Found {
                    version,
                    lookup,
                    at_hand,
                })
            }
            Err(error) => Err(Failure { error, lookup }),
        }
    }

    /// The flight of this asset, started here if nobody has; whether it was there already.
    fn lead(
        self: &Arc<Self>,
        key: &AssetKey,
        known: Option<Arc<Version>>,
        first: First,
    ) -> (Flight, bool) {
        let mut opens = self.opens();
        if let Some(flight) = opens.get(key) {
            return (flight.clone(), true);
        }
        let (told, flight) = watch::channel(None);
        opens.insert(key.clone(), flight.clone());
        drop(opens);
        let inquiry = Inquiry {
            cache: self.clone(),
            key: key.clone(),
            known,
            told,
        };
        // On this core, whose viewer waits for it: what arrives is handed on without waking another.
        tokio::spawn(inquiry.run(first));
        (flight, false)
    }
}

impl Entry {
    fn is_held(&self) -> bool {
        self.hold_until.is_some_and(|until| Instant::now() < until)
    }
}

fn found(version: Arc<Version>, status: Status, age: Duration, ttl: Duration) -> Found {
    Found {
        version,
        at_hand: None,
        lookup: Lookup {
            status,
            age,
            ttl,
            ..Lookup::BYPASS
        },
    }
}

/// One question to storage about an asset, on the runtime of the viewer that asked first.
struct Inquiry {
    cache: Arc<Cache>,
    key: AssetKey,
    known: Option<Arc<Version>>,
    told: watch::Sender<Option<Result<Resolved, Error>>>,
}

impl Inquiry {
    async fn run(self, first: First) {
        let cache = self.cache.clone();
        let wanted = cache.first_read(&first);
        let answer = match self.get(wanted.clone()).await {
            // The asset may be shorter than the place the viewer asked for, or empty.
            Err(storage::Error::RangeNotSatisfiable { .. }) => {
                let least = 0..cache.settings.block;
                match if wanted.start > 0 {
                    self.get(least.clone()).await
                } else {
                    Err(past_end())
                } {
                    Err(storage::Error::RangeNotSatisfiable { .. }) => {
                        return self.look_at_empty().await;
                    }
                    answer => answer.and_then(|object| expect_range(object, &least)),
                }
            }
            answer => answer.and_then(|object| expect_range(object, &wanted)),
        };
        match answer {
            Ok(object) => self.adopt(object).await,
            Err(error) => self.refuse(error),
        }
    }

    async fn get(&self, range: Range<u64>) -> Result<Object, storage::Error> {
        let pin = self
            .known
            .as_ref()
            .map_or(Pin::Any, |v| Pin::NoneMatch(&v.meta.validator));
        self.storage()
            .get(
                &self.key.path,
                Read {
                    range: Some(range),
                    pin,
                },
            )
            .await
    }

    /// No range satisfies an empty object, so its metadata is asked for on its own.
    async fn look_at_empty(self) {
        match self.storage().head(&self.key.path).await {
            Ok(meta) if meta.len == 0 => {
                let version = Arc::new(Version::new(self.key.clone(), meta));
                self.settle(version, Status::Miss, None);
            }
            Ok(_) => self.refuse(past_end()),
            Err(error) => self.refuse(error),
        }
    }

    /// Makes the version that storage answered with the one to serve, and fills its first blocks.
    async fn adopt(self, object: Object) {
        let version = Arc::new(Version::new(self.key.clone(), object.meta));
        if let Some(known) = &self.known {
            if known.id == version.id {
                // A storage that ignores If-None-Match; its body is not needed.
                return self.settle_known();
            }
            self.cache.replaced(known);
        }
        // The blocks stand in the flight table before anybody learns of the version, and go with it to those
        // who wait: a small fill may have landed, and moka refused it, before they look.
        let run = Run::start(&self.cache, &version, &object.range);
        self.settle(version, Status::Miss, Some(run.at_hand()));
        run.fill(Some(object.body)).await;
    }

    fn settle_known(self) {
        if let Some(known) = self.known.clone() {
            self.settle(known, Status::Revalidated, None);
        }
    }

    fn settle(&self, version: Arc<Version>, status: Status, at_hand: Option<AtHand>) {
        self.remember(Known::Present(version.clone()));
        self.tell(Ok(Resolved {
            version,
            status,
            at_hand,
        }));
    }

    fn refuse(self, error: storage::Error) {
        match error {
            storage::Error::NotModified => return self.settle_known(),
            storage::Error::NotFound => {
                if let Some(known) = &self.known {
                    self.cache.replaced(known);
                }
                self.remember(Known::Absent);
            }
            _ => {}
        }
        let error = Error::from(error);
        if error.excuses_stale() {
            self.hold();
        }
        self.tell(Err(error));
    }

    /// Remembers that storage could not confirm what is known, for a moment.
    fn hold(&self) {
        if let Some(entry) = self.cache.versions.get(&self.key) {
            let hold_until = Some(Instant::now() + HOLD);
            self.cache.versions.insert(
                self.key.clone(),
                Entry {
                    hold_until,
                    ..entry
                },
            );
        }
    }

    fn remember(&self, known: Known) {
        let entry = Entry {
            known,
            confirmed: Instant::now(),
            hold_until: None,
        };
        self.cache.versions.insert(self.key.clone(), entry);
    }

    /// Ends the flight. Who comes later finds the entry instead.
    fn tell(&self, answer: Result<Resolved, Error>) {
        self.cache.opens().remove(&self.key);
        self.told.send_replace(Some(answer));
    }

    fn storage(&self) -> Arc<dyn Storage> {
        self.cache.storage(&self.key)
    }
}

impl Drop for Inquiry {
    /// A storage that panicked must not leave a flight that nobody flies.
    fn drop(&mut self) {
        if self.told.borrow().is_none() {
            self.cache.opens().remove(&self.key);
        }
    }
}

impl Cache {
    /// The storage read that answers `first` on an asset of unknown length: whole blocks, one run at most.
    fn first_read(&self, first: &First) -> Range<u64> {
        let (block, run) = (self.settings.block, self.settings.run);
        let (start, end) = match first {
            First::Least => (0, block),
            First::From(start) => (*start, start.saturating_add(run)),
            First::Bytes(range) => (range.start, range.end),
        };
        let start = start / block * block;
        let end = end.checked_next_multiple_of(block).unwrap_or(u64::MAX);
        start..end.clamp(start.saturating_add(block), start.saturating_add(run))
    }
}

/// Longest asset, in bytes: what 2³² of the smallest blocks hold, and 5 times the largest S3 object.
const LONGEST: u64 = 256 << 40;

/// Holds a storage to the contract: whole blocks, or up to the object's end. A shorter answer would leave
/// a block that never fills.
fn expect_range(object: Object, wanted: &Range<u64>) -> Result<Object, storage::Error> {
    if object.meta.len > LONGEST {
        let text = format!("an object of {} bytes is longer than any", object.meta.len);
        return Err(storage::Error::Invalid(text.into()));
    }
    let expected = wanted.start..wanted.end.min(object.meta.len);
    if object.range == expected {
        return Ok(object);
    }
    let got = &object.range;
    let text = format!("asked for bytes {expected:?}, got {got:?}");
    Err(storage::Error::Invalid(text.into()))
}

fn past_end() -> storage::Error {
    storage::Error::RangeNotSatisfiable { len: None }
}
