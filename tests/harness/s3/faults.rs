//! What can go wrong, and when.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

/// One thing that goes wrong with an answer that would have been good.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The head comes late.
    Delay(Duration),
    /// Another status, with S3's error document if there is a code. (A HEAD has no document, as on S3.)
    Status(u16, Option<&'static str>),
    /// Another status, with a body of any kind.
    Text(u16, &'static str),
    /// 503 SlowDown.
    SlowDown,
    /// 403 InvalidObjectState: the object is in this storage class.
    Archived(&'static str),
    /// A header more, or another value of one that is there (`etag`, `content-range`).
    Header(&'static str, &'static str),
    /// A header less.
    WithoutHeader(&'static str),
    /// The connection is closed instead of an answer.
    Close,
    /// The body ends after so many bytes, and the connection with it.
    Truncate(usize),
    /// The connection is reset after so many bytes of the body.
    Reset(usize),
    /// Nothing comes any more after so many bytes of the body.
    Stall(usize),
    /// So many bytes follow the body, which then comes without Content-Length.
    Extra(usize),
}

/// A script of faults. An answer takes the first entry that is meant for its key; without one it is good.
#[derive(Default)]
pub(crate) struct Faults(Mutex<VecDeque<Entry>>);

struct Entry {
    /// `None` is any key.
    key: Option<String>,
    faults: Vec<Fault>,
    /// How many answers take it.
    times: usize,
}

impl Faults {
    /// The next answer goes wrong.
    pub(crate) fn push(&self, fault: Fault) {
        self.add(None, vec![fault], 1);
    }

    /// The next `times` answers go wrong.
    pub(crate) fn push_times(&self, times: usize, fault: Fault) {
        self.add(None, vec![fault], times);
    }

    /// The next answer goes wrong in several ways.
    pub(crate) fn push_all(&self, faults: impl IntoIterator<Item = Fault>) {
        self.add(None, faults.into_iter().collect(), 1);
    }

    /// The next answer about `key` goes wrong.
    pub(crate) fn push_for(&self, key: &str, fault: Fault) {
        self.add(Some(key.into()), vec![fault], 1);
    }

    /// Every answer goes wrong, until [`Faults::clear`].
    pub(crate) fn always(&self, fault: Fault) {
        self.add(None, vec![fault], usize::MAX);
    }

    /// Every answer about `key` goes wrong, until [`Faults::clear`].
    pub(crate) fn always_for(&self, key: &str, fault: Fault) {
        self.add(Some(key.into()), vec![fault], usize::MAX);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// How many entries are still to come.
    pub(crate) fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn add(&self, key: Option<String>, faults: Vec<Fault>, times: usize) {
        self.0
            .lock()
            .unwrap()
            .push_back(Entry { key, faults, times });
    }

    /// The faults of the next answer about `key`.
    pub(super) fn take(&self, key: &str) -> Vec<Fault> {
        let mut entries = self.0.lock().unwrap();
        let mine = |entry: &Entry| entry.key.as_deref().is_none_or(|wanted| wanted == key);
        let Some(at) = entries.iter().position(mine) else {
            return Vec::new();
        };
        let entry = &mut entries[at];
        entry.times -= 1;
        let faults = entry.faults.clone();
        if entry.times == 0 {
            entries.remove(at);
        }
        faults
    }
}
