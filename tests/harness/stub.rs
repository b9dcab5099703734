//! An HTTP server that answers as a closure says: a metadata service, an STS.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use super::wire::{Wire, never};

/// The metadata service grants tokens the life they ask for, and says so; so does every stub.
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

/// A request as a stub sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The server; it ends when it is dropped.
pub(crate) struct Stub {
    wire: Wire,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    pub(crate) async fn start(
        answer: impl Fn(&Asked) -> (StatusCode, String) + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let wire = Wire::open(move |request, _line| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let asked = Asked {
                    method: head.method,
                    target: head.uri.to_string(),
                    headers: head.headers,
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                let (status, text) = answer(&asked);
                let ttl = asked.headers.get(TOKEN_TTL).cloned();
                log.lock().unwrap().push(asked);
                let body = Full::new(Bytes::from(text)).map_err(never).boxed_unsync();
                let mut response = Response::builder().status(status).body(body).unwrap();
                response
                    .headers_mut()
                    .extend(ttl.map(|ttl| (TOKEN_TTL, ttl)));
                Ok(response)
            }
        })
        .await;
        Self { wire, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.wire.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}
