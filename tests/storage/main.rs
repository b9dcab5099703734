//! Storage against servers: one written for these tests that can fail in every way, one written by others (moto),
//! and the services that hand out credentials.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

use bytes::Bytes;
use caudal::media::AssetPath;
use caudal::storage::{Error, Object, Pin, Read};
use futures_util::StreamExt;

mod answers;
mod bodies;
mod connections;
mod credentials;
mod decorated;
#[path = "../harness/mod.rs"]
mod harness;
mod moto;
#[path = "../process/moto.rs"]
mod moto_server;
mod probe;
mod signed;

const BUCKET: &str = "films";
const KEY: &str = "title/seg-1.m4s";

fn asset(path: &str) -> AssetPath {
    AssetPath::from_decoded(path).unwrap()
}

fn part(range: std::ops::Range<u64>) -> Read<'static> {
    Read {
        range: Some(range),
        pin: Pin::Any,
    }
}

/// Bytes that differ from one place to the next.
fn noise(len: usize) -> Bytes {
    (0..len)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// The body as far as it came, and how it ended.
async fn read(mut object: Object) -> (Vec<u8>, Result<(), Error>) {
    let mut bytes = Vec::new();
    while let Some(piece) = object.body.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(error) => return (bytes, Err(error)),
        }
    }
    (bytes, Ok(()))
}
