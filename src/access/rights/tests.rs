use std::net::{IpAddr, Ipv4Addr};

use crate::access::{Asking, Country, Place, Refusal};
use http::HeaderMap;
use proptest::prelude::*;

use super::super::geo::Answer;
use super::super::viewer::Device;
use super::{File, Paths, Pattern, Rights, Source};

fn paths(texts: &[&str]) -> Paths {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    Paths::new(&texts).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn usual() -> Paths {
    paths(&[
        "/vod/{title}/*",
        "/vod/{title}/{height}p/*",
        "/vod/{title}/{kbps}k/*",
        "/films/{title}.mp4",
    ])
}

fn file(text: &str) -> Result<File, Vec<String>> {
    File::parse("rights.toml", text.as_bytes(), &usual())
}

fn rights(text: &str) -> Rights {
    Rights {
        paths: usual(),
        unknown: Answer::Deny,
        source: Box::new(file(text).unwrap_or_else(|problems| panic!("{problems:#?}"))),
    }
}

/// Someone in a country who asks for a path at a second.
fn ask(
    rights: &Rights,
    path: &str,
    country: &str,
    now: i64,
    device: Option<Device>,
) -> Result<Option<i64>, Refusal> {
    let place = Place {
        country: Country::parse(country),
        ..Place::default()
    };
    let asking = Asking {
        method: "GET",
        scheme: "https",
        host: "cdn.example.com",
        raw_path: path,
        path,
        query: "",
        headers: &HeaderMap::new(),
        prefix: None,
        viewer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        place: &place,
        alpn: None,
        device: None,
        identities: &[],
        now,
    };
    rights.permit(&asking, device)
}

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600;

#[test]
fn a_title_is_shown_in_its_countries() {
    let rights = rights(
        "[title.t1]\ncountries = [\"DE\", \"at\", \"UK\"]\n[title.t2]\ncountries=['EEA']\n[title.t3]\n",
    );
    let table = [
        ("t1", "DE", Ok(None)),
        ("t1", "AT", Ok(None)),
        ("t1", "GB", Ok(None)),
        ("t1", "CH", Err(Refusal::RightsCountry)),
        ("t1", "", Err(Refusal::GeoUnknown)),
        ("t2", "NO", Ok(None)),
        ("t2", "GB", Err(Refusal::RightsCountry)),
        ("t3", "CH", Ok(None)),
        ("t3", "", Ok(None)),
    ];
    for (title, country, expected) in table {
        let path = format!("/vod/{title}/master.m3u8");
        assert_eq!(
            ask(&rights, &path, country, 0, None),
            expected,
            "{title} {country}"
        );
    }
}

#[test]
fn a_title_is_shown_in_its_window_and_kept_no_longer() {
    let rights = rights(
        "[title.t1]\nfrom = \"2026-01-01T01:00:00+01:00\"\nuntil = 2026-01-02T00:00:00Z\n[title.t2]\nfrom = \
         2026-01-01 00:00:00Z",
    );
    let (path, end) = ("/vod/t1/a.m4s", NEW_YEAR + 86_400);
    assert_eq!(
        ask(&rights, path, "DE", NEW_YEAR - 1, None),
        Err(Refusal::RightsNotYet)
    );
    assert_eq!(ask(&rights, path, "DE", NEW_YEAR, None), Ok(Some(end)));
    assert_eq!(ask(&rights, path, "DE", end - 1, None), Ok(Some(end)));
    assert_eq!(
        ask(&rights, path, "DE", end, None),
        Err(Refusal::RightsEnded)
    );
    assert_eq!(
        ask(&rights, path, "DE", i64::MAX, None),
        Err(Refusal::RightsEnded)
    );
    assert_eq!(
        ask(&rights, path, "DE", i64::MIN, None),
        Err(Refusal::RightsNotYet)
    );
    assert_eq!(
        ask(&rights, "/vod/t2/a.m4s", "DE", NEW_YEAR, None),
        Ok(None)
    );
}

#[test]
fn a_title_is_shown_on_its_devices() {
    let rights = rights("[title.t1]\ndevices = [\"tv\", \"desktop\", \"tv\"]\n[title.t2]\n");
    let table = [
        ("t1", Some(Device::Tv), Ok(None)),
        ("t1", Some(Device::Desktop), Ok(None)),
        ("t1", Some(Device::Mobile), Err(Refusal::RightsDevice)),
        ("t1", Some(Device::Tablet), Err(Refusal::RightsDevice)),
        ("t1", None, Err(Refusal::RightsDevice)),
        ("t2", Some(Device::Mobile), Ok(None)),
        ("t2", None, Ok(None)),
    ];
    for (title, device, expected) in table {
        let path = format!("/vod/{title}/a.m4s");
        assert_eq!(
            ask(&rights, &path, "DE", 0, device),
            expected,
            "{title} {device:?}"
        );
    }
}

#[test]
fn a_title_is_shown_up_to_its_quality() {
    let rights = rights(
        "[title.t1]\nmax_height = 1080\nmax_bandwidth = 6_000_000\nheights = { \"/vod/t1/v5/*\" = 2160, \
         \"/vod/t1/v5/small-*\" = 360, \"/vod/t1/4320p/fixed/*\" = 720 }\nbandwidths = { \"/vod/t1/hi*/*\" = 9_000_000 }\n\
         [title.t2]\n",
    );
    let no = Err(Refusal::RightsQuality);
    let table = [
        ("/vod/t1/720p/seg-1.m4s", Ok(None)),
        ("/vod/t1/1080p/seg-1.m4s", Ok(None)),
        ("/vod/t1/1081p/seg-1.m4s", no),
        ("/vod/t1/2160p/seg-1.m4s", no),
        ("/vod/t1/02160p/seg-1.m4s", no),
        ("/vod/t1/2160p/deep/seg-1.m4s", no),
        ("/vod/t1/6000k/seg-1.m4s", Ok(None)),
        ("/vod/t1/6001k/seg-1.m4s", no),
        ("/vod/t1/v5/seg-1.m4s", no),
        ("/vod/t1/v5/small-1.m4s", no),
        ("/vod/t1/4320p/fixed/1.m4s", Ok(None)),
        ("/vod/t1/high/1.m4s", no),
        ("/vod/t1/master.m3u8", Ok(None)),
        ("/vod/t1/audio/seg-1.m4s", Ok(None)),
        ("/vod/t1/uhdp/seg-1.m4s", Ok(None)),
        ("/vod/t1/-2160p/seg-1.m4s", Ok(None)),
        ("/vod/t2/2160p/seg-1.m4s", Ok(None)),
    ];
    for (path, expected) in table {
        assert_eq!(ask(&rights, path, "DE", 0, None), expected, "{path}");
    }
}

#[test]
fn what_is_no_known_title_is_answered_as_set() {
    let mut rights = rights("[title.t1]\n[title.\"a b\"]\n");
    let unknown = [
        "/vod/t2/a.m4s",
        "/vod/t1",
        "/vod/T1/a.m4s",
        "/vod/t10/a.m4s",
        "/vod/t/a.m4s",
        "/poster.jpg",
        "/",
        "",
        "vod/t1/a.m4s",
        "/films/.mp4",
        "/films/t1.mp4/x",
    ];
    for path in unknown {
        let refused = Err(Refusal::RightsUnknown);
        assert_eq!(ask(&rights, path, "DE", 0, None), refused, "{path}");
    }
    for path in ["/vod/t1/a.m4s", "/vod/a b/c/d.m4s", "/films/t1.mp4"] {
        assert_eq!(ask(&rights, path, "DE", 0, None), Ok(None), "{path}");
    }
    rights.unknown = Answer::Allow;
    for path in unknown {
        assert_eq!(ask(&rights, path, "DE", 0, None), Ok(None), "{path}");
    }
}

fn window(text: &str) -> (i64, i64) {
    let file =
        file(&format!("[title.t1]\n{text}")).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let title = file.title("t1").unwrap();
    (title.from.unwrap(), title.until.unwrap())
}

#[test]
fn a_local_time_is_read_in_its_zone() {
    let berlin = "zone = \"Europe/Berlin\"\n";
    let read = window(&format!(
        "{berlin}from = \"2026-01-01T01:00:00\"\nuntil = 2026-07-01T02:00:00"
    ));
    assert_eq!(read, (NEW_YEAR, 1_782_864_000));
    // An offset counts before the zone.
    let read = window(&format!(
        "{berlin}from = \"2026-01-01T00:00:00Z\"\nuntil = 2026-07-01T00:00:00Z"
    ));
    assert_eq!(read, (NEW_YEAR, 1_782_864_000));
    let text = "zone = 'America/New_York'\n[title.t1]\nfrom = '2025-12-31 19:00:00'\n[title.t2]\nzone = 'Asia/Kolkata'\n\
                from = '2026-01-01t05:30:00'\n";
    let file = file(text).unwrap();
    assert_eq!(file.title("t1").unwrap().from, Some(NEW_YEAR));
    assert_eq!(file.title("t2").unwrap().from, Some(NEW_YEAR));
    assert_eq!(file.len(), 2);
}

#[test]
fn a_window_is_never_wider_than_any_reading_of_its_ends() {
    // 2026-10-25: clocks in Berlin go back from 03:00 to 02:00, so that 02:30 is 00:30Z and 01:30Z.
    let berlin = "zone = \"Europe/Berlin\"\n";
    let back = 1_792_886_400;
    let early = window(&format!(
        "{berlin}from = 2026-01-01T00:00:00\nuntil = 2026-10-25T02:30:00"
    ));
    assert_eq!(early.1, back + 30 * 60);
    let late = window(&format!(
        "{berlin}from = 2026-10-25T02:30:00\nuntil = 2026-12-01T00:00:00"
    ));
    assert_eq!(late.0, back + 90 * 60);
    // 2026-03-29: they go forward from 02:00 to 03:00 at 01:00Z. 02:30 does not happen: 01:30Z by the offset before,
    // 00:30Z by the offset after.
    let forward = 1_774_742_400;
    let early = window(&format!(
        "{berlin}from = 2026-01-01T00:00:00\nuntil = 2026-03-29T02:30:00"
    ));
    assert_eq!(early.1, forward + 30 * 60);
    let late = window(&format!(
        "{berlin}from = 2026-03-29T02:30:00\nuntil = 2026-12-01T00:00:00"
    ));
    assert_eq!(late.0, forward + 90 * 60);
    // Half an hour on Lord Howe Island: 2026-04-05 02:00 back to 01:30, at 15:00Z of the day before.
    let howe = "zone = \"Australia/Lord_Howe\"\n";
    let late = window(&format!(
        "{howe}from = 2026-04-05T01:45:00\nuntil = 2026-12-01T00:00:00"
    ));
    assert_eq!(late.0, 1_775_315_700);
    let early = window(&format!(
        "{howe}from = 2026-01-01T00:00:00\nuntil = 2026-04-05T01:45:00"
    ));
    assert_eq!(early.1, 1_775_315_700 - 30 * 60);
}

const WRONG: &str = r#"zone = "Europe/Atlantis"
region = 1
[title."t1"]
countries = ["DE", "EN"]
from = "2026-01-01"
until = 2026-01-01T00:00:00
devices = ["fridge"]
max_height = "1080p"
max_bandwidth = -1
colour = "blue"
heights = { "/vod/{title}/x" = 1 }
[title.t2]
countries = []
from = "tomorrow at noon T"
until = 12:00:00
devices = "tv"
max_height = 0
max_bandwidth = 1.5
bandwidths = { "vod" = 1 }
[title.t3]
from = 2026-01-02T00:00:00Z
until = 2026-01-02T00:00:00Z
"#;

#[test]
fn everything_wrong_is_told_at_once_with_line_title_key_and_fix() {
    let expected = [
        "1: zone: \"Europe/Atlantis\" is no time zone: write a name of the IANA database, Europe/Berlin",
        "2: unknown key \"region\": write zone or title",
        "4: title.\"t1\".countries: \"EN\" is no country: write two letters of ISO 3166-1 (DE), EU27 or EEA",
        "5: title.\"t1\".from: \"2026-01-01\": write a date and a time, 2026-01-01T00:00:00+01:00",
        "6: title.\"t1\".until: \"2026-01-01T00:00:00\": says no offset: write one (…+01:00), or name a zone (zone = \
         \"Europe/Berlin\")",
        "7: title.\"t1\".devices: \"fridge\" is no device: write mobile, tablet, desktop or tv",
        "8: title.\"t1\".max_height: write a whole number above 0, such as 1080",
        "9: title.\"t1\".max_bandwidth: write a whole number above 0, such as 1080",
        "10: title.\"t1\": unknown key \"colour\"",
        "11: title.\"t1\".heights: \"/vod/{title}/x\" takes no hole but *",
        "13: title.\"t2\".countries: empty",
        "14: title.\"t2\".from: \"tomorrow at noon T\": is no date and time",
        "15: title.\"t2\".until: \"12:00:00\": write a date and a time",
        "16: title.\"t2\".devices: write a list of texts",
        "17: title.\"t2\".max_height: write a whole number above 0",
        "18: title.\"t2\".max_bandwidth: write a whole number above 0",
        "19: title.\"t2\".bandwidths: \"vod\" is no pattern of paths: begin it with a slash",
        "20: title.\"t3\".until: not after from",
    ];
    let problems = file(WRONG).unwrap_err();
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(expected) {
        assert!(
            problem.starts_with(&format!("rights.toml:{start}")),
            "{problem}\n{start}"
        );
    }
}

#[test]
fn what_is_no_table_of_titles_is_told_with_its_line() {
    for (text, start) in [
        ("a = \n", "rights.toml:1: not TOML: "),
        ("[title.t1]\n\n[title.t1]\n", "rights.toml:3: not TOML: "),
        (
            "[title]\nt4 = 1\n",
            "rights.toml:2: title.\"t4\": write a table",
        ),
        (
            "title = 1\n",
            "rights.toml:1: title: write a table for each title",
        ),
        ("zone = 1\n", "rights.toml:1: zone: write text in quotes"),
        (
            "[title.t]\nfrom = '2026-01-01T00:00:00.5Z'",
            "rights.toml:2: title.\"t\".from: \"2026-01-01T00:00:00.5Z\": write whole",
        ),
        (
            "[title.t]\nfrom = '2026-01-01T00:00:00+01:00[Europe/Berlin]'",
            "rights.toml:2: title.\"t\".from: ",
        ),
        (
            "[title.t]\nfrom = '2026-02-30T00:00:00Z'",
            "rights.toml:2: title.\"t\".from: ",
        ),
        (
            "[title.t]\nmax_height = 99999999999999999999",
            "rights.toml:",
        ),
    ] {
        let problems = file(text).err().unwrap_or_default();
        assert_eq!(problems.len(), 1, "{text} {problems:#?}");
        assert!(problems[0].starts_with(start), "{problems:#?}");
    }
    let problems = File::parse("r", b"\xff", &usual()).unwrap_err();
    assert_eq!(problems, ["r: not text: save it as UTF-8"]);
}

#[test]
fn a_ceiling_that_no_path_can_come_under_is_refused() {
    let plain = paths(&["/vod/{title}/*"]);
    let parse = |text: &str| File::parse("r", text.as_bytes(), &plain);
    let problems = parse("[title.t]\nmax_height = 720\nmax_bandwidth = 1\n").unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("no path tells its height"));
    assert!(problems[1].contains("no path tells its bandwidth"));
    let labelled = "[title.t]\nmax_height = 720\nheights = { \"/vod/t/hd/*\" = 1080 }\nmax_bandwidth = 1\nbandwidths = \
                    { \"/vod/t/hd/*\" = 2 }\n";
    assert!(parse(labelled).is_ok());
}

#[test]
fn every_wrong_pattern_is_told_with_its_fix() {
    let wrong = [
        ("vod/{title}/*", "begin it with a slash"),
        ("/vod/*", "not exactly one {title}"),
        ("/{title}/{title}", "write each hole once"),
        ("/{title}/{height}/{height}", "write each hole once"),
        ("/{title}-{height}/*", "one hole at most"),
        ("/{title}*/*", "one hole at most"),
        ("/{titel}/*", "a hole is {title}"),
        ("/{title/*", "close the hole"),
        ("/title}/{title}", "one hole at most"),
        ("//{title}", "two slashes"),
        ("/{title}/", "two slashes"),
        ("", "begin it with a slash"),
    ];
    let texts: Vec<String> = wrong.iter().map(|(text, _)| (*text).to_owned()).collect();
    let problems = Paths::new(&texts).unwrap_err();
    assert_eq!(problems.len(), wrong.len(), "{problems:#?}");
    for (problem, (text, word)) in problems.iter().zip(wrong) {
        assert!(problem.contains(word), "{text}: {problem}");
    }
    assert!(Paths::new(&[]).is_err());
    assert!(Paths::new(&vec!["/{title}".to_owned(); 65]).is_err());
    let long = format!("/{{title}}/{}", "a".repeat(1024));
    assert!(Paths::new(&[long]).is_err());
}

#[test]
fn a_pattern_covers_what_it_says() {
    let table = [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/b/c", true),
        ("/a/*", "/a", false),
        ("/a/*", "/ab/c", false),
        ("/a/*/c", "/a/b/c", true),
        ("/a/*/c", "/a/b/b/c", false),
        ("/a/seg-*.ts", "/a/seg-1.ts", true),
        ("/a/seg-*.ts", "/a/seg-.ts", true),
        ("/a/seg-*.ts", "/a/seg.ts", false),
        ("/a/x*x", "/a/x", false),
        ("/a", "/a", true),
        ("/a", "/a/b", false),
        ("/a", "/aa", false),
        ("/*", "/a", true),
        ("/", "/", false),
    ];
    for (pattern, path, expected) in table {
        assert_eq!(
            Pattern::plain(pattern).unwrap().matches(path),
            expected,
            "{pattern} {path}"
        );
    }
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "(zone|\\[title\\.t\\]|from|until|heights|countries)? ?=? ?\\PC{0,60}") {
        let _ = file(&text);
        let _ = file(&format!("[title.t]\nfrom = {text:?}\nzone = {text:?}\ncountries = [{text:?}]"));
    }

    #[test]
    fn no_path_makes_it_panic(path in "\\PC{0,40}", pattern in "/[a-z{}*/]{0,30}") {
        let found = usual();
        let _ = found.find(&path);
        if let Ok(pattern) = Pattern::plain(&pattern) {
            let _ = pattern.matches(&path);
        }
    }

    /// What is between the slashes is the title, whatever it is.
    #[test]
    fn a_title_is_a_whole_segment(title in "[^/]{1,20}", rest in "[a-z/]{1,20}") {
        let (path, patterns) = (format!("/vod/{title}/{rest}"), usual());
        prop_assert_eq!(patterns.find(&path).map(|found| found.title), Some(title.as_str()));
    }
}
