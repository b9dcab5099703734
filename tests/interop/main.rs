//! Tokens of other people's libraries are believed here, and ours there. The scripts beside this file mint and judge with
//! those libraries; `tests/tools.sh` installs them.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::path::{Path, PathBuf};

mod akamai;
mod cat;
mod cloudfront;
mod jwt;
mod nginx;

/// The folder of a format's scripts.
fn folder(format: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    here.join(format)
}

/// The Python that has the libraries.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(".tools/interop/bin/python")
}
