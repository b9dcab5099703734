//! A folder, a configuration, and the real binary over it, on ports that stay while processes come and go.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{binary, client, free_port, programs};

/// For a process to do what it was told.
const PATIENCE: Duration = Duration::from_secs(30);

/// Assets, each filled with its own number.
pub(crate) const ASSETS: usize = 16;

/// More than goes at once, so that answers are under way when something happens.
pub(crate) const LENGTH: usize = 70_000;

pub(crate) struct House {
    folder: TempDir,
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The process that serves now.
    pub(crate) pid: u32,
    /// The one that was started here.
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl House {
    /// Serves from now on.
    pub(crate) fn open() -> Self {
        Self::opened(|_| ())
    }

    /// The same, with something of the command's changed before.
    pub(crate) fn opened(prepare: impl FnOnce(&mut Command)) -> Self {
        Self::opened_at(local(), prepare)
    }

    /// With more in its configuration.
    pub(crate) fn with(more: &str) -> Self {
        Self::built(local(), more, |_| ())
    }

    /// And at an address that is somebody's.
    pub(crate) fn opened_at(addr: SocketAddr, prepare: impl FnOnce(&mut Command)) -> Self {
        Self::built(addr, "", prepare)
    }

    fn built(addr: SocketAddr, more: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("media");
        fs::create_dir(&media).unwrap();
        for asset in 0..ASSETS {
            let bytes = vec![u8::try_from(asset).unwrap(); LENGTH];
            fs::write(media.join(format!("{asset}.m4s")), bytes).unwrap();
        }
        let admin = local();
        let config = configuration(&folder, addr, admin, more);
        fs::write(folder.path().join("caudal.toml"), config).unwrap();
        let path = folder.path().join("caudal.toml");
        let mut command = binary(&["serve", "--config", path.to_str().unwrap()], &[]);
        prepare(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (lines, into) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        let house = Self {
            pid: child.id(),
            folder,
            addr,
            admin,
            child,
            log,
        };
        house.told("serving", 1);
        house.wait_until("it is ready", || {
            house.metric("caudal_storage_ready") == 1.0
        });
        house
    }

    /// Where the operators' socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    /// Writes another configuration; it is not read yet.
    pub(crate) fn write(&self, more: &str) {
        let config = configuration(&self.folder, self.addr, self.admin, more);
        fs::write(self.folder.path().join("caudal.toml"), config).unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &self.pid.to_string()])
            .status();
        assert!(sent.unwrap().success(), "{signal} to {}", self.pid);
    }

    /// The `nth` line of the log with this message, waited for.
    pub(crate) fn told(&self, message: &str, nth: usize) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.log.lock().unwrap().clone();
            let parsed = lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut found = parsed.filter(|line| line["message"] == message);
            if let Some(line) = found.nth(nth - 1) {
                return line;
            }
            assert!(
                Instant::now() < deadline,
                "nobody told {message:?} {nth} times:\n{}",
                lines.join("\n")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The sum of a metric's series.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let mut answer = client::get(self.admin, "/metrics", &[]);
        let text = String::from_utf8(answer.take(u64::MAX)).unwrap();
        let lines = text.lines().filter(|line| line.starts_with(series));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Asks over the socket in the file system.
    pub(crate) fn ask_socket(&self, path: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}:\n{}",
                self.log.lock().unwrap().join("\n")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Another process serves now. The first one ends with 0, as a process does that was told to stop.
    pub(crate) fn passed_on_to(&mut self, pid: u32) {
        let before = std::mem::replace(&mut self.pid, pid);
        if before == self.child.id() {
            self.ended();
        }
    }

    /// Waits for the process that was started here to end well.
    pub(crate) fn ended(&mut self) {
        let status = programs::wait(&mut self.child, PATIENCE).expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.pid != self.child.id() {
            let _ = Command::new("kill")
                .args(["-KILL", &self.pid.to_string()])
                .status();
        }
    }
}

/// An address of this machine that is free.
pub(crate) fn local() -> SocketAddr {
    ([127, 0, 0, 1], free_port()).into()
}

fn configuration(folder: &TempDir, addr: SocketAddr, admin: SocketAddr, more: &str) -> String {
    let folder = folder.path().display();
    format!(
        "[server]\nlisten = \"{addr}\"\nworkers = 2\ndrain_timeout = \"20s\"\n\
         [admin]\nlisten = \"{admin}\"\nsocket = \"{folder}/admin.sock\"\n\
         [log]\nformat = \"json\"\n\
         [storage.media]\nkind = \"directory\"\npath = \"{folder}/media\"\n{more}"
    )
}
