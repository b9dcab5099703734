//! The session that a player says its request belongs to: `sid` of Common Media Client Data (CTA-5004), in the query
//! (`CMCD=sid%3D%22…%22`) or in the header `CMCD-Session`.

use std::fmt;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

/// The longest session id: CTA-5004 allows no more characters.
const LONGEST_SID: usize = 64;
/// The longest list that is read, in bytes: what CTA-5004 defines fills a quarter of it.
const LONGEST_LIST: usize = 4096;
const HEADER: &str = "cmcd-session";
const ARGUMENT: &str = "CMCD";

/// A player's session id. Lives on the stack: it is read at every request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid {
    bytes: [u8; LONGEST_SID],
    len: u8,
}

/// The session id of a request: of its query, else of its header. `None` where there is none, and where it is empty or
/// longer than allowed.
pub fn sid(query: &str, headers: &HeaderMap) -> Option<Sid> {
    let arguments = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut lists = arguments.filter(|(name, _)| *name == ARGUMENT);
    let of_query = lists.next().and_then(|(_, list)| {
        // Percent-encoding makes three bytes of one.
        let fits = list.len() <= 3 * LONGEST_LIST;
        fits.then(|| in_list(percent_decode_str(list))).flatten()
    });
    of_query.or_else(|| {
        let list = headers.get(HEADER)?.as_bytes();
        let fits = list.len() <= LONGEST_LIST;
        fits.then(|| in_list(list.iter().copied())).flatten()
    })
}

impl Sid {
    /// The id, unquoted.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn empty() -> Self {
        Self {
            bytes: [0; LONGEST_SID],
            len: 0,
        }
    }

    /// `None` when there is no more room.
    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(usize::from(self.len))? = byte;
        self.len += 1;
        Some(())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({})", self.as_bytes().escape_ascii())
    }
}

/// The value of `sid` in a list of `key`, `key=value` and `key="value"` between commas.
fn in_list(mut bytes: impl Iterator<Item = u8>) -> Option<Sid> {
    loop {
        let (is_sid, end) = key(&mut bytes);
        match end? {
            b'=' if is_sid => return value(&mut bytes).filter(|sid| sid.len > 0),
            b'=' => skip_value(&mut bytes)?,
            _ => {}
        }
    }
}

/// Whether the next key is `sid`, and what ends it: `=`, a comma, or `None` for the end of the list.
fn key(bytes: &mut impl Iterator<Item = u8>) -> (bool, Option<u8>) {
    let (mut matched, mut is_sid) = (0, true);
    for byte in bytes.by_ref() {
        match byte {
            b'=' | b',' => return (is_sid && matched == 3, Some(byte)),
            b' ' if matched == 0 => {}
            _ => {
                is_sid &= b"sid".get(matched) == Some(&byte);
                matched += 1;
            }
        }
    }
    (false, None)
}

/// A value, unquoted; `None` where it is longer than an id may be, and where its closing quote is missing.
fn value(bytes: &mut impl Iterator<Item = u8>) -> Option<Sid> {
    let mut sid = Sid::empty();
    match bytes.next()? {
        b'"' => loop {
            match bytes.next()? {
                b'"' => return Some(sid),
                b'\\' => sid.push(bytes.next()?)?,
                byte => sid.push(byte)?,
            }
        },
        b',' => return None,
        first => sid.push(first)?,
    }
    for byte in bytes.take_while(|byte| *byte != b',') {
        sid.push(byte)?;
    }
    Some(sid)
}

/// Passes over a value and the comma behind it; `None` at the end of the list.
fn skip_value(bytes: &mut impl Iterator<Item = u8>) -> Option<()> {
    let mut quoted = false;
    loop {
        match bytes.next()? {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(bytes.next()?),
            b',' if !quoted => return Some(()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_query(query: &str) -> Option<Vec<u8>> {
        sid(query, &HeaderMap::new()).map(|sid| sid.as_bytes().to_vec())
    }

    fn of_header(list: &str) -> Option<Vec<u8>> {
        let headers =
            HeaderMap::from_iter([(http::HeaderName::from_static(HEADER), list.parse().unwrap())]);
        sid("", &headers).map(|sid| sid.as_bytes().to_vec())
    }

    #[test]
    fn the_session_of_the_query_is_found_among_other_arguments() {
        let query =
            "a=b&CMCD=bl%3D21300%2Csid%3D%226e2fb550-c457-11e9-bb97-0800200c9a66%22%2Csu&c=d";
        assert_eq!(
            of_query(query).unwrap(),
            b"6e2fb550-c457-11e9-bb97-0800200c9a66"
        );
    }

    #[test]
    fn the_session_of_the_header_is_found() {
        let list = r#"cid="a,sid=\"no\",b", su ,sid="yes",sf=h"#;
        assert_eq!(of_header(list).unwrap(), b"yes");
        let list = r#"cid="a\",sid=\"no",sid="yes""#;
        assert_eq!(of_header(list).unwrap(), b"yes");
    }

    #[test]
    fn the_query_counts_before_the_header() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(HEADER),
            http::HeaderValue::from_static("sid=\"h\""),
        )]);
        assert_eq!(
            sid("CMCD=sid%3D%22q%22", &headers).unwrap().as_bytes(),
            b"q"
        );
        assert_eq!(sid("CMCD=su", &headers).unwrap().as_bytes(), b"h");
    }

    #[test]
    fn quotes_may_be_escaped_and_missing() {
        assert_eq!(of_header(r#"sid="a\"b\\c""#).unwrap(), br#"a"b\c"#);
        assert_eq!(of_header("sid=abc,su").unwrap(), b"abc");
    }

    #[test]
    fn what_only_looks_like_a_session_is_none() {
        for list in [
            "",
            "sid",
            "sid=",
            "sid=,a",
            "sid=\"\"",
            "sid=\"a",
            "sid=\"a\\",
            "xsid=\"a\"",
            "sidx=\"a\"",
            "SID=\"a\"",
            "cid=\"sid=a\"",
            "si d=\"a\"",
            "=,=",
            "=\"a\"",
            "s=\"a\"",
            "si=\"a\"",
            ",,,",
            "a=\"\\",
        ] {
            assert_eq!(of_header(list), None, "{list}");
        }
        assert_eq!(of_query("cmcd=sid%3D%22a%22"), None);
        assert_eq!(of_query("CMCD"), None);
    }

    #[test]
    fn an_id_of_64_bytes_is_one_and_of_65_is_none() {
        let id = "a".repeat(64);
        assert_eq!(of_header(&format!("sid=\"{id}\"")).unwrap(), id.as_bytes());
        assert_eq!(of_header(&format!("sid=\"{id}a\"")), None);
        assert_eq!(of_header(&format!("sid={id}a")), None);
    }

    #[test]
    fn a_list_longer_than_any_honest_one_is_not_read() {
        let filler = "a".repeat(LONGEST_LIST);
        assert_eq!(of_header(&format!("cid=\"{filler}\",sid=\"a\"")), None);
        let filler = "a".repeat(3 * LONGEST_LIST);
        assert_eq!(
            of_query(&format!("CMCD=cid%3D%22{filler}%22%2Csid%3Da")),
            None
        );
    }

    proptest! {
        #[test]
        fn any_query_and_header_are_read_without_a_panic(
            query in "(CMCD=)?.{0,200}",
            list in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let headers = http::HeaderValue::from_bytes(&list).ok();
            let headers = headers.map(|value| (http::HeaderName::from_static(HEADER), value));
            sid(&query, &headers.into_iter().collect());
            let found = in_list(list.into_iter());
            prop_assert!(found.is_none_or(|sid| (1..=64).contains(&sid.as_bytes().len())));
        }

        #[test]
        fn every_printable_id_survives_quoting(id in "[ -~]{1,64}") {
            let quoted = id.replace('\\', "\\\\").replace('"', "\\\"");
            let list = format!("bl=1,sid=\"{quoted}\",su");
            prop_assert_eq!(of_header(&list).unwrap(), id.as_bytes());
            let escaped = percent_encoding::utf8_percent_encode(&list, percent_encoding::NON_ALPHANUMERIC);
            prop_assert_eq!(of_query(&format!("CMCD={escaped}")).unwrap(), id.as_bytes());
        }
    }
}
