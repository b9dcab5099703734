//! Mints signed URLs and signed cookies. [`CloudFront::sign_url`] and [`CloudFront::sign_cookies`] are where to start.

use std::sync::Arc;

use crate::access::Token;
use ipnet::Ipv4Net;

use super::CloudFront;
use super::encoding::encode;
use super::key::{Hash, Key};
use super::parts::{Carried, Name, Parts, Signed, is_cookies, own_query};
use super::policy::{self, Custom};
use super::resource::{Resource, Url};

/// What a minted token permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The URL; in a custom policy with `*`, `?` and `\?`, or `*` alone.
    pub resource: String,
    /// No longer valid from this Unix second on.
    pub expires: i64,
    /// Valid from this Unix second on; in a custom policy only.
    pub not_before: Option<i64>,
    /// The viewers' address or network; in a custom policy only.
    pub network: Option<Ipv4Net>,
}

/// How a token is minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signing<'a> {
    /// The key pair id; `None` for the first that has a private key.
    pub key: Option<&'a str>,
    /// With an RSA key [`Hash::Sha256`] only.
    pub hash: Hash,
    /// The kind of policy.
    pub policy: Policy,
}

/// The kind of policy that a token has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// One URL until some time, of which the token says the time only: short, and never renewed.
    Canned,
    /// Whatever a [`Permit`] can say, written out in the token.
    Custom,
}

/// Why a token cannot be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No such key.
    #[error("no key pair id {0:?} is configured: use one of the configured ids")]
    UnknownKey(String),
    /// There is no key to sign with.
    #[error("no key pair id has a private key: configure one to mint with")]
    NoKey,
    /// This one is for verifying only.
    #[error("key pair id {0} has no private key: configure it, or sign with another id")]
    NoPrivateKey(String),
    /// No maintained library that caudal is built on signs with RSA and SHA-1.
    #[error(
        "key pair id {0} is an RSA key, which signs with sha256 only: use sha256, which CloudFront accepts as well"
    )]
    RsaSha1(String),
    /// The library failed.
    #[error("signing with key pair id {0} failed: check its private key")]
    Failed(String),
    /// Not a URL that can be signed.
    #[error(
        "{0:?} is not a URL that can be signed: write http:// or https://, a host, a path and perhaps a query, \
         percent-encoded, without a fragment and without CloudFront's own parameters"
    )]
    Url(String),
    /// Not a resource.
    #[error(
        "{0:?} is not a resource that can be matched: write printable ASCII, at most 2048 characters and 32 wildcards, \
         and a backslash before a question mark only"
    )]
    Resource(String),
    /// The policy would not permit the URL that it is appended to.
    #[error("resource {resource:?} does not cover {url:?}: sign a URL that it covers")]
    Scope {
        /// What the permit is for.
        resource: String,
        /// What was to be signed.
        url: String,
    },
    /// Not to be said in a canned policy.
    #[error("a canned policy has no {0}: use a custom policy")]
    Canned(&'static str),
    /// Not a time that a token can end or begin at.
    #[error(
        "a token from {not_before:?} to {expires} is never valid: give Unix seconds, the end after the beginning"
    )]
    Times {
        /// Its beginning.
        not_before: Option<i64>,
        /// Its end.
        expires: i64,
    },
}

/// A signed policy that is still in pieces.
struct Minted {
    /// What `Expires` or `Policy` says.
    policy: (Name, String),
    signature: String,
    key: Arc<str>,
    hash: Hash,
}

impl CloudFront {
    /// Signs a URL: the same one with CloudFront's parameters at the end of its query.
    ///
    /// # Errors
    /// [`SignError`], where the permit does not cover the URL too.
    pub fn sign_url(
        &self,
        url: &str,
        permit: &Permit,
        signing: &Signing<'_>,
    ) -> Result<String, SignError> {
        let sections = signable(url)?;
        let covered = match signing.policy {
            Policy::Canned => permit.resource == url,
            Policy::Custom => resource(&permit.resource)?.covers(&sections),
        };
        if !covered {
            let resource = permit.resource.clone();
            return Err(SignError::Scope {
                resource,
                url: url.to_owned(),
            });
        }
        let minted = self.mint(permit, signing)?;
        let mark = if sections.query.is_empty() { '?' } else { '&' };
        Ok(format!("{url}{mark}{}", minted.parts().query()))
    }

    /// Signs cookies: their names and values.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign_cookies(
        &self,
        permit: &Permit,
        signing: &Signing<'_>,
    ) -> Result<Vec<(&'static str, String)>, SignError> {
        let minted = self.mint(permit, signing)?;
        let cookies = minted.parts();
        Ok(cookies
            .iter()
            .map(|(name, value)| (name.cookie(), value.to_owned()))
            .collect())
    }

    /// A token with a later end; what `renew` of the format says holds.
    pub(super) fn renewed(&self, token: &str, old: &Token, expires: i64) -> Option<String> {
        if old.expires.is_some_and(|end| expires <= end) {
            return None;
        }
        let signed = Signed::of(&Parts::of_token(token).ok()?).ok()?;
        let Carried::Custom(policy) = signed.policy else {
            return None;
        };
        // Verified once more: whatever comes in here leaves with our signature.
        let (own, custom) = self.read_custom(&signed, policy).ok()?;
        let mut keys = std::iter::once(own).chain(&self.keys);
        let key = keys.find(|key| key.can_sign())?;
        let custom = Custom { expires, ..custom };
        let minted = Minted::custom(key, Hash::Sha256, &custom).ok()?;
        let parts = minted.parts();
        Some(if is_cookies(token) {
            parts.cookies()
        } else {
            parts.query()
        })
    }

    fn mint(&self, permit: &Permit, signing: &Signing<'_>) -> Result<Minted, SignError> {
        let key = match signing.key {
            None => self
                .keys
                .iter()
                .find(|key| key.can_sign())
                .ok_or(SignError::NoKey)?,
            Some(id) => self
                .key(id)
                .ok_or_else(|| SignError::UnknownKey(id.to_owned()))?,
        };
        let Permit {
            expires,
            not_before,
            ..
        } = *permit;
        let times = 1..1_000_000_000_000;
        if !times.contains(&expires)
            || not_before.is_some_and(|start| !(1..expires).contains(&start))
        {
            return Err(SignError::Times {
                not_before,
                expires,
            });
        }
        match signing.policy {
            Policy::Canned if not_before.is_some() => Err(SignError::Canned("beginning")),
            Policy::Canned if permit.network.is_some() => Err(SignError::Canned("network")),
            Policy::Canned if permit.resource.contains('*') => Err(SignError::Canned("wildcards")),
            Policy::Canned => {
                signable(&permit.resource)?;
                Minted::canned(key, signing.hash, &permit.resource, expires)
            }
            Policy::Custom => {
                resource(&permit.resource)?;
                let custom = Custom {
                    resource: Some(permit.resource.clone()),
                    expires,
                    // CloudFront refuses at this second still.
                    after: not_before.map(|start| start - 1),
                    network: permit.network,
                };
                Minted::custom(key, signing.hash, &custom)
            }
        }
    }
}

impl Permit {
    /// The shortest kind of policy that can say this.
    pub fn policy(&self) -> Policy {
        match (self.not_before, self.network, self.resource.contains('*')) {
            (None, None, false) => Policy::Canned,
            _ => Policy::Custom,
        }
    }
}

impl Minted {
    fn canned(key: &Key, hash: Hash, url: &str, expires: i64) -> Result<Self, SignError> {
        let expires = expires.to_string();
        let policy = policy::canned(url, &expires);
        Self::new(key, hash, &policy, (Name::Expires, expires))
    }

    fn custom(key: &Key, hash: Hash, custom: &Custom) -> Result<Self, SignError> {
        let policy = custom.to_json();
        Self::new(
            key,
            hash,
            &policy,
            (Name::Policy, encode(policy.as_bytes())),
        )
    }

    fn new(key: &Key, hash: Hash, signed: &str, policy: (Name, String)) -> Result<Self, SignError> {
        let signature = encode(&key.sign(hash, signed.as_bytes())?);
        Ok(Self {
            policy,
            signature,
            key: key.id.clone(),
            hash,
        })
    }

    fn parts(&self) -> Parts<'_> {
        let (name, policy) = &self.policy;
        let parts = Parts::default().with(*name, policy);
        let parts = parts
            .with(Name::Signature, &self.signature)
            .with(Name::KeyPairId, &self.key);
        match self.hash {
            Hash::Sha1 => parts,
            Hash::Sha256 => parts.with(Name::HashAlgorithm, "SHA256"),
        }
    }
}

fn signable(url: &str) -> Result<Url<'_>, SignError> {
    let sections = Url::parse(url)
        .filter(|sections| policy::is_quotable(url) && own_query(sections.query) == sections.query);
    sections.ok_or_else(|| SignError::Url(url.to_owned()))
}

fn resource(text: &str) -> Result<Resource, SignError> {
    let printable = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"');
    let resource = Resource::parse(text).filter(|_| printable && !text.is_empty());
    resource.ok_or_else(|| SignError::Resource(text.to_owned()))
}
