//! A plain HTTP client over a socket: what it tells of an answer is what came over the wire, at the test's own pace.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    left: u64,
}

/// Asks on a connection of its own.
pub(crate) fn get(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(addr).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a line of the head");
        line.trim_end().to_owned()
    };
    let status = line();
    let status = status.split(' ').nth(1).expect("a status line");
    let status = status.parse().unwrap();
    let mut headers = Vec::new();
    while let Some((name, value)) = line().split_once(": ") {
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        stream,
        left: 0,
    };
    answer.left = answer.header("content-length").parse().unwrap_or(0);
    answer
}

impl Answer {
    /// The header's value, empty where it was not sent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|header| header.0 == name);
        found.map_or("", |header| &header.1)
    }

    /// The next `n` bytes of the body; fewer at its end, and where the connection was cut before.
    pub(crate) fn take(&mut self, n: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let body = self.stream.by_ref().take(n.min(self.left));
        // An error is a cut as well; what came before it is in `bytes`.
        let _ = { body }.read_to_end(&mut bytes);
        self.left -= bytes.len() as u64;
        bytes
    }

    /// Bytes of the body that were announced and not read.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The whole body.
    pub(crate) fn body(mut self) -> Vec<u8> {
        let bytes = self.take(u64::MAX);
        assert_eq!(self.left, 0, "the connection was cut");
        bytes
    }

    pub(crate) fn text(self) -> String {
        String::from_utf8(self.body()).unwrap()
    }
}
