//! caudal: an origin for video on demand. It stands between object storage and a CDN and serves HLS and DASH.
//!
//! Modules are listed in reading order, top tier first. A module imports only from the tiers below its own;
//! `tests/architecture.rs` fails the build otherwise.

pub mod transport;
pub mod handler;
pub mod exchange;
pub mod delivery;
pub mod cache;
pub mod storage;
pub mod telemetry;
pub mod config;
pub mod media;
