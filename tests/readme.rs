//! The README says what is so.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_configurations_it_shows_are_those_that_ship() {
    for file in ["config/caudal.toml", "config/protected.toml"] {
        let shown = format!("```toml\n{}```", read(file));
        assert!(
            read("README.md").contains(&shown),
            "README.md shows another {file}"
        );
    }
}

#[test]
fn every_configuration_it_shows_can_be_worked_with() {
    let readme = read("README.md");
    let blocks = readme.split("```toml\n").skip(1);
    let blocks: Vec<_> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3, "{}", blocks.len());
    for block in blocks {
        let read = caudal::config::Config::from_toml(block, std::iter::empty());
        assert!(read.is_ok(), "{block}\n{}", read.unwrap_err());
    }
}

#[test]
fn every_file_and_make_target_it_names_is_there() {
    let makefile = read("Makefile");
    for document in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        let text = read(document);
        for target in targets(&text) {
            let is_there = makefile.contains(&format!("\n{target}:"));
            assert!(is_there, "{document}: there is no make {target}");
        }
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let is_here = link.contains("://") || is_here(link);
            assert!(is_here, "{document} links to {link}, which is not there");
        }
    }
}

/// Whether there is such a file and, after a `#`, such a heading in it.
fn is_here(link: &str) -> bool {
    let (file, place) = link.split_once('#').unwrap_or((link, ""));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if place.is_empty() {
        return path.exists();
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    let mut anchors = headings.map(|heading| heading.to_lowercase().replace(' ', "-"));
    anchors.any(|anchor| anchor == place)
}

#[test]
fn links_into_a_file_lead_to_its_headings() {
    assert!(is_here("README.md#figures") && is_here("README.md"));
    assert!(!is_here("README.md#no-such-place") && !is_here("NOTHING.md#figures"));
}

/// The targets of every `make X`, at a line's begin, after a prompt or in backticks.
fn targets(text: &str) -> Vec<&str> {
    let commands = text
        .lines()
        .map(|line| line.trim_start_matches("$ "))
        .filter_map(|line| line.strip_prefix("make "));
    let quoted = text.split("`make ").skip(1);
    let targets = commands
        .chain(quoted)
        .filter_map(|rest| rest.split([' ', '`', '\n']).next());
    targets.collect()
}

#[test]
fn the_targets_are_found_to_be_judged() {
    assert_eq!(targets("make a b\nx `make c` y\n$ make d"), ["a", "d", "c"]);
    assert!(targets(&read("README.md")).contains(&"demo"));
}
