//! Formats of values that are lists, references or one of a few numbers.

use std::path::PathBuf;

use super::{Fix, Format, quoted};
use crate::config::file::Node;
use crate::config::secret::Reference;

/// A list, perhaps empty; no two the same. A lone value is a list of one.
pub(in crate::config) struct List<F>(pub(in crate::config) F);

/// The most values in a list.
const MOST: usize = 4096;

impl<T: PartialEq, F: Format<T>> Format<Vec<T>> for List<F> {
    fn read(&self, node: &Node) -> Result<Vec<T>, Fix> {
        let Some(items) = node.list() else {
            return self.0.read(node).map(|value| vec![value]);
        };
        if items.len() > MOST {
            let fix = format!("has more than {MOST} values, put them into a file");
            return Err(Fix::Write(fix));
        }
        let mut values = Vec::with_capacity(items.len());
        for item in &items {
            let value = self.0.read(item).map_err(|fix| match fix {
                Fix::Write(fix) | Fix::WriteDefault(fix) => Fix::Write(format!("{item} {fix}")),
            })?;
            if values.contains(&value) {
                return Err(Fix::Write(format!("has {item} twice, write it once")));
            }
            values.push(value);
        }
        Ok(values)
    }

    fn write(&self, values: &Vec<T>) -> Option<String> {
        let items: Vec<_> = values.iter().filter_map(|v| self.0.write(v)).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn example(&self) -> String {
        format!("[{}]", self.0.example())
    }
}

/// A file; an example of its path.
pub(in crate::config) struct File(pub(in crate::config) &'static str);

impl Format<PathBuf> for File {
    fn read(&self, node: &Node) -> Result<PathBuf, Fix> {
        let path = node
            .text()
            .filter(|text| !text.is_empty() && !text.contains('\0'));
        path.map(PathBuf::from)
            .ok_or_else(|| Fix::Write(format!("must be a file, write {}", self.example())))
    }

    fn write(&self, value: &PathBuf) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }

    fn example(&self) -> String {
        quoted(self.0)
    }
}

/// One of a few numbers.
pub(in crate::config) struct OneOf(pub(in crate::config) &'static [u16]);

impl Format<u16> for OneOf {
    fn read(&self, node: &Node) -> Result<u16, Fix> {
        let number = node.integer();
        let found = self.0.iter().find(|one| Some(i64::from(**one)) == number);
        found.copied().ok_or_else(|| {
            let words: Vec<String> = self.0.iter().map(u16::to_string).collect();
            Fix::Write(format!("must be one of {}", words.join(", ")))
        })
    }

    fn write(&self, value: &u16) -> Option<String> {
        Some(value.to_string())
    }

    fn example(&self) -> String {
        self.0.first().map(u16::to_string).unwrap_or_default()
    }
}

/// Where a secret is. What is written is never repeated: it may be the secret itself.
pub(in crate::config) struct SecretReference;

impl Format<Reference> for SecretReference {
    fn read(&self, node: &Node) -> Result<Reference, Fix> {
        let fix = || format!("must say where the secret is, write {}", self.example());
        Ok(Reference::parse(node.text().ok_or_else(fix)?)?)
    }

    fn write(&self, value: &Reference) -> Option<String> {
        Some(quoted(&value.to_string()))
    }

    fn example(&self) -> String {
        quoted("env:VIEWER_KEY")
    }

    fn is_secret(&self) -> bool {
        true
    }
}

/// A key that is known, and makes no sense where it stands; what to do about it. Its value, perhaps a secret that was to
/// be elsewhere, is not repeated.
pub(in crate::config) struct Misplaced(pub(in crate::config) &'static str);

impl Format<()> for Misplaced {
    fn read(&self, _node: &Node) -> Result<(), Fix> {
        Err(Fix::Write(self.0.to_owned()))
    }

    fn write(&self, (): &()) -> Option<String> {
        None
    }

    fn example(&self) -> String {
        String::new()
    }

    fn is_secret(&self) -> bool {
        true
    }
}
