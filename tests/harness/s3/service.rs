//! What a good S3 answers. s3s checks signatures and speaks the protocol around it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    StreamingBlob,
};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::{State, Stored};

pub(super) struct Secrets(pub(super) Arc<State>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let secrets = self.0.secrets.lock().unwrap();
        match secrets.get(access_key) {
            Some(secret) => Ok(secret.clone().into()),
            None => Err(s3_error!(InvalidAccessKeyId, "no such key")),
        }
    }
}

pub(super) struct Objects(pub(super) Arc<State>);

impl Objects {
    fn find(&self, bucket: &str, key: &str, version: Option<&str>) -> S3Result<Stored> {
        let buckets = self.0.buckets.lock().unwrap();
        let objects = buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let Some(versions) = objects.get(key) else {
            return Err(match self.0.habits.listing_denied.load(Ordering::SeqCst) {
                true => s3_error!(AccessDenied, "not allowed to s3:ListBucket"),
                false => s3_error!(NoSuchKey),
            });
        };
        let found = match version {
            Some(id) => versions.iter().find(|stored| stored.version_id == id),
            None => versions.last(),
        };
        found.cloned().ok_or_else(|| s3_error!(NoSuchVersion))
    }

    fn check(
        &self,
        stored: &Stored,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        if self.0.habits.conditions_ignored.load(Ordering::SeqCst) {
            return Ok(());
        }
        let is_it = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(tag) => tag.as_strong() == Some(&stored.etag),
        };
        if if_match.is_some_and(|condition| !is_it(condition)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if if_none_match.is_some_and(is_it) {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }

    fn version_id(&self, stored: &Stored) -> Option<String> {
        let versions = self.0.habits.versions.load(Ordering::SeqCst);
        versions.then(|| stored.version_id.clone())
    }

    fn range(&self, input: &GetObjectInput, stored: &Stored) -> S3Result<Option<Range<u64>>> {
        match &input.range {
            Some(range) if !self.0.habits.ranges_ignored.load(Ordering::SeqCst) => {
                let range = range.check(stored.bytes.len() as u64);
                Ok(Some(range.map_err(|_| s3_error!(InvalidRange))?))
            }
            _ => Ok(None),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let stored = self.find(&input.bucket, &input.key, input.version_id.as_deref())?;
        self.check(
            &stored,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        let range = self.range(&input, &stored)?;
        let len = stored.bytes.len() as u64;
        let bytes: Bytes = match &range {
            Some(range) => stored.bytes.slice(range.start as usize..range.end as usize),
            None => stored.bytes.clone(),
        };
        let output = GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            content_range: range.map(|r| format!("bytes {}-{}/{len}", r.start, r.end - 1)),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            e_tag: Some(ETag::Strong(stored.etag.clone())),
            last_modified: Some(stored.modified.into()),
            version_id: self.version_id(&stored),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::with_headers(output, stored.headers))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let stored = self.find(&input.bucket, &input.key, input.version_id.as_deref())?;
        self.check(
            &stored,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        let output = HeadObjectOutput {
            content_length: Some(stored.bytes.len() as i64),
            e_tag: Some(ETag::Strong(stored.etag.clone())),
            last_modified: Some(stored.modified.into()),
            version_id: self.version_id(&stored),
            ..HeadObjectOutput::default()
        };
        Ok(S3Response::with_headers(output, stored.headers))
    }
}
