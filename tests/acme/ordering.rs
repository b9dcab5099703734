//! What is ordered is served, kept and renewed; what cannot be had stops nothing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::client::Client;
use crate::issuer::Place;
use crate::process::{Caudal, client};
use crate::server::{NAMES, Server, metric};

const YEAR: Duration = Duration::from_secs(365 * 86_400);

const ORDERED: &str =
    "caudal_certificate_orders_total{certificate=\"ordered\",outcome=\"ordered\"}";
const FAILED: &str = "caudal_certificate_orders_total{certificate=\"ordered\",outcome=\"failed\"}";
const ENDS: &str = "caudal_certificate_expires_timestamp_seconds{certificate=\"ordered\"}";

#[test]
fn a_certificate_is_ordered_and_outlives_its_issuer() {
    let place = Place::new();
    let server = Server::prepared(&place, "");
    let issuer = place.open(server.addr.port(), YEAR);
    let caudal = server.start();
    let client = Client::trusting([issuer.root()], &[]);
    let first = server.asked(&client, &caudal);
    assert_eq!(first.body, "WEBVTT\n");
    for name in NAMES {
        assert_eq!(
            server.ask(&client, name).unwrap().shown,
            first.shown,
            "{name}"
        );
    }
    assert!(server.ask(&client, "other.example").is_err());
    assert_eq!(metric(&caudal, ORDERED), 1.0);
    assert_eq!(metric(&caudal, FAILED), 0.0);
    let left = metric(&caudal, ENDS) - unix_now();
    assert!(
        (YEAR.as_secs_f64() - left).abs() < 600.0,
        "{left} s are left"
    );
    let ready = client::get(caudal.admin, "/readyz", &[]).text();
    assert!(!ready.contains("certificate"), "{ready}");
    // A proof for each of the names was asked for, by a handshake of its own.
    let asked = "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"issuer\"}";
    assert!(metric(&caudal, asked) >= 2.0);
    assert!(
        issuer.log().contains("Issued certificate"),
        "{}",
        issuer.log()
    );
    for name in ["ordered.pem", "account.key.json"] {
        let mode = fs::metadata(server.kept(name)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    nothing_secret_is_told(&server, &caudal);

    // Nobody asks any more: the protocol of questions is refused like any that is not spoken.
    let asker = Client::trusting([issuer.root()], &["acme-tls/1"]);
    assert!(server.ask(&asker, NAMES[0]).is_err());
    let refused =
        "caudal_tls_handshakes_total{listener=\"public\",version=\"-\",outcome=\"no_protocol\"}";
    assert_eq!(metric(&caudal, refused), 1.0);

    caudal.stop();
    drop(issuer);
    let again = server.start();
    assert_eq!(server.ask(&client, NAMES[0]).unwrap().shown, first.shown);
    assert_eq!(metric(&again, ORDERED) + metric(&again, FAILED), 0.0);
}

#[test]
fn a_certificate_is_renewed_while_viewers_come() {
    let place = Place::new();
    let server = Server::prepared(&place, "");
    let port = server.addr.port();
    let valid = Duration::from_secs(24);
    let issuer = place.open(port, valid);
    let caudal = server.start();
    let first = issuer.root();
    server.asked(&Client::trusting([first.clone()], &[]), &caudal);
    // It comes back with another key, and does not know us.
    drop(issuer);
    let issuer = place.open(port, valid);
    let client = Client::trusting([first, issuer.root()], &[]);
    let (mut shown, deadline) = (BTreeSet::new(), Instant::now() + valid * 3);
    while shown.len() < 3 {
        let answer = server.ask(&client, NAMES[1]);
        let answer = answer.unwrap_or_else(|why| panic!("{why}\n{}", caudal.written()));
        shown.insert(answer.shown.to_vec());
        assert!(
            Instant::now() < deadline,
            "{} certificates were shown:\n{}",
            shown.len(),
            caudal.written()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(metric(&caudal, FAILED), 0.0);
    nothing_secret_is_told(&server, &caudal);
}

#[test]
fn an_issuer_that_is_not_there_is_told_and_stops_nothing() {
    let place = Place::new();
    let server = Server::prepared(&place, "");
    let mut caudal = server.start();
    let told = caudal.told(|line| line["message"] == "a certificate was ordered, and did not come");
    assert_eq!(told["certificate"], "ordered");
    assert!(
        told["problem"]
            .as_str()
            .unwrap()
            .contains("Connection refused"),
        "{told}"
    );
    assert_eq!(metric(&caudal, FAILED), 1.0);
    // Others are served; its names are not, and it is said why.
    assert_eq!(caudal.get("/a.vtt", &[]).text(), "WEBVTT\n");
    let nobody = Client::trusting([], &[]);
    assert!(server.ask(&nobody, NAMES[0]).is_err());
    let warning = "certificate ordered: was ordered, and has not come yet\n";
    let ready = client::get(caudal.admin, "/readyz", &[]);
    assert_eq!(ready.status, 200);
    let ready = ready.text();
    assert!(ready.contains(warning), "{ready}");

    // Whoever has mended it need not wait.
    let issuer = place.open(server.addr.port(), YEAR);
    caudal.reload();
    let client = Client::trusting([issuer.root()], &[]);
    let shown = server.asked(&client, &caudal).shown;
    assert_eq!(metric(&caudal, ORDERED), 1.0);
    // To reload is no reason to order.
    let loads = metric(&caudal, RELOADS);
    caudal.reload();
    until("it is reloaded", || metric(&caudal, RELOADS) > loads);
    assert_eq!(server.ask(&client, NAMES[0]).unwrap().shown, shown);
    assert_eq!(metric(&caudal, ORDERED), 1.0);
}

const RELOADS: &str = "caudal_config_loads_total{outcome=\"loaded\"}";

#[test]
fn a_name_that_is_not_confirmed_is_told_with_what_the_issuer_says() {
    let place = Place::new();
    let server = Server::prepared(&place, "");
    // The discard port, where nobody is: as behind a firewall.
    let _issuer = place.open(9, YEAR);
    let mut caudal = server.start();
    let told = caudal.told(|line| line["message"] == "a certificate was ordered, and did not come");
    let problem = told["problem"].as_str().unwrap();
    let name = NAMES.iter().find(|name| problem.contains(**name));
    assert!(
        name.is_some() && problem.contains("could not confirm"),
        "{problem}"
    );
    assert!(problem.contains("urn:ietf:params:acme:error:"), "{problem}");
}

#[test]
fn an_issuer_is_answered_where_clients_must_show_a_certificate() {
    let place = Place::new();
    let more = format!(
        "client_certificate = \"required\"\nclient_ca = \"{}\"",
        place.authority().display()
    );
    let server = Server::prepared(&place, &more);
    let issuer = place.open(server.addr.port(), YEAR);
    let mut caudal = server.start();
    caudal.told(|line| line["message"] == "a certificate was ordered, and came");
    until("it is in use", || metric(&caudal, ENDS) > 0.0);
    // Nobody else gets in so.
    let client = Client::trusting([issuer.root()], &[]);
    let refused = server.ask(&client, NAMES[0]).err().unwrap();
    // Over TLS 1.3 a client has said its request before it hears no: what it meets first is chance.
    let met = ["CertificateRequired", "Broken pipe", "reset"];
    assert!(met.iter().any(|error| refused.contains(error)), "{refused}");
}

/// Neither of what is kept is ever written elsewhere.
fn nothing_secret_is_told(server: &Server, caudal: &Caudal) {
    let written = caudal.written();
    let pem = fs::read_to_string(server.kept("ordered.pem")).unwrap();
    let (key, _) = pem.split_once("-----END PRIVATE KEY-----").unwrap();
    let account: serde_json::Value =
        serde_json::from_slice(&fs::read(server.kept("account.key.json")).unwrap()).unwrap();
    let account = account["key_pkcs8"].as_str().unwrap();
    let secrets: Vec<_> = key.lines().skip(1).chain([account]).collect();
    assert!(secrets.len() >= 3, "the keys are not where they were");
    for secret in secrets {
        let told = written.contains(secret);
        assert!(!secret.is_empty() && !told, "a key is in the log");
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}
