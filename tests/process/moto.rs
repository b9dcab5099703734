//! moto, which is AWS in other people's eyes, as a process of its own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server's process; it is killed when this is dropped.
pub(crate) struct Moto {
    process: Child,
    pub(crate) url: String,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let program = tools().join("venv/bin/moto_server");
        assert!(
            program.exists(),
            "{} is missing: run `make tools`",
            program.display()
        );
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| {
                panic!(
                    "{} does not start ({e}): run `make tools`",
                    program.display()
                )
            });
        let mut moto = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        };
        moto.wait_until_it_listens(port);
        moto
    }

    fn wait_until_it_listens(&mut self, port: u16) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("moto_server ended with {status}: run `make tools`");
            }
            assert!(
                Instant::now() < deadline,
                "moto_server does not listen after 60 s"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match std::env::var_os("TEST_TOOLS") {
        Some(tools) => root.join(tools),
        None => root.join(".tools"),
    }
}
