//! Asking for the reason of a refusal. Viewers are not told why; whoever holds the debug key signs a header, and is.
//!
//! `caudal-debug: EXPIRES.HEX` with EXPIRES in Unix seconds and HEX the HMAC-SHA256 of `caudal-debug:EXPIRES`.
//! `caudal sign debug` makes one.

use aws_lc_rs::hmac;
use http::HeaderMap;

use crate::config::secret::Secret;

/// The header that asks.
pub const REQUEST: &str = "caudal-debug";

/// The header that tells.
pub const ANSWER: &str = "caudal-refusal";

/// Good for an hour at most: it is made for one investigation.
const LONGEST: i64 = 3600;

/// The header's value, good until `expires`.
pub fn mint(key: &Secret, expires: i64) -> String {
    let expires = expires.to_string();
    let tag = hmac::sign(&signing_key(key), text(&expires).as_bytes());
    format!("{expires}.{}", hex::encode(tag))
}

/// Whether a request may be told.
pub fn is_asked(key: &Secret, headers: &HeaderMap, now: i64) -> bool {
    let value = headers.get(REQUEST).and_then(|value| value.to_str().ok());
    let Some((written, tag)) = value.and_then(|value| value.split_once('.')) else {
        return false;
    };
    let Ok(expires) = written.parse::<i64>() else {
        return false;
    };
    let mut bytes = [0; 32];
    // The number is verified as it was sent: of `+1` and `01` neither was minted.
    (now..=now.saturating_add(LONGEST)).contains(&expires)
        && hex::decode_to_slice(tag, &mut bytes).is_ok()
        && hmac::verify(&signing_key(key), text(written).as_bytes(), &bytes).is_ok()
}

fn signing_key(key: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.reveal())
}

fn text(expires: &str) -> String {
    format!("{REQUEST}:{expires}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn asked(value: &str) -> bool {
        let headers = [(REQUEST.parse().unwrap(), value.parse().unwrap())];
        let headers = headers.into_iter().collect();
        is_asked(&Secret::new("key"), &headers, NOW)
    }

    #[test]
    fn only_the_keys_holder_is_told_and_not_for_long() {
        let minted = |key: &str, expires| mint(&Secret::new(key), expires);
        assert!(asked(&minted("key", NOW)));
        assert!(asked(&minted("key", NOW + LONGEST)));
        assert!(!asked(&minted("key", NOW - 1)), "expired");
        assert!(!asked(&minted("key", NOW + LONGEST + 1)), "for too long");
        assert!(!asked(&minted("other", NOW)), "another key");
        let good = minted("key", NOW + 1);
        assert!(!asked(&good.replace("1800000001", "1800000002")), "changed");
        for odd in [
            "",
            ".",
            "1800000001",
            "1800000001.",
            "x.y",
            &good[1..],
            &good[..70],
        ] {
            assert!(!asked(odd), "{odd}");
        }
        let digit = (0..1000).find_map(|more| {
            let minted = minted("key", NOW + more);
            minted.contains(".0").then(|| minted.replace(".0", ".+"))
        });
        for spelled in [format!("+{good}"), format!("0{good}"), digit.unwrap()] {
            assert!(!asked(&spelled), "minted in another spelling: {spelled}");
        }
        let wide = format!("1800000001.{}", "é".repeat(32));
        let wide = http::HeaderValue::from_bytes(wide.as_bytes()).unwrap();
        let headers = [(REQUEST.parse().unwrap(), wide)].into_iter().collect();
        assert!(!is_asked(&Secret::new("key"), &headers, NOW));
    }
}
