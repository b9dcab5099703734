//! Moments as people write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::networks::shown;

/// Bytes of a date and time; an honest one is shorter.
const TEXT_MAX: usize = 64;

/// Which end of a window a moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    From,
    Until,
}

/// The zone of a name in the IANA database: the system's, or the one built in where the system has none.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    let known = (name.len() <= TEXT_MAX).then(|| TimeZone::get(name).ok());
    known.flatten().ok_or_else(|| {
        format!(
            "{} is no time zone: write a name of the IANA database, Europe/Berlin",
            shown(name)
        )
    })
}

/// Unix seconds of `2026-01-01T00:00:00+01:00`, or of `2026-01-01T00:00:00` in a zone.
///
/// Where clocks are put back an hour happens twice, and where they are put forward one does not happen. A window is never
/// wider than any reading of its ends: `from` is the later one and `until` the earlier. Of the hour that does not happen
/// the two readings are by the offset before it, and by the offset after it.
pub(super) fn seconds(text: &str, zone: Option<&TimeZone>, end: End) -> Result<i64, String> {
    let wrong = |why: &str| format!("{}: {why}", shown(text));
    let has_time = text.contains(['T', 't', ' ']);
    if text.len() > TEXT_MAX || !has_time || text.contains('[') {
        return Err(wrong("write a date and a time, 2026-01-01T00:00:00+01:00"));
    }
    let moment = match (text.parse::<Timestamp>(), text.parse::<DateTime>()) {
        (Ok(moment), _) => moment,
        (Err(_), Ok(local)) => {
            let zone = zone.ok_or_else(|| {
                wrong("says no offset: write one (…+01:00), or name a zone (zone = \"Europe/Berlin\")")
            })?;
            let readings = zone.to_ambiguous_timestamp(local);
            let read = match end {
                End::From => readings.later(),
                End::Until => readings.earlier(),
            };
            read.map_err(|_| wrong("is out of range"))?
        }
        (Err(_), Err(_)) => {
            return Err(wrong(
                "is no date and time: write 2026-01-01T00:00:00+01:00",
            ));
        }
    };
    if moment.subsec_nanosecond() != 0 {
        return Err(wrong("write whole seconds"));
    }
    Ok(moment.as_second())
}
