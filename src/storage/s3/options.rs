//! What an operator says of a bucket.

use std::fmt::{self, Debug};
use std::time::Duration;

/// Which bucket, where, and how to ask it.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The bucket's name, or an access point's ARN.
    pub bucket: String,
    /// The bucket's region; `None` asks the environment, the profile and the instance's metadata.
    pub region: Option<String>,
    /// Another server that speaks S3, such as `https://minio.example:9000`; `None` is AWS.
    pub endpoint: Option<String>,
    /// Name the bucket in the path, not in the host: most servers other than AWS want it.
    pub path_style: bool,
    /// The folder within the bucket that holds the assets, with or without slashes around it: `vod` makes the key
    /// of `a.m3u8` `vod/a.m3u8`.
    pub prefix: Option<String>,
    /// The profile to take credentials and region from; `None` is `AWS_PROFILE` or the default one.
    pub profile: Option<String>,
    /// Access keys given by hand, for servers that hand out nothing else; `None` asks the SDK's chain.
    pub keys: Option<Keys>,
    /// Accept the charges of a requester-pays bucket.
    pub requester_pays: bool,
    /// The account that must own the bucket: a bucket deleted and registered by someone else is then refused.
    pub expected_owner: Option<String>,
    /// Read a pinned version by its version id where the bucket tells one: a response under way survives the
    /// object's replacement. Needs s3:GetObjectVersion.
    pub versions: bool,
    /// Take a 403 for absence. S3 answers 403 for absent keys where s3:ListBucket is denied; with this, an object
    /// that is truly denied is a 404 too.
    pub absent_on_denied: bool,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

impl S3Options {
    /// A bucket on AWS, everything else by default.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            region: None,
            endpoint: None,
            path_style: false,
            prefix: None,
            profile: None,
            keys: None,
            requester_pays: false,
            expected_owner: None,
            versions: false,
            absent_on_denied: false,
            timeouts: Timeouts::default(),
        }
    }
}

/// Access keys that do not expire.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The access key's id.
    pub id: String,
    /// The secret that signs.
    pub secret: String,
}

impl Debug for Keys {
    // Options end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Upper bounds on the parts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a new connection, TLS included.
    pub connect: Duration,
    /// From the call to the response head: connecting and finding credentials count in.
    pub first_byte: Duration,
    /// For the next piece of a body; also the window in which some 16 KiB have to arrive.
    pub stall: Duration,
    /// For the whole request, body included.
    pub total: Duration,
}

impl Default for Timeouts {
    // Three attempts at a dead bucket stay below CloudFront's 30 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(8),
            stall: Duration::from_secs(5),
            total: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, S3Options};

    #[test]
    fn a_secret_is_not_shown() {
        let keys = Keys {
            id: "AKIA".into(),
            secret: "hidden".into(),
        };
        let options = S3Options {
            keys: Some(keys),
            ..S3Options::new("films")
        };
        assert!(!format!("{options:?}").contains("hidden"));
    }
}
