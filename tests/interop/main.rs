//! Tokens of other people's libraries are believed here, and ours there; other people's clients are served over TLS,
//! HTTP/2 and HTTP/3, and find nothing to complain of. The scripts beside this file use those libraries; `tests/tools.sh`
//! installs them.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::path::{Path, PathBuf};

mod aioquic;
mod akamai;
mod cat;
mod cloudfront;
mod curl;
mod jwt;
mod nginx;
mod openssl;
#[path = "../process/mod.rs"]
mod process;
mod sslyze;

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
