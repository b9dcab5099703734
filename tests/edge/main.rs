//! The server as its clients meet it: over sockets, in this process, with storages that misbehave on demand.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod access;
mod arena;
mod cache;
mod cmcd;
mod h2_abuse;
#[path = "../harness/mod.rs"]
mod harness;
mod http;
mod lifecycle;
mod limits;
mod priorities;
mod quic;
mod reload;
mod rest;
mod s3;
mod server;
mod tls;
