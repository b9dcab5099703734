//! How the values of keys are written: each format reads a node, refuses with the fix, and writes the value back.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::file::{Node, Raw};
use super::{machine, units};

mod several;

pub(super) use several::{File, List, Misplaced, OneOf, SecretReference};

/// Reads and writes the values of a key.
pub(super) trait Format<T> {
    /// The value, or what is wrong with it; the caller puts key and value before that.
    fn read(&self, node: &Node) -> Result<T, Fix>;

    /// The value in canonical form, as TOML; `None` where there is nothing to write.
    fn write(&self, value: &T) -> Option<String>;

    /// A value that would do, as TOML.
    fn example(&self) -> String;

    /// Whether what is written may be a secret, and must not be repeated.
    fn is_secret(&self) -> bool {
        false
    }
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum Fix {
    /// With what to write instead.
    Write(String),
    /// Nothing in the value tells what was meant; the default is what to write.
    WriteDefault(String),
}

impl From<String> for Fix {
    fn from(fix: String) -> Self {
        Self::Write(fix)
    }
}

/// A size in bytes within bounds.
pub(super) struct Size(pub(super) RangeInclusive<u64>);

impl Format<u64> for Size {
    fn read(&self, node: &Node) -> Result<u64, Fix> {
        let bytes = units::parse_size(&written(node)).map_err(|error| error.to_string())?;
        within(bytes, &self.0, |bytes| quoted(&units::size(*bytes)))
    }

    fn write(&self, value: &u64) -> Option<String> {
        Some(quoted(&units::size(*value)))
    }

    fn example(&self) -> String {
        quoted(&units::size(*self.0.start()))
    }
}

/// A size within bounds, or a share of the memory there is: `"60%"`.
pub(super) struct Memory(pub(super) Size);

/// The largest share: the rest of the process, and the system, need some too.
const MOST_PERCENT: u64 = 90;

impl Format<u64> for Memory {
    fn read(&self, node: &Node) -> Result<u64, Fix> {
        let text = written(node);
        let Some(percent) = text.strip_suffix('%') else {
            return self.0.read(node);
        };
        let percent = percent.trim().parse::<u64>().ok();
        let percent = percent.filter(|percent| (1..=MOST_PERCENT).contains(percent));
        let Some(percent) = percent else {
            let fix = format!("a share is 1% to {MOST_PERCENT}%, write {}", quoted("60%"));
            return Err(Fix::Write(fix));
        };
        let unknown = || {
            Fix::Write(format!(
                "the system does not say how much memory there is, write {}",
                self.0.example()
            ))
        };
        let all = machine::memory().ok_or_else(unknown)?;
        let share = (all / 100 * percent) >> 20 << 20;
        within(share, &self.0.0, |bytes| quoted(&units::size(*bytes)))
    }

    fn write(&self, value: &u64) -> Option<String> {
        self.0.write(value)
    }

    fn example(&self) -> String {
        self.0.example()
    }
}

/// A duration within bounds.
pub(super) struct Time(RangeInclusive<Duration>);

impl Time {
    /// Zero switches something off, or waits for nothing.
    pub(super) const ANY: Self = Self(Duration::ZERO..=LONGEST);
    /// Zero would fail everything it bounds.
    pub(super) const POSITIVE: Self = Self(Duration::from_millis(1)..=LONGEST);
}

/// Ten years: far below where adding to a clock overflows.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

impl Format<Duration> for Time {
    fn read(&self, node: &Node) -> Result<Duration, Fix> {
        let time = units::parse_duration(&written(node)).map_err(|error| error.to_string())?;
        within(time, &self.0, |time| quoted(&units::duration(*time)))
    }

    fn write(&self, value: &Duration) -> Option<String> {
        Some(quoted(&units::duration(*value)))
    }

    fn example(&self) -> String {
        quoted("30s")
    }
}

/// A whole number within bounds.
pub(super) struct Count<T>(pub(super) RangeInclusive<T>);

impl<T> Format<T> for Count<T>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display + Copy,
{
    fn read(&self, node: &Node) -> Result<T, Fix> {
        let fix = || Fix::WriteDefault("must be a whole number".to_owned());
        let number = node.integer().ok_or_else(fix)?;
        let (low, high) = (self.0.start(), self.0.end());
        let outside = || {
            let nearest = if number < 0 { low } else { high };
            Fix::Write(format!("must be {low} to {high}, write {nearest}"))
        };
        let number = T::try_from(number).map_err(|_| outside())?;
        within(number, &self.0, T::to_string)
    }

    fn write(&self, value: &T) -> Option<String> {
        Some(value.to_string())
    }

    fn example(&self) -> String {
        self.0.start().to_string()
    }
}

/// A share in whole percent, within bounds.
pub(super) struct Percent(pub(super) RangeInclusive<u8>);

impl Format<u8> for Percent {
    fn read(&self, node: &Node) -> Result<u8, Fix> {
        let fix = || {
            format!(
                "must be a whole number of percent, write {}",
                self.example()
            )
        };
        let percent = node
            .text()
            .and_then(|text| text.strip_suffix('%'))
            .ok_or_else(fix)?;
        let percent = percent.parse().map_err(|_| fix())?;
        within(percent, &self.0, |percent| quoted(&format!("{percent}%")))
    }

    fn write(&self, value: &u8) -> Option<String> {
        Some(quoted(&format!("{value}%")))
    }

    fn example(&self) -> String {
        quoted("25%")
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Format<bool> for Flag {
    fn read(&self, node: &Node) -> Result<bool, Fix> {
        node.flag()
            .ok_or_else(|| Fix::WriteDefault("must be true or false".to_owned()))
    }

    fn write(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }

    fn example(&self) -> String {
        "true".to_owned()
    }
}

/// One of a few words.
pub(super) struct Word<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Format<T> for Word<T> {
    fn read(&self, node: &Node) -> Result<T, Fix> {
        let word = node
            .text()
            .and_then(|text| self.0.iter().find(|(word, _)| *word == text));
        word.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = self.0.iter().map(|(word, _)| quoted(word)).collect();
            Fix::Write(format!("must be one of {}", words.join(", ")))
        })
    }

    fn write(&self, value: &T) -> Option<String> {
        self.0
            .iter()
            .find(|(_, v)| v == value)
            .map(|(word, _)| quoted(word))
    }

    fn example(&self) -> String {
        self.0
            .first()
            .map(|(word, _)| quoted(word))
            .unwrap_or_default()
    }
}

/// A text that `check` accepts, in the form it gives back.
pub(super) struct Text {
    pub(super) check: fn(&str) -> Result<String, String>,
    pub(super) example: &'static str,
}

impl Format<String> for Text {
    fn read(&self, node: &Node) -> Result<String, Fix> {
        let fix = || format!("must be a text in quotes, write {}", quoted(self.example));
        Ok((self.check)(node.text().ok_or_else(fix)?)?)
    }

    fn write(&self, value: &String) -> Option<String> {
        Some(quoted(value))
    }

    fn example(&self) -> String {
        quoted(self.example)
    }
}

/// A value that may be absent.
pub(super) struct Optional<F>(pub(super) F);

impl<T, F: Format<T>> Format<Option<T>> for Optional<F> {
    fn read(&self, node: &Node) -> Result<Option<T>, Fix> {
        self.0.read(node).map(Some)
    }

    fn write(&self, value: &Option<T>) -> Option<String> {
        self.0.write(value.as_ref()?)
    }

    fn example(&self) -> String {
        self.0.example()
    }

    fn is_secret(&self) -> bool {
        self.0.is_secret()
    }
}

/// A folder.
pub(super) struct Folder(pub(super) &'static str);

impl Format<PathBuf> for Folder {
    fn read(&self, node: &Node) -> Result<PathBuf, Fix> {
        let path = node
            .text()
            .filter(|text| !text.is_empty() && !text.contains('\0'));
        path.map(PathBuf::from)
            .ok_or_else(|| Fix::Write(format!("must be a folder, write {}", self.example())))
    }

    fn write(&self, value: &PathBuf) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }

    fn example(&self) -> String {
        quoted(self.0)
    }
}

/// An address and a port.
pub(super) struct Address {
    pub(super) example: &'static str,
}

impl Format<SocketAddr> for Address {
    fn read(&self, node: &Node) -> Result<SocketAddr, Fix> {
        let text = written(node);
        text.parse().map_err(|_| {
            // The port is most likely meant, the host most likely a name.
            let port = text
                .rsplit(':')
                .next()
                .and_then(|port| port.parse::<u16>().ok());
            let write = match (port, self.example.rsplit_once(':')) {
                (Some(port), Some((host, _))) => format!("{host}:{port}"),
                _ => self.example.to_owned(),
            };
            Fix::Write(format!(
                "must be an IP address and a port, write {}",
                quoted(&write)
            ))
        })
    }

    fn write(&self, value: &SocketAddr) -> Option<String> {
        Some(quoted(&value.to_string()))
    }

    fn example(&self) -> String {
        quoted(self.example)
    }
}

/// One or several addresses.
pub(super) struct Addresses {
    pub(super) each: Address,
    /// As many at least.
    pub(super) least: usize,
}

impl Format<Vec<SocketAddr>> for Addresses {
    fn read(&self, node: &Node) -> Result<Vec<SocketAddr>, Fix> {
        // `[::]:8080` in a variable looks like a list and is none, so it lands here as well.
        let Some(items) = node.list() else {
            return self.each.read(node).map(|address| vec![address]);
        };
        if items.len() < self.least {
            let fix = format!("must name at least one address, write {}", self.example());
            return Err(Fix::Write(fix));
        }
        let read = |item| {
            self.each.read(item).map_err(|fix| match fix {
                Fix::Write(fix) | Fix::WriteDefault(fix) => Fix::Write(format!("{item} {fix}")),
            })
        };
        items.iter().map(read).collect()
    }

    fn write(&self, value: &Vec<SocketAddr>) -> Option<String> {
        let items: Vec<_> = value
            .iter()
            .map(|address| quoted(&address.to_string()))
            .collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn example(&self) -> String {
        format!("[{}]", self.each.example())
    }
}

/// A text as TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What stands there, be it a bare number, so that the unit's parser can say that it needs a unit.
fn written(node: &Node) -> String {
    match &node.raw {
        Raw::Text(text) => text.clone(),
        Raw::Integer(number) => number.to_string(),
        _ => String::new(),
    }
}

fn within<T: PartialOrd>(
    value: T,
    bounds: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, Fix> {
    let (low, high) = (bounds.start(), bounds.end());
    if bounds.contains(&value) {
        return Ok(value);
    }
    let nearest = if value < *low { low } else { high };
    Err(Fix::Write(format!(
        "must be {} to {}, write {}",
        show(low),
        show(high),
        show(nearest)
    )))
}
