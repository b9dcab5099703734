use proptest::prelude::*;

use super::{Ends, Error, Progress, V2_REST_MAX, V2_START, parse};

fn done(len: usize, source: &str, destination: &str) -> Result<Progress, Error> {
    Ok(Progress::Done {
        len,
        ends: Some(Ends {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }),
    })
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut bytes = V2_START.to_vec();
    bytes.extend_from_slice(&[command, family]);
    bytes.extend_from_slice(&(block.len() as u16).to_be_bytes());
    bytes.extend_from_slice(block);
    bytes
}

/// 203.0.113.9:46532 asks 10.0.0.5:443.
const V4: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 5, 0xb5, 0xc4, 0x01, 0xbb];

#[test]
fn version_1_is_read() {
    let text = "PROXY TCP4 203.0.113.9 10.0.0.5 46532 443\r\n";
    let len = text.len();
    let whole = format!("{text}GET / HTTP/1.1\r\n");
    assert_eq!(
        parse(whole.as_bytes()),
        done(len, "203.0.113.9:46532", "10.0.0.5:443")
    );
    let text = "PROXY TCP6 2001:db8::9 ::1 0 65535\r\n";
    assert_eq!(
        parse(text.as_bytes()),
        done(text.len(), "[2001:db8::9]:0", "[::1]:65535")
    );
    let text = "PROXY TCP6 ::ffff:203.0.113.9 ::ffff:10.0.0.5 1 2\r\n";
    assert_eq!(
        parse(text.as_bytes()),
        done(text.len(), "203.0.113.9:1", "10.0.0.5:2")
    );
    // The longest of the specification.
    let longest = format!(
        "PROXY UNKNOWN {0} {0} 65535 65535\r\n",
        ["ffff"; 8].join(":")
    );
    assert_eq!(longest.len(), 107);
    assert_eq!(
        parse(longest.as_bytes()),
        Ok(Progress::Done {
            len: 107,
            ends: None
        })
    );
}

#[test]
fn who_has_no_address_keeps_the_sockets() {
    for text in [
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN \u{fc} TCP4\r\n",
    ] {
        let len = text.len();
        assert_eq!(
            parse(text.as_bytes()),
            Ok(Progress::Done { len, ends: None }),
            "{text}"
        );
    }
    let blocks: [(u8, u8, &[u8]); 7] = [
        (0x20, 0x00, &[]),
        (0x20, 0x11, &V4),
        (0x20, 0x11, &[]),
        (0x20, 0xff, &[1, 2, 3]),
        (0x21, 0x00, &[]),
        (0x21, 0x00, &[4, 0, 1, 0]),
        (0x21, 0x31, &[b'/'; 216]),
    ];
    for (command, family, block) in blocks {
        let bytes = v2(command, family, block);
        let len = bytes.len();
        assert_eq!(
            parse(&bytes),
            Ok(Progress::Done { len, ends: None }),
            "{command:x} {family:x}"
        );
    }
}

#[test]
fn version_2_is_read_and_its_extensions_are_passed_over() {
    let expected = |len| done(len, "203.0.113.9:46532", "10.0.0.5:443");
    assert_eq!(parse(&v2(0x21, 0x11, &V4)), expected(28));
    assert_eq!(parse(&v2(0x21, 0x12, &V4)), expected(28));
    let mut extended = V4.to_vec();
    extended.extend_from_slice(&[0xea, 0, 3, 1, b'v', b'p']);
    let mut bytes = v2(0x21, 0x11, &extended);
    bytes.extend_from_slice(b"GET /");
    assert_eq!(parse(&bytes), expected(34));
    let mut block = Vec::new();
    block.extend_from_slice(
        &"2001:db8::9"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    block.extend_from_slice(
        &"::ffff:10.0.0.5"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    block.extend_from_slice(&[0, 80, 1, 187]);
    assert_eq!(
        parse(&v2(0x21, 0x21, &block)),
        done(52, "[2001:db8::9]:80", "10.0.0.5:443")
    );
}

#[test]
fn what_is_written_otherwise_is_refused() {
    for text in [
        "PROXY TCP4 203.0.113.9 10.0.0.5 46532 443\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 46532 443 \r\n",
        "PROXY TCP4  203.0.113.9 10.0.0.5 46532 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 46532\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 46532 443 1\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 046532 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 +46532 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 65536 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 00 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5  443\r\n",
        "PROXY TCP4 203.0.113.009 10.0.0.5 46532 443\r\n",
        "PROXY TCP4 ::1 ::1 46532 443\r\n",
        "PROXY TCP6 203.0.113.9 10.0.0.5 46532 443\r\n",
        "PROXY TCP6 fe80::1%1 ::1 46532 443\r\n",
        "PROXY UDP4 203.0.113.9 10.0.0.5 46532 443\r\n",
        "PROXY tcp4 203.0.113.9 10.0.0.5 46532 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.5 46532 443\r\r\n",
        "PROXY TCP4 203.0.113.9\r10.0.0.5 46532 443\r\n",
        "PROXY \u{fc}\r\n",
        "PROXY \r\n",
        "PROXY \n",
    ] {
        assert_eq!(parse(text.as_bytes()), Err(Error::Line), "{text:?}");
    }
    for text in [
        "GET / HTTP/1.1\r\n",
        "proxy ",
        "PROXY\t",
        "\r\n\r\n\0\r\nQUIT\r",
        "\r\nG",
        "\0",
    ] {
        assert_eq!(parse(text.as_bytes()), Err(Error::Absent), "{text:?}");
    }
}

#[test]
fn what_is_not_assigned_is_refused() {
    for command in (0..=0xff).filter(|command| ![0x20, 0x21].contains(command)) {
        assert_eq!(
            parse(&v2(command, 0x11, &V4)),
            Err(Error::Unknown),
            "{command:x}"
        );
    }
    let families = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32];
    for family in (0..=0xff).filter(|family| !families.contains(family)) {
        assert_eq!(
            parse(&v2(0x21, family, &[0; 216])),
            Err(Error::Unknown),
            "{family:x}"
        );
    }
    for (family, needs) in [(0x11, 12), (0x22, 36), (0x31, 216)] {
        let bytes = v2(0x21, family, &vec![0; needs - 1]);
        assert_eq!(parse(&bytes), Err(Error::TooShort), "{family:x}");
    }
}

#[test]
fn a_header_has_its_bounds() {
    let endless = [b"PROXY ".as_slice(), &[b'1'; 101]].concat();
    assert_eq!(parse(&endless[..106]), Ok(Progress::More));
    assert_eq!(parse(&endless), Err(Error::TooLong));
    let late = [b"PROXY UNKNOWN ".as_slice(), &[b'1'; 92], b"\r\n"].concat();
    assert_eq!(late.len(), 108);
    assert_eq!(parse(&late), Err(Error::TooLong));
    let widest = v2(0x21, 0x00, &[0; V2_REST_MAX]);
    assert_eq!(
        parse(&widest),
        Ok(Progress::Done {
            len: widest.len(),
            ends: None
        })
    );
    let wider = v2(0x21, 0x00, &[0; V2_REST_MAX + 1]);
    assert_eq!(parse(&wider[..16]), Err(Error::TooLong));
    let local = v2(0x20, 0x00, &[0; V2_REST_MAX + 1]);
    assert_eq!(parse(&local), Err(Error::TooLong));
}

/// Bytes that are headers often, or nearly.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let line = "PROXY (TCP4|TCP6|UNKNOWN|X)? ?[0-9a-f:. ]{0,90}(\r\n|\n|\r)?[a-z]{0,5}";
    let exact = (
        any::<[u8; 4]>(),
        any::<[u8; 4]>(),
        any::<u16>(),
        any::<u16>(),
    )
        .prop_map(|(a, b, from, to)| {
            let (a, b) = (std::net::Ipv4Addr::from(a), std::net::Ipv4Addr::from(b));
            format!("PROXY TCP4 {a} {b} {from} {to}\r\nrest").into_bytes()
        });
    let block = prop::collection::vec(any::<u8>(), 0..300);
    let command = prop_oneof![Just(0x20), Just(0x21), any::<u8>()];
    let family = prop_oneof![Just(0x00), Just(0x11), Just(0x21), Just(0x31), any::<u8>()];
    prop_oneof![
        line.prop_map(String::into_bytes),
        exact,
        (command, family, block).prop_map(|(command, family, block)| v2(command, family, &block)),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn pieces_have_the_answer_of_the_whole(bytes in likely(), after in prop::collection::vec(any::<u8>(), 0..20)) {
        let whole = parse(&bytes);
        for len in 0..bytes.len() {
            let piece = parse(&bytes[..len]);
            prop_assert!(piece == Ok(Progress::More) || piece == whole, "{len}: {piece:?} {whole:?}");
            if let Ok(Progress::Done { len: header, .. }) = whole {
                prop_assert_eq!(piece == whole, len >= header);
            }
        }
        if whole != Ok(Progress::More) {
            prop_assert_eq!(parse(&[bytes, after].concat()), whole);
        }
    }
}
