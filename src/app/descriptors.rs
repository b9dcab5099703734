//! Descriptors: a connection is one, and systems are stingy with them by default.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beside the viewers' connections: storage's, files, sockets that listen, the log.
const BESIDE: u64 = 1024;

/// Raises this process's limit as far as it may, and says so where that is not far enough for `connections`.
pub(super) fn raise(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of descriptors cannot be raised");
            limit.current
        }
    };
    // Without a limit there is none.
    let Some(current) = current else { return };
    let wanted = connections as u64 + BESIDE;
    match current < wanted {
        true => tracing::warn!(
            descriptors = current,
            wanted,
            "fewer descriptors than server.max_connections needs: raise the limit (ulimit -n, LimitNOFILE) or lower it"
        ),
        false => tracing::info!(descriptors = current, "the limit of descriptors"),
    }
}
