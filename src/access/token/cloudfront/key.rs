//! The keys: RSA with PKCS#1 v1.5 or ECDSA over P-256 with DER, each with SHA-1 or SHA-256.

use std::fmt;
use std::sync::Arc;

use crate::access::{Refusal, Secret};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256, RsaKeyPair, VerificationAlgorithm,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use super::parts::MAX_KEY_ID;
use super::sign::SignError;
use super::{KeySettings, SettingsError};

/// What a policy is hashed with before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Hash {
    /// What CloudFront takes a token for that does not name its hash. RSA keys verify it and do not sign it here.
    Sha1,
    /// Named in the token as `Hash-Algorithm=SHA256`.
    #[default]
    Sha256,
}

/// A key pair id with its public key, and with its private one where tokens are minted.
pub(super) struct Key {
    pub(super) id: Arc<str>,
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
    private: Option<Private>,
}

enum Private {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl Hash {
    /// `SHA1` or `SHA256`; none is `SHA1`.
    pub(super) fn of(name: Option<&str>) -> Result<Self, Refusal> {
        match name {
            None | Some("SHA1") => Ok(Self::Sha1),
            Some("SHA256") => Ok(Self::Sha256),
            Some(_) => Err(Refusal::TokenAlgorithm),
        }
    }
}

impl Key {
    pub(super) fn read(settings: &KeySettings) -> Result<Self, SettingsError> {
        let id = settings.id.clone();
        if !is_key_id(&id) {
            return Err(SettingsError::KeyId(id));
        }
        let Some((sha1, sha256)) = read_public(&settings.public) else {
            return Err(SettingsError::PublicKey(id));
        };
        let private = match &settings.private {
            None => None,
            Some(pem) => Some(read_private(pem).ok_or(SettingsError::PrivateKey(id.clone()))?),
        };
        let key = Self {
            id: id.as_str().into(),
            sha1,
            sha256,
            private,
        };
        if key.can_sign() && !key.signs_for_itself() {
            return Err(SettingsError::KeyMismatch(id));
        }
        Ok(key)
    }

    pub(super) fn can_sign(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn verify(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let key = match hash {
            Hash::Sha1 => &self.sha1,
            Hash::Sha256 => &self.sha256,
        };
        let verified = key.verify_sig(message, signature);
        verified.map_err(|_| Refusal::TokenSignature)
    }

    pub(super) fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |_| SignError::Failed(self.id.to_string());
        match (&self.private, hash) {
            (None, _) => Err(SignError::NoPrivateKey(self.id.to_string())),
            (Some(Private::Rsa(_)), Hash::Sha1) => Err(SignError::RsaSha1(self.id.to_string())),
            (Some(Private::Rsa(key)), Hash::Sha256) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let random = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            (Some(Private::P256(key)), Hash::Sha1) => {
                let digest = widened_sha1(message).map_err(failed)?;
                Ok(key.sign_digest(&digest).map_err(failed)?.as_ref().to_vec())
            }
            (Some(Private::P256(key)), Hash::Sha256) => Ok(key
                .sign(&SystemRandom::new(), message)
                .map_err(failed)?
                .as_ref()
                .to_vec()),
        }
    }

    fn signs_for_itself(&self) -> bool {
        let probe = b"are these two halves of one pair?";
        let signed = self.sign(Hash::Sha256, probe).ok();
        signed.is_some_and(|signature| self.verify(Hash::Sha256, probe, &signature).is_ok())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn is_key_id(id: &str) -> bool {
    let ours = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=MAX_KEY_ID).contains(&id.len()) && id.bytes().all(ours)
}

fn read_public(pem: &str) -> Option<(ParsedPublicKey, ParsedPublicKey)> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
    let parse =
        |algorithm: &'static dyn VerificationAlgorithm| ParsedPublicKey::new(algorithm, &der).ok();
    // ParsedPublicKey looks at an RSA key's length when it verifies, this one at once: 2048 bits are the least.
    if PublicEncryptingKey::from_der(&der).is_ok() {
        let sha1 = parse(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)?;
        return Some((sha1, parse(&RSA_PKCS1_2048_8192_SHA256)?));
    }
    // An RSA key is not among these, so that a short one fails here.
    Some((
        parse(&ECDSA_P256_SHA1_ASN1)?,
        parse(&ECDSA_P256_SHA256_ASN1)?,
    ))
}

fn read_private(pem: &Secret) -> Option<Private> {
    let p256 =
        |der: &[u8]| EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der).ok();
    match PrivateKeyDer::from_pem_slice(pem.reveal()).ok()? {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
            .ok()
            .map(Private::Rsa),
        PrivateKeyDer::Sec1(der) => p256(der.secret_sec1_der()).map(Private::P256),
        PrivateKeyDer::Pkcs8(der) => match RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()) {
            Ok(key) => Some(Private::Rsa(key)),
            Err(_) => p256(der.secret_pkcs8_der()).map(Private::P256),
        },
        _ => None,
    }
}

/// A SHA-1 hash in 32 bytes. ECDSA signs a number, which twelve leading zero bytes leave as it is (FIPS 186-5, 6.4.1);
/// the library signs over P-256 no hash shorter than SHA-256's.
fn widened_sha1(message: &[u8]) -> Result<Digest, aws_lc_rs::error::Unspecified> {
    let mut wide = [0; digest::SHA256_OUTPUT_LEN];
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message);
    let zeros = wide.len() - hash.as_ref().len();
    wide[zeros..].copy_from_slice(hash.as_ref());
    Digest::import_less_safe(&wide, &digest::SHA256)
}
