//! A drain, a reload and an upgrade of the real binary under five hundred viewers: not one request fails. And sockets that
//! somebody else has bound.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

#[path = "../process/mod.rs"]
mod process;

mod crowd;
mod house;
mod given;
mod under_load;
