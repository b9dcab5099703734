//! The real binary with a certificate to be ordered, and a port that stays while processes come and go.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{Answer, Client};
use crate::issuer::Place;
use crate::process::{Caudal, client, free_port};

/// For an order to come: pebble asks, we answer, it signs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The names that are ordered.
pub(crate) const NAMES: [&str; 2] = ["vod.example", "cdn.example"];

pub(crate) struct Server {
    folder: TempDir,
    pub(crate) addr: SocketAddr,
    directory: String,
}

impl Server {
    /// What it needs, written down: nothing runs yet. `more` is said of its listener with TLS.
    pub(crate) fn prepared(place: &Place, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let server = Self {
            folder,
            addr,
            directory: place.directory(),
        };
        fs::create_dir(server.at("media")).unwrap();
        fs::write(server.at("media/a.vtt"), "WEBVTT\n").unwrap();
        let config = format!(
            "[viewer]\nreload = \"1d\"\n\
             [storage.media]\nkind = \"directory\"\npath = \"{media}\"\n\
             [listener.public]\nlisten = \"{addr}\"\ncertificates = [\"ordered\"]\n{more}\n\
             [certificate.ordered]\nacme = {NAMES:?}\nacme_directory = \"{directory}\"\n\
             acme_contact = \"mailto:ops@vod.example\"\nacme_cache = \"{cache}\"\nacme_ca = \"{ca}\"\n",
            media = server.at("media").display(),
            directory = server.directory,
            cache = server.at("acme").display(),
            ca = place.authority().display(),
        );
        fs::write(server.at("caudal.toml"), config).unwrap();
        server
    }

    pub(crate) fn start(&self) -> Caudal {
        Caudal::configured(&self.at("caudal.toml"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was kept of what came from the issuer.
    pub(crate) fn kept(&self, name: &str) -> PathBuf {
        let rest = self.directory.trim_start_matches("https://");
        self.at("acme")
            .join(rest.replace([':', '/'], "-"))
            .join(name)
    }

    /// Asks by a name that was ordered.
    pub(crate) fn ask(&self, client: &Client, name: &str) -> Result<Answer, String> {
        client.get(self.addr, name, "/a.vtt")
    }

    /// Asks until there is an answer.
    pub(crate) fn asked(&self, client: &Client, caudal: &Caudal) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ask(client, NAMES[0]) {
                Ok(answer) => return answer,
                Err(why) if Instant::now() > deadline => panic!("{why}\n{}", caudal.written()),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

/// The value of a series, zero where there is none.
pub(crate) fn metric(caudal: &Caudal, series: &str) -> f64 {
    let text = client::get(caudal.admin, "/metrics", &[]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}
