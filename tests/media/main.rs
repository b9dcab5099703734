//! Every usual packaging, made by ffmpeg and served by the real binary: the same bytes, the right words, the same
//! pictures. And files that change while they are read.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod changing;
mod packaging;
#[path = "../process/mod.rs"]
mod process;
mod served;
mod title;
