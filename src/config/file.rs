//! What the user wrote, before anything is known about its meaning: the TOML text as a tree of nodes that remember
//! where they stand, with the environment's overrides laid over it.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::error::{Origin, Problem};

/// A value and the place it was written at.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// A value as TOML has them.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Flag(bool),
    /// What no key takes: a float, a date, an integer beyond 64 bits. Kept for messages.
    Other(String),
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

/// Reads a TOML text.
pub(super) fn parse(text: &str) -> Result<Table, Problem> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(Origin::Nowhere, |span| {
            Origin::Line(line_of(text, span.start))
        });
        Problem {
            origin: line,
            key: String::new(),
            message: format!("not TOML: {}", error.message()),
        }
    })?;
    Ok(convert_table(table.get_ref(), &|at| {
        Origin::Line(line_of(text, at))
    }))
}

/// Reads one TOML value out of an environment variable.
fn parse_value(text: &str, origin: &Origin) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    Some(convert(value.get_ref(), origin.clone(), &|_| {
        origin.clone()
    }))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(at)
        .filter(|byte| **byte == b'\n')
        .count()
}

fn convert_table(table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Table {
    let entries = table.iter().map(|(key, value)| {
        let node = convert(value.get_ref(), origin(key.span().start), origin);
        (key.get_ref().clone().into_owned(), node)
    });
    entries.collect()
}

fn convert(value: &DeValue<'_>, place: Origin, origin: &dyn Fn(usize) -> Origin) -> Node {
    let raw = match value {
        DeValue::String(text) => Raw::Text(text.clone().into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other(number.to_string()),
        },
        DeValue::Float(number) => Raw::Other(number.to_string()),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Datetime(date) => Raw::Other(date.to_string()),
        DeValue::Array(items) => Raw::List(
            items
                .iter()
                .map(|item| convert(item.get_ref(), origin(item.span().start), origin))
                .collect(),
        ),
        DeValue::Table(table) => Raw::Table(convert_table(table, origin)),
    };
    Node { raw, origin: place }
}

impl Node {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.raw {
            Raw::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A variable is text; what it means depends on the key, so these three read it as TOML where the key asks.
    pub(super) fn flag(&self) -> Option<bool> {
        match &self.raw {
            Raw::Flag(flag) => Some(*flag),
            Raw::Text(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match &self.raw {
            Raw::Integer(number) => Some(*number),
            Raw::Text(text) if self.is_variable() => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<Vec<Self>> {
        match &self.raw {
            Raw::List(items) => Some(items.clone()),
            Raw::Text(text) if self.is_variable() => match parse_value(text, &self.origin)?.raw {
                Raw::List(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_variable(&self) -> bool {
        matches!(self.origin, Origin::Variable(_))
    }
}

/// As TOML would write it, short enough for a message.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.raw {
            Raw::Text(text) if text.chars().count() > 60 => {
                let start: String = text.chars().take(60).collect();
                write!(f, "{}", toml::Value::String(format!("{start}…")))
            }
            Raw::Text(text) => write!(f, "{}", toml::Value::String(text.clone())),
            Raw::Integer(number) => write!(f, "{number}"),
            Raw::Flag(flag) => write!(f, "{flag}"),
            Raw::Other(text) => f.write_str(text),
            Raw::List(_) => f.write_str("[…]"),
            Raw::Table(_) => f.write_str("{…}"),
        }
    }
}
