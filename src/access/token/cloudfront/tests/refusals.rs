//! What is refused, and why.

use super::*;

/// As the vectors' keys, plus ones under which the vectors were not signed.
fn refusal(url: &str) -> Option<Refusal> {
    Request::to(url).refused(&vectors_format(), Carrier::Query)
}

/// A custom policy signed with a key of ours, whatever it says.
fn signed(policy: &str) -> String {
    let format = minting_format();
    let signature = format
        .key("KEC")
        .unwrap()
        .sign(Hash::Sha256, policy.as_bytes())
        .unwrap();
    format!(
        "Policy={}&Signature={}&Key-Pair-Id=KEC&Hash-Algorithm=SHA256",
        encoding::encode(policy.as_bytes()),
        encoding::encode(&signature)
    )
}

fn custom_refusal(statement: &str, url: &str, viewer: &str) -> Option<Refusal> {
    let query = signed(&format!(r#"{{"Statement":[{statement}]}}"#));
    let mark = if url.contains('?') { '&' } else { '?' };
    let request = Request::to(&format!("{url}{mark}{query}")).from(viewer);
    request.refused(&minting_format(), Carrier::Query)
}

#[test]
fn no_single_byte_of_a_signed_url_may_change() {
    for (name, url) in vectors() {
        let format = vectors_format();
        let start = url.find('?').unwrap() + 1;
        for at in start..url.len() {
            let byte = url.as_bytes()[at];
            let others = [
                byte ^ 1,
                byte ^ 2,
                byte ^ 4,
                byte ^ 0x20,
                b'&',
                b'=',
                b'%',
                b'_',
                b'~',
                b' ',
            ];
            for other in others
                .into_iter()
                .filter(|other| *other != byte && other.is_ascii())
            {
                let mut bytes = url.as_bytes().to_vec();
                bytes[at] = other;
                let request = Request::to(std::str::from_utf8(&bytes).unwrap());
                let passed = matches!(request.asks(&format, Carrier::Query), Some(Ok(_)));
                assert!(!passed, "{name}: byte {at} as {other}");
            }
        }
    }
}

#[test]
fn no_byte_of_a_canned_url_may_change() {
    let format = vectors_format();
    let url = vector("SHA256");
    let path = url.find(PATH).unwrap();
    for at in path + 1..path + PATH.len() {
        let mut bytes = url.as_bytes().to_vec();
        bytes[at] ^= 1;
        let url = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(
            Request::to(url).refused(&format, Carrier::Query),
            Some(Refusal::TokenSignature)
        );
    }
}

#[test]
fn a_token_cut_anywhere_is_refused() {
    let format = vectors_format();
    for (name, url) in vectors() {
        let start = url.find('?').unwrap();
        for end in start..url.len() {
            let cut = Request::to(&url[..end]).asks(&format, Carrier::Query);
            assert!(!matches!(cut, Some(Ok(_))), "{name}: {end}");
            let cut = url[..start + 1].to_owned() + &url[end + 1..];
            let cut = Request::to(&cut).asks(&format, Carrier::Query);
            assert!(
                end == start || !matches!(cut, Some(Ok(_))),
                "{name}: from {end}"
            );
        }
    }
}

#[test]
fn a_canned_token_is_for_its_url_as_it_was_signed() {
    for name in ["SHA1", "SHA256", "EC-SHA256"] {
        let url = vector(name);
        for (from, to) in [
            (PATH, "/vod/t1/other.m3u8"),
            (PATH, "/vod/t1/%6daster.m3u8"),
            (PATH, "/vod/t1//master.m3u8"),
            ("https://", "http://"),
            (HOST, "evil.example"),
            ("?", "?a=b&"),
            ("&Signature", "&a=b&Signature"),
        ] {
            let other = url.replacen(from, to, 1);
            assert_ne!(other, url);
            assert_eq!(
                refusal(&other),
                Some(Refusal::TokenSignature),
                "{name} {to}"
            );
        }
        assert_eq!(
            refusal(&format!("{url}&a=b")),
            Some(Refusal::TokenSignature),
            "{name}"
        );
        assert_eq!(
            refusal(&url.replace("2145916800", "2145916801")),
            Some(Refusal::TokenSignature)
        );
    }
}

/// The value of a parameter that is not the last one.
fn value<'a>(url: &'a str, name: &str) -> &'a str {
    let (_, rest) = url.split_once(&format!("{name}=")).unwrap();
    rest.split_once('&').unwrap().0
}

fn each_replaced(url: &str, faults: &[(&str, &str, Refusal)]) {
    for (from, to, expected) in faults {
        let other = url.replacen(from, to, 1);
        assert_ne!(other, url);
        assert_eq!(refusal(&other), Some(*expected), "{from:.40} {to:.40}");
    }
}

#[test]
fn each_fault_of_a_key_or_a_hash_has_its_word() {
    let long = "A".repeat(9000);
    let faults = [
        ("K2JCJMDEHXQW5F", "KUNKNOWN", Refusal::TokenKey),
        ("K2JCJMDEHXQW5F", "k2jcjmdehxqw5f", Refusal::TokenKey),
        ("K2JCJMDEHXQW5F", "KECDSAEXAMPLE", Refusal::TokenSignature),
        ("K2JCJMDEHXQW5F", "", Refusal::TokenMalformed),
        ("K2JCJMDEHXQW5F", &long, Refusal::TokenTooLong),
        ("=SHA256", "=SHA1", Refusal::TokenSignature),
        ("=SHA256", "=sha256", Refusal::TokenAlgorithm),
        ("=SHA256", "=SHA512", Refusal::TokenAlgorithm),
        ("=SHA256", "=none", Refusal::TokenAlgorithm),
        ("=SHA256", "=", Refusal::TokenAlgorithm),
        ("=SHA256", "=SHA256SHA256SHA256", Refusal::TokenTooLong),
        ("&Hash-Algorithm=SHA256", "", Refusal::TokenSignature),
        (
            "&Hash-Algorithm",
            "&Hash-Algorithm=SHA1&Hash-Algorithm",
            Refusal::TokenMalformed,
        ),
        (
            "&Key-Pair-Id",
            "&Expires=2145916800&Key-Pair-Id",
            Refusal::TokenMalformed,
        ),
        (
            "&Key-Pair-Id",
            "&Policy=AAAA&Key-Pair-Id",
            Refusal::TokenMalformed,
        ),
    ];
    each_replaced(vector("SHA256"), &faults);
}

#[test]
fn each_fault_of_a_value_has_its_word() {
    let url = vector("SHA256");
    let signature = value(url, "Signature");
    let long = "A".repeat(9000);
    let faults = [
        ("2145916800", "", Refusal::TokenMalformed),
        ("2145916800", "02145916800", Refusal::TokenMalformed),
        ("2145916800", "+2145916800", Refusal::TokenMalformed),
        ("2145916800", "-1", Refusal::TokenMalformed),
        ("2145916800", "2145916800.0", Refusal::TokenMalformed),
        ("2145916800", "2145916800}", Refusal::TokenMalformed),
        ("2145916800", "9999999999999", Refusal::TokenTooLong),
        (signature, "", Refusal::TokenMalformed),
        (signature, "AAAA", Refusal::TokenSignature),
        (signature, "AAAA\u{e4}", Refusal::TokenMalformed),
        (signature, "%ff%ff%ff%ff", Refusal::TokenMalformed),
        (signature, "%00%00%00%00", Refusal::TokenMalformed),
        (signature, &long, Refusal::TokenTooLong),
    ];
    each_replaced(url, &faults);
    let custom = vector("CUSTOM URL:");
    let policy = value(custom, "Policy");
    let faults = [
        (policy, "", Refusal::TokenMalformed),
        (policy, "e30_", Refusal::TokenSignature),
        (policy, "e30=", Refusal::TokenMalformed),
        (policy, &long, Refusal::TokenTooLong),
    ];
    each_replaced(custom, &faults);
}

#[test]
fn what_a_policy_says_is_evaluated_or_refused() {
    let end = r#""DateLessThan":{"AWS:EpochTime":2145916800}"#;
    let url = "https://h/vod/t1/a";
    for (statement, expected) in [
        (format!(r#"{{"Condition":{{{end}}}}}"#), None),
        (format!(r#"{{"Resource":"*","Condition":{{{end}}}}}"#), None),
        (
            format!(r#"{{"Resource":"https://h/vod/*","Condition":{{{end}}}}}"#),
            None,
        ),
        (
            format!(r#"{{"Resource":"http*://h/vod/*","Condition":{{{end}}}}}"#),
            None,
        ),
        (
            format!(r#"{{"Resource":"https://h/vod/t2/*","Condition":{{{end}}}}}"#),
            Some(Refusal::TokenScope),
        ),
        (
            format!(r#"{{"Resource":"http://h/vod/*","Condition":{{{end}}}}}"#),
            Some(Refusal::TokenScope),
        ),
        (
            format!(r#"{{"Resource":"","Condition":{{{end}}}}}"#),
            Some(Refusal::TokenScope),
        ),
        (
            format!(r#"{{"Resource":"https://h/\\*","Condition":{{{end}}}}}"#),
            Some(Refusal::TokenClaim),
        ),
        (
            format!(r#"{{"Condition":{{{end},"Bool":{{}}}}}}"#),
            Some(Refusal::TokenClaim),
        ),
        (
            format!(r#"{{"Condition":{{{end}}}}},{{"Condition":{{{end}}}}}"#),
            Some(Refusal::TokenClaim),
        ),
        (
            r#"{"Condition":{}}"#.to_owned(),
            Some(Refusal::TokenMalformed),
        ),
        ("{".to_owned(), Some(Refusal::TokenMalformed)),
    ] {
        assert_eq!(
            custom_refusal(&statement, url, "192.0.2.1"),
            expected,
            "{statement}"
        );
    }
}

#[test]
fn a_network_is_held_to() {
    for (network, viewer, expected) in [
        ("192.0.2.0/24", "192.0.2.255", None),
        ("192.0.2.0/24", "192.0.3.0", Some(Refusal::TokenAddress)),
        ("192.0.2.9/24", "192.0.2.1", None),
        ("192.0.2.9", "192.0.2.9", None),
        ("192.0.2.9", "192.0.2.8", Some(Refusal::TokenAddress)),
        ("192.0.2.9/32", "2001:db8::1", Some(Refusal::TokenAddress)),
        ("0.0.0.0/1", "2001:db8::1", Some(Refusal::TokenAddress)),
        ("0.0.0.0/0", "2001:db8::1", None),
        ("0.0.0.0/0", "203.0.113.1", None),
        ("2001:db8::/32", "2001:db8::1", Some(Refusal::TokenClaim)),
    ] {
        let statement = format!(
            r#"{{"Condition":{{"DateLessThan":{{"AWS:EpochTime":9}},"IpAddress":{{"AWS:SourceIp":"{network}"}}}}}}"#
        );
        assert_eq!(
            custom_refusal(&statement, "https://h/a", viewer),
            expected,
            "{network} {viewer}"
        );
    }
}

#[test]
fn wildcards_do_not_reach_where_a_decoder_would() {
    let statement =
        r#"{"Resource":"https://h/vod/t1/*","Condition":{"DateLessThan":{"AWS:EpochTime":9}}}"#;
    for path in [
        "%2e%2e/t2/a",
        "..%2ft2",
        "..;/t2/a",
        "..%5ct2",
        "a%2f..%2f..%2ft2",
        "..;a=b/t2",
    ] {
        let url = format!("https://h/vod/t1/{path}");
        assert_eq!(
            custom_refusal(statement, &url, "192.0.2.1"),
            Some(Refusal::TokenScope),
            "{path}"
        );
    }
}

#[test]
fn a_url_cannot_carry_policy_text() {
    // Signed with a network; the URL tries to bring the beginning of the same bytes, and leave the network out.
    let policy = concat!(
        r#"{"Statement":[{"Resource":"https://h/a","Condition":{"IpAddress":{"AWS:SourceIp":"192.0.2.9/32"},"#,
        r#""x":"","Condition":{"DateLessThan":{"AWS:EpochTime":2145916800}}}]}"#
    );
    let query = signed(policy).split_once('&').unwrap().1.to_owned();
    let bound = policy
        .strip_prefix(r#"{"Statement":[{"Resource":""#)
        .unwrap();
    let (bound, _) = bound.split_once(r#"","Condition":{"DateLess"#).unwrap();
    let format = minting_format();
    // The bytes are those that were signed: only what a URL may hold stands in the way.
    assert_eq!(policy::canned(bound, "2145916800"), policy);
    let found = Found {
        token: format!("Expires=2145916800&{query}").into(),
        bound: bound.into(),
    };
    assert_eq!(format.verify(&found).err(), Some(Refusal::TokenScope));
}

#[test]
fn half_a_set_of_cookies_is_malformed() {
    let format = vectors_format();
    let cookies = vector_cookies();
    let request = Request::to(&format!("https://{HOST}{PATH}"));
    for missing in [
        "CloudFront-Key-Pair-Id",
        "CloudFront-Signature",
        "CloudFront-Policy",
    ] {
        let others: Vec<_> = cookies
            .iter()
            .filter(|(name, _)| name != missing)
            .cloned()
            .collect();
        let refused = request
            .clone()
            .cookies(&others)
            .refused(&format, Carrier::Cookie);
        assert_eq!(refused, Some(Refusal::TokenMalformed), "{missing}");
    }
    let both = request
        .clone()
        .cookies(&cookies)
        .cookies(&[("CloudFront-Expires", "1".to_owned())]);
    assert_eq!(
        both.refused(&format, Carrier::Cookie),
        Some(Refusal::TokenMalformed)
    );
    let twice = request.clone().cookies(&cookies).cookies(&cookies[..1]);
    assert_eq!(
        twice.refused(&format, Carrier::Cookie),
        Some(Refusal::TokenMalformed)
    );
    let mut tampered = cookies.clone();
    tampered.last_mut().unwrap().1 = "SHA1".to_owned();
    assert_eq!(
        request.cookies(&tampered).refused(&format, Carrier::Cookie),
        Some(Refusal::TokenSignature)
    );
}

#[test]
fn a_host_cannot_carry_the_path_that_was_signed() {
    let format = vectors_format();
    let mut request = Request::to(vector("SHA256"));
    let token = request.asks(&format, Carrier::Query).unwrap().unwrap();
    let (folder, file) = PATH.rsplit_once('/').unwrap();
    for (host, path) in [
        (format!("{HOST}{folder}"), format!("/{file}")),
        (format!("{HOST}{PATH}?"), String::new()),
        (format!("{HOST}\""), PATH.to_owned()),
        (String::new(), PATH.to_owned()),
    ] {
        (request.host, request.path) = (host, path);
        assert_eq!(
            request.refused(&format, Carrier::Query),
            Some(Refusal::TokenScope)
        );
        assert_eq!(
            request.ask(|asking| token.terms.permit(asking)),
            Err(Refusal::TokenScope)
        );
    }
}

#[test]
fn a_url_longer_than_any_signed_one_is_refused() {
    let url = vector("SHA256").replace(PATH, &format!("/{}", "a".repeat(MAX_URL)));
    assert_eq!(refusal(&url), Some(Refusal::TokenTooLong));
}

fn new(keys: Vec<KeySettings>, base: Option<&str>) -> Result<(), SettingsError> {
    let resource_base = base.map(str::to_owned);
    CloudFront::new(Settings {
        keys,
        resource_base,
    })
    .map(|_| ())
}

#[test]
fn keys_that_cannot_work_are_refused() {
    let public = data!("cloudfront-test-rsa.pub.pem");
    let one = |public: &str, private: Option<&str>| new(vec![key("K1", public, private)], None);
    let id = || "K1".to_owned();
    assert_eq!(new(Vec::new(), None), Err(SettingsError::NoKeys));
    let twice = vec![key("K1", public, None), key("K1", public, None)];
    assert_eq!(new(twice, None), Err(SettingsError::DuplicateKey(id())));
    for name in ["", "K 1", "K&1", "K=1", "ä", &"K".repeat(129)] {
        let refused = new(vec![key(name, public, None)], None);
        assert_eq!(refused, Err(SettingsError::KeyId(name.to_owned())));
    }
    for public in [
        "",
        "K1",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        data!("cloudfront-test-rsa1024.pub.pem"),
        data!("cloudfront-test-p384.pub.pem"),
        data!("cloudfront-test-rsa.pkcs1.pem"),
    ] {
        assert_eq!(
            one(public, None),
            Err(SettingsError::PublicKey(id())),
            "{public:.60}"
        );
    }
    for private in [
        "",
        "x",
        public,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert_eq!(
            one(public, Some(private)),
            Err(SettingsError::PrivateKey(id())),
            "{private:.60}"
        );
    }
    let other = data!("cloudfront-test-ec.sec1.pem");
    assert_eq!(
        one(public, Some(other)),
        Err(SettingsError::KeyMismatch(id()))
    );
}

#[test]
fn a_resource_base_is_a_scheme_and_a_host() {
    let public = data!("cloudfront-test-rsa.pub.pem");
    for base in [
        "http://h",
        "https://media.example.com:8443",
        "https://[::1]",
    ] {
        assert_eq!(new(vec![key("K1", public, None)], Some(base)), Ok(()));
    }
    for base in [
        "",
        "media.example.com",
        "https://",
        "https://h/",
        "https://h/a",
        "ftp://h",
        "https://*.h",
        "https://u@h",
        "https://h?a",
        "https://h ",
        "HTTPS://h",
    ] {
        let refused = new(vec![key("K1", public, None)], Some(base));
        assert_eq!(refused, Err(SettingsError::ResourceBase(base.to_owned())));
    }
}
