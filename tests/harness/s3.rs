//! An S3 server for tests: signatures are really checked, faults are scripted, requests are remembered.
//!
//! ```ignore
//! let s3 = S3Server::start().await;
//! s3.put("films", "title/seg-1.m4s", "bytes");
//! s3.faults().push(Fault::SlowDown);
//! let storage = S3::connect(s3.options("films")).await?;
//! assert_eq!(s3.requests().len(), 0);
//! ```

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use caudal::storage::S3Options;
use caudal::storage::s3::Keys;
use http::HeaderMap;
use s3s::service::S3ServiceBuilder;

pub(crate) use faults::{Fault, Faults};

use super::wire::Wire;

mod answer;
mod faults;
mod service;

pub(crate) const REGION: &str = "eu-test-1";
pub(crate) const KEY_ID: &str = "AKIATESTTESTTESTTEST";
pub(crate) const SECRET: &str = "a-secret-for-tests/that+signs";

/// The server; it ends when it is dropped.
pub(crate) struct S3Server {
    wire: Wire,
    state: Arc<State>,
    tls: bool,
}

/// What the connections share.
#[derive(Default)]
struct State {
    buckets: Mutex<HashMap<String, HashMap<String, Vec<Stored>>>>,
    secrets: Mutex<HashMap<String, String>>,
    seen: Mutex<Vec<SeenRequest>>,
    faults: Faults,
    habits: Habits,
    writes: AtomicU64,
}

/// How this server differs from the plainest one. Each can be set at any time.
#[derive(Default)]
pub(crate) struct Habits {
    /// The bucket keeps versions and tells their ids.
    pub(crate) versions: AtomicBool,
    /// Absent keys are 403, as where s3:ListBucket is denied.
    pub(crate) listing_denied: AtomicBool,
    /// If-Match and If-None-Match mean nothing.
    pub(crate) conditions_ignored: AtomicBool,
    /// Every GET is answered with a 200 and the whole object.
    pub(crate) ranges_ignored: AtomicBool,
}

/// One version of an object.
#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    etag: String,
    version_id: String,
    modified: SystemTime,
    headers: HeaderMap,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct SeenRequest {
    pub(crate) method: http::Method,
    pub(crate) bucket: String,
    /// Decoded.
    pub(crate) key: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// What it was answered with; `None` while it is not, and where the connection was closed instead.
    pub(crate) status: Option<u16>,
}

impl SeenRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The Range header.
    pub(crate) fn range(&self) -> Option<&str> {
        self.header("range")
    }
}

impl S3Server {
    /// Starts a server without buckets on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with(false).await
    }

    /// The same over TLS; its address is `localhost`, as its certificate says.
    pub(crate) async fn start_tls() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(tls: bool) -> Self {
        let state = Arc::new(State::default());
        let mut service = S3ServiceBuilder::new(service::Objects(Arc::clone(&state)));
        service.set_auth(service::Secrets(Arc::clone(&state)));
        let (service, shared) = (service.build(), Arc::clone(&state));
        let answer = move |request, line| {
            answer::answer(Arc::clone(&shared), service.clone(), request, line)
        };
        let wire = match tls {
            true => Wire::open_tls(answer).await,
            false => Wire::open(answer).await,
        };
        let server = Self { wire, state, tls };
        server.allow(KEY_ID, SECRET);
        server
    }

    pub(crate) fn url(&self) -> String {
        match self.tls {
            true => format!("https://localhost:{}", self.wire.address.port()),
            false => format!("http://{}", self.wire.address),
        }
    }

    /// Options that reach `bucket` here, with the keys this server knows.
    pub(crate) fn options(&self, bucket: &str) -> S3Options {
        S3Options {
            region: Some(REGION.into()),
            endpoint: Some(self.url()),
            path_style: true,
            keys: Some(Keys {
                id: KEY_ID.into(),
                secret: SECRET.into(),
            }),
            ..S3Options::new(bucket)
        }
    }

    /// Accepts requests signed with another key.
    pub(crate) fn allow(&self, key_id: &str, secret: &str) {
        self.state
            .secrets
            .lock()
            .unwrap()
            .insert(key_id.into(), secret.into());
    }

    pub(crate) fn create_bucket(&self, bucket: &str) {
        self.state
            .buckets
            .lock()
            .unwrap()
            .entry(bucket.into())
            .or_default();
    }

    /// Puts an object, in place of the one before; makes the bucket if there is none.
    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.put_with(bucket, key, bytes, &[]);
    }

    /// Puts an object with headers of its own: Content-Type, Cache-Control, …
    pub(crate) fn put_with(
        &self,
        bucket: &str,
        key: &str,
        bytes: impl Into<Bytes>,
        headers: &[(&'static str, &'static str)],
    ) {
        let stored = Stored::new(
            bytes.into(),
            headers,
            self.state.writes.fetch_add(1, Ordering::SeqCst),
        );
        let mut buckets = self.state.buckets.lock().unwrap();
        let versions = buckets
            .entry(bucket.into())
            .or_default()
            .entry(key.into())
            .or_default();
        if !self.habits().versions.load(Ordering::SeqCst) {
            versions.clear();
        }
        versions.push(stored);
    }

    /// Takes an object away, with all its versions.
    pub(crate) fn remove(&self, bucket: &str, key: &str) {
        if let Some(objects) = self.state.buckets.lock().unwrap().get_mut(bucket) {
            objects.remove(key);
        }
    }

    /// What goes wrong next.
    pub(crate) fn faults(&self) -> &Faults {
        &self.state.faults
    }

    pub(crate) fn habits(&self) -> &Habits {
        &self.state.habits
    }

    /// All requests so far, oldest first.
    pub(crate) fn requests(&self) -> Vec<SeenRequest> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The Range headers of all GETs of `key` so far; an empty text where there was none.
    pub(crate) fn ranges(&self, key: &str) -> Vec<String> {
        let requests = self.requests().into_iter();
        let gets = requests.filter(|seen| seen.method == "GET" && seen.key == key);
        gets.map(|seen| seen.range().unwrap_or_default().to_owned())
            .collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn forget(&self) {
        self.state.seen.lock().unwrap().clear();
    }

    /// How many connections were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.wire.accepted()
    }
}

impl Stored {
    fn new(bytes: Bytes, headers: &[(&'static str, &'static str)], nth: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let headers = headers.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )
        });
        Self {
            etag: format!("{:016x}{:016x}", hasher.finish(), bytes.len()),
            version_id: format!("v{nth}"),
            modified: SystemTime::now(),
            headers: headers.collect(),
            bytes,
        }
    }
}
