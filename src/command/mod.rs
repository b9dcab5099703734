//! The command line: one file a subcommand.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, Level, LogFormat, units};

mod check;
mod demo;
mod health;
mod serve;
mod sign;

/// An origin for video on demand: serves HLS and DASH between object storage and a CDN.
#[derive(Debug, Parser)]
#[command(name = "caudal", version, about, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Try it now, with nothing set up:\n  caudal demo\n\n\
    Serve a folder:\n  caudal serve --media ./videos\n\n\
    Serve a bucket:\n  caudal check --config caudal.toml && caudal serve --config caudal.toml\n\n\
    Any key can be overridden from the environment: CAUDAL_CACHE__MEMORY=4GiB sets cache.memory.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a folder or everything a configuration names.
    Serve(serve::Args),
    /// Serve the sample title carried in this binary, and a page that plays it.
    Demo(demo::Args),
    /// Validate a configuration and print it with every default filled in.
    Check(check::Args),
    /// Ask a caudal that runs here whether it is ready.
    Health(health::Args),
    Sign(Box<sign::Args>),
}

/// A configuration or an argument that cannot be worked with: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Unusable {
    fn from(error: impl std::fmt::Display) -> anyhow::Error {
        Self(error.to_string()).into()
    }
}

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    crate::app::allocator::prepare();
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Check(args) => check::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Sign(args) => sign::run(*args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("caudal: {error:#}");
            ExitCode::from(if error.is::<Unusable>() { 2 } else { 1 })
        }
    }
}

/// The configuration: from the file named on the command line, else by `CAUDAL_CONFIG`, else defaults.
fn load_config(path: Option<PathBuf>) -> anyhow::Result<Config> {
    let path = path.or_else(|| std::env::var_os("CAUDAL_CONFIG").map(PathBuf::from));
    // A variable that is not UTF-8 cannot be one of ours.
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(path.as_deref(), env).map_err(Unusable::from)
}

/// A time with its unit, on the command line.
fn duration(text: &str) -> Result<Duration, String> {
    units::parse_duration(text).map_err(|error| error.to_string())
}

/// Sends diagnostics to stderr; stdout is the access log's. `CAUDAL_LOG` outranks the configuration and
/// takes a level for each module: `info,caudal::cache=debug`.
fn init_log(config: &Config) -> anyhow::Result<()> {
    let filter = match std::env::var("CAUDAL_LOG") {
        Ok(text) => text.parse::<Targets>().map_err(|error| {
            Unusable::from(format!(
                "CAUDAL_LOG = {text:?}: {error}; write info,caudal::cache=debug"
            ))
        })?,
        Err(_) => Targets::new().with_default(level(config.log.level)),
    };
    let terminal = std::io::stderr().is_terminal();
    let json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    let log = tracing_subscriber::registry().with(filter);
    // A second initialisation (two servers in one process) keeps the first.
    let _ = match json {
        true => log.with(lines.json().flatten_event(true)).try_init(),
        false => log.with(lines.with_target(false)).try_init(),
    };
    Ok(())
}

fn level(level: Level) -> tracing::Level {
    match level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        Level::Info => tracing::Level::INFO,
        Level::Debug => tracing::Level::DEBUG,
        Level::Trace => tracing::Level::TRACE,
    }
}
