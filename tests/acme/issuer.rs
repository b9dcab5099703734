//! pebble, and the resolver that comes with it: every name is this machine's.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tempfile::TempDir;

use crate::client::Client;
use crate::process::{free_port, programs};

/// For a program to begin to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where an issuer is to be, whether it is there or not.
pub(crate) struct Place {
    folder: TempDir,
    /// Of its API, and of its own ways to be asked what it has done.
    ports: [u16; 2],
}

/// An issuer at work. It forgets everything when this is dropped.
pub(crate) struct Issuer<'a> {
    place: &'a Place,
    programs: [Running; 2],
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "who vouches for the issuer's server");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let (names, key) = (vec!["127.0.0.1".to_owned()], KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(names).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let place = Self {
            folder,
            ports: [free_port(), free_port()],
        };
        fs::write(place.authority(), authority.pem()).unwrap();
        fs::write(place.at("server.pem"), certificate.pem()).unwrap();
        fs::write(place.at("server.key"), key.serialize_pem()).unwrap();
        place
    }

    /// The URL of its directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.ports[0])
    }

    /// Who vouches for the server itself.
    pub(crate) fn authority(&self) -> PathBuf {
        self.at("ca.pem")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Begins to issue certificates that are valid for so long, to whoever proves itself at a port.
    pub(crate) fn open(&self, asks_at: u16, valid: Duration) -> Issuer<'_> {
        let [api, management] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let config = json!({"pebble": {
            "listenAddress": api,
            "managementListenAddress": management,
            "certificate": self.at("server.pem"),
            "privateKey": self.at("server.key"),
            // Nobody answers there: what we do not speak must not help.
            "httpPort": 9,
            "tlsPort": asks_at,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": valid.as_secs(),
        }});
        fs::write(self.at("pebble.json"), config.to_string()).unwrap();
        let resolver = format!("127.0.0.1:{}", free_port());
        let asked = format!("127.0.0.1:{}", free_port());
        let resolving = Running::start(
            Command::new("pebble-challtestsrv")
                .args(["-dns01", &resolver, "-management", &asked])
                // An address that nothing listens at would only cost time.
                .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
                .args(["-http01", "", "-https01", "", "-tlsalpn01", ""]),
            &asked,
        );
        let issuing = Running::start(
            Command::new("pebble")
                .args(["-strict", "-dnsserver", &resolver, "-config"])
                .arg(self.at("pebble.json"))
                // It asks at once, and every time: no proof counts twice.
                .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0")])
                .env_remove("PEBBLE_VA_ALWAYS_VALID"),
            &api,
        );
        Issuer {
            place: self,
            programs: [issuing, resolving],
        }
    }
}

impl Issuer<'_> {
    /// Whom its certificates are signed by.
    pub(crate) fn root(&self) -> CertificateDer<'static> {
        let authority = CertificateDer::from_pem_file(self.place.authority()).unwrap();
        let management = SocketAddr::from(([127, 0, 0, 1], self.place.ports[1]));
        let client = Client::trusting([authority], &[]);
        let answer = client.get(management, "127.0.0.1", "/roots/0").unwrap();
        CertificateDer::from_pem_slice(answer.body.as_bytes()).unwrap()
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        self.programs[0].log.lock().unwrap().join("\n")
    }
}

/// A program that was started here.
struct Running {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Running {
    /// Starts one, and waits until it listens.
    fn start(command: &mut Command, listens: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        programs::program(&name);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (lines, into) = (BufReader::new(child.stdout.take().unwrap()), log.clone());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        let mut running = Self { child, log };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(listens).is_err() {
            let ended = running.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{name} does not listen at {listens} (ended: {ended:?}):\n{}",
                running.log.lock().unwrap().join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
