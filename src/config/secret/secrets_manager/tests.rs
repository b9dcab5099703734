//! References, requests and answers.

use proptest::prelude::*;

use super::*;

const ARN: &str = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:edge/key-a1B2c3";

fn id(text: &str) -> SecretId {
    SecretId::parse(text).unwrap()
}

fn read(text: &str, status: u16, body: &str) -> Result<Vec<u8>, Failure> {
    let status = StatusCode::from_u16(status).unwrap();
    let secret = id(text).read(status, &HeaderMap::new(), body.as_bytes());
    secret.map(|secret| secret.reveal().to_vec())
}

#[test]
fn names_and_arns_are_read_with_and_without_a_key() {
    for text in [
        "edge",
        "edge/prod/key_1+a=b.c@d",
        "edge#hmac",
        "edge#a key: of #2",
        ARN,
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a#k",
    ] {
        assert_eq!(id(text).to_string(), text);
    }
}

#[test]
fn what_is_no_name_and_no_arn_is_refused_without_being_repeated() {
    let long = "a".repeat(513);
    let long_key = format!("a#{}", "k".repeat(257));
    let extra = format!("{ARN}:x");
    for text in [
        "",
        "#key",
        "name#",
        "hunter2!",
        "hunter2 x",
        "hunter2:x",
        "arn:aws:s3:::hunter2",
        "arn:aws:secretsmanager:eu-north-1:123:secret:hunter2",
        "arn:aws:secretsmanager::123456789012:secret:hunter2",
        "arn:aws:secretsmanager:eu-north-1:123456789012:secret:",
        &extra,
        &long,
        &long_key,
    ] {
        let error = SecretId::parse(text).unwrap_err();
        assert!(
            error.starts_with("aws-secretsmanager: needs the name"),
            "{text}"
        );
        assert!(!error.contains("hunter2"));
    }
}

#[test]
fn an_arn_says_its_region() {
    assert_eq!(id(ARN).region(), Some("eu-north-1"));
    assert_eq!(id("edge").region(), None);
}

#[test]
fn the_request_asks_for_the_secret_and_not_for_the_key() {
    let request = id("edge/key#hmac").request();
    assert_eq!(
        (request.method(), request.uri().path()),
        (&Method::POST, "/")
    );
    assert_eq!(
        request.headers()["x-amz-target"],
        "secretsmanager.GetSecretValue"
    );
    assert_eq!(
        request.headers()["content-type"],
        "application/x-amz-json-1.1"
    );
    assert_eq!(request.body(), r#"{"SecretId":"edge/key"}"#);
}

#[test]
fn a_text_a_binary_and_a_key_of_json_are_read() {
    let text = r#"{"ARN":"a","Name":"n","SecretString":"s3cret\n","VersionStages":["AWSCURRENT"]}"#;
    assert_eq!(read("n", 200, text).unwrap(), b"s3cret");
    // Bytes are taken as they are: their last one may well be a newline.
    assert_eq!(
        read("n", 200, r#"{"SecretBinary":"AP8K"}"#).unwrap(),
        [0, 255, 10]
    );
    let json = r#"{"SecretString":"{\"a\":\"1\",\"b#c\":\"2\\n\"}"}"#;
    assert_eq!(read("n#a", 200, json).unwrap(), b"1");
    assert_eq!(read("n#b#c", 200, json).unwrap(), b"2");
    let binary = format!(
        r#"{{"SecretBinary":"{}"}}"#,
        BASE64_STANDARD.encode(r#"{"a":"1"}"#)
    );
    assert_eq!(read("n#a", 200, &binary).unwrap(), b"1");
}

#[test]
fn a_key_that_is_not_there_or_no_string_is_refused() {
    for (body, failure) in [
        (r#"{"SecretString":"plain"}"#, Failure::NotAnObject),
        (r#"{"SecretString":"[\"a\"]"}"#, Failure::NotAnObject),
        (r#"{"SecretString":"{\"b\":\"1\"}"}"#, Failure::NoSuchKey),
        (r#"{"SecretString":"{\"a\":1}"}"#, Failure::NotAString),
        (r#"{"SecretString":"{\"a\":{}}"}"#, Failure::NotAString),
        (r#"{"SecretString":"{\"a\":\"\"}"}"#, Failure::Empty),
        (r#"{"SecretString":"{\"a\":\"\\n\"}"}"#, Failure::Empty),
    ] {
        assert_eq!(read("n#a", 200, body), Err(failure), "{body}");
    }
}

#[test]
fn what_is_no_answer_is_unreadable() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"SecretString":1}"#,
        r#"{"SecretBinary":"%"}"#,
    ] {
        assert_eq!(read("n", 200, body), Err(Failure::Unreadable), "{body}");
    }
    assert_eq!(read("n", 302, "{}"), Err(Failure::Unreadable));
    let large = format!(r#"{{"SecretString":"{}"}}"#, "a".repeat(LARGEST_ANSWER));
    assert_eq!(read("n", 200, &large), Err(Failure::Unreadable));
}

#[test]
fn failures_are_told_apart_by_their_code() {
    let denied = "User: arn:aws:iam::1:user/x is not authorized";
    for (status, code, failure) in [
        (400, "ResourceNotFoundException", Failure::NotFound),
        (
            400,
            "com.amazonaws.secretsmanager#ResourceNotFoundException",
            Failure::NotFound,
        ),
        (
            400,
            "AccessDeniedException",
            Failure::AccessDenied(denied.into()),
        ),
        (400, "ThrottlingException", Failure::Throttled),
        (400, "TooManyRequestsException", Failure::Throttled),
        (429, "", Failure::Throttled),
        (400, "DecryptionFailure", Failure::Decryption(denied.into())),
        (
            400,
            "InvalidRequestException",
            Failure::Invalid(denied.into()),
        ),
        (
            400,
            "ExpiredTokenException",
            Failure::Credentials(denied.into()),
        ),
        (
            400,
            "UnrecognizedClientException",
            Failure::Credentials(denied.into()),
        ),
        (
            500,
            "InternalServiceError",
            Failure::Unavailable(StatusCode::INTERNAL_SERVER_ERROR),
        ),
        (
            503,
            "",
            Failure::Unavailable(StatusCode::SERVICE_UNAVAILABLE),
        ),
        (400, "SomethingNew", Failure::Unreadable),
    ] {
        let body = serde_json::json!({ "__type": code, "Message": denied }).to_string();
        assert_eq!(read("n", status, &body), Err(failure), "{status} {code}");
    }
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-amzn-errortype"),
        http::HeaderValue::from_static("ResourceNotFoundException:http://internal.amazon.com/"),
    )]);
    let failure = id("n").read(StatusCode::BAD_REQUEST, &headers, b"");
    assert_eq!(failure, Err(Failure::NotFound));
}

#[test]
fn what_passes_by_itself_is_temporary_and_what_needs_someone_is_not() {
    assert!(Failure::Throttled.is_temporary());
    assert!(Failure::Unavailable(StatusCode::BAD_GATEWAY).is_temporary());
    assert!(
        !Failure::NotFound.is_temporary() && !Failure::AccessDenied(String::new()).is_temporary()
    );
}

#[test]
fn a_message_is_cut_and_cannot_break_a_line() {
    let body = serde_json::json!({ "__type": "AccessDenied", "message": format!("a\nb{}", "ü".repeat(1000)) });
    let Err(Failure::AccessDenied(message)) = read("n", 400, &body.to_string()) else {
        panic!("not denied");
    };
    assert!(message.starts_with("a bü") && message.chars().count() == LONGEST_MESSAGE);
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused_without_a_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        status in 100..600_u16,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        for text in ["n", "n#a"] {
            let _ = id(text).read(status, &HeaderMap::new(), &body);
        }
    }

    #[test]
    fn every_secret_text_survives_the_answer(text in "[^\r\n]{1,100}", key in "[^\u{0}-\u{1f}]{1,20}") {
        let whole = serde_json::json!({ "SecretString": text }).to_string();
        prop_assert_eq!(read("n", 200, &whole).unwrap(), text.as_bytes());
        let mut object = serde_json::Map::new();
        object.insert(key.clone(), text.clone().into());
        let inner = Value::Object(object).to_string();
        let keyed = serde_json::json!({ "SecretString": inner }).to_string();
        prop_assert_eq!(read(&format!("n#{key}"), 200, &keyed).unwrap(), text.as_bytes());
    }

    #[test]
    fn any_id_is_read_or_refused_without_a_panic(text in "(arn:aws:secretsmanager:|:|#|.){0,20}") {
        if let Ok(id) = SecretId::parse(&text) {
            prop_assert_eq!(id.to_string(), text);
            let _ = id.region();
        }
    }
}
