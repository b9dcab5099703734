//! Asks S3 for objects without the SDK: signs with its signer, sends over connections of its own.
//! Start at [`Wire::ask`].
//!
//! The SDK's way from a call to a byte costs four times a plain client's, and caudal asks for nothing
//! but objects. What is kept of it is what it knows best: credentials, endpoints and signatures.

use std::borrow::Cow;
use std::ops::Range;

use aws_credential_types::provider::error::CredentialsError;
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Empty;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::is_strong;
use super::credentials::Steady;
use super::options::S3Options;
use crate::media::AssetPath;
use crate::storage::{Error, Pin, Read};
use dial::Dial;
use pool::Pool;
use sign::{Signer, SigningInstructions};

pub(super) use endpoint::Endpoint;
pub(super) use pool::Arriving;

mod dial;
mod endpoint;
mod pool;
mod sign;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("caudal/", env!("CARGO_PKG_VERSION")));

/// No object has a byte past this one, and no server can be trusted to parse a larger number.
pub(super) const LAST_BYTE: u64 = i64::MAX as u64 - 1;

/// Everything but RFC 3986 §2.3 `unreserved` is escaped in a query, as signatures want it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A header of a request: signed and sent are the same.
type Field<'a> = (&'static str, Cow<'a, str>);

/// Reads from one bucket.
pub(super) struct Wire {
    endpoint: Endpoint,
    signer: Signer,
    pool: Pool,
    /// What every request says: who pays, and who has to own the bucket.
    always: Vec<(&'static str, String)>,
    versions: bool,
}

/// Why there is no answer. `refusal` puts these in the contract's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is nothing to sign with.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The request cannot be written down.
    #[error("a request cannot be built")]
    Unbuildable(#[source] Cause),
    /// No connection within `connect`.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// No connection, or it broke before the answer's head.
    #[error("the connection failed")]
    Broken(#[source] Cause),
}

/// An error of one of the layers below.
type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Wire {
    /// Prepares to ask `endpoint`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] where an option cannot be a header, or no root certificates are found for TLS.
    pub(super) fn new(
        endpoint: Endpoint,
        credentials: Steady,
        options: &S3Options,
    ) -> Result<Self, Error> {
        let owner = options.expected_owner.clone();
        if let Some(owner) = &owner
            && !(owner.is_ascii() && HeaderValue::from_str(owner).is_ok())
        {
            let text = format!("expected_owner {owner:?} is no account: give its 12 digits");
            return Err(Error::Misconfigured(text.into()));
        }
        let payer = options.requester_pays.then(|| "requester".to_owned());
        let always = [
            ("x-amz-request-payer", payer),
            ("x-amz-expected-bucket-owner", owner),
        ];
        let dial = Dial::new(&endpoint, options.timeouts.connect)?;
        Ok(Self {
            signer: Signer::new(credentials, &endpoint.region, &endpoint.service),
            pool: Pool::new(dial),
            endpoint,
            always: always
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
            versions: options.versions,
        })
    }

    /// Asks for `key` and waits for the answer's head, whatever its status.
    pub(super) async fn ask(
        &self,
        method: Method,
        key: &AssetPath,
        read: &Read<'_>,
    ) -> Result<Response<Arriving>, Failure> {
        let path = format!(
            "{}{}{}",
            self.endpoint.base,
            key.encoded(),
            self.query(read.pin)
        );
        let fields = self.fields(read);
        let url = format!("{}{path}", self.endpoint.origin);
        let signed = self.signer.sign(&method, &url, &fields).await?;

        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::try_from(path).map_err(unbuildable)?;
        *request.headers_mut() = headers(fields, signed)?;
        self.pool.send(request).await
    }

    /// Hears what time it is at the server, as it refused a request for its date.
    pub(super) fn set_clock(&self, headers: &HeaderMap) {
        self.signer.set_clock(headers);
    }

    fn query(&self, pin: Pin<'_>) -> String {
        let version = match pin {
            Pin::Match(wanted) => wanted.version_id.as_deref().filter(|_| self.versions),
            Pin::Any | Pin::NoneMatch(_) => None,
        };
        version.map_or(String::new(), |id| {
            format!("?versionId={}", utf8_percent_encode(id, ESCAPED))
        })
    }

    fn fields<'a>(&'a self, read: &Read<'a>) -> Vec<Field<'a>> {
        let mut fields: Vec<Field<'a>> = Vec::with_capacity(8);
        fields.push((HOST.as_str(), Cow::Borrowed(&self.endpoint.host)));
        for (name, value) in &self.always {
            fields.push((name, Cow::Borrowed(value)));
        }
        if let Some(range) = &read.range {
            fields.push(("range", Cow::Owned(range_header(range))));
        }
        let condition = match read.pin {
            Pin::Any => None,
            Pin::Match(wanted) => Some(("if-match", &*wanted.etag)),
            Pin::NoneMatch(known) => Some(("if-none-match", &*known.etag)),
        };
        // A weak tag cannot guard a part (RFC 9110 §8.8.1), and one made here no server knows.
        if let Some((name, etag)) = condition.filter(|(_, etag)| is_strong(etag)) {
            fields.push((name, Cow::Borrowed(etag)));
        }
        fields
    }
}

fn headers(fields: Vec<Field<'_>>, signed: SigningInstructions) -> Result<HeaderMap, Failure> {
    let (signed, _) = signed.into_parts();
    let mut headers = HeaderMap::with_capacity(fields.len() + signed.len() + 1);
    headers.insert(USER_AGENT, AGENT);
    for (name, value) in fields {
        let value = HeaderValue::from_str(&value).map_err(unbuildable)?;
        headers.insert(HeaderName::from_static(name), value);
    }
    for header in signed {
        let mut value = HeaderValue::from_str(header.value()).map_err(unbuildable)?;
        value.set_sensitive(header.sensitive());
        headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(headers)
}

/// `range` is not empty, so its end is not 0.
fn range_header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, (range.end - 1).min(LAST_BYTE))
}

fn unbuildable(cause: impl Into<Cause>) -> Failure {
    Failure::Unbuildable(cause.into())
}
