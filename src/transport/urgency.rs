//! How urgent an answer is (RFC 9218): what its client says, and by what kind of asset it is.

use http::{HeaderMap, HeaderValue};

/// The header, of requests and of answers.
pub const PRIORITY: &str = "priority";

/// Of who says nothing (RFC 9218 section 4.1).
const DEFAULT: u8 = 3;

/// The longest header that is read; longer ones say nothing.
const LONGEST: usize = 256;

/// How urgent an answer is; less is sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    /// The client's word comes first: it may know which of two segments it needs now.
    client: u8,
    /// Ours, where the client makes no difference: browsers say the same of whatever a script asks for.
    own: u8,
}

impl Urgency {
    /// Of an answer: by its request's Priority header, and its own headers.
    pub fn of(asked: Option<&HeaderValue>, answer: &HeaderMap) -> Self {
        let told =
            |value: Option<&HeaderValue>| value.map_or(DEFAULT, |value| urgency(value.as_bytes()));
        Self {
            client: told(asked),
            own: told(answer.get(PRIORITY)),
        }
    }
}

/// The `u` of a Priority header. What cannot be read says nothing (RFC 9218 section 4): no request fails for it.
pub fn urgency(value: &[u8]) -> u8 {
    if value.len() > LONGEST {
        return DEFAULT;
    }
    let members = value.split(|byte| *byte == b',');
    let mut found = DEFAULT;
    for member in members {
        match member.trim_ascii() {
            [b'u', b'=', digit @ b'0'..=b'7'] => found = digit - b'0',
            // With parameters, which nobody has defined, or another type: the last one counts, and is none.
            [b'u', b'=' | b';', ..] | [b'u'] => found = DEFAULT,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_rfc_9218_has_it() {
        let cases: [(&str, u8); 12] = [
            ("", 3),
            ("u=0", 0),
            ("u=1, i", 1),
            ("i, u=5", 5),
            ("i,u=7", 7),
            ("u=8", 3),
            ("u=-1", 3),
            ("u", 3),
            ("u=1, u=6", 6),
            ("U=1", 3),
            ("x=u=1", 3),
            ("u=2;x=1", 3),
        ];
        for (value, expected) in cases {
            assert_eq!(urgency(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn the_clients_word_comes_before_ours() {
        let of = |asked: &str, answer: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(PRIORITY, answer.parse().unwrap());
            Urgency::of(Some(&asked.parse().unwrap()), &headers)
        };
        assert!(of("u=1", "u=5") < of("u=2", "u=1"));
        assert!(of("u=1, i", "u=1") < of("u=1, i", "u=3"));
    }
}
