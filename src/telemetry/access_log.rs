//! One line a request. Viewers' threads put lines into a buffer; a thread of its own writes them, so that a slow disk
//! or terminal never slows a viewer.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::Instruments;

mod json;
mod text;

/// Bytes that may wait for the writer; lines past them are dropped and counted.
const MOST_WAITING: usize = 4 << 20;

/// After a line arrived the writer lets more gather for so long: one wake-up and one write for many.
const GATHER: Duration = Duration::from_millis(20);

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Text,
}

/// What is logged of one request. Its fields' names in JSON are an interface: log pipelines parse them.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// When the request's head was complete.
    pub time: SystemTime,
    /// The peer's address, without its port.
    pub peer: IpAddr,
    /// The viewer's, as trusted peers tell it; written where it is another.
    pub viewer: IpAddr,
    /// The request method.
    pub method: &'static str,
    /// The path without the query: queries carry tokens.
    pub path: &'a str,
    /// HTTP version.
    pub protocol: &'static str,
    /// Status code sent.
    pub status: u16,
    /// The route that matched, or `-`.
    pub route: &'a str,
    /// The kind of asset.
    pub kind: &'static str,
    /// How the cache came by the answer.
    pub cache: &'static str,
    /// Why it was not a hit, or why it failed.
    pub reason: Option<&'static str>,
    /// The Range header.
    pub range: Option<&'a str>,
    /// Body bytes sent.
    pub bytes: u64,
    /// From the request's head to the answer's: `first_byte_ms`.
    pub first_byte: Duration,
    /// From the request's head to the end of the body: `duration_ms`.
    pub duration: Duration,
    /// Whether the body was sent whole; else who ended it: `client` or `storage`.
    pub cut_by: Option<&'static str>,
    /// The User-Agent header, shortened.
    pub user_agent: Option<&'a str>,
    /// CloudFront's id of the request.
    pub cdn_request_id: Option<&'a str>,
}

/// Where lines are handed in. Cheap to clone; never waits for the writer.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: Option<Arc<Lines>>,
    instruments: Arc<Instruments>,
}

/// The viewers' end of the buffer. When the last clone is dropped, the writer ends.
#[derive(Debug)]
struct Lines {
    waiting: Arc<Waiting>,
    format: Format,
}

/// Lines on their way to the writer.
#[derive(Debug, Default)]
struct Waiting {
    buffer: Mutex<Buffer>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    closed: bool,
}

thread_local! {
    // A line is formatted here, so that the buffer is locked for a copy and no longer.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl AccessLog {
    /// A log that keeps nothing.
    pub fn off(instruments: Arc<Instruments>) -> Self {
        Self {
            lines: None,
            instruments,
        }
    }

    /// A log into `out`. The thread ends, with everything written, when the last clone is dropped.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn to(
        out: impl Write + Send + 'static,
        format: Format,
        instruments: Arc<Instruments>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let waiting = Arc::new(Waiting::default());
        let lines = Lines {
            waiting: waiting.clone(),
            format,
        };
        let writer = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(&waiting, out))?;
        Ok((
            Self {
                lines: Some(Arc::new(lines)),
                instruments,
            },
            writer,
        ))
    }

    /// Hands in a line. Dropped and counted when the writer is too far behind.
    pub fn write(&self, line: &Line<'_>) {
        let Some(lines) = &self.lines else { return };
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            match lines.format {
                Format::Json => json::write(scratch, line),
                Format::Text => text::write(scratch, line),
            }
            if !lines.waiting.add(scratch) {
                self.instruments.log_dropped.increment(1);
            }
        });
    }
}

impl Waiting {
    /// Adds a line; whether there was room.
    fn add(&self, line: &[u8]) -> bool {
        let mut buffer = self.lock();
        if buffer.bytes.len() + line.len() > MOST_WAITING {
            return false;
        }
        let is_first = buffer.bytes.is_empty();
        buffer.bytes.extend_from_slice(line);
        drop(buffer);
        if is_first {
            self.arrived.notify_one();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        // A line is added whole or not at all.
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.waiting.lock().closed = true;
        self.waiting.arrived.notify_one();
    }
}

fn write_all(waiting: &Waiting, mut out: impl Write) {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = waiting.lock();
        while buffer.bytes.is_empty() {
            if buffer.closed {
                return;
            }
            let waited = waiting.arrived.wait(buffer);
            buffer = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if !buffer.closed {
            drop(buffer);
            std::thread::sleep(GATHER);
            buffer = waiting.lock();
        }
        std::mem::swap(&mut buffer.bytes, &mut bytes);
        drop(buffer);
        // A log that cannot be written (a closed pipe, a full disk) must not stop the server.
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn line() -> Line<'static> {
        Line {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_007),
            peer: [192, 0, 2, 7].into(),
            viewer: [192, 0, 2, 7].into(),
            method: "GET",
            path: "/vod/a \"b\".m4s",
            protocol: "HTTP/1.1",
            status: 206,
            route: "/vod/",
            kind: "segment",
            cache: "miss",
            reason: Some("unknown"),
            range: Some("bytes=0-9"),
            bytes: 10,
            first_byte: Duration::from_micros(1500),
            duration: Duration::from_micros(2500),
            cut_by: None,
            user_agent: None,
            cdn_request_id: None,
        }
    }

    #[test]
    fn every_line_is_written_before_the_writer_ends() {
        let sink = Sink::default();
        let instruments = Arc::new(Instruments::new());
        let (log, writer) = AccessLog::to(sink.clone(), Format::Json, instruments).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let log = log.clone();
                std::thread::spawn(move || (0..500).for_each(|_| log.write(&line())))
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        drop(log);
        writer.join().unwrap();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2000);
        assert!(text.lines().all(|l| l == text.lines().next().unwrap()));
    }

    #[test]
    fn lines_are_dropped_and_counted_while_the_writer_is_stuck() {
        struct Stuck(std::sync::mpsc::Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = std::sync::mpsc::channel();
        let instruments = Arc::new(Instruments::new());
        let (log, writer) = AccessLog::to(Stuck(stuck), Format::Text, instruments.clone()).unwrap();
        let longest = "x".repeat(1 << 20);
        for _ in 0..12 {
            log.write(&Line {
                path: &longest,
                ..line()
            });
        }
        let text = instruments.render();
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("caudal_access_log_dropped_total "))
            .and_then(|count| count.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{count:?} dropped");
        drop(release);
        drop(log);
        writer.join().unwrap();
    }
}
