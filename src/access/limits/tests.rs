//! Both limits together, and what their tests build requests from.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::{Asking, Place, Replay, Terms, Token};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

/// A request that a test asks with.
pub(crate) struct Request {
    viewer: IpAddr,
    query: String,
    headers: HeaderMap,
}

impl Request {
    pub(crate) fn from(viewer: &str) -> Self {
        Self {
            viewer: viewer.parse().unwrap(),
            query: String::new(),
            headers: HeaderMap::new(),
        }
    }

    pub(crate) fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        let name = HeaderName::from_static(name);
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    pub(crate) fn who<T>(&self, token: Option<&Token>, then: impl FnOnce(Who<'_>) -> T) -> T {
        let asking = Asking {
            method: "GET",
            scheme: "https",
            host: "a.example",
            raw_path: "/a.m4s",
            path: "/a.m4s",
            query: &self.query,
            headers: &self.headers,
            prefix: None,
            viewer: self.viewer,
            place: &Place::default(),
            alpn: None,
            device: None,
            identities: &[],
            now: 0,
        };
        then(Who {
            asking: &asking,
            token,
            asked: Asked::Media,
        })
    }
}

#[derive(Debug)]
struct Anything;

impl Terms for Anything {
    fn permit(&self, _: &Asking<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A token of this viewer, id and session.
pub(crate) fn token([viewer, id, session]: [Option<&str>; 3]) -> Token {
    Token {
        key: "k".into(),
        id: id.map(Arc::from),
        viewer: viewer.map(Arc::from),
        session: session.map(Arc::from),
        not_before: None,
        expires: None,
        issued: None,
        replay: Replay::Allowed,
        terms: Box::new(Anything),
        renewal: None,
    }
}

fn settings(burst: u32, streams: u32) -> Settings {
    Settings {
        requests: Some(RequestLimit {
            requests: NonZeroU32::MIN,
            per: Duration::from_secs(10),
            burst: NonZeroU32::new(burst).unwrap(),
        }),
        streams: Some(StreamLimit {
            streams: NonZeroU32::new(streams).unwrap(),
            window: Duration::from_secs(60),
        }),
        viewers: NonZeroUsize::new(1000).unwrap(),
    }
}

#[test]
fn requests_are_counted_before_streams_and_each_refusal_says_when_to_return() {
    let start = Instant::now();
    let local = Local::new(&settings(3, 1), start).unwrap();
    let ask = |session, now| {
        let token = token([Some("u"), None, Some(session)]);
        Request::from("192.0.2.1").who(Some(&token), |who| local.decide(&who, now))
    };
    assert_eq!(ask("a", start), Ok(()));
    let refused = ask("b", start).unwrap_err();
    assert_eq!((refused.why, refused.retry_after()), (Refusal::Streams, 60));
    assert_eq!(ask("a", start), Ok(()));
    let refused = ask("a", start + Duration::from_millis(1)).unwrap_err();
    assert_eq!(
        (refused.why, refused.retry_after()),
        (Refusal::RequestRate, 10)
    );
}

#[test]
fn what_is_not_set_is_not_limited() {
    let nothing = Settings {
        requests: None,
        streams: None,
        viewers: NonZeroUsize::MIN,
    };
    let start = Instant::now();
    let local = Local::new(&nothing, start).unwrap();
    for number in 0..1000 {
        let token = token([Some("u"), None, Some(&number.to_string())]);
        let decision =
            Request::from("192.0.2.1").who(Some(&token), |who| local.decide(&who, start));
        assert_eq!(decision, Ok(()));
    }
}

#[test]
fn retry_after_is_whole_seconds_and_never_zero() {
    for (after, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
        let refused = Refused {
            why: Refusal::Streams,
            after: Duration::from_millis(after),
        };
        assert_eq!(refused.retry_after(), seconds, "{after} ms");
    }
}

#[tokio::test]
async fn a_decision_may_come_later() {
    let refused = Refused {
        why: Refusal::Streams,
        after: Duration::ZERO,
    };
    assert_eq!(Answer::Now(Ok(())).decision().await, Ok(()));
    let later = Answer::Later(Box::pin(async move { Err(refused) }));
    assert_eq!(later.decision().await, Err(refused));
}

#[test]
fn many_threads_admit_exactly_what_the_limits_allow() {
    let start = Instant::now();
    let local = Local::new(&settings(100, 3), start).unwrap();
    let admitted = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (local, admitted) = (&local, &admitted);
            scope.spawn(move || {
                let token = token([Some("u"), None, Some(&thread.to_string())]);
                for _ in 0..12 {
                    let decision = Request::from("192.0.2.1")
                        .who(Some(&token), |who| local.decide(&who, start));
                    admitted.fetch_add(
                        decision.is_ok().into(),
                        std::sync::atomic::Ordering::Relaxed,
                    );
                }
            });
        }
    });
    // 96 requests pass the rate; three of the eight streams of 12 requests each are let in.
    assert_eq!(admitted.into_inner(), 36);
}
