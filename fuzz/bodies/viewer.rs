//! What trusted peers say of the viewer.

use std::net::IpAddr;

use caudal::access::networks::Networks;
use caudal::access::{Identify, Sender, Viewer};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::Request;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

/// Nobody who is not trusted says anything, nobody who is behind a trusted peer says who they are, and an address comes
/// from a header or from the connection.
pub(super) fn viewer(data: &[u8]) {
    let Some(mut request) = Request::read(data) else {
        return;
    };
    let headers = std::mem::take(&mut request.headers);
    let stranger = IpAddr::from([203, 0, 113, 5]);
    let peer = IpAddr::from([10, 0, 0, 1]);
    for sender in [Sender::CloudFront, Sender::Proxy] {
        let trusted = Networks::parse(["10.0.0.0/8", "2001:db8::/32"]).expect("these are networks");
        let identify = Identify { trusted, sender };
        assert_eq!(identify.viewer(stranger, &headers), Viewer::at(stranger));
        let viewer = identify.viewer(peer, &headers);
        assert_eq!(viewer.ip, viewer.ip.to_canonical());
        assert!(viewer.region.is_none() || viewer.country.is_some());
        if sender == Sender::Proxy {
            assert!(viewer.country.is_none() && viewer.asn.is_none() && viewer.device.is_none());
        }
        cannot_be_forged(&identify, peer, stranger, headers.clone());
    }
}

/// What the peer writes about its own client counts, whatever that client sent.
fn cannot_be_forged(identify: &Identify, peer: IpAddr, client: IpAddr, mut headers: HeaderMap) {
    match identify.sender {
        // CloudFront replaces what viewers send under its headers' names.
        Sender::CloudFront => {
            let address = format!("{client}:4711")
                .parse()
                .expect("an address fits into a header");
            headers.insert(VIEWER_ADDRESS, address);
        }
        // A balancer appends to the last line, or adds one.
        Sender::Proxy => {
            let mut forwarded = headers.clone();
            let last = headers.get_all(FORWARDED_FOR).iter().next_back();
            let mut line = last.map_or(Vec::new(), |last| last.as_bytes().to_vec());
            line.extend_from_slice(format!(", {client}").as_bytes());
            let line = HeaderValue::from_bytes(&line).expect("both fit into a header");
            forwarded.append(FORWARDED_FOR, line);
            assert_eq!(identify.viewer(peer, &forwarded).ip, client);
            let line = format!("{client}")
                .parse()
                .expect("an address fits into a header");
            headers.append(FORWARDED_FOR, line);
        }
    }
    assert_eq!(identify.viewer(peer, &headers).ip, client);
}
