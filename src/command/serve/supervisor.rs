//! What a supervisor is told that asked to be (`NOTIFY_SOCKET`, sd_notify(3)): systemd with `Type=notify`.

use sd_notify::NotifyState::{self, MainPid, Ready, Reloading, Stopping};

/// What happened.
pub(super) enum News {
    /// Viewers are served; by another process than before, where it has taken over.
    Serving { takes_over: bool },
    /// The configuration is being read again.
    Reloading,
    /// That is done, whatever came of it.
    Reloaded,
    /// Told to stop.
    Stopping,
}

/// Tells, where anybody listens. Who does not is no reason to fail.
pub(super) fn told(news: News) {
    let states = match news {
        // With NotifyAccess=all: until now the server before was the main process.
        News::Serving { takes_over: true } => vec![MainPid(std::process::id()), Ready],
        News::Serving { takes_over: false } | News::Reloaded => vec![Ready],
        News::Reloading => {
            let now = NotifyState::monotonic_usec_now().ok();
            std::iter::once(Reloading).chain(now).collect()
        }
        News::Stopping => vec![Stopping],
    };
    if let Err(error) = sd_notify::notify(&states) {
        tracing::warn!(%error, "the supervisor cannot be told");
    }
}
