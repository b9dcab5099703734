//! The house stands as ARCHITECTURE.md draws it: a module imports only from the tiers below its own.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::Visit;
use walkdir::WalkDir;

/// From the top down; modules of one tier are siblings and do not import each other, but for `storage`
/// and `telemetry` users, which the lists below spell out.
const TIERS: [&[&str]; 9] = [
    &["command"],
    &["app"],
    &["transport", "handler", "admin"],
    &["access", "delivery"],
    &["exchange"],
    &["cache"],
    &["storage", "remote"],
    &["config", "telemetry"],
    &["media"],
];

/// Modules that know nothing of the rest, whatever tier they stand on.
const ALONE: [&str; 4] = ["media", "config", "telemetry", "exchange"];

/// `exchange` is what transports and handlers share; what is below `delivery` knows no HTTP exchange.
const NEVER: [(&str, &str); 9] = [
    ("delivery", "exchange"),
    ("access", "exchange"),
    ("access", "cache"),
    ("access", "storage"),
    ("access", "telemetry"),
    ("cache", "exchange"),
    ("storage", "telemetry"),
    ("storage", "config"),
    ("cache", "config"),
];

/// Crates that stop at a place: AWS types at `storage/s3`, hyper's at `transport` and, where caudal is a client itself,
/// at `storage/s3/wire` and `remote`; moka's in the cache and in the compressed variants.
const CRATES: [(&str, &[&str]); 27] = [
    ("hyper", &["transport/", "storage/s3/wire/", "remote/"]),
    ("hyper_util", &["transport/", "storage/s3/wire/", "remote/"]),
    ("tokio_rustls", &["transport/", "storage/s3/wire/"]),
    ("rustls", &["transport/tls", "remote/"]),
    ("quinn", &["transport/quic", "transport/tls"]),
    ("h3", &["transport/quic"]),
    ("h3_quinn", &["transport/quic"]),
    ("x509_parser", &["transport/tls/"]),
    ("rcgen", &["command/demo", "transport/tls/questions.rs"]),
    ("instant_acme", &["remote/acme.rs"]),
    ("socket2", &["transport/"]),
    ("listenfd", &["transport/inherit"]),
    ("command_fds", &["app/upgrade"]),
    ("sd_notify", &["command/serve/"]),
    ("aws_sdk_s3", &["storage/s3"]),
    ("aws_config", &["storage/s3", "remote/"]),
    ("aws_types", &["storage/s3"]),
    ("aws_credential_types", &["storage/s3", "remote/"]),
    ("aws_sigv4", &["storage/s3/wire/", "remote/"]),
    ("hyper_rustls", &["remote/"]),
    (
        "aws_lc_rs",
        &[
            "access/",
            "config/secret",
            "storage/s3/wire/",
            "transport/quic/socket.rs",
        ],
    ),
    ("maxminddb", &["access/geo/"]),
    ("governor", &["access/limits/"]),
    ("coset", &["access/token/cat"]),
    ("moka", &["cache/", "delivery/gzip.rs"]),
    ("metrics", &["telemetry/"]),
    ("anyhow", &["command/", "main.rs"]),
];

#[derive(Default)]
struct Imports {
    modules: BTreeSet<String>,
    crates: BTreeSet<String>,
}

impl Imports {
    fn path(&mut self, mut segments: impl Iterator<Item = String>) {
        let Some(first) = segments.next() else { return };
        if first == "crate" {
            self.modules.extend(segments.next());
        } else {
            self.crates.insert(first);
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, mut prefix: Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix);
            }
            syn::UseTree::Name(name) => {
                prefix.push(name.ident.to_string());
                self.path(prefix.into_iter());
            }
            syn::UseTree::Rename(name) => {
                prefix.push(name.ident.to_string());
                self.path(prefix.into_iter());
            }
            syn::UseTree::Glob(_) => self.path(prefix.into_iter()),
            syn::UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|tree| self.tree(tree, prefix.clone()));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.path(
                path.segments
                    .iter()
                    .map(|segment| segment.ident.to_string()),
            );
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // Tests may look anywhere.
        let is_test = module.attrs.iter().any(|attr| {
            attr.path().is_ident("cfg")
                && quote::ToTokens::to_token_stream(attr)
                    .to_string()
                    .contains("test")
        });
        if !is_test {
            syn::visit::visit_item_mod(self, module);
        }
    }
}

/// Every source file with its imports; test files aside.
fn sources() -> Vec<(String, Imports)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = WalkDir::new(&root)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.unwrap());
    let rust = files.filter(|entry| entry.path().extension().is_some_and(|e| e == "rs"));
    rust.map(|entry| {
        let name = entry
            .path()
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let mut imports = Imports::default();
        imports.visit_file(&syn::parse_file(&text).unwrap());
        (name, imports)
    })
    .filter(|(name, _)| {
        !name.ends_with("tests.rs") && !name.contains("/tests/") && !name.contains("conformance")
    })
    .collect()
}

fn module_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn tier_of(module: &str) -> Option<usize> {
    TIERS.iter().position(|tier| tier.contains(&module))
}

#[test]
fn imports_point_down_the_tiers() {
    let mut wrong = Vec::new();
    for (file, imports) in sources() {
        let module = module_of(&file);
        if matches!(module, "lib" | "main") {
            continue;
        }
        let tier = tier_of(module).unwrap_or_else(|| panic!("{file}: {module} stands on no tier"));
        for imported in imports
            .modules
            .iter()
            .filter(|imported| *imported != module)
        {
            let below = tier_of(imported).is_some_and(|other| other > tier);
            let alone = ALONE.contains(&module);
            if !below || alone || NEVER.contains(&(module, imported)) {
                wrong.push(format!("{file} imports crate::{imported}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that point up or sideways:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn crates_stop_where_they_belong() {
    let mut wrong = Vec::new();
    for (file, imports) in sources() {
        for (name, places) in CRATES {
            if imports.crates.contains(name) && !places.iter().any(|place| file.starts_with(place))
            {
                wrong.push(format!("{file} names the crate {name}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "crates out of their place:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_suite_sees_what_it_judges() {
    let sources = sources();
    assert!(
        sources.len() > 30,
        "only {} files were found",
        sources.len()
    );
    let (_, handler) = sources
        .iter()
        .find(|(name, _)| name == "handler/mod.rs")
        .unwrap();
    assert!(
        handler.modules.contains("delivery"),
        "an import that is there was not seen"
    );
    let (_, connection) = sources
        .iter()
        .find(|(name, _)| name == "transport/connection.rs")
        .unwrap();
    assert!(
        connection.crates.contains("hyper"),
        "a crate that is there was not seen"
    );
}
