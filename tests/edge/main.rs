//! The server as its clients meet it: over sockets, in this process, with storages that misbehave on demand.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod access;
mod arena;
mod cache;
mod cmcd;
mod h1_abuse;
mod h2_abuse;
mod h3_abuse;
#[path = "../harness/mod.rs"]
mod harness;
mod http;
mod lifecycle;
mod limits;
mod priorities;
mod quic;
mod quic_abuse;
mod reload;
mod rest;
mod s3;
mod server;
mod tls;
mod tls_abuse;
