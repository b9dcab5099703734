//! Rights in a TOML file:
//!
//! ```toml
//! zone = "Europe/Berlin"                      # of times without an offset
//!
//! [title."t1"]
//! countries = ["DE", "AT", "EEA"]             # absent: everywhere
//! from = "2026-01-01T00:00:00"                # shown from here on
//! until = "2026-07-01T00:00:00+02:00"         # and no longer from here on
//! devices = ["tv", "desktop", "tablet", "mobile"]
//! max_height = 1080                           # lines
//! max_bandwidth = 8_000_000                   # bit/s
//! heights = { "/vod/t1/v5/*" = 2160 }         # where the path does not say it
//! ```

use std::collections::HashMap;

use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::geo::regions::{self, Countries};
use super::super::networks::{limited, shown};
use super::super::viewer::Device;
use super::moment::{self, End};
use super::{Paths, Pattern, Source, Title};

/// Bytes of a file: some hundred thousand titles.
const FILE_MAX: usize = 64 << 20;

/// Labelled paths of one title.
const LABELS_MAX: usize = 64;

/// The titles of a file.
#[derive(Debug)]
pub struct File {
    titles: HashMap<Box<str>, Title>,
}

type Value<'a> = Spanned<DeValue<'a>>;

/// Reads the values of a file, and notes what is wrong with them: where in the text, and what.
struct Reader<'a> {
    paths: &'a Paths,
    problems: Vec<(usize, String)>,
}

impl File {
    /// Reads a file; `name` is for messages, `paths` are those that the rights will be asked with.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with line, title, key, value and fix. Also a ceiling that no path can come
    /// under, because none tells its quality.
    pub fn parse(name: &str, bytes: &[u8], paths: &Paths) -> Result<Self, Vec<String>> {
        if bytes.len() > FILE_MAX {
            return Err(vec![format!("{name}: longer than {} MiB", FILE_MAX >> 20)]);
        }
        let text = std::str::from_utf8(bytes);
        let text = text.map_err(|_| vec![format!("{name}: not text: save it as UTF-8")])?;
        let mut reader = Reader {
            paths,
            problems: Vec::new(),
        };
        let titles = match DeTable::parse(text) {
            Ok(table) => reader.titles(table.get_ref()),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                reader.problem(at, format!("not TOML: {}", error.message()));
                HashMap::new()
            }
        };
        if reader.problems.is_empty() {
            Ok(Self { titles })
        } else {
            Err(limited(numbered(name, text, reader.problems)))
        }
    }

    /// How many titles there are.
    pub fn len(&self) -> usize {
        self.titles.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.titles.is_empty()
    }
}

impl Source for File {
    fn title(&self, id: &str) -> Option<&Title> {
        self.titles.get(id)
    }
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, message: String) {
        self.problems.push((at, message));
    }

    /// The value that was read, or a note of why it was not.
    fn noted<T>(&mut self, at: usize, key: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.problem(at, format!("{key}: {problem}")))
            .ok()
    }

    fn titles(&mut self, root: &DeTable<'_>) -> HashMap<Box<str>, Title> {
        let zone = self.zone("", root);
        let mut titles = HashMap::new();
        for (key, value) in root {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("zone", _) => {}
                ("title", DeValue::Table(table)) => {
                    for (id, value) in table {
                        let id = id.get_ref().as_ref();
                        let title = self.title(id, value, zone.as_ref());
                        titles.insert(id.into(), title);
                    }
                }
                ("title", _) => {
                    let message = "title: write a table for each title, [title.\"t1\"]";
                    self.problem(key.span().start, message.to_owned());
                }
                (other, _) => {
                    let message = format!("unknown key {}: write zone or title", shown(other));
                    self.problem(key.span().start, message);
                }
            }
        }
        titles
    }

    fn title(&mut self, id: &str, value: &Value<'_>, zone: Option<&TimeZone>) -> Title {
        let mut title = Title::default();
        let path = format!("title.{}.", shown(id));
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("title.{}: write a table of its terms", shown(id));
            self.problem(value.span().start, message);
            return title;
        };
        let own = self.zone(&path, table);
        let zone = own.as_ref().or(zone);
        for (key, value) in table {
            let at = key.span().start;
            let name = key.get_ref().as_ref();
            let full = format!("{path}{name}");
            match name {
                "zone" => {}
                "countries" => title.countries = self.noted(at, &full, countries(value)),
                "devices" => title.devices = self.noted(at, &full, devices(value)),
                "from" => title.from = self.noted(at, &full, moment(value, zone, End::From)),
                "until" => title.until = self.noted(at, &full, moment(value, zone, End::Until)),
                "max_height" => title.max_height = self.noted(at, &full, number(value)),
                "max_bandwidth" => title.max_bandwidth = self.noted(at, &full, number(value)),
                "heights" => {
                    title.heights = self.noted(at, &full, labels(value)).unwrap_or_default();
                }
                "bandwidths" => {
                    title.bandwidths = self.noted(at, &full, labels(value)).unwrap_or_default();
                }
                _ => self.problem(
                    at,
                    format!(
                        "title.{}: unknown key {}: write countries, zone, from, until, devices, max_height, \
                         max_bandwidth, heights or bandwidths",
                        shown(id),
                        shown(name)
                    ),
                ),
            }
        }
        self.check(value.span().start, &path, &title);
        title
    }

    /// What must hold between keys.
    fn check(&mut self, at: usize, path: &str, title: &Title) {
        if let (Some(from), Some(until)) = (title.from, title.until)
            && until <= from
        {
            self.problem(
                at,
                format!("{path}until: not after from: the title would never be shown"),
            );
        }
        if title.max_height.is_some() && title.heights.is_empty() && !self.paths.tell_height() {
            let fix = "no path tells its height: add {height} to a pattern of paths, or heights to the title";
            self.problem(at, format!("{path}max_height: {fix}"));
        }
        let is_told = !title.bandwidths.is_empty() || self.paths.tell_bandwidth();
        if title.max_bandwidth.is_some() && !is_told {
            let fix = "no path tells its bandwidth: add {bandwidth} or {kbps} to a pattern of paths, or bandwidths \
                       to the title";
            self.problem(at, format!("{path}max_bandwidth: {fix}"));
        }
    }

    /// The zone that a table names.
    fn zone(&mut self, path: &str, table: &DeTable<'_>) -> Option<TimeZone> {
        let (key, value) = table.iter().find(|(key, _)| key.get_ref() == "zone")?;
        let read = text(value).and_then(moment::zone);
        self.noted(key.span().start, &format!("{path}zone"), read)
    }
}

fn countries(value: &Value<'_>) -> Result<Countries, String> {
    let mut countries = Countries::default();
    for text in texts(value)? {
        if let Some(group) = regions::group(text) {
            countries.extend(&group);
        } else if let Some(country) = regions::known_country(text) {
            countries.insert(country);
        } else {
            return Err(format!(
                "{} is no country: write two letters of ISO 3166-1 (DE), EU27 or EEA",
                shown(text)
            ));
        }
    }
    Ok(countries)
}

fn devices(value: &Value<'_>) -> Result<Vec<Device>, String> {
    let read = |text| {
        Device::parse(text).ok_or_else(|| {
            format!(
                "{} is no device: write mobile, tablet, desktop or tv",
                shown(text)
            )
        })
    };
    let mut devices: Vec<Device> = texts(value)?
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()?;
    devices.sort_unstable();
    devices.dedup();
    Ok(devices)
}

fn moment(value: &Value<'_>, zone: Option<&TimeZone>, end: End) -> Result<i64, String> {
    match value.get_ref() {
        DeValue::Datetime(written) => moment::seconds(&written.to_string(), zone, end),
        _ => moment::seconds(text(value)?, zone, end),
    }
}

fn labels<N: TryFrom<u64>>(value: &Value<'_>) -> Result<Vec<(Pattern, N)>, String> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err("write a table of paths, { \"/vod/t1/v5/*\" = 2160 }".to_owned());
    };
    if table.is_empty() || table.len() > LABELS_MAX {
        return Err(format!("{} paths: write 1 to {LABELS_MAX}", table.len()));
    }
    let labels = table.iter().map(|(pattern, value)| {
        let pattern = Pattern::plain(pattern.get_ref())?;
        Ok((pattern, number(value)?))
    });
    labels.collect()
}

/// A whole number above zero.
fn number<N: TryFrom<u64>>(value: &Value<'_>) -> Result<N, String> {
    let written = match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    let positive = written.filter(|number| *number > 0);
    positive
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| "write a whole number above 0, such as 1080".to_owned())
}

fn text<'a>(value: &'a Value<'_>) -> Result<&'a str, String> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text),
        _ => Err("write text in quotes".to_owned()),
    }
}

/// A list of texts. An empty one may be meant as none or as all.
fn texts<'a>(value: &'a Value<'_>) -> Result<Vec<&'a str>, String> {
    let DeValue::Array(items) = value.get_ref() else {
        return Err("write a list of texts, [\"…\"]".to_owned());
    };
    if items.is_empty() {
        return Err("empty: name some, or leave the key out for all".to_owned());
    }
    items.iter().map(text).collect()
}

/// Problems with their lines, in the order of the text.
fn numbered(name: &str, text: &str, mut problems: Vec<(usize, String)>) -> Vec<String> {
    problems.sort_by_key(|(at, _)| *at);
    let (mut line, mut counted) = (1, 0);
    let numbered = problems.into_iter().map(|(at, problem)| {
        let between = text.as_bytes().get(counted..at).unwrap_or_default();
        line += between.iter().filter(|byte| **byte == b'\n').count();
        counted = counted.max(at);
        format!("{name}:{line}: {problem}")
    });
    numbered.collect()
}
