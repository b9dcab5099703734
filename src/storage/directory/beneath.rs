//! Opens a path and proves that it stays below the root.
//!
//! On Linux the kernel proves it while it walks (`openat2` with `RESOLVE_BENEATH`): nothing that changes meanwhile
//! can lead the walk out. Elsewhere, and where a sandbox forbids `openat2`, the resolved path is compared with the
//! root's; whoever can swap folders for symlinks between that and the opening wins the race.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

// NONBLOCK: opening a fifo must not wait for its writer. It means nothing to a regular file.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);

/// Takes hold of the root itself, which may be a symlink: it is the operator's word.
pub(super) fn open_root(root: &Path) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(root, how, Mode::empty())?)
}

/// Opens `path`, which is relative and without `..`, below the root that is both `fd` and `root`.
pub(super) fn open(fd: &OwnedFd, root: &Path, path: &str) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    match open_in_kernel(fd, path) {
        // Kernels before 5.6 lack the call; some sandboxes (seccomp, gVisor) refuse it.
        Err(Errno::NOSYS | Errno::PERM) => {}
        answer => return Ok(answer?),
    }
    #[cfg(not(target_os = "linux"))]
    let _ = fd;
    open_by_comparing(root, path)
}

#[cfg(target_os = "linux")]
fn open_in_kernel(fd: &OwnedFd, path: &str) -> Result<File, Errno> {
    use rustix::fs::ResolveFlags;

    /// The kernel answers EAGAIN where a rename anywhere kept it from being sure; the next walk nearly always is.
    const WALKS: usize = 16;

    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..WALKS {
        match rustix::fs::openat2(fd, path, READ, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            answer => return answer.map(File::from),
        }
    }
    Err(Errno::AGAIN)
}

/// The second best way. Unlike the kernel's it follows absolute symlinks, where they lead below the root.
pub(super) fn open_by_comparing(root: &Path, path: &str) -> io::Result<File> {
    let root = root.canonicalize()?;
    let real = root.join(path).canonicalize()?;
    if !real.starts_with(&root) {
        return Err(Errno::XDEV.into());
    }
    // NOFOLLOW: `real` has no symlink at its end, unless one was put there since.
    Ok(rustix::fs::open(real, READ | OFlags::NOFOLLOW, Mode::empty())?.into())
}
