//! A server of this machine or next to it, asked without TLS: one question on a connection of its own.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Answer, Error, LARGEST, unreachable};

/// Gets a path from whoever listens there. Waits for as long as it takes: its caller knows how long that may be.
///
/// # Errors
/// [`Error::Unreachable`] and [`Error::Body`]. A status is none.
pub async fn get(at: SocketAddr, path: &str) -> Result<Answer, Error> {
    let stream = TcpStream::connect(at).await;
    let stream = stream.map_err(|error| unreachable(&error))?;
    ask(stream, &at.to_string(), path).await
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    path: &str,
) -> Result<Answer, Error> {
    let told = |error: hyper::Error| unreachable(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    // What goes wrong with it, the answer tells.
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, host)
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|error| unreachable(&error))?;
    let answer = sender.send_request(request).await.map_err(told)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST).collect().await;
    connection.abort();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body: body.map_err(|_| Error::Body)?.to_bytes(),
    })
}
