//! A line as a JSON object. Written by hand: it is on the path of every request, and costs a third of what a general
//! serializer takes.

use std::cell::Cell;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Line;

pub(super) fn write(out: &mut Vec<u8>, line: &Line<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    time(out, line.time);
    out.extend_from_slice(b"\",\"peer\":\"");
    address(out, line.peer);
    if line.viewer != line.peer {
        out.extend_from_slice(b"\",\"viewer\":\"");
        address(out, line.viewer);
    }
    out.extend_from_slice(b"\",\"method\":\"");
    out.extend_from_slice(line.method.as_bytes());
    out.push(b'"');
    text(out, "path", line.path);
    word(out, "protocol", line.protocol);
    key(out, "status");
    number(out, u64::from(line.status));
    text(out, "route", line.route);
    word(out, "kind", line.kind);
    word(out, "cache", line.cache);
    if let Some(reason) = line.reason {
        word(out, "reason", reason);
    }
    if let Some(range) = line.range {
        text(out, "range", range);
    }
    key(out, "bytes");
    number(out, line.bytes);
    key(out, "first_byte_ms");
    millis(out, line.first_byte);
    key(out, "duration_ms");
    millis(out, line.duration);
    if let Some(cut_by) = line.cut_by {
        word(out, "cut_by", cut_by);
    }
    if let Some(user_agent) = line.user_agent {
        text(out, "user_agent", user_agent);
    }
    if let Some(id) = line.cdn_request_id {
        text(out, "cdn_request_id", id);
    }
    out.extend_from_slice(b"}\n");
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// One of our own words: nothing in it wants escaping.
fn word(out: &mut Vec<u8>, name: &str, word: &'static str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// What somebody else wrote (RFC 8259 §7).
fn text(out: &mut Vec<u8>, name: &str, text: &str) {
    key(out, name);
    out.push(b'"');
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for byte in text.bytes() {
            if is_plain(byte) {
                out.push(byte);
            } else {
                // Writing to a vector does not fail.
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Milliseconds to the microsecond: `1.5` for 1500 µs.
fn millis(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    number(out, micros / 1000);
    let rest = micros % 1000;
    if rest > 0 {
        let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
        let len = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(0) + 1;
        out.push(b'.');
        out.extend_from_slice(&digits[..len]);
    }
}

fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(four) => {
            for (place, octet) in four.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                number(out, u64::from(octet));
            }
        }
        IpAddr::V6(six) => {
            let _ = write!(out, "{six}");
        }
    }
}

thread_local! {
    // The second that was written last, and how: most lines share it with the one before.
    static SECOND: Cell<(u64, [u8; 19])> = const { Cell::new((u64::MAX, [0; 19])) };
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut last, mut written) = SECOND.get();
    if last != since.as_secs() {
        let whole = UNIX_EPOCH + Duration::from_secs(since.as_secs());
        let text = humantime::format_rfc3339_seconds(whole).to_string();
        if let Some(text) = text.as_bytes().first_chunk() {
            (last, written) = (since.as_secs(), *text);
            SECOND.set((last, written));
        }
    }
    out.extend_from_slice(&written);
    let millis = since.subsec_millis();
    let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8);
    out.push(b'.');
    out.extend_from_slice(&digits);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::access_log::tests::line;

    fn parsed(line: &Line<'_>) -> serde_json::Value {
        let mut bytes = Vec::new();
        write(&mut bytes, line);
        assert_eq!(bytes.last(), Some(&b'\n'));
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_line_parses_and_names_its_fields() {
        let line = parsed(&line());
        let expected = serde_json::json!({
            "time": "2023-11-14T22:13:20.007Z", "peer": "192.0.2.7", "method": "GET",
            "path": "/vod/a \"b\".m4s", "protocol": "HTTP/1.1", "status": 206, "route": "/vod/",
            "kind": "segment", "cache": "miss", "reason": "unknown", "range": "bytes=0-9",
            "bytes": 10, "first_byte_ms": 1.5, "duration_ms": 2.5,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_is_absent_is_left_out_and_what_is_there_is_not() {
        let full = Line {
            cut_by: Some("client"),
            user_agent: Some("Amazon CloudFront"),
            cdn_request_id: Some("abc=="),
            reason: None,
            range: None,
            ..line()
        };
        let full = parsed(&full);
        assert_eq!(full["cut_by"], "client");
        assert_eq!(full["user_agent"], "Amazon CloudFront");
        assert_eq!(full["cdn_request_id"], "abc==");
        assert!(full.get("reason").is_none() && full.get("range").is_none());
    }

    proptest::proptest! {
        #[test]
        fn whatever_viewers_send_is_one_line_that_says_it(
            path in ".{0,40}", agent: Option<String>, micros: u32, bytes: u64, v6: u128,
        ) {
            let line = Line {
                path: &path,
                user_agent: agent.as_deref(),
                first_byte: Duration::from_micros(u64::from(micros)),
                bytes,
                peer: std::net::Ipv6Addr::from(v6).into(),
                ..line()
            };
            let mut written = Vec::new();
            write(&mut written, &line);
            proptest::prop_assert_eq!(written.iter().filter(|b| **b == b'\n').count(), 1);
            let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
            proptest::prop_assert_eq!(read["path"].as_str(), Some(path.as_str()));
            proptest::prop_assert_eq!(read["user_agent"].as_str(), agent.as_deref());
            proptest::prop_assert_eq!(read["bytes"].as_u64(), Some(bytes));
            let peer = line.peer.to_string();
            proptest::prop_assert_eq!(read["peer"].as_str(), Some(peer.as_str()));
            let millis = f64::from(micros) / 1000.0;
            proptest::prop_assert!((read["first_byte_ms"].as_f64().unwrap() - millis).abs() < 1e-6);
        }

        #[test]
        fn times_are_what_others_write(millis in 0u64..253_402_300_799_000) {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            let mut written = Vec::new();
            super::time(&mut written, time);
            proptest::prop_assert_eq!(
                String::from_utf8(written).unwrap(),
                humantime::format_rfc3339_millis(time).to_string()
            );
        }
    }
}
