use std::net::IpAddr;

use proptest::prelude::*;

use super::Networks;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn set(texts: &[&str]) -> Networks {
    Networks::parse(texts.iter().copied()).unwrap()
}

#[test]
fn an_address_is_in_the_networks_that_cover_it() {
    let set = set(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]);
    for inside in [
        "10.0.0.0",
        "10.255.255.255",
        "192.0.2.7",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "::1",
    ] {
        assert!(set.contains(ip(inside)), "{inside}");
    }
    for outside in [
        "9.255.255.255",
        "11.0.0.0",
        "192.0.2.6",
        "192.0.2.8",
        "2001:db7:ffff::",
        "2001:db9::",
        "::",
        "::2",
    ] {
        assert!(!set.contains(ip(outside)), "{outside}");
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    let v4 = set(&["10.0.0.0/8"]);
    assert!(v4.contains(ip("::ffff:10.1.2.3")));
    assert_eq!(set(&["::ffff:10.0.0.0/104"]), v4);
    assert_eq!(set(&["::ffff:10.1.2.3"]), set(&["10.1.2.3/32"]));
    assert!(!set(&["::/0"]).contains(ip("::ffff:10.1.2.3")));
    assert!(!set(&["::/0"]).contains(ip("10.1.2.3")));
}

#[test]
fn neighbours_and_overlaps_become_one_range() {
    let merged = set(&[
        "10.0.0.128/25",
        "10.0.0.0/25",
        "10.0.0.64/26",
        "255.255.255.255",
        "0.0.0.0",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]);
    assert_eq!(merged.v4.len(), 3);
    assert_eq!(merged.v6.len(), 1);
    assert!(merged.contains(ip("10.0.0.255")));
    assert!(merged.contains(ip("255.255.255.255")));
    assert!(!merged.contains(ip("255.255.255.254")));
    assert_eq!(set(&["0.0.0.0/0", "10.0.0.0/8"]), set(&["0.0.0.0/0"]));
}

#[test]
fn a_set_of_everyone_is_known_as_such() {
    assert!(set(&["0.0.0.0/1", "128.0.0.0/1"]).is_everyone());
    assert!(set(&["::/0"]).is_everyone());
    assert!(!set(&["0.0.0.0/1"]).is_everyone());
    assert!(!Networks::default().is_everyone());
}

#[test]
fn a_union_holds_all_of_both() {
    let both = Networks::union([&set(&["10.0.0.0/9"]), &set(&["10.128.0.0/9", "::1"])]);
    assert_eq!(both, set(&["10.0.0.0/8", "::1"]));
    assert!(Networks::union([]).is_empty());
}

#[test]
fn every_wrong_text_is_told_with_its_fix() {
    let wrong = [
        "10.0.0.0/33",
        "10.0.0",
        "10.0.0.0/",
        "/8",
        "",
        " ",
        "010.0.0.1",
        "fe80::1%eth0",
        "::/129",
        "example.com",
        "10.0.0.1-10.0.0.9",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/+8",
        "010.0.0.0/8",
        "10.00.0.0/8",
        "10.0.0.0/08",
    ];
    let problems = Networks::parse(wrong).unwrap_err();
    assert_eq!(problems.len(), wrong.len(), "{problems:#?}");
    assert_eq!(
        problems[0],
        "\"10.0.0.0/33\" is no network: write an address such as 192.0.2.1 or a network such as 192.0.2.0/24"
    );
    assert_eq!(
        Networks::parse(["10.1.2.3/8"]).unwrap_err(),
        ["\"10.1.2.3/8\" has bits beyond its prefix: write 10.0.0.0/8 or 10.1.2.3"]
    );
    let long = "1".repeat(1 << 20);
    assert!(Networks::parse([long.as_str()]).unwrap_err()[0].len() < 400);
}

#[test]
fn of_many_problems_the_first_are_told_and_the_rest_counted() {
    let problems = Networks::parse(["x"; 5000]).unwrap_err();
    assert_eq!(problems.len(), 21);
    assert_eq!(problems[20], "and 4980 more");
}

fn file(text: &str, service: Option<&str>) -> Result<Networks, Vec<String>> {
    Networks::from_bytes("nets", text.as_bytes(), service)
}

#[test]
fn a_file_has_one_network_a_line_and_comments() {
    let text = "\u{feff}# ours\r\n10.0.0.0/8\r\n\n  192.0.2.7   # the office\n\t2001:db8::/32";
    assert_eq!(
        file(text, None).unwrap(),
        set(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
    );
    let problems = file("10.0.0.0/8\n# fine\n10.0.0.0/99\n10.0.0.1 10.0.0.2\n", None).unwrap_err();
    assert!(
        problems[0].starts_with("nets:3: \"10.0.0.0/99\""),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("nets:4: \"10.0.0.1 10.0.0.2\""),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 2);
}

#[test]
fn a_file_without_a_network_is_refused() {
    for empty in ["", "\n\n", "# nothing\n", "{\"Entries\":[]}"] {
        let problems = file(empty, None).unwrap_err();
        assert!(problems[0].contains("holds no network"), "{problems:?}");
    }
    let problems = Networks::from_bytes("nets", b"\xff\xfe1", None).unwrap_err();
    assert_eq!(problems, ["nets: not text: save it as UTF-8"]);
    let huge = vec![b'\n'; (16 << 20) + 1];
    let problems = Networks::from_bytes("nets", &huge, None).unwrap_err();
    assert!(problems[0].contains("longer than 16 MiB"));
    let problems = Networks::open("/nowhere/nets".as_ref(), None).unwrap_err();
    assert!(problems[0].starts_with("/nowhere/nets: cannot be read: "));
}

const IP_RANGES: &str = r#"{"syncToken":"1","createDate":"2026-06-01-00-00-00","prefixes":[
  {"ip_prefix":"3.4.12.4/32","region":"eu-west-1","service":"AMAZON","network_border_group":"eu-west-1"},
  {"ip_prefix":"13.124.199.0/24","region":"GLOBAL","service":"CLOUDFRONT_ORIGIN_FACING","network_border_group":"GLOBAL"}],
 "ipv6_prefixes":[
  {"ipv6_prefix":"2600:9000:5380::/41","region":"GLOBAL","service":"CLOUDFRONT_ORIGIN_FACING","network_border_group":"GLOBAL"},
  {"ipv6_prefix":"2600:1f69::/40","region":"x","service":"AMAZON","network_border_group":"x"}]}"#;

#[test]
fn of_ip_ranges_json_the_networks_of_the_service_count() {
    assert_eq!(
        file(IP_RANGES, Some("CLOUDFRONT_ORIGIN_FACING")).unwrap(),
        set(&["13.124.199.0/24", "2600:9000:5380::/41"])
    );
    let problems = file(IP_RANGES, Some("CLOUDFORNT")).unwrap_err();
    assert_eq!(
        problems,
        [
            "nets: lists no network of service \"CLOUDFORNT\": it has AMAZON, CLOUDFRONT_ORIGIN_FACING"
        ]
    );
    let problems = file(IP_RANGES, None).unwrap_err();
    assert!(problems[0].contains("say of which"), "{problems:?}");
}

#[test]
fn a_managed_prefix_list_is_read_as_the_aws_cli_prints_it() {
    let text =
        r#"{"Entries":[{"Cidr":"13.32.0.0/15","Description":"x"},{"Cidr":"2600:9000::/28"}]}"#;
    assert_eq!(
        file(text, None).unwrap(),
        set(&["13.32.0.0/15", "2600:9000::/28"])
    );
    let text = r#"{"Entries":[{"Cidr":"13.32.0.0/15"},{"Cidr":"13.32.0.1/15"},{"Cird":"x"},7]}"#;
    let problems = file(text, None).unwrap_err();
    assert!(
        problems[0].starts_with("nets: Entries[1].Cidr: \"13.32.0.1/15\" has bits"),
        "{problems:?}"
    );
    assert_eq!(problems[1], "nets: Entries[2].Cidr: missing, or not text");
    assert_eq!(problems.len(), 3);
}

#[test]
fn json_of_another_shape_is_refused() {
    for (text, word) in [
        ("{", "begins as JSON and is not"),
        ("{\"a\":1}", "JSON that lists no networks"),
        ("{\"Entries\":7}", "not a list"),
        ("{\"prefixes\":{}}", "not a list"),
    ] {
        let problems = file(text, Some("S")).unwrap_err();
        assert!(problems[0].contains(word), "{text}: {problems:?}");
    }
}

proptest! {
    #[test]
    fn a_set_answers_as_its_networks_do(
        v4 in prop::collection::vec((any::<u32>(), 0u8..=32), 0..40),
        v6 in prop::collection::vec((any::<u128>(), 0u8..=128), 0..40),
        near in any::<prop::sample::Index>(),
        offset in -2i64..=2,
    ) {
        let nets: Vec<ipnet::IpNet> = v4.iter()
            .map(|(at, len)| ipnet::IpNet::new(IpAddr::V4((*at).into()), *len).unwrap().trunc())
            .chain(v6.iter().map(|(at, len)| {
                ipnet::IpNet::new(IpAddr::V6((*at).into()), *len).unwrap().trunc()
            }))
            .collect();
        prop_assume!(!nets.is_empty());
        let set: Networks = nets.iter().copied().collect();
        let net = nets[near.index(nets.len())];
        for edge in [net.network(), net.broadcast()] {
            let asked: IpAddr = match edge {
                IpAddr::V4(v4) => IpAddr::V4(u32::from(v4).wrapping_add(offset as u32).into()),
                IpAddr::V6(v6) => {
                    IpAddr::V6(u128::from(v6).wrapping_add(offset as i128 as u128).into())
                }
            };
            // A mapped address is asked as IPv4.
            prop_assume!(asked.to_canonical() == asked);
            prop_assert_eq!(set.contains(asked), nets.iter().any(|net| net.contains(&asked)));
        }
    }

    #[test]
    fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Networks::from_bytes("nets", &bytes, Some("S"));
    }
}
