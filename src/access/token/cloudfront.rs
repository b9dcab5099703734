//! CloudFront's signed URLs and signed cookies: verified as CloudFront does it, and minted.
//!
//! [`CloudFront`] is the format; read its `find` and `verify` first. A *canned* policy names one URL and an end and is not
//! in the token: it is made of the request's URL and of `Expires`. A *custom* policy is in the token, and may have
//! wildcards, a network and a beginning. CloudFront takes its parameters off before it asks an origin, so that what
//! arrives here with them came past it, or through another CDN.
//!
//! Players that add to a URL's query after it was signed (`_HLS_msn`, `CMCD`) need a custom policy that ends in `*`.

mod encoding;
mod key;
mod parts;
mod policy;
mod resource;
mod sign;
mod terms;

use std::borrow::Cow;
use std::sync::Arc;

use crate::access::{Carrier, Format, Found, Refusal, Replay, Secret, Source, Token};

pub use key::Hash;
pub use parts::is_signed_url;
pub use sign::{Permit, Policy, SignError, Signing};

use encoding::decode;
use key::Key;
use parts::{Carried, Parts, Signed};
use policy::Custom;
use resource::Resource;
use terms::{Base, Held, Scope};

/// Longer than any URL that was signed.
const MAX_URL: usize = 8 * 1024;

/// What is configured of CloudFront's format.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keys of all key groups that are trusted.
    pub keys: Vec<KeySettings>,
    /// The scheme and host that signers write into URLs, `https://media.example.com`. Without it what the viewer asks is
    /// taken, which behind a CDN is often not the host that the viewer knows.
    pub resource_base: Option<String>,
}

/// A key of a key group.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// The key pair id, `K2JCJMDEHXQW5F`.
    pub id: String,
    /// PEM, `PUBLIC KEY`: RSA of 2048 to 8192 bits, or P-256.
    pub public: String,
    /// PEM, not encrypted: `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`. For minting and renewal only.
    pub private: Option<Secret>,
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Without keys nothing can be verified.
    #[error("no keys: give the id and the public key of at least one key pair")]
    NoKeys,
    /// An id that could not stand in a query.
    #[error(
        "key pair id {0:?} is not one: write 1 to 128 letters, digits, dots, dashes and underscores"
    )]
    KeyId(String),
    /// Two keys of one id.
    #[error("key pair id {0} is given twice: remove one")]
    DuplicateKey(String),
    /// Not a public key, or not one of these kinds.
    #[error(
        "the public key of key pair id {0} cannot be used: write PEM beginning with BEGIN PUBLIC KEY, of an RSA key of \
         2048 to 8192 bits or of a P-256 key"
    )]
    PublicKey(String),
    /// Not a private key, or not one of these kinds.
    #[error(
        "the private key of key pair id {0} cannot be used: write PEM beginning with BEGIN PRIVATE KEY, BEGIN RSA \
         PRIVATE KEY or BEGIN EC PRIVATE KEY, not encrypted, of an RSA key of 2048 to 8192 bits or of a P-256 key"
    )]
    PrivateKey(String),
    /// Two halves of different pairs.
    #[error(
        "the private key of key pair id {0} does not belong to its public key: give both of one pair"
    )]
    KeyMismatch(String),
    /// Not a scheme with a host.
    #[error(
        "resource base {0:?} is not one: write the scheme and the host only, such as https://media.example.com"
    )]
    ResourceBase(String),
}

/// CloudFront's format of tokens, with the keys to verify them and perhaps to mint them.
#[derive(Debug)]
pub struct CloudFront {
    keys: Vec<Key>,
    base: Option<Arc<Base>>,
}

impl CloudFront {
    /// Reads the keys, and proves that a private one belongs to its public one.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let base = match settings.resource_base {
            None => None,
            Some(text) => match Base::parse(&text) {
                Some(base) => Some(Arc::new(base)),
                None => return Err(SettingsError::ResourceBase(text)),
            },
        };
        let mut keys: Vec<Key> = Vec::with_capacity(settings.keys.len());
        for settings in &settings.keys {
            let key = Key::read(settings)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(SettingsError::DuplicateKey(settings.id.clone()));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(SettingsError::NoKeys);
        }
        Ok(Self { keys, base })
    }

    fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| *key.id == *id)
    }

    /// The policy over its bytes as received; nothing of it is read before its signature is verified.
    fn read_custom(&self, signed: &Signed<'_>, policy: &str) -> Result<(&Key, Custom), Refusal> {
        let policy = decode(policy).ok_or(Refusal::TokenMalformed)?;
        let key = self.signer(signed, &policy)?;
        Ok((key, Custom::parse(&policy)?))
    }

    fn signer(&self, signed: &Signed<'_>, policy: &[u8]) -> Result<&Key, Refusal> {
        let key = self.key(signed.key).ok_or(Refusal::TokenKey)?;
        let hash = Hash::of(signed.hash)?;
        let signature = decode(signed.signature).ok_or(Refusal::TokenMalformed)?;
        key.verify(hash, policy, &signature)?;
        Ok(key)
    }
}

impl Format for CloudFront {
    /// In a query that makes its URL a signed one ([`is_signed_url`]) cookies count for nothing. A path prefix is read as
    /// a query; headers carry no token of CloudFront's.
    fn find<'a>(&self, source: &Source<'a>) -> Result<Option<Found<'a>>, Refusal> {
        let asking = source.asking;
        let found = match source.carrier {
            Carrier::Header => None,
            Carrier::Cookie if is_signed_url(asking.query) => None,
            Carrier::Cookie => Parts::of_cookies(source)?,
            Carrier::Query => Parts::of_query(asking.query)?,
            Carrier::Path => Parts::of_query(asking.prefix.unwrap_or_default())?,
        };
        let Some((parts, token)) = found else {
            return Ok(None);
        };
        let bound = match Signed::of(&parts)?.policy {
            Carried::Custom(_) => Cow::Borrowed(""),
            Carried::Canned(_) => {
                let url = terms::whole_url(self.base.as_deref(), asking);
                Cow::Owned(url.ok_or(Refusal::TokenScope)?)
            }
        };
        if bound.len() > MAX_URL {
            return Err(Refusal::TokenTooLong);
        }
        Ok(Some(Found { token, bound }))
    }

    fn verify(&self, found: &Found<'_>) -> Result<Token, Refusal> {
        let signed = Signed::of(&Parts::of_token(&found.token)?)?;
        let (key, not_before, expires, scope, network) = match signed.policy {
            Carried::Canned(expires) => {
                if !policy::is_quotable(&found.bound) {
                    return Err(Refusal::TokenScope);
                }
                let key = self.signer(&signed, policy::canned(&found.bound, expires).as_bytes())?;
                let expires = expires.parse().map_err(|_| Refusal::TokenMalformed)?;
                (
                    key,
                    None,
                    expires,
                    Scope::Url(found.bound.as_ref().into()),
                    None,
                )
            }
            Carried::Custom(policy) => {
                let (key, custom) = self.read_custom(&signed, policy)?;
                let resource = Resource::parse(custom.resource.as_deref().unwrap_or("*"));
                let scope = Scope::Resource(resource.ok_or(Refusal::TokenClaim)?);
                // CloudFront refuses at the second of DateGreaterThan still.
                let not_before = custom.after.map(|after| after.saturating_add(1));
                (key, not_before, custom.expires, scope, custom.network)
            }
        };
        Ok(Token {
            key: key.id.clone(),
            id: None,
            viewer: None,
            session: None,
            not_before,
            expires: Some(expires),
            issued: not_before,
            replay: Replay::Allowed,
            terms: Box::new(Held {
                scope,
                network,
                base: self.base.clone(),
            }),
            renewal: None,
        })
    }

    /// A custom policy with all that it said, signed with SHA-256: by the key that signed it or, if that one is only
    /// known by its public half, by the first that can. For a query or a path prefix
    /// `Policy=…&Signature=…&Key-Pair-Id=…&Hash-Algorithm=SHA256`; for cookies
    /// `CloudFront-Policy=…; CloudFront-Signature=…; …`, each pair to be set for itself. `None` for a canned policy, which
    /// is for one URL anyway, for an end that is not later, and without a private key.
    fn renew(&self, found: &Found<'_>, token: &Token, expires: i64) -> Option<String> {
        self.renewed(&found.token, token, expires)
    }

    /// One cookie for each part of the token, under CloudFront's own names.
    fn cookies(&self, _name: &str, text: String) -> Vec<(String, String)> {
        let parts = text
            .split(['&', ';'])
            .filter_map(|part| part.trim().split_once('='));
        let named = parts.map(|(name, value)| {
            let own = name.trim_start_matches("CloudFront-");
            (format!("CloudFront-{own}"), value.to_owned())
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests;
