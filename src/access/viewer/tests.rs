use std::net::IpAddr;

use crate::access::{Country, Region};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{Device, Identify, Networks, Scheme, Sender, Viewer};

const CDN: &str = "130.176.1.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn identify(sender: Sender) -> Identify {
    Identify {
        trusted: Networks::parse(["130.176.0.0/16", "10.0.0.0/8", "2600:9000::/28"]).unwrap(),
        sender,
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn viewer(peer: &str, lines: &[(&str, &str)]) -> Viewer {
    identify(Sender::CloudFront).viewer(ip(peer), &headers(lines))
}

const EVERYTHING: [(&str, &str); 10] = [
    ("CloudFront-Viewer-Address", "203.0.113.9:46532"),
    ("CloudFront-Viewer-Country", "US"),
    ("CloudFront-Viewer-Country-Region", "CA"),
    ("CloudFront-Viewer-ASN", "64496"),
    ("CloudFront-Forwarded-Proto", "https"),
    ("CloudFront-Is-Mobile-Viewer", "true"),
    ("CloudFront-Is-Tablet-Viewer", "false"),
    ("CloudFront-Is-Desktop-Viewer", "false"),
    ("CloudFront-Is-SmartTV-Viewer", "false"),
    ("X-Forwarded-For", "198.51.100.7"),
];

#[test]
fn a_trusted_peer_is_believed_in_everything() {
    let expected = Viewer {
        ip: ip("203.0.113.9"),
        country: Country::parse("US"),
        region: Region::parse("CA"),
        asn: Some(64496),
        scheme: Some(Scheme::Https),
        device: Some(Device::Mobile),
    };
    assert_eq!(viewer(CDN, &EVERYTHING), expected);
    assert_eq!(viewer("::ffff:130.176.1.1", &EVERYTHING), expected);
    assert_eq!(viewer("2600:9000::1", &EVERYTHING), expected);
}

#[test]
fn an_untrusted_peer_is_believed_in_nothing() {
    for peer in ["203.0.113.66", "130.177.0.0", "::1", "2600:9010::1"] {
        let mut lines = EVERYTHING.to_vec();
        lines.push(("X-Forwarded-Proto", "https"));
        assert_eq!(viewer(peer, &lines), Viewer::at(ip(peer)));
    }
    let mapped = viewer("::ffff:203.0.113.66", &EVERYTHING);
    assert_eq!(mapped, Viewer::at(ip("203.0.113.66")));
}

#[test]
fn a_proxy_is_not_believed_under_cloudfronts_names() {
    let mut lines = EVERYTHING.to_vec();
    lines.push(("X-Forwarded-Proto", "http"));
    let seen = identify(Sender::Proxy).viewer(ip(CDN), &headers(&lines));
    let expected = Viewer {
        scheme: Some(Scheme::Http),
        ..Viewer::at(ip("198.51.100.7"))
    };
    assert_eq!(seen, expected);
}

/// What a viewer at 203.0.113.9 may invent, what the CDN makes of it by appending, and who is seen.
#[test]
fn nobody_is_taken_for_another_by_x_forwarded_for() {
    let table: &[(&[&str], &str)] = &[
        (&[], CDN),
        (&["203.0.113.9"], "203.0.113.9"),
        (&["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (&["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9", "10.0.0.5"], "203.0.113.9"),
        (
            &["1.1.1.1, 203.0.113.9, 130.176.9.9,10.0.0.5"],
            "203.0.113.9",
        ),
        (&["10.0.0.1,203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9:5555"], "203.0.113.9"),
        (&["1.1.1.1, [2001:db8::9]:443, 10.0.0.5:80"], "2001:db8::9"),
        (&["[2001:db8::9]"], "2001:db8::9"),
        (&["2001:db8::9"], "2001:db8::9"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&["[::ffff:203.0.113.9]:1"], "203.0.113.9"),
        (&["1.1.1.1, ::ffff:10.0.0.5"], "1.1.1.1"),
        (&["\u{fc}\u{fc}, 203.0.113.9"], "203.0.113.9"),
        (&["1.1.1.1, \u{fc}, 10.0.0.5"], "10.0.0.5"),
        (&["1.1.1.1, unknown, 10.0.0.5"], "10.0.0.5"),
        (&["1.1.1.1, _hidden, 10.0.0.5"], "10.0.0.5"),
        (&["1.1.1.1, unknown"], CDN),
        (&["1.1.1.1, 203.0.113.9, ,"], "203.0.113.9"),
        (&[" \t 203.0.113.9 \t "], "203.0.113.9"),
        (&["1.1.1.1 203.0.113.9"], CDN),
        (&["1.1.1.1;203.0.113.9"], CDN),
        (&["0x7f.1"], CDN),
        (&["010.0.0.9"], CDN),
        (&["203.0.113.9:99999"], CDN),
        (&["[203.0.113.9]"], CDN),
        (&["[2001:db8::9"], CDN),
        (&["fe80::1%eth0"], CDN),
        (&["[fe80::1%7]:80"], CDN),
        (&["10.0.0.5, 10.0.0.6"], "10.0.0.5"),
        (&[""], CDN),
        (&[",,,,"], CDN),
    ];
    for (lines, expected) in table {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| ("x-forwarded-for", *line))
            .collect();
        assert_eq!(viewer(CDN, &lines), Viewer::at(ip(expected)), "{lines:?}");
    }
}

#[test]
fn only_so_many_hops_are_looked_at() {
    let chain = |hops: usize| format!("203.0.113.9{}", ", 10.0.0.5".repeat(hops));
    let near = chain(31);
    assert_eq!(
        viewer(CDN, &[("x-forwarded-for", &near)]).ip,
        ip("203.0.113.9")
    );
    let far = chain(32);
    assert_eq!(viewer(CDN, &[("x-forwarded-for", &far)]).ip, ip("10.0.0.5"));
    let commas = format!("203.0.113.9{}", ",".repeat(30_000));
    assert_eq!(viewer(CDN, &[("x-forwarded-for", &commas)]).ip, ip(CDN));
    let digits = "1".repeat(30_000);
    assert_eq!(viewer(CDN, &[("x-forwarded-for", &digits)]).ip, ip(CDN));
}

#[test]
fn the_viewer_address_is_read_as_cloudfront_writes_it() {
    let table = [
        ("203.0.113.9:46532", Some("203.0.113.9")),
        ("2001:db8::1:443", Some("2001:db8::1")),
        ("2001:db8:1:2:3:4:5:6:443", Some("2001:db8:1:2:3:4:5:6")),
        ("2001:db8:::443", Some("2001:db8::")),
        ("[2001:db8::1]:443", Some("2001:db8::1")),
        ("::ffff:203.0.113.9:80", Some("203.0.113.9")),
        ("203.0.113.9", None),
        ("203.0.113.9:", None),
        ("203.0.113.9:65536", None),
        ("203.0.113.9:+80", None),
        ("203.0.113.9:80, 1.1.1.1:80", None),
        ("2001:db8:1:2:3:4:5:6", None),
        (":443", None),
        ("", None),
        ("unknown:443", None),
    ];
    for (text, expected) in table {
        let seen = viewer(
            CDN,
            &[
                ("cloudfront-viewer-address", text),
                ("x-forwarded-for", "198.51.100.7"),
            ],
        );
        assert_eq!(seen.ip, ip(expected.unwrap_or("198.51.100.7")), "{text}");
    }
    let twice = viewer(
        CDN,
        &[
            ("cloudfront-viewer-address", "1.1.1.1:80"),
            ("cloudfront-viewer-address", "203.0.113.9:80"),
            ("x-forwarded-for", "198.51.100.7"),
        ],
    );
    assert_eq!(twice.ip, ip("198.51.100.7"));
}

#[test]
fn what_is_not_a_place_or_stands_twice_is_not_taken() {
    for country in ["", "U", "USA", "U1", "XX", "ZZ", "T1", "EU", "US, DE"] {
        let lines = [
            ("cloudfront-viewer-country", country),
            ("cloudfront-viewer-country-region", "CA"),
        ];
        assert_eq!(viewer(CDN, &lines), Viewer::at(ip(CDN)), "{country}");
    }
    let lines = [
        ("cloudfront-viewer-country", "US"),
        ("cloudfront-viewer-country", "DE"),
    ];
    assert_eq!(viewer(CDN, &lines).country, None);
    let lower = viewer(CDN, &[("cloudfront-viewer-country", "uk")]);
    assert_eq!(lower.country, Country::parse("GB"));
    for asn in ["", "AS1", "-1", "+1", "4294967296", "1 2"] {
        let lines = [("cloudfront-viewer-asn", asn)];
        assert_eq!(viewer(CDN, &lines).asn, None, "{asn}");
    }
}

#[test]
fn the_scheme_is_one_word_or_unknown() {
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<Scheme>);
    let table: [Case<'_>; 6] = [
        (&[("x-forwarded-proto", "https")], Some(Scheme::Https)),
        (&[("x-forwarded-proto", "HTTP")], Some(Scheme::Http)),
        (&[("x-forwarded-proto", "https,http")], None),
        (&[("x-forwarded-proto", "ftp")], None),
        (
            &[
                ("x-forwarded-proto", "http"),
                ("cloudfront-forwarded-proto", "https"),
            ],
            Some(Scheme::Https),
        ),
        (
            &[
                ("x-forwarded-proto", "http"),
                ("x-forwarded-proto", "https"),
            ],
            None,
        ),
    ];
    for (lines, expected) in table {
        assert_eq!(viewer(CDN, lines).scheme, expected, "{lines:?}");
    }
}

#[test]
fn the_narrowest_class_of_device_counts() {
    let table: [(&[&str], Option<Device>); 6] = [
        (&[], None),
        (&["mobile"], Some(Device::Mobile)),
        (&["mobile", "tablet"], Some(Device::Tablet)),
        (&["desktop"], Some(Device::Desktop)),
        (&["desktop", "smarttv"], Some(Device::Tv)),
        (&["ios"], None),
    ];
    for (classes, expected) in table {
        let names: Vec<String> = classes
            .iter()
            .map(|class| format!("cloudfront-is-{class}-viewer"))
            .collect();
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), "true")).collect();
        assert_eq!(viewer(CDN, &lines).device, expected, "{classes:?}");
    }
    let lines = [("cloudfront-is-mobile-viewer", "yes")];
    assert_eq!(viewer(CDN, &lines).device, None);
}

#[test]
fn a_devices_word_reads_back() {
    for device in Device::ALL {
        assert_eq!(Device::parse(device.as_str()), Some(device));
    }
    assert_eq!(Device::parse("TV"), None);
}

proptest! {
    /// Whatever a viewer sends, the CDN's own entry at the right end decides.
    #[test]
    fn what_stands_left_of_the_viewer_never_matters(
        left in prop::collection::vec("[ -~\u{e0}-\u{ff}]{0,40}", 0..4),
    ) {
        let mut map = HeaderMap::new();
        for line in &left {
            if let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) {
                map.append("x-forwarded-for", value);
            }
        }
        map.append("x-forwarded-for", HeaderValue::from_static("203.0.113.9"));
        let seen = identify(Sender::CloudFront).viewer(ip(CDN), &map);
        prop_assert_eq!(seen.ip, ip("203.0.113.9"));
    }

    #[test]
    fn no_header_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..100)) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let mut map = HeaderMap::new();
        for (name, _) in EVERYTHING {
            map.insert(name.parse::<HeaderName>().unwrap(), value.clone());
        }
        let _ = identify(Sender::CloudFront).viewer(ip(CDN), &map);
    }
}
