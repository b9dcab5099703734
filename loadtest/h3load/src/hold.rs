//! Connections that ask once and stay.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::Uri;
use quinn::Endpoint;

use crate::client::{Client, endpoint};

/// Connections of one socket: a socket each would be ten thousand descriptors.
const OF_ONE_SOCKET: usize = 250;

/// Handshakes at a time: fewer than make a server ask clients to prove their address.
const AT_ONCE: usize = 32;

/// For one connection to have its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom to ask, and how many stay.
#[derive(Args)]
pub(crate) struct Hold {
    /// https://HOST:PORT/PATH
    url: Uri,
    /// Connections
    #[arg(long, default_value_t = 1000)]
    connections: usize,
}

impl Hold {
    /// Returns when a line is read from stdin. A connection that has ended by then is an error.
    pub(crate) async fn run(self) -> Result<()> {
        let endpoints = (0..self.connections.div_ceil(OF_ONE_SOCKET))
            .map(|_| endpoint(&self.url))
            .collect::<Result<Vec<_>>>()?;
        let clients: Vec<Client> = stream::iter(0..self.connections)
            .map(|number| self.asked_once(number, &endpoints[number / OF_ONE_SOCKET]))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        println!("held");
        let (told, line) = tokio::sync::oneshot::channel();
        // A thread, not a task: a runtime does not end before its blocking tasks, and stdin may never say a word.
        std::thread::spawn(move || {
            let _ = told.send(std::io::stdin().read_line(&mut String::new()));
        });
        line.await??;
        if let Some(ended) = clients.iter().find_map(Client::ended) {
            bail!("an idle connection did not stay open: {ended}");
        }
        println!("{{}}");
        Ok(())
    }

    async fn asked_once(&self, number: usize, endpoint: &Endpoint) -> Result<Client> {
        let asking = async {
            let mut client = Client::connect(&self.url, endpoint).await?;
            client.get(&self.url, |_| ()).await?;
            Ok(client)
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .unwrap_or_else(|_| bail!("no answer within {PATIENCE:?}"))
            .with_context(|| format!("connection {number}"))
    }
}
