//! Overrides from the environment: `CAUDAL_CACHE__MEMORY=4GiB` is `cache.memory = "4GiB"`.

use super::error::{Origin, Problem};
use super::file::{Node, Raw, Table};

const PREFIX: &str = "CAUDAL_";
/// Separates levels. A single underscore cannot: keys have them.
const LEVEL: &str = "__";
/// Variables that are read elsewhere: the file to load, and the log filter.
const RESERVED: [&str; 2] = ["CONFIG", "LOG"];

/// Lays every override over what the file says; names match whatever their case. What cannot be placed is a problem;
/// whether the key exists is for the reader of the tree to say.
pub(super) fn overlay(
    tree: &mut Table,
    env: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) {
    let mut overrides: Vec<_> = env
        .filter_map(|(variable, value)| {
            let upper = variable.to_ascii_uppercase();
            let name = upper.strip_prefix(PREFIX)?;
            let foreign = RESERVED.contains(&name) || is_kubernetes(name, &value);
            (!foreign).then(|| (name.to_ascii_lowercase(), variable, value))
        })
        .collect();
    // The environment has no order; the same one must always mean the same.
    overrides.sort();
    for (name, variable, value) in overrides {
        let path: Vec<&str> = name.split(LEVEL).collect();
        let node = Node {
            raw: Raw::Text(value),
            origin: Origin::Variable(variable),
        };
        if let Err(problem) = place(tree, &path, node) {
            problems.push(problem);
        }
    }
}

/// The variable that overrides a key.
pub(super) fn variable(key: &str) -> String {
    format!(
        "{PREFIX}{}",
        key.replace('.', LEVEL)
            .replace('-', "_")
            .to_ascii_uppercase()
    )
}

/// Kubernetes announces every service to every pod of its namespace this way; a service called `caudal` would
/// otherwise keep caudal from starting.
fn is_kubernetes(name: &str, value: &str) -> bool {
    let announced = name.ends_with("SERVICE_HOST")
        || name.contains("SERVICE_PORT")
        || name.starts_with("PORT_")
        || name.contains("_PORT_")
        || (name.ends_with("PORT") && value.contains("://"));
    announced && !name.contains(LEVEL)
}

fn place(tree: &mut Table, path: &[&str], node: Node) -> Result<(), Problem> {
    let mut table = tree;
    let Some((last, levels)) = path.split_last() else {
        return Ok(());
    };
    for (depth, level) in levels.iter().enumerate() {
        let level = spelled(table, level);
        let empty = || Node {
            raw: Raw::Table(Table::new()),
            origin: node.origin.clone(),
        };
        match table.entry(level).or_insert_with(empty).raw {
            Raw::Table(ref mut inner) => table = inner,
            _ => {
                let key = path[..=depth].join(".");
                let message = format!(
                    "{key} is no table: override it as a whole with {}",
                    variable(&key)
                );
                return Err(Problem {
                    origin: node.origin,
                    key,
                    message,
                });
            }
        }
    }
    let last = spelled(table, last);
    table.insert(last, node);
    Ok(())
}

/// The key as the file spells it: a storage may be called `my-media`, and shells allow no dash in a variable.
fn spelled(table: &Table, level: &str) -> String {
    if table.contains_key(level) {
        return level.to_owned();
    }
    let same = table.keys().find(|key| key.replace('-', "_") == level);
    same.cloned().unwrap_or_else(|| level.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaid(text: &str, env: &[(&str, &str)]) -> (Table, Vec<Problem>) {
        let mut tree = super::super::file::parse(text).unwrap();
        let mut problems = Vec::new();
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        overlay(&mut tree, env, &mut problems);
        (tree, problems)
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let (tree, problems) = overlaid(
            "",
            &[
                ("PATH", "/bin"),
                ("CAUDAL_CONFIG", "/etc/caudal.toml"),
                ("CAUDAL_LOG", "debug"),
                ("CAUDAL_SERVICE_HOST", "10.0.0.1"),
                ("CAUDAL_SERVICE_PORT_HTTP", "80"),
                ("CAUDAL_PORT", "tcp://10.0.0.1:80"),
                ("CAUDAL_PORT_80_TCP_ADDR", "10.0.0.1"),
                ("CAUDAL_ADMIN_PORT", "tcp://10.0.0.1:80"),
                ("CAUDAL_ADMIN_SERVICE_HOST", "10.0.0.1"),
            ],
        );
        assert!(
            tree.is_empty() && problems.is_empty(),
            "{tree:?} {problems:?}"
        );
    }

    #[test]
    fn a_dash_in_a_storage_name_is_an_underscore_in_a_variable() {
        let (tree, _) = overlaid(
            "[storage.my-media]\n",
            &[("CAUDAL_STORAGE__MY_MEDIA__BUCKET", "b")],
        );
        let Raw::Table(storages) = &tree["storage"].raw else {
            panic!("{tree:?}")
        };
        assert_eq!(storages.keys().collect::<Vec<_>>(), ["my-media"]);
    }

    #[test]
    fn lists_are_overridden_as_a_whole() {
        let (_, problems) = overlaid("[[route]]\n", &[("CAUDAL_ROUTE__0__PATH", "/")]);
        assert_eq!(
            problems[0].message,
            "route is no table: override it as a whole with CAUDAL_ROUTE"
        );
    }
}
