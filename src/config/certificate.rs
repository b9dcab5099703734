//! `[certificate.NAME]`: who we are, by a certificate that is kept somewhere or ordered by ourselves.

use std::path::PathBuf;

use super::check;
use super::format::{File, Folder, List, Misplaced, Optional, SecretReference, Text};
use super::schema::Keys;
use super::secret::Reference;

/// `[certificate.NAME]`: who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Where it comes from.
    pub source: Source,
    /// What the issuer says of its validity: an OCSP response in DER.
    pub ocsp: Option<PathBuf>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Somebody else gets it, and writes it there.
    Kept {
        /// Where the PEM of the chain is, ours first.
        chain: Reference,
        /// Where the PEM of its private key is.
        key: Reference,
    },
    /// We order it, and renew it.
    Ordered(Acme),
}

/// What is ordered, and from whom (RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// For these names; at least one, in lower case.
    pub names: Vec<String>,
    /// The URL of the issuer's directory.
    pub directory: String,
    /// Whom the issuer may write to: a `mailto:` URL.
    pub contact: Option<String>,
    /// Where the account and what was ordered outlive us.
    pub cache: PathBuf,
    /// Who vouches for the directory's own server, in PEM; absent, whom the system trusts.
    pub ca: Option<PathBuf>,
}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

impl Certificate {
    pub(super) fn unset() -> Self {
        let unset = Reference::parse("env:UNSET").expect("it is a reference");
        let source = Source::Kept {
            chain: unset.clone(),
            key: unset,
        };
        Self { source, ocsp: None }
    }

    /// What is ordered; `None` for one that is kept somewhere.
    pub fn ordered(&self) -> Option<&Acme> {
        match &self.source {
            Source::Ordered(acme) => Some(acme),
            Source::Kept { .. } => None,
        }
    }

    pub(super) fn keys(&mut self, keys: &mut impl Keys) {
        let is_written = keys.is_written("acme");
        let mut names = self.ordered().map(|acme| acme.names.clone());
        let name = Text {
            check: check::host_name,
            example: "vod.example.com",
        };
        keys.key("acme", &mut names, Optional(List(name)));
        match names {
            Some(names) if self.ordered().is_none() && !names.is_empty() => {
                self.source = Source::Ordered(Acme::of(names));
            }
            // Refused, and still to be ordered: what else is there is judged by that.
            None if is_written => self.source = Source::Ordered(Acme::of(Vec::new())),
            _ => {}
        }
        match &mut self.source {
            Source::Kept { chain, key } => {
                keys.required("chain", chain, SecretReference);
                keys.required("key", key, SecretReference);
                let ocsp = Optional(File("/etc/caudal/edge.ocsp"));
                keys.key("ocsp", &mut self.ocsp, ocsp);
                for name in ["acme_directory", "acme_contact", "acme_cache", "acme_ca"] {
                    keys.key(name, &mut (), Misplaced(NOTHING_ORDERED));
                }
            }
            Source::Ordered(acme) => {
                acme.keys(keys);
                for name in ["chain", "key", "ocsp"] {
                    keys.key(name, &mut (), Misplaced(ORDERED));
                }
            }
        }
    }
}

const NOTHING_ORDERED: &str = "is for a certificate that is ordered: write the names, acme = [\"vod.example.com\"], or remove it";
const ORDERED: &str = "stands beside acme, which orders the certificate: remove one of the two";

impl Acme {
    fn of(names: Vec<String>) -> Self {
        Self {
            names,
            directory: LETS_ENCRYPT.to_owned(),
            contact: None,
            cache: PathBuf::new(),
            ca: None,
        }
    }

    fn keys(&mut self, keys: &mut impl Keys) {
        let directory = Text {
            check: check::https_url,
            example: LETS_ENCRYPT,
        };
        keys.key("acme_directory", &mut self.directory, directory);
        let contact = Text {
            check: check::mailto,
            example: "mailto:ops@example.com",
        };
        keys.key("acme_contact", &mut self.contact, Optional(contact));
        keys.required(
            "acme_cache",
            &mut self.cache,
            Folder("/var/lib/caudal/acme"),
        );
        let issuers = Optional(File("/etc/caudal/acme-ca.pem"));
        keys.key("acme_ca", &mut self.ca, issuers);
    }
}
