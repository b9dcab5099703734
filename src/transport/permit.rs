//! A connection's place under the caps, and in the count of those that are open.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Open, Shared};
use crate::telemetry::Instruments;

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

/// A connection that is open; it is no more when this is dropped, by a panic too.
pub(super) struct Counted(Arc<Instruments>);

impl Counted {
    pub(super) fn new(instruments: Arc<Instruments>) -> Self {
        instruments.transport.open.up();
        Self(instruments)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.transport.open.down();
    }
}
