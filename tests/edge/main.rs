//! The server as its clients meet it: over sockets, in this process, with storages that misbehave on demand.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod server;

mod cache;
mod http;
mod lifecycle;
