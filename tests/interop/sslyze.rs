//! sslyze, which judges servers by what they would agree to, and knows the mistakes that others have made.

use std::process::Command;

use serde_json::{Value, json};

use crate::process::site::{NAME, Site, program, run, text};

/// What sslyze is to look at.
const SCANS: [&str; 15] = [
    "sslv2",
    "sslv3",
    "tlsv1",
    "tlsv1_1",
    "tlsv1_2",
    "tlsv1_3",
    "certinfo",
    "compression",
    "heartbleed",
    "openssl_ccs",
    "reneg",
    "robot",
    "elliptic_curves",
    "ems",
    "fallback",
];

/// What it found, by scan; each was done.
fn scanned(site: &Site) -> Value {
    let out = site.file("sslyze.json");
    let mut sslyze = Command::new(program("sslyze"));
    sslyze
        .args(SCANS.map(|scan| format!("--{scan}")))
        .args(["--quiet", "--mozilla_config", "disable", "--sni", NAME])
        .arg("--certinfo_ca_file")
        .arg(site.file("ca.pem"))
        .arg(format!("--json_out={}", out.display()))
        .arg(site.tls.to_string());
    let ran = run(sslyze, "");
    let told = text(&ran.stdout) + &text(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let found: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    let ours = &found["server_scan_results"][0];
    assert_eq!(ours["scan_status"], "COMPLETED", "{ours}");
    let scans = ours["scan_result"].as_object().unwrap();
    let done = scans.values().filter(|scan| scan["status"] == "COMPLETED");
    assert_eq!(done.count(), SCANS.len(), "{ours}");
    ours["scan_result"].clone()
}

fn suites(found: &Value, version: &str) -> Vec<String> {
    let accepted = &found[format!("{version}_cipher_suites")]["result"]["accepted_cipher_suites"];
    let names = accepted.as_array().unwrap().iter();
    let mut names: Vec<_> = names
        .map(|suite| suite["cipher_suite"]["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn sslyze_finds_nothing_to_complain_of() {
    let site = Site::open();
    let found = scanned(&site);
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        let none: [&str; 0] = [];
        assert_eq!(suites(&found, old), none, "{old}");
    }
    // Of 1.2 what has forward secrecy and authenticated encryption, and nothing else.
    assert_eq!(
        suites(&found, "tls_1_2"),
        [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ]
    );
    assert_eq!(
        suites(&found, "tls_1_3"),
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
        ]
    );
    let good = [
        ("tls_compression", "supports_compression", json!(false)),
        ("heartbleed", "is_vulnerable_to_heartbleed", json!(false)),
        (
            "openssl_ccs_injection",
            "is_vulnerable_to_ccs_injection",
            json!(false),
        ),
        (
            "robot",
            "robot_result",
            json!("NOT_VULNERABLE_RSA_NOT_SUPPORTED"),
        ),
        (
            "session_renegotiation",
            "is_vulnerable_to_client_renegotiation_dos",
            json!(false),
        ),
        (
            "session_renegotiation",
            "supports_secure_renegotiation",
            json!(true),
        ),
        (
            "tls_extended_master_secret",
            "supports_ems_extension",
            json!(true),
        ),
        ("tls_fallback_scsv", "supports_fallback_scsv", json!(true)),
    ];
    for (scan, what, value) in good {
        assert_eq!(found[scan]["result"][what], value, "{scan}: {what}");
    }
}

#[test]
fn sslyze_believes_the_certificate_and_what_is_stapled_to_it() {
    let site = Site::open();
    let found = scanned(&site);
    let shown = &found["certificate_info"]["result"]["certificate_deployments"];
    assert_eq!(shown.as_array().unwrap().len(), 1, "one for everybody");
    let shown = &shown[0];
    assert_eq!(shown["verified_chain_has_sha1_signature"], false);
    assert_eq!(
        shown["ocsp_response"]["certificate_status"], "GOOD",
        "{}",
        shown["ocsp_response"]
    );
    let trusted = shown["path_validation_results"].as_array().unwrap();
    let by_us = trusted
        .iter()
        .find(|result| result["trust_store"]["path"] == json!(site.file("ca.pem")));
    assert_eq!(
        by_us.unwrap()["was_validation_successful"],
        true,
        "{trusted:?}"
    );
}

#[test]
fn sslyze_agrees_on_the_curves_that_everybody_has() {
    let site = Site::open();
    let found = scanned(&site);
    let curves = found["elliptic_curves"]["result"]["supported_curves"].as_array();
    let mut curves: Vec<_> = curves
        .unwrap()
        .iter()
        .map(|curve| curve["name"].as_str().unwrap())
        .collect();
    curves.sort_unstable();
    assert_eq!(curves, ["X25519", "secp256r1", "secp384r1"]);
}
