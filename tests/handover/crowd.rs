//! Five hundred viewers who ask again and again, each on a connection of its own, and never ask twice for one thing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::house::{ASSETS, LENGTH};

pub(crate) const VIEWERS: usize = 500;

/// Between two requests of one viewer: well below the second that an idle connection is kept for once a drain has begun.
/// All together they ask for a thousand a second: there is always an answer under way, and a connection about to be asked on.
const PAUSE: Duration = Duration::from_millis(500);

/// For one answer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// What they have seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answers: AtomicU64,
    /// Answers after which a connection was said to end.
    pub(crate) farewells: AtomicU64,
    over: AtomicBool,
}

pub(crate) struct Crowd {
    pub(crate) seen: Arc<Seen>,
    viewers: JoinSet<Result<(), String>>,
}

/// Whether to be refused a connection is a failure, or how a viewer learns that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    IsFailure,
    IsTheEnd,
}

impl Crowd {
    pub(crate) fn gather(addr: SocketAddr, refused: Refused) -> Self {
        let seen = Arc::new(Seen::default());
        let mut viewers = JoinSet::new();
        for viewer in 0..VIEWERS {
            viewers.spawn(watch(addr, viewer, refused, seen.clone()));
        }
        Self { seen, viewers }
    }

    /// Waits until so many more answers have come.
    pub(crate) async fn sees(&mut self, more: u64) {
        let wanted = self.seen.answers.load(Ordering::Relaxed) + more;
        while self.seen.answers.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
            // Who ends before the others are sent away has failed.
            if let Some(ended) = self.viewers.try_join_next() {
                ended.unwrap().unwrap();
                panic!("a viewer has left before its time");
            }
        }
    }

    /// Sends all home, where they have not gone by themselves, and says why any has failed.
    pub(crate) async fn leaves(mut self, by_itself: bool) {
        self.seen.over.store(!by_itself, Ordering::Relaxed);
        let mut failed = Vec::new();
        while let Some(ended) = self.viewers.join_next().await {
            failed.extend(ended.unwrap().err());
        }
        let answers = self.seen.answers.load(Ordering::Relaxed);
        assert!(
            failed.is_empty(),
            "{} of {VIEWERS} viewers failed, after {answers} answers: {:?}",
            failed.len(),
            &failed[..failed.len().min(5)]
        );
    }
}

async fn watch(
    addr: SocketAddr,
    viewer: usize,
    refused: Refused,
    seen: Arc<Seen>,
) -> Result<(), String> {
    let mut connection = None;
    for n in 0.. {
        if seen.over.load(Ordering::Relaxed) {
            return Ok(());
        }
        // One that is known to have ended is not asked on; that is no second try.
        let open = connection.take();
        let open = open.filter(|sender: &SendRequest<_>| !sender.is_closed());
        let mut sender = match open {
            Some(sender) => sender,
            None => match connect(addr).await {
                Err(_) if refused == Refused::IsTheEnd => return Ok(()),
                Err(error) => return Err(format!("cannot connect: {error}")),
                Ok(sender) => sender,
            },
        };
        let asset = (viewer + n) % ASSETS;
        let asked = ask(&mut sender, asset);
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        let goes_on = asked.map_err(|_| "an answer does not end".to_owned())??;
        seen.answers.fetch_add(1, Ordering::Relaxed);
        match goes_on {
            true => connection = Some(sender),
            false => drop(seen.farewells.fetch_add(1, Ordering::Relaxed)),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn connect(addr: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, String> {
    let stream = TcpStream::connect(addr)
        .await
        .map_err(|error| error.to_string())?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Asks once, checks every byte, and says whether the connection goes on.
async fn ask(sender: &mut SendRequest<Empty<Bytes>>, asset: usize) -> Result<bool, String> {
    let request = http::Request::get(format!("/{asset}.m4s"))
        .header("host", "caudal.test")
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| format!("no answer: {error:?}"))?;
    let (head, body) = response.into_parts();
    if head.status != http::StatusCode::OK {
        return Err(format!("{}", head.status));
    }
    let body = body.collect().await;
    let body = body.map_err(|error| format!("an answer was cut: {error:?}"))?;
    let bytes = body.to_bytes();
    if bytes.len() != LENGTH || bytes.iter().any(|byte| usize::from(*byte) != asset) {
        return Err(format!("{} bytes, or wrong ones, of {asset}", bytes.len()));
    }
    Ok(head
        .headers
        .get("connection")
        .is_none_or(|value| value != "close"))
}
