//! Whose limits a request counts against, and which of its streams it belongs to.

use std::net::IpAddr;

use crate::access::viewer::network;
use crate::access::{Asking, Token};
use crate::media::cmcd::{Cmcd, Sid};
use http::header::USER_AGENT;

/// A request as the limits see it.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// The request.
    pub asking: &'a Asking<'a>,
    /// Its token, verified; `None` where the policy wants none.
    pub token: Option<&'a Token>,
    /// What it is for.
    pub asked: Asked,
}

/// What a request is for, as far as streams are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A playlist or manifest: refused where a stream more would be too many, so that the player hears it at once, and
    /// no stream yet: many are only looked at.
    Playlist,
    /// A segment: begins a stream and keeps it alive.
    Media,
    /// A key, a poster, a subtitle: no matter of streams.
    Other,
}

/// Who is limited: the first of these that the request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Viewer<'a> {
    /// Whom the token was given to.
    Subject(&'a str),
    /// The token, by its id.
    Token(&'a str),
    /// The session that the token belongs to.
    Session(&'a str),
    /// The address; of IPv6 its /64, which is what one connection is given.
    Address(IpAddr),
}

/// Which stream of a viewer: the first of these that the request has, without the one that names the viewer already,
/// which is the same for all its streams. What a token says is believed; the rest a player may choose freely, and with
/// it pass several streams off as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Session<'a> {
    /// As the token says.
    Named(&'a str),
    /// The token, by its id: one is minted for each playback.
    Token(&'a str),
    /// As the player says (CMCD).
    Player(Sid),
    /// One per device: the address, of IPv6 its /64, and the `User-Agent`.
    Device(IpAddr, &'a [u8]),
}

impl<'a> Who<'a> {
    /// Who is limited.
    pub fn viewer(&self) -> Viewer<'a> {
        let names = self.token.and_then(|token| {
            let subject = said(token.viewer.as_deref()).map(Viewer::Subject);
            let id = said(token.id.as_deref()).map(Viewer::Token);
            let session = said(token.session.as_deref()).map(Viewer::Session);
            subject.or(id).or(session)
        });
        names.unwrap_or_else(|| Viewer::Address(network(self.asking.viewer)))
    }

    /// Which of its streams.
    pub fn session(&self) -> Session<'a> {
        let viewer = self.viewer();
        if let Some(token) = self.token {
            match said(token.session.as_deref()) {
                Some(name) if viewer != Viewer::Session(name) => return Session::Named(name),
                _ => {}
            }
            match said(token.id.as_deref()) {
                Some(id) if viewer != Viewer::Token(id) => return Session::Token(id),
                _ => {}
            }
        }
        let headers = self.asking.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let said = Cmcd::said(self.asking.query, headers);
        if let Some(sid) = said.and_then(|said| said.sid) {
            return Session::Player(sid);
        }
        let agent = self.asking.headers.get(USER_AGENT);
        let agent = agent.map_or(&[][..], |agent| agent.as_bytes());
        Session::Device(network(self.asking.viewer), agent)
    }
}

/// An empty name names nobody, and would make one viewer of all who have it.
fn said(name: Option<&str>) -> Option<&str> {
    name.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::limits::tests::{Request, token};

    #[test]
    fn the_subject_is_the_viewer_before_the_id_the_session_and_the_address() {
        let request = Request::from("192.0.2.1");
        for (named, viewer) in [
            ([Some("u"), Some("t"), Some("s")], Viewer::Subject("u")),
            ([None, Some("t"), Some("s")], Viewer::Token("t")),
            ([None, None, Some("s")], Viewer::Session("s")),
            (
                [Some(""), Some(""), Some("")],
                Viewer::Address("192.0.2.1".parse().unwrap()),
            ),
        ] {
            let token = token(named);
            request.who(Some(&token), |who| assert_eq!(who.viewer(), viewer));
        }
    }

    #[test]
    fn what_names_the_viewer_does_not_tell_its_streams_apart() {
        let request = Request::from("192.0.2.1").query("CMCD=sid%3D%22p%22");
        for (named, expected) in [
            ([Some("u"), Some("t"), Some("s")], Some(Session::Named("s"))),
            ([Some("u"), Some("t"), None], Some(Session::Token("t"))),
            ([None, Some("t"), Some("s")], Some(Session::Named("s"))),
            ([None, Some("t"), None], None),
            ([None, None, Some("s")], None),
            ([Some("u"), None, None], None),
        ] {
            let token = token(named);
            request.who(Some(&token), |who| match (who.session(), expected) {
                (Session::Player(sid), None) => assert_eq!(sid.as_bytes(), b"p"),
                (session, expected) => assert_eq!(Some(session), expected),
            });
        }
    }

    #[test]
    fn without_any_name_a_stream_is_an_address_and_a_user_agent() {
        let request = Request::from("2001:db8:1:2:ffff:4:5:6").header("user-agent", "tv");
        let network = "2001:db8:1:2::".parse().unwrap();
        request.who(None, |who| {
            assert_eq!(who.session(), Session::Device(network, b"tv"));
            assert_eq!(who.viewer(), Viewer::Address(network));
        });
    }

    #[test]
    fn names_of_different_kinds_are_different_viewers() {
        let kinds = [
            Viewer::Subject("1"),
            Viewer::Token("1"),
            Viewer::Session("1"),
        ];
        let hasher = std::hash::RandomState::new();
        let hashes = kinds.map(|viewer| std::hash::BuildHasher::hash_one(&hasher, viewer));
        assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
    }
}
