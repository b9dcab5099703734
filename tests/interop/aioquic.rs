//! aioquic, a QUIC and HTTP/3 of other people's: what it asks for it is given, wherever it goes, and what it must not do
//! it is told.

use std::process::Command;

use serde_json::{Value, json};

use crate::process::site::{NAME, Site, program, run, text};

// RFC 9000 section 20.1.
const FLOW_CONTROL_ERROR: u64 = 3;
const STREAM_LIMIT_ERROR: u64 = 4;

/// What came of a task of `aioquic/client.py`.
fn aioquic(site: &Site, task: &str, requests: &[Value], more: &Value) -> Value {
    let mut told = json!({
        "task": task, "port": site.tls.port(), "ca": site.file("ca.pem"), "name": NAME,
        "requests": requests,
    });
    let more = more.as_object().unwrap().clone();
    told.as_object_mut().unwrap().extend(more);
    let mut python = Command::new(program("python"));
    python
        .arg(crate::folder("aioquic").join("client.py"))
        .arg(told.to_string());
    let ran = run(python, "");
    assert!(ran.status.success(), "{told}: {}", text(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn get(path: &str) -> Value {
    json!({"path": path})
}

fn sum(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hex::encode(digest.as_ref())
}

/// That an answer is `bytes`.
fn is(answer: &Value, status: u16, bytes: &[u8]) {
    assert_eq!(answer["headers"][":status"], status.to_string(), "{answer}");
    assert_eq!(
        answer["headers"]["content-length"],
        bytes.len().to_string(),
        "{answer}"
    );
    assert_eq!(answer["sha256"], sum(bytes), "{answer}");
}

#[test]
fn aioquic_is_given_what_it_asks_for() {
    let site = Site::open();
    let whole = site.bytes("large.m4s");
    let path = "/large.m4s";
    let requests = [
        get(path),
        json!({"path": path, "headers": {"range": "bytes=1000-99999"}}),
        json!({"path": path, "headers": {"range": "bytes=-7"}}),
        json!({"path": path, "headers": {"range": "bytes=99999999-"}}),
        json!({"path": path, "method": "HEAD"}),
        json!({"path": path, "method": "OPTIONS"}),
        json!({"path": path, "method": "DELETE"}),
        get("/absent.m4s"),
    ];
    let answers = aioquic(&site, "ask", &requests, &json!({}));
    is(&answers[0], 200, &whole);
    is(&answers[1], 206, &whole[1000..100_000]);
    assert_eq!(
        answers[1]["headers"]["content-range"],
        format!("bytes 1000-99999/{}", whole.len())
    );
    is(&answers[2], 206, &whole[whole.len() - 7..]);
    assert_eq!(answers[3]["headers"][":status"], "416");
    let head = &answers[4];
    assert_eq!(head["headers"][":status"], "200");
    assert_eq!(head["headers"]["content-length"], whole.len().to_string());
    assert_eq!(head["length"], 0, "a head has no body");
    assert_eq!(answers[5]["headers"][":status"], "204");
    assert_eq!(answers[6]["headers"][":status"], "405");
    assert_eq!(answers[7]["headers"][":status"], "404");
    for answer in answers.as_array().unwrap() {
        assert_eq!(
            answer["headers"]["access-control-allow-origin"], "*",
            "{answer}"
        );
        assert_eq!(answer["reset"], Value::Null, "{answer}");
    }
}

#[test]
fn aioquic_asks_for_many_at_once_on_one_connection() {
    let site = Site::open();
    let (small, large) = (site.bytes("small.m4s"), site.bytes("large.m4s"));
    // More than there may be at a time; they wait for their turn.
    let paths = |nth| {
        if nth % 100 == 0 {
            "/large.m4s"
        } else {
            "/small.m4s"
        }
    };
    let requests: Vec<_> = (0..200).map(|nth| get(paths(nth))).collect();
    let answers = aioquic(&site, "many", &requests, &json!({}));
    for (nth, answer) in answers.as_array().unwrap().iter().enumerate() {
        is(answer, 200, if nth % 100 == 0 { &large } else { &small });
    }
    assert_eq!(site.handshakes("outcome=\"agreed\""), 1.0);
}

#[test]
fn aioquic_goes_elsewhere_in_the_midst_of_an_answer() {
    let site = Site::open();
    let requests = vec![get("/large.m4s"); 3];
    let told = aioquic(&site, "move", &requests, &json!({}));
    assert_eq!(told["ports"], 4, "{told}");
    let whole = site.bytes("large.m4s");
    for answer in told["answers"].as_array().unwrap() {
        is(answer, 200, &whole);
    }
    assert_eq!(site.handshakes("outcome=\"agreed\""), 1.0);
}

/// Whether what it says in its first flight is taken at once or only after the handshake is the server's choice; the
/// answer is the same, and what is not safe to say twice is never done early (RFC 8470).
#[test]
fn aioquic_comes_back_with_a_ticket_and_asks_at_once() {
    let site = Site::open();
    let requests = [
        get("/small.m4s"),
        get("/large.m4s"),
        json!({"path": "/small.m4s", "method": "DELETE"}),
    ];
    let told = aioquic(&site, "resume", &requests, &json!({}));
    is(&told["first"], 200, &site.bytes("small.m4s"));
    assert!(told["tickets"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(told["resumed"], true, "{told}");
    // Nothing is taken early of whom nothing early was offered to.
    assert!(
        told["early"] == false || told["early_data"].as_u64() > Some(0),
        "{told}"
    );
    is(&told["answers"][0], 200, &site.bytes("small.m4s"));
    is(&told["answers"][1], 200, &site.bytes("large.m4s"));
    let status = &told["answers"][2]["headers"][":status"];
    assert!(status == "405" || status == "425", "{told}");
}

#[test]
fn aioquic_is_told_what_it_must_not_do_and_nobody_else_pays_for_it() {
    let site = Site::open();
    let small = site.bytes("small.m4s");
    // Gaps count as what would fill them (RFC 9000 section 4.1), each stream's within its window.
    for (how, count, code) in [
        ("too many unidirectional streams", 0, STREAM_LIMIT_ERROR),
        ("too many requests", 0, STREAM_LIMIT_ERROR),
        ("a gap past the window", 0, FLOW_CONTROL_ERROR),
        ("gaps that are never filled", 20, FLOW_CONTROL_ERROR),
    ] {
        let task = json!({"how": how, "count": count, "wait": 10});
        let told = aioquic(&site, "abuse", &[get("/small.m4s")], &task);
        assert_eq!(told["ended"]["code"], code, "{how}: {told}");
        is(&told["other"], 200, &small);
    }
    // Few are no error, and hold a stream each until its head is overdue.
    let task = json!({"how": "gaps that are never filled", "count": 4, "wait": 1});
    let told = aioquic(&site, "abuse", &[get("/small.m4s")], &task);
    assert_eq!(told["ended"], Value::Null, "{told}");
    is(&told["own"], 200, &small);
    is(&told["other"], 200, &small);
}
