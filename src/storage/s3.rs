//! A bucket as storage, on S3 or anything that speaks its protocol. Start at [`S3::connect`].
//!
//! The SDK signs, sends and finds credentials. What it leaves open is here: every answer is checked against what
//! was asked (`answer`), every body is counted and bounded in time (`body`), and every failure is put in the
//! contract's words in one place (`refusal`). It does not retry: [`Retry`](super::Retry) does, and counts.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::RequestPayer;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{Error, Object, ObjectMeta, Phase, Pin, Read, Storage};
use crate::media::AssetPath;
use answer::is_strong;
use credentials::Steady;
use refusal::Context;

pub use options::{Keys, S3Options, Timeouts};

mod answer;
mod body;
mod connect;
mod credentials;
mod options;
mod refusal;

/// The longest key S3 takes, in bytes.
const LONGEST_KEY: usize = 1024;

/// No object has a byte past this one, and no server can be trusted to parse a larger number.
const LAST_BYTE: u64 = i64::MAX as u64 - 1;

/// The key that [`S3::probe`](Storage::probe) asks for, below the prefix. It need not exist.
const PROBE: &str = ".caudal-probe";

/// A bucket, or the part of it below a prefix. Cloning is cheap.
#[derive(Clone)]
pub struct S3 {
    client: Client,
    options: Arc<S3Options>,
    /// Empty, or with a slash at its end.
    prefix: Arc<str>,
    credentials: Steady,
    context: Arc<Context>,
}

impl Debug for S3 {
    // The client's own Debug tells more than a log should hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("bucket", &self.options.bucket)
            .field("prefix", &self.prefix)
            .field("endpoint", &self.options.endpoint)
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

    fn key(&self, asset: &AssetPath) -> Result<String, Error> {
        let key = format!("{}{asset}", self.prefix);
        if key.len() > LONGEST_KEY {
            Err(Error::NotFound)
        } else {
            Ok(key)
        }
    }

    async fn fetch(&self, key: String, read: Read<'_>) -> Result<Object, Error> {
        if read
            .range
            .as_ref()
            .is_some_and(|range| range.is_empty() || range.start > LAST_BYTE)
        {
            return Err(Error::RangeNotSatisfiable { len: None });
        }
        let begun = Instant::now();
        let request = self.request(key, &read).send();
        let output = self.first_byte(request).await?;
        let output = output.map_err(|e| self.judge(&e))?;

        let (meta, range) = answer::judge(&output, read.range.as_ref(), self.options.versions)?;
        // Some servers ignore conditions, and a weak tag is never sent as one.
        read.pin.judge(&meta.validator)?;
        let body = body::counted(output.body, range.clone(), begun, &self.options.timeouts);
        Ok(Object { meta, range, body })
    }

    fn request(
        &self,
        key: String,
        read: &Read<'_>,
    ) -> aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder {
        let options = &self.options;
        let request = self
            .client
            .get_object()
            .bucket(&options.bucket)
            .key(key)
            .set_request_payer(options.requester_pays.then_some(RequestPayer::Requester))
            .set_expected_bucket_owner(options.expected_owner.clone())
            .set_range(read.range.as_ref().map(range_header));
        match read.pin {
            Pin::Match(wanted) => {
                let version = wanted.version_id.as_deref().filter(|_| options.versions);
                request
                    .set_if_match(is_strong(&wanted.etag).then(|| wanted.etag.to_string()))
                    .set_version_id(version.map(str::to_owned))
            }
            Pin::NoneMatch(known) => {
                request.set_if_none_match(is_strong(&known.etag).then(|| known.etag.to_string()))
            }
            Pin::Any => request,
        }
    }

    async fn describe(&self, key: String) -> Result<ObjectMeta, Error> {
        let options = &self.options;
        let request = self
            .client
            .head_object()
            .bucket(&options.bucket)
            .key(key)
            .set_request_payer(options.requester_pays.then_some(RequestPayer::Requester))
            .set_expected_bucket_owner(options.expected_owner.clone())
            .send();
        let output = self.first_byte(request).await?;
        let output = output.map_err(|e| self.judge(&e))?;
        answer::judge_head(&output, options.versions)
    }

    fn judge<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if refusal::doubts_credentials(error) {
            self.credentials.doubt(SystemTime::now());
        }
        refusal::judge(error, &self.context)
    }

    async fn ask_probe(&self) -> Result<(), Error> {
        let key = format!("{}{PROBE}", self.prefix);
        match self
            .fetch(
                key,
                Read {
                    range: Some(0..1),
                    pin: Pin::Any,
                },
            )
            .await
        {
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
        Box::pin(async move { self.fetch(self.key(asset)?, read).await })
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(async move { self.describe(self.key(asset)?).await })
    }

    fn credentials_expire(&self) -> Option<SystemTime> {
        self.credentials.expiry()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.ask_probe())
    }
}

/// `range` is not empty, so its end is not 0.
fn range_header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, (range.end - 1).min(LAST_BYTE))
}
