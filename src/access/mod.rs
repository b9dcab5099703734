//! Who may see what: one policy, asked once per request, with a reason for every no. Read [`Policy::decide`] first.
//!
//! A policy is a list of requirements in the order of its configuration; each stands in the file of its name. What a
//! request tells about itself is an [`Asking`], made of what [`Gate::see`] sees; what comes out is a [`Grant`] or a
//! [`Refused`]. Nothing in here knows HTTP's statuses, and nothing waits: all that is looked up is in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod asking;
pub mod debug;
mod gate;
pub mod geo;
pub mod limits;
mod lock;
pub mod networks;
pub mod prefix;
mod refusal;
mod renewal;
pub mod revocation;
pub mod rights;
pub mod token;
mod tokens;
mod shards;
mod verified;
mod viewer;

pub use crate::config::secret::Secret;
pub use asking::{Asking, Carrier, Country, Place, Region, Source, unescaped};
pub use gate::{Gate, Seen};
pub use lock::OriginLock;
pub use refusal::Refusal;
pub use renewal::{Renewal, Renewed};
pub(crate) use shards::Shards;
pub use token::{Format, Found, Replay, Terms, Token};
pub use tokens::{Accepted, Scheme, Tokens};
pub use verified::{Replays, Verified};
pub use viewer::{Device, Identify, Scheme as Spoken, Sender, Viewer};

use geo::Geo;
use limits::pace::Pace;
use limits::{Asked, Limits, Who};
use rights::Rights;

/// What a viewer has to meet: one `[access.NAME]`.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// What is asked for, in this order.
    pub requirements: Vec<Requirement>,
    /// How a manifest's answer passes a token on.
    pub renewal: Renewal,
    /// The status of a token that has expired: some players fetch another on one, some on the other.
    pub expired_status: http::StatusCode,
    /// The secret of those who may be told the reason of a refusal.
    pub debug_key: Option<Secret>,
}

/// One thing that is asked of a viewer.
#[derive(Debug)]
pub enum Requirement {
    /// Comes through the CDN.
    OriginLock(OriginLock),
    /// Has a token.
    Token(Tokens),
    /// Is in the right place.
    Geo(Box<Geo>),
    /// Asks for a title that may be shown, there, now and on that.
    Rights(Arc<Rights>),
    /// Asks in moderation.
    Limits(Moderation),
}

/// How much may be asked for.
#[derive(Debug)]
pub struct Moderation {
    /// Who counts.
    pub limits: Arc<dyn Limits>,
    /// How fast an answer goes.
    pub pace: Option<Pace>,
}

/// Leave to see what was asked for.
#[derive(Debug, Default)]
pub struct Grant {
    /// The token that was accepted.
    pub accepted: Option<Accepted>,
    /// The answer must not be kept past this Unix second: the title's window ends.
    pub until: Option<i64>,
    /// How fast the answer may go.
    pub pace: Option<Pace>,
}

/// No leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// When to ask again, where that is known.
    pub retry_after: Option<Duration>,
}

impl Policy {
    /// Whether this request may be answered: every requirement in turn, and the first that is not met is the reason.
    /// Waits for nobody, unless limits are counted elsewhere.
    ///
    /// # Errors
    /// Why not.
    pub async fn decide(&self, asking: &Asking<'_>, asked: Asked) -> Result<Grant, Refused> {
        let mut grant = Grant::default();
        for requirement in &self.requirements {
            match requirement {
                Requirement::OriginLock(lock) => lock.permit(asking)?,
                Requirement::Token(tokens) => grant.accepted = Some(tokens.accept(asking)?),
                Requirement::Geo(geo) => geo.permit(asking.viewer, asking.place)?,
                Requirement::Rights(rights) => {
                    grant.until = rights.permit(asking, asking.device)?
                }
                Requirement::Limits(moderation) => {
                    let token = grant.token();
                    let who = Who {
                        asking,
                        token,
                        asked,
                    };
                    let answer = moderation.limits.admit(&who, Instant::now());
                    answer.decision().await?;
                    grant.pace = moderation.pace;
                }
            }
        }
        Ok(grant)
    }

    /// Whether a token may stand before the path.
    pub fn takes_prefix(&self) -> bool {
        let takes = |scheme: &Arc<Scheme>| scheme.carriers.contains(&Carrier::Path);
        self.requirements
            .iter()
            .any(|requirement| match requirement {
                Requirement::Token(tokens) => tokens.schemes.iter().any(takes),
                _ => false,
            })
    }
}

impl Grant {
    /// What the accepted token says.
    pub fn token(&self) -> Option<&Token> {
        self.accepted.as_ref().map(|accepted| &*accepted.token)
    }
}

impl From<limits::Refused> for Refused {
    fn from(refused: limits::Refused) -> Self {
        Self {
            why: refused.why,
            retry_after: Some(refused.after),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Self {
            why,
            retry_after: (why == Refusal::TokenForgeries).then_some(Duration::from_secs(1)),
        }
    }
}
