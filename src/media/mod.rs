//! Media formats and names. Pure: no I/O, no clock, and no import from the rest of the crate.

use std::time::Duration;

pub mod asset;
pub mod kind;
pub mod range;
pub mod hls;
pub mod dash;
pub mod cmcd;

pub use asset::{AssetPath, PathError};
pub use cmcd::Cmcd;
pub use kind::{Class, Kind};
pub use range::{Hint, RangeSet, Resolution};

/// Whether a manifest can still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its author says that it is complete.
    Static,
    /// It changes, or nothing in it promises that it does not.
    ///
    /// What does not parse lands here as well: taking a finished manifest for a live one costs storage reads,
    /// taking a live one for finished stops playback.
    Live {
        /// How often players come back for it: the target duration (HLS) or `minimumUpdatePeriod` (DASH).
        /// Above zero and at most [`MAX_REFRESH`]; `None` where the manifest does not tell.
        refresh: Option<Duration>,
    },
}

/// The longest [`Liveness::Live`] `refresh` that is believed; longer ones are cut to it.
pub const MAX_REFRESH: Duration = Duration::from_secs(3600);

impl Liveness {
    /// Reads the liveness of a manifest of the given kind. What is no manifest is static.
    pub fn of(kind: Kind, bytes: &[u8]) -> Self {
        match kind {
            Kind::HlsPlaylist => hls::liveness(bytes),
            Kind::DashManifest => dash::liveness(bytes),
            _ => Self::Static,
        }
    }

    /// Live, with a refresh period that untrusted text gave in seconds: NaN, infinity, zero and below are no period.
    fn live(seconds: Option<f64>) -> Self {
        let refresh = seconds
            .filter(|s| s.is_finite() && *s > 0.0)
            .map(|s| Duration::from_secs_f64(s.min(MAX_REFRESH.as_secs_f64())))
            .filter(|refresh| !refresh.is_zero());
        Self::Live { refresh }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_positive_and_bounded_whatever_the_text_said() {
        for none in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-300] {
            assert_eq!(Liveness::live(Some(none)), Liveness::Live { refresh: None });
        }
        assert_eq!(
            Liveness::live(Some(1e300)),
            Liveness::Live {
                refresh: Some(MAX_REFRESH)
            }
        );
    }
}
