//! One declaration of every key serves three readings: taking values from the user's tree ([`Reader`]), writing the
//! effective configuration ([`Writer`]), and listing the keys there are ([`Names`]). A key cannot be known to one and
//! not to another.

use std::collections::BTreeMap;

use super::error::{Origin, Problem};
use super::file::{Node, Raw, Table};
use super::format::{Fix, Format};

/// Visits the keys of a section, each with its value and its format.
pub(super) trait Keys: Sized {
    /// A key; what `value` holds beforehand is the default.
    fn key<T>(&mut self, name: &'static str, value: &mut T, format: impl Format<T>);

    /// A key without a default.
    fn required<T>(&mut self, name: &'static str, value: &mut T, format: impl Format<T>);

    /// Whether the user wrote the key, well or not, and it was not read yet.
    fn is_written(&self, _name: &str) -> bool {
        false
    }

    /// A table within this one. Comes after the keys: TOML has it so.
    fn section(&mut self, name: &'static str, visit: impl FnOnce(&mut Self));
}

/// Takes values from what the user wrote, and collects everything that is wrong with it.
#[derive(Default)]
pub(super) struct Reader {
    path: String,
    /// What is not taken yet.
    table: Table,
    /// The names that could be taken.
    known: Vec<String>,
    /// Where this section itself stands.
    origin: Option<Origin>,
    pub(super) problems: Vec<Problem>,
    /// Where every value that was read stands, by its dotted key.
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Reader {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            ..Self::default()
        }
    }

    /// Reads one table `node` called `path` with `visit`, its problems becoming this reader's.
    pub(super) fn table(&mut self, path: String, node: Node, visit: impl FnOnce(&mut Self)) {
        self.origins.insert(path.clone(), node.origin.clone());
        let Raw::Table(table) = node.raw else {
            let header = match path.split_once('[') {
                Some((list, _)) => format!("[[{list}]]"),
                None => format!("[{path}]"),
            };
            let message = format!("{path} = {node}: must be a table, write {header}");
            return self.problem(node.origin, path, message);
        };
        let mut inner = Self {
            path,
            table,
            origin: Some(node.origin),
            ..Self::default()
        };
        visit(&mut inner);
        inner.refuse_unknown();
        self.problems.append(&mut inner.problems);
        self.origins.append(&mut inner.origins);
    }

    /// Takes a table of named tables, such as `[storage.NAME]`.
    pub(super) fn named_tables(&mut self, name: &str) -> Vec<(String, Node)> {
        self.known.push(name.to_owned());
        match self.table.remove(name) {
            Some(Node {
                raw: Raw::Table(table),
                ..
            }) => table.into_iter().collect(),
            Some(node) => {
                let message = format!("{name} = {node}: must hold tables, write [{name}.media]");
                self.problem(node.origin, name.to_owned(), message);
                vec![]
            }
            None => vec![],
        }
    }

    /// Reads every table of a table of named ones. Where one does not say what it is (its `kind`, its `format`), the
    /// rest of it cannot be judged.
    pub(super) fn named<T>(
        &mut self,
        section: &'static str,
        unset: impl Fn() -> T,
        visit: impl Fn(&mut T, &mut Self),
    ) -> BTreeMap<String, T> {
        let mut read = BTreeMap::new();
        for (name, node) in self.named_tables(section) {
            let path = format!("{section}.{name}");
            if let Err(fix) = super::check::storage_name(&name) {
                let fix = fix.replace("storage", section);
                self.problem(node.origin.clone(), path.clone(), format!("{path}: {fix}"));
            }
            let mut value = unset();
            self.table(path, node, |keys| {
                visit(&mut value, keys);
                if keys.failed("kind") || keys.failed("format") {
                    keys.ignore_rest();
                }
            });
            read.insert(name, value);
        }
        read
    }

    /// Takes a list of tables, such as `[[route]]`.
    pub(super) fn listed_tables(&mut self, name: &str) -> Vec<Node> {
        self.known.push(name.to_owned());
        let Some(node) = self.table.remove(name) else {
            return vec![];
        };
        node.list().unwrap_or_else(|| {
            let message = format!("{name} = {node}: must be a list of tables, write [[{name}]]");
            self.problem(node.origin, name.to_owned(), message);
            vec![]
        })
    }

    /// Whether the key `name` of this section had no usable value.
    pub(super) fn failed(&self, name: &str) -> bool {
        let key = self.dotted(name);
        self.problems.iter().any(|problem| problem.key == key)
    }

    /// Gives up on keys not taken yet: without knowing what the section is, none can be called unknown.
    pub(super) fn ignore_rest(&mut self) {
        self.table.clear();
    }

    /// Records a problem with `key`, unless it has one already: what follows from the first only distracts.
    pub(super) fn problem(&mut self, origin: Origin, key: String, message: String) {
        if self.problems.iter().all(|problem| problem.key != key) {
            self.problems.push(Problem {
                origin,
                key,
                message,
            });
        }
    }

    /// Turns every key that nobody took into a problem.
    pub(super) fn refuse_unknown(&mut self) {
        for (name, node) in std::mem::take(&mut self.table) {
            let key = self.dotted(&name);
            let hint = self.suggestion(&name, &node.origin);
            self.problem(
                node.origin,
                key.clone(),
                format!("unknown key {key}: {hint}"),
            );
        }
    }

    fn suggestion(&self, name: &str, origin: &Origin) -> String {
        let Some(key) = self.likeliest(name) else {
            let mut known = self.known.clone();
            known.sort();
            return format!("known are {}", known.join(", "));
        };
        match origin {
            // Sections have no variable of their own, and a storage is called NAME in the list of keys.
            Origin::Variable(_) if super::Config::known_keys().contains(&key) => {
                format!("did you mean {key}, {}?", super::env::variable(&key))
            }
            _ => format!("did you mean {key}?"),
        }
    }

    /// The key that someone who wrote `name` here most likely meant.
    fn likeliest(&self, name: &str) -> Option<String> {
        let all = super::Config::known_keys();
        // CAUDAL_CACHE_MEMORY, with one underscore too few.
        let joined = all
            .iter()
            .find(|key| self.path.is_empty() && key.replace('.', "_") == name);
        if joined.is_some() {
            return joined.cloned();
        }
        let likeness = |known: &String| strsim::jaro_winkler(known, name);
        let best = self
            .known
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        if likeness(best) > 0.9 {
            return Some(self.dotted(best));
        }
        // The right key in the wrong section. Storages and routes share words with each other, which would mislead.
        if self.path.starts_with("storage.") || self.path.starts_with("route[") {
            return None;
        }
        let elsewhere = |key: &&String| key.rsplit('.').next() == Some(name);
        all.iter().find(elsewhere).cloned()
    }

    fn dotted(&self, name: &str) -> String {
        join(&self.path, name)
    }

    fn read<T>(&mut self, name: &'static str, default: &T, format: &impl Format<T>) -> Option<T> {
        self.known.push(name.to_owned());
        let node = self.table.remove(name)?;
        let key = self.dotted(name);
        let fix = match format.read(&node) {
            Ok(value) => {
                self.origins.insert(key, node.origin);
                return Some(value);
            }
            Err(Fix::Write(fix)) => fix,
            Err(Fix::WriteDefault(fix)) => {
                let default = format.write(default).unwrap_or_else(|| format.example());
                format!("{fix}, write {default}")
            }
        };
        let message = match format.is_secret() {
            true => format!("{key} {fix}"),
            false => format!("{key} = {node}: {fix}"),
        };
        self.problem(node.origin, key, message);
        None
    }
}

impl Keys for Reader {
    fn key<T>(&mut self, name: &'static str, value: &mut T, format: impl Format<T>) {
        if let Some(read) = self.read(name, value, &format) {
            *value = read;
        }
    }

    fn required<T>(&mut self, name: &'static str, value: &mut T, format: impl Format<T>) {
        if !self.table.contains_key(name) {
            let key = self.dotted(name);
            let message = format!("{key} is missing: write {name} = {}", format.example());
            self.problem(self.origin.clone().unwrap_or(Origin::Nowhere), key, message);
        }
        self.key(name, value, format);
    }

    fn is_written(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    fn section(&mut self, name: &'static str, visit: impl FnOnce(&mut Self)) {
        self.known.push(name.to_owned());
        let absent = || Node {
            raw: Raw::Table(Table::new()),
            origin: Origin::Nowhere,
        };
        let node = self.table.remove(name).unwrap_or_else(absent);
        self.table(self.dotted(name), node, visit);
    }
}

/// Writes the effective configuration as TOML that reads back as the same.
#[derive(Default)]
pub(super) struct Writer {
    path: String,
    pub(super) text: String,
}

impl Writer {
    /// Writes one table under the given header, `[server]` or `[[route]]`, called `path`.
    pub(super) fn table(&mut self, header: &str, path: String, visit: impl FnOnce(&mut Self)) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(header);
        self.text.push('\n');
        let outer = std::mem::replace(&mut self.path, path);
        visit(self);
        self.path = outer;
    }
}

impl Writer {
    /// Writes every table of a table of named ones.
    pub(super) fn named<T>(
        &mut self,
        section: &str,
        tables: &mut BTreeMap<String, T>,
        visit: impl Fn(&mut T, &mut Self),
    ) {
        for (name, value) in tables {
            let path = format!("{section}.{name}");
            self.table(&format!("[{path}]"), path, |keys| visit(value, keys));
        }
    }
}

impl Keys for Writer {
    fn key<T>(&mut self, name: &'static str, value: &mut T, format: impl Format<T>) {
        if let Some(written) = format.write(value) {
            self.text.push_str(&format!("{name} = {written}\n"));
        }
    }

    fn required<T>(&mut self, name: &'static str, value: &mut T, format: impl Format<T>) {
        self.key(name, value, format);
    }

    fn section(&mut self, name: &'static str, visit: impl FnOnce(&mut Self)) {
        let path = join(&self.path, name);
        self.table(&format!("[{path}]"), path, visit);
    }
}

/// Lists the dotted keys there are.
#[derive(Default)]
pub(super) struct Names {
    pub(super) path: String,
    pub(super) names: Vec<String>,
}

impl Names {
    /// Lists the keys of named tables, those of every kind.
    pub(super) fn named<T, const N: usize>(
        &mut self,
        section: &str,
        kinds: [T; N],
        visit: impl Fn(&mut T, &mut Self),
    ) {
        self.path = format!("{section}.NAME");
        for mut value in kinds {
            visit(&mut value, self);
        }
    }
}

impl Keys for Names {
    fn key<T>(&mut self, name: &'static str, _value: &mut T, _format: impl Format<T>) {
        let name = join(&self.path, name);
        // Kinds of storage share keys.
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn required<T>(&mut self, name: &'static str, value: &mut T, format: impl Format<T>) {
        self.key(name, value, format);
    }

    fn section(&mut self, name: &'static str, visit: impl FnOnce(&mut Self)) {
        let path = join(&self.path, name);
        let outer = std::mem::replace(&mut self.path, path);
        visit(self);
        self.path = outer;
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
