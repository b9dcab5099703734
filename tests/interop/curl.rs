//! curl, over TLS: HTTP/1.1 and HTTP/2, whole and in parts.

use std::process::Command;

use crate::process::site::{NAME, Site, run, text};

/// What curl says of an answer, and its bytes.
fn curl(site: &Site, args: &[&str]) -> (String, Vec<u8>) {
    let mut curl = Command::new("curl");
    let resolve = format!("{NAME}:{}:127.0.0.1", site.tls.port());
    curl.args([
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        "30",
    ])
    .args(["--resolve", &resolve, "--cacert"])
    .arg(site.file("ca.pem"))
    .args([
        "--write-out",
        "%{stderr}%{http_version} %{http_code} %{ssl_verify_result} %{num_connects}\n",
    ])
    .args(args);
    let ran = run(curl, "");
    let told = text(&ran.stderr);
    assert!(ran.status.success(), "{args:?}: {told}");
    (told, ran.stdout)
}

#[test]
fn every_byte_arrives_over_each_version_of_http_and_tls() {
    let site = Site::open();
    let url = site.url("/large.m4s");
    for (args, version) in [
        (["--http1.1", "--tls-max", "1.3"], "1.1"),
        (["--http1.1", "--tls-max", "1.2"], "1.1"),
        (["--http2", "--tls-max", "1.3"], "2"),
        (["--http2", "--tls-max", "1.2"], "2"),
    ] {
        let (told, body) = curl(&site, &[&args[..], &[&url]].concat());
        assert_eq!(told, format!("{version} 200 0 1\n"), "{args:?}");
        assert!(body == site.bytes("large.m4s"), "{args:?}: a wrong byte");
    }
    for version in ["1.2", "1.3"] {
        let labels = format!("version=\"{version}\",outcome=\"full\"");
        assert_eq!(site.handshakes(&labels), 2.0, "{version}");
    }
}

#[test]
fn parts_and_heads_are_what_they_are_without_tls() {
    let site = Site::open();
    let (url, whole) = (site.url("/large.m4s"), site.bytes("large.m4s"));
    for version in ["--http1.1", "--http2"] {
        let (told, body) = curl(&site, &[version, "--range", "1000-99999", &url]);
        assert!(told.contains(" 206 "), "{version}: {told}");
        assert!(body == whole[1000..100_000], "{version}");
        let (told, body) = curl(&site, &[version, "--range", "-7", &url]);
        assert!(
            told.contains(" 206 ") && body == whole[whole.len() - 7..],
            "{version}"
        );
        let (told, head) = curl(&site, &[version, "--head", &url]);
        let head = text(&head).to_ascii_lowercase();
        assert!(told.contains(" 200 "), "{version}: {told}");
        let length = format!("content-length: {}\r\n", whole.len());
        assert!(head.contains(&length), "{version}: {head}");
        let alt = format!("alt-svc: h3=\":{}\"", site.tls.port());
        assert!(head.contains(&alt), "{version}: {head}");
        let (told, _) = curl(&site, &[version, "--range", "99999999-", &url]);
        assert!(told.contains(" 416 "), "{version}: {told}");
        let (told, _) = curl(&site, &[version, "--data", "x", &url]);
        assert!(told.contains(" 405 "), "{version}: {told}");
    }
}

#[test]
fn many_at_once_share_one_connection() {
    let site = Site::open();
    let out = site.file("out");
    std::fs::create_dir(&out).unwrap();
    let mut args = vec![
        "--http2".to_owned(),
        "--parallel".to_owned(),
        "--parallel-max".to_owned(),
        "30".to_owned(),
    ];
    for nth in 0..60 {
        let file = out.join(nth.to_string()).display().to_string();
        args.extend(["--output".to_owned(), file, site.url("/large.m4s")]);
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let (told, _) = curl(&site, &args);
    // Its progress is on the same lines.
    let opened: Vec<_> = told.split("2 200 0 ").skip(1).collect();
    assert_eq!(opened.len(), 60, "{told}");
    let opened = opened.iter().filter(|more| more.starts_with('1'));
    assert_eq!(opened.count(), 1, "{told}");
    let whole = site.bytes("large.m4s");
    for nth in 0..60 {
        assert!(
            std::fs::read(out.join(nth.to_string())).unwrap() == whole,
            "{nth}"
        );
    }
}
