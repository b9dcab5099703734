//! Certificates that caudal orders itself, from a real issuer: pebble, the test server of those who run Let's Encrypt. It
//! asks at our port, by names that its own resolver knows, and refuses what is not to the letter.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

#[path = "../process/mod.rs"]
mod process;

mod client;
mod issuer;
mod server;
mod ordering;
