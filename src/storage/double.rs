//! A storage that answers by script, for the tests of the decorators.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::{Error, Object, ObjectMeta, Read, Storage, Validator};
use crate::media::AssetPath;

/// What the storage does at one GET. Each takes 10 ms.
#[derive(Debug)]
pub(super) enum Step {
    /// Answers, with these pieces as the body.
    Answer(Vec<Result<&'static str, Error>>),
    /// Fails.
    Fail(Error),
}

#[derive(Debug, Default)]
pub(super) struct Double {
    steps: Mutex<VecDeque<Step>>,
    asked: Arc<Mutex<Vec<Option<Range<u64>>>>>,
}

impl Double {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: Mutex::new(steps.into_iter().collect()),
            asked: Arc::default(),
        }
    }

    /// The ranges asked for so far; stays readable when the storage has moved into a decorator.
    pub(super) fn asked(&self) -> Arc<Mutex<Vec<Option<Range<u64>>>>> {
        Arc::clone(&self.asked)
    }
}

pub(super) fn asset() -> AssetPath {
    AssetPath::from_decoded("title/seg-1.m4s").unwrap()
}

pub(super) async fn collect(mut object: Object) -> Result<String, Error> {
    let mut text = String::new();
    while let Some(piece) = object.body.next().await {
        text.push_str(std::str::from_utf8(&piece?).unwrap());
    }
    Ok(text)
}

fn meta() -> ObjectMeta {
    ObjectMeta {
        len: 1000,
        validator: Validator {
            etag: "\"v1\"".into(),
            version_id: None,
        },
        last_modified: None,
        content_type: None,
        cache_control: None,
        content_encoding: None,
    }
}

impl Storage for Double {
    fn get<'a>(
        &'a self,
        _asset: &'a AssetPath,
        read: Read<'a>,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(read.range.clone());
            let step = self
                .steps
                .lock()
                .unwrap()
                .pop_front()
                .expect("the script has another step");
            tokio::time::sleep(Duration::from_millis(10)).await;
            match step {
                Step::Fail(error) => Err(error),
                Step::Answer(pieces) => {
                    let pieces = pieces
                        .into_iter()
                        .map(|p| p.map(|t| Bytes::from_static(t.as_bytes())));
                    let body = stream::iter(pieces).boxed();
                    Ok(Object {
                        meta: meta(),
                        range: read.range.unwrap_or(0..1000),
                        body,
                    })
                }
            }
        })
    }

    fn head<'a>(&'a self, _asset: &'a AssetPath) -> BoxFuture<'a, Result<ObjectMeta, Error>> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(meta())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
