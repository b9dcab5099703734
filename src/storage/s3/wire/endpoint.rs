//! Where a bucket is asked for, and what its signatures name. The SDK's own rules decide.

use aws_config::SdkConfig;
use aws_sdk_s3::config::endpoint::{self, DefaultResolver, Params, ResolveEndpoint};
use aws_types::service_config::ServiceConfigKey;
use http::Uri;

use crate::storage::Error;
use crate::storage::s3::refusal::root_cause;
use crate::storage::s3::{S3Options, connect};

/// The place of one bucket, resolved once: no key changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage::s3) struct Endpoint {
    /// Whom to connect to; its path means nothing.
    pub(super) address: Uri,
    /// Whether to speak TLS there.
    pub(super) tls: bool,
    /// What Host says: the default port is left out, as every client does.
    pub(super) host: String,
    /// Scheme and host, as the signer reads them.
    pub(super) origin: String,
    /// What stands before a key's slash: the path of the endpoint itself, and the bucket where it is in the path.
    pub(super) base: String,
    /// The region that signatures name; an ARN may have one of its own.
    pub(super) region: String,
    /// The service that signatures name: `s3`, or `s3-outposts` and their like.
    pub(super) service: String,
}

impl Endpoint {
    /// Resolves the endpoint of the bucket as the SDK would: named in the host or the path, an access point's ARN,
    /// dual-stack and FIPS where environment or profile ask for them, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_S3`.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] where the rules know no endpoint, or one whose signatures are not the common kind.
    pub(in crate::storage::s3) async fn resolve(
        options: &S3Options,
        found: &SdkConfig,
        region: &str,
    ) -> Result<Self, Error> {
        let bucket = &options.bucket;
        let endpoint = options
            .endpoint
            .clone()
            .or_else(|| from_surroundings(found));
        endpoint
            .as_deref()
            .map_or(Ok(()), connect::check_endpoint)?;
        let params = Params::builder()
            .bucket(bucket)
            .region(region)
            .set_endpoint(endpoint)
            .force_path_style(options.path_style)
            .set_use_fips(found.use_fips())
            .set_use_dual_stack(found.use_dual_stack())
            .build()
            .map_err(|e| nowhere(bucket, &root_cause(&e)))?;
        let resolved = DefaultResolver::new();
        let resolved = ResolveEndpoint::resolve_endpoint(&resolved, &params).await;
        let resolved = resolved.map_err(|e| nowhere(bucket, &root_cause(&*e)))?;
        Self::read(&resolved, bucket, region)
    }

    fn read(resolved: &endpoint::Endpoint, bucket: &str, region: &str) -> Result<Self, Error> {
        let (service, region) = signature(resolved, region).ok_or_else(|| {
            // Directory buckets sign with keys of a session that has to be opened and renewed, multi-region access
            // points for all regions at once. Neither is worth a second way of asking.
            misconfigured(format!(
                "bucket {bucket} is a directory bucket or a multi-region access point, which caudal cannot sign \
                 for: use a general purpose bucket, or an access point in one region"
            ))
        })?;
        let address: Uri = resolved
            .url()
            .parse()
            .map_err(|_| nowhere(bucket, "its endpoint is not a URL"))?;
        let tls = address.scheme_str() == Some("https");
        let name = address.host().unwrap_or_default();
        let default_port = if tls { 443 } else { 80 };
        let host = match address.port_u16() {
            Some(port) if port != default_port => format!("{name}:{port}"),
            _ => name.to_owned(),
        };
        Ok(Self {
            tls,
            origin: format!("{}://{host}", if tls { "https" } else { "http" }),
            host,
            base: address.path().trim_end_matches('/').to_owned(),
            region,
            service,
            address,
        })
    }
}

/// The endpoint that environment or profile name, for S3 before one for all services.
fn from_surroundings(found: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let for_s3 = found
        .service_config()
        .and_then(|config| config.load_config(key));
    for_s3.or_else(|| found.endpoint_url().map(str::to_owned))
}

/// The service and the region that signatures name; `None` where SigV4 is not what the endpoint takes.
fn signature(resolved: &endpoint::Endpoint, region: &str) -> Option<(String, String)> {
    let schemes = resolved.auth_schemes();
    if schemes.is_empty() {
        return Some(("s3".into(), region.into()));
    }
    let scheme = schemes.iter().find(|scheme| scheme.name() == "sigv4")?;
    let said = |name, otherwise: &str| {
        let text = scheme.get(name).and_then(|value| value.as_string());
        text.unwrap_or(otherwise).to_owned()
    };
    Some((said("signingName", "s3"), said("signingRegion", region)))
}

fn nowhere(bucket: &str, why: &str) -> Error {
    misconfigured(format!("bucket {bucket} cannot be located: {why}"))
}

fn misconfigured(text: String) -> Error {
    Error::Misconfigured(text.into())
}

#[cfg(test)]
mod tests {
    use super::Endpoint;
    use crate::storage::{Error, S3Options};
    use aws_config::{Region, SdkConfig};

    async fn resolve(bucket: &str, change: impl FnOnce(&mut S3Options)) -> Result<Endpoint, Error> {
        let mut options = S3Options::new(bucket);
        change(&mut options);
        let found = SdkConfig::builder().region(Region::new("eu-west-1"));
        Endpoint::resolve(&options, &found.build(), "eu-west-1").await
    }

    /// Origin, Host, what comes before the key, service and region.
    async fn place(bucket: &str, change: impl FnOnce(&mut S3Options)) -> [String; 5] {
        let Endpoint {
            host,
            origin,
            base,
            region,
            service,
            ..
        } = resolve(bucket, change).await.unwrap();
        [origin, host, base, service, region]
    }

    #[tokio::test]
    async fn a_bucket_is_in_the_host_or_in_the_path() {
        let host = "films.s3.eu-west-1.amazonaws.com";
        let origin = format!("https://{host}");
        assert_eq!(
            place("films", |_| {}).await,
            [&origin, host, "", "s3", "eu-west-1"]
        );
        let host = "s3.eu-west-1.amazonaws.com";
        let origin = format!("https://{host}");
        assert_eq!(
            place("films", |o| o.path_style = true).await,
            [&origin, host, "/films", "s3", "eu-west-1"]
        );
        // A name with dots is no single label of a certificate.
        assert_eq!(
            place("films.example", |_| {}).await,
            [&origin, host, "/films.example", "s3", "eu-west-1"]
        );
    }

    #[tokio::test]
    async fn an_endpoint_of_ones_own_keeps_its_port_and_path() {
        let at = |url: &str, path_style| {
            let url = url.to_owned();
            place("films", move |o| {
                o.endpoint = Some(url);
                o.path_style = path_style;
            })
        };
        assert_eq!(
            at("http://minio:9000/base/", true).await,
            [
                "http://minio:9000",
                "minio:9000",
                "/base/films",
                "s3",
                "eu-west-1"
            ]
        );
        assert_eq!(
            at("https://minio.example:443", false).await,
            [
                "https://films.minio.example",
                "films.minio.example",
                "",
                "s3",
                "eu-west-1"
            ]
        );
        assert_eq!(
            at("http://[::1]:9000", true).await,
            [
                "http://[::1]:9000",
                "[::1]:9000",
                "/films",
                "s3",
                "eu-west-1"
            ]
        );
    }

    #[tokio::test]
    async fn an_arn_names_its_own_host() {
        let arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/films";
        let host = "films-123456789012.s3-accesspoint.eu-west-1.amazonaws.com";
        let origin = format!("https://{host}");
        assert_eq!(
            place(arn, |_| {}).await,
            [&origin, host, "", "s3", "eu-west-1"]
        );
    }

    #[tokio::test]
    async fn dual_stack_is_heard_of() {
        let found = SdkConfig::builder().use_dual_stack(true).build();
        let options = S3Options::new("films");
        let endpoint = Endpoint::resolve(&options, &found, "eu-west-1")
            .await
            .unwrap();
        assert_eq!(endpoint.host, "films.s3.dualstack.eu-west-1.amazonaws.com");
    }

    #[tokio::test]
    async fn what_cannot_be_signed_or_located_is_misconfigured() {
        for bucket in [
            "films--euw1-az1--x-s3",
            "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
            "arn:aws:sns:eu-west-1:123456789012:films",
        ] {
            let error = resolve(bucket, |_| {}).await.unwrap_err();
            assert!(
                matches!(error, Error::Misconfigured(_)),
                "{bucket}: {error}"
            );
        }
    }
}
