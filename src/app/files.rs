//! Files that a part of the configuration names: read when they change, and only those.

use std::any::Any;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was made of files, and how they were then.
#[derive(Default)]
pub(in crate::app) struct Files(HashMap<Key, Made>);

/// Whose they are, and which.
type Key = (String, Vec<PathBuf>);

struct Made {
    stamps: Vec<Option<Stamp>>,
    value: Arc<dyn Any + Send + Sync>,
}

/// Tells whether a file has changed. Links are followed: Kubernetes swaps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Files {
    /// What `make` makes of these files for `whom`, now or when they were as they are now.
    ///
    /// # Errors
    /// What `make` says.
    pub(in crate::app) fn of<T: Send + Sync + 'static>(
        &mut self,
        whom: &str,
        paths: &[PathBuf],
        make: impl FnOnce(&[PathBuf]) -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        let stamps = stamps(paths);
        let key = (whom.to_owned(), paths.to_vec());
        let made = self.0.get(&key).filter(|made| made.stamps == stamps);
        let made = made.and_then(|made| made.value.clone().downcast::<T>().ok());
        if let Some(value) = made {
            return Ok(value);
        }
        // Stamped before it is read: a change in between is then found by the next look.
        let value = Arc::new(make(paths)?);
        let any: Arc<dyn Any + Send + Sync> = value.clone();
        self.0.insert(key, Made { stamps, value: any });
        Ok(value)
    }

    /// Whether any of them is another than when it was read.
    pub(in crate::app) fn have_changed(&self) -> bool {
        let changed = |((_, paths), made): (&Key, &Made)| stamps(paths) != made.stamps;
        self.0.iter().any(changed)
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some(Stamp {
        inode: file.ino(),
        size: file.size(),
        modified: (file.mtime(), file.mtime_nsec()),
        changed: (file.ctime(), file.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let paths = [path.clone()];
        let read =
            |paths: &[PathBuf]| std::fs::read_to_string(&paths[0]).map_err(|e| e.to_string());
        let mut files = Files::default();
        assert!(files.of("test", &paths, read).is_err(), "there is none yet");
        std::fs::write(&path, "a").unwrap();
        assert_eq!(*files.of("test", &paths, read).unwrap(), "a");
        assert!(!files.have_changed());
        let unread = |_: &[PathBuf]| -> Result<String, String> { Err("was read".to_owned()) };
        assert_eq!(*files.of("test", &paths, unread).unwrap(), "a");
        std::fs::write(&path, "ab").unwrap();
        assert!(files.have_changed());
        assert!(files.of("test", &paths, unread).is_err());
        assert_eq!(*files.of("test", &paths, read).unwrap(), "ab");
    }
}
