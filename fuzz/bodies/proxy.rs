//! The PROXY protocol.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use caudal::transport::proxy::{Ends, Progress, V1_MAX, V2_REST_MAX, parse};

/// The bytes that are looked at one by one: more than a version 1 header, and the addresses of any version 2 header.
const PIECES: usize = 256;

/// A header in pieces has the answer of a whole one, and takes no byte beyond its end; what was read can be written in
/// either version and reads back as the same.
pub(super) fn proxy_header(data: &[u8]) {
    let whole = parse(data);
    for end in (0..data.len().min(PIECES)).chain([data.len().saturating_sub(1)]) {
        let piece = parse(&data[..end.min(data.len())]);
        if piece != Ok(Progress::More) {
            assert_eq!(piece, whole, "after {end} bytes");
        }
    }
    match whole {
        Ok(Progress::More) => {
            let longest = if data.starts_with(b"PROXY ") {
                V1_MAX
            } else {
                16 + V2_REST_MAX
            };
            assert!(data.len() < longest);
        }
        Ok(Progress::Done { len, ends }) => {
            assert!(len <= data.len() && len <= (16 + V2_REST_MAX).max(V1_MAX));
            assert_eq!(parse(&data[..len]), whole);
            assert_eq!(parse(&data[..len - 1]), Ok(Progress::More));
            let longer = [&data[..len], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&longer), whole);
            if let Some(ends) = ends {
                reads_back(ends);
            }
        }
        Err(_) => assert_eq!(parse(&[data, b"\r\n"].concat()), whole),
    }
}

fn reads_back(ends: Ends) {
    let Ends {
        source,
        destination,
    } = ends;
    assert_eq!(source.ip(), source.ip().to_canonical());
    for header in [
        version_1(source, destination),
        version_2(source, destination),
    ] {
        let len = header.len();
        assert_eq!(
            parse(&header),
            Ok(Progress::Done {
                len,
                ends: Some(ends)
            })
        );
    }
}

fn version_1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (from, to) = (source.port(), destination.port());
    let line = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            format!("PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        (source, destination) => {
            format!(
                "PROXY TCP6 {} {} {from} {to}\r\n",
                mapped(source),
                mapped(destination)
            )
        }
    };
    line.into_bytes()
}

fn version_2(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24".to_vec();
    for end in [source, destination] {
        header.extend_from_slice(&mapped(end.ip()).octets());
    }
    for end in [source, destination] {
        header.extend_from_slice(&end.port().to_be_bytes());
    }
    header
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
