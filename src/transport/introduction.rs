//! The PROXY header at the begin of a connection: a load balancer says for whom it has opened it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::proxy::{self, Progress};

/// Bytes read at once: a header, as a rule, and perhaps a part of the first request.
const READ: usize = 4096;

/// Reads the header. Gives whom it names, if anyone, and what came behind it.
///
/// # Errors
/// A word for the metric: nothing is answered to who does not say what it must (section 2 of the specification).
pub(super) async fn introduced(
    stream: &mut TcpStream,
    patience: Duration,
) -> Result<(Option<SocketAddr>, Bytes), &'static str> {
    let read = tokio::time::timeout(patience, header(stream)).await;
    read.unwrap_or(Err("header_timeout"))
}

async fn header(stream: &mut TcpStream) -> Result<(Option<SocketAddr>, Bytes), &'static str> {
    let mut bytes = Vec::with_capacity(READ);
    loop {
        // The parser refuses long before this would grow.
        let read = stream.read_buf(&mut bytes).await.map_err(|_| "peer")?;
        match proxy::parse(&bytes) {
            Err(_) => return Err("malformed"),
            Ok(Progress::Done { len, ends }) => {
                let source = ends.map(|ends| ends.source);
                return Ok((source, Bytes::from(bytes).slice(len..)));
            }
            Ok(Progress::More) if read == 0 => return Err("peer"),
            Ok(Progress::More) => {}
        }
    }
}
