//! What must hold between keys, once each is well-formed by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Config;
use super::format::quoted;
use super::storage::StorageKind;
use super::units::{duration, size};

mod access;
mod listener;

/// Reports every relation that does not hold as key and message.
pub(super) fn check(config: &Config, report: &mut dyn FnMut(String, String)) {
    listener::check(config, report);
    cache(config, report);
    compression(config, report);
    storages(config, report);
    routes(config, report);
    access::check(config, report);
}

/// Reports a name that leads nowhere.
fn exists<T>(
    tables: &BTreeMap<String, T>,
    section: &str,
    key: String,
    name: &str,
    report: &mut dyn FnMut(String, String),
) {
    if tables.contains_key(name) {
        return;
    }
    let fix = if tables.is_empty() {
        format!("write a [{section}.{name}] section")
    } else {
        let known: Vec<_> = tables.keys().map(|name| quoted(name)).collect();
        format!("write one of {}", known.join(", "))
    };
    let message = format!("{key} = {}: is no {section}, {fix}", quoted(name));
    report(key, message);
}

fn cache(config: &Config, report: &mut dyn FnMut(String, String)) {
    let cache = &config.cache;
    if !cache.block.is_power_of_two() {
        let below = 1 << cache.block.ilog2();
        let message = format!(
            "cache.block = {}: must be a power of two, write {} or {}",
            quoted(&size(cache.block)),
            quoted(&size(below)),
            quoted(&size(below * 2))
        );
        return report("cache.block".to_owned(), message);
    }
    if !cache.run.is_multiple_of(cache.block) {
        let message = format!(
            "cache.run = {}: must be a multiple of cache.block, {}, write {}",
            quoted(&size(cache.run)),
            quoted(&size(cache.block)),
            quoted(&size(cache.run.next_multiple_of(cache.block)))
        );
        report("cache.run".to_owned(), message);
    }
    if cache.memory < 4 * cache.run {
        let message = format!(
            "cache.memory = {}: must hold four runs of {}, write {} or lower cache.run",
            quoted(&size(cache.memory)),
            quoted(&size(cache.run)),
            quoted(&size(4 * cache.run))
        );
        report("cache.memory".to_owned(), message);
    } else if cache.fill_bytes() < cache.run {
        let percent = (u128::from(cache.run) * 100).div_ceil(u128::from(cache.memory));
        let message = format!(
            "cache.fill_reserve = \"{}%\": must hold one run of {}, write \"{percent}%\"",
            cache.fill_reserve,
            quoted(&size(cache.run)),
        );
        report("cache.fill_reserve".to_owned(), message);
    }
}

fn compression(config: &Config, report: &mut dyn FnMut(String, String)) {
    let compression = &config.compression;
    if compression.min > compression.max {
        let message = format!(
            "compression.min = {}: must not be above compression.max, {}",
            quoted(&size(compression.min)),
            quoted(&size(compression.max))
        );
        report("compression.min".to_owned(), message);
    }
}

fn storages(config: &Config, report: &mut dyn FnMut(String, String)) {
    for (name, storage) in &config.storage {
        let StorageKind::S3(s3) = &storage.kind else {
            continue;
        };
        let longest: Option<(&str, Duration)> = [
            ("connect_timeout", s3.connect_timeout),
            ("first_byte_timeout", s3.first_byte_timeout),
            ("stall_timeout", s3.stall_timeout),
        ]
        .into_iter()
        .max_by_key(|(_, time)| *time);
        if let Some((part, time)) = longest.filter(|(_, time)| *time > s3.total_timeout) {
            let key = format!("storage.{name}.total_timeout");
            let message = format!(
                "{key} = {}: must not be below {part}, write {}",
                quoted(&duration(s3.total_timeout)),
                quoted(&duration(time))
            );
            report(key, message);
        }
    }
}

fn routes(config: &Config, report: &mut dyn FnMut(String, String)) {
    let mut paths = BTreeMap::new();
    let names = || {
        config
            .storage
            .keys()
            .map(|name| quoted(name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (at, route) in config.route.iter().enumerate() {
        // Empty where the key itself was refused.
        let known = Some(&route.path).filter(|path| !path.is_empty());
        if let Some(first) = known.and_then(|path| paths.insert(path, at)) {
            let (key, path) = (format!("route[{at}].path"), quoted(&route.path));
            let message = format!("{key} = {path}: route[{first}] has it already, remove one");
            report(key, message);
        }
        if !route.storage.is_empty() && !config.storage.contains_key(&route.storage) {
            let key = format!("route[{at}].storage");
            let known = if config.storage.is_empty() {
                format!("write a [storage.{}] section", route.storage)
            } else {
                format!("write one of {}", names())
            };
            report(
                key.clone(),
                format!("{key} = {}: is no storage, {known}", quoted(&route.storage)),
            );
        }
    }
    if config.route.is_empty() && config.storage.len() > 1 {
        let message = format!(
            "route is missing: with several storages ({}) a [[route]] must say which path leads to which",
            names()
        );
        report("route".to_owned(), message);
    }
}
