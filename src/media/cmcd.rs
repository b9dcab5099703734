//! Common Media Client Data (CTA-5004): what a player says of its own playback with a request. One list, in the query
//! (`CMCD=bl%3D21300%2Csid%3D%22…%22`) or over four headers. Start with [`Cmcd::said`].
//!
//! Whoever asks writes it: nothing in it is more than a claim. What cannot be true is left out, not mended.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// The longest session id: CTA-5004 allows no more characters.
const LONGEST_SID: usize = 64;
/// The longest list that is read, in bytes: what CTA-5004 defines fills a quarter of it.
const LONGEST_LIST: usize = 4096;
/// The longest key that is known, with room to tell it from a longer one.
const LONGEST_KEY: usize = 4;
/// The longest buffer that is believed, in milliseconds: an hour, a film fetched ahead.
const MOST_BUFFER: u64 = 3_600_000;
/// The highest throughput that is believed, in kbit/s: 100 Gbit/s, what a viewer's machine measures of itself.
const MOST_THROUGHPUT: u64 = 100_000_000;
/// The highest bitrate that is believed, in kbit/s: 1 Gbit/s, several times what any player is sent.
const MOST_BITRATE: u64 = 1_000_000;

/// Names of the headers, in lowercase. Which key stands in which does not matter to us.
const HEADERS: [&str; 4] = ["cmcd-request", "cmcd-object", "cmcd-status", "cmcd-session"];
const ARGUMENT: &str = "CMCD";

/// What a player says, as far as it can be used. Lives on the stack: it is read at every request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cmcd {
    /// `sid`: the session of playback.
    pub sid: Option<Sid>,
    /// `ot`: what is asked for.
    pub object: Option<Object>,
    /// `bl`: how much is buffered, at most an hour.
    pub buffer: Option<Duration>,
    /// `mtp`: the throughput that the player measures, in bit/s, at most 100 Gbit/s.
    pub throughput: Option<u64>,
    /// `br`: the bitrate of what is asked for, in bit/s, at most 1 Gbit/s.
    pub bitrate: Option<u64>,
    /// `bs`: playback has stalled for want of data since the request before.
    pub starved: bool,
    /// `su`: it is needed at once, for playback to start or to go on.
    pub urgent: bool,
}

/// What a player asks for, by its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// `v`: picture.
    Video,
    /// `av`: picture and sound together.
    Muxed,
    /// `a`: sound.
    Audio,
    /// Manifests, initialization segments, captions, keys and the like.
    Other,
}

/// A player's session id, 1 to 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid(Text<LONGEST_SID>);

impl Cmcd {
    /// What a request says: its query, and whatever the query does not say, its headers, given as names in lowercase
    /// and values. `None` where neither says anything.
    pub fn said<'a>(
        query: &str,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<Self> {
        let mut cmcd = Self::default();
        let mut said = false;
        let mut arguments = query.split('&').filter_map(|pair| pair.split_once('='));
        // Percent-encoding makes three bytes of one.
        if let Some((_, list)) = arguments.find(|(name, _)| *name == ARGUMENT)
            && list.len() <= 3 * LONGEST_LIST
        {
            said |= cmcd.read(percent_decode_str(list));
        }
        for (name, list) in headers {
            if HEADERS.contains(&name) && list.len() <= LONGEST_LIST {
                said |= cmcd.read(list.iter().copied());
            }
        }
        said.then_some(cmcd)
    }

    /// Reads a list of `key`, `key=value` and `key="value"` between commas; tells whether anything is in it.
    fn read(&mut self, mut bytes: impl Iterator<Item = u8>) -> bool {
        let mut said = false;
        loop {
            let (key, end) = key(&mut bytes);
            said |= !key.is_empty();
            match end {
                Some(b'=') => match value(&mut bytes) {
                    Some(value) => self.take(key.as_bytes(), &value),
                    // Whatever follows is inside of quotes that do not close.
                    None => return said,
                },
                Some(_) => self.flag(key.as_bytes(), true),
                None => {
                    self.flag(key.as_bytes(), true);
                    return said;
                }
            }
        }
    }

    /// The first of several that can be believed counts.
    fn take(&mut self, key: &[u8], value: &Text<LONGEST_SID>) {
        let text = value.as_bytes();
        let kilobits = |most| Some(number(text, 1..=most)? * 1000);
        match key {
            _ if !value.whole || text.is_empty() => {}
            b"sid" => self.sid = self.sid.or(Some(Sid(*value))),
            b"ot" => self.object = self.object.or(Some(Object::of(text))),
            b"bl" => {
                let buffer = number(text, 0..=MOST_BUFFER).map(Duration::from_millis);
                self.buffer = self.buffer.or(buffer);
            }
            b"mtp" => self.throughput = self.throughput.or_else(|| kilobits(MOST_THROUGHPUT)),
            b"br" => self.bitrate = self.bitrate.or_else(|| kilobits(MOST_BITRATE)),
            // CTA-5004 writes the key alone; structured fields (RFC 9651) allow a value.
            key => self.flag(key, matches!(text, b"?1" | b"true")),
        }
    }

    fn flag(&mut self, key: &[u8], is_set: bool) {
        match key {
            b"bs" => self.starved |= is_set,
            b"su" => self.urgent |= is_set,
            _ => {}
        }
    }
}

impl Object {
    fn of(token: &[u8]) -> Self {
        match token {
            b"v" => Self::Video,
            b"av" => Self::Muxed,
            b"a" => Self::Audio,
            _ => Self::Other,
        }
    }
}

impl Sid {
    /// The id, unquoted.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({})", self.as_bytes().escape_ascii())
    }
}

/// The first `N` bytes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
    /// Whether that is all of it.
    whole: bool,
}

impl<const N: usize> Text<N> {
    fn empty() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
            whole: true,
        }
    }

    fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = byte;
                self.len += 1;
            }
            None => self.whole = false,
        }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The next key, and what ends it: `=`, a comma, or `None` for the end of the list.
fn key(bytes: &mut impl Iterator<Item = u8>) -> (Text<LONGEST_KEY>, Option<u8>) {
    let mut key = Text::empty();
    for byte in bytes {
        match byte {
            b'=' | b',' => return (key, Some(byte)),
            b' ' if key.is_empty() => {}
            _ => key.push(byte),
        }
    }
    (key, None)
}

/// A value, unquoted, and the comma behind it; `None` where its closing quote is missing.
fn value(bytes: &mut impl Iterator<Item = u8>) -> Option<Text<LONGEST_SID>> {
    let mut text = Text::empty();
    let mut quoted = false;
    loop {
        match bytes.next() {
            None => return (!quoted).then_some(text),
            Some(b',') if !quoted => return Some(text),
            Some(b'"') => quoted = !quoted,
            Some(b'\\') if quoted => text.push(bytes.next()?),
            Some(byte) => text.push(byte),
        }
    }
}

/// A whole number that can be believed. Of an inner list, which the second version of CTA-5004 has, `(3000;v 128;a)`,
/// the first.
fn number(text: &[u8], believed: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let inner = text.strip_prefix(b"(");
    let digits = inner.unwrap_or(text);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = digits.split_at(end.unwrap_or(digits.len()));
    let ends = match inner {
        Some(_) => matches!(rest.first(), Some(b' ' | b';' | b')')),
        None => rest.is_empty(),
    };
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (ends && believed.contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_query(query: &str) -> Option<Cmcd> {
        Cmcd::said(query, std::iter::empty())
    }

    fn of_headers(headers: &[(&str, &str)]) -> Option<Cmcd> {
        let headers = headers.iter().map(|(name, list)| (*name, list.as_bytes()));
        Cmcd::said("", headers)
    }

    fn of_list(list: &str) -> Cmcd {
        of_headers(&[("cmcd-session", list)]).unwrap_or_default()
    }

    fn sid(list: &str) -> Option<Vec<u8>> {
        of_list(list).sid.map(|sid| sid.as_bytes().to_vec())
    }

    fn encoded(list: &str) -> String {
        let set = percent_encoding::NON_ALPHANUMERIC;
        format!("CMCD={}", percent_encoding::utf8_percent_encode(list, set))
    }

    #[test]
    fn what_a_player_says_is_found_among_other_arguments() {
        let said = of_query(
            "a=b&CMCD=bl%3D21300%2Cbr%3D3200%2Cbs%2Cd%3D4004%2Cmtp%3D25400%2Cnor%3D%22..%252Fb%22%2C\
             ot%3Dv%2Csf%3Dh%2Csid%3D%226e2fb550-c457-11e9-bb97-0800200c9a66%22%2Csu&c=d",
        );
        let said = said.unwrap();
        let id = b"6e2fb550-c457-11e9-bb97-0800200c9a66";
        assert_eq!(said.sid.unwrap().as_bytes(), id);
        assert_eq!(said.buffer, Some(Duration::from_millis(21_300)));
        assert_eq!(said.bitrate, Some(3_200_000));
        assert_eq!(said.throughput, Some(25_400_000));
        assert_eq!(said.object, Some(Object::Video));
        assert!(said.starved && said.urgent);
    }

    #[test]
    fn four_headers_say_what_one_list_does() {
        let said = of_headers(&[
            ("accept", "bs"),
            ("cmcd-object", "br=3200,ot=av"),
            ("cmcd-request", "bl=0,mtp=25400"),
            ("cmcd-session", "sid=\"a\""),
            ("cmcd-status", "bs"),
        ]);
        let list = "bl=0,br=3200,bs,mtp=25400,ot=av,sid=\"a\"";
        assert_eq!(said, of_query(&encoded(list)));
        assert_eq!(said.unwrap().buffer, Some(Duration::ZERO));
    }

    #[test]
    fn the_session_is_found_among_what_looks_like_it() {
        let list = r#"cid="a,sid=\"no\",b", su ,sid="yes",sf=h"#;
        assert_eq!(sid(list).unwrap(), b"yes");
        let list = r#"cid="a\",sid=\"no",sid="yes""#;
        assert_eq!(sid(list).unwrap(), b"yes");
    }

    #[test]
    fn the_query_counts_before_the_headers() {
        let headers = || [("cmcd-session", &b"sid=\"h\",bl=100"[..])].into_iter();
        let said = Cmcd::said("CMCD=sid%3D%22q%22", headers()).unwrap();
        assert_eq!(said.sid.unwrap().as_bytes(), b"q");
        assert_eq!(said.buffer, Some(Duration::from_millis(100)));
        let said = Cmcd::said("CMCD=su", headers()).unwrap();
        assert_eq!(said.sid.unwrap().as_bytes(), b"h");
    }

    #[test]
    fn quotes_may_be_escaped_and_missing() {
        assert_eq!(sid(r#"sid="a\"b\\c""#).unwrap(), br#"a"b\c"#);
        assert_eq!(sid("sid=abc,su").unwrap(), b"abc");
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
            assert_eq!(sid(list), None, "{list}");
        }
        assert_eq!(of_query("cmcd=sid%3D%22a%22"), None);
        assert_eq!(of_query("CMCD"), None);
    }

    #[test]
    fn nothing_said_is_nothing() {
        for query in ["", "a=b", "CMCD=", "CMCD=%2C%2C", "xCMCD=bs"] {
            assert_eq!(of_query(query), None, "{query}");
        }
        assert_eq!(of_headers(&[("cmcd-status", ""), ("cmcd-x", "bs")]), None);
        assert_eq!(of_query("CMCD=cid%3D%22a%22"), Some(Cmcd::default()));
    }

    #[test]
    fn what_cannot_be_true_is_not_believed() {
        let highest = of_list("bl=3600000,mtp=100000000,br=1000000");
        assert_eq!(highest.buffer, Some(Duration::from_secs(3600)));
        assert_eq!(highest.throughput, Some(100_000_000_000));
        assert_eq!(highest.bitrate, Some(1_000_000_000));
        for list in [
            "bl=3600001,mtp=100000001,br=1000001",
            "bl=-1,mtp=0,br=0",
            "bl=+1,mtp=1.5,br=1e3",
            "bl=,mtp= ,br=x",
            "bl,mtp,br",
            "bl=18446744073709551616,mtp=99999999999999999999999999,br=0x10",
            "bl=NaN,mtp=Infinity,br=12a",
            "bl=(,mtp=(),br=(a)",
        ] {
            assert_eq!(of_list(list), Cmcd::default(), "{list}");
        }
    }

    #[test]
    fn a_later_value_that_can_be_believed_counts() {
        assert_eq!(of_list("br=0,br=2,br=3").bitrate, Some(2000));
    }

    #[test]
    fn of_an_inner_list_the_first_number_counts() {
        let said = of_list("bl=(4000),br=(3000;v 128;a),mtp=(25400 1)");
        assert_eq!(said.buffer, Some(Duration::from_secs(4)));
        assert_eq!(said.bitrate, Some(3_000_000));
        assert_eq!(said.throughput, Some(25_400_000));
    }

    #[test]
    fn flags_are_keys_alone_or_true() {
        for (list, starved) in [
            ("bs", true),
            ("su,bs", true),
            ("bs=?1", true),
            ("bs=true", true),
            ("bs=?0", false),
            ("bs=false", false),
            ("bs=\"", false),
            ("bsx,xbs,b,BS", false),
        ] {
            assert_eq!(of_list(list).starved, starved, "{list}");
        }
        assert!(of_list("su").urgent && !of_list("bs").urgent);
    }

    #[test]
    fn a_value_too_long_hides_only_itself() {
        let long = "a".repeat(65);
        let said = of_list(&format!("nor=\"{long}\",sid=\"{long}\",bl=100"));
        assert_eq!(said.sid, None);
        assert_eq!(said.buffer, Some(Duration::from_millis(100)));
    }

    #[test]
    fn an_id_of_64_bytes_is_one_and_of_65_is_none() {
        let id = "a".repeat(64);
        assert_eq!(sid(&format!("sid=\"{id}\"")).unwrap(), id.as_bytes());
        assert_eq!(sid(&format!("sid=\"{id}a\"")), None);
        assert_eq!(sid(&format!("sid={id}a")), None);
    }

    #[test]
    fn a_list_longer_than_any_honest_one_is_not_read() {
        let filler = "a".repeat(LONGEST_LIST);
        assert_eq!(sid(&format!("cid=\"{filler}\",sid=\"a\"")), None);
        let filler = "a".repeat(3 * LONGEST_LIST);
        let query = format!("CMCD=cid%3D%22{filler}%22%2Csid%3Da");
        assert_eq!(of_query(&query), None);
    }

    /// Keys and values, most of them as CTA-5004 has them.
    fn pair() -> impl Strategy<Value = String> {
        let key = "(sid|bl|br|mtp|bs|su|ot|cid|nor|[a-z]{1,5})";
        let value = r#"(|=[0-9]{1,12}|="[a-z0-9,= -]{0,70}"|=[a-z]{0,3}|=\([0-9;a-z ]{0,9}\))"#;
        (key, value).prop_map(|(key, value)| key + &value)
    }

    proptest! {
        #[test]
        fn any_query_and_header_are_read_without_a_panic(
            query in "(CMCD=)?.{0,200}",
            list in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let said = Cmcd::said(&query, [("cmcd-request", &list[..])].into_iter());
            let said = said.unwrap_or_default();
            prop_assert!(said.sid.is_none_or(|sid| (1..=64).contains(&sid.as_bytes().len())));
        }

        #[test]
        fn only_what_can_be_believed_comes_out_and_the_same_from_query_and_header(
            pairs in prop::collection::vec(pair(), 0..12),
        ) {
            let list = pairs.join(",");
            let said = of_query(&encoded(&list));
            prop_assert_eq!(said, of_headers(&[("cmcd-object", &list)]));
            let said = said.unwrap_or_default();
            prop_assert!(said.buffer.is_none_or(|buffer| buffer <= Duration::from_secs(3600)));
            prop_assert!(said.throughput.is_none_or(|rate| (1000..=100_000_000_000).contains(&rate)));
            prop_assert!(said.bitrate.is_none_or(|rate| (1000..=1_000_000_000).contains(&rate)));
        }

        #[test]
        fn every_printable_id_survives_quoting(id in "[ -~]{1,64}") {
            let quoted = id.replace('\\', "\\\\").replace('"', "\\\"");
            let list = format!("bl=1,sid=\"{quoted}\",su");
            prop_assert_eq!(sid(&list).unwrap(), id.as_bytes());
            let said = of_query(&encoded(&list)).unwrap().sid.unwrap();
            prop_assert_eq!(said.as_bytes(), id.as_bytes());
        }

        #[test]
        fn every_number_within_the_bounds_is_read(
            bl in 0..=MOST_BUFFER, mtp in 1..=MOST_THROUGHPUT, br in 1..=MOST_BITRATE,
        ) {
            let said = of_list(&format!("bl={bl},br={br},mtp={mtp}"));
            prop_assert_eq!(said.buffer, Some(Duration::from_millis(bl)));
            prop_assert_eq!(said.throughput, Some(mtp * 1000));
            prop_assert_eq!(said.bitrate, Some(br * 1000));
        }
    }
}
