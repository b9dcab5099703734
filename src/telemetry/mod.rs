//! What the server tells of itself: metrics ([`Instruments`]), one log line a request ([`AccessLog`]), and
//! diagnostics (the `tracing` crate, set up by the commands).

mod access_instruments;
mod access_log;
mod descriptions;
mod handles;
mod instruments;
mod playback_instruments;
mod request_instruments;
mod seldom;
mod tally;
mod tls_instruments;

pub use access_instruments::{AccessInstruments, LoadInstruments, Loaded};
pub use access_log::{AccessLog, Format, Line};
pub use instruments::{CacheInstruments, Instruments, StorageInstruments, TransportInstruments};
pub use playback_instruments::PlaybackInstruments;
pub use request_instruments::{
    Counts, RequestInstruments, RequestLabels, StatusClass, Totals, Word,
};
pub use seldom::Seldom;
pub use tally::{Level, Tally};
pub use tls_instruments::HandshakeInstruments;
