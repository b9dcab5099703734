//! A connection's place under the caps.

use tokio::sync::OwnedSemaphorePermit;

use super::{Open, Shared};

/// A place among the connections of its listener, where that has a cap of its own, and among all. Given back when dropped.
pub(super) struct Permit {
    _of_listener: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

impl Permit {
    /// Waits for a place. `None` where there is none any more.
    pub(super) async fn wait(open: &Open, shared: &Shared) -> Option<Self> {
        // The listener's first: who waits for that takes no place from other listeners.
        let of_listener = match &open.connections {
            Some(connections) => Some(connections.clone().acquire_owned().await.ok()?),
            None => None,
        };
        let of_all = shared.connections.clone().acquire_owned().await.ok()?;
        Some(Self {
            _of_listener: of_listener,
            _of_all: of_all,
        })
    }

    /// A place that is free now.
    pub(super) fn now(open: &Open, shared: &Shared) -> Option<Self> {
        let of_listener = match &open.connections {
            Some(connections) => Some(connections.clone().try_acquire_owned().ok()?),
            None => None,
        };
        let of_all = shared.connections.clone().try_acquire_owned().ok()?;
        Some(Self {
            _of_listener: of_listener,
            _of_all: of_all,
        })
    }
}
