//! OpenSSL's client: what is agreed on, what is refused, what is remembered, what is stapled.

use std::process::Command;

use crate::process::site::{NAME, Site, run, text};

const GET: &str = "GET /small.m4s HTTP/1.1\r\nHost: vod.example\r\nConnection: close\r\n\r\n";

/// All that `openssl s_client` tells of a connection on which [`GET`] is said, and whether it came about.
fn s_client(site: &Site, args: &[&str]) -> (bool, String) {
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "s_client",
            "-connect",
            &site.tls.to_string(),
            "-servername",
            NAME,
        ])
        .args([
            "-verify_return_error",
            "-verify_hostname",
            NAME,
            "-ign_eof",
            "-CAfile",
        ])
        .arg(site.file("ca.pem"))
        .args(args);
    let ran = run(openssl, GET);
    (ran.status.success(), text(&ran.stdout) + &text(&ran.stderr))
}

fn agreed(site: &Site, args: &[&str]) -> String {
    let (came_about, told) = s_client(site, args);
    assert!(came_about, "{args:?}: {told}");
    assert!(told.contains("Verification: OK"), "{args:?}: {told}");
    told
}

fn refused(site: &Site, args: &[&str]) -> String {
    let (came_about, told) = s_client(site, args);
    assert!(!came_about, "{args:?}: {told}");
    told
}

#[test]
fn versions_suites_and_protocols_are_agreed_on() {
    let site = Site::open();
    let told = agreed(&site, &["-tls1_3", "-alpn", "http/1.1"]);
    for line in [
        "New, TLSv1.3, Cipher is TLS_",
        "ALPN protocol: http/1.1",
        "HTTP/1.1 200 OK",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let told = agreed(&site, &["-tls1_2", "-alpn", "http/1.1"]);
    assert!(
        told.contains("New, TLSv1.2, Cipher is ECDHE-ECDSA-"),
        "{told}"
    );
    // Of what both know the server takes HTTP/2, whatever the client puts first. The request is none there.
    let (_, told) = s_client(&site, &["-alpn", "http/1.1,h2"]);
    assert!(told.contains("ALPN protocol: h2"), "{told}");
    let told = agreed(&site, &["-tls1_3", "-groups", "X25519"]);
    assert!(told.contains("Server Temp Key: X25519"), "{told}");
    let told = agreed(&site, &["-tls1_3", "-groups", "P-256"]);
    assert!(told.contains("Server Temp Key: ECDH, prime256v1"), "{told}");
}

#[test]
fn what_is_old_or_weak_is_refused_with_the_alert_for_it() {
    let site = Site::open();
    // Its own client would not say such a thing at a higher level of security.
    let lax = "DEFAULT:@SECLEVEL=0";
    for version in ["-tls1", "-tls1_1"] {
        let told = refused(&site, &[version, "-cipher", lax]);
        assert!(
            told.contains("alert protocol version") || told.contains("alert handshake failure"),
            "{version}: {told}"
        );
    }
    for cipher in [
        "AES128-SHA",
        "AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-CCM",
    ] {
        let asked = format!("{cipher}:@SECLEVEL=0");
        let told = refused(&site, &["-tls1_2", "-cipher", &asked]);
        assert!(told.contains("alert handshake failure"), "{cipher}: {told}");
    }
    let told = refused(&site, &["-alpn", "spdy/3"]);
    assert!(told.contains("no application protocol"), "{told}");
    let told = refused(&site, &["-servername", "other.example"]);
    assert!(
        told.contains("access denied") || told.contains("unrecognized name"),
        "{told}"
    );
    assert_eq!(site.handshakes("outcome=\"full\""), 0.0);
}

#[test]
fn a_session_is_remembered_in_either_version() {
    let site = Site::open();
    for (version, kept) in [("-tls1_3", "session13"), ("-tls1_2", "session12")] {
        let session = site.file(kept).display().to_string();
        let told = agreed(&site, &[version, "-sess_out", &session]);
        assert!(told.contains("New, TLSv1."), "{told}");
        let told = agreed(&site, &[version, "-sess_in", &session]);
        assert!(told.contains("Reused, TLSv1."), "{version}: {told}");
        assert!(told.contains("HTTP/1.1 200 OK"), "{version}: {told}");
    }
    assert_eq!(site.handshakes("outcome=\"resumed\""), 2.0);
}

#[test]
fn what_the_issuer_says_is_stapled_and_verifies() {
    let site = Site::open();
    for version in ["-tls1_3", "-tls1_2"] {
        let told = agreed(&site, &[version, "-status"]);
        for line in ["OCSP Response Status: successful", "Cert Status: good"] {
            assert!(told.contains(line), "{version}, {line}: {told}");
        }
    }
}
