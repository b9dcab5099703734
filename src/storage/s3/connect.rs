//! Turns options into a client.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;

use super::credentials::Steady;
use super::refusal::Context;
use super::wire::{Endpoint, Wire};
use super::{Keys, PROBE, S3, S3Options};
use crate::media::AssetPath;
use crate::storage::Error;

/// Signed into requests to servers that know no regions.
const ANY_REGION: &str = "us-east-1";

pub(super) async fn connect(options: S3Options) -> Result<S3, Error> {
    check(&options)?;
    let prefix = folder(options.prefix.as_deref())?;
    let probe = AssetPath::from_decoded(PROBE).and_then(|probe| probe.prepend(&prefix));
    let probe = probe.map_err(|e| Error::Misconfigured(format!("prefix: {e}").into()))?;

    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(Keys { id, secret }) = &options.keys {
        loader = loader.credentials_provider(Credentials::new(id, secret, None, None, "config"));
    }
    let found = loader.load().await;

    let region = found.region().cloned();
    let region = region.or_else(|| options.endpoint.as_ref().map(|_| Region::new(ANY_REGION)));
    let region = region.ok_or_else(|| no_region(&options.bucket))?;
    let provider = found
        .credentials_provider()
        .ok_or_else(|| no_credentials(&options.bucket))?;
    let credentials = Steady::new(provider);

    let context = Context {
        bucket: options.bucket.clone(),
        region: region.to_string(),
        absent_on_denied: options.absent_on_denied,
        timeouts: options.timeouts,
    };
    let endpoint = Endpoint::resolve(&options, &found, region.as_ref()).await?;
    let wire = Wire::new(endpoint, credentials.clone(), &options)?;
    Ok(S3 {
        wire: Arc::new(wire),
        options: Arc::new(options),
        prefix: prefix.into(),
        probe,
        credentials,
        context: Arc::new(context),
    })
}

fn check(options: &S3Options) -> Result<(), Error> {
    if options.bucket.is_empty() {
        return Err(Error::Misconfigured(
            "the bucket has no name: set bucket".into(),
        ));
    }
    options.endpoint.as_deref().map_or(Ok(()), check_endpoint)
}

/// Whether `endpoint` says whom to ask.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), Error> {
    let usable = endpoint.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    if usable {
        Ok(())
    } else {
        // It may carry a password, so it is not quoted.
        let text = "endpoint is not a URL: write it as https://host:port";
        Err(Error::Misconfigured(text.into()))
    }
}

/// The prefix as a folder: without a slash in front, with one at its end; empty where there is none.
fn folder(prefix: Option<&str>) -> Result<String, Error> {
    let prefix = prefix.unwrap_or_default().trim_matches('/');
    if prefix.is_empty() {
        return Ok(String::new());
    }
    match AssetPath::from_decoded(prefix) {
        Ok(prefix) => Ok(format!("{prefix}/")),
        Err(_) => {
            let text = format!(
                "prefix {prefix:?} is not a path: give folders separated by single slashes"
            );
            Err(Error::Misconfigured(text.into()))
        }
    }
}

fn no_region(bucket: &str) -> Error {
    let text = format!("the region of bucket {bucket} is not known: set region, or AWS_REGION");
    Error::Misconfigured(text.into())
}

fn no_credentials(bucket: &str) -> Error {
    Error::Misconfigured(format!("there is no source of credentials for bucket {bucket}").into())
}

#[cfg(test)]
mod tests {
    use super::{check, folder};
    use crate::storage::S3Options;

    #[test]
    fn a_prefix_is_a_folder() {
        for (said, meant) in [
            (None, ""),
            (Some(""), ""),
            (Some("/"), ""),
            (Some("vod"), "vod/"),
            (Some("/a/b/"), "a/b/"),
        ] {
            assert_eq!(folder(said).as_deref(), Ok(meant), "{said:?}");
        }
        for wrong in ["a//b", "../a", "a/./b", "a\\b"] {
            assert!(folder(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_endpoint_is_a_url() {
        let endpoint = |text: &str| S3Options {
            endpoint: Some(text.into()),
            ..S3Options::new("b")
        };
        for good in [
            "http://127.0.0.1:9000",
            "https://minio.example",
            "http://[::1]:9000/base",
        ] {
            assert!(check(&endpoint(good)).is_ok(), "{good}");
        }
        for wrong in ["minio.example:9000", "ftp://x", "not a url", ""] {
            assert!(check(&endpoint(wrong)).is_err(), "{wrong}");
        }
        assert!(check(&S3Options::new("")).is_err());
    }
}
