//! Puts what fails in the contract's words. The only place that knows S3's error codes.
//!
//! Of what S3 says, only codes and names are quoted: its messages can carry signatures, key ids and session
//! tokens.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use http::response;

use super::Timeouts;
use super::wire::Failure;
use crate::storage::{Error, Phase};

/// What an error's text and judgement need to know of the storage.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) absent_on_denied: bool,
    pub(super) timeouts: Timeouts,
}

/// Judges a request to which there is no answer.
pub(super) fn judge_failure(failure: &Failure, context: &Context) -> Error {
    match failure {
        Failure::Credentials(cause) => no_credentials(cause, context),
        Failure::Unbuildable(cause) => misconfigured(format!(
            "a request to bucket {} cannot be built: {}",
            context.bucket,
            root_cause(&**cause)
        )),
        Failure::ConnectTimeout => Error::Timeout {
            phase: Phase::Connect,
            limit: context.timeouts.connect,
        },
        Failure::Broken(cause) => Error::Unavailable(root_cause(&**cause).into()),
    }
}

fn no_credentials(error: &CredentialsError, context: &Context) -> Error {
    let bucket = &context.bucket;
    match error {
        CredentialsError::CredentialsNotLoaded(_) => misconfigured(format!(
            "no credentials for bucket {bucket}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or \
             give the pod, task or instance a role"
        )),
        CredentialsError::InvalidConfiguration(_) => misconfigured(format!(
            "the source of credentials for bucket {bucket} is misconfigured: {}",
            root_cause(error)
        )),
        // The service that gives them is down or slow, or refuses; it does not say which.
        _ => Error::Unavailable(format!("no credentials: {}", root_cause(error)).into()),
    }
}

/// An answer that is not the object.
pub(super) struct Refusal<'a> {
    head: &'a response::Parts,
    /// Empty where there is none.
    code: &'a str,
    /// What came of the body.
    document: &'a [u8],
}

impl<'a> Refusal<'a> {
    pub(super) fn read(head: &'a response::Parts, document: &'a [u8]) -> Self {
        Self {
            head,
            code: element(document, "Code").unwrap_or_default(),
            document,
        }
    }

    /// Whether the answer says that the credentials are no longer good, and others might be.
    pub(super) fn doubts_credentials(&self) -> bool {
        matches!(
            self.code,
            "ExpiredToken"
                | "ExpiredTokenException"
                | "TokenRefreshRequired"
                | "InvalidToken"
                | "InvalidAccessKeyId"
        )
    }

    /// Whether the answer says that this host's clock is wrong.
    pub(super) fn doubts_clock(&self) -> bool {
        self.code == "RequestTimeTooSkewed"
    }

    /// First by code, which is exact; then by status, which is all a HEAD tells.
    pub(super) fn judge(&self, context: &Context) -> Error {
        self.by_code(context)
            .unwrap_or_else(|| self.by_status(context))
    }

    fn by_code(&self, context: &Context) -> Option<Error> {
        let bucket = &context.bucket;
        Some(match self.code {
            "NoSuchKey" | "KeyTooLongError" => Error::NotFound,
            // The pinned version was deleted, or the version named is a delete marker.
            "NoSuchVersion" | "MethodNotAllowed" => Error::Changed,
            "NoSuchBucket" => misconfigured(format!(
                "bucket {bucket} does not exist: create it or correct the name"
            )),
            "InvalidBucketName" => {
                misconfigured(format!("{bucket:?} cannot name a bucket: correct the name"))
            }
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "NotSignedUp"
            | "AuthFailure"
            | "InvalidSecurity" => misconfigured(format!(
                "the credentials for bucket {bucket} are refused ({}): correct them",
                self.code
            )),
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => misconfigured(
                format!("the credentials for bucket {bucket} have expired: renew them"),
            ),
            "RequestTimeTooSkewed" => misconfigured(format!(
                "bucket {bucket} refuses this host's clock: set it right (NTP)"
            )),
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IncorrectEndpoint"
            | "IllegalLocationConstraintException" => self.wrong_region(context),
            "AccountProblem" | "AllAccessDisabled" | "UserSuspended" => misconfigured(format!(
                "the account behind bucket {bucket} is suspended ({}): see the provider's console",
                self.code
            )),
            "InvalidObjectState" => Error::Archived(self.storage_class().into()),
            "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequests"
            | "BandwidthLimitExceeded"
            | "ServiceUnavailable"
            | "TooManyRequestsException" => Error::Throttled,
            _ => return None,
        })
    }

    fn by_status(&self, context: &Context) -> Error {
        let status = self.head.status.as_u16();
        match status {
            304 => Error::NotModified,
            301 => self.wrong_region(context),
            // S3 has no other word for these on a HEAD, which has no body to carry a code.
            400 if self.code.is_empty() => match self.header("x-amz-bucket-region") {
                Some(region) if region != context.region => self.wrong_region(context),
                _ => misconfigured(format!(
                    "bucket {} refuses the request without a reason (400): look for expired credentials or the \
                     wrong region",
                    context.bucket
                )),
            },
            401 => misconfigured(format!(
                "the credentials for bucket {} are refused (401): correct them",
                context.bucket
            )),
            403 if context.absent_on_denied => Error::NotFound,
            403 => Error::Denied(self.named("403").into()),
            404 | 410 => Error::NotFound,
            412 => Error::Changed,
            416 => Error::RangeNotSatisfiable {
                len: self.object_len(),
            },
            429 | 503 => Error::Throttled,
            300..400 | 408 | 500.. => Error::Unavailable(self.named(&status.to_string()).into()),
            _ => Error::Invalid(self.named(&status.to_string()).into()),
        }
    }

    fn wrong_region(&self, context: &Context) -> Error {
        let Context { bucket, region, .. } = context;
        let told = self
            .header("x-amz-bucket-region")
            .or_else(|| self.element("Region"));
        misconfigured(match told {
            Some(right) if right != region && is_name(right) => format!(
                "bucket {bucket} is in region {right} and was asked for in {region}: set region to {right}"
            ),
            _ => {
                format!("bucket {bucket} is not in region {region}: set region to the bucket's own")
            }
        })
    }

    fn storage_class(&self) -> &str {
        let class = self
            .element("StorageClass")
            .or_else(|| self.header("x-amz-storage-class"));
        class.filter(|class| is_name(class)).unwrap_or("archive")
    }

    fn object_len(&self) -> Option<u64> {
        let header = self
            .header("content-range")
            .and_then(|text| text.strip_prefix("bytes */"));
        header
            .or_else(|| self.element("ActualObjectSize"))?
            .trim()
            .parse()
            .ok()
    }

    /// The code if there is one that can be a code, else `otherwise`.
    fn named(&self, otherwise: &str) -> String {
        if is_name(self.code) {
            self.code.to_owned()
        } else {
            otherwise.to_owned()
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    fn element(&self, name: &str) -> Option<&str> {
        element(self.document, name)
    }
}

/// The text of an element of an error document. These hold plain words and numbers, so no parser is needed.
fn element<'a>(document: &'a [u8], name: &str) -> Option<&'a str> {
    let document = std::str::from_utf8(document).ok()?;
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
        .map(|(text, _)| text.trim())
}

/// Whether a server's word can be quoted: short, and of letters, digits and a few marks.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

fn misconfigured(text: String) -> Error {
    Error::Misconfigured(text.into())
}

/// The text of the innermost cause: `Connection refused (os error 111)`.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// The error and what caused it, outermost first.
pub(super) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&e| e.source())
}

#[cfg(test)]
mod tests;
