//! Another process takes over: the program is started anew, on whatever binary stands in its place now, and is given every
//! socket. We serve until it says that it does.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Line;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use crate::transport::READY;

/// For the other process to say that it serves: to read its configuration, and to reach its storages.
const PATIENCE: Duration = Duration::from_secs(60);

/// For one that has given up to end by itself.
const ENDING: Duration = Duration::from_secs(2);

/// The first descriptor that is handed on (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// A server that serves in our place.
#[derive(Debug)]
pub struct Successor {
    /// Its process.
    pub pid: u32,
    /// Open for as long as we are there: what two cannot share is its own once this closes.
    _line: UnixStream,
}

/// A process that is not to be trusted with viewers yet. Dropped, it is ended.
struct Starting(Option<Child>);

/// Starts the program that we are, as it was started, with these sockets, and waits until it serves.
///
/// # Errors
/// Why it does not. It has been ended then.
pub(super) async fn hand_over(sockets: Vec<OwnedFd>) -> Result<Successor, String> {
    let (ours, theirs) = line().map_err(|error| error.to_string())?;
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| OsString::from("caudal"));
    let mut command = Command::new(&program);
    command.args(arguments);
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", program.display());
    let mut starting = start(command, sockets, theirs).map_err(|error| named(&error))?;
    let mut line = UnixStream::from_std(ours).map_err(|error| named(&error))?;
    let mut said = [0];
    match tokio::time::timeout(PATIENCE, line.read_exact(&mut said)).await {
        Ok(Ok(_)) if said == [READY] => {}
        Ok(_) => return Err(starting.ended().await),
        Err(_) => return Err(format!("it does not serve after {} s", PATIENCE.as_secs())),
    }
    Ok(Successor {
        pid: starting.succeeds(),
        _line: line,
    })
}

fn line() -> io::Result<(Line, Line)> {
    let (ours, theirs) = Line::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

fn start(mut command: Command, sockets: Vec<OwnedFd>, line: Line) -> io::Result<Starting> {
    let all = sockets.into_iter().chain([OwnedFd::from(line)]);
    let mapped: Vec<_> = (FIRST..)
        .zip(all)
        .map(|(child_fd, parent_fd)| FdMapping {
            parent_fd,
            child_fd,
        })
        .collect();
    command
        .env("LISTEN_FDS", mapped.len().to_string())
        // Nobody knows its number before it runs; without one, the variables are for whoever has them.
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDNAMES");
    command.fd_mappings(mapped).map_err(io::Error::other)?;
    Ok(Starting(Some(command.spawn()?)))
}

impl Starting {
    /// It serves: from here on it is nobody's child to end.
    fn succeeds(&mut self) -> u32 {
        self.0.take().map_or(0, |child| child.id())
    }

    /// How it ended, as it has closed its line. One that hangs in its end is not waited for: signals are for us meanwhile.
    async fn ended(&mut self) -> String {
        let begun = Instant::now();
        while begun.elapsed() < ENDING {
            if let Some(Ok(Some(status))) = self.0.as_mut().map(Child::try_wait) {
                return format!("it ended ({}): see the log above", exit(status));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        "it gave up: see the log above".to_owned()
    }
}

fn exit(status: ExitStatus) -> String {
    status
        .code()
        .map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
