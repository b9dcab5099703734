//! A timer that costs nothing to set.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A timer that is set at most once for each wait. Moving it forward is a store; the timer wheel is only
/// touched when it would fire too early.
#[derive(Default)]
pub(super) struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
    since: Option<Instant>,
}

impl Deadline {
    /// A wait that began at `since`.
    pub(super) fn since(since: Instant) -> Self {
        Self {
            timer: None,
            since: Some(since),
        }
    }

    /// When the wait began; now, where none has.
    pub(super) fn begun(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }

    /// Ends the wait. The next begins when it is asked for.
    pub(super) fn clear(&mut self) {
        self.since = None;
    }

    /// Whether `patience` has passed since the wait began. Registers for a wake-up when it has not.
    pub(super) fn passed(&mut self, cx: &mut Context<'_>, patience: Duration) -> bool {
        let due = self.begun() + patience;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        // A timer left from an earlier wait fires early at worst, and is then set anew.
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                return true;
            }
            timer.as_mut().reset(due);
        }
        if timer.deadline() > due {
            timer.as_mut().reset(due);
            return timer.as_mut().poll(cx).is_ready();
        }
        false
    }
}
