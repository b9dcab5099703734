//! The contract against moto: what S3 is in other people's eyes.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use caudal::media::AssetPath;
use caudal::storage::conformance::{self, Fixture};
use caudal::storage::s3::Keys;
use caudal::storage::{Error, S3, S3Options, Storage};
use futures_util::future::BoxFuture;

use crate::BUCKET;
use crate::moto_server::Moto;

struct Bucket {
    moto: Moto,
    writer: Client,
    storage: S3,
}

impl Bucket {
    async fn create(versions: bool) -> Self {
        let moto = Moto::start();
        let writer = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url(&moto.url)
            .force_path_style(true)
            .build();
        let writer = Client::from_conf(writer);
        writer.create_bucket().bucket(BUCKET).send().await.unwrap();
        if versions {
            let on = VersioningConfiguration::builder()
                .status(BucketVersioningStatus::Enabled)
                .build();
            let set = writer
                .put_bucket_versioning()
                .bucket(BUCKET)
                .versioning_configuration(on);
            set.send().await.unwrap();
        }
        let storage = S3::connect(options(&moto, BUCKET, versions)).await.unwrap();
        Self {
            moto,
            writer,
            storage,
        }
    }
}

fn options(moto: &Moto, bucket: &str, versions: bool) -> S3Options {
    S3Options {
        region: Some("us-east-1".into()),
        endpoint: Some(moto.url.clone()),
        path_style: true,
        keys: Some(Keys {
            id: "id".into(),
            secret: "secret".into(),
        }),
        versions,
        ..S3Options::new(bucket)
    }
}

impl Fixture for Bucket {
    fn storage(&self) -> &dyn Storage {
        &self.storage
    }

    fn put<'a>(&'a self, asset: &'a AssetPath, bytes: Bytes) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let put = self.writer.put_object().bucket(BUCKET).key(asset.as_str());
            put.body(ByteStream::from(bytes)).send().await.unwrap();
        })
    }

    fn remove<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.writer
                .delete_object()
                .bucket(BUCKET)
                .key(asset.as_str())
                .send()
                .await
                .unwrap();
        })
    }
}

#[tokio::test]
async fn moto_conforms() {
    let bucket = Bucket::create(false).await;
    conformance::run(&bucket).await;

    let absent = S3::connect(options(&bucket.moto, "absent", false))
        .await
        .unwrap();
    let error = absent.probe().await.unwrap_err();
    assert!(
        matches!(&error, Error::Misconfigured(why) if why.contains("absent")),
        "{error:?}"
    );
}

#[tokio::test]
async fn moto_with_versions_conforms() {
    conformance::run(&Bucket::create(true).await).await;
}
