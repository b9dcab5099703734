//! What a token is valid for: every claim that restricts a request, ready to be held against one.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Asking, Country, Refusal, Region, Terms};
use http::HeaderName;
use ipnet::IpNet;

use super::matching::Matches;
use super::target::Component;

/// The restricting claims; one that a token does not have restricts nothing.
#[derive(Debug, Default)]
pub(super) struct Grant {
    /// `catu`
    pub(super) uri: Vec<(Component, Matches)>,
    /// `catm`
    pub(super) methods: Option<Vec<Box<str>>>,
    /// `catalpn`
    pub(super) alpn: Option<Vec<Box<[u8]>>>,
    /// `cath`
    pub(super) headers: Vec<(HeaderName, Matches)>,
    /// `catnip`
    pub(super) networks: Option<Vec<Network>>,
    /// `catgeoiso3166`
    pub(super) places: Option<Vec<(Country, Option<Region>)>>,
    /// The query's parameter that is the token itself.
    pub(super) parameter: Arc<str>,
}

/// One item of `catnip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Addresses(IpNet),
    System(u32),
}

impl Terms for Grant {
    fn permit(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        self.permit_method(asking)?;
        for (component, matches) in &self.uri {
            if !component.is(matches, asking, &self.parameter) {
                return Err(Refusal::TokenScope);
            }
        }
        self.permit_viewer(asking)?;
        self.permit_alpn(asking)?;
        self.permit_headers(asking)
    }
}

impl Grant {
    fn permit_method(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        match &self.methods {
            Some(methods) if !methods.iter().any(|method| **method == *asking.method) => {
                Err(Refusal::TokenMethod)
            }
            _ => Ok(()),
        }
    }

    fn permit_viewer(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        if let Some(networks) = &self.networks {
            let asn = asking.place.asn;
            if !networks
                .iter()
                .any(|network| network.has(asking.viewer, asn))
            {
                return Err(Refusal::TokenAddress);
            }
        }
        if let Some(places) = &self.places {
            let place = asking.place;
            let is_here = |(country, region): &(Country, Option<Region>)| {
                place.country == Some(*country) && (region.is_none() || *region == place.region)
            };
            if !places.iter().any(is_here) {
                return Err(Refusal::TokenCountry);
            }
        }
        Ok(())
    }

    fn permit_alpn(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        let Some(allowed) = &self.alpn else {
            return Ok(());
        };
        // The viewer's connection may end at the CDN, and then nobody here can tell.
        let alpn = asking.alpn.ok_or(Refusal::TokenClaim)?.as_bytes();
        match allowed.iter().any(|allowed| **allowed == *alpn) {
            true => Ok(()),
            false => Err(Refusal::TokenScope),
        }
    }

    fn permit_headers(&self, asking: &Asking<'_>) -> Result<(), Refusal> {
        for (name, matches) in &self.headers {
            let mut values = asking.headers.get_all(name).iter();
            // A header sent twice is one value or two, depending on who reads it.
            let (Some(value), None) = (values.next(), values.next()) else {
                return Err(Refusal::TokenScope);
            };
            if !value.to_str().is_ok_and(|value| matches.hold(value.trim())) {
                return Err(Refusal::TokenScope);
            }
        }
        Ok(())
    }
}

impl Network {
    fn has(&self, viewer: IpAddr, asn: Option<u32>) -> bool {
        match self {
            Self::Addresses(net) => net.contains(&viewer),
            Self::System(system) => asn == Some(*system),
        }
    }
}
