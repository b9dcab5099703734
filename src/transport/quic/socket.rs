//! Sockets of one port, one a worker, and the datagrams that came to the wrong one.
//!
//! The kernel deals a client's datagrams out by its address. One that moves (from a wireless network to a mobile one,
//! behind another port of its router) comes to another worker's socket. Connection ids say whose it is: the worker's
//! number stands in each, mixed with a secret, for nobody else is to tell two ids of one connection (RFC 9000 section
//! 5.1).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, Runtime, UdpPoller};
use tokio::sync::mpsc;

/// Length of our connection ids.
const CID: usize = 8;

/// Datagrams that wait for a worker; more are lost, as datagrams are.
const WAITING: usize = 256;

/// A worker's place among those of a port.
#[derive(Clone)]
pub(in super::super) struct Place {
    worker: u8,
    secret: RandomState,
    others: Arc<[mpsc::Sender<Datagrams>]>,
    inbox: Arc<Mutex<mpsc::Receiver<Datagrams>>>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.worker)
    }
}

/// What came at once from one client.
struct Datagrams {
    bytes: Vec<u8>,
    meta: RecvMeta,
}

/// The places of so many workers.
pub(in super::super) fn places(workers: usize) -> Vec<Place> {
    let secret = RandomState::new();
    let (others, inboxes): (Vec<_>, Vec<_>) = std::iter::repeat_with(|| mpsc::channel(WAITING))
        .take(workers)
        .unzip();
    let others: Arc<[_]> = others.into();
    let numbered = inboxes.into_iter().enumerate();
    let places = numbered.map(|(worker, inbox)| Place {
        // There are at most 1,024 workers; those past 256 share a number, and a client that moves to one may be lost.
        worker: (worker % 256) as u8,
        secret: secret.clone(),
        others: others.clone(),
        inbox: Arc::new(Mutex::new(inbox)),
    });
    places.collect()
}

impl Place {
    /// A socket that hands on what is another worker's.
    pub(super) fn socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let own = quinn::TokioRuntime.wrap_udp_socket(socket)?;
        let place = self.clone();
        Ok(Arc::new(Dealing { own, place }))
    }

    /// What the number in an id is mixed with.
    fn mixed_with(&self, rest: &[u8]) -> u8 {
        (self.secret.hash_one(rest) >> 56) as u8
    }

    /// The worker that a datagram is for, where it says so: those with a long head (RFC 9000 section 17.2) come before
    /// a client can have moved.
    fn owner(&self, datagram: &[u8]) -> u8 {
        match datagram {
            [first, number, rest @ ..] if first & 0x80 == 0 && rest.len() >= CID => {
                number ^ self.mixed_with(&rest[..CID - 1])
            }
            _ => self.worker,
        }
    }
}

impl ConnectionIdGenerator for Place {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CID];
        // Without randomness there is no TLS either, and no connection to give an id to.
        let _ = aws_lc_rs::rand::fill(&mut id[1..]);
        id[0] = self.worker ^ self.mixed_with(&id[1..]);
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        CID
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// One worker's socket.
struct Dealing {
    own: Arc<dyn AsyncUdpSocket>,
    place: Place,
}

impl fmt::Debug for Dealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dealing({})", self.place.worker)
    }
}

impl Dealing {
    /// What others have handed on.
    fn handed_on(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> usize {
        let mut inbox = self
            .place
            .inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut taken = 0;
        while taken < bufs.len().min(meta.len()) {
            let Poll::Ready(Some(datagrams)) = inbox.poll_recv(cx) else {
                break;
            };
            let len = datagrams.bytes.len();
            if len <= bufs[taken].len() {
                bufs[taken][..len].copy_from_slice(&datagrams.bytes);
                meta[taken] = datagrams.meta;
                taken += 1;
            }
        }
        taken
    }

    /// Hands on what is another worker's. What is left of it here is empty, and passed over.
    fn deal(&self, bufs: &[IoSliceMut<'_>], meta: &mut [RecvMeta]) {
        for (buf, meta) in bufs.iter().zip(meta) {
            let bytes = &buf[..meta.len];
            let owner = self.place.owner(bytes);
            let other = self.place.others.get(usize::from(owner));
            let Some(other) = other.filter(|_| owner != self.place.worker) else {
                continue;
            };
            let handed_on = Datagrams {
                bytes: bytes.to_vec(),
                meta: *meta,
            };
            let _ = other.try_send(handed_on);
            meta.len = 0;
        }
    }
}

impl AsyncUdpSocket for Dealing {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.own.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.own.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let handed_on = self.handed_on(cx, bufs, meta);
        if handed_on > 0 {
            return Poll::Ready(Ok(handed_on));
        }
        let received = std::task::ready!(self.own.poll_recv(cx, bufs, meta))?;
        self.deal(&bufs[..received], &mut meta[..received]);
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.own.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.own.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.own.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.own.may_fragment()
    }
}
