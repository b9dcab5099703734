//! A certificate for a demo: made now, gone with the process.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{CertificateParams, DnType, KeyPair};

use super::super::Unusable;
use super::NAME;
use crate::config::secret::Reference;
use crate::config::{self, Config, Listener, Source};

/// A certificate for this machine, in a folder that nobody else can read. Both go when it is dropped.
pub(super) struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Makes it.
    pub(super) fn make() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("caudal-demo-{}", std::process::id()));
        let made = Self::make_in(folder.clone());
        made.with_context(|| format!("cannot make a certificate in {}", folder.display()))
    }

    fn make_in(folder: PathBuf) -> anyhow::Result<Self> {
        // One that was left there belongs to who knows whom.
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&folder)?;
        let made = Self { folder };
        let names = ["localhost", "127.0.0.1", "::1"];
        let mut params = CertificateParams::new(names.map(str::to_owned))?;
        params
            .distinguished_name
            .push(DnType::CommonName, "caudal demo");
        let key = KeyPair::generate()?;
        std::fs::write(made.chain(), params.self_signed(&key)?.pem())?;
        std::fs::write(made.key(), key.serialize_pem())?;
        Ok(made)
    }

    /// Has a configuration serve with it what it serves without.
    pub(super) fn show(&self, config: &mut Config) -> anyhow::Result<()> {
        let at = |path: &Path| {
            let reference = Reference::parse(&format!("file:{}", path.display()));
            reference.map_err(|fix| Unusable::from(format!("TMPDIR: {fix}")))
        };
        let certificate = config::Certificate {
            source: Source::Kept {
                chain: at(&self.chain())?,
                key: at(&self.key())?,
            },
            ocsp: None,
        };
        config.certificate.insert(NAME.to_owned(), certificate);
        let listener = Listener {
            listen: std::mem::take(&mut config.server.listen),
            certificates: vec![NAME.to_owned()],
            ..Listener::default()
        };
        config.listener.insert(NAME.to_owned(), listener);
        Ok(())
    }

    /// What a client has to trust.
    pub(super) fn chain(&self) -> PathBuf {
        self.folder.join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
