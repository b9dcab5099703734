//! What players say of their playback, as it comes out of `/metrics`.

use std::sync::Arc;

use caudal::storage::Error;
use http::{Method, StatusCode};

use crate::server::scripted::Act;
use crate::server::{Scripted, Server, pattern, until};

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\n1.m4s\n#EXT-X-ENDLIST\n";

fn server(more: &str) -> (Server, Arc<Scripted>) {
    let storage = Arc::new(Scripted::default());
    storage.put("vod/a.m3u8", PLAYLIST.into(), "p");
    storage.put("vod/1.m4s", pattern(2000, 1), "1");
    storage.put("vod/2.m4s", pattern(2000, 2), "2");
    let routes = "[[route]]\npath = \"/vod/\"\nstorage = \"media\"\n\
                  [[route]]\npath = \"/\"\nstorage = \"media\"\n";
    let server = Server::over(storage.clone(), &format!("{more}{routes}"));
    (server, storage)
}

/// One number of `caudal_cmcd_*`, of the route.
async fn told(server: &Server, name: &str) -> f64 {
    let series = format!("caudal_cmcd_{name}{{route=\"/vod/\"}}");
    server.metric(&series).await
}

/// Waits until that many requests with CMCD have ended: an answer is whole at its client a moment before.
async fn counted(server: &Server, requests: f64) {
    until("requests are counted", || async {
        told(server, "requests_total").await >= requests
    })
    .await;
    assert_eq!(told(server, "requests_total").await, requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_counted_by_what_its_player_says() {
    let (server, _) = server("");
    for path in [
        "/vod/a.m3u8?CMCD=ot%3Dm%2Csid%3D%22s%22%2Csu",
        "/vod/1.m4s?CMCD=bl%3D0%2Cbr%3D3000%2Cot%3Dv%2Csid%3D%22s%22%2Csu",
    ] {
        assert_eq!(server.get(path).await.status, StatusCode::OK);
    }
    let headers = [
        ("CMCD-Request", "bl=4000,mtp=25000"),
        ("CMCD-Object", "br=5000,ot=v"),
        ("CMCD-Status", "bs"),
        ("CMCD-Session", "sid=\"s\""),
    ];
    server.get_with("/vod/2.m4s", &headers).await;
    counted(&server, 3.0).await;
    for (name, number) in [
        ("starved_total", 1.0),
        ("startup_seconds_count", 1.0),
        ("buffer_seconds_count", 2.0),
        ("buffer_seconds_sum", 4.0),
        ("bitrate_bits_per_second_count", 2.0),
        ("bitrate_bits_per_second_sum", 8e6),
        ("throughput_bits_per_second_sum", 25e6),
    ] {
        assert_eq!(told(&server, name).await, number, "{name}");
    }
    let startup = told(&server, "startup_seconds_sum").await;
    assert!(startup > 0.0 && startup < 30.0, "{startup}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_get_of_what_is_there_is_counted() {
    let (server, storage) = server("");
    let list = "CMCD=bs%2Csid%3D%22s%22";
    server.get(&format!("/vod/nothing.m4s?{list}")).await;
    server.get("/vod/1.m4s?token=bs").await;
    for method in [Method::HEAD, Method::OPTIONS] {
        server.ask(method, &format!("/vod/1.m4s?{list}"), &[]).await;
    }
    // A failure of ours is a part of what playback is like.
    storage.script([Act::Fail(Error::Unavailable("down".into()))]);
    let failed = server.get(&format!("/vod/2.m4s?{list}")).await;
    assert!(failed.status.is_server_error(), "{failed:?}");
    counted(&server, 1.0).await;
    assert_eq!(told(&server, "starved_total").await, 1.0);
    assert_eq!(told(&server, "startup_seconds_count").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_new_configuration_that_may_turn_it_off() {
    let (server, _) = server("");
    let text = |more: &str| format!("[storage.media]\nkind = \"memory\"\nattempts = 1\n{more}");
    let routes = "[[route]]\npath = \"/vod/\"\nstorage = \"media\"\n";
    server.get("/vod/a.m3u8?CMCD=sid%3D%22s%22").await;
    server.reload(&text(routes)).await.unwrap();
    server.get("/vod/1.m4s?CMCD=sid%3D%22s%22").await;
    counted(&server, 2.0).await;
    let off = format!("{routes}[cmcd]\nmetrics = false\n");
    server.reload(&text(&off)).await.unwrap();
    server.get("/vod/1.m4s?CMCD=sid%3D%22s%22").await;
    server.reload(&text(routes)).await.unwrap();
    server.get("/vod/1.m4s?CMCD=sid%3D%22s%22").await;
    counted(&server, 3.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_not_counted() {
    let policy = "[geo.nobody]\nallow = [\"192.0.2.0/24\"]\n[access.closed]\nrequire = [\"geo\"]\ngeo = \"nobody\"\n";
    let storage = Arc::new(Scripted::default());
    storage.put("1.m4s", pattern(2000, 1), "1");
    let routes = "[[route]]\npath = \"/closed/\"\nstorage = \"media\"\naccess = \"closed\"\n\
                  [[route]]\npath = \"/vod/\"\nstorage = \"media\"\nstrip_prefix = true\n";
    let server = Server::over(storage, &format!("{policy}{routes}"));
    let refused = server.get("/closed/1.m4s?CMCD=bs").await;
    assert_eq!(refused.status, StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS);
    server.get("/vod/1.m4s?CMCD=bs").await;
    counted(&server, 1.0).await;
    assert_eq!(server.metric("caudal_cmcd_requests_total").await, 1.0);
}
