//! Streams at once, for each viewer.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::{Asked, Error, LONGEST, MOST_STREAMS, StreamLimit, Viewer, Who};
use crate::access::shards::Shards;

/// Which streams are alive.
pub(super) struct Streams {
    shards: Shards<LruCache<u64, Vec<Stream>>>,
    hasher: RandomState,
    most: usize,
    window: Duration,
    start: Instant,
}

struct Stream {
    session: u64,
    /// When media was last asked for, from the start on.
    seen: Duration,
}

impl Streams {
    pub(super) fn new(
        limit: StreamLimit,
        viewers: NonZeroUsize,
        start: Instant,
    ) -> Result<Self, Error> {
        if limit.streams.get() > MOST_STREAMS {
            return Err(Error::Streams(limit.streams));
        }
        if limit.window.is_zero() || limit.window > LONGEST {
            return Err(Error::Window(limit.window));
        }
        Ok(Self {
            shards: Shards::new(viewers, LruCache::sparse),
            hasher: RandomState::new(),
            most: limit.streams.get() as usize,
            window: limit.window,
            start,
        })
    }

    /// Counts a request for media towards its stream, and admits every request of a stream that is alive. One of a new
    /// stream that would be one too many is refused with the time until the first of the others can be over.
    pub(super) fn check(
        &self,
        who: &Who<'_>,
        viewer: &Viewer<'_>,
        now: Instant,
    ) -> Result<(), Duration> {
        if who.asked == Asked::Other {
            return Ok(());
        }
        let viewer = self.hasher.hash_one(viewer);
        let session = self.hasher.hash_one(who.session());
        let now = now.saturating_duration_since(self.start);
        let mut viewers = self.shards.lock(viewer);
        let Some(streams) = viewers.get_mut(&viewer) else {
            if who.asked == Asked::Media {
                viewers.put(viewer, vec![Stream { session, seen: now }]);
            }
            return Ok(());
        };
        streams.retain(|stream| now.saturating_sub(stream.seen) < self.window);
        if let Some(stream) = streams.iter_mut().find(|stream| stream.session == session) {
            if who.asked == Asked::Media {
                stream.seen = stream.seen.max(now);
            }
            return Ok(());
        }
        if streams.len() >= self.most {
            let oldest = streams.iter().map(|stream| stream.seen).min();
            let over = oldest.map_or(now, |seen| seen + self.window);
            return Err(over.saturating_sub(now));
        }
        if who.asked == Asked::Media {
            streams.push(Stream { session, seen: now });
        }
        Ok(())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.each().map(|part| part.len()).sum()
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("most", &self.most)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::access::limits::tests::{Request, token};

    const WINDOW: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    struct Subject {
        streams: Streams,
        start: Instant,
    }

    impl Subject {
        fn new(most: u32, viewers: usize) -> Self {
            let start = Instant::now();
            let limit = StreamLimit {
                streams: NonZeroU32::new(most).unwrap(),
                window: WINDOW,
            };
            let viewers = NonZeroUsize::new(viewers).unwrap();
            let streams = Streams::new(limit, viewers, start).unwrap();
            Self { streams, start }
        }

        /// What `viewer` gets for asking in `session`, so long after the start.
        fn ask(
            &self,
            viewer: &str,
            session: &str,
            asked: Asked,
            after: Duration,
        ) -> Result<(), Duration> {
            let token = token([Some(viewer), None, Some(session)]);
            Request::from("192.0.2.1").who(Some(&token), |who| {
                let who = Who { asked, ..who };
                self.streams.check(&who, &who.viewer(), self.start + after)
            })
        }
    }

    #[test]
    fn a_stream_too_many_is_refused_until_another_ends() {
        let subject = Subject::new(2, 100);
        let ask = |session, after| subject.ask("u", session, Asked::Media, after);
        assert_eq!(ask("a", SECOND), Ok(()));
        assert_eq!(ask("b", 2 * SECOND), Ok(()));
        assert_eq!(ask("c", 3 * SECOND), Err(58 * SECOND));
        // Those that are known go on, and what was refused did not keep anything alive.
        assert_eq!(ask("a", 10 * SECOND), Ok(()));
        assert_eq!(ask("b", 20 * SECOND), Ok(()));
        assert_eq!(ask("c", 60 * SECOND), Err(10 * SECOND));
        assert_eq!(ask("c", 70 * SECOND), Ok(()));
        assert_eq!(ask("a", 71 * SECOND), Err(9 * SECOND));
    }

    #[test]
    fn viewers_do_not_share_their_streams() {
        let subject = Subject::new(1, 100);
        assert_eq!(subject.ask("u", "a", Asked::Media, SECOND), Ok(()));
        assert_eq!(subject.ask("v", "a", Asked::Media, SECOND), Ok(()));
        assert!(subject.ask("v", "b", Asked::Media, SECOND).is_err());
    }

    #[test]
    fn a_playlist_is_refused_with_its_stream_but_is_none() {
        let subject = Subject::new(1, 100);
        let ask = |session, asked, after| subject.ask("u", session, asked, after);
        assert_eq!(ask("a", Asked::Playlist, SECOND), Ok(()));
        assert_eq!(ask("b", Asked::Playlist, SECOND), Ok(()));
        assert_eq!(ask("b", Asked::Media, SECOND), Ok(()));
        assert_eq!(ask("a", Asked::Playlist, SECOND), Err(WINDOW));
        assert_eq!(ask("a", Asked::Other, SECOND), Ok(()));
        // Playlists do not keep a stream alive either.
        assert_eq!(ask("b", Asked::Playlist, 60 * SECOND), Ok(()));
        assert_eq!(ask("a", Asked::Media, 61 * SECOND), Ok(()));
    }

    #[test]
    fn a_playlist_takes_no_place_beside_a_stream() {
        let subject = Subject::new(2, 100);
        let ask = |session, asked| subject.ask("u", session, asked, SECOND);
        assert_eq!(ask("a", Asked::Media), Ok(()));
        assert_eq!(ask("b", Asked::Playlist), Ok(()));
        assert_eq!(ask("c", Asked::Media), Ok(()));
        assert_eq!(ask("b", Asked::Playlist), Err(WINDOW));
    }

    #[test]
    fn a_flood_of_viewers_never_grows_it_beyond_its_bound() {
        for viewers in [1, 10, 10_000] {
            let subject = Subject::new(1, viewers);
            for number in 0..30_000 {
                let viewer = number.to_string();
                assert_eq!(subject.ask(&viewer, "a", Asked::Media, SECOND), Ok(()));
                assert!(subject.ask(&viewer, "b", Asked::Media, SECOND).is_err());
            }
            let kept = subject.streams.len();
            assert!(kept <= viewers && kept > viewers / 2, "{kept} of {viewers}");
        }
    }

    #[test]
    fn a_viewers_streams_never_outgrow_the_limit() {
        let subject = Subject::new(MOST_STREAMS, 100);
        for number in 0..1000_u32 {
            let _ = subject.ask("u", &number.to_string(), Asked::Media, SECOND);
        }
        let most = subject.streams.shards.each().flat_map(|part| {
            let lengths: Vec<_> = part.iter().map(|(_, streams)| streams.len()).collect();
            lengths
        });
        assert_eq!(most.max(), Some(MOST_STREAMS as usize));
    }

    #[test]
    fn limits_that_cannot_be_counted_are_refused() {
        let new = |streams, window| {
            let streams = NonZeroU32::new(streams).unwrap();
            let limit = StreamLimit { streams, window };
            Streams::new(limit, NonZeroUsize::MIN, Instant::now()).unwrap_err()
        };
        assert_eq!(
            new(65, WINDOW).to_string(),
            "a limit of 65 streams cannot be counted, write at most 64"
        );
        assert_eq!(
            new(1, Duration::ZERO).to_string(),
            "a stream cannot live on for 0ns, write a time above zero and up to 24h"
        );
        assert_eq!(new(1, LONGEST + SECOND), Error::Window(LONGEST + SECOND));
    }

    #[test]
    fn a_clock_that_steps_back_ends_no_stream() {
        let subject = Subject::new(1, 100);
        assert_eq!(subject.ask("u", "a", Asked::Media, 90 * SECOND), Ok(()));
        assert_eq!(subject.ask("u", "a", Asked::Media, SECOND), Ok(()));
        assert_eq!(
            subject.ask("u", "b", Asked::Media, 100 * SECOND),
            Err(50 * SECOND)
        );
    }
}
