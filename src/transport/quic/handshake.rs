//! Whether hands were shaken: until then a request may be somebody's who has recorded it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handshake under way, or done. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Handshake(Arc<AtomicBool>);

impl Handshake {
    pub(super) fn done(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
