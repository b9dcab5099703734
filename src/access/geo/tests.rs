use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::access::{Country, Place, Refusal, Region};
use proptest::prelude::*;

use super::super::viewer::Viewer;
use super::{Answer, Facts, Geo, Locator, Settings};

mod mmdb;

use mmdb::Value;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn settings(allow: &[&str], deny: &[&str]) -> Settings {
    Settings {
        allow: texts(allow),
        deny: texts(deny),
        groups: BTreeMap::from([
            ("DACH".to_owned(), texts(&["DE", "AT", "CH"])),
            (
                "office".to_owned(),
                texts(&["192.0.2.0/28", "AS64500", "US-NY", "EEA"]),
            ),
        ]),
        ..Settings::default()
    }
}

fn geo(allow: &[&str], deny: &[&str]) -> Geo {
    Geo::new(&settings(allow, deny)).unwrap()
}

/// `US`, `US-CA`, or nothing.
fn at(text: &str) -> Place {
    let (country, region) = text.split_once('-').unwrap_or((text, ""));
    Place {
        country: Country::parse(country),
        region: Region::parse(region),
        ..Place::default()
    }
}

const HERE: &str = "203.0.113.9";

#[test]
fn places_are_judged_by_denials_first_and_allowances_then() {
    use Refusal::{GeoDenied, GeoUnknown};
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a str, Result<(), Refusal>);
    let table: &[Case<'_>] = &[
        (&[], &[], "DE", Ok(())),
        (&[], &[], "", Ok(())),
        (&["DE"], &[], "DE", Ok(())),
        (&["de"], &[], "DE", Ok(())),
        (&["DE"], &[], "AT", Err(GeoDenied)),
        (&["DE"], &[], "", Err(GeoUnknown)),
        (&["UK"], &[], "GB", Ok(())),
        (&[], &["DE"], "DE", Err(GeoDenied)),
        (&[], &["DE"], "AT", Ok(())),
        (&[], &["DE"], "", Err(GeoUnknown)),
        (&["DE"], &["DE"], "DE", Err(GeoDenied)),
        (&["EU27"], &[], "IE", Ok(())),
        (&["EU27"], &[], "NO", Err(GeoDenied)),
        (&["EEA"], &[], "NO", Ok(())),
        (&["EEA"], &[], "CH", Err(GeoDenied)),
        (&["EEA"], &["NO"], "NO", Err(GeoDenied)),
        (&["DACH"], &[], "CH", Ok(())),
        (&["DACH"], &[], "FR", Err(GeoDenied)),
        (&["US-CA"], &[], "US-CA", Ok(())),
        (&["US-CA"], &[], "US-NY", Err(GeoDenied)),
        (&["US-CA"], &[], "CA", Err(GeoDenied)),
        (&["US-CA"], &[], "US", Err(GeoUnknown)),
        (&["US-CA", "US"], &[], "US", Ok(())),
        (&["US"], &["US-CA"], "US-CA", Err(GeoDenied)),
        (&["US"], &["US-CA"], "US-NY", Ok(())),
        (&["US"], &["US-CA"], "US", Err(GeoUnknown)),
        (&["US", "DE"], &["US-CA"], "DE", Ok(())),
        (&["office"], &[], "US-NY", Ok(())),
        (&["office"], &[], "IS", Ok(())),
        (&["office"], &[], "US-CA", Err(GeoDenied)),
        (&["10.0.0.0/8"], &[], "DE", Err(GeoDenied)),
        (&["10.0.0.0/8"], &[], "", Err(GeoDenied)),
        (&["AS", "XK"], &[], "AS", Ok(())),
        (&["AS", "XK"], &[], "XK", Ok(())),
    ];
    for (allow, deny, place, expected) in table {
        let seen = geo(allow, deny).permit(ip(HERE), &at(place));
        assert_eq!(seen, *expected, "allow {allow:?} deny {deny:?} {place:?}");
    }
}

#[test]
fn a_network_decides_before_everything_else() {
    let geo = Geo::new(&Settings {
        anonymous: Answer::Deny,
        ..settings(
            &["DE", "10.0.0.0/8", "2001:db8::/32"],
            &["10.6.6.0/24", "FR"],
        )
    })
    .unwrap();
    let hidden = Place {
        anonymous: Some(true),
        ..at("FR")
    };
    for address in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"] {
        assert_eq!(geo.permit(ip(address), &hidden), Ok(()), "{address}");
        assert_eq!(geo.permit(ip(address), &Place::default()), Ok(()));
    }
    for address in ["10.6.6.6", "::ffff:10.6.6.6"] {
        assert_eq!(geo.permit(ip(address), &at("DE")), Err(Refusal::GeoDenied));
    }
    assert_eq!(geo.permit(ip(HERE), &at("FR")), Err(Refusal::GeoDenied));
    assert_eq!(geo.permit(ip(HERE), &at("DE")), Ok(()));
}

#[test]
fn an_autonomous_system_is_a_rule_like_a_country() {
    let from = |country: &str, asn| Place { asn, ..at(country) };
    let allowing = geo(&["DE", "AS64496"], &[]);
    assert_eq!(allowing.permit(ip(HERE), &from("FR", Some(64496))), Ok(()));
    assert_eq!(allowing.permit(ip(HERE), &from("", Some(64496))), Ok(()));
    let elsewhere = from("FR", Some(64497));
    assert_eq!(
        allowing.permit(ip(HERE), &elsewhere),
        Err(Refusal::GeoDenied)
    );
    let denying = geo(&[], &["AS64496", "as4294967295"]);
    assert_eq!(
        denying.permit(ip(HERE), &from("DE", Some(64496))),
        Err(Refusal::GeoDenied)
    );
    assert_eq!(denying.permit(ip(HERE), &from("DE", Some(1))), Ok(()));
    assert_eq!(
        denying.permit(ip(HERE), &from("DE", None)),
        Err(Refusal::GeoUnknown)
    );
}

#[test]
fn the_unknown_may_be_let_in_and_only_the_unknown() {
    let lenient = |allow: &[&str], deny: &[&str]| {
        Geo::new(&Settings {
            unknown: Answer::Allow,
            ..settings(allow, deny)
        })
        .unwrap()
    };
    let nowhere = Place::default();
    assert_eq!(lenient(&["DE"], &[]).permit(ip(HERE), &nowhere), Ok(()));
    assert_eq!(
        lenient(&[], &["DE", "AS1"]).permit(ip(HERE), &nowhere),
        Ok(())
    );
    assert_eq!(lenient(&["US-CA"], &[]).permit(ip(HERE), &at("US")), Ok(()));
    let denied = Err(Refusal::GeoDenied);
    assert_eq!(lenient(&["DE"], &[]).permit(ip(HERE), &at("FR")), denied);
    // A country that is not allowed stays so, whatever its autonomous system may be.
    assert_eq!(
        lenient(&["DE", "AS1"], &[]).permit(ip(HERE), &at("FR")),
        denied
    );
    assert_eq!(
        lenient(&["DE"], &["FR", "AS1"]).permit(ip(HERE), &at("FR")),
        denied
    );
}

#[test]
fn the_anonymous_are_refused_where_that_is_wanted_and_known() {
    let hidden = |anonymous| Place {
        anonymous,
        ..at("DE")
    };
    let strict = Geo::new(&Settings {
        anonymous: Answer::Deny,
        ..settings(&["DE"], &[])
    })
    .unwrap();
    assert_eq!(
        strict.permit(ip(HERE), &hidden(Some(true))),
        Err(Refusal::GeoAnonymous)
    );
    assert_eq!(strict.permit(ip(HERE), &hidden(Some(false))), Ok(()));
    assert_eq!(strict.permit(ip(HERE), &hidden(None)), Ok(()));
    let lenient = geo(&["DE"], &[]);
    assert_eq!(lenient.permit(ip(HERE), &hidden(Some(true))), Ok(()));
}

#[test]
fn every_wrong_rule_is_told_with_its_place_and_fix() {
    let mut wrong = settings(
        &["DE", "EN", "EU", "DEU", "US-CALI", "XX-CA", "dach"],
        &["10.0.0.0/33", "10.1.2.3/8", "AS4294967296", "", "EUROPE"],
    );
    wrong.groups.insert("EEA".to_owned(), texts(&["DE"]));
    wrong.groups.insert("US-CA".to_owned(), texts(&["DE"]));
    wrong.groups.insert("AS1".to_owned(), texts(&["DE"]));
    wrong.groups.insert("DE".to_owned(), texts(&["DE"]));
    wrong.groups.insert("none".to_owned(), texts(&[]));
    wrong.groups.insert("nested".to_owned(), texts(&["DACH"]));
    let problems = Geo::new(&wrong).unwrap_err();
    let starts = [
        "groups.AS1: means something already",
        "groups.DE: call it by 3 to 64",
        "groups.EEA: means something already",
        "groups.US-CA: means something already",
        "groups.nested[0]: \"DACH\" is no rule",
        "groups.none: empty",
        "allow[1]: \"EN\" is no country of ISO 3166-1",
        "allow[2]: \"EU\" is no country: write EU27",
        "allow[3]: \"DEU\" is no rule",
        "allow[4]: \"US-CALI\" is no region",
        "allow[5]: \"XX\" is no country",
        "allow[6]: \"dach\" is no rule",
        "deny[0]: \"10.0.0.0/33\" is no network",
        "deny[1]: \"10.1.2.3/8\" has bits beyond its prefix",
        "deny[2]: \"AS4294967296\" is no autonomous system",
        "deny[3]: \"\" is no rule",
        "deny[4]: \"EUROPE\" is no rule",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem} | {start}");
    }
}

#[test]
fn what_the_rules_need_is_known() {
    assert_eq!(geo(&["10.0.0.0/8"], &[]).needs(), Facts::default());
    let all = Geo::new(&Settings {
        anonymous: Answer::Deny,
        ..settings(&["US-CA"], &["AS1"])
    })
    .unwrap();
    let needs = all.needs();
    assert!(needs.country && needs.region && needs.asn && needs.anonymous);
    assert_eq!(needs.without(needs), Facts::default());
    assert_eq!(needs.without(Facts::default()), needs);
}

fn published(names: &[&str]) -> Locator {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mmdb"));
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    Locator::open(&paths).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn written(name: &str, records: Vec<(&str, Value)>) -> Result<Locator, Vec<String>> {
    Locator::from_bytes([(name.to_owned(), mmdb::database("Test-Kind", records))])
}

#[test]
fn maxminds_databases_are_read_together() {
    let locator = published(&[
        "GeoIP2-City-Test.mmdb",
        "GeoLite2-ASN-Test.mmdb",
        "GeoIP2-Anonymous-IP-Test.mmdb",
    ]);
    let facts = locator.tells();
    assert!(facts.country && facts.region && facts.asn && facts.anonymous);
    let place = |address| locator.locate(ip(address));
    let expected = Place {
        country: Country::parse("GB"),
        region: Region::parse("ENG"),
        asn: None,
        anonymous: Some(true),
    };
    assert_eq!(place("81.2.69.142"), expected);
    assert_eq!(place("::ffff:81.2.69.142"), expected);
    assert_eq!(place("216.160.83.56").region, Region::parse("WA"));
    assert_eq!(place("2001:218::1").country, Country::parse("JP"));
    assert_eq!(place("1.128.0.0").asn, Some(1221));
    assert_eq!(place("12.81.92.0").asn, Some(7018));
    assert_eq!(place("81.2.69.1").anonymous, Some(true));
    assert_eq!(place("1.2.0.1").anonymous, Some(true));
    for nobody in ["127.0.0.1", "10.0.0.1", "::1", "fe80::1"] {
        let expected = Place {
            anonymous: Some(false),
            ..Place::default()
        };
        assert_eq!(place(nobody), expected, "{nobody}");
    }
    let kinds: Vec<&str> = locator.databases().map(|database| database.kind).collect();
    assert_eq!(
        kinds,
        ["GeoIP2-City", "GeoLite2-ASN", "GeoIP2-Anonymous-IP"]
    );
    assert!(
        locator
            .databases()
            .all(|database| database.built > 1_500_000_000)
    );
}

#[test]
fn the_first_database_that_knows_is_believed() {
    let city = "GeoIP2-City-Test.mmdb";
    let one = vec![(
        "81.2.69.0/24",
        Value::Map(vec![("country_code", Value::Text("IE"))]),
    )];
    let other = std::fs::read(format!("{}/tests/mmdb/{city}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let files = [
        ("one".to_owned(), mmdb::database("A", one)),
        ("other".to_owned(), other),
    ];
    let locator = Locator::from_bytes(files).unwrap();
    let place = locator.locate(ip("81.2.69.142"));
    // Not Ireland's, the region that the other knows.
    assert_eq!(place, at("IE"));
    assert_eq!(locator.locate(ip("2001:218::1")), at("JP"));
}

#[test]
fn flat_databases_are_read() {
    let locator = written(
        "flat",
        vec![
            (
                "192.0.2.0/24",
                Value::Map(vec![
                    ("country_code", Value::Text("us")),
                    ("region_code", Value::Text("ca")),
                    ("autonomous_system_number", Value::Number(64496)),
                ]),
            ),
            (
                "198.51.100.0/24",
                Value::Map(vec![("country_code", Value::Text("ZZ"))]),
            ),
            (
                "2001:db8::/32",
                Value::Map(vec![("country_code", Value::Text("DE"))]),
            ),
        ],
    )
    .unwrap();
    let expected = Place {
        asn: Some(64496),
        ..at("US-CA")
    };
    assert_eq!(locator.locate(ip("192.0.2.9")), expected);
    assert_eq!(locator.locate(ip("198.51.100.9")), Place::default());
    assert_eq!(locator.locate(ip("2001:db8::9")), at("DE"));
    let text = written(
        "ipinfo",
        vec![(
            "192.0.2.0/24",
            Value::Map(vec![
                ("country", Value::Text("UK")),
                ("asn", Value::Text("AS64497")),
            ]),
        )],
    );
    let expected = Place {
        asn: Some(64497),
        ..at("GB")
    };
    assert_eq!(text.unwrap().locate(ip("192.0.2.9")), expected);
}

#[test]
fn any_flag_makes_an_address_anonymous() {
    let flags = [
        "is_anonymous",
        "is_anonymous_vpn",
        "is_hosting_provider",
        "is_public_proxy",
        "is_residential_proxy",
        "is_tor_exit_node",
    ];
    for flag in flags {
        let record = |is| Value::Map(vec![(flag, Value::Flag(is))]);
        let records = vec![
            ("192.0.2.0/25", record(true)),
            ("192.0.2.128/25", record(false)),
        ];
        let locator = written("anonymous", records).unwrap();
        let place = |address| locator.locate(ip(address)).anonymous;
        assert_eq!(place("192.0.2.1"), Some(true), "{flag}");
        assert_eq!(place("192.0.2.129"), Some(false), "{flag}");
        assert_eq!(place("192.0.3.1"), Some(false), "{flag}");
    }
}

#[test]
fn a_record_that_breaks_the_schema_tells_nothing() {
    let map = |value| Value::Map(vec![("country_code", value), ("asn", Value::Number(7))]);
    let locator = written(
        "mixed",
        vec![
            ("192.0.2.0/24", map(Value::Text("DE"))),
            ("192.0.3.0/24", map(Value::Number(49))),
            ("192.0.4.0/24", map(Value::Map(Vec::new()))),
            ("192.0.5.0/24", map(Value::List(vec![Value::Text("DE")]))),
            ("192.0.6.0/24", map(Value::Text("Germany, as it is"))),
        ],
    )
    .unwrap();
    for third in 3..=6 {
        let expected = Place {
            asn: Some(7),
            ..Place::default()
        };
        assert_eq!(locator.locate(ip(&format!("192.0.{third}.1"))), expected);
    }
}

#[test]
fn broken_databases_are_refused_when_they_are_read() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mmdb"));
    let paths = [
        "MaxMind-DB-test-broken-pointers-24.mmdb",
        "MaxMind-DB-test-broken-search-tree-24.mmdb",
        "GeoIP2-City-Test-Broken-Double-Format.mmdb",
        "GeoIP2-City-Test-Invalid-Node-Count.mmdb",
        "absent.mmdb",
        "MaxMind-DB-test-ipv4-24.mmdb",
    ]
    .map(|name| folder.join(name));
    let problems = Locator::open(&paths).unwrap_err();
    assert_eq!(problems.len(), paths.len(), "{problems:#?}");
    for (problem, path) in problems.iter().zip(&paths) {
        assert!(
            problem.starts_with(&path.display().to_string()),
            "{problem}"
        );
    }
    assert!(
        problems[..4]
            .iter()
            .all(|problem| problem.contains("not a sound MMDB file"))
    );
    assert!(problems[4].contains("cannot be read"));
    assert!(problems[5].contains("tells neither country"));
    for junk in ["", "garbage", "\u{ab}\u{cd}\u{ef}MaxMind.com"] {
        let problems = Locator::from_bytes([("x".to_owned(), junk.as_bytes().to_vec())]);
        assert!(problems.is_err(), "{junk}");
    }
}

#[test]
fn a_database_cut_short_anywhere_is_refused() {
    let record = Value::Map(vec![("country_code", Value::Text("DE"))]);
    let whole = mmdb::database("Test", vec![("192.0.2.0/24", record)]);
    for len in 0..whole.len() {
        let cut = Locator::from_bytes([("cut".to_owned(), whole[..len].to_vec())]);
        assert!(cut.is_err(), "{len} of {}", whole.len());
    }
}

#[test]
fn a_search_tree_whose_branches_meet_again_is_refused_at_once() {
    let record = Value::Map(vec![("country_code", Value::Text("DE"))]);
    let mut bytes = mmdb::database("Test", vec![("2001:db8::/100", record)]);
    // Every node has one branch that leads on, and one to nowhere; let both lead on, and there are 2^100 leaves.
    for node in bytes[..100 * 6].chunks_exact_mut(6) {
        let (left, right) = node.split_at_mut(3);
        let nowhere = [0, 0, 100];
        if *left == nowhere {
            left.copy_from_slice(right);
        } else {
            right.copy_from_slice(left);
        }
    }
    let problems = Locator::from_bytes([("tangled".to_owned(), bytes)]).unwrap_err();
    assert!(
        problems[0].contains("its search tree is no tree"),
        "{problems:?}"
    );
}

#[test]
fn an_ipv4_database_knows_nothing_of_ipv6() {
    let mut bytes = mmdb::database(
        "Test",
        vec![(
            "::/1",
            Value::Map(vec![("country_code", Value::Text("DE"))]),
        )],
    );
    // The same tree, said to be of IPv4.
    let key = b"ip_version\xa2\x00";
    let found = bytes
        .windows(key.len())
        .position(|window| window == key)
        .unwrap();
    bytes[found + key.len()] = 4;
    let locator = Locator::from_bytes([("v4".to_owned(), bytes)]).unwrap();
    assert_eq!(locator.locate(ip("1.2.3.4")), at("DE"));
    assert_eq!(locator.locate(ip("::1")), Place::default());
}

#[test]
fn the_cdn_is_believed_before_the_databases() {
    let record = |country, region| {
        Value::Map(vec![
            ("country_code", Value::Text(country)),
            ("region_code", Value::Text(region)),
            ("asn", Value::Number(64496)),
        ])
    };
    let locator = written("db", vec![("203.0.113.0/24", record("US", "CA"))]).unwrap();
    let told = |country: &str, region: &str| Viewer {
        country: Country::parse(country),
        region: Region::parse(region),
        ..Viewer::at(ip(HERE))
    };
    let place = |viewer: &Viewer| super::place(viewer, Some(&locator));
    let known = |text| Place {
        asn: Some(64496),
        ..at(text)
    };
    assert_eq!(place(&told("DE", "BY")), known("DE-BY"));
    assert_eq!(place(&told("DE", "")), known("DE"));
    assert_eq!(place(&told("US", "")), known("US-CA"));
    assert_eq!(place(&told("", "")), known("US-CA"));
    assert_eq!(super::place(&told("DE", "BY"), None), at("DE-BY"));
    assert_eq!(super::place(&told("", ""), None), Place::default());
}

proptest! {
    /// One flipped bit: refused, or read without a panic.
    #[test]
    fn a_damaged_database_never_panics(at in any::<prop::sample::Index>(), bit in 0u8..8, address in any::<u32>()) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mmdb/GeoIP2-Anonymous-IP-Test.mmdb");
        let mut bytes = std::fs::read(path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(locator) = Locator::from_bytes([("damaged".to_owned(), bytes)]) {
            let _ = locator.locate(IpAddr::V4(address.into()));
        }
    }

    #[test]
    fn no_rule_makes_it_panic(text in "\\PC{0,20}") {
        let _ = Geo::new(&settings(&[&text], &[]));
    }
}
