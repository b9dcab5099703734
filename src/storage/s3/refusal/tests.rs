use aws_credential_types::provider::error::CredentialsError;
use http::response::Parts;

use super::{Context, Failure, Refusal, judge_failure};
use crate::storage::Error;
use crate::storage::s3::Timeouts;

fn context(absent_on_denied: bool) -> Context {
    Context {
        bucket: "films".into(),
        region: "eu-west-1".into(),
        absent_on_denied,
        timeouts: Timeouts::default(),
    }
}

fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Parts {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = http::StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        head.headers
            .insert(*name, http::HeaderValue::from_static(value));
    }
    head
}

/// S3's document with this code, and whatever else it says; none where the code is empty.
fn document(code: &str, more: &str) -> String {
    match code {
        "" => String::new(),
        code => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>{more}</Error>"
        ),
    }
}

fn judged(head: &Parts, document: &str, absent_on_denied: bool) -> Error {
    Refusal::read(head, document.as_bytes()).judge(&context(absent_on_denied))
}

fn reason(status: u16, code: &str) -> &'static str {
    judged(&answer(status, &[]), &document(code, ""), false).reason()
}

#[test]
fn codes_are_judged() {
    for (status, code, want) in [
        (404, "NoSuchKey", "not_found"),
        (404, "NoSuchBucket", "misconfigured"),
        (404, "NoSuchVersion", "changed"),
        (400, "ExpiredToken", "misconfigured"),
        (400, "InvalidToken", "misconfigured"),
        (400, "KeyTooLongError", "not_found"),
        (403, "InvalidAccessKeyId", "misconfigured"),
        (403, "SignatureDoesNotMatch", "misconfigured"),
        (403, "RequestTimeTooSkewed", "misconfigured"),
        (403, "AllAccessDisabled", "misconfigured"),
        (403, "InvalidObjectState", "archived"),
        (403, "AccessDenied", "denied"),
        (503, "SlowDown", "throttled"),
        (503, "ServiceUnavailable", "throttled"),
        (500, "InternalError", "unavailable"),
        (400, "InvalidArgument", "invalid"),
        (301, "PermanentRedirect", "misconfigured"),
        (400, "AuthorizationHeaderMalformed", "misconfigured"),
    ] {
        assert_eq!(reason(status, code), want, "{status} {code}");
    }
}

#[test]
fn statuses_are_judged_where_there_is_no_code() {
    for (status, want) in [
        (301, "misconfigured"),
        (304, "not_modified"),
        (307, "unavailable"),
        (400, "misconfigured"),
        (401, "misconfigured"),
        (403, "denied"),
        (404, "not_found"),
        (408, "unavailable"),
        (412, "changed"),
        (416, "range_not_satisfiable"),
        (418, "invalid"),
        (429, "throttled"),
        (500, "unavailable"),
        (502, "unavailable"),
        (503, "throttled"),
        (504, "unavailable"),
    ] {
        assert_eq!(reason(status, ""), want, "{status}");
    }
}

#[test]
fn a_403_is_absence_only_where_the_operator_says_so_and_never_hides_a_bad_key() {
    let judge = |code| judged(&answer(403, &[]), &document(code, ""), true).reason();
    assert_eq!(judge("AccessDenied"), "not_found");
    assert_eq!(judge(""), "not_found");
    assert_eq!(judge("InvalidAccessKeyId"), "misconfigured");
    assert_eq!(judge("SignatureDoesNotMatch"), "misconfigured");
    assert_eq!(judge("InvalidObjectState"), "archived");
}

#[test]
fn the_right_region_is_named() {
    for (status, code) in [(301, ""), (301, "PermanentRedirect"), (400, "")] {
        let head = answer(status, &[("x-amz-bucket-region", "us-east-2")]);
        let error = judged(&head, &document(code, ""), false);
        assert!(
            error.to_string().contains("set region to us-east-2"),
            "{error}"
        );
    }
    let said = document("AuthorizationHeaderMalformed", "<Region>us-east-2</Region>");
    let error = judged(&answer(400, &[]), &said, false);
    assert!(
        error.to_string().contains("set region to us-east-2"),
        "{error}"
    );
}

#[test]
fn the_length_and_the_storage_class_are_found() {
    let told = Error::RangeNotSatisfiable { len: Some(42) };
    let head = answer(416, &[("content-range", "bytes */42")]);
    assert_eq!(judged(&head, &document("InvalidRange", ""), false), told);
    let said = document("InvalidRange", "<ActualObjectSize>42</ActualObjectSize>");
    assert_eq!(judged(&answer(416, &[]), &said, false), told);
    let said = document(
        "InvalidObjectState",
        "<StorageClass>DEEP_ARCHIVE</StorageClass>",
    );
    let archived = Error::Archived("DEEP_ARCHIVE".into());
    assert_eq!(judged(&answer(403, &[]), &said, false), archived);
}

#[test]
fn a_servers_words_are_quoted_only_where_they_are_names() {
    let said = document("key AKIA123\nsecret=abc", "");
    let error = judged(&answer(403, &[]), &said, false);
    assert_eq!(error, Error::Denied("403".into()));
}

#[test]
fn a_document_that_is_cut_off_or_none_is_judged_by_the_status() {
    for said in ["<Error><Code>NoSuchBucket", "<html>", "\u{fffd}", ""] {
        assert_eq!(judged(&answer(404, &[]), said, false), Error::NotFound);
    }
    let head = answer(404, &[]);
    let error = Refusal::read(&head, b"<Code>NoSuchBucket</Code>\xff").judge(&context(false));
    assert_eq!(error, Error::NotFound);
}

#[test]
fn credentials_and_clocks_are_doubted_where_the_answer_says_so() {
    let doubts = |code| {
        let (head, said) = (answer(403, &[]), document(code, ""));
        let refusal = Refusal::read(&head, said.as_bytes());
        (refusal.doubts_credentials(), refusal.doubts_clock())
    };
    assert_eq!(doubts("ExpiredToken"), (true, false));
    assert_eq!(doubts("InvalidAccessKeyId"), (true, false));
    assert_eq!(doubts("RequestTimeTooSkewed"), (false, true));
    assert_eq!(doubts("AccessDenied"), (false, false));
    assert_eq!(doubts(""), (false, false));
}

#[test]
fn requests_without_an_answer_are_told_apart() {
    let reset = || std::io::Error::from_raw_os_error(104);
    for (failure, want) in [
        (Failure::ConnectTimeout, "timeout_connect"),
        (Failure::Broken(reset().into()), "unavailable"),
        (Failure::Unbuildable("a bad header".into()), "misconfigured"),
        (
            CredentialsError::not_loaded("nowhere").into(),
            "misconfigured",
        ),
        (
            CredentialsError::provider_timed_out(std::time::Duration::from_secs(1)).into(),
            "unavailable",
        ),
    ] {
        assert_eq!(judge_failure(&failure, &context(false)).reason(), want);
    }
}
