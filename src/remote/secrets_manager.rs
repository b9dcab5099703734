//! Secrets out of AWS Secrets Manager, with the credentials that the usual AWS places give.

use std::time::SystemTime;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};

use super::Remote;
use crate::config::secret::Secret;
use crate::config::secret::secrets_manager::SecretId;

/// Says in errors whose they are, in place of its URL.
const WHO: &str = "aws secrets manager";

/// Asks for secrets. Finds credentials and region when it is first asked.
#[derive(Debug)]
pub struct SecretsManager {
    remote: Remote,
    found: tokio::sync::OnceCell<SdkConfig>,
}

impl SecretsManager {
    /// Over this client.
    pub fn new(remote: Remote) -> Self {
        Self {
            remote,
            found: tokio::sync::OnceCell::new(),
        }
    }

    /// The secret that is kept under `id` now.
    ///
    /// # Errors
    /// Which cannot be had and why, in words that repeat nothing of it.
    pub async fn get(&self, id: &SecretId) -> Result<Secret, String> {
        let load = || aws_config::defaults(BehaviorVersion::latest()).load();
        let found = self.found.get_or_init(load).await;
        let named = |error: &dyn std::fmt::Display| format!("{WHO}: {id}: {error}");
        let request = signed(found, id).await.map_err(|error| named(&error))?;
        let answer = self.remote.send(request).await;
        let answer = answer.map_err(|error| named(&error))?;
        id.read(answer.status, &answer.headers, &answer.body)
            .map_err(|failure| named(&failure))
    }
}

async fn signed(found: &SdkConfig, id: &SecretId) -> Result<Request<Bytes>, String> {
    let region = id.region().or(found.region().map(AsRef::as_ref));
    let region = region
        .ok_or("no region: set AWS_REGION, or name the secret by its ARN")?
        .to_owned();
    let credentials = found
        .credentials_provider()
        .ok_or("no credentials: set AWS_ACCESS_KEY_ID or give the machine a role")?;
    let credentials = credentials.provide_credentials().await;
    let identity = credentials
        .map_err(|error| format!("no credentials: {error}"))?
        .into();
    let (mut head, body) = id.request().into_parts();
    let url = match found.endpoint_url() {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None => format!("https://secretsmanager.{region}.{}/", domain(&region)),
    };
    head.uri = url
        .parse()
        .map_err(|_| "AWS_ENDPOINT_URL is no URL: write https://host".to_owned())?;
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&region)
        .name("secretsmanager")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let fields: Vec<(&str, &str)> = head
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let payload = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", &url, fields.into_iter(), payload)
        .map_err(|error| error.to_string())?;
    let signed = sign(signable, &params).map_err(|error| error.to_string())?;
    for (name, value) in signed.into_parts().0.headers() {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        head.headers.insert(name, value);
    }
    Ok(Request::from_parts(head, Bytes::from(body)))
}

/// China has names of its own.
fn domain(region: &str) -> &'static str {
    match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    }
}
