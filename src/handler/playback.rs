//! What a player says of its playback (CMCD), counted for its route; and how long its session took to start.
//!
//! Behind a CDN caudal sees of a session what the CDN could not answer. A startup is therefore counted where it was seen
//! whole: the session's first request was for a manifest, and its first media went out from here.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use http::Method;
use lru::LruCache;

use crate::access::Shards;
use crate::exchange::Request;
use crate::media::cmcd::{Object, Sid};
use crate::media::{Cmcd, Kind};
use crate::telemetry::PlaybackInstruments;

/// Sessions that are remembered: six times the viewers that one machine is measured with, in some 6 MiB. Ids are free to
/// make up, so whoever makes up more has others forgotten, and a session forgotten is not counted; nothing grows.
const MOST: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("is not zero");

/// The longest startup that is believed. Nobody waits so long; a page that loads its manifest before anybody presses play
/// does.
const LONGEST_STARTUP: Duration = Duration::from_secs(60);

/// The sessions of players that say which theirs is, each counted once.
pub struct Sessions {
    shards: Shards<LruCache<u64, Session>>,
    hasher: RandomState,
}

#[derive(Clone, Copy)]
enum Session {
    /// Has asked for its manifest, and had no media yet.
    Began(Instant),
    /// Is counted, or never will be.
    Known,
}

/// What a request says, kept until its answer has ended.
pub(super) struct Told {
    cmcd: Cmcd,
    /// The session whose startup ends with this answer.
    starting: Option<u64>,
}

impl Sessions {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::at_most(MOST)
    }

    fn at_most(most: NonZeroUsize) -> Self {
        Self {
            shards: Shards::new(most, LruCache::sparse),
            hasher: RandomState::new(),
        }
    }

    /// Takes note of a request of a session; gives the session where the answer can end its startup.
    fn asks(&self, sid: &Sid, cmcd: &Cmcd, kind: Kind, now: Instant) -> Option<u64> {
        let id = self.hasher.hash_one(sid.as_bytes());
        let mut sessions = self.shards.lock(id);
        match sessions.get_mut(&id) {
            None => {
                let first = match kind.is_manifest() {
                    true => Session::Began(now),
                    false => Session::Known,
                };
                sessions.put(id, first);
                None
            }
            Some(Session::Known) => None,
            Some(Session::Began(_)) if !is_media(kind, cmcd.object) => None,
            // It was playing before we knew it: this process is new, or has forgotten it.
            Some(known) if is_ahead(cmcd) => {
                *known = Session::Known;
                None
            }
            Some(Session::Began(_)) => Some(id),
        }
    }

    /// The session has its first media; gives how long that took. `None` where others of its requests were faster.
    fn starts(&self, id: u64, now: Instant) -> Option<Duration> {
        let mut sessions = self.shards.lock(id);
        let session = sessions.get_mut(&id)?;
        match std::mem::replace(session, Session::Known) {
            Session::Began(at) => {
                Some(now.saturating_duration_since(at)).filter(|after| *after <= LONGEST_STARTUP)
            }
            Session::Known => None,
        }
    }
}

impl Told {
    /// What a request says. `None`, at the price of a look over its headers, for nothing.
    pub(super) fn of(request: &Request, kind: Kind, sessions: &Sessions) -> Option<Self> {
        if request.method != Method::GET {
            return None;
        }
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let cmcd = Cmcd::said(request.uri.query().unwrap_or_default(), headers)?;
        let sid = cmcd.sid.as_ref();
        let starting = sid.and_then(|sid| sessions.asks(sid, &cmcd, kind, request.received));
        Some(Self { cmcd, starting })
    }

    /// Counts it, now that its answer has ended; `arrived` is whether the player has all of it.
    pub(super) fn count(
        &self,
        playback: &PlaybackInstruments,
        sessions: &Sessions,
        arrived: bool,
        now: Instant,
    ) {
        let Cmcd {
            object,
            buffer,
            throughput,
            bitrate,
            ..
        } = self.cmcd;
        playback.request(self.cmcd.starved);
        if let Some(buffer) = buffer {
            playback.buffer(buffer);
        }
        if let Some(throughput) = throughput {
            playback.throughput(throughput);
        }
        // Sound has a bitrate as well, which would only blur the picture's.
        if let (Some(bitrate), None | Some(Object::Video | Object::Muxed)) = (bitrate, object) {
            playback.bitrate(bitrate);
        }
        let starting = self.starting.filter(|_| arrived);
        if let Some(after) = starting.and_then(|id| sessions.starts(id, now)) {
            playback.started(after);
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

/// Whether it is media, by its name and by its player: an initialization segment may be a range of the same file.
fn is_media(kind: Kind, object: Option<Object>) -> bool {
    kind == Kind::Segment && object != Some(Object::Other)
}

/// Whether the player has something to play already, and no haste.
fn is_ahead(cmcd: &Cmcd) -> bool {
    !cmcd.urgent && cmcd.buffer.is_some_and(|buffer| !buffer.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::record::tests::request;
    use crate::telemetry::Instruments;

    const SECOND: Duration = Duration::from_secs(1);

    /// A handler's part in it, with the metrics that come of it.
    struct Subject {
        sessions: Sessions,
        instruments: Instruments,
        begun: Instant,
    }

    impl Subject {
        fn new() -> Self {
            Self {
                sessions: Sessions::new(),
                instruments: Instruments::new(),
                begun: Instant::now(),
            }
        }

        /// Asks for a name with a list, `at` seconds after the start.
        fn ask(&self, name: &str, list: &str, at: u64) -> Option<Told> {
            let set = percent_encoding::NON_ALPHANUMERIC;
            let list = percent_encoding::utf8_percent_encode(list, set);
            let mut request = request("GET", &format!("/{name}?CMCD={list}"));
            request.received = self.begun + SECOND * at as u32;
            let path = crate::media::AssetPath::parse(&format!("/{name}")).unwrap();
            Told::of(&request, Kind::of(&path), &self.sessions)
        }

        /// The answer ends, `at` seconds after the start.
        fn end(&self, told: Option<Told>, arrived: bool, at: u64) {
            let playback = self.instruments.route("/");
            let now = self.begun + SECOND * at as u32;
            let told = told.expect("a player that says something");
            told.count(playback.playback(), &self.sessions, arrived, now);
        }

        /// Asks and is answered within the same second.
        fn fetch(&self, name: &str, list: &str, at: u64) {
            self.end(self.ask(name, list, at), true, at);
        }

        /// One number of what is exported; 0 where it is not.
        fn metric(&self, name: &str) -> f64 {
            let text = self.instruments.render();
            let start = format!("caudal_cmcd_{name}{{route=\"/\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.map_or(0.0, |number| number.parse().unwrap())
        }

        fn startups(&self) -> (f64, f64) {
            (
                self.metric("startup_seconds_count"),
                self.metric("startup_seconds_sum"),
            )
        }
    }

    #[test]
    fn a_startup_lasts_from_the_manifest_to_the_end_of_the_first_segment() {
        let subject = Subject::new();
        subject.fetch("a.m3u8", "sid=\"a\",ot=m,su", 0);
        subject.fetch("v/a.m3u8", "sid=\"a\",ot=m,su", 1);
        subject.fetch("v/init.mp4", "sid=\"a\",ot=i,su", 2);
        let first = subject.ask("v/1.m4s", "sid=\"a\",ot=v,bl=0,su", 3);
        assert_eq!(subject.startups(), (0.0, 0.0));
        subject.end(first, true, 5);
        subject.fetch("v/2.m4s", "sid=\"a\",ot=v,bl=4000", 6);
        assert_eq!(subject.startups(), (1.0, 5.0));
    }

    #[test]
    fn a_session_counts_once() {
        let subject = Subject::new();
        subject.fetch("a.m3u8", "sid=\"a\"", 0);
        let picture = subject.ask("v1.m4s", "sid=\"a\"", 1);
        let sound = subject.ask("a1.m4s", "sid=\"a\"", 1);
        subject.end(sound, true, 2);
        subject.end(picture, true, 3);
        // It plays on, starves, and loads another playlist.
        subject.fetch("b.m3u8", "sid=\"a\"", 4);
        subject.fetch("b1.m4s", "sid=\"a\",bs,su", 5);
        assert_eq!(subject.startups(), (1.0, 2.0));
        // Another session is another one.
        subject.fetch("a.m3u8", "sid=\"b\"", 6);
        subject.fetch("v1.m4s", "sid=\"b\"", 7);
        assert_eq!(subject.startups(), (2.0, 3.0));
    }

    #[test]
    fn who_joins_midway_does_not_count() {
        let subject = Subject::new();
        for first in ["v1.m4s", "init.mp4", "a.vtt"] {
            let list = format!("sid=\"{first}\",su");
            subject.fetch(first, &list, 0);
            subject.fetch("a.m3u8", &list, 1);
            subject.fetch("v2.m4s", &list, 2);
        }
        // Its playlist is the first that this process hears of it, and it has something to play.
        subject.fetch("a.m3u8", "sid=\"a\"", 3);
        subject.fetch("v3.m4s", "sid=\"a\",bl=8000", 4);
        subject.fetch("v4.m4s", "sid=\"a\",bl=0,su", 5);
        assert_eq!(subject.startups(), (0.0, 0.0));
        assert_eq!(subject.metric("requests_total"), 12.0);
    }

    #[test]
    fn media_that_did_not_arrive_ends_no_startup() {
        let subject = Subject::new();
        subject.fetch("a.m3u8", "sid=\"a\"", 0);
        subject.end(subject.ask("1.m4s", "sid=\"a\"", 1), false, 2);
        // Nor does an initialization segment in the same file.
        subject.fetch("1.mp4", "sid=\"a\",ot=i", 2);
        assert_eq!(subject.startups(), (0.0, 0.0));
        subject.fetch("1.m4s", "sid=\"a\"", 3);
        assert_eq!(subject.startups(), (1.0, 3.0));
    }

    #[test]
    fn a_startup_longer_than_anybody_waits_is_none() {
        let subject = Subject::new();
        for (sid, after) in [("a", 60), ("b", 61)] {
            let list = format!("sid=\"{sid}\"");
            subject.fetch("a.m3u8", &list, 0);
            subject.fetch("1.m4s", &list, after);
            subject.fetch("2.m4s", &list, after + 1);
        }
        assert_eq!(subject.startups(), (1.0, 60.0));
    }

    #[test]
    fn without_a_session_the_rest_is_counted() {
        let subject = Subject::new();
        subject.fetch("1.m4s", "bl=4000,br=3000,bs,mtp=20000,ot=v", 0);
        subject.fetch("1.m4s", "bl=2000,br=128,mtp=10000,ot=a", 1);
        subject.fetch("1.m4s", "br=5000", 1);
        assert_eq!(subject.metric("requests_total"), 3.0);
        assert_eq!(subject.metric("starved_total"), 1.0);
        assert_eq!(subject.metric("buffer_seconds_sum"), 6.0);
        assert_eq!(subject.metric("throughput_bits_per_second_sum"), 30e6);
        assert_eq!(subject.metric("bitrate_bits_per_second_count"), 2.0);
        assert_eq!(subject.metric("bitrate_bits_per_second_sum"), 8e6);
        assert_eq!(subject.startups(), (0.0, 0.0));
    }

    #[test]
    fn who_says_nothing_is_not_counted() {
        let sessions = Sessions::new();
        let told = |request: &Request| Told::of(request, Kind::Segment, &sessions).is_some();
        assert!(!told(&request("GET", "/a.m4s?cmcd=bs&token=a")));
        assert!(!told(&request("HEAD", "/a.m4s?CMCD=bs")));
        assert!(told(&request("GET", "/a.m4s?CMCD=bs")));
        let mut asked = request("GET", "/a.m4s");
        let value = http::HeaderValue::from_static("bs");
        asked.headers.insert("CMCD-Status", value);
        assert!(told(&asked));
    }

    #[test]
    fn a_flood_of_ids_never_grows_it_beyond_its_bound() {
        let most = NonZeroUsize::new(5000).unwrap();
        let sessions = Sessions::at_most(most);
        let now = Instant::now();
        for number in 0..20_000 {
            let query = format!("CMCD=sid%3D{number}");
            let cmcd = Cmcd::said(&query, std::iter::empty()).unwrap();
            let sid = cmcd.sid.unwrap();
            assert_eq!(sessions.asks(&sid, &cmcd, Kind::HlsPlaylist, now), None);
        }
        let kept: usize = sessions.shards.each().map(|part| part.len()).sum();
        assert!((2500..=5000).contains(&kept), "{kept}");
    }
}
