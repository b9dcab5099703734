//! Memory that the kernel can send from: blocks in one anonymous file, mapped once.
//!
//! A block in the arena is `Bytes` like any other. Where bytes on their way to a socket turn out to be the arena's own,
//! `send.rs` hands the kernel a place in the file instead of the bytes (`sendfile`), and nothing is copied. Bytes are
//! written with `pwrite`, never through the mapping, which is read-only.
//!
//! **The trap.** After `sendfile` returns, the socket's queue still points at the file's pages until the peer has
//! acknowledged them. To overwrite them would change bytes that were sent already. So a slot's pages are punched out
//! of the file before it is used again: the queue keeps the old pages, the slot gets new ones.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};

use super::mapping::Mapping;

mod send;

/// A huge page. The kernel may keep a file's pages in pieces of up to this size, and a punch that takes part of one
/// zeroes that part where it lies, in flight or not. No piece reaches over two slots.
const HUGE: u64 = 2 << 20;

/// Pages are accounted in this size, whatever the system's real one.
const PAGE: u64 = 4096;

/// Address space an arena may take. Only what is written takes memory.
const MOST_ADDRESSES: u64 = 16 << 40;

const PUNCH: FallocateFlags = FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE);

/// Whether files in memory get huge pages without asking: a block would take one whole, which nobody charges for.
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

/// Blocks in one anonymous file. Shared by everybody who holds bytes of it.
#[derive(Debug)]
pub struct Arena {
    file: OwnedFd,
    mapping: Mapping,
    /// Bytes from one slot to the next. Every slot has room for the longest block; a shorter one leaves the rest
    /// of its slot unwritten, which costs addresses and no memory.
    stride: u64,
    slots: Mutex<Slots>,
    /// Bytes of pages that hold blocks.
    used: AtomicU64,
}

/// Which slots are free.
#[derive(Debug)]
struct Slots {
    /// Slots from here on were never used.
    fresh: u64,
    count: u64,
    /// Used before, empty again.
    returned: Vec<u64>,
}

/// A block's place in the arena and what is held for as long as any slice of it is. Dropping it empties the slot.
struct Tenant<T> {
    arena: Arc<Arena>,
    slot: u64,
    len: usize,
    /// Dropped last: memory is given back when it is free, not before.
    held: Option<T>,
}

impl Arena {
    /// An arena for about `memory` bytes in blocks of `shortest` to `longest` bytes.
    ///
    /// # Errors
    /// Where the system has no anonymous files, or refuses the addresses.
    pub(super) fn new(memory: u64, shortest: u64, longest: u64) -> io::Result<Arc<Self>> {
        if huge_pages_always(HUGE_PAGES)? {
            return Err(io::Error::other(format!(
                "{HUGE_PAGES} gives every block a huge page: set it to advise or never"
            )));
        }
        let stride = longest.next_multiple_of(HUGE);
        let count = (memory / shortest).min(MOST_ADDRESSES / stride).max(1);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("caudal-arena", flags)?;
        rustix::fs::ftruncate(&file, count * stride)?;
        // Some sandboxes have files in memory, but no way to take their pages back.
        rustix::fs::fallocate(&file, PUNCH, 0, stride)?;
        // A mapping past the end of its file is a crash waiting for a reader.
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mapping = Mapping::of(&file, count * stride)?;
        let slots = Slots {
            fresh: 0,
            count,
            returned: Vec::new(),
        };
        Ok(Arc::new(Self {
            file,
            mapping,
            stride,
            slots: Mutex::new(slots),
            used: AtomicU64::new(0),
        }))
    }

    /// Copies `pieces`, `len` bytes in all, into a free slot. `held` is dropped when the slot is empty again.
    /// Gives `held` back where there is no slot, or the system has no memory for it.
    pub(super) fn store<T: Send + Sync + 'static>(
        self: &Arc<Self>,
        pieces: &[Bytes],
        held: T,
    ) -> Result<Bytes, T> {
        let len: usize = pieces.iter().map(Bytes::len).sum();
        if len == 0 || len as u64 > self.stride {
            return Err(held);
        }
        let Some(slot) = self.slots().take() else {
            return Err(held);
        };
        if self.write(slot, pieces).is_err() {
            self.empty(slot);
            return Err(held);
        }
        self.used.fetch_add(pages(len), Ordering::Relaxed);
        Ok(Bytes::from_owner(Tenant {
            arena: self.clone(),
            slot,
            len,
            held: Some(held),
        }))
    }

    /// Where in the file these bytes are; `None` where they are not the arena's.
    pub(super) fn place_of(&self, bytes: &[u8]) -> Option<u64> {
        self.mapping.offset_of(bytes)
    }

    /// The file the arena's bytes are in.
    fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Bytes of memory that blocks take here, in whole pages.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn write(&self, slot: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut at = slot * self.stride;
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            // The kernel takes no more slices at once.
            let most = rest.len().min(1024);
            match rustix::io::pwritev(&self.file, &rest[..most], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes the slot's pages out of the file and the slot back. See the module: this is what keeps bytes on their
    /// way to a peer from changing. A slot that cannot be punched is never used again; whether it could.
    fn empty(&self, slot: u64) -> bool {
        let emptied = rustix::fs::fallocate(&self.file, PUNCH, slot * self.stride, self.stride);
        match emptied {
            Ok(()) => self.slots().returned.push(slot),
            Err(error) => {
                tracing::warn!(%error, "a block's memory cannot be given back to the system");
            }
        }
        emptied.is_ok()
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        // Sound between any two operations.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn take(&mut self) -> Option<u64> {
        self.returned.pop().or_else(|| {
            let slot = self.fresh;
            (slot < self.count).then(|| self.fresh += 1)?;
            Some(slot)
        })
    }
}

impl<T> AsRef<[u8]> for Tenant<T> {
    fn as_ref(&self) -> &[u8] {
        self.arena
            .mapping
            .bytes(self.slot * self.arena.stride, self.len)
    }
}

impl<T> Drop for Tenant<T> {
    fn drop(&mut self) {
        if self.arena.empty(self.slot) {
            let freed = pages(self.len);
            self.arena.used.fetch_sub(freed, Ordering::Relaxed);
        } else {
            // The memory is still taken, and so is what it is charged to.
            std::mem::forget(self.held.take());
        }
    }
}

/// Reads a setting such as `always within_size advise [never] deny force`. A kernel without huge pages has none.
fn huge_pages_always(setting: &str) -> io::Result<bool> {
    let text = match std::fs::read_to_string(setting) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        text => text?,
    };
    let chosen = ["[always]", "[within_size]", "[force]"];
    Ok(chosen.iter().any(|word| text.contains(word)))
}

fn pages(len: usize) -> u64 {
    (len as u64).next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const BLOCK: usize = 1 << 20;

    /// An arena with room for one block.
    fn narrow() -> Arc<Arena> {
        Arena::new(BLOCK as u64, BLOCK as u64, BLOCK as u64).unwrap()
    }

    fn store(arena: &Arc<Arena>, byte: u8) -> Bytes {
        let pieces = [
            Bytes::from(vec![byte; 1000]),
            Bytes::from(vec![byte; BLOCK - 1000]),
        ];
        arena.store(&pieces, ()).unwrap()
    }

    /// Sends as much of `bytes` as a peer's buffers take that does not read. The peer, and how much.
    fn send_unread(arena: &Arena, bytes: &Bytes) -> (TcpStream, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut place = arena.place_of(bytes).unwrap();
        let mut sent = 0;
        while sent < bytes.len() {
            match rustix::fs::sendfile(&socket, arena.file(), Some(&mut place), bytes.len() - sent)
            {
                Ok(n) => sent += n,
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(sent > 64 << 10, "only {sent} bytes were taken");
        (peer, sent)
    }

    fn receive(mut peer: TcpStream, len: usize) -> Vec<u8> {
        let mut received = vec![0; len];
        peer.read_exact(&mut received).unwrap();
        received
    }

    #[test]
    fn what_is_stored_is_what_is_read() {
        let arena = Arena::new(64 << 20, 16 << 10, BLOCK as u64).unwrap();
        let pieces: Vec<Bytes> = (0..3000usize)
            .map(|n| Bytes::from(vec![n as u8; n % 200]))
            .collect();
        let stored = arena.store(&pieces, ()).unwrap();
        assert_eq!(stored, pieces.concat());
        assert!(arena.place_of(&stored[10..20]).is_some());
        assert!(arena.place_of(&pieces[1]).is_none());
        assert_eq!(arena.used(), (stored.len() as u64).next_multiple_of(PAGE));
        drop(stored);
        assert_eq!(arena.used(), 0);
    }

    #[test]
    fn what_is_held_with_a_block_is_dropped_with_its_last_slice() {
        let (arena, held) = (narrow(), Arc::new(()));
        let pieces = [Bytes::from(vec![1; BLOCK])];
        let stored = arena.store(&pieces, held.clone()).unwrap();
        let slice = stored.slice(5..9);
        drop(stored);
        assert_eq!(Arc::strong_count(&held), 2);
        assert!(arena.store(&pieces, ()).is_err(), "its slot is still taken");
        drop(slice);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(arena.store(&pieces, ()).is_ok());
    }

    #[test]
    fn a_block_too_long_or_empty_is_given_back() {
        let arena = narrow();
        assert_eq!(arena.store(&[], 7), Err(7));
        let longer_than_a_slot = Bytes::from(vec![0; HUGE as usize + 1]);
        assert_eq!(arena.store(&[longer_than_a_slot], 7), Err(7));
    }

    #[test]
    fn where_every_block_would_get_a_huge_page_there_is_no_arena() {
        let setting = tempfile::NamedTempFile::new().unwrap();
        let path = setting.path().to_str().unwrap();
        for (text, always) in [
            ("always within_size advise [never] deny force\n", false),
            ("always within_size [advise] never deny force\n", false),
            ("[always] within_size advise never deny force\n", true),
            ("always [within_size] advise never deny force\n", true),
        ] {
            std::fs::write(path, text).unwrap();
            assert_eq!(huge_pages_always(path).unwrap(), always, "{text}");
        }
        assert!(!huge_pages_always("/nonexistent/shmem_enabled").unwrap());
    }

    #[test]
    fn slots_lie_apart_by_whole_huge_pages() {
        let arena = Arena::new(4 << 20, PAGE, 64 << 10).unwrap();
        let stored: Vec<Bytes> = (0..4)
            .map(|n| {
                let pieces = [Bytes::from(vec![n; 5000])];
                arena.store(&pieces, ()).unwrap()
            })
            .collect();
        for bytes in &stored {
            assert_eq!(arena.place_of(bytes).unwrap() % HUGE, 0);
        }
    }

    #[test]
    fn memory_goes_back_to_the_system_with_the_block() {
        let arena = narrow();
        let pages = || rustix::fs::fstat(arena.file()).unwrap().st_blocks * 512;
        let stored = store(&arena, 1);
        assert_eq!(pages(), BLOCK as i64);
        drop(stored);
        assert_eq!(pages(), 0);
    }

    #[test]
    fn bytes_on_their_way_to_a_peer_survive_the_reuse_of_their_slot() {
        let arena = narrow();
        let old = store(&arena, b'o');
        let (peer, sent) = send_unread(&arena, &old);
        let place = arena.place_of(&old);
        drop(old);
        let new = store(&arena, b'n');
        assert_eq!(arena.place_of(&new), place, "the slot is used again");
        assert!(receive(peer, sent).iter().all(|byte| *byte == b'o'));
        assert!(new.iter().all(|byte| *byte == b'n'));
    }

    /// The trap that the test above would not find if this machine's kernel had none.
    #[test]
    fn without_the_punch_they_would_not() {
        let arena = narrow();
        let old = store(&arena, b'o');
        let (peer, sent) = send_unread(&arena, &old);
        // Its tenant is never dropped, so the slot is never punched.
        std::mem::forget(old);
        arena.slots().returned.push(0);
        let _new = store(&arena, b'n');
        assert!(receive(peer, sent).contains(&b'n'));
    }

    proptest::proptest! {
        #[test]
        fn no_two_blocks_share_a_byte(
            lens in proptest::collection::vec((1usize..3 * PAGE as usize, 0usize..4), 1..60),
        ) {
            let arena = Arena::new(40 * PAGE, PAGE, 3 * PAGE).unwrap();
            let mut held: Vec<(u8, Bytes)> = Vec::new();
            for (n, (len, drops)) in lens.into_iter().enumerate() {
                let byte = n as u8;
                if let Ok(stored) = arena.store(&[Bytes::from(vec![byte; len])], ()) {
                    held.push((byte, stored));
                }
                held.drain(..drops.min(held.len()));
                for (byte, bytes) in &held {
                    proptest::prop_assert!(bytes.iter().all(|b| b == byte));
                }
            }
        }
    }
}
