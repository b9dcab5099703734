//! How much a client may say on one stream. h3 keeps what comes until a frame is whole, however long the frame says that
//! it is, and to have been read makes room for more: without an end to it a single stream would hold all memory.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    Connection, ConnectionErrorIncoming, OpenStreams, RecvStream, SendStream, StreamErrorIncoming,
    StreamId, WriteBuf,
};
use quinn::VarInt;

/// The longest head as it goes over the wire, and the frames without a meaning that may stand before it. A head that is
/// longer when it is decoded is answered (431); one that is longer already is not waited for.
const REQUEST: usize = super::HEAD as usize + 1024;

/// Of a stream beside requests, in a connection's life: settings, and some thousands of priorities.
const BESIDE: usize = 256 << 10;

/// What opens and accepts streams, of which each has an end.
pub(super) struct Bounded<T> {
    inner: T,
    quic: quinn::Connection,
}

impl Bounded<h3_quinn::Connection> {
    pub(super) fn new(quic: quinn::Connection) -> Self {
        let inner = h3_quinn::Connection::new(quic.clone());
        Self { inner, quic }
    }
}

/// A stream, and how much has come on it.
pub(super) struct Stream<S> {
    inner: S,
    taken: usize,
    most: usize,
    /// The connection, where it ends with the stream.
    critical: Option<quinn::Connection>,
}

impl<S> Stream<S> {
    fn request(inner: S) -> Self {
        Self {
            inner,
            taken: 0,
            most: REQUEST,
            critical: None,
        }
    }
}

impl Connection<Bytes> for Bounded<h3_quinn::Connection> {
    type RecvStream = Stream<h3_quinn::RecvStream>;
    type OpenStreams = Bounded<h3_quinn::OpenStreams>;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let inner = ready!(Connection::<Bytes>::poll_accept_recv(&mut self.inner, cx))?;
        Poll::Ready(Ok(Stream {
            inner,
            taken: 0,
            most: BESIDE,
            critical: Some(self.quic.clone()),
        }))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let accepted = ready!(self.inner.poll_accept_bidi(cx));
        Poll::Ready(accepted.map(Stream::request))
    }

    fn opener(&self) -> Self::OpenStreams {
        Bounded {
            inner: Connection::<Bytes>::opener(&self.inner),
            quic: self.quic.clone(),
        }
    }
}

impl<T: OpenStreams<Bytes>> OpenStreams<Bytes> for Bounded<T> {
    type BidiStream = Stream<T::BidiStream>;
    type SendStream = T::SendStream;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        let opened = ready!(self.inner.poll_open_bidi(cx));
        Poll::Ready(opened.map(Stream::request))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        self.inner.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.inner.close(code, reason);
    }
}

impl<S: RecvStream> RecvStream for Stream<S> {
    type Buf = S::Buf;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<S::Buf>, StreamErrorIncoming>> {
        // More is asked for only where what has come is no whole frame.
        if self.taken > self.most {
            let code = Code::H3_EXCESSIVE_LOAD.value();
            self.inner.stop_sending(code);
            if let (Some(quic), Ok(code)) = (&self.critical, VarInt::from_u64(code)) {
                quic.close(code, b"a frame without an end");
            }
            return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated {
                error_code: code,
            }));
        }
        let data = ready!(self.inner.poll_data(cx))?;
        self.taken += data.as_ref().map_or(0, Buf::remaining);
        Poll::Ready(Ok(data))
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.inner.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.inner.recv_id()
    }
}

impl<S: SendStream<Bytes>> SendStream<Bytes> for Stream<S> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.inner.poll_ready(cx)
    }

    fn send_data<D: Into<WriteBuf<Bytes>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        self.inner.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.inner.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.inner.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.inner.send_id()
    }
}
