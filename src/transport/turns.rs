//! Whose turn it is among the answers of one connection: a playlist does not wait behind the segments before it.
//!
//! hyper and h3 send their streams in turn, whatever these carry. So an answer that is less urgent than another waits here
//! with its next piece, for as long as the other one flows.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::urgency::Urgency;

/// An answer that has given nothing for so long does not flow: its peer's window is closed, perhaps, and it must not
/// hold others.
const FLOWS: Duration = Duration::from_millis(50);

/// The answers under way on a connection. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<All>>);

#[derive(Debug, Default)]
struct All {
    next: u64,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    id: u64,
    urgency: Urgency,
    /// When it last gave a piece, or could have; `None` while it waits for its own bytes.
    gave: Option<Instant>,
    waiting: Option<Waker>,
}

/// One answer's place among them. Dropped, it holds nobody any more.
pub(super) struct Turn {
    turns: Turns,
    id: u64,
    look_again: Option<Pin<Box<Sleep>>>,
}

impl Turns {
    /// A place for one more.
    pub(super) fn join(&self, urgency: Urgency) -> Turn {
        let mut all = self.lock();
        let id = all.next;
        all.next += 1;
        all.answers.push(Answer {
            id,
            urgency,
            gave: None,
            waiting: None,
        });
        Turn {
            turns: self.clone(),
            id,
            look_again: None,
        }
    }

    /// Nothing is left half done under this lock, so a panic elsewhere cannot have broken what it guards.
    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until nothing more urgent flows.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.turns.lock().may_give(self.id, cx) {
                return Poll::Ready(());
            }
            // Who wakes us may not: it stands still behind a closed window.
            let timer = self
                .look_again
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(FLOWS)));
            ready!(timer.as_mut().poll(cx));
            self.look_again = None;
        }
    }

    /// Its own bytes are not there yet: others go on meanwhile.
    pub(super) fn has_nothing(&self) {
        self.turns.lock().waits(self.id);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = self.turns.lock();
        all.answers.retain(|answer| answer.id != self.id);
        all.wake();
    }
}

impl All {
    /// Whether it is this one's turn; if so, it flows from now on.
    fn may_give(&mut self, id: u64, cx: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let Some(at) = self.answers.iter().position(|answer| answer.id == id) else {
            return true;
        };
        let urgency = self.answers[at].urgency;
        let flows = |answer: &Answer| answer.gave.is_some_and(|gave| now - gave < FLOWS);
        let held = |answer: &Answer| answer.urgency < urgency && flows(answer);
        let is_held = self.answers.iter().any(held);
        let own = &mut self.answers[at];
        own.waiting = is_held.then(|| cx.waker().clone());
        own.gave = (!is_held).then_some(now);
        !is_held
    }

    fn waits(&mut self, id: u64) {
        let mut answers = self.answers.iter_mut();
        if let Some(own) = answers.find(|answer| answer.id == id)
            && own.gave.take().is_some()
        {
            self.wake();
        }
    }

    fn wake(&mut self) {
        let waiting = self.answers.iter_mut();
        waiting
            .filter_map(|answer| answer.waiting.take())
            .for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::HeaderMap;

    use super::super::urgency::PRIORITY;
    use super::*;

    fn urgency(value: &str) -> Urgency {
        let mut headers = HeaderMap::new();
        headers.insert(PRIORITY, value.parse().unwrap());
        Urgency::of(None, &headers)
    }

    async fn is_its(turn: &mut Turn) -> bool {
        poll_fn(|cx| Poll::Ready(turn.poll(cx).is_ready())).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_less_urgent_waits_for_what_flows_and_for_nothing_else() {
        let turns = Turns::default();
        let (mut segment, mut other) = (turns.join(urgency("u=3")), turns.join(urgency("u=3")));
        assert!(is_its(&mut segment).await && is_its(&mut other).await);
        let mut playlist = turns.join(urgency("u=1"));
        assert!(is_its(&mut segment).await, "the playlist has nothing yet");
        assert!(is_its(&mut playlist).await);
        assert!(!is_its(&mut segment).await);
        playlist.has_nothing();
        assert!(is_its(&mut segment).await);
        assert!(is_its(&mut playlist).await);
        assert!(!is_its(&mut segment).await);
        drop(playlist);
        assert!(is_its(&mut segment).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_holds_nobody_for_long() {
        let turns = Turns::default();
        let (mut segment, mut playlist) = (turns.join(urgency("u=3")), turns.join(urgency("u=1")));
        assert!(is_its(&mut playlist).await);
        let begun = Instant::now();
        poll_fn(|cx| segment.poll(cx)).await;
        let held = begun.elapsed();
        assert!(held >= FLOWS && held < FLOWS * 3, "{held:?}");
    }

    #[tokio::test]
    async fn the_end_of_one_wakes_those_that_wait() {
        let turns = Turns::default();
        let (mut segment, mut playlist) = (turns.join(urgency("u=3")), turns.join(urgency("u=1")));
        assert!(is_its(&mut playlist).await);
        let waiting = tokio::spawn(async move { poll_fn(|cx| segment.poll(cx)).await });
        tokio::task::yield_now().await;
        drop(playlist);
        let waited = tokio::time::timeout(FLOWS / 2, waiting);
        waited.await.expect("woken, not timed out").unwrap();
    }
}
