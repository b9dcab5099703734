//! The README says what is so.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_configuration_it_shows_is_the_one_that_ships() {
    let shown = format!("```toml\n{}```", read("config/caudal.toml"));
    assert!(
        read("README.md").contains(&shown),
        "README.md shows another config/caudal.toml"
    );
}

#[test]
fn every_file_and_make_target_it_names_is_there() {
    let makefile = read("Makefile");
    for document in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        let text = read(document);
        for target in text
            .match_indices("make ")
            .filter_map(|(at, _)| text[at + 5..].split_whitespace().next())
        {
            let target = target.trim_matches(|c: char| !c.is_ascii_lowercase());
            let known = makefile.contains(&format!("\n{target}:"));
            assert!(
                known || !text.contains(&format!("`make {target}`")),
                "{document}: make {target}"
            );
        }
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let is_here =
                link.contains("://") || Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists();
            assert!(is_here, "{document} links to {link}, which is not there");
        }
    }
}

#[test]
fn the_demo_prints_what_the_tour_shows() {
    let readme = read("README.md");
    let command = read("src/command/demo.rs");
    for word in ["watch", "hls", "dash", "metrics", "status"] {
        let line = format!("\n  {word:<9}http://");
        assert!(readme.contains(&line), "the tour lacks {word}");
        assert!(command.contains(word));
    }
}
