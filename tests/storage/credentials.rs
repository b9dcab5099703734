//! Each way by which a process finds its credentials, from the environment to the instance's metadata.
//!
//! The environment belongs to a process, so each case runs in a process of its own: this binary again, told to run
//! [`child`] alone.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use caudal::storage::{Read, S3, S3Options, Storage};
use http::StatusCode;

use crate::harness::s3::{KEY_ID, REGION, S3Server, SECRET};
use crate::harness::stub::{Asked, Stub};
use crate::{BUCKET, KEY, asset, read};

const TOKEN: &str = "a-session-token";
const EXPIRY: &str = "2099-01-01T00:00:00Z";

/// The part that runs in the child: reads one object, with whatever credentials it finds.
#[tokio::test]
#[ignore = "runs as the child of the other tests, in an environment that they make"]
async fn child() {
    let var = |name: &str| std::env::var(name).ok();
    let options = S3Options {
        endpoint: var("CHILD_ENDPOINT"),
        profile: var("CHILD_PROFILE"),
        path_style: true,
        ..S3Options::new(BUCKET)
    };
    let storage = S3::connect(options)
        .await
        .unwrap_or_else(|e| panic!("REFUSED {}: {e}", e.reason()));
    match storage.get(&asset(KEY), Read::default()).await {
        Ok(object) => {
            assert_eq!(read(object).await.0, b"bytes");
            println!("SERVED expires={}", storage.credentials_expire().is_some());
        }
        Err(error) => println!("REFUSED {}: {error}", error.reason()),
    }
}

struct Case {
    s3: S3Server,
    home: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Case {
    async fn new() -> Self {
        let s3 = S3Server::start().await;
        s3.put(BUCKET, KEY, "bytes");
        let env = vec![("CHILD_ENDPOINT", s3.url()), ("AWS_REGION", REGION.into())];
        // No case may reach for the metadata of the machine that the tests run on.
        let env = [env, vec![("AWS_EC2_METADATA_DISABLED", "true".into())]].concat();
        Self {
            s3,
            home: tempfile::tempdir().unwrap(),
            env,
        }
    }

    fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.into()));
        self
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the child; gives the line it prints.
    async fn run(&self) -> String {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "credentials::child", "--ignored", "--nocapture"])
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || child.output());
        let output = tokio::time::timeout(Duration::from_secs(60), output).await;
        let output = output.expect("the child ends").unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let at = text.find("SERVED").or_else(|| text.find("REFUSED"));
        let at = at.unwrap_or_else(|| panic!("the child says nothing: {text}"));
        text[at..].lines().next().unwrap().to_owned()
    }

    /// The session token that came with the only request.
    fn token(&self) -> Option<String> {
        let [seen] = self.s3.requests().try_into().expect("one request");
        assert_eq!(seen.status, Some(200));
        seen.header("x-amz-security-token").map(str::to_owned)
    }
}

fn temporary(request: &Asked, path: &str) -> (StatusCode, String) {
    if !request.target.starts_with(path) {
        return (StatusCode::NOT_FOUND, String::new());
    }
    let document = serde_json::json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2020-01-01T00:00:00Z",
        "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": EXPIRY,
        "AccountId": "123456789012",
    });
    (StatusCode::OK, document.to_string())
}

#[tokio::test]
async fn from_the_environment() {
    let case = Case::new()
        .await
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET);
    assert_eq!(case.run().await, "SERVED expires=false");
    assert_eq!(case.token(), None);
    let case = case.env("AWS_SESSION_TOKEN", TOKEN);
    case.s3.forget();
    assert_eq!(case.run().await, "SERVED expires=false");
    assert_eq!(case.token().as_deref(), Some(TOKEN));
}

#[tokio::test]
async fn from_a_profile_and_its_region() {
    let case = Case::new().await;
    let config = case.file("config", &format!("[profile films]\nregion = {REGION}\n"));
    let keys = format!("[films]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n");
    let keys = case.file("credentials", &keys);
    let mut case = case
        .env("AWS_CONFIG_FILE", config)
        .env("AWS_SHARED_CREDENTIALS_FILE", keys)
        .env("CHILD_PROFILE", "films");
    case.env.retain(|(name, _)| *name != "AWS_REGION");
    assert_eq!(case.run().await, "SERVED expires=false");
    let authorization = case.s3.requests()[0]
        .header("authorization")
        .unwrap()
        .to_owned();
    assert!(authorization.contains(REGION), "{authorization}");
}

#[tokio::test]
async fn from_web_identity() {
    let sts = Stub::start(|request| {
        if !request.body.contains("Action=AssumeRoleWithWebIdentity") {
            return (StatusCode::BAD_REQUEST, String::new());
        }
        let document = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult>\
             <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/films/caudal</Arn>\
             <AssumedRoleId>AROATEST:caudal</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
             <SessionToken>{TOKEN}</SessionToken><Expiration>{EXPIRY}</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        );
        (StatusCode::OK, document)
    })
    .await;
    let case = Case::new().await;
    let file = case.file("token", "a.web.identity");
    let case = case
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/films")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", file)
        .env("AWS_ENDPOINT_URL_STS", sts.url());
    assert_eq!(case.run().await, "SERVED expires=true");
    assert_eq!(case.token().as_deref(), Some(TOKEN));
    let asked = &sts.asked()[0].body;
    assert!(asked.contains("WebIdentityToken=a.web.identity"), "{asked}");
    assert!(asked.contains("role%2Ffilms"), "{asked}");
}

#[tokio::test]
async fn from_a_container() {
    let agent = Stub::start(|request| match request.header("authorization") {
        Some("a-pod-token") => temporary(request, "/v1/credentials"),
        _ => (StatusCode::UNAUTHORIZED, String::new()),
    })
    .await;
    let case = Case::new().await;
    let file = case.file("pod-token", "a-pod-token");
    let case = case
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/v1/credentials", agent.url()),
        )
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file);
    assert_eq!(case.run().await, "SERVED expires=true");
    assert_eq!(case.token().as_deref(), Some(TOKEN));
}

fn metadata(request: &Asked) -> (StatusCode, String) {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials";
    if request.method == "PUT" && request.target == "/latest/api/token" {
        return (StatusCode::OK, "an-imds-token".into());
    }
    if request.header("x-aws-ec2-metadata-token") != Some("an-imds-token") {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    match request.target.trim_end_matches('/') {
        ROLES => (StatusCode::OK, "films-role".into()),
        "/latest/meta-data/placement/region" => (StatusCode::OK, REGION.into()),
        _ => temporary(request, &format!("{ROLES}/films-role")),
    }
}

#[tokio::test]
async fn from_the_instances_metadata_with_its_region() {
    let imds = Stub::start(metadata).await;
    let mut case = Case::new()
        .await
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url());
    case.env
        .retain(|(name, _)| !matches!(*name, "AWS_EC2_METADATA_DISABLED" | "AWS_REGION"));
    assert_eq!(case.run().await, "SERVED expires=true");
    assert_eq!(case.token().as_deref(), Some(TOKEN));
    let authorization = case.s3.requests()[0]
        .header("authorization")
        .unwrap()
        .to_owned();
    assert!(authorization.contains(REGION), "{authorization}");
    assert!(
        imds.asked().iter().any(|asked| asked.method == "PUT"),
        "the second version is spoken"
    );
}

#[tokio::test]
async fn from_nowhere_is_misconfigured_with_what_to_do() {
    let case = Case::new().await;
    let line = case.run().await;
    assert!(line.starts_with("REFUSED misconfigured: "), "{line}");
    assert!(
        line.contains("AWS_ACCESS_KEY_ID") && line.contains(BUCKET),
        "{line}"
    );
    assert_eq!(case.s3.requests().len(), 0);
}

#[tokio::test]
async fn from_a_broken_source_is_unavailable_or_misconfigured_and_quotes_no_secret() {
    let case = Case::new().await;
    let absent = Path::new("/nonexistent/token").to_str().unwrap();
    let sts = Stub::start(|_| (StatusCode::SERVICE_UNAVAILABLE, String::new())).await;
    let case = case
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/films")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", absent)
        .env("AWS_ENDPOINT_URL_STS", sts.url());
    let line = case.run().await;
    assert!(
        line.starts_with("REFUSED unavailable: ") || line.starts_with("REFUSED misconfigured: "),
        "{line}"
    );
}
