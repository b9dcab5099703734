//! Whether a request carries a token that is believed, in time, not withdrawn, and good for what is asked.

use std::sync::Arc;
use std::time::Duration;

use super::revocation::Revocations;
use super::token::{Format, Found, Replay, Token};
use super::verified::{Digest, Replays, Verified};
use super::{Asking, Carrier, Refusal, Source};

/// One `[token.NAME]`.
#[derive(Debug)]
pub struct Scheme {
    /// The format, with its keys.
    pub format: Arc<dyn Format>,
    /// Where its tokens are looked for, in this order.
    pub carriers: Vec<Carrier>,
}

/// The tokens a policy accepts.
#[derive(Debug)]
pub struct Tokens {
    /// Of the keys: another one whenever any of them changes, so that nothing verified by old ones is found again.
    pub generation: u64,
    /// Formats, tried in this order.
    pub schemes: Vec<Arc<Scheme>>,
    /// How far clocks may be apart.
    pub skew: Duration,
    /// What is withdrawn.
    pub revoked: Arc<Revocations>,
    /// Tokens whose signature was seen to be right.
    pub verified: Arc<Verified>,
    /// Tokens for one use that were used.
    pub replays: Arc<Replays>,
}

/// A token that was accepted, and how it came.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// What it says.
    pub token: Arc<Token>,
    /// Which of the schemes it is of.
    pub scheme: Arc<Scheme>,
    /// How it travelled.
    pub carrier: Carrier,
}

impl Tokens {
    /// The first token that holds.
    ///
    /// # Errors
    /// [`Refusal::TokenMissing`] where there is none; else why the one that came closest does not hold.
    pub fn accept(&self, asking: &Asking<'_>) -> Result<Accepted, Refusal> {
        let mut refusal = Refusal::TokenMissing;
        for (index, scheme) in self.schemes.iter().enumerate() {
            for &carrier in &scheme.carriers {
                let source = Source { carrier, asking };
                let judged = match scheme.format.find(&source) {
                    Ok(None) => continue,
                    Ok(Some(found)) => self.judge(index, &found, asking),
                    Err(why) => Err(why),
                };
                match judged {
                    Ok(token) => {
                        let scheme = scheme.clone();
                        return Ok(Accepted {
                            token,
                            scheme,
                            carrier,
                        });
                    }
                    // A token of one format is gibberish to the next: that says less than what was said before.
                    Err(why) if is_gibberish(refusal) => refusal = why,
                    Err(_) => {}
                }
            }
        }
        Err(refusal)
    }

    /// Whether a token holds for this request. Its signature is verified once; the rest is asked at every use.
    fn judge(
        &self,
        scheme: usize,
        found: &Found<'_>,
        asking: &Asking<'_>,
    ) -> Result<Arc<Token>, Refusal> {
        let digest = Digest::of(self.generation, scheme, found);
        let token = match self.verified.get(&digest, asking.now) {
            Some(token) => token,
            None => {
                let token = Arc::new(self.verify(scheme, found, asking)?);
                let len = found.token.len() + found.bound.len();
                self.verified.insert(digest, token.clone(), len);
                token
            }
        };
        self.in_time(&token, asking.now)?;
        if self.revoked.is_revoked(&token) {
            return Err(Refusal::TokenRevoked);
        }
        token.terms.permit(asking)?;
        match token.replay {
            Replay::Allowed => Ok(token),
            Replay::Prohibited if self.is_first_use(&token, asking.now) => Ok(token),
            Replay::Prohibited => Err(Refusal::TokenReplayed),
        }
    }

    /// Verifies a signature, unless its viewer has shown too many wrong ones just now.
    fn verify(
        &self,
        scheme: usize,
        found: &Found<'_>,
        asking: &Asking<'_>,
    ) -> Result<Token, Refusal> {
        if self.verified.is_flooded_by(asking.viewer, asking.now) {
            return Err(Refusal::TokenForgeries);
        }
        let verified = self.schemes[scheme].format.verify(found);
        if let Err(Refusal::TokenSignature) = verified {
            self.verified.refuted(asking.viewer, asking.now);
        }
        verified
    }

    /// A token that cannot be recognised, or that never ends and so would have to be remembered for ever, is refused.
    fn is_first_use(&self, token: &Token, now: i64) -> bool {
        let used = Digest::of_use(token).zip(token.expires);
        used.is_some_and(|(digest, expires)| {
            let expires = expires.saturating_add(self.skew_seconds());
            self.replays.first_use(&digest, expires, now)
        })
    }

    fn skew_seconds(&self) -> i64 {
        i64::try_from(self.skew.as_secs()).unwrap_or(i64::MAX)
    }

    fn in_time(&self, token: &Token, now: i64) -> Result<(), Refusal> {
        let skew = self.skew_seconds();
        if token
            .not_before
            .is_some_and(|from| now.saturating_add(skew) < from)
        {
            return Err(Refusal::TokenNotYet);
        }
        if token
            .expires
            .is_some_and(|end| now.saturating_sub(skew) >= end)
        {
            return Err(Refusal::TokenExpired);
        }
        Ok(())
    }
}

/// Whether a refusal only says that no token of some format was seen.
fn is_gibberish(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::TokenMissing | Refusal::TokenMalformed)
}

impl Accepted {
    /// The token's text as it came with `asking`, or the same with a later end where `expires` says so. `None` where
    /// its format or its keys cannot do that.
    pub fn text(&self, asking: &Asking<'_>, expires: Option<i64>) -> Option<String> {
        let source = Source {
            carrier: self.carrier,
            asking,
        };
        let found = self.scheme.format.find(&source).ok()??;
        match expires {
            Some(expires) => self.scheme.format.renew(&found, &self.token, expires),
            None => Some(found.token.into_owned()),
        }
    }
}
