//! What is under way on a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Requests being answered on a connection, and whether it could do without hyper. Shared by the connection's socket, its
/// service, and whoever drives both.
#[derive(Debug, Clone, Default)]
pub(super) struct Busy(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU32,
    ended: AtomicU32,
    resting: AtomicBool,
    last: AtomicBool,
}

/// One request being answered. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Answering(Busy);

impl Busy {
    pub(super) fn begin(&self) -> Answering {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Requests that have begun so far; the count wraps.
    pub(super) fn begun(&self) -> u32 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// From now on answers say that they are the last (RFC 9112 section 9.6).
    pub(super) fn set_last(&self) {
        self.0.last.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed) == self.begun()
    }

    /// Whether everything asked for was answered and taken, and nothing has come since, for a while.
    pub(super) fn is_resting(&self) -> bool {
        self.0.resting.load(Ordering::Relaxed) && self.is_idle()
    }

    pub(super) fn set_resting(&self, resting: bool) {
        self.0.resting.store(resting, Ordering::Relaxed);
    }
}

impl Answering {
    /// Whether no further request is welcome on its connection.
    pub(super) fn is_last(&self) -> bool {
        self.0.0.last.load(Ordering::Relaxed)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
