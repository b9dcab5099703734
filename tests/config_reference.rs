//! `config/reference.toml` is what it says: every key, every default.

use std::collections::BTreeSet;
use std::path::Path;

use caudal::config::Config;

const REFERENCE: &str = include_str!("../config/reference.toml");

/// A line `key = value`, with the dotted key it sets.
struct Entry {
    line: usize,
    key: String,
    is_example: bool,
}

fn entries() -> Vec<Entry> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for (line, text) in REFERENCE.lines().enumerate() {
        if let Some(header) = text.strip_prefix("[[") {
            section = format!("{}[]", header.trim_end_matches("]]"));
        } else if let Some(header) = text.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            if let Some((named, _)) = section.split_once('.').filter(|(named, _)| {
                [
                    "storage",
                    "listener",
                    "certificate",
                    "key",
                    "token",
                    "geo",
                    "rights",
                    "limits",
                    "access",
                ]
                .contains(named)
            }) {
                section = format!("{named}.NAME");
            }
        } else if let Some((key, _)) = text.split_once(" = ").filter(|_| !text.starts_with('#')) {
            let is_example = text.ends_with("# example");
            entries.push(Entry {
                line,
                key: format!("{section}.{key}"),
                is_example,
            });
        }
    }
    entries
}

fn read(text: &str) -> Result<Config, String> {
    Config::from_toml(text, std::iter::empty()).map_err(|error| error.to_string())
}

fn without(line: usize) -> String {
    let kept = REFERENCE.lines().enumerate().filter(|(at, _)| *at != line);
    kept.map(|(_, text)| format!("{text}\n")).collect()
}

#[test]
fn every_key_is_there_and_no_other() {
    let written: BTreeSet<String> = entries().into_iter().map(|entry| entry.key).collect();
    let known: BTreeSet<String> = Config::known_keys().into_iter().collect();
    assert_eq!(written, known);
}

#[test]
fn every_value_without_the_mark_is_the_default() {
    let whole = read(REFERENCE).unwrap();
    for entry in entries() {
        let rest = read(&without(entry.line));
        let number = entry.line + 1;
        if entry.is_example {
            assert_ne!(
                rest.as_ref(),
                Ok(&whole),
                "line {number}: {} is a default after all",
                entry.key
            );
        } else {
            assert_eq!(
                rest.as_ref(),
                Ok(&whole),
                "line {number}: {} is not the default",
                entry.key
            );
        }
    }
}

#[test]
fn the_sections_that_are_always_there_are_the_default() {
    let mut whole = read(REFERENCE).unwrap();
    // The one key of theirs that is absent unless it is written.
    whole.admin.socket = None;
    let named = whole.clone();
    let default = Config {
        listener: named.listener,
        certificate: named.certificate,
        key: named.key,
        token: named.token,
        geo: named.geo,
        rights: named.rights,
        limits: named.limits,
        access: named.access,
        storage: named.storage,
        route: named.route,
        ..Config::default()
    };
    assert_eq!(whole, default);
}

#[test]
fn the_values_are_written_as_caudal_writes_them() {
    let effective = read(REFERENCE).unwrap().to_toml();
    for (line, text) in REFERENCE.lines().enumerate() {
        if !text.starts_with('#') && text.contains(" = ") {
            let text = text.trim_end_matches(" # example");
            assert!(
                effective.lines().any(|l| l == text),
                "line {}: {text}",
                line + 1
            );
        }
    }
}

#[test]
fn the_minimal_file_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/caudal.toml");
    let config = Config::load(Some(&path), std::iter::empty()).unwrap();
    config.require_storage().unwrap();
    assert_eq!(config.route.len(), 1);
}

#[test]
fn the_protected_file_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/protected.toml");
    let config = Config::load(Some(&path), std::iter::empty()).unwrap();
    assert_eq!(config.route[0].access.as_deref(), Some("viewers"));
}
