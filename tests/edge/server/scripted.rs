//! A storage that does what a test tells it: waits at a gate, fails, breaks off, changes its mind.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Mutex;

use bytes::Bytes;
use caudal::media::AssetPath;
use caudal::storage::{Error, Object, ObjectMeta, Pin, Read, Storage, Validator};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

/// See the module. Share it by `Arc`.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    objects: Mutex<HashMap<String, (Bytes, ObjectMeta)>>,
    script: Mutex<VecDeque<Act>>,
    reads: Mutex<Vec<Seen>>,
    /// While closed, bodies stop after their first piece.
    gate: Gate,
    /// Whether conditions are ignored, as some S3 lookalikes do.
    ignores_conditions: bool,
}

/// What the storage does with its next read.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// As it should.
    Serve,
    /// Fails before the head.
    Fail(Error),
    /// Breaks off after so many bytes, with this error (or as if at the end).
    Break(usize, Option<Error>),
    /// Sends more than it announced.
    Overrun,
    /// Answers another range than it was asked for.
    Misalign,
    /// Panics.
    Panic,
}

/// A read as the storage saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) range: Option<Range<u64>>,
    pub(crate) pinned: Option<String>,
    pub(crate) unless: Option<String>,
}

#[derive(Debug)]
struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::channel(true).0)
    }
}

/// Bytes of a body's piece: small, so that a block takes many.
const PIECE: usize = 64 * 1024;

impl Scripted {
    pub(crate) fn ignoring_conditions() -> Self {
        Self {
            ignores_conditions: true,
            ..Self::default()
        }
    }

    pub(crate) fn put(&self, path: &str, bytes: Bytes, etag: &str) {
        self.put_with(path, bytes, etag, None);
    }

    pub(crate) fn put_with(
        &self,
        path: &str,
        bytes: Bytes,
        etag: &str,
        cache_control: Option<&str>,
    ) {
        let meta = ObjectMeta {
            len: bytes.len() as u64,
            validator: Validator {
                etag: format!("\"{etag}\"").into(),
                version_id: None,
            },
            last_modified: Some(
                std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000),
            ),
            content_type: None,
            cache_control: cache_control.map(Into::into),
            content_encoding: None,
        };
        self.objects
            .lock()
            .unwrap()
            .insert(path.to_owned(), (bytes, meta));
    }

    pub(crate) fn remove(&self, path: &str) {
        self.objects.lock().unwrap().remove(path);
    }

    /// What the next reads do, in order; the ones after that serve.
    pub(crate) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().extend(acts);
    }

    pub(crate) fn close_gate(&self) {
        self.gate.0.send_replace(false);
    }

    pub(crate) fn open_gate(&self) {
        self.gate.0.send_replace(true);
    }

    pub(crate) fn reads(&self) -> Vec<Seen> {
        self.reads.lock().unwrap().clone()
    }

    fn answer(&self, asset: &AssetPath, read: &Read<'_>) -> Result<Object, Error> {
        let tag = |v: &Validator| v.etag.to_string();
        let (pinned, unless) = match read.pin {
            Pin::Any => (None, None),
            Pin::Match(v) => (Some(tag(v)), None),
            Pin::NoneMatch(v) => (None, Some(tag(v))),
        };
        let seen = Seen {
            path: asset.to_string(),
            range: read.range.clone(),
            pinned: pinned.clone(),
            unless: unless.clone(),
        };
        self.reads.lock().unwrap().push(seen);
        let act = self
            .script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Act::Serve);
        match &act {
            Act::Fail(error) => return Err(error.clone()),
            Act::Panic => panic!("the script says so"),
            _ => {}
        }
        let found = self.objects.lock().unwrap().get(asset.as_str()).cloned();
        let (bytes, meta) = found.ok_or(Error::NotFound)?;
        let etag = meta.validator.etag.to_string();
        if !self.ignores_conditions {
            if pinned.is_some_and(|pinned| pinned != etag) {
                return Err(Error::Changed);
            }
            if unless.is_some_and(|unless| unless == etag) {
                return Err(Error::NotModified);
            }
        }
        let asked = read.range.clone().unwrap_or(0..meta.len);
        if asked.start >= meta.len && read.range.is_some() {
            return Err(Error::RangeNotSatisfiable {
                len: Some(meta.len),
            });
        }
        let mut range = asked.start..asked.end.min(meta.len);
        let mut content = bytes.slice(range.start as usize..range.end as usize);
        let mut ending = None;
        match act {
            Act::Break(after, error) => {
                content.truncate(after);
                ending = error.map(Err);
            }
            Act::Overrun => content = [&content[..], b"more"].concat().into(),
            Act::Misalign => range.start += 1,
            _ => {}
        }
        Ok(Object {
            meta,
            range,
            body: self.body(content, ending),
        })
    }

    fn body(&self, content: Bytes, ending: Option<Result<Bytes, Error>>) -> caudal::storage::Body {
        let pieces: Vec<Bytes> = (0..content.len())
            .step_by(PIECE)
            .map(|at| content.slice(at..content.len().min(at + PIECE)))
            .collect();
        let gate = self.gate.0.subscribe();
        let gated = stream::iter(pieces.into_iter().enumerate()).then(move |(index, piece)| {
            let mut gate = gate.clone();
            async move {
                if index > 0 {
                    let _ = gate.wait_for(|open| *open).await;
                }
                Ok(piece)
            }
        });
        let items = gated.chain(stream::iter(ending)).boxed();
        // Panics when it is polled past its end, as a stream may.
        stream::unfold(items, |mut items| async {
            Some((items.next().await?, items))
        })
        .boxed()
    }
}

impl Storage for Scripted {
    fn get<'a>(
        &'a self,
        asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move { self.answer(asset, &read) })
    }

    fn head<'a>(&'a self, asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(async move {
            let objects = self.objects.lock().unwrap();
            objects
                .get(asset.as_str())
                .map(|(_, meta)| meta.clone())
                .ok_or(Error::NotFound)
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
