//! What a client of HTTP may expect: ranges, conditions, methods, encodings, headers.

use std::io::Read as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::server::{Answer, Scripted, Server, pattern};

const MIB: usize = 1 << 20;
const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\nseg-1.m4s\n#EXTINF:4.0,\nseg-2.m4s\n#EXT-X-ENDLIST\n";

fn server(objects: &[(&str, Bytes)]) -> Server {
    let storage = Arc::new(Scripted::default());
    for (path, bytes) in objects {
        storage.put(path, bytes.clone(), "tag");
    }
    Server::over(storage, "")
}

fn long_playlist() -> Bytes {
    let segments: String = (1..200)
        .map(|n| format!("#EXTINF:4.0,\nseg-{n}.m4s\n"))
        .collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{segments}#EXT-X-ENDLIST\n").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_ranges() {
    let bytes = pattern(3 * MIB + 7, 1);
    let len = bytes.len();
    let server = server(&[("a.m4s", bytes.clone())]);
    let table: &[(&str, Option<Range<usize>>)] = &[
        ("bytes=0-0", Some(0..1)),
        ("bytes=0-", Some(0..len)),
        ("bytes=-1", Some(len - 1..len)),
        ("bytes=-99999999", Some(0..len)),
        ("bytes=1048575-1048576", Some(MIB - 1..MIB + 1)),
        ("bytes=3145728-", Some(3 * MIB..len)),
        ("bytes=10-18446744073709551616", Some(10..len)),
        ("bytes=10-99999999999999999999", Some(10..len)),
        ("BYTES=5-6", Some(5..7)),
        // Malformed or unknown: as if it were not there (RFC 9110 §14.2).
        ("bytes=6-5", None),
        ("bytes=a-b", None),
        ("lines=1-2", None),
        ("bytes 1-2", None),
    ];
    for (header, expected) in table {
        let answer = server.get_with("/a.m4s", &[("range", header)]).await;
        match expected {
            Some(range) => {
                assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{header}");
                assert_eq!(answer.bytes(), &bytes[range.clone()], "{header}");
                let content_range = format!("bytes {}-{}/{len}", range.start, range.end - 1);
                assert_eq!(answer.header("content-range"), content_range, "{header}");
                assert_eq!(answer.header("content-length"), range.len().to_string());
            }
            None => {
                assert_eq!(answer.status, StatusCode::OK, "{header}");
                assert_eq!(answer.bytes(), &bytes, "{header}");
            }
        }
        assert!(
            !answer.headers.contains_key("transfer-encoding"),
            "{header}"
        );
    }
    for header in ["bytes=3145735-", "bytes=-0", "bytes=18446744073709551615-"] {
        let answer = server.get_with("/a.m4s", &[("range", header)]).await;
        assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{header}");
        assert_eq!(answer.header("content-range"), format!("bytes */{len}"));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ranges_come_in_parts() {
    let bytes = pattern(2 * MIB, 2);
    let server = server(&[("a.m4s", bytes.clone())]);
    let answer = server
        .get_with("/a.m4s", &[("range", "bytes=0-999, 1500000-1500999, -500")])
        .await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
    assert!(!answer.headers.contains_key("content-range"));
    let content_type = answer.header("content-type").to_owned();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let body = answer.bytes();
    assert_eq!(answer.header("content-length"), body.len().to_string());
    let mut expected = Vec::new();
    for range in [0..1000, 1_500_000..1_501_000, 2 * MIB - 500..2 * MIB] {
        expected.extend(
            format!(
                "\r\n--{boundary}\r\nContent-Type: video/iso.segment\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
                range.start,
                range.end - 1,
                bytes.len()
            )
            .replace("video/iso.segment", part_type(body))
            .into_bytes(),
        );
        expected.extend(&bytes[range]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    assert_eq!(body, &expected);
}

fn part_type(body: &Bytes) -> &'static str {
    let head = String::from_utf8_lossy(&body[..200]).into_owned();
    ["video/iso.segment", "video/mp4"]
        .into_iter()
        .find(|t| head.contains(t))
        .expect("a part's media type")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_ranges_explode_nothing() {
    let bytes = pattern(10_000, 3);
    let server = server(&[("a.m4s", bytes.clone())]);
    for spec in ["0-", "0-0", "5-6"] {
        let header = format!("bytes={}", vec![spec; 1000].join(","));
        let answer = server.get_with("/a.m4s", &[("range", &header)]).await;
        assert!(
            answer.bytes().len() <= bytes.len(),
            "{spec}: {}",
            answer.bytes().len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_kept() {
    let bytes = pattern(1000, 4);
    let server = server(&[("a.m4s", bytes.clone())]);
    let first = server.get("/a.m4s").await;
    assert_eq!(first.header("etag"), "\"tag\"");
    let modified = first.header("last-modified").to_owned();
    for headers in [
        &[("if-none-match", "\"tag\"")][..],
        &[("if-modified-since", &modified)],
    ] {
        let answer = server.get_with("/a.m4s", headers).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{headers:?}");
        assert!(answer.bytes().is_empty());
        for name in [
            "etag",
            "cache-control",
            "last-modified",
            "cache-status",
            "access-control-allow-origin",
        ] {
            assert!(answer.headers.contains_key(name), "a 304 without {name}");
        }
    }
    let range = ("range", "bytes=0-9");
    for (if_range, status) in [
        ("\"tag\"", 206),
        (modified.as_str(), 206),
        ("\"other\"", 200),
        ("W/\"tag\"", 200),
    ] {
        let answer = server
            .get_with("/a.m4s", &[range, ("if-range", if_range)])
            .await;
        assert_eq!(answer.status.as_u16(), status, "{if_range}");
    }
    let answer = server
        .get_with("/a.m4s", &[("if-match", "\"other\"")])
        .await;
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_a_body() {
    let bytes = pattern(2 * MIB, 5);
    let server = server(&[("a.m4s", bytes.clone()), ("m.m3u8", PLAYLIST.into())]);
    for path in ["/a.m4s", "/m.m3u8"] {
        let head = server
            .ask(Method::HEAD, path, &[("range", "bytes=0-9")])
            .await;
        let get = server.get(path).await;
        assert_eq!(head.status, StatusCode::OK);
        assert!(head.bytes().is_empty());
        for name in [
            "content-length",
            "content-type",
            "etag",
            "last-modified",
            "cache-control",
            "accept-ranges",
        ] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let absent = server.ask(Method::HEAD, "/no", &[]).await;
    assert_eq!(
        (absent.status, absent.bytes().len()),
        (StatusCode::NOT_FOUND, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_where_it_came_from_and_who_may_read_it() {
    let server = server(&[("a.m4s", pattern(10, 6))]);
    let answers = [
        server.get("/a.m4s").await,
        server.get("/no.m4s").await,
        server.get("/a/../b").await,
        server.ask(Method::POST, "/a.m4s", &[]).await,
        server
            .ask(
                Method::OPTIONS,
                "/a.m4s",
                &[("origin", "https://x.example")],
            )
            .await,
        server.get_with("/a.m4s", &[("range", "bytes=99-")]).await,
        server.get(&format!("/{}", "a".repeat(9000))).await,
    ];
    let statuses: Vec<u16> = answers
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    assert_eq!(statuses, [200, 404, 400, 405, 204, 416, 414]);
    for answer in &answers {
        assert!(
            answer.header("cache-status").starts_with("caudal; "),
            "{answer:?}"
        );
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{answer:?}"
        );
        assert!(
            answer
                .header("access-control-expose-headers")
                .contains("Content-Range")
        );
        assert_eq!(answer.header("timing-allow-origin"), "*");
        assert!(!answer.header("date").is_empty());
    }
    assert_eq!(answers[3].header("allow"), "GET, HEAD, OPTIONS");
    assert!(
        answers[4]
            .header("access-control-allow-headers")
            .contains("Range")
    );
    assert_eq!(answers[4].header("access-control-max-age"), "86400");
    assert!(answers[0].header("server-timing").starts_with("cache;dur="));
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut text)
        .unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_playlist_is_an_entity_of_its_own() {
    let playlist = long_playlist();
    let server = server(&[
        ("m.m3u8", playlist.clone()),
        ("s.vtt", playlist.clone()),
        ("a.m4s", playlist.clone()),
    ]);
    let gzip = ("accept-encoding", "br, gzip");
    for path in ["/m.m3u8", "/s.vtt"] {
        let small = server.get_with(path, &[gzip]).await;
        assert_eq!(small.header("content-encoding"), "gzip");
        assert_eq!(small.header("etag"), "\"tag-gzip\"");
        assert_eq!(small.header("vary"), "Accept-Encoding");
        assert_eq!(small.header("accept-ranges"), "");
        assert_eq!(
            small.header("content-length"),
            small.bytes().len().to_string()
        );
        assert_eq!(gunzip(small.bytes()), playlist);
        let plain = server.get(path).await;
        assert_eq!(
            (plain.header("etag"), plain.header("vary")),
            ("\"tag\"", "Accept-Encoding")
        );
        assert_eq!(plain.bytes(), &playlist);
        let again = server
            .get_with(path, &[gzip, ("if-none-match", "\"tag-gzip\"")])
            .await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        let other = server
            .get_with(path, &[gzip, ("if-none-match", "\"tag\"")])
            .await;
        assert_eq!(other.status, StatusCode::OK);
        let ranged = server.get_with(path, &[gzip, ("range", "bytes=0-9")]).await;
        assert_eq!(ranged.bytes(), &playlist[..10]);
        assert_eq!(ranged.header("content-encoding"), "");
    }
    let media = server.get_with("/a.m4s", &[gzip]).await;
    assert_eq!(
        (media.header("content-encoding"), media.header("vary")),
        ("", "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifests_content_decides_how_long_it_lives() {
    let live = PLAYLIST.replace("#EXT-X-ENDLIST\n", "");
    let server = server(&[
        ("vod.m3u8", PLAYLIST.into()),
        ("live.m3u8", live.into()),
        ("k.key", pattern(16, 1)),
    ]);
    let told = async |path: &str| server.get(path).await.header("cache-control").to_owned();
    assert!(told("/vod.m3u8").await.contains("s-maxage=3600"));
    assert_eq!(told("/live.m3u8").await, "public, max-age=1");
    assert_eq!(told("/k.key").await, "private, no-store");
    let head = server.ask(Method::HEAD, "/vod.m3u8", &[]).await;
    assert!(head.header("cache-control").contains("s-maxage=3600"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_queries_lead_to_one_object_or_to_none() {
    let storage = Arc::new(Scripted::default());
    for name in ["vod/a b+c (1).m4s", "vod/ü.m4s", "vod/50%.m4s"] {
        storage.put(name, Bytes::copy_from_slice(name.as_bytes()), "tag");
    }
    let server = Server::over(storage.clone(), "");
    for (path, name) in [
        ("/vod/a%20b+c%20(1).m4s", "vod/a b+c (1).m4s"),
        ("/vod/a%20b%2Bc%20%281%29.m4s", "vod/a b+c (1).m4s"),
        ("/vod/%C3%BC.m4s?_HLS_msn=5&CMCD=br%3D3200", "vod/ü.m4s"),
        ("/vod/50%25.m4s?token=x", "vod/50%.m4s"),
    ] {
        assert_eq!(server.get(path).await.text(), name, "{path}");
    }
    assert_eq!(
        storage.reads().len(),
        3,
        "one object, one read, whatever the spelling or the query"
    );
    for path in [
        "/../vod/%C3%BC.m4s",
        "/vod/%2e%2e/x",
        "/vod/%2E%2E%2Fx",
        "/vod%2f..%2fx",
        "/vod/..%5cx",
        "/vod/%00.m4s",
        "/vod/%c0%ae%c0%ae/x",
        "//vod/x",
        "/vod//x",
        "/vod/%zz",
        "/vod/",
        "/",
    ] {
        let status = server.get(path).await.status;
        assert!(
            status == StatusCode::BAD_REQUEST || status == StatusCode::NOT_FOUND,
            "{path}: {status}"
        );
    }
    assert_eq!(
        storage.reads().len(),
        3,
        "what is refused never reaches storage"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_spoken_to_those_who_know() {
    let bytes = pattern(3 * MIB, 7);
    let server = server(&[("a.m4s", bytes.clone())]);
    let answer: Answer = crate::server::h2::get(server.addr, "/a.m4s").await;
    assert_eq!(answer.bytes(), &bytes);
    assert_eq!(answer.header("content-length"), bytes.len().to_string());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 48, ..Default::default() })]
    #[test]
    fn any_ranges_are_what_a_slice_gives(
        len in 1usize..200_000,
        specs in proptest::collection::vec((0usize..220_000, 0usize..70_000, proptest::bool::ANY), 1..4),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let bytes = pattern(len, len as u64);
            let storage = Arc::new(Scripted::default());
            storage.put("a.m4s", bytes.clone(), "tag");
            let server = Server::over(storage, "[cache]\nblock = \"64KiB\"\nrun = \"128KiB\"\nmemory = \"16MiB\"\n");
            for (start, extent, suffix) in specs {
                let (header, expected) = if suffix {
                    (format!("bytes=-{extent}"), (extent > 0).then(|| len.saturating_sub(extent)..len))
                } else {
                    let range = (start < len).then(|| start..len.min(start + extent + 1));
                    (format!("bytes={start}-{}", start + extent), range)
                };
                let answer = server.get_with("/a.m4s", &[("range", &header)]).await;
                match expected {
                    Some(range) => assert_eq!(answer.bytes(), &bytes[range], "{header} of {len}"),
                    None => assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE),
                }
            }
        });
    }
}
