//! Sockets for every worker: bound anew, or taken over from whoever has bound them before us.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};

use super::inherit::Inherited;
use super::{BindError, Listener, quic};

/// Connections the kernel queues for a worker that is busy.
const BACKLOG: i32 = 4096;

/// Datagrams that wait to be read, and to be sent, in bytes.
const DATAGRAM_BUFFER: usize = 2 << 20;

/// Who may connect to a socket in the file system: its owner and its group.
const MODE: u32 = 0o660;

/// What a worker listens on. Numbers are listeners', in their order.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) ears: Vec<(usize, Ear)>,
    pub(super) datagrams: Vec<(usize, UdpSocket, quic::Place)>,
}

/// A socket that accepts connections.
#[derive(Debug)]
pub(super) enum Ear {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Binds, worker by worker.
pub(super) struct Binder<'a> {
    pub(super) own: Vec<Own>,
    /// With the ports the system chose.
    pub(super) addrs: Vec<SocketAddr>,
    /// Ports that listeners have over IPv4 by an address of their own: `[::]` leaves IPv4 to them.
    over_ipv4: Vec<u16>,
    inherited: &'a mut Inherited,
}

impl<'a> Binder<'a> {
    pub(super) fn new(
        workers: usize,
        listeners: &[Listener],
        inherited: &'a mut Inherited,
    ) -> Self {
        let addrs = listeners.iter().flat_map(|listener| &listener.addrs);
        let over_ipv4 = addrs.filter(|addr| addr.is_ipv4()).map(SocketAddr::port);
        Self {
            over_ipv4: over_ipv4.collect(),
            own: std::iter::repeat_with(Own::default).take(workers).collect(),
            addrs: Vec::new(),
            inherited,
        }
    }

    /// Gives every worker its part of a listener.
    pub(super) fn listen(&mut self, at: usize, listener: &Listener) -> Result<(), BindError> {
        for asked in &listener.addrs {
            let failed = |source| BindError::at(asked, source);
            let addr = self.tcp(at, *asked).map_err(failed)?;
            if listener.http3 {
                self.udp(at, addr).map_err(failed)?;
            }
            self.addrs.push(addr);
        }
        let Some(path) = &listener.path else {
            return Ok(());
        };
        self.unix(at, path)
            .map_err(|source| BindError::at(path.display(), source))
    }

    fn tcp(&mut self, at: usize, asked: SocketAddr) -> io::Result<SocketAddr> {
        let workers = self.own.len();
        let mut sockets = self.inherited.tcp(asked);
        let mut addr = asked;
        if sockets.is_empty() {
            for worker in 0..workers {
                let socket = listener(addr, self.families(addr), Share::of(worker))?;
                // Where the system chose the port, the others need the same one.
                addr = socket.local_addr()?;
                sockets.push(socket);
            }
        }
        // More sockets than workers: none may be left without somebody who accepts. Fewer, as of systemd: they are shared.
        for n in 0..sockets.len().max(workers) {
            let socket = sockets[n % sockets.len()].try_clone()?;
            addr = socket.local_addr()?;
            self.own[n % workers].ears.push((at, Ear::Tcp(socket)));
        }
        Ok(addr)
    }

    fn udp(&mut self, at: usize, addr: SocketAddr) -> io::Result<()> {
        let workers = self.own.len();
        let mut sockets = self.inherited.udp(addr);
        if sockets.is_empty() {
            for worker in 0..workers {
                let families = self.families(addr);
                sockets.push(datagrams(addr, families, Share::of(worker))?);
            }
        }
        // Datagrams of one connection have to come to one place: sockets are not shared.
        let places = quic::places(sockets.len()).into_iter();
        for (n, (socket, place)) in sockets.into_iter().zip(places).enumerate() {
            self.own[n % workers].datagrams.push((at, socket, place));
        }
        Ok(())
    }

    fn families(&self, addr: SocketAddr) -> Families {
        match addr.is_ipv6() && self.over_ipv4.contains(&addr.port()) {
            true => Families::Own,
            false => Families::Both,
        }
    }

    /// One worker is enough for whoever comes by a path.
    fn unix(&mut self, at: usize, path: &Path) -> io::Result<()> {
        let socket = match self.inherited.unix(path) {
            Some(socket) => socket,
            None => in_the_file_system(path)?,
        };
        if let Some(first) = self.own.first_mut() {
            first.ears.push((at, Ear::Unix(socket)));
        }
        Ok(())
    }
}

impl Own {
    /// Every socket once more, for whoever takes over.
    pub(super) fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let ears = self.ears.iter().map(|(_, ear)| match ear {
            Ear::Tcp(socket) => Ok(socket.try_clone()?.into()),
            Ear::Unix(socket) => Ok(socket.try_clone()?.into()),
        });
        let datagrams = self.datagrams.iter();
        let datagrams = datagrams.map(|(_, socket, _)| Ok(socket.try_clone()?.into()));
        ears.chain(datagrams).collect()
    }
}

/// What a socket for IPv6 takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    /// IPv6 alone.
    Own,
    /// IPv4 too, at `[::]`.
    Both,
}

/// Which of a port's sockets is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// The first: it fails where anybody else has the port, another caudal included.
    First,
    /// One more, for another worker of ours.
    Further,
}

impl Share {
    /// Of a worker, by its number.
    fn of(worker: usize) -> Self {
        match worker {
            0 => Self::First,
            _ => Self::Further,
        }
    }
}

fn listener(addr: SocketAddr, families: Families, share: Share) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    bind(&socket, addr, families, share)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn datagrams(addr: SocketAddr, families: Families, share: Share) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    bind(&socket, addr, families, share)?;
    // A burst of a handshake flood or of acknowledgements waits here; the system may allow less.
    let _ = socket.set_recv_buffer_size(DATAGRAM_BUFFER);
    let _ = socket.set_send_buffer_size(DATAGRAM_BUFFER);
    Ok(socket.into())
}

fn bind(socket: &Socket, addr: SocketAddr, families: Families, share: Share) -> io::Result<()> {
    if addr.is_ipv6() {
        // Whatever the system's default.
        socket.set_only_v6(families == Families::Own)?;
    }
    socket.set_nonblocking(true)?;
    if share == Share::Further {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&addr.into())?;
    if share == Share::First {
        // Only now: with SO_REUSEPORT before its bind, two servers of one user would share the port and
        // each get half of the viewers.
        socket.set_reuse_port(true)?;
    }
    Ok(())
}

/// A socket at a path. One that is left from a server that was killed gives way; one where somebody answers does not.
fn in_the_file_system(path: &Path) -> io::Result<UnixListener> {
    let socket = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_deserted(path)? => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether a path is a socket on which nobody answers. Anything else is not ours to remove.
fn is_deserted(path: &Path) -> io::Result<bool> {
    let refuses = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
    Ok(is_socket && UnixStream::connect(path).is_err_and(refuses))
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    fn plain(addr: SocketAddr) -> Listener {
        Listener {
            name: "plain".to_owned(),
            addrs: vec![addr],
            path: None,
            tls: None,
            http2: true,
            http3: false,
            early_data: false,
            limits: Limits::lavish(),
            max_connections: None,
        }
    }

    fn ears(binder: &Binder<'_>) -> Vec<usize> {
        binder.own.iter().map(|own| own.ears.len()).collect()
    }

    #[test]
    fn sockets_taken_over_are_dealt_out_so_that_each_has_a_worker_and_each_worker_one() {
        let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
        for (before, after, dealt) in [
            (1, 3, vec![1, 1, 1]),
            (3, 2, vec![2, 1]),
            (2, 2, vec![1, 1]),
        ] {
            let mut nothing = Inherited::default();
            let mut first = Binder::new(before, &[], &mut nothing);
            first.listen(0, &plain(loopback)).unwrap();
            let addr = first.addrs[0];
            let sockets = first.own.into_iter().flat_map(|own| own.ears);
            let mut inherited = Inherited::of_tcp(sockets.map(|(_, ear)| match ear {
                Ear::Tcp(socket) => socket,
                Ear::Unix(_) => unreachable!("there is no path"),
            }));
            let mut next = Binder::new(after, &[], &mut inherited);
            next.listen(0, &plain(addr)).unwrap();
            assert_eq!(ears(&next), dealt, "{before} to {after}");
            assert_eq!(next.addrs, [addr]);
        }
    }

    #[test]
    fn both_families_at_one_port_have_a_socket_each_and_one_alone_takes_both() {
        let mut nothing = Inherited::default();
        let free = Binder::new(1, &[], &mut nothing)
            .tcp(0, "0.0.0.0:0".parse().unwrap())
            .unwrap();
        let any6 = SocketAddr::new("::".parse().unwrap(), free.port());
        let both = |addrs| Listener {
            addrs,
            ..plain(free)
        };
        for addrs in [vec![free, any6], vec![any6, free]] {
            let listeners = [both(addrs.clone())];
            let mut nothing = Inherited::default();
            let mut binder = Binder::new(2, &listeners, &mut nothing);
            binder.listen(0, &listeners[0]).unwrap();
            assert_eq!(binder.addrs, addrs);
            for addr in ["127.0.0.1", "[::1]"] {
                let addr = format!("{addr}:{}", free.port());
                std::net::TcpStream::connect(addr).unwrap();
            }
        }
        let listeners = [both(vec![any6])];
        let mut binder = Binder::new(1, &listeners, &mut nothing);
        binder.listen(0, &listeners[0]).unwrap();
        std::net::TcpStream::connect(("127.0.0.1", free.port())).unwrap();
    }

    #[test]
    fn a_path_left_by_the_dead_is_taken_one_of_the_living_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(in_the_file_system(&path).unwrap());
        let living = in_the_file_system(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let refused = in_the_file_system(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(living);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert!(in_the_file_system(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    }
}
