//! Runs the fuzz targets' bodies on stable: with every seed, and with inputs near enough to the formats to get past the
//! first check.

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;
#[path = "../fuzz/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bodies::run;
use proptest::prelude::*;
use proptest::sample::select;
use words::{HLS, MPD, PATHS, RANGES, REQUEST_TARGETS, REQUESTS, TEXT_TARGETS, TOML, Words};

/// Files in a target's folder of seeds, and bytes of them all: they are read by people and run at every `make test`.
const SEEDS_MAX: usize = 60;
const SEED_BYTES_MAX: usize = 100 * 1024;

fn fuzz(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(folder)
}

/// The names in a folder, without an extension.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    paths
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

#[test]
fn every_seed_keeps_the_promises_of_its_target() {
    for (target, body) in bodies::ALL {
        let folder = fuzz("corpus").join(target);
        let (mut count, mut bytes) = (0, 0);
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            let seed = fs::read(&path).unwrap();
            (count, bytes) = (count + 1, bytes + seed.len());
            // Shown where the body panics.
            println!("{}", path.display());
            body(&seed);
        }
        assert!(
            (1..=SEEDS_MAX).contains(&count),
            "{target} has {count} seeds"
        );
        assert!(
            bytes <= SEED_BYTES_MAX,
            "the seeds of {target} have {bytes} bytes"
        );
    }
}

#[test]
fn the_seeds_of_each_format_hold_tokens_that_are_believed() {
    for (target, carried) in [
        ("jwt", 4),
        ("cloudfront", 8),
        ("akamai", 7),
        ("secure_link", 4),
        ("cat", 4),
    ] {
        let before = bodies::believed();
        for entry in fs::read_dir(fuzz("corpus").join(target)).unwrap() {
            run(target, &fs::read(entry.unwrap().path()).unwrap());
        }
        let believed = bodies::believed() - before;
        assert!(believed >= carried, "{target}: {believed}");
        println!("{target}: {believed}");
    }
}

#[test]
fn every_target_has_its_file_its_seeds_and_its_place_in_the_lists() {
    let bodies: BTreeSet<String> = bodies::ALL
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(bodies.len(), bodies::ALL.len(), "two targets have one name");
    assert_eq!(names(&fuzz("fuzz_targets")), bodies, "fuzz/fuzz_targets");
    assert_eq!(names(&fuzz("corpus")), bodies, "fuzz/corpus");
    let manifest: toml::Table = fs::read_to_string(fuzz("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let binaries = manifest["bin"].as_array().unwrap().iter();
    let listed: BTreeSet<String> = binaries
        .map(|bin| bin["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, bodies, "fuzz/Cargo.toml");
    for name in &bodies {
        let target = fs::read_to_string(fuzz("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(
            target.contains(&format!("run(\"{name}\", data)")),
            "{name}.rs runs another body"
        );
    }
}

/// Strings of a format's own words between arbitrary ones.
fn soup(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => "\\PC{0,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

/// Soup for a target, of its own words and of those of requests.
fn soup_of((target, own): Words) -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let parts = (soup(own), soup(REQUESTS)).prop_map(|(own, others)| [own, others].concat());
    prop::collection::vec(prop_oneof![4 => soup(own), 1 => parts], 1..4)
        .prop_map(move |parts| (target, parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn asset_path(data in soup(PATHS)) {
        run("asset_path", &data);
        run("asset_path", &[b"/".as_slice(), &data].concat());
    }

    #[test]
    fn range(len in prop_oneof![0u64..1000, any::<u64>()], data in soup(RANGES)) {
        run("range", &[len.to_be_bytes().as_slice(), &data].concat());
        run("range", &[len.to_be_bytes().as_slice(), b"bytes=", &data].concat());
    }

    #[test]
    fn hls_liveness(data in soup(HLS)) {
        run("hls_liveness", &data);
        run("hls_liveness", &[b"#EXTM3U\n".as_slice(), &data].concat());
    }

    #[test]
    fn dash_liveness(data in soup(MPD)) {
        run("dash_liveness", &data);
    }

    #[test]
    fn config(data in soup(TOML)) {
        run("config", &data);
    }

    #[test]
    fn requests((target, data) in select(REQUEST_TARGETS).prop_flat_map(soup_of)) {
        run(target, &[b"/a".as_slice(), &data].concat());
        run(target, &[b"/vod/a\n\n".as_slice(), &data].concat());
    }

    #[test]
    fn texts((target, data) in select(TEXT_TARGETS).prop_flat_map(soup_of)) {
        run(target, &data);
    }
}
