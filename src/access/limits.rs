//! How much one viewer may have: requests in a time, streams at once, bytes in a second. Start with [`Limits::admit`];
//! [`Local`] counts in this process. [`pace`] slows bodies down and stands alone.

pub mod pace;
mod rate;
mod streams;
mod who;

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::access::Refusal;

pub use rate::Rate;
use streams::Streams;
pub use who::{Asked, Session, Viewer, Who};

/// The longest time any limit looks back: what is counted is kept in memory that long.
pub const LONGEST: Duration = Duration::from_secs(86_400);
/// How long a stream lives on where nothing else is set.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How many viewers are remembered where nothing else is set: some 20 MB.
pub const VIEWERS: NonZeroUsize = NonZeroUsize::new(100_000).expect("is not zero");
/// The most streams at once that can be told apart; more is no limit.
pub const MOST_STREAMS: u32 = 64;

/// Counts what viewers ask for, and says when it is too much.
///
/// [`Local`] answers at once. One that counts for a whole fleet (in Redis, say) takes what it needs out of [`Who`],
/// returns [`Answer::Later`], and decides for itself what holds while its store cannot be reached.
pub trait Limits: fmt::Debug + Send + Sync {
    /// Decides on this request, and counts it where it is admitted.
    fn admit(&self, who: &Who<'_>, now: Instant) -> Answer;
}

/// Whether a request may go on.
pub type Decision = Result<(), Refused>;

/// A decision, or the promise of one: what is decided in this process costs no allocation.
pub enum Answer {
    /// Decided.
    Now(Decision),
    /// Someone else has to be asked.
    Later(Pin<Box<dyn Future<Output = Decision> + Send>>),
}

/// A request that is too much, and when it no longer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// [`Refusal::RequestRate`] or [`Refusal::Streams`].
    pub why: Refusal,
    /// The earliest time at which the same request can be admitted, from now on.
    pub after: Duration,
}

/// What a viewer may have. What is `None` is not limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Requests in a time.
    pub requests: Option<RequestLimit>,
    /// Streams at once.
    pub streams: Option<StreamLimit>,
    /// Viewers that are remembered, for each of the two. See [`Local`] for what is forgotten beyond, and what it costs.
    pub viewers: NonZeroUsize,
}

/// So many requests in so long, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimit {
    /// How many.
    pub requests: NonZeroU32,
    /// In how long.
    pub per: Duration,
    /// How many may come at once after a silence.
    pub burst: NonZeroU32,
}

/// So many streams at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimit {
    /// How many, at most [`MOST_STREAMS`].
    pub streams: NonZeroU32,
    /// How long a stream lives on after its last request for media. Longer than a player's longest silence: a full
    /// buffer is commonly 30 seconds of it.
    pub window: Duration,
}

/// Why settings cannot be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A rate over no time or more than a day.
    #[error("a request rate per {0:?} cannot be counted, write a time above zero and up to 24h")]
    Per(Duration),
    /// A burst that takes longer than a day to earn.
    #[error(
        "a burst of {burst} requests takes {earned:?} to earn at this rate, lower the burst or raise the rate until \
         it takes at most 24h"
    )]
    Burst {
        /// As set.
        burst: NonZeroU32,
        /// How long an empty bucket takes to fill.
        earned: Duration,
    },
    /// More streams than can be told apart.
    #[error("a limit of {0} streams cannot be counted, write at most {MOST_STREAMS}")]
    Streams(NonZeroU32),
    /// A window of nothing or more than a day.
    #[error("a stream cannot live on for {0:?}, write a time above zero and up to 24h")]
    Window(Duration),
}

/// Counts in the memory of this process, each process for itself.
///
/// Memory is bounded whatever comes: [`Settings::viewers`] entries of about 100 bytes for requests, and as many for
/// streams, of about 100 bytes and up to 48 for each stream. A new viewer beyond them takes the place of the one that
/// has been silent for longest. So a flood of new addresses can make others forgotten, and never grow anything. To be
/// forgotten harms nobody: a forgotten viewer has its whole burst again, and its streams are counted anew. Only who
/// commands more tokens or networks than `viewers` can have itself forgotten, and then needs no second burst.
#[derive(Debug)]
pub struct Local {
    rate: Option<Rate>,
    streams: Option<Streams>,
}

impl Local {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// For settings that cannot be held to.
    pub fn new(settings: &Settings, start: Instant) -> Result<Self, Error> {
        let viewers = settings.viewers;
        let rate = settings
            .requests
            .map(|limit| Rate::new(limit, viewers, start));
        let streams = settings
            .streams
            .map(|limit| Streams::new(limit, viewers, start));
        Ok(Self {
            rate: rate.transpose()?,
            streams: streams.transpose()?,
        })
    }

    /// As [`Limits::admit`], without the wrapping.
    ///
    /// # Errors
    /// [`Refusal::RequestRate`] or [`Refusal::Streams`], with the time to wait.
    pub fn decide(&self, who: &Who<'_>, now: Instant) -> Decision {
        let viewer = who.viewer();
        if let Some(rate) = &self.rate {
            let refused = |after| Refused {
                why: Refusal::RequestRate,
                after,
            };
            rate.check(&viewer, now).map_err(refused)?;
        }
        match &self.streams {
            Some(streams) => streams.check(who, &viewer, now).map_err(|after| Refused {
                why: Refusal::Streams,
                after,
            }),
            None => Ok(()),
        }
    }
}

impl Limits for Local {
    fn admit(&self, who: &Who<'_>, now: Instant) -> Answer {
        Answer::Now(self.decide(who, now))
    }
}

impl Answer {
    /// The decision, waited for where that is needed.
    ///
    /// # Errors
    /// The decision's own.
    pub async fn decision(self) -> Decision {
        match self {
            Self::Now(decision) => decision,
            Self::Later(decision) => decision.await,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(decision) => f.debug_tuple("Now").field(decision).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl Refused {
    /// The value of `Retry-After`: whole seconds, rounded up, never zero.
    pub fn retry_after(&self) -> u64 {
        let part = u64::from(self.after.subsec_nanos() > 0);
        self.after.as_secs().saturating_add(part).max(1)
    }
}

#[cfg(test)]
pub(crate) mod tests;
