//! Media formats and names. Pure: no I/O, no clock, and no import from the rest of the crate.

pub mod asset;
pub mod range;

pub use asset::{AssetPath, PathError};
pub use range::{Hint, RangeSet, Resolution};
