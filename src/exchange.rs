//! What transports and handlers share: a request without its body, and a response with one.

use std::any::Any;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use http_body::{Frame, SizeHint};

/// A request's head. Bodies are not for us: a transport drains or refuses them.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The request target, as sent.
    pub uri: Uri,
    /// HTTP version.
    pub version: Version,
    /// Every header, as sent.
    pub headers: HeaderMap,
    /// Who sent it.
    pub peer: Peer,
    /// When its head was complete.
    pub received: Instant,
}

/// Who is on the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where the connection comes from.
    pub addr: SocketAddr,
    /// Which listener it came to, by its place among all.
    pub listener: usize,
    /// What TLS says of it; `None` for a connection without.
    pub tls: Option<Arc<Secured>>,
}

impl Peer {
    /// One that came to the first listener, without TLS.
    pub fn plain(addr: SocketAddr) -> Self {
        Self {
            addr,
            listener: 0,
            tls: None,
        }
    }
}

/// What TLS says of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secured {
    /// The version, `1.3`.
    pub version: &'static str,
    /// What was agreed to be spoken, `h2`.
    pub alpn: Option<&'static str>,
    /// Names in the certificate that the client showed, which was verified; none without one.
    pub identities: Vec<String>,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// Every header but those that belong to the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// Whoever answers requests. A transport is generic over it, so that the two need not know each other.
pub trait Answer: Clone + Send + Sync + 'static {
    /// Answers one request. Never fails: an error is an answer too.
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// A body of known length. Its observer is told when it is dropped, not when its last byte is read.
pub struct Body {
    content: Content,
    len: u64,
    left: u64,
    broken: Option<&'static str>,
    observer: Option<Box<dyn Observer>>,
    /// Released with the body.
    held: Option<Box<dyn Any + Send>>,
}

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, BodyError>>;

enum Content {
    Whole(Bytes),
    Stream(ByteStream),
}

/// Why a body ended early. The connection is cut: a viewer never takes a part for the whole.
#[derive(Debug, Clone, thiserror::Error)]
#[error("body broke off: {reason}")]
pub struct BodyError {
    /// A stable word for metrics and logs.
    pub reason: &'static str,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every byte was handed to the connection.
    Complete,
    /// The client left.
    Abandoned,
    /// The bytes could not be had.
    Broken(&'static str),
}

/// Told once about how a body ended.
pub trait Observer: Send {
    /// The body is gone; `sent` bytes of it were handed to the connection.
    fn ended(self: Box<Self>, end: End, sent: u64);
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// All bytes at once.
    pub fn whole(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self::of(Content::Whole(bytes), len)
    }

    /// Bytes as they come, `len` in all.
    pub fn stream(len: u64, bytes: ByteStream) -> Self {
        Self::of(Content::Stream(bytes), len)
    }

    fn of(content: Content, len: u64) -> Self {
        Self {
            content,
            len,
            left: len,
            broken: None,
            observer: None,
            held: None,
        }
    }

    /// Who is told how the body ended.
    pub fn observed_by(mut self, observer: Box<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Holds a resource for as long as the body lives.
    pub fn held_with(mut self, resource: Box<dyn Any + Send>) -> Self {
        self.held = Some(resource);
        self
    }

    /// Sends the bytes through `slower`, which must give the same ones.
    pub fn through(mut self, slower: impl FnOnce(ByteStream) -> ByteStream) -> Self {
        let bytes = match std::mem::replace(&mut self.content, Content::Whole(Bytes::new())) {
            Content::Whole(bytes) => futures_util::stream::iter([Ok(bytes)]).boxed(),
            Content::Stream(bytes) => bytes,
        };
        self.content = Content::Stream(slower(bytes));
        self
    }

    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = match &mut self.content {
            Content::Whole(bytes) => Some(Ok(std::mem::take(bytes))),
            Content::Stream(stream) => ready!(Pin::new(stream).poll_next(cx)),
        };
        let failure = match next {
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left => {
                self.left -= bytes.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Some(Ok(_)) => BodyError { reason: "too_long" },
            Some(Err(error)) => error,
            None => BodyError {
                reason: "too_short",
            },
        };
        self.broken = Some(failure.reason);
        Poll::Ready(Some(Err(failure)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(observer) = self.observer.take() {
            let end = match (self.left, self.broken) {
                (0, _) => End::Complete,
                (_, Some(reason)) => End::Broken(reason),
                (_, None) => End::Abandoned,
            };
            observer.ended(end, self.len - self.left);
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} of {} bytes left)", self.left, self.len)
    }
}
