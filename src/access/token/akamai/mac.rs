//! The HMACs that EdgeAuth knows, as lower-case hexadecimal digits.

use std::str::FromStr;
use std::sync::Arc;

use crate::access::Secret;
use ::hmac::{Hmac, KeyInit, Mac};
use aws_lc_rs::hmac;
use md5::Md5;

use super::SettingsError;

/// What the HMAC is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// `sha256`
    #[default]
    Sha256,
    /// `sha1`
    Sha1,
    /// `md5`
    Md5,
}

/// A key with its name, ready to sign.
pub(super) struct Key {
    name: Arc<str>,
    prepared: Prepared,
}

enum Prepared {
    Sha(Box<hmac::Key>),
    /// Not among what aws-lc offers to Rust.
    Md5(Box<Hmac<Md5>>),
}

/// An HMAC's digits.
pub(super) struct Hex {
    digits: [u8; 64],
    length: usize,
}

impl FromStr for Algorithm {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha1" => Ok(Self::Sha1),
            "md5" => Ok(Self::Md5),
            _ => Err(SettingsError::Algorithm(text.to_owned())),
        }
    }
}

impl Key {
    pub(super) fn new(name: &Arc<str>, secret: &Secret, algorithm: Algorithm) -> Self {
        let secret = secret.reveal();
        let prepared = match algorithm {
            Algorithm::Sha256 => Prepared::Sha(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))),
            Algorithm::Sha1 => Prepared::Sha(Box::new(hmac::Key::new(
                hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                secret,
            ))),
            Algorithm::Md5 => {
                let key = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
                Prepared::Md5(Box::new(key))
            }
        };
        Self {
            name: name.clone(),
            prepared,
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The HMAC of these parts, one after the other.
    pub(super) fn tag(&self, parts: &[&[u8]]) -> Hex {
        match &self.prepared {
            Prepared::Sha(key) => {
                let mut context = hmac::Context::with_key(key);
                parts.iter().for_each(|part| context.update(part));
                Hex::of(context.sign().as_ref())
            }
            Prepared::Md5(key) => {
                let mut context = Hmac::clone(key);
                parts.iter().for_each(|part| context.update(part));
                Hex::of(&context.finalize().into_bytes())
            }
        }
    }
}

impl Hex {
    fn of(bytes: &[u8]) -> Self {
        let mut digits = [0; 64];
        let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        let length = digits.len().min(bytes.len() * 2);
        Self { digits, length }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("hexadecimal digits are ASCII")
    }
}
