//! Sockets that somebody else has bound for us: systemd (socket activation), or the server before us, at an upgrade.
//!
//! Both say so the way systemd does: `LISTEN_FDS` descriptors from 3 on (sd_listen_fds(3)). Among those of an upgrade is
//! one that listens to nobody: a line to the server before ([`Predecessor`]).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use tokio::sync::watch;

/// What the server that took over says once it serves.
pub const READY: u8 = b'R';

/// Sockets to be taken by who names their address.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<(SocketAddr, TcpListener)>,
    udp: Vec<(SocketAddr, UdpSocket)>,
    unix: Vec<UnixListener>,
}

/// The server whose sockets these are, which serves until we do.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

/// Tells when the server before us has let go of what two cannot share: datagrams of HTTP/3.
#[derive(Debug, Clone)]
pub struct Departure(watch::Receiver<()>);

/// What a descriptor turned out to be.
enum Given {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Unix(UnixListener),
    Line(UnixStream),
}

impl Inherited {
    /// What this process was given. To be called once, before there are other threads: it takes the variables out of the
    /// environment.
    ///
    /// # Errors
    /// Where a descriptor is nothing that can be listened on.
    pub fn from_environment() -> io::Result<(Self, Option<Predecessor>)> {
        let mut given = ListenFd::from_env();
        let (mut all, mut predecessor) = (Self::default(), None);
        for at in 0..given.len() {
            match Given::of(&mut given, at)? {
                Given::Tcp(socket) => all.tcp.push((socket.local_addr()?, socket)),
                Given::Udp(socket) => all.udp.push((socket.local_addr()?, socket)),
                Given::Unix(socket) => all.unix.push(socket),
                Given::Line(line) => predecessor = Some(Predecessor(line)),
            }
        }
        Ok((all, predecessor))
    }

    /// Every socket that listens at an address; of one that leaves the port to the system, those of the first port.
    pub(super) fn tcp(&mut self, asked: SocketAddr) -> Vec<TcpListener> {
        take(&mut self.tcp, asked)
    }

    /// The same for datagrams.
    pub(super) fn udp(&mut self, asked: SocketAddr) -> Vec<UdpSocket> {
        take(&mut self.udp, asked)
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

    #[cfg(test)]
    pub(super) fn of_tcp(sockets: impl Iterator<Item = TcpListener>) -> Self {
        let named = |socket: TcpListener| (socket.local_addr().unwrap(), socket);
        Self {
            tcp: sockets.map(named).collect(),
            ..Self::default()
        }
    }

    /// What nobody took.
    pub fn left_over(&self) -> Vec<String> {
        let tcp = self.tcp.iter().map(|(addr, _)| addr.to_string());
        let udp = self.udp.iter().map(|(addr, _)| format!("udp {addr}"));
        let path = |socket: &UnixListener| match socket.local_addr() {
            Ok(addr) => format!("{:?}", addr.as_pathname().unwrap_or(Path::new(""))),
            Err(_) => "a socket without a name".to_owned(),
        };
        tcp.chain(udp).chain(self.unix.iter().map(path)).collect()
    }
}

impl Given {
    fn of(given: &mut ListenFd, at: usize) -> io::Result<Self> {
        if let Ok(Some(socket)) = given.take_tcp_listener(at) {
            socket.set_nonblocking(true)?;
            return Ok(Self::Tcp(socket));
        }
        if let Ok(Some(socket)) = given.take_udp_socket(at) {
            socket.set_nonblocking(true)?;
            return Ok(Self::Udp(socket));
        }
        let Some(unix) = given.take_unix_listener(at)? else {
            let why = format!("descriptor {} of LISTEN_FDS is missing", at + 3);
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        };
        if !socket_acceptconn(&unix)? {
            return Ok(Self::Line(OwnedFd::from(unix).into()));
        }
        unix.set_nonblocking(true)?;
        Ok(Self::Unix(unix))
    }
}

/// Takes the sockets of an address out of all.
fn take<S>(all: &mut Vec<(SocketAddr, S)>, asked: SocketAddr) -> Vec<S> {
    let fits = |addr: &SocketAddr| match asked.port() {
        0 => addr.ip() == asked.ip(),
        _ => *addr == asked,
    };
    let Some(addr) = all.iter().map(|(addr, _)| *addr).find(fits) else {
        return Vec::new();
    };
    let taken = all.extract_if(.., |(at, _)| *at == addr);
    taken.map(|(_, socket)| socket).collect()
}

impl Predecessor {
    /// Says that we serve: the server before stops accepting, and ends what it has begun. What comes back tells when it
    /// is gone.
    ///
    /// # Errors
    /// Where it is gone already, or the system refuses a thread.
    pub fn dismiss(mut self) -> io::Result<Departure> {
        self.0.write_all(&[READY])?;
        let (here, gone) = watch::channel(());
        let wait = move || {
            // An end, or an error: either way it is not there any more.
            while matches!(self.0.read(&mut [0; 16]), Ok(1..)) {}
            drop(here);
        };
        std::thread::Builder::new()
            .name("predecessor".to_owned())
            .spawn(wait)?;
        Ok(Departure(gone))
    }
}

impl Departure {
    /// Waits until it is gone.
    pub(super) async fn over(mut self) {
        while self.0.changed().await.is_ok() {}
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
            ..Inherited::default()
        };
        assert_eq!(inherited.tcp(a).len(), 2);
        assert_eq!(inherited.tcp(a).len(), 0);
        assert_eq!(inherited.left_over(), [b.to_string()]);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(inherited.tcp(any)[0].local_addr().unwrap(), b);
        assert!(inherited.left_over().is_empty());
    }

    #[tokio::test]
    async fn a_line_tells_each_end_of_the_other() {
        let (mut before, after) = UnixStream::pair().unwrap();
        let departure = Predecessor(after).dismiss().unwrap();
        let mut said = [0; 1];
        before.read_exact(&mut said).unwrap();
        assert_eq!(said, [READY]);
        let waited = std::time::Duration::from_millis(20);
        let here = tokio::time::timeout(waited, departure.clone().over());
        assert!(here.await.is_err(), "it is not gone yet");
        drop(before);
        departure.over().await;
    }
}
