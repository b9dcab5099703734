//! What a request costs inside caudal: the whole pipeline over memory storage (a request in; head and body
//! out), and its parts: range arithmetic, the cache lookup, following a block that is being filled, the policy.
//!
//! `make bench` holds each to its budget in `budgets.toml`.

use std::hash::{DefaultHasher, Hasher};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use caudal::cache::{AssetKey, First, Slot, StorageId};
use caudal::media::{AssetPath, RangeSet};
use caudal::storage::memory::Attributes;
use criterion::{BenchmarkId, Criterion, Throughput};

mod budgets;
mod house;
mod policy;

use house::{House, KIB, MIB, SIZES, read, request};

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
    // As hls.js says it with a segment in the middle of a film.
    ask(
        "hit/2KiB/cmcd",
        "/2KiB.m4s?CMCD=bl%3D11800%2Cbr%3D563%2Cd%3D4000%2Cmtp%3D27400%2Cot%3Dv%2Csf%3Dh%2C\
         sid%3D%226e2fb550-c457-11e9-bb97-0800200c9a66%22%2Cst%3Dv%2Ctb%3D563",
        &[],
    );
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
            .open(&key, First::From(0), Instant::now())
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

/// Work that has nothing to do with caudal: budgets are multiples of it, so that a slow machine does not break them.
fn calibration(c: &mut Criterion) {
    let bytes = vec![7_u8; 4 * KIB];
    c.bench_function(budgets::CALIBRATION, |b| {
        b.iter(|| {
            let mut hasher = DefaultHasher::new();
            hasher.write(&black_box(&bytes).to_vec());
            hasher.finish()
        });
    });
}

fn main() -> ExitCode {
    let begun = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    for bench in [calibration, pipeline, miss, parts, policy::bench] {
        bench(&mut criterion);
    }
    criterion.final_summary();
    budgets::judge(begun)
}
