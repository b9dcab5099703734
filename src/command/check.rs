//! `caudal check`: is this configuration right, and what does it amount to?

use std::path::PathBuf;
use std::process::ExitCode;

use super::load_config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration to validate (or CAUDAL_CONFIG)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints the effective configuration: file, environment and defaults together. Nothing is opened or bound.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    print!("{}", load_config(args.config.clone())?.to_toml());
    Ok(ExitCode::SUCCESS)
}
