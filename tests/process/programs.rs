//! ffmpeg and the browser. What is missing fails the test that needs it: a test that is skipped is a test that lies.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// For ffmpeg to make or to decode a few seconds of a small picture.
const FFMPEG: Duration = Duration::from_secs(60);

/// Says what goes wrong, every time, and nothing else; asks nobody.
const FLAGS: [&str; 4] = ["-v", "repeat+error", "-nostdin", "-y"];

/// For the browser to start and to play a title. `play.mjs` gives up by itself, and says where, before this is over.
const BROWSER: Duration = Duration::from_secs(100);

/// Runs ffmpeg in a folder; a word on stderr is a failure.
pub(crate) fn ffmpeg(folder: &Path, args: &[&str]) {
    let mut command = Command::new(program("ffmpeg"));
    command.current_dir(folder).args(FLAGS).args(args);
    quiet(command, None);
}

/// Every frame that ffmpeg decodes of these streams of a manifest, in a file or at a URL: stream, times, size and MD5
/// sum, by stream. `known` is the one complaint that does not count.
pub(crate) fn frames(manifest: &str, streams: &[&str], known: Option<&str>) -> Vec<String> {
    let mut command = Command::new(program("ffmpeg"));
    // Or it refuses a key that is a file.
    command.args(FLAGS).args(["-allowed_extensions", "ALL"]);
    command.args(["-i", manifest]);
    for stream in streams {
        command.args(["-map", stream]);
    }
    command.args(["-f", "framemd5", "-"]);
    let sums = quiet(command, known);
    let lines = sums.lines().filter(|line| !line.starts_with('#'));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    // How streams interleave is a matter of buffering.
    lines.sort();
    lines
}

/// The captions that ffmpeg reads from a file or URL.
pub(crate) fn captions(url: &str) -> String {
    let mut command = Command::new(program("ffmpeg"));
    command
        .args(FLAGS)
        .args(["-i", url, "-map", "0:s", "-f", "webvtt", "-"]);
    quiet(command, None)
}

/// The duration in seconds, as the manifest has it.
pub(crate) fn duration(url: &str) -> f64 {
    let mut command = Command::new(program("ffprobe"));
    command.args(["-v", "error", "-show_entries", "format=duration"]);
    command.args(["-of", "csv=p=0", url]);
    let text = quiet(command, None);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("not a duration: {text:?}"))
}

/// What the browser did with `url`: a scene of `tests/players/play.mjs`, whose head tells what comes back.
pub(crate) fn play(scene: &str, url: &str, screenshot: Option<&Path>) -> Value {
    browse(
        "play.mjs",
        json!({"scene": scene, "url": url, "screenshot": screenshot}),
    )
}

/// What a script of `tests/players` made of a task, whose form its head tells.
pub(crate) fn browse(script: &str, mut task: Value) -> Value {
    // One browser at a time: two at once would be measured against each other.
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser.lock")).unwrap();
    lock.lock().unwrap();
    let what = format!("{script} {task}");
    task["modules"] = json!(modules());
    task["chromium"] = json!(program("chromium"));
    let mut command = Command::new(program("node"));
    command.arg(root().join("tests/players").join(script));
    command.arg(task.to_string());
    let (status, out, err) = run(command, BROWSER);
    assert!(status.success(), "{what}: {status}\n{err}\n{out}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

/// Where a program of the system is.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run `make tools`"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The packages of `tests/players/package.json`.
pub(crate) fn modules() -> PathBuf {
    let modules = tools().join("node/node_modules");
    // It is put there last.
    assert!(
        modules.join(".installed").exists(),
        "{} is missing or half made: run `make tools`",
        modules.display()
    );
    modules
}

fn tools() -> PathBuf {
    match std::env::var_os("TEST_TOOLS") {
        Some(tools) => root().join(tools),
        None => root().join(".tools"),
    }
}

/// Runs a program of ffmpeg's. Some of its failures end with success, but none without a word.
fn quiet(command: Command, known: Option<&str>) -> String {
    let what = format!("{command:?}");
    let (status, out, err) = run(command, FFMPEG);
    let is_known = |line: &str| known.is_some_and(|known| line.contains(known));
    let said = err.lines().find(|line| !is_known(line));
    assert!(
        status.success() && said.is_none(),
        "{what}: {status}\n{err}"
    );
    out
}

fn run(mut command: Command, limit: Duration) -> (ExitStatus, String, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({error}): run `make tools`"));
    let out = read(child.stdout.take().unwrap());
    let err = read(child.stderr.take().unwrap());
    let status = wait(&mut child, limit);
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    let status =
        status.unwrap_or_else(|| panic!("{command:?} took more than {limit:?}\n{err}\n{out}"));
    (status, out, err)
}

fn read(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

/// How a process ended; `None` where it has not within `limit`.
pub(crate) fn wait(process: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match process.try_wait().unwrap() {
            None if Instant::now() >= deadline => return None,
            None => std::thread::sleep(Duration::from_millis(10)),
            ended => return ended,
        }
    }
}
