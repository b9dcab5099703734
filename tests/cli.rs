//! The command line as a person meets it: helps, errors that name the fix, exit codes, signals.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

/// caudal without the test's own environment.
fn caudal(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    ended(caudal(args).output().unwrap())
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A server in a process of its own; killed when dropped.
struct Served {
    child: Child,
    addr: SocketAddr,
    admin: SocketAddr,
}

fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn serve(args: &[&str]) -> Served {
    let (addr, admin) = (free_addr(), free_addr());
    let (listen, operators) = (addr.to_string(), admin.to_string());
    let mut all = args.to_vec();
    all.extend(["--listen", &listen, "--admin", &operators]);
    let mut command = caudal(&all);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let served = Served {
        child: command.spawn().unwrap(),
        addr,
        admin,
    };
    let begun = Instant::now();
    while TcpStream::connect(served.admin).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the server does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    served
}

impl Served {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn end(mut self) -> (i32, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), out, err)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn helps_can_be_worked_from() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for text in [
        "serve",
        "demo",
        "check",
        "health",
        "caudal demo",
        "CAUDAL_CACHE__MEMORY=4GiB",
    ] {
        assert!(out.contains(text), "{text} is not in\n{out}");
    }
    for (command, texts) in [
        (
            "serve",
            &["--media", "--config", "--listen", "--admin", "0.0.0.0:8080"][..],
        ),
        ("demo", &["--listen", "127.0.0.1:8080"]),
        ("check", &["--config", "CAUDAL_CONFIG"]),
        (
            "health",
            &["--config", "--admin", "127.0.0.1:9180", "--timeout", "3s"],
        ),
    ] {
        let (code, out, _) = run(&[command, "--help"]);
        assert_eq!(code, 0);
        for text in texts {
            assert!(out.contains(text), "{text} is not in\n{out}");
        }
    }
    assert!(run(&["--version"]).1.starts_with("caudal 0."));
}

#[test]
fn what_cannot_work_exits_with_2_and_names_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let typo = write(folder.path(), "typo.toml", "[cache]\nmemroy = \"4GiB\"\n");
    let no_route = write(
        folder.path(),
        "r.toml",
        "[storage.m]\nkind = \"memory\"\n[[route]]\npath = \"/\"\nstorage = \"n\"\n",
    );
    let missing = folder.path().join("videos");
    let file = write(folder.path(), "file", "x");
    for (args, texts) in [
        (
            &["serve", "--config", &typo][..],
            &["cache.memroy", "did you mean cache.memory?", "typo.toml:2"][..],
        ),
        (
            &["check", "--config", &typo],
            &["did you mean cache.memory?"],
        ),
        (&["check", "--config", &no_route], &["storage", "\"n\""]),
        (&["serve", "--config", "/no/such.toml"], &["/no/such.toml"]),
        (
            &["serve", "--media", missing.to_str().unwrap()],
            &["videos"],
        ),
        (&["serve", "--media", &file], &["file"]),
        (&["serve"], &["storage", "--media"]),
        (&["serve", "--listen", "nonsense"], &["nonsense"]),
        (
            &["health", "--config", &typo],
            &["did you mean cache.memory?", "typo.toml:2"],
        ),
        (
            &["health", "--admin", "127.0.0.1:0"],
            &["--admin", "127.0.0.1:0"],
        ),
        (&["health", "--timeout", "3"], &["--timeout", "unit"]),
        (&["sevre"], &["serve"]),
    ] {
        let (code, _, err) = run(args);
        assert_eq!(code, 2, "{args:?}: {err}");
        for text in texts {
            assert!(err.contains(text), "{args:?}: {text} is not in\n{err}");
        }
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let wrong = ended(
        caudal(&["check"])
            .env("CAUDAL_CACHE__MEMORY", "4")
            .output()
            .unwrap(),
    );
    assert_eq!(wrong.0, 2);
    assert!(
        wrong.2.contains("CAUDAL_CACHE__MEMORY") && wrong.2.contains("unit"),
        "{}",
        wrong.2
    );
    let filter = ended(
        caudal(&["demo"])
            .env("CAUDAL_LOG", "caudal=loud")
            .output()
            .unwrap(),
    );
    assert_eq!(filter.0, 2, "{}", filter.2);
    assert!(filter.2.contains("CAUDAL_LOG"), "{}", filter.2);
}

#[test]
fn check_prints_a_configuration_that_checks() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = caudal(&["check"]);
    let (code, out, err) = ended(
        command
            .env("CAUDAL_CACHE__MEMORY", "4GiB")
            .output()
            .unwrap(),
    );
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("memory = \"4GiB\""), "{out}");
    let again = write(folder.path(), "effective.toml", &out);
    assert_eq!(run(&["check", "--config", &again]).1, out);
    for shipped in ["config/caudal.toml", "config/reference.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(shipped);
        let (code, _, err) = run(&["check", "--config", path.to_str().unwrap()]);
        assert_eq!(code, 0, "{shipped}: {err}");
    }
}

#[test]
fn a_folder_is_served_logged_and_drained_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a b.m4s", "0123456789");
    let served = serve(&["serve", "--media", folder.path().to_str().unwrap()]);
    let answer = get(served.addr, "/a%20b.m4s?token=secret");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("0123456789"),
        "{answer}"
    );
    assert!(get(served.admin, "/livez").contains("ok"));
    served.signal("-TERM");
    let (code, out, err) = served.end();
    assert_eq!(code, 0, "{err}");
    let line: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(line["path"], "/a%20b.m4s");
    assert_eq!(line["status"], 200);
    assert!(
        !out.contains("secret") && !err.contains("secret"),
        "a query reached the log"
    );
    assert!(err.contains("every viewer was served to the end"), "{err}");
}

#[test]
fn a_second_signal_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.m4s"), vec![7; 64 << 20]).unwrap();
    let served = serve(&["serve", "--media", folder.path().to_str().unwrap()]);
    let mut stuck = TcpStream::connect(served.addr).unwrap();
    stuck
        .write_all(b"GET /a.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut head = String::new();
    BufReader::new(stuck.try_clone().unwrap())
        .read_line(&mut head)
        .unwrap();
    served.signal("-TERM");
    while TcpStream::connect(served.addr).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let begun = Instant::now();
    served.signal("-INT");
    assert_eq!(served.end().0, 130);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_port_in_use_is_an_error_with_a_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&["demo", "--listen", &addr]);
    assert_eq!(code, 2);
    assert!(
        err.contains(&addr) && err.contains("in use") && err.contains("--listen"),
        "{err}"
    );
}

#[test]
fn two_servers_never_share_a_port() {
    let first = serve(&["demo"]);
    let (code, _, err) = run(&[
        "demo",
        "--listen",
        &first.addr.to_string(),
        "--admin",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, 2);
    assert!(err.contains("in use"), "{err}");
}

#[test]
fn the_demo_speaks_tls_with_a_certificate_that_goes_with_it() {
    let mut served = serve(&["demo", "--tls"]);
    let lines = BufReader::new(served.child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let trust = lines.find_map(|line| Some(line.trim().strip_prefix("trust ")?.trim().to_owned()));
    let chain = PathBuf::from(trust.expect("what to trust"));
    let mode = std::fs::metadata(chain.parent().unwrap()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700, "the key is nobody else's");
    let playlist = secure_get(served.addr, "/demo/master.m3u8", &chain);
    assert!(playlist.contains("#EXT-X-STREAM-INF"), "{playlist}");
    served.signal("-TERM");
    assert!(served.child.wait().unwrap().success());
    assert!(!chain.exists(), "it stays behind");
}

/// One answer over TLS, from a server that shows this certificate.
fn secure_get(addr: SocketAddr, path: &str, trusted: &Path) -> String {
    let mut roots = rustls::RootCertStore::empty();
    let chain = CertificateDer::pem_file_iter(trusted).unwrap();
    roots.add_parsable_certificates(chain.map(Result::unwrap));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(addr.ip());
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(addr).unwrap());
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_new_configuration_is_read_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "a").unwrap();
    let config = folder.path().join("caudal.toml");
    let write = |more: &str| {
        let storage = format!(
            "[storage.media]\nkind = \"directory\"\npath = {:?}\n",
            folder.path()
        );
        std::fs::write(&config, storage + more).unwrap();
    };
    write("");
    let served = serve(&["serve", "--config", config.to_str().unwrap()]);
    let found = |path: &str| get(served.addr, path).starts_with("HTTP/1.1 200");
    assert!(found("/a.txt") && !found("/vod/a.txt"));
    let changes = |signalled: &str| {
        served.signal("-HUP");
        let begun = Instant::now();
        while !get(served.admin, "/metrics").contains(signalled) {
            assert!(begun.elapsed() < Duration::from_secs(10), "{signalled}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    write("[[route]]\npath = \"/vod/\"\nstorage = \"media\"\nstrip_prefix = true\n");
    changes("caudal_config_loads_total{outcome=\"loaded\"} 1");
    assert!(!found("/a.txt") && found("/vod/a.txt"));
    write("[server]\nworkers = 7\n");
    changes("caudal_config_loads_total{outcome=\"failed\"} 1");
    assert!(!found("/a.txt") && found("/vod/a.txt"));
}

#[test]
fn health_is_0_while_the_server_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(&["serve", "--media", folder.path().to_str().unwrap()]);
    let everywhere = format!("0.0.0.0:{}", served.admin.port());
    let config = format!("[admin]\nlisten = \"{everywhere}\"\n");
    let config = write(folder.path(), "caudal.toml", &config);
    let mut by_variable = caudal(&["health"]);
    by_variable.env("CAUDAL_ADMIN__LISTEN", &everywhere);
    for mut command in [
        caudal(&["health", "--admin", &served.admin.to_string()]),
        caudal(&["health", "--config", &config]),
        by_variable,
    ] {
        let (code, out, err) = ended(command.output().unwrap());
        assert_eq!((code, err.as_str()), (0, ""), "{command:?}: {out}");
        assert!(
            out.starts_with("ready\n") && out.contains("storage media: ready"),
            "{out}"
        );
    }
}

#[test]
fn health_is_1_while_the_server_stops() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[server]\ndrain_grace = \"1m\"\n[storage.media]\nkind = \"directory\"\npath = {:?}\n",
        folder.path()
    );
    let config = write(folder.path(), "caudal.toml", &config);
    let served = serve(&["serve", "--config", &config]);
    let admin = served.admin.to_string();
    let health = || run(&["health", "--admin", &admin]);
    assert_eq!(health().0, 0);
    served.signal("-TERM");
    let begun = Instant::now();
    while health().0 == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it stays ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (code, out, err) = health();
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(
        out.starts_with("not ready\nthe process is stopping\n"),
        "{out}"
    );
}

#[test]
fn health_is_1_where_nobody_answers_in_time() {
    let nobody = free_addr().to_string();
    let (code, _, err) = run(&["health", "--admin", &nobody]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains(&nobody) && err.contains("refused"), "{err}");
    // It is connected to, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = mute.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let (code, _, err) = run(&["health", "--admin", &addr, "--timeout", "200ms"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains(&addr) && err.contains("within 200ms"), "{err}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    // It answers, but is not caudal's admin listener.
    let folder = tempfile::tempdir().unwrap();
    let served = serve(&["serve", "--media", folder.path().to_str().unwrap()]);
    let viewers = served.addr.to_string();
    let (code, _, err) = run(&["health", "--admin", &viewers]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains(&viewers) && err.contains("404"), "{err}");
}

#[test]
fn the_demo_prints_where_to_look() {
    let mut served = serve(&["demo"]);
    let lines = BufReader::new(served.child.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    for line in lines.map(Result::unwrap) {
        printed += &format!("{line}\n");
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    let at_defaults = printed
        .replace(&served.addr.to_string(), "127.0.0.1:8080")
        .replace(&served.admin.to_string(), "127.0.0.1:9180");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    assert!(
        readme.contains(&at_defaults),
        "the README shows something else:\n{at_defaults}"
    );
    assert!(get(served.admin, "/player/").contains("<title>"));
    assert!(get(served.addr, "/demo/master.m3u8").contains("#EXT-X-STREAM-INF"));
    assert!(get(served.addr, "/demo/manifest.mpd").contains("<MPD"));
}
