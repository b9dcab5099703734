//! Files that list networks, in the three shapes they come in.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use ipnet::IpNet;
use serde_json::Value;

use super::{Networks, read as network, shown};

/// Bytes of a file. AWS's whole `ip-ranges.json` has two million.
const FILE_MAX: u64 = 16 << 20;

/// Where [`Value`] has its networks: the list, the key in each of its entries.
const AWS: [(&str, &str); 2] = [("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix")];

pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let name = path.display();
    let cannot = |error| format!("{name}: cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    Ok(bytes)
}

pub(super) fn read(
    name: &str,
    bytes: &[u8],
    service: Option<&str>,
    problems: &mut Vec<String>,
) -> Networks {
    if bytes.len() as u64 > FILE_MAX {
        problems.push(format!(
            "{name}: longer than {} MiB: list fewer networks",
            FILE_MAX >> 20
        ));
        return Networks::default();
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        problems.push(format!("{name}: not text: save it as UTF-8"));
        return Networks::default();
    };
    let text = text.trim_start_matches('\u{feff}');
    let before = problems.len();
    let networks: Networks = if text.trim_start().starts_with('{') {
        json(name, text, service, problems)
    } else {
        lines(name, text, problems)
    };
    if networks.is_empty() && problems.len() == before {
        problems.push(format!(
            "{name}: holds no network: write one a line, or leave the file out"
        ));
    }
    networks
}

fn lines(name: &str, text: &str, problems: &mut Vec<String>) -> Networks {
    let numbered = (1..).zip(text.lines());
    let written = numbered.filter_map(|(number, line): (usize, _)| {
        let line = line.split('#').next().unwrap_or_default().trim();
        (!line.is_empty()).then_some((number, line))
    });
    written
        .filter_map(|(number, line)| {
            let refused = |problem| problems.push(format!("{name}:{number}: {problem}"));
            network(line).map_err(refused).ok()
        })
        .collect()
}

fn json(name: &str, text: &str, service: Option<&str>, problems: &mut Vec<String>) -> Networks {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            problems.push(format!("{name}: begins as JSON and is not: {error}"));
            return Networks::default();
        }
    };
    let mut found: Vec<IpNet> = Vec::new();
    if value.get("Entries").is_some() {
        entries(name, &value, ("Entries", "Cidr"), problems, |_| true)
            .for_each(|net| found.push(net));
    } else if AWS.iter().any(|(list, _)| value.get(list).is_some()) {
        let Some(service) = service else {
            problems.push(format!(
                "{name}: lists the networks of many services: say of which, such as CLOUDFRONT_ORIGIN_FACING"
            ));
            return Networks::default();
        };
        let is_of = |entry: &Value| entry.get("service").and_then(Value::as_str) == Some(service);
        for shape in AWS {
            entries(name, &value, shape, problems, is_of).for_each(|net| found.push(net));
        }
        if found.is_empty() && problems.is_empty() {
            problems.push(format!(
                "{name}: lists no network of service {}: it has {}",
                shown(service),
                services(&value)
            ));
        }
    } else {
        problems.push(format!(
            "{name}: JSON that lists no networks: it needs \"prefixes\" as in ip-ranges.json, or \"Entries\" as \
             aws ec2 get-managed-prefix-list-entries prints them"
        ));
    }
    found.into_iter().collect()
}

fn entries<'a>(
    name: &'a str,
    value: &'a Value,
    (list, key): (&'static str, &'static str),
    problems: &'a mut Vec<String>,
    counts: impl Fn(&Value) -> bool + 'a,
) -> impl Iterator<Item = IpNet> + 'a {
    let listed = value.get(list).and_then(Value::as_array);
    if value.get(list).is_some() && listed.is_none() {
        problems.push(format!("{name}: {list}: not a list"));
    }
    let numbered = listed.into_iter().flatten().enumerate();
    let counting = numbered.filter(move |(_, entry)| counts(entry));
    counting.filter_map(move |(at, entry)| {
        let text = entry.get(key).and_then(Value::as_str);
        let read = text.map_or_else(|| Err("missing, or not text".to_owned()), network);
        let refused = |problem| problems.push(format!("{name}: {list}[{at}].{key}: {problem}"));
        read.map_err(refused).ok()
    })
}

/// The services a file knows, for whoever mistyped one.
fn services(value: &Value) -> String {
    let lists = AWS.iter().filter_map(|(list, _)| value.get(list));
    let entries = lists.filter_map(Value::as_array).flatten();
    let names = entries.filter_map(|entry| entry.get("service").and_then(Value::as_str));
    let names: BTreeSet<&str> = names.collect();
    let names: Vec<&str> = names.into_iter().take(60).collect();
    names.join(", ")
}
