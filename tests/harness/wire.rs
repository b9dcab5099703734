//! Accepts connections for a test server, and can break them the way networks do.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::tls;

/// The body of a test server's answer. An error in it breaks the connection.
pub(crate) type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// A listener and its connections; all end when it is dropped.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// What an answer can do to the connection that carries it.
#[derive(Clone, Default)]
pub(crate) struct Line {
    reset: Arc<AtomicBool>,
}

impl Line {
    /// Ends the connection with RST, not with FIN, when it ends.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }
}

impl Wire {
    /// Answers every request on a free port of 127.0.0.1 with `answer`. An `Err` closes the connection unanswered.
    pub(crate) async fn open<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>, Line) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = io::Result<Reply>> + Send + 'static,
    {
        Self::open_with(None, answer).await
    }

    /// The same over TLS, with a certificate for `localhost` that [`tls::authority`] vouches for.
    pub(crate) async fn open_tls<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>, Line) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = io::Result<Reply>> + Send + 'static,
    {
        Self::open_with(Some(tls::acceptor()), answer).await
    }

    async fn open_with<F, A>(tls: Option<TlsAcceptor>, answer: F) -> Self
    where
        F: Fn(Request<Incoming>, Line) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = io::Result<Reply>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            // Aborts its connections when it is aborted itself.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, tls.clone(), answer.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            accepted,
            task,
        }
    }

    /// How many connections were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<F, A>(stream: TcpStream, tls: Option<TlsAcceptor>, answer: F)
where
    F: Fn(Request<Incoming>, Line) -> A + Send + Sync + 'static,
    A: Future<Output = io::Result<Reply>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let line = Line::default();
    let socket = Socket {
        stream,
        line: line.clone(),
    };
    let service = service_fn(move |request| answer(request, line.clone()));
    let http = hyper::server::conn::http1::Builder::new();
    // A connection that breaks is what some tests are about, and so is one that is refused for its certificate.
    match tls {
        None => drop(http.serve_connection(TokioIo::new(socket), service).await),
        Some(tls) => {
            if let Ok(socket) = tls.accept(socket).await {
                drop(http.serve_connection(TokioIo::new(socket), service).await);
            }
        }
    }
}

/// A connection that may end with RST.
struct Socket {
    stream: TcpStream,
    line: Line,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.line.reset.load(Ordering::SeqCst) {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // After a FIN there would be nothing left to reset.
        if self.line.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Only says that a conversion cannot fail.
pub(crate) fn never(never: Infallible) -> io::Error {
    match never {}
}
