//! What is said to the allocator beyond allocating.
#![allow(
    unsafe_code,
    reason = "a call into a C library; its argument is beside it"
)]

/// Gives the memory that this thread has freed back to the system. A thread does so by itself while it works; one that
/// has nothing to do after a crowd has left would keep what the crowd took.
pub(super) fn give_back() {
    // SAFETY: takes no pointer, may be called on any thread at any time, and touches only what is free.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
