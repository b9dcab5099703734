//! One exchange over HTTP/3.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::StatusCode;
use http_body::Body as _;

use super::super::Limits;
use super::super::exchange::refusal;
use super::super::turns::{Turn, Turns};
use super::super::urgency::{PRIORITY, Urgency};
use super::bounded::{self, Bounded};
use super::handshake::Handshake;
use crate::exchange::{Answer, Body, Peer, Request, Response};
use crate::telemetry::Instruments;

type Quic = Bounded<h3_quinn::Connection>;
type Stream = RequestStream<bounded::Stream<h3_quinn::BidiStream<Bytes>>, Bytes>;

/// Who asks, and what bounds them.
pub(super) struct Asked {
    pub(super) peer: Peer,
    pub(super) handshake: Handshake,
    pub(super) turns: Turns,
    pub(super) limits: Arc<Limits>,
    pub(super) instruments: Arc<Instruments>,
}

impl Asked {
    /// Reads the request's head, and answers it.
    pub(super) async fn answer<A: Answer>(self, resolver: RequestResolver<Quic, Bytes>, answer: A) {
        let patience = self.limits.header_timeout;
        // A head that is none is refused by h3; one that does not come holds a stream for nothing.
        let resolved = tokio::time::timeout(patience, resolver.resolve_request()).await;
        let Ok(Ok((request, mut stream))) = resolved else {
            return;
        };
        // A body is nobody's business.
        stream.stop_sending(Code::H3_NO_ERROR);
        let asked = request.headers().get(PRIORITY).cloned();
        let response = self.ask(request, answer).await;
        let mut turn = self
            .turns
            .join(Urgency::of(asked.as_ref(), &response.headers));
        let mut body = response.body;
        let mut head = http::Response::new(());
        *head.status_mut() = response.status;
        *head.headers_mut() = response.headers;
        let sent = async {
            // A window that is closed from the start would hold the body as well.
            let sent = tokio::time::timeout(self.limits.write_stall, stream.send_response(head));
            let sent = sent.await.map_err(|_| Broken::Stalled)?;
            sent.map_err(Broken::Stream)?;
            send(&mut stream, &mut body, &mut turn, &self.limits).await
        };
        match sent.await {
            Ok(()) => drop(stream.finish().await),
            // It has left, or will be told by its own end.
            Err(Broken::Stream(_)) => {}
            Err(Broken::Body) => {
                self.instruments.transport.closed("body_broken");
                stream.stop_stream(Code::H3_INTERNAL_ERROR);
            }
            Err(Broken::Stalled) => {
                self.instruments.transport.closed("write_stall");
                stream.stop_stream(Code::H3_REQUEST_CANCELLED);
            }
        }
    }

    async fn ask<A: Answer>(&self, request: http::Request<()>, answer: A) -> Response {
        let received = Instant::now();
        let (parts, ()) = request.into_parts();
        if !parts.method.is_safe() && !self.handshake.is_done() {
            // RFC 8470 section 5.2: the client asks again once hands are shaken.
            return refusal(StatusCode::TOO_EARLY, "ask again after the handshake");
        }
        if parts.headers.len() > self.limits.header_count {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return refusal(status, "there are too many header fields");
        }
        let request = Request {
            method: parts.method,
            uri: parts.uri,
            version: http::Version::HTTP_3,
            headers: parts.headers,
            peer: self.peer.clone(),
            received,
        };
        answer.answer(request).await
    }
}

/// Why an answer did not arrive whole.
enum Broken {
    Stream(#[allow(dead_code, reason = "for whoever debugs")] StreamError),
    Body,
    Stalled,
}

async fn send(
    stream: &mut Stream,
    body: &mut Body,
    turn: &mut Turn,
    limits: &Limits,
) -> Result<(), Broken> {
    let (piece, patience) = (limits.piece(), limits.write_stall);
    let next = |cx: &mut Context<'_>, body: &mut Body, turn: &Turn| {
        let polled = Pin::new(body).poll_frame(cx);
        if polled.is_pending() {
            turn.has_nothing();
        }
        polled
    };
    while let Some(frame) = poll_fn(|cx| next(cx, body, turn)).await {
        let mut bytes = frame
            .map_err(|_| Broken::Body)?
            .into_data()
            .unwrap_or_default();
        while !bytes.is_empty() {
            poll_fn(|cx| turn.poll(cx)).await;
            let piece = bytes.split_to(bytes.len().min(piece));
            let sent = tokio::time::timeout(patience, stream.send_data(piece)).await;
            sent.map_err(|_| Broken::Stalled)?.map_err(Broken::Stream)?;
        }
    }
    Ok(())
}
