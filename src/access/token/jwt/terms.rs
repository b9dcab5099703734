//! What a token is valid for beyond its time: every claim of ours that narrows it, each judged at every request.

use std::net::IpAddr;

use crate::access::networks::cidr;
use crate::access::{Asking, Country, Refusal, Terms as Permit};
use ipnet::{IpNet, Ipv4Net};

use super::json::{Json, Object};
use super::rules::Rules;

/// The narrowing claims of one token; what is absent does not narrow. A list that is there and empty permits nothing.
#[derive(Debug)]
pub(super) struct Terms {
    /// `path` and `paths`: each that is there must cover the request.
    paths: Vec<Vec<PathPattern>>,
    /// `sub`, where the configuration makes it a segment of the path.
    subject: Option<Box<str>>,
    hosts: Option<Vec<Box<str>>>,
    methods: Option<Vec<Box<str>>>,
    networks: Option<Vec<IpNet>>,
    /// `country` and `countries`, as with paths.
    countries: Vec<Vec<Country>>,
    rules: Option<Rules>,
}

/// A path as a claim writes it, decoded: `%` stands for itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PathPattern {
    /// `/vod/a/master.m3u8`: this path alone.
    Exact(Box<str>),
    /// `/vod/a/`: everything below. `/vod/a*`: everything that starts so, `/vod/ab` included.
    Prefix(Box<str>),
}

impl Terms {
    /// Reads the claims that narrow.
    ///
    /// # Errors
    /// [`Refusal::TokenClaim`] for one that is there and cannot be evaluated.
    pub(super) fn read(claims: &Object<'_>, subject: Option<&str>) -> Result<Self, Refusal> {
        Ok(Self {
            paths: both(claims, ["path", "paths"], PathPattern::parse)?,
            subject: subject.map(path_segment).transpose()?,
            hosts: each(claims, "host", host)?,
            methods: each(claims, "methods", |method| {
                (!method.is_empty()).then(|| method.into())
            })?,
            networks: each(claims, "ip", network)?,
            countries: both(claims, ["country", "countries"], Country::parse)?,
            rules: claims.member("accessRules").map(Rules::read).transpose()?,
        })
    }

    fn covers_path(&self, path: &str) -> bool {
        let listed = self
            .paths
            .iter()
            .all(|list| list.iter().any(|pattern| pattern.covers(path)));
        let subject = self.subject.as_deref();
        listed && subject.is_none_or(|subject| names_segment(path, subject))
    }
}

impl Permit for Terms {
    fn permit(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        let covers_host =
            |hosts: &Vec<Box<str>>| hosts.iter().any(|rule| is_host(rule, asking.host));
        let demand = |holds: bool, refusal| if holds { Ok(()) } else { Err(refusal) };
        demand(self.covers_path(asking.path), Refusal::TokenScope)?;
        demand(
            self.hosts.as_ref().is_none_or(covers_host),
            Refusal::TokenScope,
        )?;
        let methods = self.methods.as_ref();
        let allows = |list: &Vec<Box<str>>| list.iter().any(|method| **method == *asking.method);
        demand(methods.is_none_or(allows), Refusal::TokenMethod)?;
        let networks = self.networks.as_ref();
        let holds = |list: &Vec<IpNet>| list.iter().any(|network| network.contains(&asking.viewer));
        demand(networks.is_none_or(holds), Refusal::TokenAddress)?;
        let here =
            |list: &Vec<Country>| asking.place.country.is_some_and(|own| list.contains(&own));
        demand(self.countries.iter().all(here), Refusal::TokenCountry)?;
        self.rules
            .as_ref()
            .map_or(Ok(()), |rules| rules.permit(asking))
    }
}

impl PathPattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (start, is_prefix) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, text.ends_with('/')),
        };
        if !start.starts_with('/') || start.contains('*') {
            return None;
        }
        Some(if is_prefix {
            Self::Prefix(start.into())
        } else {
            Self::Exact(start.into())
        })
    }

    pub(super) fn covers(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(start) => path.starts_with(&**start),
        }
    }
}

/// One address or network. What is written as IPv6 but means IPv4 is kept as IPv4, as viewers are.
pub(super) fn network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    match cidr(text)? {
        IpNet::V6(network) => match (network.addr().to_ipv4_mapped(), network.prefix_len()) {
            (Some(address), length @ 96..) => {
                Some(IpNet::V4(Ipv4Net::new(address, length - 96).ok()?))
            }
            _ => Some(IpNet::V6(network)),
        },
        network => Some(network),
    }
}

/// Every string under a name, read; `None` where the name is absent.
pub(super) fn each<T>(
    claims: &Object<'_>,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, Refusal> {
    let list =
        |value: &Json<'_>| -> Option<Vec<T>> { value.texts()?.into_iter().map(&read).collect() };
    let Some(value) = claims.member(name) else {
        return Ok(None);
    };
    list(value).map(Some).ok_or(Refusal::TokenClaim)
}

fn both<T>(
    claims: &Object<'_>,
    names: [&str; 2],
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Vec<T>>, Refusal> {
    let lists = names
        .into_iter()
        .filter_map(|name| each(claims, name, &read).transpose());
    lists.collect()
}

fn path_segment(subject: &str) -> Result<Box<str>, Refusal> {
    if subject.is_empty() || subject.contains('/') {
        return Err(Refusal::TokenClaim);
    }
    Ok(subject.into())
}

/// Whether a segment of the path is `name`, or the last one is `name` with an extension: `/NAME/720p.m3u8` and
/// `/NAME.m3u8`.
fn names_segment(path: &str, name: &str) -> bool {
    let (_, file) = path.rsplit_once('/').unwrap_or(("", path));
    let extended = file
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('.'));
    extended || path.split('/').any(|segment| segment == name)
}

fn host(text: &str) -> Option<Box<str>> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_host = !text.is_empty() && text.bytes().all(is_plain);
    is_host.then(|| text.into())
}

/// A rule without a port is for every port.
fn is_host(rule: &str, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    rule.eq_ignore_ascii_case(host) || rule.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_covers_itself_or_what_its_ending_says() {
        let covers = |pattern, path| PathPattern::parse(pattern).unwrap().covers(path);
        assert!(covers("/vod/a.m3u8", "/vod/a.m3u8"));
        assert!(!covers("/vod/a.m3u8", "/vod/a.m3u8x"));
        assert!(!covers("/vod/a", "/vod/a/b"));
        assert!(covers("/vod/a/", "/vod/a/b/c.ts"));
        assert!(!covers("/vod/a/", "/vod/ab"));
        assert!(!covers("/vod/a/", "/vod/a"));
        assert!(covers("/vod/a*", "/vod/ab"));
        assert!(covers("/*", "/x"));
        assert!(!covers("/vod/a%20b", "/vod/a b"));
        for unclear in ["", "*", "vod/a", "/vod/*/a", "/vod/**", "https://host/vod/"] {
            assert_eq!(PathPattern::parse(unclear), None, "{unclear}");
        }
    }

    #[test]
    fn networks_are_read_in_both_families() {
        let contains = |text, address: &str| {
            let address: IpAddr = address.parse().unwrap();
            network(text).unwrap().contains(&address)
        };
        assert!(contains("192.0.2.1", "192.0.2.1"));
        assert!(!contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("192.0.2.7/24", "192.0.2.200"));
        assert!(contains("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(contains("::ffff:192.0.2.0/120", "192.0.2.9"));
        assert!(contains("2001:db8::/32", "2001:db8::1"));
        assert!(!contains("0.0.0.0/0", "::1"));
        for unclear in [
            "",
            "192.0.2",
            "192.0.2.1/33",
            "010.0.0.1",
            "010.0.0.0/8",
            "192.0.2.1-9",
            "host",
        ] {
            assert_eq!(network(unclear), None, "{unclear}");
        }
    }

    #[test]
    fn a_subject_is_a_whole_segment_or_the_files_name() {
        assert!(names_segment("/abc/720p.m3u8", "abc"));
        assert!(names_segment("/x/abc.m3u8", "abc"));
        assert!(names_segment("/x/abc", "abc"));
        assert!(!names_segment("/abcd/720p.m3u8", "abc"));
        assert!(!names_segment("/abc.d/720p.m3u8", "abc"));
        assert!(!names_segment("/x/720p.abc", "abc"));
        for unclear in ["", "a/b", "/"] {
            assert_eq!(path_segment(unclear), Err(Refusal::TokenClaim));
        }
    }

    #[test]
    fn a_host_without_a_port_is_for_every_port() {
        assert!(is_host("cdn.example", "CDN.example:8443"));
        assert!(is_host("cdn.example:8443", "cdn.example:8443"));
        assert!(!is_host("cdn.example:8443", "cdn.example"));
        assert!(!is_host("cdn.example", "cdn.example.evil"));
        assert!(is_host("[::1]", "[::1]:80"));
        assert!(is_host("[::1]", "[::1]"));
        assert!(!is_host("[:", "[::1]"));
        for unclear in ["", "*.example", "https://cdn.example", "a b"] {
            assert!(host(unclear).is_none(), "{unclear}");
        }
    }
}
