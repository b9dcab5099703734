//! Answers one request: remembers it, asks the good S3, and then lets the script spoil the answer.
//!
//! Faults come after the signature was checked, so a fault never hides a request that is badly signed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use percent_encoding::percent_decode_str;
use s3s::Body;
use s3s::service::S3Service;

use super::{Fault, SeenRequest, State};
use crate::harness::wire::{Line, Reply};

pub(super) async fn answer(
    state: Arc<State>,
    service: S3Service,
    request: Request<Incoming>,
    line: Line,
) -> io::Result<Reply> {
    let seen = SeenRequest::of(&request);
    let (key, bare) = (seen.key.clone(), seen.method == "HEAD");
    let nth = {
        let mut all = state.seen.lock().unwrap();
        all.push(seen);
        all.len() - 1
    };

    let good = service
        .call(request.map(Body::from))
        .await
        .map_err(|e| io::Error::other(format!("{e:?}")))?;
    let (head, body) = good.into_parts();
    let bytes = BodyExt::collect(body)
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    let mut spoiled = Spoiled {
        response: Response::from_parts(head, bytes),
        end: End::Good,
        bare,
    };
    if !is_badly_signed(&spoiled.response) {
        for fault in state.faults.take(&key) {
            spoiled.apply(fault).await?;
        }
    }
    if let Some(seen) = state.seen.lock().unwrap().get_mut(nth) {
        seen.status = Some(spoiled.response.status().as_u16());
    }
    Ok(spoiled.send(&line))
}

impl SeenRequest {
    fn of(request: &Request<Incoming>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Self {
            method: request.method().clone(),
            bucket: bucket.into(),
            key: percent_decode_str(key).decode_utf8_lossy().into_owned(),
            query: request.uri().query().unwrap_or_default().into(),
            headers: request.headers().clone(),
            status: None,
        }
    }
}

fn is_badly_signed(response: &Response<Bytes>) -> bool {
    let body = String::from_utf8_lossy(response.body());
    response.status() == StatusCode::FORBIDDEN
        && (body.contains("SignatureDoesNotMatch") || body.contains("InvalidAccessKeyId"))
}

struct Spoiled {
    response: Response<Bytes>,
    end: End,
    /// The answer to a HEAD.
    bare: bool,
}

/// How the body ends.
enum End {
    Good,
    Truncate(usize),
    Reset(usize),
    Stall(usize),
    Extra(usize),
}

impl Spoiled {
    async fn apply(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::Status(status, code) => self.replace(status, code, ""),
            Fault::SlowDown => self.replace(503, Some("SlowDown"), ""),
            Fault::Archived(class) => {
                let class = format!("<StorageClass>{class}</StorageClass>");
                self.replace(403, Some("InvalidObjectState"), &class);
            }
            Fault::Text(status, text) => {
                *self.response.status_mut() = StatusCode::from_u16(status).unwrap();
                self.fill(text.into(), "text/html");
            }
            Fault::Header(name, value) => {
                let name = HeaderName::from_static(name);
                self.response
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            }
            Fault::WithoutHeader(name) => drop(self.response.headers_mut().remove(name)),
            Fault::Close => return Err(io::Error::other("closed by the script")),
            Fault::Truncate(at) => self.end = End::Truncate(at),
            Fault::Reset(at) => self.end = End::Reset(at),
            Fault::Stall(at) => self.end = End::Stall(at),
            Fault::Extra(more) => self.end = End::Extra(more),
        }
        Ok(())
    }

    fn replace(&mut self, status: u16, code: Option<&str>, more: &str) {
        *self.response.status_mut() = StatusCode::from_u16(status).unwrap();
        let text = code.filter(|_| !self.bare).map_or(String::new(), |code| {
            // Real documents quote what was signed; none of it may reach an error's text.
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>told by the \
                 script</Message>{more}<AWSAccessKeyId>AKIALEAK</AWSAccessKeyId><StringToSign>AWS4-LEAK\
                 </StringToSign></Error>"
            )
        });
        self.fill(text, "application/xml");
    }

    fn fill(&mut self, text: String, kind: &'static str) {
        let headers = self.response.headers_mut();
        headers.clear();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, text.len().into());
        *self.response.body_mut() = text.into();
    }

    fn send(mut self, line: &Line) -> Reply {
        if matches!(self.end, End::Extra(_)) {
            self.response.headers_mut().remove(CONTENT_LENGTH);
        }
        if matches!(self.end, End::Reset(_)) {
            line.reset();
        }
        let end = self.end;
        self.response
            .map(|bytes| StreamBody::new(frames(bytes, end)).boxed_unsync())
    }
}

type Frames = BoxStream<'static, io::Result<Frame<Bytes>>>;

fn frames(bytes: Bytes, end: End) -> Frames {
    let some = |bytes: Bytes| stream::iter((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
    let upto = |at: usize| some(bytes.slice(..at.min(bytes.len())));
    match end {
        End::Good => some(bytes).boxed(),
        End::Truncate(at) | End::Reset(at) => upto(at).chain(broken()).boxed(),
        End::Stall(at) => upto(at).chain(stream::pending()).boxed(),
        End::Extra(more) => some(bytes).chain(some(vec![b'x'; more].into())).boxed(),
    }
}

/// Breaks the connection, once what was sent before has left.
fn broken() -> Frames {
    stream::once(async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Err(io::Error::other("broken by the script"))
    })
    .boxed()
}
