//! Signs requests with the credentials in hand, by the server's clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::header::{AGE, DATE};
use http::{HeaderMap, Method};

use super::{Failure, Field, unbuildable};
use crate::storage::s3::credentials::Steady;

pub(super) use aws_sigv4::http_request::SigningInstructions;

/// What signatures need beside the request.
pub(super) struct Signer {
    credentials: Steady,
    region: String,
    service: String,
    /// By how many seconds the server's clock is ahead of this host's, once it has said that it matters.
    ahead: AtomicI64,
}

impl Signer {
    pub(super) fn new(credentials: Steady, region: &str, service: &str) -> Self {
        Self {
            credentials,
            region: region.into(),
            service: service.into(),
            ahead: AtomicI64::new(0),
        }
    }

    /// Which headers make a request without a body a signed one. `url` and `fields` have to be sent as they are.
    pub(super) async fn sign(
        &self,
        method: &Method,
        url: &str,
        fields: &[Field<'_>],
    ) -> Result<SigningInstructions, Failure> {
        let identity = self.credentials.provide_credentials().await?.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.now())
            .settings(settings())
            .build()
            .map_err(unbuildable)?
            .into();
        let fields = fields.iter().map(|(name, value)| (*name, &**value));
        let request = SignableRequest::new(method.as_str(), url, fields, SignableBody::empty());
        let (instructions, _) = sign(request.map_err(unbuildable)?, &params)
            .map_err(unbuildable)?
            .into_parts();
        Ok(instructions)
    }

    /// Takes the time from an answer that refused this host's, for the requests to come.
    pub(super) fn set_clock(&self, headers: &HeaderMap) {
        if let Some(ahead) = server_ahead(headers, SystemTime::now()) {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }

    fn now(&self) -> SystemTime {
        let now = SystemTime::now();
        let ahead = self.ahead.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        let there = match ahead < 0 {
            true => now.checked_sub(by),
            false => now.checked_add(by),
        };
        there.unwrap_or(now)
    }
}

/// As S3 reads signatures, unlike the other services: the path is encoded once and left as it is, and the payload's
/// hash, here of nothing, is told.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

/// By how many seconds the server's clock is ahead. A cached answer tells an old time, so it tells none.
fn server_ahead(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    if headers.contains_key(AGE) {
        return None;
    }
    let there = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |span: Duration| i64::try_from(span.as_secs()).ok();
    match there.duration_since(now) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => seconds(behind.duration()).map(|behind| -behind),
    }
}

#[cfg(test)]
mod tests {
    use super::server_ahead;
    use http::HeaderMap;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_servers_clock_is_read_where_it_is_told() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let hour = Duration::from_secs(3600);
        let answer = |time, more: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("date", httpdate::fmt_http_date(time).parse().unwrap());
            for (name, value) in more {
                headers.insert(*name, value.parse().unwrap());
            }
            headers
        };
        assert_eq!(server_ahead(&answer(now + hour, &[]), now), Some(3600));
        assert_eq!(server_ahead(&answer(now - hour, &[]), now), Some(-3600));
        assert_eq!(server_ahead(&answer(now, &[]), now), Some(0));
        let cached = answer(now + hour, &[("age", "60")]);
        assert_eq!(server_ahead(&cached, now), None);
        assert_eq!(server_ahead(&HeaderMap::new(), now), None);
        let odd = answer(now, &[("date", "yesterday")]);
        assert_eq!(server_ahead(&odd, now), None);
    }
}
