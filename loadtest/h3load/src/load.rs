//! As many requests as there is time for.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use http::Uri;
use serde_json::{Value, json};

use crate::client::{Asker, Client, endpoint};

/// Past the run's own length: to connect, and for what is under way then.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to ask for, how hard and how long.
#[derive(Args)]
pub(crate) struct Load {
    /// https://HOST:PORT/PATH
    url: Uri,
    /// Connections, each with a socket of its own
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Requests at a time on each
    #[arg(long, default_value_t = 4)]
    streams: usize,
    /// How long to go on asking
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

/// What was seen.
#[derive(Default)]
struct Seen {
    bytes: u64,
    millis: Vec<f64>,
    errors: u64,
    first_error: Option<String>,
}

impl Load {
    /// Connects, then asks; connecting is no part of the time.
    pub(crate) async fn run(self) -> Result<Value> {
        ensure!(
            self.connections > 0 && self.streams > 0,
            "--connections and --streams are at least 1"
        );
        let mut clients = Vec::new();
        for _ in 0..self.connections {
            let connecting = async { Client::connect(&self.url, &endpoint(&self.url)?).await };
            clients.push(tokio::time::timeout(PATIENCE, connecting).await??);
        }
        let seen = Rc::new(RefCell::new(Seen::default()));
        let begun = Instant::now();
        let ends = begun + Duration::from_secs_f64(self.seconds);
        let asking = clients.iter().flat_map(|client| {
            std::iter::repeat_with(|| ask(client.asker(), self.url.clone(), ends, seen.clone()))
                .take(self.streams)
        });
        let asking: Vec<_> = asking.map(tokio::task::spawn_local).collect();
        let all = futures_util::future::join_all(asking);
        let patience = ends + PATIENCE - Instant::now();
        let whole = tokio::time::timeout(patience, all).await.is_ok();
        let seconds = begun.elapsed().as_secs_f64();
        for client in clients {
            let _ = tokio::time::timeout(PATIENCE, client.close()).await;
        }
        let mut seen = seen.take();
        if !whole {
            let late = format!("answers are not whole {PATIENCE:?} after the last request");
            seen.failed(&late);
        }
        Ok(seen.told(seconds))
    }
}

/// One request after the other. Who meets an error asks no more: a refusal is quick, and would be counted by the million.
async fn ask(mut asker: Asker, url: Uri, ends: Instant, seen: Rc<RefCell<Seen>>) {
    while Instant::now() < ends {
        let asked = Instant::now();
        let got = asker.get(&url, |_| ()).await;
        let mut seen = seen.borrow_mut();
        match got {
            Ok(length) => {
                seen.bytes += length;
                seen.millis.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            Err(error) => return seen.failed(&format!("{error:#}")),
        }
    }
}

impl Seen {
    fn failed(&mut self, why: &str) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| why.to_owned());
    }

    fn told(mut self, seconds: f64) -> Value {
        self.millis.sort_by(f64::total_cmp);
        json!({
            "requests": self.millis.len(),
            "bytes": self.bytes,
            "errors": self.errors,
            "first_error": self.first_error,
            "seconds": seconds,
            "p50_ms": self.percentile(50),
            "p99_ms": self.percentile(99),
        })
    }

    /// What so many percent do not exceed; 0 of nothing.
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.millis.len().saturating_sub(1);
        let at = (self.millis.len() * percent / 100).min(last);
        self.millis.get(at).copied().unwrap_or_default()
    }
}
