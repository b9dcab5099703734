//! One line a request, written by a thread of its own: a slow disk or terminal never slows a viewer.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Instruments;

/// Lines that may wait for the writer; more are dropped and counted.
const QUEUE: usize = 8192;

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

/// What is logged of one request. Field names are an interface: log pipelines parse them.
#[derive(Debug, Serialize)]
pub struct Line {
    /// When the request's head was complete.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// The peer's address, without its port.
    pub peer: std::net::IpAddr,
    /// The request method.
    pub method: &'static str,
    /// The path without the query: queries carry tokens.
    pub path: String,
    /// HTTP version.
    pub protocol: &'static str,
    /// Status code sent.
    pub status: u16,
    /// The route that matched, or `-`.
    pub route: Arc<str>,
    /// The kind of asset.
    pub kind: &'static str,
    /// How the cache came by the answer.
    pub cache: &'static str,
    /// Why it was not a hit, or why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The Range header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Body bytes sent.
    pub bytes: u64,
    /// From the request's head to the answer's, in milliseconds.
    #[serde(serialize_with = "millis", rename = "first_byte_ms")]
    pub first_byte: Duration,
    /// From the request's head to the end of the body, in milliseconds.
    #[serde(serialize_with = "millis", rename = "duration_ms")]
    pub duration: Duration,
    /// Whether the body was sent whole; else who ended it: `client` or `storage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_by: Option<&'static str>,
    /// The User-Agent header, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// CloudFront's id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdn_request_id: Option<String>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            time: SystemTime::UNIX_EPOCH,
            peer: std::net::Ipv4Addr::UNSPECIFIED.into(),
            method: "",
            path: String::new(),
            protocol: "",
            status: 0,
            route: Arc::default(),
            kind: "",
            cache: "",
            reason: None,
            range: None,
            bytes: 0,
            first_byte: Duration::ZERO,
            duration: Duration::ZERO,
            cut_by: None,
            user_agent: None,
            cdn_request_id: None,
        }
    }
}

/// Where lines are handed in. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: Option<SyncSender<Line>>,
    instruments: Arc<Instruments>,
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
    pub fn to(
        out: impl Write + Send + 'static,
        format: Format,
        instruments: Arc<Instruments>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (lines, queue) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(&queue, BufWriter::with_capacity(64 << 10, out), format))?;
        Ok((
            Self {
                lines: Some(lines),
                instruments,
            },
            writer,
        ))
    }

    /// Hands in a line. Dropped and counted when the writer is too far behind.
    pub fn write(&self, line: Line) {
        if let Some(lines) = &self.lines
            && lines.try_send(line).is_err()
        {
            self.instruments.log_dropped.increment(1);
        }
    }
}

fn write_all(queue: &Receiver<Line>, mut out: impl Write, format: Format) {
    loop {
        let line = match queue.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Empty) => {
                let _ = out.flush();
                let Ok(line) = queue.recv() else { return };
                std::thread::sleep(GATHER);
                line
            }
            Err(TryRecvError::Disconnected) => {
                let _ = out.flush();
                return;
            }
        };
        // A log that cannot be written (a closed pipe, a full disk) must not stop the server.
        let _ = match format {
            Format::Json => write_json(&mut out, &line),
            Format::Text => write_text(&mut out, &line),
        };
    }
}

fn write_json(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn write_text(out: &mut impl Write, line: &Line) -> io::Result<()> {
    write!(
        out,
        "{} {} {} {} {} {} {} B {:.1} ms",
        humantime::format_rfc3339_millis(line.time),
        line.peer,
        line.method,
        line.path,
        line.status,
        line.cache,
        line.bytes,
        line.duration.as_secs_f64() * 1e3,
    )?;
    for (name, value) in [
        ("reason", line.reason),
        ("range", line.range.as_deref()),
        ("cut by", line.cut_by),
    ] {
        if let Some(value) = value {
            write!(out, " {name}={value}")?;
        }
    }
    writeln!(out)
}

fn millis<S: serde::Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

fn rfc3339<S: serde::Serializer>(time: &SystemTime, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&humantime::format_rfc3339_millis(*time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

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

    fn written(format: Format) -> String {
        let sink = Sink::default();
        let (log, writer) =
            AccessLog::to(sink.clone(), format, Arc::new(Instruments::new())).unwrap();
        log.write(Line {
            time: SystemTime::UNIX_EPOCH,
            peer: [192, 0, 2, 7].into(),
            method: "GET",
            path: "/vod/a \"b\".m4s".into(),
            protocol: "HTTP/1.1",
            status: 206,
            route: "/vod/".into(),
            kind: "segment",
            cache: "miss",
            reason: Some("unknown"),
            range: Some("bytes=0-9".into()),
            bytes: 10,
            first_byte: Duration::from_micros(1500),
            duration: Duration::from_micros(2500),
            cut_by: None,
            user_agent: None,
            cdn_request_id: None,
        });
        drop(log);
        writer.join().unwrap();
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_parses_and_names_its_fields() {
        let line: serde_json::Value = serde_json::from_str(written(Format::Json).trim()).unwrap();
        assert_eq!(line["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(line["path"], "/vod/a \"b\".m4s");
        assert_eq!(line["status"], 206);
        assert_eq!(line["first_byte_ms"], 1.5);
        assert!(line.get("cut_by").is_none());
    }

    #[test]
    fn a_text_line_is_one_line() {
        assert_eq!(
            written(Format::Text),
            "1970-01-01T00:00:00.000Z 192.0.2.7 GET /vod/a \"b\".m4s 206 miss 10 B 2.5 ms \
             reason=unknown range=bytes=0-9\n"
        );
    }
}
