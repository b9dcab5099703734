//! What a rule of the settings means.

use std::collections::BTreeMap;

use crate::access::{Country, Region};
use ipnet::IpNet;

use super::super::networks::{self, shown};
use super::regions::{self, Countries};

/// One thing that a rule covers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Countries(Countries),
    Region(Country, Region),
    Network(IpNet),
    Asn(u32),
}

/// The user's groups, read.
pub(super) type Groups<'a> = BTreeMap<&'a str, Vec<Rule>>;

pub(super) fn groups<'a>(
    written: &'a BTreeMap<String, Vec<String>>,
    problems: &mut Vec<String>,
) -> Groups<'a> {
    let mut groups = Groups::new();
    for (name, texts) in written {
        let key = format!("groups.{name}");
        if let Err(fix) = free_name(name) {
            problems.push(format!("{key}: {fix}"));
            continue;
        }
        if texts.is_empty() {
            problems.push(format!(
                "{key}: empty: a rule that names it would cover nobody"
            ));
        }
        let rules = all(&key, texts, &Groups::new(), problems);
        groups.insert(name, rules);
    }
    groups
}

pub(super) fn all(
    key: &str,
    texts: &[String],
    groups: &Groups<'_>,
    problems: &mut Vec<String>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match groups.get(text.as_str()) {
            Some(group) => rules.extend_from_slice(group),
            None => match one(text) {
                Ok(rule) => rules.push(rule),
                Err(problem) => problems.push(format!("{key}[{at}]: {problem}")),
            },
        }
    }
    rules
}

fn one(text: &str) -> Result<Rule, String> {
    if text.contains(['/', ':']) || text.parse::<std::net::IpAddr>().is_ok() {
        return networks::read(text).map(Rule::Network);
    }
    if let Some(number) = asn(text) {
        return number
            .map(Rule::Asn)
            .ok_or_else(|| format!("{} is no autonomous system: write AS64496", shown(text)));
    }
    if let Some(countries) = regions::group(text) {
        return Ok(Rule::Countries(countries));
    }
    match text.split_once('-') {
        Some((country, region)) if country.len() == 2 => {
            let region = Region::parse(region).ok_or_else(|| {
                format!(
                    "{} is no region: write it as ISO 3166-2 does, US-CA",
                    shown(text)
                )
            })?;
            Ok(Rule::Region(country_of(country)?, region))
        }
        _ if text.len() == 2 => {
            let mut set = Countries::default();
            set.insert(country_of(text)?);
            Ok(Rule::Countries(set))
        }
        _ => Err(format!(
            "{} is no rule: write a country (DE), a region (US-CA), a group (EU27, EEA or one of groups), a network \
             (192.0.2.0/24) or an autonomous system (AS64496)",
            shown(text)
        )),
    }
}

/// One country that exists; the error says what to write instead.
fn country_of(text: &str) -> Result<Country, String> {
    regions::known_country(text).ok_or_else(|| match text {
        "EU" => "\"EU\" is no country: write EU27".to_owned(),
        _ => format!(
            "{} is no country of ISO 3166-1: write two letters, DE",
            shown(text)
        ),
    })
}

/// `None` where the text does not mean to be one. `AS` alone is American Samoa.
fn asn(text: &str) -> Option<Option<u32>> {
    let (start, digits) = text.split_at_checked(2)?;
    let is_meant = start.eq_ignore_ascii_case("AS")
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_meant.then(|| digits.parse().ok())
}

/// A group's name must not be readable as another rule.
fn free_name(name: &str) -> Result<(), &'static str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(3..=64).contains(&name.len()) || !name.bytes().all(is_word) {
        return Err("call it by 3 to 64 letters, digits, - and _");
    }
    let is_region = name.as_bytes()[2] == b'-';
    if is_region || asn(name).is_some() || regions::group(name).is_some() {
        return Err("means something already: call it otherwise");
    }
    Ok(())
}
