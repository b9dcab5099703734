//! The load test's short form, against the binary under test: what `make loadtest` does with a release build. The
//! thresholds stand in `loadtest/k6/main.mjs` and nowhere else.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use process::Caudal;

mod process;

/// Long enough for every scenario to be slow.
const BRIEF: [&str; 4] = ["--duration", "9", "--ramp", "1"];

#[test]
fn the_short_form_holds_every_threshold() {
    let ran = load_binary(&[]);
    assert!(ran.status.success(), "{}", told(&ran));
    println!("{}", told(&ran));
}

/// Or the others would prove nothing.
#[test]
fn a_title_that_is_not_there_breaks_the_thresholds() {
    let ran = load_binary(&[&["--title", "/absent.m3u8"], &BRIEF[..]].concat());
    let told = told(&ran);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    for line in [
        "BROKEN  failures rate<0.001: 1\n",
        "BROKEN  segments{scenario:premiere} count>0: 0\n",
        "/absent.m3u8: status 404 instead of 200\n",
        "run.py: a threshold is broken\n",
    ] {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
}

#[test]
fn slow_answers_break_every_bound_on_time() {
    let caudal = Caudal::serve(&root().join("src/demo/title"));
    let slowed = slow_down(caudal.addr, Duration::from_millis(700));
    let url = format!("http://{slowed}/master.m3u8");
    let ran = load(&[&["--url", &url], &BRIEF[..]].concat());
    let told = told(&ran);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    for line in [
        "held    failures rate<0.001: 0\n",
        "BROKEN  manifest_duration p(95)<50: ",
        "BROKEN  segment_first_byte{cache:hit} p(95)<100: ",
        "BROKEN  segment_first_byte{cache:hit} p(99)<250: ",
        "BROKEN  startup p(99)<2000: ",
    ] {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
}

#[test]
fn manifests_are_read_as_they_are_meant() {
    let mut command = Command::new(k6());
    command.args(["run", "--quiet", "--no-usage-report", "--address", ""]);
    let ran = run(command.arg(root().join("loadtest/k6/reading.test.mjs")));
    assert!(ran.status.success(), "{}", told(&ran));
}

/// The load test's short form, of the binary under test.
fn load_binary(args: &[&str]) -> Output {
    load(&[&["--caudal", env!("CARGO_BIN_EXE_caudal")], args].concat())
}

fn load(args: &[&str]) -> Output {
    k6();
    let mut command = Command::new("python3");
    run(command.arg(root().join("loadtest/k6/run.py")).args(args))
}

/// Where k6 is. A test without it would prove nothing, so it fails.
fn k6() -> PathBuf {
    let tools = std::env::var_os("TEST_TOOLS").unwrap_or_else(|| ".tools".into());
    let program = root().join(tools).join("venv/bin/k6");
    assert!(
        program.exists(),
        "{} is missing: run `make tools`",
        program.display()
    );
    program
}

fn run(command: &mut Command) -> Output {
    // What is set around the test must not change the load.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"K6_") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({error}): run `make tools`"))
}

fn told(ran: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&ran.stdout) + &text(&ran.stderr)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An address at which `server` answers, but takes notice of everything it is asked only after `delay`.
fn slow_down(server: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass_on(from, to, delay));
            thread::spawn(move || pass_on(server, client, Duration::ZERO));
        }
    });
    addr
}

/// Until either side is gone.
fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        thread::sleep(delay);
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
