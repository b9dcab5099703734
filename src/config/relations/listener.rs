//! What must hold between listeners: each has a place of its own, and can say who it is.

use std::net::{IpAddr, SocketAddr};

use super::super::Config;
use super::super::format::quoted;
use super::super::listener::{ClientCertificate, Listener, Protocol};
use super::exists;

type Report<'a> = &'a mut dyn FnMut(String, String);

/// Reports every relation that does not hold as key and message.
pub(super) fn check(config: &Config, report: Report<'_>) {
    places(config, report);
    for (name, listener) in &config.listener {
        let path = format!("listener.{name}");
        for certificate in &listener.certificates {
            let key = format!("{path}.certificates");
            exists(&config.certificate, "certificate", key, certificate, report);
        }
        if let Some(access) = &listener.access {
            exists(
                &config.access,
                "access",
                format!("{path}.access"),
                access,
                report,
            );
        }
        clients(&path, listener, report);
        early_data(&path, listener, report);
        protocols(&path, listener, report);
    }
    ordered(config, report);
}

/// Whoever issues a certificate asks for it at a listener that shows it.
fn ordered(config: &Config, report: Report<'_>) {
    for (name, certificate) in &config.certificate {
        let shown = |listener: &Listener| listener.certificates.contains(name);
        if certificate.ordered().is_some() && !config.listener.values().any(shown) {
            let key = format!("certificate.{name}.acme");
            let message = format!(
                "{key}: the issuer asks at a listener that shows it, and none does: write certificates = [{}] in one",
                quoted(name)
            );
            report(key, message);
        }
    }
}

/// Every address of every listener, the admin's last, and which key it is written under.
fn places(config: &Config, report: Report<'_>) {
    if config.server.listen.is_empty() && config.listener.is_empty() {
        let message = "server.listen = []: must name at least one address where there is no [listener.NAME] section, \
                       write [\"0.0.0.0:8080\"]";
        report("server.listen".to_owned(), message.to_owned());
    }
    let of = |key: String, listen: &[SocketAddr]| {
        let numbered = listen.iter().enumerate();
        let named = numbered.map(move |(at, address)| (key.clone(), Some(at), *address));
        named.collect::<Vec<_>>()
    };
    let mut all = of("server.listen".to_owned(), &config.server.listen);
    for (name, listener) in &config.listener {
        all.extend(of(format!("listener.{name}.listen"), &listener.listen));
    }
    all.push(("admin.listen".to_owned(), None, config.admin.listen));
    for (nth, (key, at, address)) in all.iter().enumerate() {
        let Some((taken_by, _, other)) = all[..nth]
            .iter()
            .find(|(.., other)| collide(*other, *address))
        else {
            continue;
        };
        let message = match at {
            None => format!(
                "{key} = \"{address}\": {taken_by} has \"{other}\", write a port that no viewer reaches"
            ),
            Some(at) if taken_by == key => format!(
                "{key}[{at}] = \"{address}\": \"{other}\" has that port already, write each port once"
            ),
            Some(at) => format!(
                "{key}[{at}] = \"{address}\": {taken_by} has \"{other}\", write each port once"
            ),
        };
        report(key.clone(), message);
    }
}

/// Whether two listeners claim the same connections. Port 0 is whatever is free.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let all = |ip: IpAddr| ip.is_unspecified();
    let same_family = a.is_ipv4() == b.is_ipv4();
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || (same_family && (all(a.ip()) || all(b.ip()))))
}

fn clients(path: &str, listener: &Listener, report: Report<'_>) {
    let asks = listener.client_certificate != ClientCertificate::Off;
    let key = format!("{path}.client_certificate");
    if asks && listener.certificates.is_empty() {
        let message = format!(
            "{key}: there is no TLS to show one in, name a certificate in {path}.certificates"
        );
        return report(key, message);
    }
    if asks && listener.client_ca.is_none() {
        let message = format!(
            "{path}.client_ca is missing: whose certificates are believed? Write the issuers' file"
        );
        report(format!("{path}.client_ca"), message);
    }
    let unused = [
        ("client_ca", listener.client_ca.is_some()),
        ("client_crls", !listener.client_crls.is_empty()),
    ];
    for (unused, is_written) in unused {
        if is_written && !asks {
            let key = format!("{path}.{unused}");
            let message = format!(
                "{key}: nobody is asked for a certificate, write {path}.client_certificate = {}",
                quoted("required")
            );
            report(key, message);
        }
    }
}

fn early_data(path: &str, listener: &Listener, report: Report<'_>) {
    if !listener.early_data {
        return;
    }
    let key = format!("{path}.early_data");
    if !listener.protocols.contains(&Protocol::Http3) {
        let message = format!(
            "{key} = true: only HTTP/3 has early data here, write {path}.protocols = [\"h3\", \"h2\", \"http/1.1\"]"
        );
        return report(key, message);
    }
    if listener.client_certificate != ClientCertificate::Off {
        let message = format!(
            "{key} = true: early data comes before a client has shown its certificate, write false"
        );
        report(key, message);
    }
}

fn protocols(path: &str, listener: &Listener, report: Report<'_>) {
    let key = format!("{path}.protocols");
    if listener.protocols.is_empty() {
        let message = format!("{key} = []: must name at least one, write [\"h2\", \"http/1.1\"]");
        return report(key, message);
    }
    let speaks = |protocol| listener.protocols.contains(&protocol);
    let secure = !listener.certificates.is_empty();
    if !secure && speaks(Protocol::Http3) {
        let message = format!(
            "{key}: there is no HTTP/3 without TLS, name a certificate in {path}.certificates"
        );
        return report(key, message);
    }
    if secure && !speaks(Protocol::Http1) && !speaks(Protocol::Http2) {
        let message = format!(
            "{key}: clients learn of HTTP/3 over TCP, write [\"h3\", \"h2\", \"http/1.1\"]"
        );
        return report(key, message);
    }
    if !secure && !speaks(Protocol::Http1) {
        let message = format!(
            "{key}: without TLS nothing else can be agreed on, write [\"http/1.1\"] or name a certificate"
        );
        report(key, message);
    }
}
