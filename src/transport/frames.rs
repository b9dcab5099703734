//! What an HTTP/2 peer sends, frame by frame. One that sends little but frames which ask for nothing is cut: h2 answers
//! each of them, and a million a second would be a server's whole work.
//!
//! Every frame has a price; credit comes with time, and with the bytes that are sent, as those have to be acknowledged.

use std::time::Duration;

use tokio::time::Instant;

/// The client's preface stands before its first frame (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// Length, type, flags, stream (RFC 9113 section 4.1).
const HEAD: usize = 9;

/// The most credit there can be, and what a connection begins with.
const MOST: f64 = 1000.0;

/// Credit a second brings.
const PER_SECOND: f64 = 200.0;

/// Bytes sent that bring one: clients that open their windows in the smallest steps, of 4 KiB, send two frames for each.
const BYTES: f64 = 1024.0;

/// Adds up what a peer's frames cost.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to pass over before the next frame's head.
    skip: usize,
    head: [u8; HEAD],
    /// How much of the head has come.
    have: usize,
    credit: f64,
    at: Instant,
}

impl Default for Frames {
    /// Of a connection that begins.
    fn default() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            have: 0,
            credit: MOST,
            at: Instant::now(),
        }
    }
}

impl Frames {
    /// Takes note of bytes that came, and says whether the peer is still in credit.
    pub(super) fn received(&mut self, mut bytes: &[u8]) -> bool {
        let now = Instant::now();
        self.earn(PER_SECOND * seconds(now - self.at));
        self.at = now;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(HEAD - self.have);
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEAD {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, a, b, c]);
                self.skip = length as usize;
                self.credit -= price(kind, flags, length);
            }
        }
        self.credit >= 0.0
    }

    /// Takes note of bytes that were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.earn(bytes as f64 / BYTES);
    }

    fn earn(&mut self, credit: f64) {
        self.credit = (self.credit + credit).min(MOST);
    }
}

/// What a frame costs (RFC 9113 section 6). An answer that h2 must give makes it dear, and so does work that is thrown
/// away.
fn price(kind: u8, flags: u8, length: u32) -> f64 {
    const END_STREAM: u8 = 1;
    match kind {
        // DATA: of use only with bytes, or at the end. Nobody reads it.
        0 if length == 0 && flags & END_STREAM == 0 => 10.0,
        0 => 1.0,
        // HEADERS: a request.
        1 => 0.0,
        // RST_STREAM: a request taken back.
        3 => 4.0,
        // SETTINGS, PING: an answer each.
        4 | 6 => 10.0,
        // CONTINUATION: no honest head needs many.
        9 => 4.0,
        // PRIORITY, WINDOW_UPDATE, PRIORITY_UPDATE, and what nobody knows.
        _ => 1.0,
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u32) -> Vec<u8> {
        let [_, a, b, c] = length.to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + length as usize, 7);
        frame
    }

    fn begun() -> Frames {
        let mut frames = Frames::default();
        assert!(frames.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        frames
    }

    /// How many of a frame are taken before the peer is cut.
    fn taken(frame: &[u8]) -> usize {
        let mut frames = begun();
        (0..100_000).take_while(|_| frames.received(frame)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn floods_are_cut_and_requests_are_not() {
        assert_eq!(taken(&frame(6, 0, 8)), 100, "PING");
        assert_eq!(taken(&frame(4, 0, 0)), 100, "SETTINGS");
        assert_eq!(taken(&frame(3, 0, 4)), 250, "RST_STREAM");
        assert_eq!(taken(&frame(8, 0, 4)), 1000, "WINDOW_UPDATE");
        assert_eq!(taken(&frame(0, 0, 0)), 100, "DATA without any");
        assert_eq!(taken(&frame(9, 0, 100)), 250, "CONTINUATION");
        assert_eq!(taken(&frame(200, 0, 1)), 1000, "what nobody knows");
        assert_eq!(taken(&frame(1, 4, 40)), 100_000, "HEADERS");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_opens_its_windows_in_small_steps_is_served_for_ever() {
        let mut frames = begun();
        for _ in 0..100_000 {
            frames.sent(4096);
            assert!(frames.received(&frame(8, 0, 4)), "of the connection");
            assert!(frames.received(&frame(8, 0, 4)), "of the stream");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_brings_credit() {
        let mut frames = begun();
        for _ in 0..1000 {
            assert!(frames.received(&frame(6, 0, 8)));
            tokio::time::advance(Duration::from_millis(50)).await;
        }
    }

    proptest::proptest! {
        #[test]
        fn frames_are_told_apart_however_they_are_cut_up(
            kinds in proptest::collection::vec((0..12u8, 0..3u8, 0..40u32), 0..40),
            piece in 1..50usize,
        ) {
            let bytes: Vec<u8> = std::iter::repeat_n(0, PREFACE)
                .chain(kinds.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, *length)))
                .collect();
            let mut frames = Frames::default();
            for piece in bytes.chunks(piece) {
                frames.received(piece);
            }
            let cost: f64 = kinds.iter().map(|(kind, flags, length)| price(*kind, *flags, *length)).sum();
            // What little time brings in between is left out of account.
            proptest::prop_assert!(frames.credit - (MOST - cost) < PER_SECOND);
            proptest::prop_assert!(frames.credit >= MOST - cost - 1e-6);
            proptest::prop_assert_eq!((frames.have, frames.skip), (0, 0));
        }
    }
}
