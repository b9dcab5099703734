//! What is said to the allocator beyond allocating.
#![allow(
    unsafe_code,
    reason = "calls into a C library; each has its argument beside it"
)]

use std::ffi::c_long;

/// `mi_option_purge_delay` of mimalloc.h, which the bindings have no name for.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// What is freed goes back to the system after so many milliseconds. With mimalloc's own second, a cache that turns over
/// 2 GiB/s holds so much more than it was given.
const SOON: c_long = 100;

/// Sets the allocator up. To be called once, before there are threads.
pub(crate) fn prepare() {
    // SAFETY: takes no pointer; not thread-safe, and called while this is the only thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, SOON) }
}

/// Gives the memory that this thread has freed back to the system. A thread does so by itself while it works; one that
/// has nothing to do after a crowd has left would keep what the crowd took.
pub(super) fn give_back() {
    // SAFETY: takes no pointer, may be called on any thread at any time, and touches only what is free.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
