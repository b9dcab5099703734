//! Clients that show a certificate: CloudFront as a client of its origin, a mesh's sidecar.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::Problem;

/// Whose certificates are believed, and which of them are withdrawn.
#[derive(Debug, Clone)]
pub struct Clients {
    roots: Arc<RootCertStore>,
    withdrawn: Vec<CertificateRevocationListDer<'static>>,
    asked: Asked,
}

/// What a client is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A certificate, or to leave.
    Required,
    /// A certificate, if it has one: what it opens is for policies to say.
    Optional,
}

impl Clients {
    /// Reads issuers, and lists of what they have withdrawn. With a list, every issuer needs one.
    ///
    /// # Errors
    /// Where the PEM is none, or a certificate is no issuer's.
    pub fn from_pem(issuers: &[u8], lists: &[Vec<u8>], asked: Asked) -> Result<Self, Problem> {
        let mut roots = RootCertStore::empty();
        for issuer in CertificateDer::pem_slice_iter(issuers) {
            let issuer =
                issuer.map_err(|error| Problem(format!("client_ca is not PEM: {error}")))?;
            roots.add(issuer).map_err(|error| {
                Problem(format!(
                    "client_ca holds a certificate that is no issuer's: {error}"
                ))
            })?;
        }
        if roots.is_empty() {
            return Err(Problem(
                "client_ca holds no certificate: write -----BEGIN CERTIFICATE----- sections"
                    .to_owned(),
            ));
        }
        let mut withdrawn = Vec::new();
        for list in lists {
            let before = withdrawn.len();
            for list in CertificateRevocationListDer::pem_slice_iter(list) {
                let list =
                    list.map_err(|error| Problem(format!("client_crls is not PEM: {error}")))?;
                withdrawn.push(list);
            }
            if withdrawn.len() == before {
                return Err(Problem(
                    "client_crls names a file without a list: write -----BEGIN X509 CRL----- sections"
                        .to_owned(),
                ));
            }
        }
        Ok(Self {
            roots: Arc::new(roots),
            withdrawn,
            asked,
        })
    }

    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
        let mut builder = WebPkiClientVerifier::builder_with_provider(self.roots.clone(), provider)
            .with_crls(self.withdrawn.iter().cloned())
            // Intermediates come and go with their own lists; what is shown is what must not be withdrawn.
            .only_check_end_entity_revocation();
        if self.asked == Asked::Optional {
            builder = builder.allow_unauthenticated();
        }
        let built = builder.build();
        built.map_err(|error| Problem(format!("client_crls cannot be used: {error}")))
    }
}

/// The names in a certificate that was verified: DNS names, URIs (SPIFFE's), mail addresses, and the common name.
pub(in crate::transport) fn identities(leaf: &[u8]) -> Vec<String> {
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
        return Vec::new();
    };
    let alternative = leaf.subject_alternative_name().ok().flatten();
    let alternative = alternative.map_or(&[][..], |names| &names.value.general_names);
    let alternative = alternative.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            Some(*name)
        }
        _ => None,
    });
    let common = leaf.subject().iter_common_name();
    let common = common.filter_map(|name| name.as_str().ok());
    alternative.chain(common).map(str::to_owned).collect()
}
