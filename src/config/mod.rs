//! What the user configured, validated and complete: nothing is checked again once a request is served.
//!
//! Start at [`Config::load`]. The text becomes a tree that knows its lines (`file`), the environment is laid over it
//! (`env`), each section takes its keys from it (`sections`, `freshness`, `storage`; `schema` explains how), and
//! `relations` checks what must hold between keys. Every problem is reported, not only the first.

use std::collections::BTreeMap;
use std::path::Path;

mod access;
mod certificate;
mod check;
mod env;
mod error;
mod file;
mod format;
mod fixed;
mod freshness;
mod listener;
mod machine;
mod relations;
mod schema;
pub mod secret;
mod sections;
mod storage;
pub mod units;

pub use access::{
    Access, Carrier, EdgeHash, Geo, Jwt, Key, Limits, Requirement, Rights, SentBy, Token,
    TokenFormat, Verdict, Viewer,
};
pub use certificate::{Acme, Certificate, Source};
pub use error::{Error, Origin, Problem};
pub use freshness::{Freshness, Policy};
pub use listener::{ClientCertificate, Listener, OwnLimits, Protocol, TlsVersion};
pub use sections::{
    Admin, ArenaUse, Cache, Cmcd, Compression, Cors, Level, Log, LogFormat, Server,
};
pub use storage::{Route, S3, Storage, StorageKind};

use file::Table;
use schema::{Keys, Names, Reader, Writer};

/// The whole configuration. Fields are called as their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[cache]`
    pub cache: Cache,
    /// `[freshness]`
    pub freshness: Freshness,
    /// `[cors]`
    pub cors: Cors,
    /// `[compression]`
    pub compression: Compression,
    /// `[cmcd]`
    pub cmcd: Cmcd,
    /// `[viewer]`
    pub viewer: Viewer,
    /// `[listener.NAME]`, by name.
    pub listener: BTreeMap<String, Listener>,
    /// `[certificate.NAME]`, by name.
    pub certificate: BTreeMap<String, Certificate>,
    /// `[key.NAME]`, by name.
    pub key: BTreeMap<String, Key>,
    /// `[token.NAME]`, by name.
    pub token: BTreeMap<String, Token>,
    /// `[geo.NAME]`, by name.
    pub geo: BTreeMap<String, Geo>,
    /// `[rights.NAME]`, by name.
    pub rights: BTreeMap<String, Rights>,
    /// `[limits.NAME]`, by name.
    pub limits: BTreeMap<String, Limits>,
    /// `[access.NAME]`, by name.
    pub access: BTreeMap<String, Access>,
    /// `[storage.NAME]`, by name.
    pub storage: BTreeMap<String, Storage>,
    /// `[[route]]`, in the order of the text; no two with the same path. A lone storage without a route has got one
    /// for `/`.
    pub route: Vec<Route>,
}

impl Config {
    /// Reads a file, if one is given, and the overrides of the environment.
    ///
    /// Overrides are called `CAUDAL_SECTION__KEY`, as in `CAUDAL_CACHE__MEMORY=4GiB`. `CAUDAL_CONFIG` and
    /// `CAUDAL_LOG` are no keys, nor are the variables with which Kubernetes announces a service called `caudal`.
    ///
    /// # Errors
    /// Where the file cannot be read, or anything in it or in the environment is wrong.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let Some(path) = path else {
            return Self::from_toml("", env);
        };
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_toml(&text, env).map_err(|error| match error {
            Error::Invalid { problems, .. } => Error::invalid(Some(path.to_owned()), problems),
            other => other,
        })
    }

    /// As [`Config::load`], with the file's text at hand.
    ///
    /// # Errors
    /// Where anything in the text or in the environment is wrong.
    pub fn from_toml(
        text: &str,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut tree = file::parse(text).map_err(|problem| Error::invalid(None, vec![problem]))?;
        let mut problems = Vec::new();
        env::overlay(&mut tree, env, &mut problems);
        let (mut config, mut reader) = Self::read(tree);
        reader.problems.append(&mut problems);
        relations::check(&config, &mut |key, message| {
            let origin = reader.origins.get(&key).cloned().unwrap_or(Origin::Nowhere);
            reader.problem(origin, key, message);
        });
        if !reader.problems.is_empty() {
            return Err(Error::invalid(None, reader.problems));
        }
        if let (true, Some(only)) = (config.route.is_empty(), config.storage.keys().next()) {
            config.route.push(Route::everything_to(only));
        }
        Ok(config)
    }

    /// The effective configuration as TOML, every default written out; it reads back as an equal one.
    pub fn to_toml(&self) -> String {
        let mut config = self.clone();
        let mut writer = Writer::default();
        config.keys(&mut writer);
        writer.named("listener", &mut config.listener, Listener::keys);
        writer.named("certificate", &mut config.certificate, Certificate::keys);
        writer.named("key", &mut config.key, Key::keys);
        writer.named("token", &mut config.token, Token::keys);
        writer.named("geo", &mut config.geo, Geo::keys);
        writer.named("rights", &mut config.rights, Rights::keys);
        writer.named("limits", &mut config.limits, Limits::keys);
        writer.named("access", &mut config.access, Access::keys);
        writer.named("storage", &mut config.storage, Storage::keys);
        for route in &mut config.route {
            writer.table("[[route]]", "route".to_owned(), |keys| route.keys(keys));
        }
        writer.text
    }

    /// Every key there is, dotted: `cache.memory`, `storage.NAME.bucket`, `route[].path`.
    pub fn known_keys() -> Vec<String> {
        let mut names = Names::default();
        Self::default().keys(&mut names);
        names.named("listener", [Listener::default()], Listener::keys);
        names.named("certificate", [Certificate::unset()], Certificate::keys);
        names.named("key", [Key::unset()], Key::keys);
        names.named("token", Token::every_format(), Token::keys);
        names.named("geo", [Geo::default()], Geo::keys);
        names.named("rights", [Rights::unset()], Rights::keys);
        names.named("limits", [Limits::default()], Limits::keys);
        names.named("access", [Access::default()], Access::keys);
        names.named("storage", Storage::every_kind(), Storage::keys);
        names.path = "route[]".to_owned();
        Route::unset().keys(&mut names);
        names.names
    }

    /// That there is a storage to serve from.
    ///
    /// # Errors
    /// [`Error::NoStorage`] where there is none.
    pub fn require_storage(&self) -> Result<(), Error> {
        if self.storage.is_empty() {
            Err(Error::NoStorage)
        } else {
            Ok(())
        }
    }

    /// The sections that are always there.
    fn keys(&mut self, keys: &mut impl Keys) {
        keys.section("server", |keys| self.server.keys(keys));
        keys.section("admin", |keys| self.admin.keys(keys));
        keys.section("log", |keys| self.log.keys(keys));
        keys.section("cache", |keys| self.cache.keys(keys));
        keys.section("freshness", |keys| self.freshness.keys(keys));
        keys.section("cors", |keys| self.cors.keys(keys));
        keys.section("compression", |keys| self.compression.keys(keys));
        keys.section("cmcd", |keys| self.cmcd.keys(keys));
        keys.section("viewer", |keys| self.viewer.keys(keys));
    }

    /// Takes everything from the tree; what was wrong stays with the reader, and its key at the default.
    fn read(tree: Table) -> (Self, Reader) {
        let mut config = Self::default();
        let mut reader = Reader::new(tree);
        config.keys(&mut reader);
        config.listener = reader.named("listener", Listener::default, Listener::keys);
        config.certificate = reader.named("certificate", Certificate::unset, Certificate::keys);
        config.key = reader.named("key", Key::unset, Key::keys);
        config.token = reader.named("token", Token::unset, Token::keys);
        config.geo = reader.named("geo", Geo::default, Geo::keys);
        config.rights = reader.named("rights", Rights::unset, Rights::keys);
        config.limits = reader.named("limits", Limits::default, Limits::keys);
        config.access = reader.named("access", Access::default, Access::keys);
        config.storage = reader.named("storage", Storage::default, Storage::keys);
        for (at, node) in reader.listed_tables("route").into_iter().enumerate() {
            let mut route = Route::unset();
            reader.table(format!("route[{at}]"), node, |keys| route.keys(keys));
            config.route.push(route);
        }
        reader.refuse_unknown();
        (config, reader)
    }
}
