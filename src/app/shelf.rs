//! The folder where accounts and ordered certificates outlive us. Nobody else can read it; what is in it is whole, or
//! not there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::config::Acme;
use crate::config::secret::Secret;

/// What one issuer gave us, in a folder of its own: what was tried with another one is never shown for it.
#[derive(Debug, Clone)]
pub(super) struct Shelf(PathBuf);

impl Shelf {
    /// That of an issuer.
    pub(super) fn of(acme: &Acme) -> Self {
        let directory = acme
            .directory
            .split_once("://")
            .map_or("", |(_, rest)| rest);
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        // The schemes and dots aside, this is what others call it too: acme-v02.api.letsencrypt.org-directory.
        let name: String = directory
            .trim_matches(['.', '/'])
            .chars()
            .map(plain)
            .collect();
        Self(acme.cache.join(name))
    }

    /// Makes it where it is not there.
    ///
    /// # Errors
    /// Where nothing could be written there.
    pub(super) fn open(&self) -> Result<(), String> {
        let folder = self.0.display();
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0);
        made.map_err(|error| format!("{folder} cannot be made: {error}"))?;
        let allowed = access(&self.0, Access::WRITE_OK | Access::EXEC_OK);
        allowed.map_err(|error| format!("{folder} cannot be written to: {error}"))
    }

    /// Where a certificate is, or will be: its key and its chain, in PEM.
    pub(super) fn path(&self, certificate: &str) -> PathBuf {
        self.0.join(format!("{certificate}.pem"))
    }

    /// A certificate that came before.
    pub(super) fn certificate(&self, name: &str) -> Option<Secret> {
        read(&self.path(name))
    }

    /// Puts one in its place.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(super) fn keep_certificate(&self, name: &str, pem: &[u8]) -> Result<(), String> {
        self.keep(&self.path(name), pem)
    }

    /// Who we are to the issuer.
    pub(super) fn account(&self) -> Option<Secret> {
        read(&self.account_path())
    }

    /// Remembers who we are.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(super) fn keep_account(&self, kept: &[u8]) -> Result<(), String> {
        self.keep(&self.account_path(), kept)
    }

    /// The issuer knows us no more.
    pub(super) fn forget_account(&self) {
        // One that is still there is found out to be none again.
        let _ = fs::remove_file(self.account_path());
    }

    /// No certificate is called so: their names have no dots.
    fn account_path(&self) -> PathBuf {
        self.0.join("account.key.json")
    }

    /// Writes a file whole, and swaps it in. Processes that hand over to each other may do so at the same time.
    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        let new = path.with_extension(format!("new-{}", std::process::id()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }
}

fn read(path: &Path) -> Option<Secret> {
    fs::read(path).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn acme(cache: &Path, directory: &str) -> Acme {
        Acme {
            names: vec!["vod.example".to_owned()],
            directory: directory.to_owned(),
            contact: None,
            cache: cache.to_owned(),
            ca: None,
        }
    }

    #[test]
    fn what_is_kept_is_ours_alone_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("a/b");
        let shelf = Shelf::of(&acme(&cache, "https://ca.example:14000/dir"));
        shelf.open().unwrap();
        assert!(shelf.certificate("vod").is_none() && shelf.account().is_none());
        for text in ["one", "another"] {
            shelf.keep_certificate("vod", text.as_bytes()).unwrap();
            shelf.keep_account(text.as_bytes()).unwrap();
            assert_eq!(shelf.certificate("vod").unwrap().reveal(), text.as_bytes());
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let kept = cache.join("ca.example-14000-dir");
        assert_eq!(mode(&kept), 0o700);
        let mut names: Vec<_> = fs::read_dir(&kept)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        assert_eq!(names, [kept.join("account.key.json"), kept.join("vod.pem")]);
        assert!(names.iter().all(|path| mode(path) == 0o600));
        shelf.forget_account();
        assert!(shelf.account().is_none());
    }

    #[test]
    fn issuers_do_not_share_a_shelf_and_none_leaves_the_folder() {
        let cache = Path::new("/c");
        let at = |directory| Shelf::of(&acme(cache, directory)).path("vod");
        let letsencrypt = at("https://acme-v02.api.letsencrypt.org/directory");
        let expected = "/c/acme-v02.api.letsencrypt.org-directory/vod.pem";
        assert_eq!(letsencrypt, Path::new(expected));
        assert_ne!(
            letsencrypt,
            at("https://acme-staging-v02.api.letsencrypt.org/directory")
        );
        assert_eq!(at("https://../../x"), Path::new("/c/x/vod.pem"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let problem = Shelf::of(&acme(&file, "https://ca.example")).open();
        assert!(problem.unwrap_err().contains("cannot be made"));
    }
}
