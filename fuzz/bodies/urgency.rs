//! The Priority header.

use caudal::transport::urgency;

/// What nobody said anything by (RFC 9218 section 4.1).
const DEFAULT: u8 = 3;

/// The longest header that is read, to be sure of one of less.
const SHORT: usize = 200;

/// Any bytes are an urgency; what is said last counts, and what is no urgency changes nothing.
pub(super) fn urgency(data: &[u8]) {
    let own = urgency::urgency(data);
    assert!(own <= 7);
    if data.len() > SHORT {
        return;
    }
    for said in 0..=7 {
        let later = [data, format!(", u={said}").as_bytes()].concat();
        assert_eq!(urgency::urgency(&later), said);
    }
    assert_eq!(urgency::urgency(&[data, b", u=8"].concat()), DEFAULT);
    assert_eq!(urgency::urgency(&[b"i, ".as_slice(), data].concat()), own);
    assert_eq!(urgency::urgency(&[data, b", i"].concat()), own);
}
