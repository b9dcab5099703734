//! Numbers that are both exported and read back, for `/status`.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use metrics::{Counter, Gauge};

/// A count that only grows.
pub struct Tally {
    exported: Counter,
    value: AtomicU64,
}

/// A number that goes up and down.
pub struct Level {
    exported: Gauge,
    value: AtomicU64,
}

impl Tally {
    pub(super) fn new(exported: Counter) -> Self {
        Self {
            exported,
            value: AtomicU64::new(0),
        }
    }

    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.exported.increment(n);
        self.value.fetch_add(n, Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.value.load(Relaxed)
    }
}

impl Level {
    pub(super) fn new(exported: Gauge) -> Self {
        Self {
            exported,
            value: AtomicU64::new(0),
        }
    }

    /// One more.
    pub fn up(&self) {
        self.exported.increment(1.0);
        self.value.fetch_add(1, Relaxed);
    }

    /// One less.
    pub fn down(&self) {
        self.exported.decrement(1.0);
        self.value.fetch_sub(1, Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.value.load(Relaxed)
    }
}
