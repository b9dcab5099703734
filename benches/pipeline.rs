//! What a request costs inside caudal: the whole pipeline over memory storage (a request in; head and body
//! out), and its parts: range arithmetic, the cache lookup, following a block that is being filled.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use caudal::cache::{
    AssetKey, Cache, First, Lifetimes, Placement, Rules, Settings, Slot, StorageId,
};
use caudal::delivery::{Compression, Delivery};
use caudal::exchange::{Peer, Request, Response};
use caudal::handler::{CacheControl, Cors, Handler, Parts, Route, Routes};
use caudal::media::{AssetPath, Class, RangeSet};
use caudal::storage::Storage;
use caudal::storage::memory::{Attributes, Memory};
use caudal::telemetry::{AccessLog, Instruments};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::BodyExt;
use tokio::runtime::Runtime;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Bodies of these sizes, in bytes: a playlist, a small segment, a segment, a large one.
const SIZES: [(&str, usize); 4] = [
    ("2KiB", 2 * KIB),
    ("64KiB", 64 * KIB),
    ("1MiB", MIB),
    ("4MiB", 4 * MIB),
];

struct House {
    viewers: Runtime,
    background: Runtime,
    storage: Arc<Memory>,
    cache: Arc<Cache>,
    instruments: Arc<Instruments>,
}

impl House {
    fn build() -> Self {
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
        let storages: Vec<Arc<dyn Storage>> = vec![storage.clone()];
        let handle = background.handle().clone();
        let cache = Cache::new(settings(), storages, handle, instruments.clone());
        Self {
            viewers,
            background,
            storage,
            cache,
            instruments,
        }
    }

    fn handler(&self) -> Handler {
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
        };
        let value = http::HeaderValue::from_static("public, max-age=60");
        Handler::new(Parts {
            routes: Routes::new(vec![route], Arc::new(self.instruments.route("-"))),
            delivery: Delivery::new(
                self.cache.clone(),
                compression,
                self.background.handle().clone(),
            ),
            cors: Cors::new("*", Duration::from_secs(86_400)).expect("an origin"),
            cache_control: CacheControl {
                absent: value.clone(),
                classes: Class::ALL.map(|_| value.clone()),
                honour_object: true,
            },
            access_log: log(&self.instruments),
            instruments: self.instruments.clone(),
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
    let hour = Duration::from_secs(3600);
    let lifetimes = Lifetimes {
        fresh: hour,
        stale_while_revalidate: hour,
        stale_if_error: hour,
        no_store: false,
    };
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
        absent: Duration::from_secs(5),
        rules: Rules {
            classes: [lifetimes; Class::ALL.len()],
            honour_object: true,
        },
    }
}

fn request(path: &str, headers: &[(&'static str, &'static str)]) -> Request {
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
        peer: Peer {
            addr: ([127, 0, 0, 1], 4711).into(),
        },
        received: Instant::now(),
    }
}

async fn read(response: Response) -> usize {
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

fn pipeline(c: &mut Criterion) {
    let house = House::build();
    let handler = house.handler();
    let mut group = c.benchmark_group("pipeline");
    let mut ask = |name: &str, path: &str, headers: &[(&'static str, &'static str)]| {
        let run = || async { read(handler.handle(request(path, headers)).await).await };
        let len = house.viewers.block_on(run());
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(name, |b| {
            b.iter(|| black_box(house.viewers.block_on(run())))
        });
    };
    for (name, _) in SIZES {
        ask(&format!("hit/{name}"), &format!("/{name}.m4s"), &[]);
    }
    ask(
        "range/64KiB",
        "/4MiB.m4s",
        &[("range", "bytes=1500000-1565535")],
    );
    ask("playlist", "/playlist.m3u8", &[]);
    ask(
        "playlist/gzip",
        "/playlist.m3u8",
        &[("accept-encoding", "gzip")],
    );
    ask("not-modified", "/1MiB.m4s", &[("if-none-match", "*")]);
    ask("absent", "/nothing.m4s", &[]);
    group.finish();
}

/// A cold object each time: open, fill and send, with no storage latency in it.
fn miss(c: &mut Criterion) {
    let house = House::build();
    let handler = house.handler();
    let mut group = c.benchmark_group("miss");
    for (name, size) in [("64KiB", 64 * KIB), ("1MiB", MIB)] {
        let bytes = Bytes::from(vec![7; size]);
        let mut count = 0u64;
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter_batched(
                || {
                    count += 1;
                    let path = format!("cold-{name}-{count}.m4s");
                    let asset = AssetPath::from_decoded(&path).expect("a path");
                    house
                        .storage
                        .insert(asset, bytes.clone(), Attributes::default());
                    path
                },
                |path| {
                    let asked = request(&format!("/{path}"), &[]);
                    let sent = house
                        .viewers
                        .block_on(async { read(handler.handle(asked).await).await });
                    house
                        .storage
                        .remove(&AssetPath::from_decoded(&path).expect("a path"));
                    sent
                },
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn parts(c: &mut Criterion) {
    c.bench_function("range/parse and resolve", |b| {
        b.iter(|| {
            RangeSet::parse(black_box("bytes=1500000-1565535")).map(|set| set.resolve(4 << 20))
        });
    });
    c.bench_function("path/parse", |b| {
        b.iter(|| AssetPath::parse(black_box("/vod/tears%20of%20steel/720p/seg-42.m4s")));
    });
    let house = House::build();
    let path = AssetPath::from_decoded("4MiB.m4s").expect("a path");
    let key = AssetKey {
        storage: StorageId(0),
        path,
    };
    let open = || async {
        house
            .cache
            .open(&key, First::From(0))
            .await
            .expect("a version")
    };
    let found = house.viewers.block_on(open());
    let len = found.version.meta.len;
    c.bench_function("cache/open", |b| b.iter(|| house.viewers.block_on(open())));
    c.bench_function("cache/window of 4 blocks", |b| {
        b.iter(|| house.cache.window(&found.version, &(0..len), None));
    });
    c.bench_function("cache/follow a block", |b| {
        let window = house.cache.window(&found.version, &(0..len), None);
        b.iter(|| {
            let Slot::Pinned(block) = &window.blocks[0] else {
                unreachable!("the first block of a window is pinned")
            };
            house.viewers.block_on(block.read(black_box(4096), 65536))
        });
    });
}

criterion_group!(benches, pipeline, miss, parts);
criterion_main!(benches);
