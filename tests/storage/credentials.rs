//! Each way by which a process finds its credentials, from the environment to the instance's metadata.
//!
//! The environment belongs to a process, so each case runs caudal itself.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::s3::{KEY_ID, REGION, S3Server, SECRET};
use crate::harness::stub::{Asked, Stub};
use crate::harness::tls;
use crate::{BUCKET, KEY};

const TOKEN: &str = "a-session-token";
const EXPIRY: &str = "2099-01-01T00:00:00Z";

/// Reads the log until the storage is ready, and then an object; or until it is said to have failed.
async fn outcome(stderr: tokio::process::ChildStderr) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut addresses = None;
    // The two are told in either order.
    let mut is_ready = false;
    while let Some(text) = lines.next_line().await.unwrap() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(&text) else {
            let mut rest = String::new();
            let _ = lines.into_inner().read_to_string(&mut rest).await;
            return format!("REFUSED {text}{rest}");
        };
        match line["message"].as_str().unwrap_or_default() {
            "serving" => {
                let listen = line["listen"].as_str().unwrap().trim_matches(['[', ']']);
                addresses = Some((
                    listen.to_owned(),
                    line["admin"].as_str().unwrap().to_owned(),
                ));
            }
            "storage is not ready" => {
                return format!("REFUSED {}", line["detail"].as_str().unwrap());
            }
            "storage is ready" => is_ready = true,
            _ => {}
        }
        if let Some((listen, admin)) = addresses.as_ref().filter(|_| is_ready) {
            return served(listen, admin).await;
        }
    }
    "REFUSED without a word".into()
}

async fn served(listen: &str, admin: &str) -> String {
    let answer = get(listen, &format!("/{KEY}")).await;
    assert!(answer.ends_with("bytes"), "{answer}");
    // The gauge is set once a second.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let metrics = get(admin, "/metrics").await;
    let expires = metrics.contains("\ncaudal_storage_credentials_expire_timestamp_seconds{");
    format!("SERVED expires={expires}")
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

struct Case {
    s3: S3Server,
    home: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Case {
    async fn new() -> Self {
        Self::with(S3Server::start().await)
    }

    fn with(s3: S3Server) -> Self {
        s3.put(BUCKET, KEY, "bytes");
        let env = vec![
            ("CAUDAL_STORAGE__MEDIA__KIND", "s3".into()),
            ("CAUDAL_STORAGE__MEDIA__BUCKET", BUCKET.into()),
            ("CAUDAL_STORAGE__MEDIA__ENDPOINT", s3.url()),
            ("CAUDAL_STORAGE__MEDIA__PATH_STYLE", "true".into()),
            ("AWS_REGION", REGION.into()),
        ];
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

    /// Runs caudal in this environment; tells what became of its storage.
    async fn run(&self) -> String {
        let mut caudal = tokio::process::Command::new(env!("CARGO_BIN_EXE_caudal"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr = caudal.stderr.take().unwrap();
        let told = tokio::time::timeout(Duration::from_secs(60), outcome(stderr)).await;
        told.expect("caudal says what became of its storage")
    }

    /// The session token that came with the viewer's request.
    fn token(&self) -> Option<String> {
        let mut seen = self.s3.requests();
        seen.retain(|seen| seen.key == KEY);
        let [seen] = seen.try_into().expect("one request");
        assert!(matches!(seen.status, Some(200 | 206)), "{seen:?}");
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
async fn over_tls_to_whom_the_system_trusts() {
    let case = Case::with(S3Server::start_tls().await)
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("SSL_CERT_FILE", tls::authority().to_str().unwrap());
    assert_eq!(case.run().await, "SERVED expires=false");
    assert_eq!(case.token(), None);
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
        .env("CAUDAL_STORAGE__MEDIA__PROFILE", "films");
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
    assert!(
        line.starts_with("REFUSED storage is misconfigured"),
        "{line}"
    );
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
        line.starts_with("REFUSED storage is unavailable")
            || line.starts_with("REFUSED storage is misconfigured"),
        "{line}"
    );
}
