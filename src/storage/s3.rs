//! A bucket as storage, on S3 or anything that speaks its protocol. Start at [`S3::connect`].
//!
//! The SDK finds credentials and endpoints, and signs; requests are sent without it (`wire`). What that leaves open is
//! here: every answer is checked against what was asked (`answer`), every body is counted and bounded in time (`body`),
//! and every failure is put in the contract's words in one place (`refusal`). What fails is not asked for again here,
//! but over a connection gone stale: [`Retry`](super::Retry) does that, and counts.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use http::{Method, StatusCode, response};
use http_body::Body as _;
use tokio::time::Instant;

use super::{Error, Object, ObjectMeta, Phase, Pin, Read, Storage};
use crate::media::AssetPath;
use credentials::Steady;
use refusal::{Context, Refusal};
use wire::{Arriving, LAST_BYTE, Wire};

pub use options::{Keys, S3Options, Timeouts};

mod answer;
mod body;
mod connect;
mod credentials;
mod options;
mod refusal;
mod wire;

/// The asset that [`S3::probe`](Storage::probe) asks for. It need not exist.
const PROBE: &str = ".caudal-probe";

/// A bucket, or the part of it below a prefix. Cloning is cheap.
#[derive(Clone)]
pub struct S3 {
    wire: Arc<Wire>,
    options: Arc<S3Options>,
    /// Empty, or with a slash at its end.
    prefix: Arc<str>,
    /// The key of [`PROBE`].
    probe: AssetPath,
    credentials: Steady,
    context: Arc<Context>,
}

impl Debug for S3 {
    // The client's own Debug tells more than a log should hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("bucket", &self.options.bucket)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl S3 {
    /// Prepares a client. Nothing is asked of the bucket yet; [`Storage::probe`] does that.
    ///
    /// Region and credentials come from the SDK's default chain where the options leave them open: environment,
    /// profile, web identity (IRSA), container (ECS, EKS Pod Identity), instance metadata (IMDSv2).
    ///
    /// # Errors
    /// [`Error::Misconfigured`] where an option cannot work or no region is known.
    pub async fn connect(options: S3Options) -> Result<Self, Error> {
        connect::connect(options).await
    }

    /// A key is never longer than S3 takes: a path is not either, its prefix included.
    fn key(&self, asset: &AssetPath) -> Result<AssetPath, Error> {
        asset.prepend(&self.prefix).map_err(|_| Error::NotFound)
    }

    async fn fetch(&self, key: &AssetPath, read: Read<'_>) -> Result<Object, Error> {
        if read
            .range
            .as_ref()
            .is_some_and(|range| range.is_empty() || range.start > LAST_BYTE)
        {
            return Err(Error::RangeNotSatisfiable { len: None });
        }
        let begun = Instant::now();
        let (head, body) = self.ask(Method::GET, key, &read).await?;
        let announced = body.size_hint().exact();
        let (meta, range) =
            answer::judge(&head, announced, read.range.as_ref(), self.options.versions)?;
        // Some servers ignore conditions, and a weak tag is never sent as one.
        read.pin.judge(&meta.validator)?;
        let body = body::counted(body, range.clone(), begun, &self.options.timeouts);
        Ok(Object { meta, range, body })
    }

    async fn describe(&self, key: &AssetPath) -> Result<ObjectMeta, Error> {
        let (head, _) = self.ask(Method::HEAD, key, &Read::default()).await?;
        answer::judge_head(&head, self.options.versions)
    }

    /// The answer to a request, where it is the object or a part of it.
    async fn ask(
        &self,
        method: Method,
        key: &AssetPath,
        read: &Read<'_>,
    ) -> Result<(response::Parts, Arriving), Error> {
        let answer = self.first_byte(self.wire.ask(method, key, read)).await?;
        let answer = answer.map_err(|e| refusal::judge_failure(&e, &self.context))?;
        let (head, body) = answer.into_parts();
        match head.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok((head, body)),
            _ => Err(self.refused(head, body).await),
        }
    }

    async fn refused(&self, head: response::Parts, body: Arriving) -> Error {
        let document = body::document(body).await;
        let refusal = Refusal::read(&head, &document);
        if refusal.doubts_clock() {
            self.wire.set_clock(&head.headers);
        }
        if refusal.doubts_credentials() {
            self.credentials.doubt(SystemTime::now());
        }
        refusal.judge(&self.context)
    }

    async fn ask_probe(&self) -> Result<(), Error> {
        let read = Read {
            range: Some(0..1),
            pin: Pin::Any,
        };
        match self.fetch(&self.probe, read).await {
            // The bucket answered us. An empty probe object has no first byte; that is an answer too.
            Ok(_) | Err(Error::NotFound | Error::RangeNotSatisfiable { .. }) => Ok(()),
            Err(Error::Denied(why)) => Err(Error::Denied(self.explain_denied(&why))),
            Err(error) => Err(error),
        }
    }

    fn explain_denied(&self, why: &str) -> Arc<str> {
        let bucket = &self.options.bucket;
        format!(
            "{why}: either the credentials lack s3:GetObject on bucket {bucket}, or they lack s3:ListBucket, \
             without which S3 says so of every absent object: grant them, or accept the latter as absence \
             (absent_on_denied)"
        )
        .into()
    }

    /// Bounds the wait for a response head. It contains connecting, and finding credentials.
    async fn first_byte<T>(&self, request: impl Future<Output = T>) -> Result<T, Error> {
        let limit = self.options.timeouts.first_byte;
        let elapsed = |_| Error::Timeout {
            phase: Phase::FirstByte,
            limit,
        };
        tokio::time::timeout(limit, request).await.map_err(elapsed)
    }
}

impl Storage for S3 {
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move { self.fetch(&self.key(asset)?, read).await })
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(async move { self.describe(&self.key(asset)?).await })
    }

    fn credentials_expire(&self) -> Option<SystemTime> {
        self.credentials.expiry()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.ask_probe())
    }
}
