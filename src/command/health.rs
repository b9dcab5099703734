//! `caudal health`: is a caudal that runs here ready? For containers, whose image has nothing else that could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{Unusable, duration, load_config};
use crate::config::units;
use crate::remote::{Answer, near};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration that says where it serves operators (or CAUDAL_CONFIG)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask here instead of admin.listen [default: 127.0.0.1:9180]
    #[arg(long, value_name = "ADDR", conflicts_with = "config")]
    admin: Option<SocketAddr>,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    timeout: Duration,
}

/// Prints what `/readyz` says: exit code 0 where it is ready, 1 where it is not or nobody answers.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let at = address(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asking = async { tokio::time::timeout(args.timeout, near::get(at, "/readyz")).await };
    let Answer { status, body, .. } = match runtime.block_on(asking) {
        Ok(answer) => answer.map_err(|error| anyhow::anyhow!("nobody to ask at {at}: {error}"))?,
        Err(_) => {
            let timeout = units::duration(args.timeout);
            anyhow::bail!("no answer from {at} within {timeout}")
        }
    };
    print!("{}", String::from_utf8_lossy(&body));
    if status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    if status != http::StatusCode::SERVICE_UNAVAILABLE {
        eprintln!("caudal: {at} answers {status}: is that caudal's admin.listen?");
    }
    Ok(ExitCode::FAILURE)
}

/// Where to ask.
fn address(args: &Args) -> anyhow::Result<SocketAddr> {
    let listens = match args.admin {
        Some(admin) => admin,
        None => load_config(args.config.clone())?.admin.listen,
    };
    if listens.port() == 0 {
        let message =
            "the port that the system has chosen for port 0 is not known here, write --admin ADDR";
        return Err(Unusable::from(format!(
            "admin.listen = \"{listens}\": {message}"
        )));
    }
    Ok(reached(listens))
}

/// An address at which one that listens there is reached from this machine.
fn reached(mut listens: SocketAddr) -> SocketAddr {
    match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listens.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listens.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_this_machine_is_reached_over_loopback() {
        for (listens, at) in [
            ("0.0.0.0:9180", "127.0.0.1:9180"),
            ("[::]:9180", "[::1]:9180"),
            ("10.0.0.7:9180", "10.0.0.7:9180"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(reached(listens.parse().unwrap()).to_string(), at);
        }
    }
}
