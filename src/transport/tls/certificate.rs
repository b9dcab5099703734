//! A certificate with its chain and key, and what it says of itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::Problem;

/// What a server shows, and proves to be.
#[derive(Clone)]
pub struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    names: Vec<String>,
    begins: SystemTime,
    ends: SystemTime,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.names.join(", "))
    }
}

impl Certificate {
    /// Reads a chain, leaf first, its private key, and what the issuer says of its validity (an OCSP response in DER).
    ///
    /// # Errors
    /// Where the PEM is none, or the key is another certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8], ocsp: Option<Vec<u8>>) -> Result<Self, Problem> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| Problem(format!("the chain is not PEM: {error}")))?;
        let Some(leaf) = chain.first() else {
            return Err(Problem(
                "the chain holds no certificate: write -----BEGIN CERTIFICATE----- sections, the server's first"
                    .to_owned(),
            ));
        };
        let (names, begins, ends) = read(leaf)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            Problem("the key is not PEM: write one -----BEGIN PRIVATE KEY----- section".to_owned())
        })?;
        let mut key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(mismatch)?;
        key.ocsp = ocsp;
        Ok(Self {
            key: Arc::new(key),
            names,
            begins,
            ends,
        })
    }

    /// The names it is for, as written in it.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When it begins to be valid.
    pub fn begins(&self) -> SystemTime {
        self.begins
    }

    /// When it ends to be valid.
    pub fn ends(&self) -> SystemTime {
        self.ends
    }

    /// Whether it is valid at that time.
    pub fn is_valid(&self, now: SystemTime) -> bool {
        (self.begins..=self.ends).contains(&now)
    }

    /// Whether it is for every one of these names.
    pub fn is_for_all(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.is_for(name))
    }

    /// Whether it is for this name, `*.` standing for one label (RFC 9525 section 6.3).
    pub(super) fn is_for(&self, name: &str) -> bool {
        let rest = name.split_once('.').map(|(_, rest)| rest);
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(wild) => rest.is_some_and(|rest| rest.eq_ignore_ascii_case(wild)),
            None => own.eq_ignore_ascii_case(name),
        })
    }
}

fn mismatch(error: rustls::Error) -> Problem {
    Problem(match error {
        rustls::Error::InconsistentKeys(_) => {
            "the key is not this certificate's: write the two that belong together".to_owned()
        }
        error => format!("the key cannot be used: {error}"),
    })
}

/// Its names, and when it begins and ends to be valid.
fn read(leaf: &[u8]) -> Result<(Vec<String>, SystemTime, SystemTime), Problem> {
    let unreadable = |_| Problem("the chain's first certificate cannot be read".to_owned());
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(unreadable)?;
    let alternative = leaf.subject_alternative_name().ok().flatten();
    let names = alternative.map_or_else(Vec::new, |names| {
        let names = names.value.general_names.iter();
        names.filter_map(dns).map(str::to_owned).collect()
    });
    let validity = leaf.validity();
    let time = |time: x509_parser::time::ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
        UNIX_EPOCH + Duration::from_secs(seconds)
    };
    Ok((names, time(validity.not_before), time(validity.not_after)))
}

fn dns<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::DNSName(name) => Some(name),
        _ => None,
    }
}
