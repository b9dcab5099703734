//! What cannot change while a server runs: where it listens, how much memory it has, how many threads.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Config;

/// Sections of which nothing can.
const SECTIONS: [&str; 4] = ["server", "admin", "log", "cache"];

/// Keys that cannot, of every section of that name.
const KEYS: [(&str, &[&str]); 2] = [
    (
        "listener",
        &[
            "listen",
            "protocols",
            "early_data",
            "max_connections",
            "header_timeout",
            "header_size",
            "header_count",
            "body_timeout",
            "idle_timeout",
            "write_stall",
            "min_rate",
        ],
    ),
    ("viewer", &["proxy_protocol"]),
];

impl Config {
    /// The keys in which `next` differs from this configuration, though they cannot change while a server runs.
    pub fn fixed_changes(&self, next: &Self) -> Vec<String> {
        let (before, after) = (self.fixed(), next.fixed());
        let all = before.keys().chain(after.keys());
        let mut changed: Vec<_> = all
            .filter(|key| before.get(*key) != after.get(*key))
            .cloned()
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }

    fn fixed(&self) -> BTreeMap<String, Value> {
        let mut flat = BTreeMap::new();
        // What was written as TOML is TOML.
        flatten(
            "",
            self.to_toml().parse::<Table>().unwrap_or_default(),
            &mut flat,
        );
        flat.retain(|key, _| is_fixed(key));
        for (name, listener) in &self.listener {
            let key = format!("listener.{name}.certificates");
            // Which ones may change; that there are any may not.
            flat.insert(key, Value::Boolean(!listener.certificates.is_empty()));
        }
        flat
    }
}

fn is_fixed(key: &str) -> bool {
    let mut parts = key.split('.');
    let (Some(section), Some(last)) = (parts.next(), parts.next_back()) else {
        return false;
    };
    let named = |(of, keys): &(&str, &[&str])| *of == section && keys.contains(&last);
    SECTIONS.contains(&section) || KEYS.iter().any(named)
}

fn flatten(path: &str, table: Table, flat: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let path = match path {
            "" => name,
            path => format!("{path}.{name}"),
        };
        match value {
            Value::Table(table) => flatten(&path, table, flat),
            value => {
                flat.insert(path, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_toml(text, std::iter::empty()).unwrap()
    }

    #[test]
    fn what_cannot_change_is_named() {
        let plain = "[listener.more]\nlisten = \"127.0.0.1:9000\"\n";
        let before = config(plain);
        let change = |text: &str| before.fixed_changes(&config(text));
        assert_eq!(change(plain), [""; 0]);
        let free = "[freshness]\nabsent = \"1s\"\n[cors]\norigin = \"https://a.example\"\n";
        assert_eq!(change(&format!("{plain}{free}")), [""; 0]);
        let moved = "[server]\nworkers = 3\n[cache]\nmemory = \"1GiB\"\n";
        assert_eq!(
            change(&format!("{plain}{moved}")),
            ["cache.memory", "server.workers"]
        );
        assert_eq!(
            change(""),
            [
                "listener.more.certificates",
                "listener.more.early_data",
                "listener.more.listen",
                "listener.more.protocols"
            ]
        );
        let secure =
            "certificates = [\"a\"]\n[certificate.a]\nchain = \"env:A\"\nkey = \"env:B\"\n";
        assert_eq!(
            change(&format!("{plain}{secure}")),
            ["listener.more.certificates"]
        );
    }
}
