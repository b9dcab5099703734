//! A file in memory, readable as bytes. The only unsafe code of the arena.
#![allow(
    unsafe_code,
    reason = "mmap, and slices of what it maps; each use has its argument"
)]

use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags};

/// A read-only view of the whole of a file. It lives until it is dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: the view is read-only and belongs to no thread; nothing in it is changed through it.
unsafe impl Send for Mapping {}
// SAFETY: as above; reading from several threads at once is reading.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of `file`, which must never become shorter: the caller has sealed it.
    pub(super) fn of(file: impl AsFd, len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address the kernel chooses aliases nothing that Rust knows of.
        let start = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), len, ProtFlags::READ, flags, file, 0)?
        };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    /// `len` bytes from `offset` on.
    ///
    /// The caller sees to it that nobody writes to these bytes of the file for as long as the slice lives: the
    /// arena gives a slot to one tenant at a time, writes it before anybody reads it, and empties it once no
    /// slice of it is left.
    ///
    /// # Panics
    /// Where they are not inside the mapping.
    pub(super) fn bytes(&self, offset: u64, len: usize) -> &[u8] {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len),
            "a slot lies inside its arena"
        );
        // SAFETY: inside the mapping (asserted), which lives as long as `self`; every byte of a mapped file is
        // initialised, a hole reads as zeros; nobody writes meanwhile (see above).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast::<u8>().add(offset), len) }
    }

    /// Where `bytes` begin in the mapping; `None` where they are not all in it. Compares addresses, reads nothing.
    pub(super) fn offset_of(&self, bytes: &[u8]) -> Option<u64> {
        let offset = bytes.as_ptr().addr().checked_sub(self.start.addr().get())?;
        (offset < self.len && bytes.len() <= self.len - offset).then_some(offset as u64)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` and not unmapped since; `bytes` borrows from `self`, so no slice is left.
        // An error would mean that it was not mapped.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.len) };
    }
}
