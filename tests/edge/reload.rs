//! A new configuration while the server runs: all of it or nothing, with everything cached kept and nobody dropped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use caudal::storage::Storage;
use http::Method;
use http_body_util::Empty;

use crate::server::tls::{Authority, connect};
use crate::server::{Scripted, Server, ask, connect as plain, pattern, whole};

const MEDIA: &str = "[storage.media]\nkind = \"memory\"\nattempts = 1\n";

fn serving(text: &str) -> (Arc<Scripted>, Server) {
    let storage = Arc::new(Scripted::default());
    storage.put("a.m4s", pattern(3 << 20, 1), "v1");
    let storages: HashMap<String, Arc<dyn Storage>> =
        [("media".to_owned(), storage.clone() as _)].into();
    (storage, Server::start(text, storages))
}

#[tokio::test]
async fn what_is_served_changes_and_what_is_cached_stays() {
    let (storage, server) = serving(MEDIA);
    assert_eq!(server.get("/a.m4s").await.status, 200);
    assert_eq!(server.get("/vod/a.m4s").await.status, 404);
    let reads = storage.reads();
    let next = format!(
        "{}[cors]\norigin = \"https://player.example\"\n[freshness.segment]\ncache_control = \"max-age=7\"\n\
         [[route]]\npath = \"/vod/\"\nstorage = \"media\"\nstrip_prefix = true\n",
        MEDIA.replace("attempts = 1", "attempts = 2")
    );
    server.reload(&next).await.unwrap();
    let answer = server.get("/vod/a.m4s").await;
    assert_eq!(answer.status, 200);
    assert!(*answer.bytes() == pattern(3 << 20, 1));
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://player.example"
    );
    assert_eq!(answer.header("cache-control"), "max-age=7");
    assert!(
        answer.header("cache-status").contains("; hit"),
        "{answer:?}"
    );
    assert_eq!(storage.reads(), reads, "everything was at hand");
    assert_eq!(server.get("/a.m4s").await.status, 404, "the route is gone");
    assert_eq!(
        server
            .metric("caudal_config_loads_total{outcome=\"loaded\"}")
            .await,
        1.0
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_and_nothing_of_it_is_taken() {
    let (_storage, server) = serving(MEDIA);
    let route = "[[route]]\npath = \"/vod/\"\nstorage = \"media\"\nstrip_prefix = true\n";
    for (wrong, told) in [
        (
            "[cach]\n".to_owned(),
            "unknown key cach: did you mean cache?",
        ),
        (
            "[key.a]\nsecret = \"env:CAUDAL_TEST_UNSET\"\n".to_owned(),
            "CAUDAL_TEST_UNSET is not set",
        ),
        (
            "[cache]\nmemory = \"1GiB\"\n".to_owned(),
            "cache.memory changes with a restart only",
        ),
        (
            "[listener.more]\nlisten = \"127.0.0.1:0\"\n".to_owned(),
            "listener.more.listen",
        ),
        (
            "[storage.gone]\nkind = \"directory\"\npath = \"/nowhere/at/all\"\n".to_owned(),
            "storage.gone",
        ),
    ] {
        let problem = server
            .reload(&format!("{MEDIA}{wrong}{route}"))
            .await
            .unwrap_err();
        assert!(problem.contains(told), "{wrong}: {problem}");
        assert_eq!(server.get("/a.m4s").await.status, 200, "{wrong}");
        assert_eq!(server.get("/vod/a.m4s").await.status, 404, "{wrong}");
    }
    assert_eq!(
        server
            .metric("caudal_config_loads_total{outcome=\"failed\"}")
            .await,
        5.0
    );
    assert_eq!(
        server
            .metric("caudal_config_loads_total{outcome=\"loaded\"}")
            .await,
        0.0
    );
    server.reload(&format!("{MEDIA}{route}")).await.unwrap();
    assert_eq!(server.get("/vod/a.m4s").await.status, 200);
}

#[tokio::test]
async fn another_place_under_an_old_name_is_another_place() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, seed) in [(&first, 1), (&second, 2)] {
        std::fs::write(folder.path().join("a.m4s"), pattern(100_000, seed)).unwrap();
    }
    let over = |folder: &tempfile::TempDir| {
        format!(
            "[storage.media]\nkind = \"directory\"\npath = {:?}\n",
            folder.path()
        )
    };
    let server = Server::start(&over(&first), HashMap::new());
    for (folder, seed) in [(&first, 1), (&second, 2), (&first, 1)] {
        server.reload(&over(folder)).await.unwrap();
        for _ in 0..2 {
            let answer = server.get("/a.m4s").await;
            assert!(
                *answer.bytes() == pattern(100_000, seed),
                "{seed}: another place's bytes"
            );
        }
    }
}

#[tokio::test]
async fn limits_count_on() {
    let limited = |more: &str| {
        format!(
            "{MEDIA}{more}[access.fair]\nrequire = [\"limits\"]\nlimits = \"fair\"\n\
             [limits.fair]\nrequests_per_second = 1\nburst = 2\n\
             [[route]]\npath = \"/\"\nstorage = \"media\"\naccess = \"fair\"\n"
        )
    };
    let (_storage, server) = serving(&limited(""));
    assert_eq!(server.get("/a.m4s").await.status, 200);
    assert_eq!(server.get("/a.m4s").await.status, 200);
    server
        .reload(&limited("[cors]\nmax_age = \"1h\"\n"))
        .await
        .unwrap();
    assert_eq!(
        server.get("/a.m4s").await.status,
        429,
        "a reload is no amnesty"
    );
}

#[tokio::test]
async fn listeners_show_other_certificates() {
    let authority = Authority::new();
    for (name, host) in [("old", "old.example"), ("new", "new.example")] {
        authority.write_pair(name, &authority.pair(&[host], 1));
    }
    let with = |name: &str| {
        let listener =
            format!("[listener.tls]\nlisten = \"127.0.0.1:0\"\ncertificates = [\"{name}\"]\n");
        format!("{MEDIA}{}{listener}", authority.section(name))
    };
    let (_storage, server) = serving(&with("old"));
    let config = Arc::new(authority.client(&[], None));
    assert!(
        connect(server.addrs[1], "old.example", &config)
            .await
            .is_ok()
    );
    let problem = server
        .reload(&with("new").replace("new.key", "old.key"))
        .await
        .unwrap_err();
    assert!(
        problem.contains("the key is not this certificate's"),
        "{problem}"
    );
    assert!(
        connect(server.addrs[1], "old.example", &config)
            .await
            .is_ok()
    );
    server.reload(&with("new")).await.unwrap();
    assert!(
        connect(server.addrs[1], "new.example", &config)
            .await
            .is_ok()
    );
    assert!(
        connect(server.addrs[1], "old.example", &config)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_is_gone_keeps_no_alert_alive() {
    let (_storage, server) = serving(&format!("{MEDIA}[storage.old]\nkind = \"memory\"\n{ROUTE}"));
    server.reload(&format!("{MEDIA}{ROUTE}")).await.unwrap();
    let told = server.metric("caudal_storage_ready{storage=\"old\"}").await;
    assert!(told.is_nan(), "{told}");
    assert!(
        !server
            .metric("caudal_storage_ready{storage=\"media\"}")
            .await
            .is_nan()
    );
}

const ROUTE: &str = "[[route]]\npath = \"/\"\nstorage = \"media\"\n";

#[tokio::test]
async fn only_a_post_reloads() {
    let (_storage, server) = serving(MEDIA);
    let answer = ask(server.admin, Method::GET, "/reload", &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "POST")
    );
}

/// 100 reloads under load, every third one refused: no request fails, no byte is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices() {
    let (_storage, server) = serving(MEDIA);
    let addr = server.addr;
    let over = Arc::new(AtomicBool::new(false));
    let wanted = pattern(3 << 20, 1).slice(1_000_000..1_100_000);
    let viewers: Vec<_> = (0..50)
        .map(|_| {
            let (over, wanted) = (over.clone(), wanted.clone());
            tokio::spawn(async move {
                let mut sender = plain(addr).await;
                let mut served = 0;
                while !over.load(Ordering::Relaxed) {
                    let request = http::Request::get("/a.m4s")
                        .header("host", "x")
                        .header("range", "bytes=1000000-1099999");
                    let request = request.body(Empty::<Bytes>::new()).unwrap();
                    let answer = whole(sender.send_request(request).await.unwrap()).await;
                    assert_eq!(answer.status, 206);
                    assert!(*answer.bytes() == wanted, "a wrong byte");
                    served += 1;
                    // Other tests want the machine too.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                served
            })
        })
        .collect();
    for nth in 0..100 {
        let more = match nth % 3 {
            0 => "[cors]\nmax_age = \"1h\"\n",
            1 => "[compression]\nlevel = 1\n",
            _ => "[nothing]\n",
        };
        let outcome = server.reload(&format!("{MEDIA}{more}")).await;
        assert_eq!(outcome.is_ok(), nth % 3 != 2);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    over.store(true, Ordering::Relaxed);
    for viewer in viewers {
        assert!(viewer.await.unwrap() > 0);
    }
}
