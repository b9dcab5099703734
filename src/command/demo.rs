//! `caudal demo`: the product in a minute, with nothing set up.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use rust_embed::Embed;

use super::serve::{override_addresses, start, until_stopped};
use super::{Unusable, init_log, load_config};
use crate::admin::Demo;
use crate::app::Extras;
use crate::config::{Config, Route, Storage, StorageKind};
use crate::media::AssetPath;
use crate::storage::memory::{Attributes, Memory};

mod throw_away;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Serve the title here
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Serve the player page here
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9180")]
    admin: SocketAddr,
    /// Serve it with TLS, with a certificate that is made now and thrown away
    #[arg(long)]
    tls: bool,
}

/// A real title: H.264 and AAC in CMAF, three renditions, HLS and DASH over one set of segments.
#[derive(Embed)]
#[folder = "src/demo/title"]
struct Title;

/// The storage and the route of the title.
const NAME: &str = "demo";

/// Serves the title until a signal says stop.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut config = demo_config(load_config(None)?);
    override_addresses(&mut config, vec![args.listen], Some(args.admin));
    let certificate = args.tls.then(throw_away::Certificate::make).transpose()?;
    if let Some(certificate) = &certificate {
        certificate.show(&mut config)?;
    }
    init_log(&config)?;
    // The page needs to know the title's address before the port is bound, so it has to be a fixed one.
    if args.listen.port() == 0 {
        return Err(Unusable::from("demo: --listen needs a port other than 0"));
    }
    let scheme = if args.tls { "https" } else { "http" };
    let base = format!("{scheme}://{}/{NAME}", reachable(args.listen));
    let demo = Demo {
        hls: format!("{base}/master.m3u8"),
        dash: format!("{base}/manifest.mpd"),
    };
    let storage: Arc<dyn crate::storage::Storage> = Arc::new(title()?);
    let extras = Extras {
        storages: [(NAME.to_owned(), storage)].into(),
        demo: Some(demo.clone()),
        ..Extras::default()
    };
    let running = start(&config, extras)?;
    let admin = reachable(running.admin_addr());
    let trust = certificate
        .as_ref()
        .map_or_else(String::new, |certificate| {
            format!("  trust    {}\n", certificate.chain().display())
        });
    println!(
        "caudal demo\n\n  watch    http://{admin}/player/\n  hls      {}\n  dash     {}\n  \
         metrics  http://{admin}/metrics\n  status   http://{admin}/status\n{trust}\nCtrl-C stops it.\n",
        demo.hls, demo.dash
    );
    until_stopped(running)
}

fn demo_config(mut config: Config) -> Config {
    config.storage = [(
        NAME.to_owned(),
        Storage {
            kind: StorageKind::Memory,
            ..Storage::default()
        },
    )]
    .into();
    config.route = vec![Route {
        path: format!("/{NAME}/"),
        storage: NAME.into(),
        strip_prefix: true,
        prepend: String::new(),
        access: None,
    }];
    config
}

/// The title's files as a storage.
fn title() -> anyhow::Result<Memory> {
    let memory = Memory::new();
    for name in Title::iter() {
        let path = AssetPath::from_decoded(&name)?;
        let Some(file) = Title::get(&name) else {
            continue;
        };
        let bytes = match file.data {
            std::borrow::Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => bytes.into(),
        };
        memory.insert(path, bytes, Attributes::default());
    }
    Ok(memory)
}

/// An address a browser on this machine can open.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        ip if !ip.is_unspecified() => addr,
        std::net::IpAddr::V4(_) => (std::net::Ipv4Addr::LOCALHOST, addr.port()).into(),
        std::net::IpAddr::V6(_) => (std::net::Ipv6Addr::LOCALHOST, addr.port()).into(),
    }
}
