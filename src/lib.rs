//! caudal: an origin for video on demand. It stands between object storage and a CDN and serves HLS and DASH.
//!
//! Modules are listed in reading order, top tier first. A module imports only from the tiers below its own;
//! `tests/architecture.rs` fails the build otherwise. To see what happens to a request, read
//! [`handler::Handler::handle`].

pub mod command;
pub mod app;

pub mod transport;
pub mod handler;
pub mod admin;

pub mod access;
pub mod delivery;
pub mod exchange;
pub mod cache;
pub mod storage;
pub mod remote;
pub mod config;
pub mod telemetry;
pub mod media;
