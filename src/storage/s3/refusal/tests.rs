use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::SdkBody;

use super::{Answer, Context, judge};
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

fn response(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> HttpResponse {
    let status = http::StatusCode::from_u16(status).unwrap();
    let mut response = HttpResponse::new(status.into(), SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(*name, *value);
    }
    response
}

fn reason(status: u16, code: &str) -> &'static str {
    Answer::new(&response(status, &[], ""), code)
        .judge(&context(false))
        .reason()
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
    let judge = |code| {
        Answer::new(&response(403, &[], ""), code)
            .judge(&context(true))
            .reason()
    };
    assert_eq!(judge("AccessDenied"), "not_found");
    assert_eq!(judge(""), "not_found");
    assert_eq!(judge("InvalidAccessKeyId"), "misconfigured");
    assert_eq!(judge("SignatureDoesNotMatch"), "misconfigured");
    assert_eq!(judge("InvalidObjectState"), "archived");
}

#[test]
fn the_right_region_is_named() {
    for (status, code) in [(301, ""), (301, "PermanentRedirect"), (400, "")] {
        let response = response(status, &[("x-amz-bucket-region", "us-east-2")], "");
        let error = Answer::new(&response, code).judge(&context(false));
        assert!(
            error.to_string().contains("set region to us-east-2"),
            "{error}"
        );
    }
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-east-2</Region></Error>";
    let response = response(400, &[], body);
    let error = Answer::new(&response, "AuthorizationHeaderMalformed").judge(&context(false));
    assert!(
        error.to_string().contains("set region to us-east-2"),
        "{error}"
    );
}

#[test]
fn the_length_and_the_storage_class_are_found() {
    let judge = |r: &HttpResponse, code| Answer::new(r, code).judge(&context(false));
    let told = Error::RangeNotSatisfiable { len: Some(42) };
    assert_eq!(
        judge(
            &response(416, &[("content-range", "bytes */42")], ""),
            "InvalidRange"
        ),
        told
    );
    let body = "<Error><ActualObjectSize>42</ActualObjectSize></Error>";
    assert_eq!(judge(&response(416, &[], body), "InvalidRange"), told);
    let body = "<Error><StorageClass>DEEP_ARCHIVE</StorageClass></Error>";
    let archived = Error::Archived("DEEP_ARCHIVE".into());
    assert_eq!(
        judge(&response(403, &[], body), "InvalidObjectState"),
        archived
    );
}

#[test]
fn a_servers_words_are_quoted_only_where_they_are_names() {
    let response = response(403, &[], "");
    let error = Answer::new(&response, "key AKIA123\nsecret=abc").judge(&context(false));
    assert_eq!(error, Error::Denied("403".into()));
}

#[test]
fn a_broken_answer_is_judged_by_its_status() {
    let broken = |status| {
        let raw = response(status, &[], "");
        let error = SdkError::<GetObjectError, _>::response_error("connection reset", raw);
        judge(&error, &context(false)).reason()
    };
    assert_eq!(broken(200), "invalid");
    assert_eq!(broken(404), "not_found");
    assert_eq!(broken(502), "unavailable");
}
