//! A folder as storage. Start at [`Directory::open`]; how a path stays below the folder is in `beneath`, how a
//! file is read without mixing two versions of it is in `file`.
//!
//! What is served: regular files below the folder, by any name a path can carry. Folders, fifos, sockets and
//! devices are not objects. A symlink is followed where it stays below the folder; one that leaves it is
//! [`Error::NotFound`], like an absent file, so that nobody can feel out what lies outside.
//!
//! Publish by writing beside the file and renaming over it: a read under way then keeps the old version. A file
//! written in place while it is read ends that read with [`Error::Changed`].

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use rustix::io::Errno;

use super::{Body, Error, Object, ObjectMeta, Pin, Read, Storage, Validator, clamp};
use crate::media::AssetPath;
use file::{Slice, Version};

mod beneath;
mod file;

/// A folder whose files are the objects.
#[derive(Debug, Clone)]
pub struct Directory {
    root: Arc<Path>,
}

impl Directory {
    /// Takes the folder at `root`.
    ///
    /// The folder is looked up by its path at every read: a volume mounted anew, or a symlink at `root` itself
    /// that is pointed elsewhere, counts from the next read on.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] where there is no folder at `root`.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let root = std::path::absolute(root).map_err(|e| no_folder(root, &e))?;
        let directory = Self { root: root.into() };
        directory.check()?;
        Ok(directory)
    }

    fn check(&self) -> Result<(), Error> {
        beneath::open_root(&self.root)
            .map(drop)
            .map_err(|e| no_folder(&self.root, &e))
    }

    fn find(&self, asset: &AssetPath) -> Result<(std::fs::File, Version), Error> {
        let root = beneath::open_root(&self.root).map_err(|e| no_folder(&self.root, &e))?;
        let file = beneath::open(&root, &self.root, asset.as_str()).map_err(|e| refuse(&e))?;
        let version = Version::of(&file).map_err(|e| refuse(&e))?;
        version
            .map(|version| (file, version))
            .ok_or(Error::NotFound)
    }

    /// Opens, judges and reads the first piece, in one hop to the blocking threads: all a small object needs.
    fn begin(&self, asset: &AssetPath, ask: &Ask) -> Result<Begun, Error> {
        let (file, version) = self.find(asset)?;
        let meta = version.meta();
        ask.pin().judge(&meta.validator)?;
        let range = clamp(ask.range.as_ref(), meta.len)?;
        let mut rest = Slice::new(file, version, range.clone())?;
        let first = rest.read()?;
        Ok(Begun {
            meta,
            range,
            first,
            rest,
        })
    }
}

impl Storage for Directory {
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        let (this, asset, ask) = (self.clone(), asset.clone(), Ask::from(read));
        Box::pin(async move {
            let begun = blocking(move || this.begin(&asset, &ask)).await?;
            let body = body(begun.first, begun.rest);
            Ok(Object {
                meta: begun.meta,
                range: begun.range,
                body,
            })
        })
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        let (this, asset) = (self.clone(), asset.clone());
        Box::pin(blocking(move || {
            this.find(&asset).map(|(_, version)| version.meta())
        }))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        let this = self.clone();
        Box::pin(blocking(move || this.check()))
    }
}

/// A [`Read`] that can travel to a blocking thread.
struct Ask {
    range: Option<Range<u64>>,
    matching: Option<Validator>,
    unlike: Option<Validator>,
}

impl Ask {
    fn pin(&self) -> Pin<'_> {
        match (&self.matching, &self.unlike) {
            (Some(wanted), _) => Pin::Match(wanted),
            (None, Some(known)) => Pin::NoneMatch(known),
            (None, None) => Pin::Any,
        }
    }
}

impl From<Read<'_>> for Ask {
    fn from(read: Read<'_>) -> Self {
        let (matching, unlike) = match read.pin {
            Pin::Any => (None, None),
            Pin::Match(wanted) => (Some(wanted.clone()), None),
            Pin::NoneMatch(known) => (None, Some(known.clone())),
        };
        Self {
            range: read.range,
            matching,
            unlike,
        }
    }
}

struct Begun {
    meta: ObjectMeta,
    range: Range<u64>,
    first: Bytes,
    rest: Slice,
}

fn body(first: Bytes, rest: Slice) -> Body {
    let first = (!first.is_empty()).then_some(Ok(first));
    let rest = stream::try_unfold(rest, |mut rest| async move {
        if rest.is_done() {
            return Ok(None);
        }
        let (rest, piece) = blocking(move || rest.read().map(|piece| (rest, piece))).await?;
        Ok(Some((piece, rest)))
    });
    stream::iter(first).chain(rest).boxed()
}

/// Runs file work where it may block. Dropping the future lets the work finish unheard.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(Error::Unavailable(format!("file work failed: {e}").into())))
}

fn no_folder(root: &Path, error: &io::Error) -> Error {
    let root = root.display();
    Error::Misconfigured(
        format!("{root} is not a folder that can be read ({error}): create it or correct the path")
            .into(),
    )
}

/// Turns a failure to open, stat or read below the folder into the contract's words.
fn refuse(error: &io::Error) -> Error {
    match Errno::from_io_error(error) {
        Some(
            Errno::NOENT
            | Errno::NOTDIR
            // The path leaves the folder; a circle of symlinks; a name no file can have; a socket.
            | Errno::XDEV
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::NXIO,
        ) => Error::NotFound,
        Some(Errno::ACCESS | Errno::PERM) => {
            Error::Denied("the file's permissions keep this process out".into())
        }
        _ => Error::Unavailable(error.to_string().into()),
    }
}

#[cfg(test)]
mod tests;
