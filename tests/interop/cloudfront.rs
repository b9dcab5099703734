//! Tokens of AWS's own libraries are accepted, and ours are accepted by a judge that knows the documentation only.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use caudal::access::token::cloudfront::{
    CloudFront, Hash, KeySettings, Permit, Policy, Settings, Signing,
};
use caudal::access::{Asking, Carrier, Format, Place, Secret, Source};
use http::HeaderMap;
use http::header::COOKIE;
use serde_json::{Value, json};

const SITE: &str = "https://media.example.com";
const END: i64 = 2_145_916_800;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn run(program: &Path, script: &str, input: &str) -> Vec<Value> {
    let mut child = Command::new(program)
        .arg(crate::folder("cloudfront").join(script))
        .args([data().to_str().unwrap(), SITE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn format() -> CloudFront {
    let read = |name: &str| std::fs::read_to_string(data().join(name)).unwrap();
    let key = |id: &str, public: &str, private: &str| KeySettings {
        id: id.to_owned(),
        public: read(public),
        private: Some(Secret::new(read(private))),
    };
    CloudFront::new(Settings {
        keys: vec![
            key(
                "KRSA",
                "cloudfront-test-rsa.pub.pem",
                "cloudfront-test-rsa.pkcs1.pem",
            ),
            key(
                "KEC",
                "cloudfront-test-ec.pub.pem",
                "cloudfront-test-ec.sec1.pem",
            ),
        ],
        resource_base: Some(SITE.to_owned()),
    })
    .unwrap()
}

/// Whether a token of a library is accepted, in the carrier that it is made for.
fn accepts(format: &CloudFront, case: &Value) -> bool {
    let url = case["ask"].as_str().unwrap().strip_prefix(SITE).unwrap();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut headers = HeaderMap::new();
    let mut carrier = Carrier::Query;
    if let Some(cookies) = case["cookies"].as_object() {
        let pairs = cookies.iter().map(|(name, value)| match value {
            Value::String(value) => format!("{name}={value}"),
            value => format!("{name}={value}"),
        });
        let line = pairs.collect::<Vec<_>>().join("; ");
        headers.insert(COOKIE, line.parse().unwrap());
        carrier = Carrier::Cookie;
    }
    let asking = Asking {
        method: "GET",
        scheme: "http",
        host: "origin.internal",
        raw_path: path,
        path,
        query,
        headers: &headers,
        prefix: None,
        viewer: case["viewer"].as_str().unwrap().parse().unwrap(),
        place: &Place::default(),
        alpn: None,
        device: None,
        identities: &[],
        now: END - 1,
    };
    let found = format
        .find(&Source {
            carrier,
            asking: &asking,
        })
        .unwrap()
        .unwrap();
    let Ok(token) = format.verify(&found) else {
        return false;
    };
    assert_eq!(token.expires, Some(END));
    token.terms.permit(&asking).is_ok()
}

fn judge_all(cases: &[Value], at_least: usize) {
    let format = format();
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    for case in cases {
        assert_eq!(
            accepts(&format, case),
            case["ok"].as_bool().unwrap(),
            "{case}"
        );
    }
}

#[test]
fn what_botocore_mints_is_accepted() {
    judge_all(&run(&crate::python(), "mint.py", ""), 44);
}

#[test]
fn what_the_javascript_sdk_mints_is_accepted() {
    judge_all(&run(Path::new("node"), "mint.mjs", ""), 180);
}

#[test]
fn what_is_minted_holds_by_the_documentation() {
    let format = format();
    let url = format!("{SITE}/vod/t1/master.m3u8");
    let mut cases = Vec::new();
    for (key, hash) in [
        ("KRSA", Hash::Sha256),
        ("KEC", Hash::Sha256),
        ("KEC", Hash::Sha1),
    ] {
        for (policy, resource) in [
            (Policy::Canned, url.clone()),
            (Policy::Custom, format!("{SITE}/vod/*")),
        ] {
            let custom = policy == Policy::Custom;
            let permit = Permit {
                resource: resource.clone(),
                expires: END,
                not_before: custom.then_some(1_735_689_600),
                network: custom.then(|| "192.0.2.0/24".parse().unwrap()),
            };
            let signing = Signing {
                key: Some(key),
                hash,
                policy,
            };
            let signed = format.sign_url(&url, &permit, &signing).unwrap();
            let name = format!("{key} {hash:?} {policy:?}");
            let case = json!({"name": name, "url": url, "resource": resource, "expires": END});
            let with = |name: &str, value: Value| {
                let mut case = case.clone();
                case[name] = value;
                case
            };
            cases.push(with("signed", json!(signed)));
            cases.push(with(
                "cookies",
                json!(format.sign_cookies(&permit, &signing).unwrap()),
            ));
            // And the judge refuses what it should.
            cases.push(with(
                "signed",
                json!(signed.replacen("Signature=", "Signature=AAAA", 1)),
            ));
        }
    }
    let input = cases
        .iter()
        .map(|case| format!("{case}\n"))
        .collect::<String>();
    let verdicts = run(&crate::python(), "check.py", &input);
    assert_eq!(verdicts.len(), cases.len());
    let mut equal = 0;
    for (index, (case, verdict)) in cases.iter().zip(&verdicts).enumerate() {
        assert_eq!(verdict["ok"], json!(index % 3 != 2), "{verdict}");
        let ours = case["signed"]
            .as_str()
            .filter(|signed| signed.contains("Policy="));
        if let (Some(ours), Some(theirs)) = (ours, verdict["policy_url"].as_str()) {
            assert_eq!(ours, theirs);
            equal += 1;
        }
    }
    assert_eq!(
        equal, 1,
        "one URL has a custom policy and a signature that is the same each time"
    );
}
