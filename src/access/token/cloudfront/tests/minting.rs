//! What is minted, and renewed.

use super::*;

const URL: &str = "https://media.example.com/vod/t1/master.m3u8";

fn permit(resource: &str) -> Permit {
    Permit {
        resource: resource.to_owned(),
        expires: END,
        not_before: None,
        network: None,
    }
}

fn signing(key: &str, hash: Hash, policy: Policy) -> Signing<'_> {
    Signing {
        key: Some(key),
        hash,
        policy,
    }
}

/// All that can be: RSA with SHA-1 cannot.
fn ways() -> impl Iterator<Item = Signing<'static>> {
    let keys = [
        ("KRSA", Hash::Sha256),
        ("KEC", Hash::Sha256),
        ("KEC", Hash::Sha1),
    ];
    keys.into_iter().flat_map(|(key, hash)| {
        [Policy::Canned, Policy::Custom].map(|policy| signing(key, hash, policy))
    })
}

#[test]
fn what_is_minted_is_accepted() {
    let format = minting_format();
    for signing in ways() {
        for url in [URL, "https://media.example.com/a%20b?x=1&y=2"] {
            let signed = format.sign_url(url, &permit(url), &signing).unwrap();
            assert!(
                signed.starts_with(url) && signed.matches('?').count() == 1,
                "{signing:?}"
            );
            assert_eq!(
                signed.ends_with("&Hash-Algorithm=SHA256"),
                signing.hash == Hash::Sha256
            );
            let token = Request::to(&signed)
                .asks(&format, Carrier::Query)
                .unwrap()
                .unwrap();
            assert_eq!(
                (&*token.key, token.expires),
                (signing.key.unwrap(), Some(END))
            );
            let cookies = format.sign_cookies(&permit(url), &signing).unwrap();
            let request = Request::to(url).cookies(&cookies);
            assert_eq!(
                request.refused(&format, Carrier::Cookie),
                None,
                "{signing:?}"
            );
            let other = Request::to("https://media.example.com/b").cookies(&cookies);
            assert!(
                other.refused(&format, Carrier::Cookie).is_some(),
                "{signing:?}"
            );
        }
    }
}

#[test]
fn everything_a_permit_says_is_held_to() {
    let format = minting_format();
    let permit = Permit {
        resource: "https://media.example.com/vod/t1/*".to_owned(),
        expires: END,
        not_before: Some(1_735_689_601),
        network: Some("192.0.2.0/24".parse().unwrap()),
    };
    assert_eq!(permit.policy(), Policy::Custom);
    let signing = Signing {
        key: None,
        hash: Hash::Sha256,
        policy: permit.policy(),
    };
    let signed = format.sign_url(URL, &permit, &signing).unwrap();
    let request = Request::to(&signed);
    let token = request.asks(&format, Carrier::Query).unwrap().unwrap();
    assert_eq!(
        (token.not_before, token.expires),
        (permit.not_before, Some(END))
    );
    let elsewhere = request.clone().from("198.51.100.1");
    assert_eq!(
        elsewhere.refused(&format, Carrier::Query),
        Some(Refusal::TokenAddress)
    );
    let other = Request::to(&signed.replace("/t1/", "/t2/"));
    assert_eq!(
        other.refused(&format, Carrier::Query),
        Some(Refusal::TokenScope)
    );
}

#[test]
fn every_form_of_a_private_key_signs() {
    for (public, private) in [
        (
            data!("cloudfront-test-rsa.pub.pem"),
            data!("cloudfront-test-rsa.pkcs1.pem"),
        ),
        (
            data!("cloudfront-test-rsa.pub.pem"),
            data!("cloudfront-test-rsa.pkcs8.pem"),
        ),
        (
            data!("cloudfront-test-ec.pub.pem"),
            data!("cloudfront-test-ec.sec1.pem"),
        ),
        (
            data!("cloudfront-test-ec.pub.pem"),
            data!("cloudfront-test-ec.pkcs8.pem"),
        ),
    ] {
        let keys = vec![key("K1", public, Some(private))];
        let format = CloudFront::new(Settings {
            keys,
            resource_base: None,
        })
        .unwrap();
        let signing = signing("K1", Hash::Sha256, Policy::Canned);
        let signed = format.sign_url(URL, &permit(URL), &signing).unwrap();
        assert_eq!(Request::to(&signed).refused(&format, Carrier::Query), None);
    }
}

fn error(url: &str, permit: &Permit, signing: &Signing<'_>) -> SignError {
    let signed = minting_format().sign_url(url, permit, signing);
    signed.unwrap_err()
}

#[test]
fn a_key_that_cannot_sign_is_told() {
    let canned = signing("KRSA", Hash::Sha256, Policy::Canned);
    let sha1 = Signing {
        hash: Hash::Sha1,
        ..canned
    };
    assert_eq!(
        error(URL, &permit(URL), &sha1),
        SignError::RsaSha1("KRSA".to_owned())
    );
    let unknown = Signing {
        key: Some("K9"),
        ..canned
    };
    assert_eq!(
        error(URL, &permit(URL), &unknown),
        SignError::UnknownKey("K9".to_owned())
    );
    let public = vectors_format();
    let id = "K2JCJMDEHXQW5F";
    let named = Signing {
        key: Some(id),
        ..canned
    };
    let none = Signing {
        key: None,
        ..canned
    };
    assert_eq!(
        public.sign_url(URL, &permit(URL), &named),
        Err(SignError::NoPrivateKey(id.to_owned()))
    );
    assert_eq!(
        public.sign_url(URL, &permit(URL), &none),
        Err(SignError::NoKey)
    );
}

#[test]
fn what_a_policy_cannot_say_is_told() {
    let canned = signing("KRSA", Hash::Sha256, Policy::Canned);
    let custom = signing("KRSA", Hash::Sha256, Policy::Custom);
    let other = permit("https://media.example.com/vod/t2/*");
    assert!(matches!(
        error(URL, &other, &custom),
        SignError::Scope { .. }
    ));
    assert!(matches!(
        error(URL, &other, &canned),
        SignError::Scope { .. }
    ));
    let begun = Permit {
        not_before: Some(5),
        ..permit(URL)
    };
    assert_eq!(error(URL, &begun, &canned), SignError::Canned("beginning"));
    let near = Permit {
        network: Some("10.0.0.0/8".parse().unwrap()),
        ..permit(URL)
    };
    assert_eq!(error(URL, &near, &canned), SignError::Canned("network"));
    for (not_before, expires) in [
        (None, 0),
        (None, -5),
        (None, 1_000_000_000_000),
        (Some(END), END),
        (Some(0), END),
    ] {
        let never = Permit {
            not_before,
            expires,
            ..permit(URL)
        };
        assert_eq!(
            error(URL, &never, &custom),
            SignError::Times {
                not_before,
                expires
            }
        );
    }
    let star = minting_format().sign_cookies(&permit("https://h/*"), &canned);
    assert_eq!(star, Err(SignError::Canned("wildcards")));
}

#[test]
fn a_url_that_cannot_be_signed_is_told() {
    let format = minting_format();
    let canned = signing("KRSA", Hash::Sha256, Policy::Canned);
    let custom = signing("KRSA", Hash::Sha256, Policy::Custom);
    for url in [
        "",
        "/a",
        "https://h",
        "ftp://h/a",
        "https://h/a#b",
        "https://h/a b",
        "https://h/ä",
        "https://h/\"",
        "https://h/\\",
        "https://h/a?",
        "https://h/a?Expires=1",
        "https://h/a?b=c&Policy=d",
        "https://h/a?Hash-Algorithm=SHA1",
    ] {
        assert_eq!(
            error(url, &permit(url), &canned),
            SignError::Url(url.to_owned())
        );
        let cookies = format.sign_cookies(&permit(url), &canned);
        assert_eq!(cookies, Err(SignError::Url(url.to_owned())));
    }
    for resource in [
        "",
        "https://h/a b",
        "https://h/ä",
        "https://h/\"",
        r"https://h/a\b",
    ] {
        let refused = format.sign_cookies(&permit(resource), &custom);
        assert_eq!(refused, Err(SignError::Resource(resource.to_owned())));
    }
}

fn renew(format: &CloudFront, request: &Request, carrier: Carrier, expires: i64) -> Option<String> {
    request.ask(|asking| {
        let found = format.find(&Source { carrier, asking }).unwrap().unwrap();
        let token = format.verify(&found).unwrap();
        format.renew(&found, &token, expires)
    })
}

fn whole_permit() -> Permit {
    Permit {
        resource: "https://media.example.com/vod/t1/*".to_owned(),
        expires: END,
        not_before: Some(9),
        network: Some("192.0.2.0/24".parse().unwrap()),
    }
}

#[test]
fn a_renewed_token_says_the_same_for_longer() {
    let format = minting_format();
    for signing in ways().filter(|signing| signing.policy == Policy::Custom) {
        let signed = format.sign_url(URL, &whole_permit(), &signing).unwrap();
        let mut request = Request::to(&signed);
        let renewed = renew(&format, &request, Carrier::Query, END + 60).unwrap();
        assert!(
            renewed.starts_with("Policy=") && renewed.contains("&Signature="),
            "{renewed}"
        );
        request.query = renewed;
        let token = request.asks(&format, Carrier::Query).unwrap().unwrap();
        assert_eq!((token.not_before, token.expires), (Some(9), Some(END + 60)));
        assert_eq!(&*token.key, signing.key.unwrap());
        request.prefix = Some(std::mem::take(&mut request.query));
        request.query = renew(&format, &request, Carrier::Path, END + 90).unwrap();
        let token = request.asks(&format, Carrier::Query).unwrap().unwrap();
        assert_eq!(token.expires, Some(END + 90));
        let elsewhere = request.clone().from("198.51.100.1");
        assert_eq!(
            elsewhere.refused(&format, Carrier::Query),
            Some(Refusal::TokenAddress)
        );
        request.path = "/vod/t2/a".to_owned();
        assert_eq!(
            request.refused(&format, Carrier::Query),
            Some(Refusal::TokenScope)
        );
    }
}

#[test]
fn renewed_cookies_are_cookies() {
    let format = minting_format();
    let signing = signing("KEC", Hash::Sha1, Policy::Custom);
    let cookies = format.sign_cookies(&whole_permit(), &signing).unwrap();
    let request = Request::to(URL).cookies(&cookies);
    let renewed = renew(&format, &request, Carrier::Cookie, END + 60).unwrap();
    let mut request = Request::to(URL);
    request.headers.insert(COOKIE, renewed.parse().unwrap());
    let token = request.asks(&format, Carrier::Cookie).unwrap().unwrap();
    assert_eq!((token.not_before, token.expires), (Some(9), Some(END + 60)));
}

#[test]
fn a_token_of_a_key_without_its_private_half_is_renewed_by_another() {
    let keys = vec![
        key("K2JCJMDEHXQW5F", data!("cloudfront-rsa.pub.pem"), None),
        key(
            "KEC",
            data!("cloudfront-test-ec.pub.pem"),
            Some(data!("cloudfront-test-ec.pkcs8.pem")),
        ),
    ];
    let format = CloudFront::new(Settings {
        keys,
        resource_base: None,
    })
    .unwrap();
    let mut request = Request::to(vector("CUSTOM URL:"));
    request.query = renew(&format, &request, Carrier::Query, END + 60).unwrap();
    let token = request.asks(&format, Carrier::Query).unwrap().unwrap();
    assert_eq!((&*token.key, token.expires), ("KEC", Some(END + 60)));
}

#[test]
fn what_cannot_be_renewed_is_not() {
    let format = minting_format();
    let canned = signing("KEC", Hash::Sha256, Policy::Canned);
    let signed = format.sign_url(URL, &permit(URL), &canned).unwrap();
    assert_eq!(
        renew(&format, &Request::to(&signed), Carrier::Query, END + 60),
        None
    );
    let custom = Signing {
        policy: Policy::Custom,
        ..canned
    };
    let signed = format.sign_url(URL, &permit(URL), &custom).unwrap();
    for expires in [END, END - 1, 0, i64::MIN] {
        assert_eq!(
            renew(&format, &Request::to(&signed), Carrier::Query, expires),
            None
        );
    }
    let only_public = Request::to(vector("CUSTOM URL:"));
    assert_eq!(
        renew(&vectors_format(), &only_public, Carrier::Query, END + 60),
        None
    );
}

#[test]
fn a_token_that_does_not_verify_is_not_renewed() {
    let format = minting_format();
    let custom = signing("KEC", Hash::Sha256, Policy::Custom);
    let signed = format.sign_url(URL, &permit(URL), &custom).unwrap();
    let query = signed.split_once('?').unwrap().1;
    let forged = query.replace("Signature=ME", "Signature=MF");
    assert_ne!(forged, query);
    let found = |token: &str| Found {
        token: Cow::Owned(token.to_owned()),
        bound: Cow::Borrowed(""),
    };
    let token = format.verify(&found(query)).unwrap();
    assert!(format.renew(&found(query), &token, END + 1).is_some());
    assert_eq!(format.renew(&found(&forged), &token, END + 1), None);
}
