//! Media formats and names. Pure: no I/O, no clock, and no import from the rest of the crate.

pub mod asset;

pub use asset::{AssetPath, PathError};
