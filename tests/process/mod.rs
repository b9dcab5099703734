//! The real binary as a process of its own, and the programs that tests run beside it.

#![allow(
    dead_code,
    reason = "each integration binary uses a part of this harness"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) mod client;
pub(crate) mod moto;
pub(crate) mod programs;
pub(crate) mod site;

/// For the process to start, to stop, and to write down what it did.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running caudal. It is killed when this is dropped.
pub(crate) struct Caudal {
    process: Child,
    out: Lines,
    err: Lines,
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Caudal {
    /// `caudal serve --media`, on ports of the system's choice.
    pub(crate) fn serve(media: &Path) -> Self {
        Self::serving(["--media", media.to_str().unwrap()], &[])
    }

    /// `caudal serve --config`, on ports of the system's choice.
    pub(crate) fn configured(config: &Path) -> Self {
        Self::configured_in(config, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn configured_in(config: &Path, env: &[(&str, &str)]) -> Self {
        Self::serving(["--config", config.to_str().unwrap()], env)
    }

    fn serving(what: [&str; 2], env: &[(&str, &str)]) -> Self {
        let ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let (mut process, out, err) = spawn(&[&["serve"], &what[..], &ports].concat(), env);
        let serving = err.wait(&mut process, "to say where it serves", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "serving").then_some(line)
        });
        let listen = serving["listen"].as_str().unwrap();
        // Where `--listen` says comes first, without TLS; listeners of the configuration follow.
        let first = listen.trim_matches(['[', ']']).split(", ").next().unwrap();
        let addr = first.parse().unwrap();
        let admin = serving["admin"].as_str().unwrap().parse().unwrap();
        Self::ready(process, out, err, addr, admin)
    }

    /// `caudal demo`, which needs a port that is known before.
    pub(crate) fn demo() -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listen = addr.to_string();
        let (mut process, out, err) = spawn(
            &["demo", "--listen", &listen, "--admin", "127.0.0.1:0"],
            &[],
        );
        let admin = out.wait(&mut process, "to say where the player page is", |line| {
            let address = line.split("http://").nth(1)?.strip_suffix("/player/")?;
            address.parse().ok()
        });
        Self::ready(process, out, err, addr, admin)
    }

    fn ready(process: Child, out: Lines, err: Lines, addr: SocketAddr, admin: SocketAddr) -> Self {
        let caudal = Self {
            process,
            out,
            err,
            addr,
            admin,
        };
        let deadline = Instant::now() + PATIENCE;
        while client::get(admin, "/readyz", &[]).status != 200 {
            assert!(Instant::now() < deadline, "caudal does not become ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        caudal
    }

    /// The address of a file, for programs.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> client::Answer {
        client::get(self.addr, path, headers)
    }

    /// The access log's line of the first request that `is_it`, waited for.
    pub(crate) fn logged(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let process = &mut self.process;
        self.out.wait(process, "to log the request", |line| {
            access_line(line).filter(|line| is_it(line))
        })
    }

    /// The first line of its own log that `is_it`, waited for.
    pub(crate) fn told(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let process = &mut self.process;
        self.err.wait(process, "to tell", |line| {
            serde_json::from_str(line).ok().filter(|line| is_it(line))
        })
    }

    /// All that it has written, as text.
    pub(crate) fn written(&self) -> String {
        format!("{}\n{}", self.out.text(), self.err.text())
    }

    /// Has it read its configuration again, as an operator would.
    pub(crate) fn reload(&self) {
        self.signal("HUP");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.process.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "{signal} is sent");
    }

    /// Stops it as an operator would, and returns the access log, complete.
    pub(crate) fn stop(mut self) -> Vec<Value> {
        self.signal("TERM");
        let status = programs::wait(&mut self.process, PATIENCE)
            .unwrap_or_else(|| panic!("caudal does not stop: {}", self.err.text()));
        assert!(status.success(), "caudal ended with {status}");
        self.out.join();
        let lines = self.out.lines.lock().unwrap();
        lines.iter().filter_map(|line| access_line(line)).collect()
    }
}

impl Drop for Caudal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary, which the tests' own surroundings do not configure.
pub(crate) fn binary(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caudal"));
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"CAUDAL_") {
            command.env_remove(name);
        }
    }
    command.args(args).envs(env.iter().copied());
    command
}

fn spawn(args: &[&str], env: &[(&str, &str)]) -> (Child, Lines, Lines) {
    let mut process = binary(args, env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let out = Lines::of(process.stdout.take().unwrap());
    let err = Lines::of(process.stderr.take().unwrap());
    (process, out, err)
}

fn access_line(line: &str) -> Option<Value> {
    // `demo` greets on the same stream.
    line.starts_with('{')
        .then(|| serde_json::from_str(line).expect("a line of the access log is JSON"))
}

/// A port that is free, below those the system hands out by itself: nobody else is given it meanwhile.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Tests that run side by side have numbers next to each other, and begin to look far from each other.
    let first = u16::try_from(std::process::id() % 10_000 * 97 % 10_000).unwrap();
    std::iter::repeat_with(|| TAKEN.fetch_add(1, Ordering::Relaxed))
        .take(10_000)
        .map(|n| 20_000 + (first + n) % 10_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// What a process writes, line by line as it comes.
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let into = lines.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                into.lock().unwrap().push(line.unwrap());
            }
        });
        Self {
            lines,
            reader: Some(reader),
        }
    }

    /// The first line that `find` makes something of.
    fn wait<T>(&self, process: &mut Child, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = process.try_wait().unwrap();
            let found = self
                .lines
                .lock()
                .unwrap()
                .iter()
                .find_map(|line| find(line));
            if let Some(found) = found {
                return found;
            }
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "waited in vain for caudal {what} (ended: {ended:?}):\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits for the end of the stream.
    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}
