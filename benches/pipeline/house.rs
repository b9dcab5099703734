//! A small server without sockets: a handler over a cache over memory storage, and requests for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use caudal::cache::{Cache, Lifetimes, Placement, Rules, Settings, Source, StorageId};
use caudal::delivery::{Compression, Delivery};
use caudal::exchange::{Peer, Request, Response};
use caudal::handler::{CacheControl, Cors, Handler, Parts, Route, Routes};
use caudal::media::{AssetPath, Class};
use caudal::storage::memory::{Attributes, Memory};
use caudal::telemetry::{AccessLog, Instruments};
use http_body_util::BodyExt;
use tokio::runtime::Runtime;

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// Bodies of these sizes, in bytes: a playlist, a small segment, a segment, a large one.
pub(crate) const SIZES: [(&str, usize); 4] = [
    ("2KiB", 2 * KIB),
    ("64KiB", 64 * KIB),
    ("1MiB", MIB),
    ("4MiB", 4 * MIB),
];

pub(crate) struct House {
    pub(crate) viewers: Runtime,
    background: Runtime,
    pub(crate) storage: Arc<Memory>,
    pub(crate) cache: Arc<Cache>,
    instruments: Arc<Instruments>,
}

impl House {
    pub(crate) fn build() -> Self {
        let background = Runtime::new().expect("a runtime");
        let viewers = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let instruments = Arc::new(Instruments::new());
        let storage = Arc::new(Memory::new());
        for (name, size) in SIZES {
            put(&storage, &format!("{name}.m4s"), vec![7; size]);
        }
        put(&storage, "playlist.m3u8", playlist());
        let source = Source {
            storages: vec![storage.clone()],
            rules: rules(),
        };
        let handle = background.handle().clone();
        let cache = Cache::new(settings(), source, handle, instruments.clone());
        Self {
            viewers,
            background,
            storage,
            cache,
            instruments,
        }
    }

    pub(crate) fn handler(&self) -> Handler {
        let compression = Compression {
            enabled: true,
            min: 860,
            max: 8 << 20,
            level: 6,
            memory: 16 << 20,
        };
        let route = Route {
            path: "/".into(),
            storage: StorageId(0),
            strip_prefix: false,
            prepend: String::new(),
            instruments: Arc::new(self.instruments.route("/")),
            policy: None,
            takes_prefix: false,
            access: Arc::new(self.instruments.access("-")),
        };
        let value = http::HeaderValue::from_static("public, max-age=60");
        Handler::new(Parts {
            gate: Arc::default(),
            routes: vec![Routes::new(vec![route])],
            unrouted: Arc::new(self.instruments.route("-")),
            delivery: Arc::new(Delivery::new(
                self.cache.clone(),
                compression,
                self.background.handle().clone(),
            )),
            cors: Cors::new("*", false, Duration::from_secs(86_400)).expect("an origin"),
            cache_control: CacheControl {
                absent: value.clone(),
                classes: Class::ALL.map(|_| value.clone()),
                honour_object: true,
            },
            access_log: log(&self.instruments),
            instruments: self.instruments.clone(),
            sessions: Some(Arc::default()),
        })
    }
}

/// The log as a server has it, into nothing: what a line costs the request is part of the figure.
fn log(instruments: &Arc<Instruments>) -> AccessLog {
    let format = caudal::telemetry::Format::Json;
    AccessLog::to(std::io::sink(), format, instruments.clone())
        .expect("a thread")
        .0
}

fn put(storage: &Memory, name: &str, bytes: Vec<u8>) {
    let path = AssetPath::from_decoded(name).expect("a path");
    storage.insert(path, bytes, Attributes::default());
}

fn playlist() -> Vec<u8> {
    let segments: String = (1..80)
        .map(|n| format!("#EXTINF:4.0,\nseg-{n}.m4s\n"))
        .collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{segments}#EXT-X-ENDLIST\n").into_bytes()
}

fn settings() -> Settings {
    Settings {
        memory: 256 << 20,
        fill_reserve: 64 << 20,
        block: 1 << 20,
        run: 8 << 20,
        placement: Placement::Hot,
        fill_wait: Duration::from_secs(2),
        fill_timeout: Duration::from_secs(60),
        fill_attempts: 4,
        versions_memory: 16 << 20,
    }
}

fn rules() -> Rules {
    let hour = Duration::from_secs(3600);
    let lifetimes = Lifetimes {
        fresh: hour,
        stale_while_revalidate: hour,
        stale_if_error: hour,
        no_store: false,
    };
    Rules {
        absent: Duration::from_secs(5),
        classes: [lifetimes; Class::ALL.len()],
        honour_object: true,
    }
}

pub(crate) fn request(path: &str, headers: &[(&'static str, &'static str)]) -> Request {
    let mut map = http::HeaderMap::new();
    for (name, value) in [
        ("host", "origin.example"),
        ("user-agent", "Amazon CloudFront"),
    ]
    .iter()
    .chain(headers)
    {
        map.insert(*name, http::HeaderValue::from_static(value));
    }
    Request {
        method: http::Method::GET,
        uri: path.parse().expect("a target"),
        version: http::Version::HTTP_11,
        headers: map,
        peer: Peer::plain(([127, 0, 0, 1], 4711).into()),
        received: Instant::now(),
    }
}

pub(crate) async fn read(response: Response) -> usize {
    let mut body = response.body;
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame
            .expect("a whole body")
            .data_ref()
            .map_or(0, Bytes::len);
    }
    bytes
}
