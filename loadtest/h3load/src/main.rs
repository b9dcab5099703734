//! Asks a server over HTTP/3: hits as fast as one core can take them, connections that stay, one object to look at.
//!
//! Read [`main`] first, then `client.rs`, which is what every connection does. All on one thread, so that a bench can
//! pin it to a core.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use http::Uri;

mod client;
mod hold;
mod load;

/// Asks a server over HTTP/3. Its certificate is not verified.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Asks for one object again and again; prints {requests, bytes, errors, first_error, seconds, p50_ms, p99_ms}
    Load(load::Load),
    /// Has every connection ask once and stay, says "held", and waits for a line
    Hold(hold::Hold),
    /// Fetches one object and writes its bytes to stdout
    Fetch {
        /// https://HOST:PORT/PATH
        url: Uri,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("h3load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        match arguments.command {
            Command::Load(load) => println!("{}", load.run().await?),
            Command::Hold(hold) => hold.run().await?,
            Command::Fetch { url } => fetch(&url).await?,
        }
        Ok(())
    })
}

/// For one object, the handshake included.
const PATIENCE: Duration = Duration::from_secs(15);

async fn fetch(url: &Uri) -> Result<()> {
    let work = async {
        let mut client = client::Client::connect(url, &client::endpoint(url)?).await?;
        let mut body = Vec::new();
        client
            .get(url, |piece| body.extend_from_slice(piece))
            .await?;
        std::io::stdout().write_all(&body)?;
        client.close().await;
        Ok(())
    };
    tokio::time::timeout(PATIENCE, work)
        .await
        .with_context(|| format!("{url} is not whole after {PATIENCE:?}"))?
}
