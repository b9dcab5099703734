//! Where viewers may be. Start at [`Geo::permit`]; [`place`] tells where one is, from the CDN's headers and the
//! databases of a [`Locator`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::access::{Country, Place, Refusal, Region};

use super::networks::{Networks, limited};
use super::viewer::Viewer;

mod locator;
pub mod regions;
mod rule;

#[cfg(test)]
mod tests;

pub use locator::{Description, Locator};

use regions::Countries;

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who is let in; empty lets in everyone who is not denied. A rule is a country (`DE`), a region (`US-CA`), a group
    /// (`EU27`, `EEA`, or one of `groups`), a network or address (`10.0.0.0/8`), an autonomous system (`AS64496`).
    pub allow: Vec<String>,
    /// Who is kept out; rules as in `allow`.
    pub deny: Vec<String>,
    /// Groups of rules by name; a group holds no group but `EU27` and `EEA`.
    pub groups: BTreeMap<String, Vec<String>>,
    /// What happens to a viewer of whom something is not known that the rules ask for.
    pub unknown: Answer,
    /// What happens to a viewer who comes through a VPN, a proxy, Tor or a hosting provider.
    pub anonymous: Answer,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// Let in.
    Allow,
    /// Keep out.
    #[default]
    Deny,
}

/// What there is to know of a place; of each whether it is asked for, or whether it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The country.
    pub country: bool,
    /// The part of it.
    pub region: bool,
    /// The autonomous system.
    pub asn: bool,
    /// Whether the address hides another.
    pub anonymous: bool,
}

/// The policy. It decides in this order:
///
/// 1. An address that a denied network covers is refused.
/// 2. An address that an allowed network covers is let in, whatever else is known of it.
/// 3. An anonymous one is refused, where `anonymous` says so. What no database tells is not held against anyone.
/// 4. A denied country, region or autonomous system is refused.
/// 5. An empty `allow` lets in the rest; another lets in its countries, regions and autonomous systems.
///
/// `unknown` answers where 4 or 5 asks for a country or region that is not known, or 4 for an autonomous system; in 5 an
/// unknown autonomous system is in no rule.
#[derive(Debug, Clone)]
pub struct Geo {
    allow: Rules,
    deny: Rules,
    unknown: Answer,
    anonymous: Answer,
}

/// Rules of one kind of answer, sorted for look-up.
#[derive(Debug, Clone, Default)]
struct Rules {
    networks: Networks,
    countries: Countries,
    /// Sorted.
    regions: Vec<(Country, Region)>,
    /// The countries that `regions` are of.
    divided: Countries,
    /// Sorted.
    asns: Vec<u32>,
}

/// Whether rules cover a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Covered {
    Yes,
    No,
    /// It depends on what is not known of the place.
    Perhaps,
}

impl Default for Settings {
    /// Everyone, wherever they are.
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            groups: BTreeMap::new(),
            unknown: Answer::Deny,
            anonymous: Answer::Allow,
        }
    }
}

impl Geo {
    /// Reads the rules.
    ///
    /// # Errors
    /// Every rule that cannot be read, with its place and its fix.
    pub fn new(settings: &Settings) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let groups = rule::groups(&settings.groups, &mut problems);
        let mut read = |key, texts| Rules::of(rule::all(key, texts, &groups, &mut problems));
        let (allow, deny) = (read("allow", &settings.allow), read("deny", &settings.deny));
        if !problems.is_empty() {
            return Err(limited(problems));
        }
        Ok(Self {
            allow,
            deny,
            unknown: settings.unknown,
            anonymous: settings.anonymous,
        })
    }

    /// What must be told of viewers for these rules to work. Where nobody tells it, the rules are not what their author
    /// believes them to be.
    pub fn needs(&self) -> Facts {
        let both = [&self.allow, &self.deny];
        let region = both.iter().any(|rules| !rules.regions.is_empty());
        Facts {
            country: region || both.iter().any(|rules| !rules.countries.is_empty()),
            region,
            asn: both.iter().any(|rules| !rules.asns.is_empty()),
            anonymous: self.anonymous == Answer::Deny,
        }
    }

    /// Whether a viewer at this address and place is let in.
    ///
    /// # Errors
    /// [`Refusal::GeoDenied`], [`Refusal::GeoUnknown`] or [`Refusal::GeoAnonymous`].
    pub fn permit(&self, ip: IpAddr, place: &Place) -> Result<(), Refusal> {
        if self.deny.networks.contains(ip) {
            return Err(Refusal::GeoDenied);
        }
        if self.allow.networks.contains(ip) {
            return Ok(());
        }
        if self.anonymous == Answer::Deny && place.anonymous == Some(true) {
            return Err(Refusal::GeoAnonymous);
        }
        match self.deny.cover(place).or(self.deny.cover_asn(place)) {
            Covered::Yes => return Err(Refusal::GeoDenied),
            Covered::Perhaps if self.unknown == Answer::Deny => return Err(Refusal::GeoUnknown),
            Covered::Perhaps | Covered::No => {}
        }
        if self.allow.is_empty() || self.allow.cover_asn(place) == Covered::Yes {
            return Ok(());
        }
        match (self.allow.cover(place), self.unknown) {
            (Covered::Yes, _) | (Covered::Perhaps, Answer::Allow) => Ok(()),
            (Covered::Perhaps, Answer::Deny) => Err(Refusal::GeoUnknown),
            (Covered::No, _) => Err(Refusal::GeoDenied),
        }
    }
}

impl Facts {
    /// What is asked for here and not told there.
    pub fn without(self, told: Self) -> Self {
        Self {
            country: self.country && !told.country,
            region: self.region && !told.region,
            asn: self.asn && !told.asn,
            anonymous: self.anonymous && !told.anonymous,
        }
    }
}

impl Rules {
    fn of(rules: Vec<rule::Rule>) -> Self {
        let mut sorted = Self::default();
        let mut networks = Vec::new();
        for rule in rules {
            match rule {
                rule::Rule::Countries(countries) => sorted.countries.extend(&countries),
                rule::Rule::Region(country, region) => {
                    sorted.regions.push((country, region));
                    sorted.divided.insert(country);
                }
                rule::Rule::Network(network) => networks.push(network),
                rule::Rule::Asn(asn) => sorted.asns.push(asn),
            }
        }
        sorted.networks = networks.into_iter().collect();
        sorted.regions.sort_unstable();
        sorted.asns.sort_unstable();
        sorted
    }

    fn is_empty(&self) -> bool {
        self.networks.is_empty()
            && self.countries.is_empty()
            && self.regions.is_empty()
            && self.asns.is_empty()
    }

    /// By country and region.
    fn cover(&self, place: &Place) -> Covered {
        let Some(country) = place.country else {
            let asks = !self.countries.is_empty() || !self.regions.is_empty();
            return if asks { Covered::Perhaps } else { Covered::No };
        };
        if self.countries.contains(country) {
            return Covered::Yes;
        }
        if !self.divided.contains(country) {
            return Covered::No;
        }
        match place.region {
            Some(region) => Covered::when(self.regions.binary_search(&(country, region)).is_ok()),
            None => Covered::Perhaps,
        }
    }

    fn cover_asn(&self, place: &Place) -> Covered {
        match place.asn {
            Some(asn) => Covered::when(self.asns.binary_search(&asn).is_ok()),
            None if self.asns.is_empty() => Covered::No,
            None => Covered::Perhaps,
        }
    }
}

impl Covered {
    fn when(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Perhaps, _) | (_, Self::Perhaps) => Self::Perhaps,
            (Self::No, Self::No) => Self::No,
        }
    }
}

/// Where a viewer is: by the word of the CDN, and where it says nothing by the databases. A region counts only beside the
/// country that it is a part of; an address is anonymous where anyone says so.
pub fn place(viewer: &Viewer, locator: Option<&Locator>) -> Place {
    let told = Place {
        country: viewer.country,
        region: viewer.region,
        asn: viewer.asn,
        anonymous: None,
    };
    match locator {
        Some(locator) => completed(told, locator.locate(viewer.ip)),
        None => told,
    }
}

/// What one tells, and where it does not know, what another tells.
fn completed(one: Place, other: Place) -> Place {
    let (country, region) = match (one.country, one.region) {
        (None, _) => (other.country, other.region),
        // The part of another country says nothing of this one.
        (country, None) if country == other.country => (country, other.region),
        known => known,
    };
    Place {
        country,
        region,
        asn: one.asn.or(other.asn),
        anonymous: match (one.anonymous, other.anonymous) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (one, other) => one.or(other),
        },
    }
}
