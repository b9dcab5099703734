//! A server with TLS for other people's clients, and who vouches for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

use super::{Caudal, client, free_port, programs};

pub(crate) const NAME: &str = "vod.example";

/// For a client to do all that it is told.
const PATIENCE: Duration = Duration::from_secs(100);

const SERIAL: u64 = 0x1001;

/// A running caudal that serves a folder over TLS, and that folder.
pub(crate) struct Site {
    pub(crate) caudal: Caudal,
    /// The listener with TLS: TCP, and UDP at the same port.
    pub(crate) tls: SocketAddr,
    folder: TempDir,
}

impl Site {
    /// With `large.m4s`, of 3 MiB and some, and `small.m4s`, of 1000 bytes; over all that there is to speak.
    pub(crate) fn open() -> Self {
        Self::over(&["h3", "h2", "http/1.1"], |media| {
            std::fs::write(media.join("large.m4s"), pattern((3 << 20) + 321)).unwrap();
            std::fs::write(media.join("small.m4s"), pattern(1000)).unwrap();
        })
    }

    /// With what is put into its folder.
    pub(crate) fn over(protocols: &[&str], fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("media");
        std::fs::create_dir(&media).unwrap();
        fill(&media);
        certify(folder.path());
        let tls = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config = folder.path().join("caudal.toml");
        let at = folder.path().display();
        let text = format!(
            "[storage.media]\nkind = \"directory\"\npath = \"{at}/media\"\n\
             [listener.public]\nlisten = \"{tls}\"\ncertificates = [\"edge\"]\nprotocols = {protocols:?}\n\
             [certificate.edge]\nchain = \"file:{at}/edge.pem\"\nkey = \"file:{at}/edge.key\"\n\
             ocsp = \"{at}/edge.ocsp\"\n"
        );
        std::fs::write(&config, text).unwrap();
        Self {
            caudal: Caudal::configured(&config),
            tls,
            folder,
        }
    }

    /// A file of the folder: `ca.pem` is whom to believe, `media/…` what is served.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file("media").join(name)).unwrap()
    }

    /// The address of a file by the server's name, for clients that are told where that is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.tls.port())
    }

    /// Handshakes that ended so: the labels of `caudal_tls_handshakes_total`.
    pub(crate) fn handshakes(&self, labels: &str) -> f64 {
        let metrics = client::get(self.caudal.admin, "/metrics", &[]).text();
        let lines = metrics.lines();
        let ours = lines.filter(|line| {
            line.starts_with("caudal_tls_handshakes_total") && line.contains(labels)
        });
        ours.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }
}

/// Bytes that differ at every offset.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Writes `ca.pem`, `edge.pem`, `edge.key` and `edge.ocsp`, in which the issuer says that the certificate is good.
fn certify(folder: &Path) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
        .distinguished_name
        .push(DnType::CommonName, "a test's authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names = [NAME.to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2120, 1, 1));
    params.serial_number = Some(SerialNumber::from(SERIAL));
    // As authorities have it, or strict clients say so.
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name.push(DnType::CommonName, NAME);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("ca.pem", issuer.pem());
    write("ca.key", issuer.key().serialize_pem());
    write("edge.pem", leaf.pem());
    write("edge.key", key.serialize_pem());
    staple(folder);
}

/// Has the issuer say that its certificate is good, in `edge.ocsp`.
fn staple(folder: &Path) {
    let issued = format!("V\t21200101000000Z\t\t{SERIAL:04X}\tunknown\t/CN={NAME}\n");
    std::fs::write(folder.join("issued.txt"), issued).unwrap();
    let ask = [
        "-issuer",
        "ca.pem",
        "-cert",
        "edge.pem",
        "-no_nonce",
        "-reqout",
        "ask.der",
    ];
    let answer = [
        "-index",
        "issued.txt",
        "-CA",
        "ca.pem",
        "-rsigner",
        "ca.pem",
        "-rkey",
        "ca.key",
        "-reqin",
        "ask.der",
        "-ndays",
        "7",
        "-respout",
        "edge.ocsp",
    ];
    for args in [&ask[..], &answer] {
        let mut openssl = Command::new("openssl");
        openssl.arg("ocsp").args(args).current_dir(folder);
        let ran = run(openssl, "");
        assert!(ran.status.success(), "{}", text(&ran.stderr));
    }
}

/// Runs a program with something to read. One that does not start, or does not end, fails the test.
pub(crate) fn run(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({error}): run `make tools`"));
    let mut stdin = child.stdin.take().unwrap();
    // It may end without having read all.
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    drop(stdin);
    let (out, err) = (
        read(child.stdout.take().unwrap()),
        read(child.stderr.take().unwrap()),
    );
    let Some(status) = programs::wait(&mut child, PATIENCE) else {
        child.kill().unwrap();
        child.wait().unwrap();
        let told = [out.join().unwrap(), err.join().unwrap()].concat();
        panic!("{command:?} took more than {PATIENCE:?}\n{}", text(&told));
    };
    Output {
        status,
        stdout: out.join().unwrap(),
        stderr: err.join().unwrap(),
    }
}

fn read(mut stream: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A program of the Python that has clients of transports.
pub(crate) fn program(name: &str) -> PathBuf {
    let tools = std::env::var_os("TEST_TOOLS").unwrap_or_else(|| ".tools".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join(tools).join("transports/bin").join(name);
    assert!(
        program.exists(),
        "{} is missing: run `make tools`",
        program.display()
    );
    program
}
