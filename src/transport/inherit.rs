//! Sockets that somebody else has bound for us: systemd (socket activation), or the server before us, at an upgrade.
//!
//! Both say so the way systemd does: `LISTEN_FDS` descriptors from 3 on (sd_listen_fds(3)). At an upgrade the last one is
//! no listener but a line to the server before ([`Predecessor`]).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;
use socket2::{Domain, Type};

/// Set, to anything, where the last descriptor is a line to the server before.
pub const UPGRADE: &str = "CAUDAL_UPGRADE";

/// What the server that took over says once it serves.
pub const READY: u8 = b'R';

/// Listening sockets to be taken by who names their address.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<(SocketAddr, TcpListener)>,
    unix: Vec<UnixListener>,
}

/// The server whose sockets these are, which serves until we do.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

impl Inherited {
    /// What this process was given. To be called once, before there are other threads: it takes the variables out of the
    /// environment.
    ///
    /// # Errors
    /// Where a descriptor is nothing that can be listened on.
    pub fn from_environment() -> io::Result<(Self, Option<Predecessor>)> {
        let upgrade = std::env::var_os(UPGRADE).is_some();
        let mut given = ListenFd::from_env();
        let mut all = Self::default();
        let listeners = given.len().saturating_sub(usize::from(upgrade));
        for at in 0..listeners {
            all.take(&mut given, at)?;
        }
        if !upgrade {
            return Ok((all, None));
        }
        let line = given.take_custom(
            listeners,
            Domain::UNIX.into(),
            Type::STREAM.into(),
            "line to the server before",
        )?;
        Ok((all, line.map(Predecessor)))
    }

    fn take(&mut self, given: &mut ListenFd, at: usize) -> io::Result<()> {
        if let Ok(Some(unix)) = given.take_unix_listener(at) {
            unix.set_nonblocking(true)?;
            self.unix.push(unix);
            return Ok(());
        }
        if let Some(tcp) = given.take_tcp_listener(at)? {
            tcp.set_nonblocking(true)?;
            self.tcp.push((tcp.local_addr()?, tcp));
        }
        Ok(())
    }

    /// Every socket that listens at an address; of one that leaves the port to the system, those of the first port.
    pub(super) fn tcp(&mut self, asked: SocketAddr) -> Vec<TcpListener> {
        let fits = |addr: &SocketAddr| match asked.port() {
            0 => addr.ip() == asked.ip(),
            _ => *addr == asked,
        };
        let Some(addr) = self.tcp.iter().map(|(addr, _)| *addr).find(fits) else {
            return Vec::new();
        };
        let taken = self.tcp.extract_if(.., |(at, _)| *at == addr);
        taken.map(|(_, socket)| socket).collect()
    }

    /// The socket that listens at a path.
    pub(super) fn unix(&mut self, asked: &Path) -> Option<UnixListener> {
        let is_it = |socket: &UnixListener| {
            let addr = socket.local_addr();
            addr.is_ok_and(|addr| addr.as_pathname() == Some(asked))
        };
        let at = self.unix.iter().position(is_it)?;
        Some(self.unix.swap_remove(at))
    }

    /// What nobody took.
    pub fn left_over(&self) -> Vec<String> {
        let tcp = self.tcp.iter().map(|(addr, _)| addr.to_string());
        let path = |socket: &UnixListener| match socket.local_addr() {
            Ok(addr) => format!("{:?}", addr.as_pathname().unwrap_or(Path::new(""))),
            Err(_) => "a socket without a name".to_owned(),
        };
        tcp.chain(self.unix.iter().map(path)).collect()
    }
}

impl Predecessor {
    /// Says that we serve: the server before stops accepting, and ends what it has begun.
    ///
    /// # Errors
    /// Where it is gone already.
    pub fn dismiss(&mut self) -> io::Result<()> {
        self.0.write_all(&[READY])
    }

    /// Waits until it has let go of what two cannot share: the ports of HTTP/3. Blocks.
    pub fn gone(mut self) {
        // An end, or an error: either way it is not there any more.
        while matches!(self.0.read(&mut [0; 16]), Ok(1..)) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(addr: &str) -> (SocketAddr, TcpListener) {
        let socket = TcpListener::bind(addr).unwrap();
        (socket.local_addr().unwrap(), socket)
    }

    #[test]
    fn a_socket_is_taken_by_who_names_its_address() {
        let (first, second) = (listening("127.0.0.1:0"), listening("127.0.0.1:0"));
        let (a, b) = (first.0, second.0);
        let again = (a, first.1.try_clone().unwrap());
        let mut inherited = Inherited {
            tcp: vec![first, second, again],
            unix: Vec::new(),
        };
        assert_eq!(inherited.tcp(a).len(), 2);
        assert_eq!(inherited.tcp(a).len(), 0);
        assert_eq!(inherited.left_over(), [b.to_string()]);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(inherited.tcp(any)[0].local_addr().unwrap(), b);
        assert!(inherited.left_over().is_empty());
    }

    #[test]
    fn a_line_tells_each_end_of_the_other() {
        let (mut before, after) = UnixStream::pair().unwrap();
        let mut predecessor = Predecessor(after);
        predecessor.dismiss().unwrap();
        let mut said = [0; 1];
        before.read_exact(&mut said).unwrap();
        assert_eq!(said, [READY]);
        drop(before);
        predecessor.gone();
    }
}
