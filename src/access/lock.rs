//! The origin lock: whether a request comes through our CDN and not around it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderName;

use super::{Asking, Refusal};
use crate::config::secret::Secret;

/// What proves that a request comes through the CDN: a secret that only the CDN's configuration holds, or a client
/// certificate. Either does.
#[derive(Debug)]
pub struct OriginLock {
    /// The header that holds the secret.
    pub header: HeaderName,
    /// The secrets it may hold: two while one replaces the other.
    pub secrets: Vec<Secret>,
    /// Names of client certificates.
    pub identities: Vec<String>,
}

impl OriginLock {
    /// Lets a request in that proves itself.
    ///
    /// # Errors
    /// [`Refusal::OriginLock`] for every other.
    pub fn permit(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        let known = |name: &String| self.identities.contains(name);
        if asking.identities.iter().any(known) || self.has_secret(asking) {
            return Ok(());
        }
        Err(Refusal::OriginLock)
    }

    /// Every secret is compared, whichever matches: the time tells nothing but how many there are.
    fn has_secret(&self, asking: &Asking<'_>) -> bool {
        let mut values = asking.headers.get_all(&self.header).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        self.secrets.iter().fold(false, |matched, secret| {
            matched | verify_slices_are_equal(value.as_bytes(), secret.reveal()).is_ok()
        })
    }
}
