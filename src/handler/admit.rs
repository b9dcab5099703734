//! Whether a request is one we answer at all: its method, its host, the form of its target.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::{HeaderMap, Uri, Version};

use super::error::Error;
use crate::exchange::Request;

/// The methods we answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Options,
}

/// The longest request target, in bytes: CloudFront's own limit on a URL.
const LONGEST_TARGET: usize = 8192;

/// Admits a request, or says why not.
pub(super) fn admit(request: &Request) -> Result<Method, Error> {
    let method = match request.method {
        http::Method::GET => Method::Get,
        http::Method::HEAD => Method::Head,
        http::Method::OPTIONS => Method::Options,
        _ => return Err(Error::MethodNotAllowed),
    };
    if target_len(&request.uri) > LONGEST_TARGET {
        return Err(Error::TargetTooLong);
    }
    one_host(request.version, &request.uri, &request.headers)?;
    if !request.uri.path().starts_with('/') {
        return Err(Error::BadRequest("the request target is not a path"));
    }
    Ok(method)
}

fn target_len(uri: &Uri) -> usize {
    uri.path_and_query()
        .map_or(0, |target| target.as_str().len())
}

/// Exactly one host, well formed, and the same wherever it is named (RFC 9112 §3.2, RFC 9113 §8.3.1).
/// A request that two hops read differently is how caches are poisoned.
fn one_host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Error::BadRequest("more than one Host header")),
        (None, None) if uri.authority().is_some() || version < Version::HTTP_11 => return Ok(()),
        (None, None) => return Err(Error::BadRequest("no Host header")),
        (Some(host), None) => host,
    };
    let host = host.to_str().ok().filter(|host| is_host(host));
    let host = host.ok_or(Error::BadRequest("the Host header is not a host"))?;
    match uri.authority() {
        Some(target) if *target != *host => Err(Error::BadRequest(
            "the Host header and the request target name two hosts",
        )),
        _ => Ok(()),
    }
}

/// A name or an address, and perhaps a port. The grammar allows more (RFC 3986 §3.2.2); nobody who asks for a video
/// needs it, and a comma is how two hosts are joined into one header.
fn is_host(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let (name, port) = match text.strip_prefix('[') {
        Some(six) => match six.split_once(']') {
            Some((six, port)) if six.parse::<Ipv6Addr>().is_ok() => ("six", port),
            _ => return false,
        },
        None => text.split_at(text.bytes().position(|b| b == b':').unwrap_or(text.len())),
    };
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    !name.is_empty()
        && name.bytes().all(is_name)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::record::tests::request;

    fn with_hosts(hosts: &[&str]) -> Result<Method, Error> {
        let mut request = request("GET", "/a.m4s");
        request.headers.remove(HOST);
        for host in hosts {
            request
                .headers
                .append(HOST, http::HeaderValue::from_str(host).unwrap());
        }
        admit(&request)
    }

    #[test]
    fn one_well_formed_host_is_admitted() {
        for host in [
            "a.example",
            "a.example:8080",
            "127.0.0.1",
            "[::1]:80",
            "[2001:db8::1]",
            "a:",
        ] {
            assert!(with_hosts(&[host]).is_ok(), "{host}");
        }
    }

    #[test]
    fn no_host_two_hosts_and_odd_hosts_are_refused() {
        for hosts in [
            &[][..],
            &["a", "b"],
            &["a", "a"],
            &[""],
            &["a,b"],
            &["u@a"],
            &["a/b"],
            &["a b"],
            &["a:b"],
            &["a:1:2"],
            &[":80"],
            &["[::1"],
            &["[::g]"],
            &["[::1]80"],
        ] {
            assert!(
                matches!(with_hosts(hosts), Err(Error::BadRequest(_))),
                "{hosts:?}"
            );
        }
    }

    #[test]
    fn an_absolute_target_must_agree_with_the_host() {
        let mut request = request("GET", "http://other.example/a.m4s");
        assert!(matches!(admit(&request), Err(Error::BadRequest(_))));
        request
            .headers
            .insert(HOST, http::HeaderValue::from_static("other.example"));
        assert!(admit(&request).is_ok());
    }

    #[test]
    fn other_methods_and_long_targets_are_refused() {
        assert!(matches!(
            admit(&request("POST", "/a")),
            Err(Error::MethodNotAllowed)
        ));
        let long = format!("/{}", "a".repeat(LONGEST_TARGET));
        assert!(matches!(
            admit(&request("GET", &long)),
            Err(Error::TargetTooLong)
        ));
        assert!(matches!(
            admit(&request("GET", "*")),
            Err(Error::BadRequest(_))
        ));
    }
}
