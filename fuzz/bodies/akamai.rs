//! Akamai EdgeAuth. What follows a request's empty line is a token's fields to sign as they are, or claims to mint, one
//! `name=value` a line: `ip`, `st`, `exp`, `acl` (several), `url`, `id`, `data`, `escape`.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use caudal::access::token::akamai::{
    Claims, Covers, EdgeAuth, Escape, Settings, hex_key, path_prefix,
};
use caudal::access::{Asking, Carrier, Format as _, Found, Source, Token, unescaped};

use super::request::{Request, field};
use super::token::{accepted, believed, refusal, with_a_change};

const KEY: &str = "a7f3c9d2e8b14056a7f3c9d2e8b14056";

/// The longest token that is read.
const MAX_TOKEN: usize = 4096;

/// The path that a token without patterns was signed for, and its fields: nobody here signs for another.
const PATH: &str = "/vod/t1/master.m3u8";
const FIELDS: &str = "st=1735689600~exp=2145916800";

static FORMAT: LazyLock<EdgeAuth> = LazyLock::new(|| {
    let key = hex_key(KEY).expect("these are digits");
    EdgeAuth::new(&Settings::new(vec![("k1".into(), key)])).expect("this key is good")
});

/// What is believed was signed as it stands there, or with its escapes resolved; what is minted says what was claimed,
/// and no longer holds when one character of it is another.
pub(super) fn akamai(data: &[u8]) {
    let Some(request) = Request::read(data) else {
        return;
    };
    let asking = request.asking();
    believed(&*FORMAT, &asking, |_, found, token| {
        was_signed(found, token)
    });
    let Ok(text) = std::str::from_utf8(request.rest) else {
        return;
    };
    sealed(text, &asking);
    minted(&request, &asking);
}

fn was_signed(found: &Found<'_>, token: &Token) {
    let readings = [Some(found.token.clone()), unescaped(&found.token)];
    let believed = readings.iter().flatten().any(|reading| {
        let (signed, tag) = reading.rsplit_once("~hmac=").unwrap_or_default();
        let ends = signed
            .split('~')
            .filter_map(|field| field.strip_prefix("exp="));
        let is_end = ends.map(str::parse).any(|end| end.ok() == token.expires);
        match found.bound.is_empty() {
            true => self::tag(signed) == tag && is_end,
            false => signed == FIELDS && unescaped(&found.bound).as_deref() == Some(PATH),
        }
    });
    assert!(believed, "{}", found.token);
}

fn tag(text: &str) -> String {
    let key = hex_key(KEY).expect("these are digits");
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal());
    let tag = hmac::sign(&key, text.as_bytes());
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Any fields, signed.
fn sealed(fields: &str, asking: &Asking<'_>) {
    let text = path_prefix(&format!("{fields}~hmac={}", tag(fields)));
    let asking = Asking {
        prefix: Some(&text),
        query: "",
        ..*asking
    };
    let Ok(Some(found)) = FORMAT.find(&Source {
        carrier: Carrier::Path,
        asking: &asking,
    }) else {
        return;
    };
    let Ok(token) = FORMAT.verify(&found) else {
        return;
    };
    let named = |name: &str| {
        let mut named = fields.split('~').filter_map(|field| field.split_once('='));
        named.find(|(own, _)| *own == name).map(|(_, value)| value)
    };
    assert!(found.bound.is_empty() && named("acl").is_some());
    assert_eq!(token.expires, named("exp").and_then(|end| end.parse().ok()));
    assert_eq!(
        token.not_before,
        named("st").and_then(|start| start.parse().ok())
    );
    assert_eq!(token.session.as_deref(), named("id"));
    believed(&*FORMAT, &asking, |_, _, _| {});
}

fn minted(request: &Request<'_>, asking: &Asking<'_>) {
    let fields = request.fields();
    let acl = fields.iter().filter(|(name, _)| *name == "acl");
    let acl: Vec<&str> = acl.map(|(_, acl)| *acl).collect();
    let Some(claims) = claims(&fields, &acl, asking.raw_path) else {
        return;
    };
    let Ok(text) = FORMAT.mint(&claims) else {
        return;
    };
    let raw_path = match claims.covers {
        Covers::Path(path) => path,
        Covers::Paths(_) => asking.raw_path,
    };
    let before = path_prefix(&text);
    if before.len() > MAX_TOKEN {
        return;
    }
    let asking = Asking {
        prefix: Some(&before),
        query: "",
        raw_path,
        ..*asking
    };
    let token = accepted(
        &*FORMAT,
        &Source {
            carrier: Carrier::Path,
            asking: &asking,
        },
    );
    assert_eq!(
        (token.expires, token.not_before),
        (Some(claims.expires), claims.starts)
    );
    if claims.escape == Escape::Off {
        assert_eq!(token.session.as_deref(), claims.session);
    }
    if let (Covers::Path(_), None) = (claims.covers, claims.address) {
        assert_eq!(token.terms.permit(&asking), Ok(()));
    }
    let changed = path_prefix(&with_a_change(&text, request.rest.len()));
    let asking = Asking {
        prefix: Some(&changed),
        ..asking
    };
    let source = Source {
        carrier: Carrier::Path,
        asking: &asking,
    };
    assert!(
        refusal(&*FORMAT, &source).is_some() || FORMAT.find(&source) == Ok(None),
        "{changed}"
    );
}

fn claims<'a>(
    fields: &[(&'a str, &'a str)],
    acl: &'a [&'a str],
    path: &'a str,
) -> Option<Claims<'a>> {
    let number = |name| field(fields, name).and_then(|value| value.parse::<i64>().ok());
    Some(Claims {
        address: field(fields, "ip").and_then(|ip| ip.parse().ok()),
        starts: number("st"),
        expires: number("exp")?,
        covers: match acl {
            [] => Covers::Path(field(fields, "url").unwrap_or(path)),
            list => Covers::Paths(list),
        },
        session: field(fields, "id"),
        data: field(fields, "data"),
        escape: match field(fields, "escape") {
            Some("plus") => Escape::Plus,
            Some("percent") => Escape::Percent,
            _ => Escape::Off,
        },
    })
}
