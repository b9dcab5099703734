//! Reads one version of a file, and notices when it stops being that version.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use bytes::Bytes;

use super::{Error, ObjectMeta, Validator, refuse};
use crate::storage::OWNED;

/// Bytes read in one hop to the blocking threads: enough to amortise the hop, little enough to hold for each of
/// many readers, and a piece that is cut in two is copied.
const PIECE: u64 = OWNED as u64;

/// What tells one version of a file from another: when it was written, how long it is, and which inode it is.
///
/// The inode tells apart two files that were renamed over each other with times preserved. A file rewritten in
/// place, to the same length, within one tick of the filesystem's clock, keeps its version; so does one whose
/// times were set back. Renaming a new file over the old one is the safe way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    len: u64,
    modified: Option<SystemTime>,
    mtime: i64,
    mtime_nsec: i64,
    inode: u64,
}

impl Version {
    /// The version of an open file; `None` where it is no regular file and so no object.
    pub(super) fn of(file: &File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then(|| Self::from(&metadata)))
    }

    /// What the storage says of the file. The entity tag is strong and the same on every host that shares the
    /// volume; hosts with copies of their own tell different tags.
    pub(super) fn meta(&self) -> ObjectMeta {
        let Self {
            len,
            mtime,
            mtime_nsec,
            inode,
            ..
        } = self;
        let etag = format!("\"{mtime:x}.{mtime_nsec:x}-{len:x}-{inode:x}\"");
        ObjectMeta {
            len: *len,
            validator: Validator {
                etag: etag.into(),
                version_id: None,
            },
            last_modified: self.modified,
            content_type: None,
            cache_control: None,
            content_encoding: None,
        }
    }
}

impl From<&Metadata> for Version {
    fn from(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            modified: metadata.modified().ok(),
            mtime: metadata.mtime(),
            mtime_nsec: metadata.mtime_nsec(),
            inode: metadata.ino(),
        }
    }
}

/// The part of a file that is still to be read.
#[derive(Debug)]
pub(super) struct Slice {
    file: File,
    version: Version,
    range: Range<u64>,
}

impl Slice {
    /// `range` lies within the file.
    pub(super) fn new(mut file: File, version: Version, range: Range<u64>) -> Result<Self, Error> {
        file.seek(SeekFrom::Start(range.start))
            .map_err(|e| refuse(&e))?;
        Ok(Self {
            file,
            version,
            range,
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.range.is_empty()
    }

    /// Reads the next piece. Blocks.
    ///
    /// The version is checked after the bytes were read and before they are handed out: all bytes handed out so
    /// far are then of one version.
    pub(super) fn read(&mut self) -> Result<Bytes, Error> {
        let len = PIECE.min(self.range.end - self.range.start);
        // At most PIECE, so it fits. Reading into capacity reserved once spares zeroing and growing.
        let mut piece = Vec::with_capacity(len as usize);
        let got = self
            .file
            .by_ref()
            .take(len)
            .read_to_end(&mut piece)
            .map_err(|e| refuse(&e))?;
        let now = Version::of(&self.file).map_err(|e| refuse(&e))?;
        if now != Some(self.version) {
            return Err(Error::Changed);
        }
        if (got as u64) < len {
            return Err(Error::Interrupted(
                "the file ended before its length".into(),
            ));
        }
        self.range.start += len;
        Ok(piece.into())
    }
}
