//! Secrets that AWS Secrets Manager keeps: what to ask and how to read the answer. Sends nothing itself. Start with
//! [`SecretId::request`].

use std::fmt;

use super::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde_json::Value;

use super::{LARGEST, without_newline};

/// The largest answer that is read, in bytes: the largest secret with every byte escaped, and its frame.
pub const LARGEST_ANSWER: usize = 6 * LARGEST + 8192;
/// The longest ARN, and the longest name (API reference, GetSecretValue).
const LONGEST_ARN: usize = 2048;
const LONGEST_NAME: usize = 512;
const LONGEST_KEY: usize = 256;
/// How much of a message of AWS is repeated, in characters.
const LONGEST_MESSAGE: usize = 300;

const MALFORMED: &str = "aws-secretsmanager: needs the name of a secret (letters, digits and /_+=.@-) or its ARN, and \
                         may have # and a key of its JSON behind it";

/// Which secret: a name or an ARN, and perhaps one key of the JSON object that it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretId {
    id: String,
    key: Option<String>,
}

/// Why there is no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// AWS knows none of this name.
    #[error("there is no such secret in this region: check its name, or write its ARN")]
    NotFound,
    /// AWS does not let us have it. It says more.
    #[error(
        "access is denied: allow secretsmanager:GetSecretValue, and kms:Decrypt on its key ({0})"
    )]
    AccessDenied(String),
    /// The credentials are missing, wrong or out of date, or the clock is.
    #[error("the credentials are not accepted: check them, and the clock ({0})")]
    Credentials(String),
    /// Too many ask.
    #[error("aws is asked too often")]
    Throttled,
    /// Its key cannot be used.
    #[error("the secret cannot be decrypted: check its KMS key ({0})")]
    Decryption(String),
    /// Marked for deletion, or without a current version.
    #[error("the secret cannot be read in its state: restore it or give it a value ({0})")]
    Invalid(String),
    /// AWS is at fault, or something before it.
    #[error("secrets manager answers {0}")]
    Unavailable(StatusCode),
    /// No answer of Secrets Manager.
    #[error(
        "the answer is not one of secrets manager: check the endpoint and the proxies before it"
    )]
    Unreadable,
    /// A key is named, and the secret is no object.
    #[error("the secret is no JSON object: remove # and the key from its reference")]
    NotAnObject,
    /// The object does not have the key.
    #[error("the secret's JSON does not have the key: check what stands behind #")]
    NoSuchKey,
    /// The key's value is a number, an object or the like.
    #[error("the value of the secret's key is no string: write it in quotes")]
    NotAString,
    /// There is nothing in it.
    #[error("the secret is empty: give it a value")]
    Empty,
}

impl SecretId {
    /// Reads what stands behind `aws-secretsmanager:`.
    ///
    /// # Errors
    /// With what to write instead, repeating nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (id, key) = match text.split_once('#') {
            Some((id, key)) => (id, Some(key)),
            None => (text, None),
        };
        let is_id = is_name(id) || is_arn(id);
        let is_key = key.is_none_or(|key| (1..=LONGEST_KEY).contains(&key.len()));
        if !is_id || !is_key {
            return Err(MALFORMED.to_owned());
        }
        Ok(Self {
            id: id.to_owned(),
            key: key.map(str::to_owned),
        })
    }

    /// The region to ask in, where it is known from the ARN; the configured one otherwise.
    pub fn region(&self) -> Option<&str> {
        let (prefix, rest) = self.id.split_once(":secretsmanager:")?;
        prefix.starts_with("arn:").then(|| rest.split(':').next())?
    }

    /// The request to send, as AWS JSON 1.1: its path alone, to be sent to the region's endpoint and signed.
    pub fn request(&self) -> Request<String> {
        let body = serde_json::json!({ "SecretId": self.id });
        let mut request = Request::new(body.to_string());
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        headers.insert(
            "x-amz-target",
            HeaderValue::from_static("secretsmanager.GetSecretValue"),
        );
        request
    }

    /// The secret in the answer. Of a text one newline at its end is no part of the secret, as in a file.
    ///
    /// # Errors
    /// When AWS gives none, or what it gives is not what the reference says.
    pub fn read(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Secret, Failure> {
        if body.len() > LARGEST_ANSWER {
            return Err(Failure::Unreadable);
        }
        let answer: Option<Value> = serde_json::from_slice(body).ok();
        if status != StatusCode::OK {
            return Err(failure(status, headers, answer.as_ref()));
        }
        let answer = answer.ok_or(Failure::Unreadable)?;
        let text = answer.get("SecretString").and_then(Value::as_str);
        let binary = answer.get("SecretBinary").and_then(Value::as_str);
        let secret = match (text, binary, &self.key) {
            (Some(text), _, Some(key)) => of_key(text.as_bytes(), key)?,
            (Some(text), _, None) => text.as_bytes().to_vec(),
            (None, Some(binary), key) => {
                let bytes = BASE64_STANDARD
                    .decode(binary)
                    .map_err(|_| Failure::Unreadable)?;
                match key {
                    Some(key) => of_key(&bytes, key)?,
                    None => bytes,
                }
            }
            (None, None, _) => return Err(Failure::Unreadable),
        };
        let is_text = text.is_some() || self.key.is_some();
        let secret = if is_text {
            without_newline(&secret)
        } else {
            &secret
        };
        if secret.is_empty() {
            return Err(Failure::Empty);
        }
        Ok(Secret::new(secret))
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        match &self.key {
            Some(key) => write!(f, "#{key}"),
            None => Ok(()),
        }
    }
}

impl Failure {
    /// Whether the same request may succeed later, without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::Unavailable(_) | Self::Credentials(_)
        )
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_part)
}

/// `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`
fn is_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(8, ':').collect();
    let [
        "arn",
        partition,
        "secretsmanager",
        region,
        account,
        "secret",
        name,
    ] = parts[..]
    else {
        return false;
    };
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= LONGEST_ARN
        && is_word(partition)
        && is_word(region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && is_name(name)
}

fn of_key(json: &[u8], key: &str) -> Result<Vec<u8>, Failure> {
    let Ok(Value::Object(mut object)) = serde_json::from_slice(json) else {
        return Err(Failure::NotAnObject);
    };
    match object.remove(key) {
        Some(Value::String(text)) => Ok(text.into_bytes()),
        Some(_) => Err(Failure::NotAString),
        None => Err(Failure::NoSuchKey),
    }
}

/// What an answer that is no success says. Its code is in a header or in the body, in one of several spellings:
/// `com.amazonaws.secretsmanager#ResourceNotFoundException:http://…`.
fn failure(status: StatusCode, headers: &HeaderMap, answer: Option<&Value>) -> Failure {
    let of_answer = |name| answer.and_then(|answer| answer.get(name)?.as_str());
    let header = headers
        .get("x-amzn-errortype")
        .and_then(|code| code.to_str().ok());
    let code = header.or_else(|| of_answer("__type")).unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let message = of_answer("Message").or_else(|| of_answer("message"));
    let message = || said(message.unwrap_or(code));
    match code.strip_suffix("Exception").unwrap_or(code) {
        "ResourceNotFound" => Failure::NotFound,
        "AccessDenied" => Failure::AccessDenied(message()),
        "UnrecognizedClient"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "InvalidSignature"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "RequestExpired" => Failure::Credentials(message()),
        "Throttling"
        | "ThrottledException"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "LimitExceeded" => Failure::Throttled,
        "DecryptionFailure" => Failure::Decryption(message()),
        "InvalidRequest" | "InvalidParameter" | "Validation" => Failure::Invalid(message()),
        _ if status == StatusCode::TOO_MANY_REQUESTS => Failure::Throttled,
        _ if status.is_server_error() || code == "InternalServiceError" => {
            Failure::Unavailable(status)
        }
        _ => Failure::Unreadable,
    }
}

/// A message of someone else's, made fit for a line of a log.
fn said(message: &str) -> String {
    let printable = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    printable.take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests;
