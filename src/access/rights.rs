//! What may be shown of each title: where, when, on which devices, in which quality. Start at [`Rights::permit`].
//!
//! The title, and where the path tells it the quality, come from the path by [`Paths`]; the terms come from a [`Source`],
//! of which [`File`] is one.

use std::fmt;

use crate::access::{Asking, Refusal};

use super::geo::Answer;
use super::geo::regions::Countries;
use super::viewer::Device;

mod file;
mod moment;
mod paths;

#[cfg(test)]
mod tests;

pub use file::File;
pub use paths::{Paths, Pattern};

/// The rights of all titles.
#[derive(Debug)]
pub struct Rights {
    /// Where a path has its title.
    pub paths: Paths,
    /// What happens to a path that has no title, and to a title that the source does not know.
    pub unknown: Answer,
    /// Who knows the titles.
    pub source: Box<dyn Source>,
}

/// Who knows the rights of titles. Asked at every request, so it answers from memory: one that keeps its titles elsewhere
/// holds a copy of them, and is replaced as a whole when they change.
pub trait Source: fmt::Debug + Send + Sync {
    /// The terms of a title; `None` where it is unknown.
    fn title(&self, id: &str) -> Option<&Title>;
}

/// The terms of one title; what is absent is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Title {
    /// Where it may be shown.
    pub countries: Option<Countries>,
    /// It is shown from this Unix second on.
    pub from: Option<i64>,
    /// It is shown no longer from this Unix second on.
    pub until: Option<i64>,
    /// The devices it may be shown on; one that nobody can tell is none of them.
    pub devices: Option<Vec<Device>>,
    /// The highest picture, in lines.
    pub max_height: Option<u32>,
    /// The highest rate, in bit/s.
    pub max_bandwidth: Option<u64>,
    /// Paths whose picture has so many lines. They count before what [`Paths`] tells; of several the highest.
    pub heights: Vec<(Pattern, u32)>,
    /// Paths whose rate is so many bit/s; as `heights`.
    pub bandwidths: Vec<(Pattern, u64)>,
}

impl Rights {
    /// Whether a request is within the rights of its title, and the Unix second from which on it no longer is: no answer
    /// may be kept past it.
    ///
    /// A quality that the path does not tell is not held to a ceiling: manifests, sound and subtitles have to pass. So a
    /// ceiling is as good as the paths are labelled.
    ///
    /// # Errors
    /// The first term that is not kept: [`Refusal::RightsUnknown`], [`Refusal::GeoUnknown`] where the title is for some
    /// countries and the viewer's is not known, [`Refusal::RightsCountry`], [`Refusal::RightsNotYet`],
    /// [`Refusal::RightsEnded`], [`Refusal::RightsDevice`], [`Refusal::RightsQuality`].
    pub fn permit(
        &self,
        asking: &Asking<'_>,
        device: Option<Device>,
    ) -> Result<Option<i64>, Refusal> {
        let found = self.paths.find(asking.path);
        let title = found.and_then(|found| Some((found, self.source.title(found.title)?)));
        let Some((found, title)) = title else {
            return match self.unknown {
                Answer::Allow => Ok(None),
                Answer::Deny => Err(Refusal::RightsUnknown),
            };
        };
        title.place(asking)?;
        title.time(asking.now)?;
        title.device(device)?;
        let height = highest(&title.heights, asking.path).or(found.height);
        let bandwidth = highest(&title.bandwidths, asking.path).or(found.bandwidth);
        if exceeds(height, title.max_height) || exceeds(bandwidth, title.max_bandwidth) {
            return Err(Refusal::RightsQuality);
        }
        Ok(title.until)
    }
}

impl Title {
    fn place(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        match (&self.countries, asking.place.country) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Refusal::GeoUnknown),
            (Some(countries), Some(country)) if countries.contains(country) => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::RightsCountry),
        }
    }

    fn time(&self, now: i64) -> Result<(), Refusal> {
        if self.from.is_some_and(|from| now < from) {
            return Err(Refusal::RightsNotYet);
        }
        if self.until.is_some_and(|until| now >= until) {
            return Err(Refusal::RightsEnded);
        }
        Ok(())
    }

    fn device(&self, device: Option<Device>) -> Result<(), Refusal> {
        let Some(devices) = &self.devices else {
            return Ok(());
        };
        match device {
            Some(device) if devices.contains(&device) => Ok(()),
            _ => Err(Refusal::RightsDevice),
        }
    }
}

fn highest<N: Ord + Copy>(labels: &[(Pattern, N)], path: &str) -> Option<N> {
    let matching = labels.iter().filter(|(pattern, _)| pattern.matches(path));
    matching.map(|(_, value)| *value).max()
}

fn exceeds<N: Ord>(value: Option<N>, ceiling: Option<N>) -> bool {
    value.zip(ceiling).is_some_and(|(value, max)| value > max)
}
