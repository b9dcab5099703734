//! Servers that integration tests talk to, in the test's own process.

#![allow(
    dead_code,
    reason = "each integration binary uses a part of the harness"
)]

pub(crate) mod s3;
pub(crate) mod stub;
pub(crate) mod tls;
mod wire;
