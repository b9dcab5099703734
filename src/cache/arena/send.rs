//! Sends slices to a socket: the arena's from its file, any other by copying.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::Arena;

/// To copy fewer bytes than this costs less than to look their pages up one by one, which is what the kernel does to
/// send them from the file: measured at 64 KiB, where copying is a tenth cheaper.
const LEAST: usize = 128 << 10;

impl Arena {
    /// Whether it pays to send any of these with [`Arena::send`].
    pub fn has_any(&self, bufs: &[IoSlice<'_>]) -> bool {
        bufs.iter().any(|slice| self.sendable(slice).is_some())
    }

    /// Sends what the socket takes of `bufs`.
    ///
    /// # Errors
    /// What the socket answers before it has taken anything.
    pub fn send(&self, socket: &impl AsFd, mut bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut sent = 0;
        while !bufs.is_empty() {
            let (slices, answer) = self.send_some(socket, bufs);
            let wanted: usize = bufs[..slices].iter().map(|slice| slice.len()).sum();
            match answer {
                Ok(taken) => sent += taken,
                // What was taken is told first; the next call meets the error again.
                Err(_) if sent > 0 => break,
                Err(error) => return Err(error),
            }
            if answer.is_ok_and(|taken| taken < wanted) {
                break;
            }
            bufs = &bufs[slices..];
        }
        Ok(sent)
    }

    /// One system call: for a slice of the arena's, or for all slices before the next of those. Tells for how many.
    fn send_some(&self, socket: &impl AsFd, bufs: &[IoSlice<'_>]) -> (usize, io::Result<usize>) {
        if let Some(mut place) = self.sendable(&bufs[0]) {
            let sent = rustix::fs::sendfile(socket, self.file(), Some(&mut place), bufs[0].len());
            return (1, sent.map_err(io::Error::from));
        }
        let copied = bufs
            .iter()
            .take_while(|slice| self.sendable(slice).is_none())
            .count();
        let mut flags = SendFlags::NOSIGNAL;
        if copied < bufs.len() {
            // The block that follows shares the last packet of this.
            flags |= SendFlags::MORE;
        }
        let mut control = SendAncillaryBuffer::default();
        let sent = sendmsg(socket, &bufs[..copied], &mut control, flags);
        (copied, sent.map_err(io::Error::from))
    }

    /// Where the slice is in the file, if it pays to send it from there.
    fn sendable(&self, slice: &[u8]) -> Option<u64> {
        if slice.len() < LEAST {
            return None;
        }
        self.place_of(slice)
    }
}
