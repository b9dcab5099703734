//! Sizes and durations as people write them: `"512MiB"`, `"30s"`. A number without a unit is refused, because nobody
//! reads `timeout = 10` the same way twice.

use std::time::Duration;

/// Units of size in bytes, best first for display: a binary unit before the decimal one it nearly equals.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// Units of time in milliseconds, largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is no size or duration, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A number alone.
    #[error("a {what} needs a unit, write \"{write}\"")]
    Missing {
        /// `size` or `duration`.
        what: &'static str,
        /// The likeliest meaning.
        write: String,
    },
    /// A number and something behind it that is no unit.
    #[error("\"{unit}\" is no unit of a {what}, write \"{write}\"")]
    Unknown {
        /// `size` or `duration`.
        what: &'static str,
        /// What stands behind the number.
        unit: String,
        /// The likeliest meaning.
        write: String,
    },
    /// Not a whole number followed by anything.
    #[error("is no {what}, write a whole number and a unit such as \"{write}\"")]
    Malformed {
        /// `size` or `duration`.
        what: &'static str,
        /// An example.
        write: &'static str,
    },
    /// More than 64 bits hold.
    #[error("a {what} this large cannot be counted, write less")]
    Overflow {
        /// `size` or `duration`.
        what: &'static str,
    },
}

/// Reads a size in bytes.
///
/// # Errors
/// Unless the text is a whole number directly followed by a unit: B, KiB, MiB, GiB, TiB, KB, MB, GB or TB.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    SIZE.parse(text)
}

/// Writes a size in the largest unit that divides it; [`parse_size`] gives it back.
pub fn size(bytes: u64) -> String {
    SIZE.display(bytes)
}

/// Reads a duration.
///
/// # Errors
/// Unless the text is a whole number directly followed by a unit: ms, s, m, h or d.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    TIME.parse(text).map(Duration::from_millis)
}

/// Writes a duration in the largest unit that divides it; [`parse_duration`] gives it back. What is finer than a
/// millisecond is cut off, as no configured duration is.
pub fn duration(duration: Duration) -> String {
    TIME.display(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A quantity: its units in terms of the smallest, and the words to explain it with.
struct Quantity {
    what: &'static str,
    units: &'static [(&'static str, u64)],
    /// How zero is written.
    zero: &'static str,
    /// The unit to suggest where none was written.
    usual: &'static str,
    example: &'static str,
}

const SIZE: Quantity = Quantity {
    what: "size",
    units: &SIZES,
    zero: "0B",
    usual: "MiB",
    example: "512MiB",
};
const TIME: Quantity = Quantity {
    what: "duration",
    units: &TIMES,
    zero: "0s",
    usual: "s",
    example: "30s",
};

impl Quantity {
    fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let what = self.what;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() || unit.starts_with('.') {
            return Err(UnitError::Malformed {
                what,
                write: self.example,
            });
        }
        if unit.is_empty() {
            return Err(UnitError::Missing {
                what,
                write: format!("{number}{}", self.usual),
            });
        }
        let Some((_, factor)) = self.units.iter().find(|(name, _)| *name == unit) else {
            let write = format!("{number}{}", self.likeliest(unit));
            return Err(UnitError::Unknown {
                what,
                unit: unit.to_owned(),
                write,
            });
        };
        let number: Option<u64> = number.parse().ok();
        number
            .and_then(|n| n.checked_mul(*factor))
            .ok_or(UnitError::Overflow { what })
    }

    fn display(&self, amount: u64) -> String {
        if amount == 0 {
            return self.zero.to_owned();
        }
        let fits = self
            .units
            .iter()
            .find(|(_, factor)| amount.is_multiple_of(*factor));
        fits.map(|(unit, factor)| format!("{}{unit}", amount / factor))
            .unwrap_or_default()
    }

    /// The unit that someone who wrote `unit` most likely meant: `Mi`, `mb`, ` MiB`, `sec`.
    fn likeliest(&self, unit: &str) -> &'static str {
        let unit = unit.trim().to_ascii_lowercase();
        let named = self
            .units
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&unit));
        let starts = |(name, _): &&(&str, u64)| {
            name.bytes().next().map(|b| b.to_ascii_lowercase()) == unit.bytes().next()
        };
        named
            .or_else(|| self.units.iter().find(starts))
            .map_or(self.usual, |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_read_and_display_canonically() {
        for (text, bytes, canonical) in [
            ("512MiB", 512 << 20, "512MiB"),
            ("1GB", 1_000_000_000, "1GB"),
            ("64KiB", 64 << 10, "64KiB"),
            ("10B", 10, "10B"),
            ("1024MiB", 1 << 30, "1GiB"),
            ("0MiB", 0, "0B"),
            ("1500KB", 1_500_000, "1500KB"),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(size(bytes), canonical);
        }
    }

    #[test]
    fn durations_read_and_display_canonically() {
        for (text, millis, canonical) in [
            ("250ms", 250, "250ms"),
            ("30s", 30_000, "30s"),
            ("60s", 60_000, "1m"),
            ("1h", 3_600_000, "1h"),
            ("365d", 31_536_000_000, "365d"),
            ("0s", 0, "0s"),
            ("125s", 125_000, "125s"),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
            assert_eq!(duration(Duration::from_millis(millis)), canonical);
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        for (text, message) in [
            ("4", "a size needs a unit, write \"4MiB\""),
            ("4Mi", "\"Mi\" is no unit of a size, write \"4MiB\""),
            ("4mb", "\"mb\" is no unit of a size, write \"4MB\""),
            ("4 GiB", "\" GiB\" is no unit of a size, write \"4GiB\""),
            (
                "1.5GiB",
                "is no size, write a whole number and a unit such as \"512MiB\"",
            ),
            (
                "-4MiB",
                "is no size, write a whole number and a unit such as \"512MiB\"",
            ),
            (
                "",
                "is no size, write a whole number and a unit such as \"512MiB\"",
            ),
            (
                "99999999TiB",
                "a size this large cannot be counted, write less",
            ),
            (
                "99999999999999999999B",
                "a size this large cannot be counted, write less",
            ),
        ] {
            assert_eq!(parse_size(text).unwrap_err().to_string(), message, "{text}");
        }
        let message = |text| parse_duration(text).unwrap_err().to_string();
        assert_eq!(message("10"), "a duration needs a unit, write \"10s\"");
        assert_eq!(
            message("10sec"),
            "\"sec\" is no unit of a duration, write \"10s\""
        );
        assert_eq!(
            message("5min"),
            "\"min\" is no unit of a duration, write \"5m\""
        );
    }

    proptest! {
        #[test]
        fn units_round_trip(bytes in any::<u64>(), shift in 0u32..50, millis in any::<u64>()) {
            let bytes = bytes >> shift << shift;
            prop_assert_eq!(parse_size(&size(bytes)), Ok(bytes));
            let time = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&duration(time)), Ok(time));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,12}|[0-9]{1,25}[a-zA-Z]{0,4}") {
            let _ = (parse_size(&text), parse_duration(&text));
        }
    }
}
