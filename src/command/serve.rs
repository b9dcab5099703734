//! `caudal serve`: the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::{Unusable, init_log, load_config};
use crate::app::{self, App, Extras, Reread, Running, Stopped, Successor};
use crate::config::{Config, Route, Storage, StorageKind};
use crate::transport::Inherited;

mod signals;
mod supervisor;

use signals::{Signals, Told};
use supervisor::News;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Serve everything this file configures (or CAUDAL_CONFIG)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve the files in this folder; no configuration needed
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    media: Option<PathBuf>,
    /// Serve viewers here instead of server.listen [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<SocketAddr>,
    /// Serve operators here instead of admin.listen [default: 127.0.0.1:9180]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
}

/// Serves until a signal says stop.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    // First of all, while there are no other threads: it changes the environment.
    let (inherited, predecessor) =
        Inherited::from_environment().context("cannot take over sockets")?;
    let takes_over = predecessor.is_some();
    let config = configure(&args)?;
    init_log(&config)?;
    let reread: Reread = Arc::new(move || configure(&args).map_err(|error| format!("{error:#}")));
    let extras = Extras {
        reread: Some(reread),
        inherited,
        predecessor,
        ..Extras::default()
    };
    let running = start(&config, extras)?;
    tracing::info!(listen = ?running.addrs(), admin = %running.admin_addr(), "serving");
    supervisor::told(News::Serving { takes_over });
    until_stopped(running)
}

/// What the file, the environment and the command line say together.
fn configure(args: &Args) -> anyhow::Result<Config> {
    let mut config = load_config(args.config.clone())?;
    if let Some(folder) = args.media.clone() {
        config.storage.insert(MEDIA.into(), folder_storage(folder));
        config.route = vec![Route {
            path: "/".into(),
            storage: MEDIA.into(),
            strip_prefix: false,
            prepend: String::new(),
            access: None,
        }];
    }
    override_addresses(&mut config, args.listen.clone(), args.admin);
    config.require_storage().map_err(|error| {
        Unusable::from(format!(
            "{error}; or serve a folder: caudal serve --media DIR"
        ))
    })?;
    Ok(config)
}

/// The storage and the route that `--media` makes.
const MEDIA: &str = "media";

fn folder_storage(path: PathBuf) -> Storage {
    Storage {
        kind: StorageKind::Directory { path },
        ..Storage::default()
    }
}

pub(super) fn override_addresses(
    config: &mut Config,
    listen: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
) {
    if !listen.is_empty() {
        config.server.listen = listen;
    }
    if let Some(admin) = admin {
        config.admin.listen = admin;
    }
}

/// Starts an app; a configuration it cannot work with is told apart from a system that refuses.
pub(super) fn start(config: &Config, extras: Extras) -> anyhow::Result<Running> {
    let app = App::load(config, extras).map_err(|error| match error {
        app::Error::System(_) => anyhow::Error::new(error),
        error => Unusable::from(error),
    })?;
    Ok(app.start()?)
}

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once. SIGHUP reads the configuration
/// again; SIGUSR2 has the program started anew, on the binary that stands in its place now, and gives way to it.
pub(super) fn until_stopped(running: Running) -> anyhow::Result<ExitCode> {
    let mut signals = running
        .wait_for(async { Signals::new() })
        .context("cannot wait for signals")?;
    let end = running.wait_for(until_told(&running, &mut signals));
    tracing::info!("stopping: viewers finish first; a second signal stops at once");
    running.spawn(async move {
        signals.stop().await;
        std::process::exit(130);
    });
    let stopped = match end {
        End::Stop => {
            supervisor::told(News::Stopping);
            running.stop()
        }
        End::GiveWay(successor) => running.give_way(successor),
    };
    match stopped {
        Stopped::Drained => tracing::info!("stopped: every viewer was served to the end"),
        Stopped::TimedOut => {
            tracing::warn!("stopped: some viewers were cut, the drain timeout was up")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a server ends.
enum End {
    Stop,
    GiveWay(Successor),
}

async fn until_told(running: &Running, signals: &mut Signals) -> End {
    loop {
        match signals.next().await {
            Told::Stop => return End::Stop,
            Told::Reload => {
                supervisor::told(News::Reloading);
                tokio::select! {
                    // What is under way is not in use yet, and is given up.
                    () = signals.stop() => return End::Stop,
                    // It has told in the log how that went.
                    _ = running.reload() => supervisor::told(News::Reloaded),
                }
            }
            Told::Upgrade => tokio::select! {
                () = signals.stop() => return End::Stop,
                outcome = running.hand_over() => if let Ok(successor) = outcome {
                    return End::GiveWay(successor);
                }
            },
        }
    }
}
