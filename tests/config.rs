//! The configuration as its users meet it: what it accepts, and the words with which it refuses.

use std::fs;
use std::path::Path;
use std::time::Duration;

use caudal::config::{Config, Error, Level, StorageKind};

fn read(text: &str, env: &[(&str, &str)]) -> Result<Config, Error> {
    Config::from_toml(
        text,
        env.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

/// Each `NAME.toml` must be refused with exactly the words of `NAME.err`. Lines `#! VARIABLE=value` set the environment.
/// `UPDATE_GOLDEN=1` writes the `.err` files anew.
#[test]
fn refusals_read_as_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        cases += 1;
        let text = fs::read_to_string(&path).unwrap();
        let env: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#! ")?.split_once('='))
            .collect();
        let refusal = format!(
            "{}\n",
            read(&text, &env).expect_err(&path.display().to_string())
        );
        let golden = path.with_extension("err");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &refusal).unwrap();
        }
        assert_eq!(
            refusal,
            fs::read_to_string(&golden).unwrap_or_default(),
            "{}",
            path.display()
        );
    }
    assert!(cases >= 10, "only {cases} cases found");
}

#[test]
fn nothing_is_a_configuration_but_cannot_serve() {
    let config = read("", &[]).unwrap();
    assert_eq!(config, Config::default());
    let refusal = config.require_storage().unwrap_err().to_string();
    assert!(
        refusal.starts_with("no storage is configured: add [storage.media]"),
        "{refusal}"
    );
}

#[test]
fn a_lone_storage_gets_every_path() {
    let config = read("[storage.media]\nkind = \"memory\"\n", &[]).unwrap();
    assert_eq!(
        (
            config.route[0].path.as_str(),
            config.route[0].storage.as_str()
        ),
        ("/", "media")
    );
    assert!(!config.route[0].strip_prefix && config.route[0].prepend.is_empty());
    let routed =
        "[storage.media]\nkind = \"memory\"\n[[route]]\npath = \"/vod\"\nstorage = \"media\"\n";
    let config = read(routed, &[]).unwrap();
    assert_eq!(config.route.len(), 1);
    assert_eq!(config.route[0].path, "/vod/");
}

#[test]
fn the_environment_wins_over_the_file() {
    let text =
        "[cache]\nmemory = \"1GiB\"\n[storage.my-media]\nkind = \"s3\"\nbucket = \"from-file\"\n";
    let config = read(
        text,
        &[
            ("CAUDAL_CACHE__MEMORY", "4GiB"),
            ("CAUDAL_CACHE__FILL_ATTEMPTS", "7"),
            ("CAUDAL_LOG__ACCESS", "false"),
            ("caudal_log__level", "debug"),
            ("CAUDAL_SERVER__LISTEN", "[\"127.0.0.1:1\", \"[::1]:1\"]"),
            ("CAUDAL_STORAGE__MY_MEDIA__BUCKET", "from-env"),
            ("CAUDAL_FRESHNESS__LIVE_MANIFEST__FRESH", "250ms"),
            (
                "CAUDAL_ROUTE",
                "[{ path = \"/vod\", storage = \"my-media\", strip_prefix = true }]",
            ),
            ("CAUDAL_CONFIG", "elsewhere.toml"),
            ("CAUDAL_LOG", "trace"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(config.cache.memory, 4 << 30);
    assert_eq!(config.cache.fill_attempts, 7);
    assert!(!config.log.access);
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(
        config.freshness.live_manifest.fresh,
        Duration::from_millis(250)
    );
    let StorageKind::S3(s3) = &config.storage["my-media"].kind else {
        panic!("{config:?}")
    };
    assert_eq!(s3.bucket, "from-env");
    assert_eq!(config.route[0].path, "/vod/");
    assert!(config.route[0].strip_prefix);
}

#[test]
fn the_environment_alone_is_enough() {
    let env = [
        ("CAUDAL_STORAGE__MEDIA__KIND", "directory"),
        ("CAUDAL_STORAGE__MEDIA__PATH", "/srv"),
    ];
    let config = read("", &env).unwrap();
    config.require_storage().unwrap();
    assert_eq!(config.route.len(), 1);
}

#[test]
fn one_address_needs_no_list() {
    let config = read("[server]\nlisten = \"[::]:80\"\n", &[]).unwrap();
    assert_eq!(config.server.listen, ["[::]:80".parse().unwrap()]);
    assert_eq!(
        read("", &[("CAUDAL_SERVER__LISTEN", "[::]:80")]).unwrap(),
        config
    );
}

#[test]
fn both_families_may_share_a_port() {
    read(
        "[server]\nlisten = [\"0.0.0.0:80\", \"[::]:80\", \"127.0.0.1:0\", \"127.0.0.1:0\"]\n",
        &[],
    )
    .unwrap();
}

#[test]
fn the_effective_configuration_reads_back_as_the_same() {
    let reference = include_str!("../config/reference.toml");
    let odd = "[server]\nidle_timeout = \"90061001ms\"\n[cache]\nmemory = \"1GB\"\nfill_reserve = \"33%\"\n\
               [storage.a]\nkind = \"directory\"\npath = 'C:\\a \"b\"'\n[storage.b]\nkind = \"s3\"\nbucket = \"abc\"\n\
               prefix = \"/x/y\"\n[[route]]\npath = \"/é\"\nstorage = \"a\"\n[[route]]\npath = \"/\"\nstorage = \"b\"\n\
               prepend = \"z\"\n";
    for text in ["", reference, odd, "[storage.m]\nkind = \"memory\"\n"] {
        let config = read(text, &[]).unwrap();
        let written = config.to_toml();
        assert_eq!(read(&written, &[]).unwrap(), config, "{written}");
        assert_eq!(read(&written, &[]).unwrap().to_toml(), written);
    }
}

#[test]
fn a_file_is_named_in_every_line_of_its_refusal() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config/unknown_key.toml");
    let refusal = Config::load(Some(&path), std::iter::empty()).unwrap_err();
    let expected = format!(
        "{}:2: unknown key cache.memroy: did you mean cache.memory?",
        path.display()
    );
    assert_eq!(refusal.to_string().lines().next(), Some(expected.as_str()));
    assert_eq!(refusal.problems()[0].key, "cache.memroy");
    let absent =
        Config::load(Some(Path::new("/nowhere/caudal.toml")), std::iter::empty()).unwrap_err();
    assert!(
        absent
            .to_string()
            .starts_with("cannot read the configuration /nowhere/caudal.toml:")
    );
}
