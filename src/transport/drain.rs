//! Graceful shutdown: connections finish what they are answering, then close.

use tokio::sync::watch;

/// Starts the drain, and knows when it is over.
#[derive(Debug)]
pub struct Drain(watch::Sender<Phase>);

/// Held by whoever has to finish; dropping it says it has.
#[derive(Debug, Clone)]
pub struct Draining(watch::Receiver<Phase>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Whoever comes now goes elsewhere.
    Leaving,
    /// Whoever comes now is another process's.
    Succeeded,
}

impl Drain {
    /// A drain that has not begun, and the first hold on it.
    pub fn new() -> (Self, Draining) {
        let (start, started) = watch::channel(Phase::Serving);
        (Self(start), Draining(started))
    }

    /// Begins the drain. Returns at once.
    pub fn begin(&self) {
        self.0.send_replace(Phase::Leaving);
    }

    /// Begins the drain of a server whose sockets another one has taken over. Returns at once.
    pub fn give_way(&self) {
        self.0.send_replace(Phase::Succeeded);
    }

    /// Waits until everybody who held it has finished.
    pub async fn finished(&self) {
        self.0.closed().await;
    }
}

impl Draining {
    /// Waits until the drain begins. A drain whose owner is gone has begun.
    pub async fn begun(&mut self) {
        let _ = self.0.wait_for(|phase| *phase != Phase::Serving).await;
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() != Phase::Serving
    }

    /// Whether another server accepts in our place.
    pub fn is_succeeded(&self) -> bool {
        *self.0.borrow() == Phase::Succeeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_is_over_when_the_last_holder_has_finished() {
        let (drain, mut holder) = Drain::new();
        let other = holder.clone();
        drain.begin();
        holder.begun().await;
        assert!(other.has_begun());
        drop(holder);
        let waited = std::time::Duration::from_millis(1);
        assert!(
            tokio::time::timeout(waited, drain.finished())
                .await
                .is_err()
        );
        drop(other);
        drain.finished().await;
    }
}
