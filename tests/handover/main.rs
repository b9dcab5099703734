//! A drain, a reload and an upgrade of the real binary under five hundred viewers: not one request fails. And sockets that
//! somebody else has bound.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

#[path = "../process/mod.rs"]
mod process;

#[path = "../edge/server/tls.rs"]
#[allow(
    dead_code,
    reason = "what it has for clients over TCP is not needed here"
)]
mod tls;

mod crowd;
mod given;
mod house;
mod over_quic;
mod under_load;
