//! Keys: parsed once, pinned to one algorithm.

use std::fmt;
use std::sync::Arc;

use crate::access::Secret;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use aws_lc_rs::{constant_time, hmac};
use coset::iana;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

/// A shorter secret is found by trying, from one token, without asking anybody.
const MIN_SECRET_BYTES: usize = 16;

/// How a token is signed. The names are those of COSE (RFC 9053, RFC 8230).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256, 32 bytes of it.
    Hs256,
    /// ECDSA on P-256 with SHA-256; the signature is r and s, 32 bytes each.
    Es256,
    /// RSA-PSS with SHA-256, 2048 to 8192 bits.
    Ps256,
}

/// A key that tokens are verified by, and minted where it is a secret or a private key.
pub struct Key {
    name: Arc<str>,
    kid: Option<Box<[u8]>>,
    algorithm: Algorithm,
    material: Material,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short to resist guessing.
    #[error(
        "key {name}: the secret has {bytes} bytes; HS256 needs at least {MIN_SECRET_BYTES}, better 32"
    )]
    SecretTooShort {
        /// The key's name.
        name: Arc<str>,
        /// How long it is.
        bytes: usize,
    },
    /// No PEM, or PEM of something else.
    #[error(
        "key {name}: no PEM section PUBLIC KEY, PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY"
    )]
    Pem {
        /// The key's name.
        name: Arc<str>,
    },
    /// PEM of a key that is not for this algorithm.
    #[error(
        "key {name}: not a key for {algorithm}; ES256 needs P-256, PS256 needs RSA of 2048 to 8192 bits"
    )]
    Unsuitable {
        /// The key's name.
        name: Arc<str>,
        /// What it should be for.
        algorithm: Algorithm,
    },
    /// An empty key id means nothing in COSE.
    #[error("key {name}: the kid is empty; leave it out instead")]
    Kid {
        /// The key's name.
        name: Arc<str>,
    },
}

enum Material {
    Mac(Box<hmac::Key>),
    Public(ParsedPublicKey),
    Ecdsa(ParsedPublicKey, Box<EcdsaKeyPair>),
    Rsa(ParsedPublicKey, Box<RsaKeyPair>),
}

impl Key {
    /// Reads a key. `secret` is the bytes themselves for HS256, else PEM: a public key verifies, a private key mints too.
    ///
    /// # Errors
    /// What is wrong with it; nothing of the key is in the message.
    pub fn new(
        name: &str,
        kid: Option<&[u8]>,
        algorithm: Algorithm,
        secret: &Secret,
    ) -> Result<Self, KeyError> {
        let name: Arc<str> = name.into();
        if kid.is_some_and(<[u8]>::is_empty) {
            return Err(KeyError::Kid { name });
        }
        let material = match algorithm {
            Algorithm::Hs256 if secret.reveal().len() < MIN_SECRET_BYTES => {
                let bytes = secret.reveal().len();
                return Err(KeyError::SecretTooShort { name, bytes });
            }
            Algorithm::Hs256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal());
                Material::Mac(Box::new(key))
            }
            _ => Material::from_pem(&name, algorithm, secret.reveal())?,
        };
        Ok(Self {
            name,
            kid: kid.map(Box::from),
            algorithm,
            material,
        })
    }

    /// What the configuration calls it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What tokens call it.
    pub fn kid(&self) -> Option<&[u8]> {
        self.kid.as_deref()
    }

    /// The only algorithm that it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it signs, not only verifies.
    pub fn can_mint(&self) -> bool {
        !matches!(self.material, Material::Public(_))
    }

    /// Whether `signature` is this key's of `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Mac(key) => {
                let tag = hmac::sign(key, message);
                constant_time::verify_slices_are_equal(tag.as_ref(), signature).is_ok()
            }
            Material::Public(public) | Material::Ecdsa(public, _) | Material::Rsa(public, _) => {
                public.verify_sig(message, signature).is_ok()
            }
        }
    }

    /// The signature of `message`; `None` where the key only verifies.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.material {
            Material::Mac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
            Material::Public(_) => None,
            Material::Ecdsa(_, pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Material::Rsa(_, pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", self.name, self.algorithm)
    }
}

impl Algorithm {
    /// Reads `HS256`, `ES256` or `PS256`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hs256, Self::Es256, Self::Ps256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }

    /// `HS256`, `ES256` or `PS256`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
        }
    }

    pub(super) fn from_cose(algorithm: &coset::Algorithm) -> Option<Self> {
        [Self::Hs256, Self::Es256, Self::Ps256]
            .into_iter()
            .find(|known| *algorithm == coset::Algorithm::Assigned(known.to_cose()))
    }

    pub(super) fn to_cose(self) -> iana::Algorithm {
        match self {
            Self::Hs256 => iana::Algorithm::HMAC_256_256,
            Self::Es256 => iana::Algorithm::ES256,
            Self::Ps256 => iana::Algorithm::PS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Material {
    fn from_pem(name: &Arc<str>, algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let unsuitable = || KeyError::Unsuitable {
            name: name.clone(),
            algorithm,
        };
        if let Ok(private) = PrivateKeyDer::from_pem_slice(pem) {
            return Self::private(algorithm, &private).ok_or_else(unsuitable);
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|_| KeyError::Pem { name: name.clone() })?;
        // A verifying key's size is judged at its first signature only; an encrypting key's when it is read.
        if algorithm == Algorithm::Ps256 && PublicEncryptingKey::from_der(&der).is_err() {
            return Err(unsuitable());
        }
        let public = public_key(algorithm, &der).ok_or_else(unsuitable)?;
        Ok(Self::Public(public))
    }

    fn private(algorithm: Algorithm, der: &PrivateKeyDer<'_>) -> Option<Self> {
        let der = der.secret_der();
        if algorithm == Algorithm::Es256 {
            let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::from_pkcs8(signing, der)
                .or_else(|_| EcdsaKeyPair::from_private_key_der(signing, der))
                .ok()?;
            let public = public_key(algorithm, pair.public_key().as_ref())?;
            return Some(Self::Ecdsa(public, Box::new(pair)));
        }
        let pair = RsaKeyPair::from_pkcs8(der)
            .or_else(|_| RsaKeyPair::from_der(der))
            .ok()?;
        let public = public_key(algorithm, pair.public_key().as_ref())?;
        Some(Self::Rsa(public, Box::new(pair)))
    }
}

fn public_key(algorithm: Algorithm, bytes: &[u8]) -> Option<ParsedPublicKey> {
    match algorithm {
        Algorithm::Hs256 => None,
        Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok(),
        Algorithm::Ps256 => ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, bytes).ok(),
    }
}
