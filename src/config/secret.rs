//! Where secrets are kept: settings name the place, never the secret. Start with [`Reference::parse`]; what is kept on
//! this machine [`Reference::resolve`] reads, the rest is [`secrets_manager`]'s.

mod encoding;
pub mod secrets_manager;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

pub use encoding::{Encoding, Undecodable, decode};
use secrets_manager::SecretId;

/// The largest secret, in bytes: what AWS Secrets Manager holds at most.
pub const LARGEST: usize = 65_536;
/// The longest reference: a path of Linux and room to spare.
const LONGEST_REFERENCE: usize = 5000;

/// The place of a secret: `env:NAME`, `file:/path` or `aws-secretsmanager:NAME-or-ARN[#json-key]`. Formatting shows it
/// as it is written, for it is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference(Place);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Env(String),
    File(PathBuf),
    SecretsManager(SecretId),
}

/// Why a secret cannot be had. None of it is ever repeated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such variable.
    #[error("the environment variable {0} is not set, or is not UTF-8: set it to the secret")]
    Unset(String),
    /// There is nothing in it.
    #[error("the secret at {0} is empty: write it there")]
    Empty(Reference),
    /// More than a secret is.
    #[error("the secret at {0} is larger than {LARGEST} bytes: is it the right one?")]
    TooLarge(Reference),
    /// A folder, a device, a pipe.
    #[error("the secret at {0} is no regular file: name the file that holds it")]
    NotAFile(Reference),
    /// The system does not let us read it.
    #[error("the secret at {0} cannot be read, check the path and its permissions: {1}")]
    Unreadable(Reference, #[source] io::Error),
    /// It is not on this machine: [`Reference::secrets_manager`] says what to ask for.
    #[error("the secret at {0} is not on this machine")]
    Elsewhere(Reference),
}

/// Bytes nobody may read in a log: formatting shows their number only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

/// Tells whether a secret has changed. Of what it is, not of where: Kubernetes replaces mounted secrets by moving a
/// symbolic link, which changes neither the path nor, always, the time or the length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Secret {
    /// Hides these bytes.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().into())
    }

    /// The bytes, for those who sign and verify.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// With what to write instead. What was written is not repeated: it may be the secret itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST_REFERENCE || text.contains(char::is_control) {
            return Err(misplaced(text).to_owned());
        }
        let place = match text.split_once(':') {
            Some(("env", name)) => Place::Env(variable(name)?),
            Some(("file", path)) => Place::File(absolute(path)?),
            Some(("aws-secretsmanager", id)) => Place::SecretsManager(SecretId::parse(id)?),
            _ => return Err(misplaced(text).to_owned()),
        };
        Ok(Self(place))
    }

    /// The secret, from `env` or from its file. Of a file one newline at its end is no part of the secret: editors and
    /// `echo` leave it there. Reads the file each time, and blocks while it does.
    ///
    /// # Errors
    /// When it cannot be had, is empty or larger than [`LARGEST`].
    pub fn resolve(&self, env: impl Fn(&str) -> Option<String>) -> Result<Secret, Error> {
        let bytes = match &self.0 {
            Place::Env(name) => env(name)
                .ok_or_else(|| Error::Unset(name.clone()))?
                .into_bytes(),
            Place::File(path) => self.read(path)?,
            Place::SecretsManager(_) => return Err(Error::Elsewhere(self.clone())),
        };
        let secret = match self.0 {
            Place::File(_) => without_newline(&bytes),
            _ => &bytes,
        };
        if secret.len() > LARGEST {
            return Err(Error::TooLarge(self.clone()));
        }
        if secret.is_empty() {
            return Err(Error::Empty(self.clone()));
        }
        Ok(Secret::new(secret))
    }

    /// What to ask AWS Secrets Manager for, where the secret is kept there.
    pub fn secrets_manager(&self) -> Option<&SecretId> {
        match &self.0 {
            Place::SecretsManager(id) => Some(id),
            _ => None,
        }
    }

    /// The file to look at again from time to time, where the secret is kept in one.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            _ => None,
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let unreadable = |error| Error::Unreadable(self.clone(), error);
        // Before opening: a pipe without a writer would keep us there.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(Error::NotAFile(self.clone()));
        }
        // The largest with its newline, and one byte more to tell that there is more.
        let most = LARGEST as u64 + 3;
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(most)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Ok(bytes)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Env(name) => write!(f, "env:{name}"),
            Place::File(path) => write!(f, "file:{}", path.display()),
            Place::SecretsManager(id) => write!(f, "aws-secretsmanager:{id}"),
        }
    }
}

impl Fingerprint {
    /// Of this secret.
    pub fn of(secret: &Secret) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.reveal()).as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A short secret could be guessed from its digest.
        f.write_str("Fingerprint")
    }
}

fn variable(name: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty()
        || !name.bytes().all(is_name)
        || name.starts_with(|first: char| first.is_ascii_digit())
    {
        return Err(
            "env: needs the name of an environment variable: letters, digits and underscores"
                .to_owned(),
        );
    }
    Ok(name.to_owned())
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    if !path.starts_with('/') {
        return Err("file: needs an absolute path: write file:/path".to_owned());
    }
    if path.starts_with("//") {
        return Err("file: needs a path, not a URL: write file:/path, with one slash".to_owned());
    }
    if path.ends_with('/') {
        return Err("file: needs a file: the path ends with a slash".to_owned());
    }
    Ok(path.into())
}

/// What to say of a text that is no reference, without saying it.
fn misplaced(text: &str) -> &'static str {
    if text.contains("-----BEGIN") {
        "is a key itself: put it into a file, and write file:/path"
    } else if text.starts_with("arn:") {
        "is no reference to a secret: write aws-secretsmanager: before an ARN"
    } else if text.starts_with(['/', '.', '~']) {
        "is no reference to a secret: write file: before an absolute path"
    } else if text.starts_with('$') {
        "is no reference to a secret: write env:NAME for a variable, without a dollar sign"
    } else {
        "is no reference to a secret: write env:NAME, file:/path or aws-secretsmanager:NAME, for a secret itself does \
         not belong into settings"
    }
}

fn without_newline(bytes: &[u8]) -> &[u8] {
    match bytes.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => bytes,
    }
}

#[cfg(test)]
mod tests;
