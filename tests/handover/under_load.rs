//! What happens to five hundred viewers.

use std::sync::atomic::Ordering;

use crate::crowd::{Crowd, Refused, VIEWERS};
use crate::house::House;

const SOME: u64 = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_load_fails_no_request() {
    let mut house = House::open();
    let mut crowd = Crowd::gather(house.addr, Refused::IsTheEnd);
    crowd.sees(SOME).await;
    house.signal("TERM");
    let seen = crowd.seen.clone();
    crowd.leaves(true).await;
    // Nearly each was told with an answer that it was the last; the others' connections ended while they asked for nothing.
    let farewells = seen.farewells.load(Ordering::Relaxed);
    assert!(farewells > VIEWERS as u64 / 2, "{farewells}");
    house.ended();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_under_load_fail_no_request() {
    let mut house = House::open();
    let mut crowd = Crowd::gather(house.addr, Refused::IsFailure);
    for reload in 1..=20 {
        crowd.sees(SOME / 10).await;
        let more = format!("[cors]\norigin = \"https://{reload}.example\"\n");
        house.write(&more);
        house.signal("HUP");
        house.told("a new configuration is in use", reload);
    }
    house.write("[cache]\nmemroy = \"1GiB\"\n");
    house.signal("HUP");
    house.told("the configuration before goes on", 1);
    crowd.sees(SOME).await;
    let seen = crowd.seen.clone();
    crowd.leaves(false).await;
    assert_eq!(seen.farewells.load(Ordering::Relaxed), 0);
    let failed = house.metric("caudal_config_loads_total{outcome=\"failed\"}");
    assert_eq!(failed, 1.0);
    house.signal("TERM");
    house.ended();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_upgrades_under_load_fail_no_request_and_refuse_no_connection() {
    let mut house = House::open();
    let mut crowd = Crowd::gather(house.addr, Refused::IsFailure);
    for upgrade in 1..=3 {
        crowd.sees(SOME).await;
        house.signal("USR2");
        let told = house.told("another process serves now", upgrade);
        let pid = u32::try_from(told["pid"].as_u64().unwrap()).unwrap();
        assert_ne!(pid, house.pid);
        house.passed_on_to(pid);
        house.told("stopped: every viewer was served to the end", upgrade);
    }
    crowd.sees(SOME).await;
    crowd.leaves(false).await;
    assert!(house.ask_socket("/readyz").contains("ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_cannot_serve_changes_nothing() {
    let mut house = House::open();
    let mut crowd = Crowd::gather(house.addr, Refused::IsFailure);
    crowd.sees(SOME / 3).await;
    house.write("[cache]\nmemroy = \"1GiB\"\n");
    house.signal("USR2");
    let told = house.told("no other process took over: this one goes on", 1);
    assert!(
        told["problem"].as_str().unwrap().contains("exit code 2"),
        "{told}"
    );
    crowd.sees(SOME / 3).await;
    assert_eq!(house.metric("caudal_upgrades_failed_total"), 1.0);
    // Mended, it takes over.
    house.write("");
    house.signal("USR2");
    let told = house.told("another process serves now", 1);
    house.passed_on_to(u32::try_from(told["pid"].as_u64().unwrap()).unwrap());
    crowd.sees(SOME / 3).await;
    crowd.leaves(false).await;
}
