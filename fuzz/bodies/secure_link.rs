//! Links of nginx's `secure_link`. What follows a request's empty line is the end of a link to mint.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caudal::access::token::secure_link::{Link, SecureLink, Settings};
use caudal::access::{Asking, Carrier, Secret, Source};
use md5::{Digest as _, Md5};

use super::request::{Request, in_each};
use super::token::{accepted, believed, refusal};

static FORMAT: LazyLock<SecureLink> =
    LazyLock::new(|| format("$secure_link_expires$uri$remote_addr {secret}"));

/// With all that a link can be bound to.
static BOUND: LazyLock<SecureLink> =
    LazyLock::new(|| format("${host}|$arg_sid|{secret}|${uri}|$secure_link_expires"));

fn format(expression: &str) -> SecureLink {
    let settings = Settings::new(expression, vec![("s1".into(), Secret::new("secret"))]);
    SecureLink::new(&settings).expect("this expression is good")
}

/// What is believed has the hash that nginx makes of this request; what is minted is good for this request and for no
/// other path.
pub(super) fn secure_link(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let asking = request.asking();
    believed(&*FORMAT, &asking, |carrier, found, token| {
        let source = Source {
            carrier,
            asking: &asking,
        };
        let end = source.param("expires").expect("the end is signed");
        let text = format!("{end}{}{} secret", asking.path, asking.viewer);
        assert_eq!(found.token, URL_SAFE_NO_PAD.encode(Md5::digest(text)));
        assert_eq!(token.expires.map(|end| end - 1), end.parse().ok());
    });
    believed(&*BOUND, &asking, |_, _, _| {});
    let end = std::str::from_utf8(request.rest)
        .ok()
        .and_then(|end| end.parse().ok());
    if let Some(end) = end {
        minted(&FORMAT, end, &asking);
        minted(&BOUND, end, &asking);
    }
}

fn minted(format: &SecureLink, end: i64, asking: &Asking<'_>) {
    let link = Link {
        path: asking.path,
        expires: Some(end),
        address: Some(asking.viewer),
        host: Some(asking.host),
        args: &[("sid", "")],
    };
    let Ok(text) = format.mint(&link) else { return };
    let (hash, _) = text.split_once('&').expect("a link has its end");
    let hash = hash
        .strip_prefix("md5=")
        .expect("a link begins with its hash");
    in_each(asking, "md5", &format!("{hash}&expires={end}"), |source| {
        match source.carrier {
            Carrier::Query => {}
            Carrier::Path | Carrier::Header | Carrier::Cookie => return,
        }
        assert_eq!(accepted(format, source).expires, Some(end + 1));
        let other = Asking {
            path: "/another",
            ..*source.asking
        };
        let other = Source {
            asking: &other,
            ..*source
        };
        assert_eq!(refusal(format, &other).is_some(), asking.path != "/another");
    });
    let before = Asking {
        prefix: Some(&text),
        query: "",
        ..*asking
    };
    let source = Source {
        carrier: Carrier::Path,
        asking: &before,
    };
    assert_eq!(accepted(format, &source).expires, Some(end + 1));
}
