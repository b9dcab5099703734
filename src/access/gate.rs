//! Everything that decides about access, as it was loaded last; and what a request looks like to it.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use super::geo::{self, Locator};
use super::{Identify, Place, Policy, Viewer};

/// All policies, and how viewers are told apart. Made anew, as a whole, whenever a file or a secret of it changes.
#[derive(Debug, Default)]
pub struct Gate {
    /// Whose word about the viewer is taken.
    pub identify: Identify,
    /// Where addresses are.
    pub locator: Option<Arc<Locator>>,
    /// The policies, in the order that routes number them by.
    pub policies: Vec<Policy>,
}

/// Who asks, and from where.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The viewer.
    pub viewer: Viewer,
    /// Where it is: by the CDN's word where there is one, else by its address.
    pub place: Place,
}

impl Gate {
    /// Sees through whoever stands before the viewer, if they are trusted.
    pub fn see(&self, peer: IpAddr, headers: &HeaderMap) -> Seen {
        let viewer = self.identify.viewer(peer, headers);
        let place = geo::place(&viewer, self.locator.as_deref());
        Seen { viewer, place }
    }
}
