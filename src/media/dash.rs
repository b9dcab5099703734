//! DASH manifests (ISO/IEC 23009-1), read for what the cache needs to know and for nothing else.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::Liveness;

/// How far into an MPD its root element is looked for. Comments and declarations come before it, not much else.
const MAX_PROLOGUE_BYTES: usize = 64 * 1024;

/// Whether an MPD can still change. Reads no further than the root's start tag, and at most 64 KiB; never panics.
///
/// Static where `type` is `static` or absent (its default). Everything else is live, what is no MPD included: see
/// [`Liveness::Live`]. An MPD patch is live too: it exists because its manifest changes.
pub fn liveness(mpd: &[u8]) -> Liveness {
    root(mpd).unwrap_or(Liveness::Live { refresh: None })
}

/// `None` where there is no MPD element, or not a well-formed one.
fn root(mpd: &[u8]) -> Option<Liveness> {
    let mpd = mpd.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(mpd);
    let head = &mpd[..mpd.len().min(MAX_PROLOGUE_BYTES)];
    // The cut may split a character; what is before it is still text.
    let text = head.utf8_chunks().next()?.valid();
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().ok()? {
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Text(text) if text.trim_ascii().is_empty() => {}
            Event::Start(start) | Event::Empty(start) => return of_element(&start),
            // A document type has no place in an MPD, and entities are how XML is made to explode.
            _ => return None,
        }
    }
}

fn of_element(element: &BytesStart<'_>) -> Option<Liveness> {
    if element.local_name().as_ref() != "MPD" {
        return None;
    }
    let (mut kind, mut period) = (None, None);
    let mut attributes = element.attributes();
    // The reader's own check for duplicates compares every attribute with every other: quadratic in 80,000 of them.
    for attribute in attributes.with_checks(false) {
        let attribute = attribute.ok()?;
        let slot = match attribute.key.as_ref() {
            "type" => &mut kind,
            "minimumUpdatePeriod" => &mut period,
            _ => continue,
        };
        if slot.replace(attribute.value).is_some() {
            return None;
        }
    }
    match kind.as_deref() {
        None | Some("static") => Some(Liveness::Static),
        Some("dynamic") => Some(Liveness::live(period.as_deref().and_then(duration_seconds))),
        Some(_) => None,
    }
}

/// An `xs:duration` in seconds: `PT2S`, `PT1M30.5S`, `P1DT12H`. A year counts 365 days and a month 30, which is exact
/// enough for a value that is cut to an hour.
fn duration_seconds(text: &str) -> Option<f64> {
    let (date, time) = match text.trim().strip_prefix('P')?.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (text.trim().strip_prefix('P')?, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let days = components(
        date,
        &[
            ('Y', 365.0 * 86_400.0),
            ('M', 30.0 * 86_400.0),
            ('D', 86_400.0),
        ],
    )?;
    Some(days + components(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?)
}

/// Sums up `number unit` pairs whose units come in the given order, each at most once.
fn components(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut sum = 0.0;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = text[..end].parse().ok()?;
        let unit = text[end..].chars().next()?;
        let (_, factor) = units.find(|(name, _)| *name == unit)?;
        sum += number * factor;
        text = &text[end + unit.len_utf8()..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::media::MAX_REFRESH;

    const UNKNOWN: Liveness = Liveness::Live { refresh: None };

    fn live(millis: u64) -> Liveness {
        Liveness::Live {
            refresh: Some(Duration::from_millis(millis)),
        }
    }

    #[test]
    fn the_root_decides() {
        for (mpd, expected) in [
            ("<MPD type=\"static\"/>", Liveness::Static),
            ("<MPD>", Liveness::Static),
            (
                "<?xml version=\"1.0\"?>\n<!-- c -->\n<MPD\n type='static'><Period>",
                Liveness::Static,
            ),
            (
                "\u{feff}<?xml version=\"1.0\"?><MPD type='dynamic'>",
                UNKNOWN,
            ),
            (
                "<MPD type='dynamic' minimumUpdatePeriod='PT2S'>",
                live(2000),
            ),
            (
                "<d:MPD xmlns:d='urn:mpeg:dash:schema:mpd:2011' minimumUpdatePeriod='PT1M30.5S' type='dynamic'>",
                live(90_500),
            ),
            ("<MPD type='dynamic' minimumUpdatePeriod='PT0S'>", UNKNOWN),
            (
                "<MPD type='dynamic' minimumUpdatePeriod='P1D'>",
                Liveness::Live {
                    refresh: Some(MAX_REFRESH),
                },
            ),
            ("<MPD xlink:type='dynamic'>", Liveness::Static),
            ("<MPD type='&#100;ynamic'>", UNKNOWN),
            ("<MPD type='static' type='dynamic'>", UNKNOWN),
            ("<MPD type='later'>", UNKNOWN),
        ] {
            assert_eq!(liveness(mpd.as_bytes()), expected, "{mpd}");
        }
    }

    #[test]
    fn what_does_not_parse_is_live() {
        for mpd in [
            "",
            "  ",
            "hello",
            "<html>",
            "<Patch/>",
            "<MPD type=static>",
            "<MPD type='static'",
            "</MPD>",
            "<!DOCTYPE lolz [<!ENTITY lol 'lol'>]><MPD type='static'>",
            "text<MPD type='static'>",
        ] {
            assert_eq!(liveness(mpd.as_bytes()), UNKNOWN, "{mpd}");
        }
        assert_eq!(liveness(b"\xff\xfe<\0M\0P\0D\0"), UNKNOWN);
    }

    #[test]
    fn the_search_is_bounded() {
        let late = format!(
            "<!--{}--><MPD type='static'>",
            "x".repeat(MAX_PROLOGUE_BYTES)
        );
        assert_eq!(liveness(late.as_bytes()), UNKNOWN);
        let many: String = (0..80_000).map(|n| format!(" a{n}='1'")).collect();
        assert_eq!(
            liveness(format!("<MPD{many} type='static'>").as_bytes()),
            UNKNOWN
        );
        let split = format!("<MPD type='static'><!--{}", "é".repeat(MAX_PROLOGUE_BYTES));
        assert_eq!(liveness(split.as_bytes()), Liveness::Static);
    }

    #[test]
    fn durations_follow_xml_schema() {
        for (text, seconds) in [
            ("PT2S", 2.0),
            ("PT1M30.5S", 90.5),
            ("P1DT1H", 90_000.0),
            ("P1Y2M", 425.0 * 86_400.0),
        ] {
            assert_eq!(duration_seconds(text), Some(seconds), "{text}");
        }
        for bad in [
            "", "P", "PT", "P1DT", "T2S", "2S", "-PT2S", "PT2", "PTS", "PT2S1M", "PT1.2.3S", "P2S",
            "PT1S1S", "PT1e9S",
        ] {
            assert_eq!(duration_seconds(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_input_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[PT0-9.YMDHSé]{0,20}") {
            liveness(&bytes);
            liveness(&[b"<MPD type='dynamic' ".as_slice(), &bytes].concat());
            duration_seconds(&text);
        }
    }
}
