//! Mints tokens with the keys that verify them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::super::secrets::Secrets;
use super::formats::{Keys, secret};
use super::{needs_remote, references};
use crate::access::debug;
use crate::access::token::akamai::{Claims, Covers, EdgeAuth, Escape};
use crate::access::token::cat;
use crate::access::token::cloudfront::{CloudFront, Hash, Permit, Policy, Signing};
use crate::access::token::jwt::Jwt;
use crate::access::token::secure_link::{Link, SecureLink};
use crate::config::{Config, Token, TokenFormat};
use crate::remote::{Remote, SecretsManager};

/// A `[token.NAME]` that mints.
pub(crate) struct Signer {
    kind: Kind,
    /// The key that signs, by name.
    key: String,
}

enum Kind {
    Jwt(Jwt, String),
    CloudFront(CloudFront),
    Akamai(EdgeAuth, String),
    SecureLink(SecureLink),
    Cat(cat::Key),
}

/// What a token is to say.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) paths: Vec<String>,
    pub(crate) url: Option<String>,
    pub(crate) issued: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: i64,
    pub(crate) viewer: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) countries: Vec<String>,
    pub(crate) claims: Option<String>,
}

/// A token, and the parameter it travels in; without one it brings its own.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) text: String,
    pub(crate) parameter: Option<String>,
}

impl Signer {
    /// The signer of this format, by the name of its section or as the only one.
    pub(crate) fn load(config: &Config, format: &str, name: Option<&str>) -> Result<Self, String> {
        let (name, token) = find(config, format, name)?;
        let secrets = read(config)?;
        let keys = Keys {
            config,
            secrets: &secrets,
        };
        let key = token.keys.first().cloned();
        let key = key
            .ok_or_else(|| format!("token.{name}.keys is empty: there is nothing to sign with"))?;
        let kind = match &token.format {
            TokenFormat::Jwt(settings) => {
                Kind::Jwt(keys.jwt(token, settings)?, settings.name.clone())
            }
            TokenFormat::CloudFront { resource } => {
                Kind::CloudFront(keys.cloudfront(token, resource.clone())?)
            }
            TokenFormat::Akamai { name, hash, salt } => {
                let signs = keys.akamai(token, name, *hash, salt.as_deref())?;
                Kind::Akamai(signs, name.clone())
            }
            TokenFormat::SecureLink { expression } => {
                Kind::SecureLink(keys.secure_link(token, expression)?)
            }
            TokenFormat::Cat { .. } => Kind::Cat(keys.cat_key(&key)?),
        };
        Ok(Self { kind, key })
    }

    /// The header that asks for reasons.
    pub(crate) fn debug(
        config: &Config,
        access: Option<&str>,
        expires: i64,
    ) -> Result<String, String> {
        let mut policies = config.access.iter();
        let mut policies = policies.by_ref().filter(|(name, policy)| {
            policy.debug_key.is_some() && access.is_none_or(|access| access == *name)
        });
        let (Some((_, policy)), None) = (policies.next(), policies.next()) else {
            return Err("name the [access.NAME] that has a debug_key with --access".to_owned());
        };
        let key = policy.debug_key.as_deref().unwrap_or_default();
        Ok(debug::mint(&secret(config, &read(config)?, key)?, expires))
    }

    /// A token that says what is wanted.
    pub(crate) fn mint(&self, wanted: &Wanted) -> Result<Minted, String> {
        let (text, parameter) = match &self.kind {
            Kind::Jwt(jwt, parameter) => {
                let claims = Value::Object(jwt_claims(wanted)?).to_string();
                let token = jwt.mint(&self.key, &claims);
                (
                    token.map_err(|error| error.to_string())?,
                    Some(parameter.clone()),
                )
            }
            Kind::Cat(key) => {
                let token = cat::mint(key, &Value::Object(cat_claims(wanted)?));
                (
                    token.map_err(|error| error.to_string())?,
                    Some("cat".to_owned()),
                )
            }
            Kind::CloudFront(format) => (cloudfront(format, wanted)?, None),
            Kind::Akamai(format, parameter) => (akamai(format, wanted)?, Some(parameter.clone())),
            Kind::SecureLink(format) => {
                let path = wanted
                    .url
                    .as_deref()
                    .map(path_of)
                    .or(wanted.paths.first().map(String::as_str));
                let link = Link {
                    path: path.ok_or("what is the link for? say --url or --path")?,
                    expires: Some(wanted.expires),
                    address: wanted.ip,
                    ..Link::default()
                };
                (format.mint(&link).map_err(|error| error.to_string())?, None)
            }
        };
        Ok(Minted { text, parameter })
    }
}

/// The section that is meant.
fn find<'a>(
    config: &'a Config,
    format: &str,
    name: Option<&str>,
) -> Result<(&'a str, &'a Token), String> {
    let fits = |(own, token): &(&String, &Token)| {
        token.format.as_str() == format && name.is_none_or(|name| name == own.as_str())
    };
    let mut found = config.token.iter().filter(fits);
    match (found.next(), found.next(), name) {
        (Some((name, token)), None, _) => Ok((name, token)),
        (Some(_), Some(_), _) => Err(format!(
            "several [token.NAME] are of format {format:?}: say which with --token"
        )),
        (None, _, Some(name)) => Err(format!("there is no [token.{name}] of format {format:?}")),
        (None, _, None) => Err(format!(
            "no [token.NAME] is of format {format:?}: name the configuration with --config, or a key with --secret"
        )),
    }
}

fn read(config: &Config) -> Result<Secrets, String> {
    let remote = match needs_remote(config) {
        true => Some(Remote::new().map_err(|error| error.to_string())?),
        false => None,
    };
    let mut secrets = Secrets::new(
        references(config),
        remote.map(SecretsManager::new),
        config.viewer.reload_remote,
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(secrets.read())?;
    Ok(secrets)
}

/// The options' claims under the names that `names` gives them, and the user's own over them.
fn claims(wanted: &Wanted, own: BTreeMap<&str, Value>) -> Result<Map<String, Value>, String> {
    let mut claims: Map<String, Value> = [
        ("iat", Some(json!(wanted.issued))),
        ("nbf", wanted.not_before.map(Value::from)),
        ("exp", Some(json!(wanted.expires))),
        ("sub", wanted.viewer.clone().map(Value::from)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect();
    claims.extend(
        own.into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(text) = &wanted.claims {
        let own: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| format!("--claims: {error}; write {{\"name\": \"value\"}}"))?;
        claims.extend(own);
    }
    Ok(claims)
}

fn jwt_claims(wanted: &Wanted) -> Result<Map<String, Value>, String> {
    let mut own = BTreeMap::new();
    if !wanted.paths.is_empty() {
        own.insert("paths", json!(wanted.paths));
    }
    if !wanted.countries.is_empty() {
        own.insert("countries", json!(wanted.countries));
    }
    let texts = [
        ("sid", wanted.session.clone()),
        ("jti", wanted.id.clone()),
        ("ip", wanted.ip.map(|ip| ip.to_string())),
    ];
    for (name, value) in texts {
        own.extend(value.map(|value| (name, json!(value))));
    }
    claims(wanted, own)
}

fn cat_claims(wanted: &Wanted) -> Result<Map<String, Value>, String> {
    let mut own = BTreeMap::new();
    match wanted.paths.as_slice() {
        [] => {}
        [path] if path.ends_with('/') => {
            own.insert("catu", json!({ "path": { "prefix": path } }));
        }
        [path] => {
            own.insert("catu", json!({ "path": { "exact": path } }));
        }
        _ => return Err("a cat has one --path: say more with --claims, as catu".to_owned()),
    }
    if !wanted.countries.is_empty() {
        own.insert("catgeoiso3166", json!(wanted.countries));
    }
    own.extend(wanted.id.as_ref().map(|id| ("cti", json!(id))));
    own.extend(wanted.ip.map(|ip| ("catnip", json!([ip.to_string()]))));
    if wanted.session.is_some() {
        return Err("a cat names no session: use --id, and --viewer".to_owned());
    }
    claims(wanted, own)
}

fn cloudfront(format: &CloudFront, wanted: &Wanted) -> Result<String, String> {
    let network = match wanted.ip {
        None => None,
        Some(IpAddr::V4(four)) => Some(ipnet::Ipv4Net::from(four)),
        Some(IpAddr::V6(_)) => return Err("cloudfront knows IPv4 addresses only".to_owned()),
    };
    let resource = match (wanted.paths.as_slice(), &wanted.url) {
        ([one], _) if one.contains("://") => one.clone(),
        ([one], Some(url)) => {
            let site = &url[..url.len() - path_of(url).len()];
            let wildcard = if one.ends_with('/') { "*" } else { "" };
            format!("{site}{one}{wildcard}")
        }
        ([], Some(url)) => url.clone(),
        _ => {
            return Err(
                "what is it for? say one --path, with its https://host, or --url".to_owned(),
            );
        }
    };
    let permit = Permit {
        resource,
        expires: wanted.expires,
        not_before: wanted.not_before,
        network,
    };
    let signing = Signing {
        key: None,
        hash: Hash::Sha256,
        policy: match permit.policy() {
            Policy::Canned if wanted.url.as_deref() == Some(&permit.resource) => Policy::Canned,
            _ => Policy::Custom,
        },
    };
    let cookies = format
        .sign_cookies(&permit, &signing)
        .map_err(|error| error.to_string())?;
    let pairs = cookies.iter();
    let pairs = pairs.map(|(name, value)| match wanted.url {
        Some(_) => format!("{}={value}", name.trim_start_matches("CloudFront-")),
        None => format!("{name}={value}"),
    });
    let joint = if wanted.url.is_some() { "&" } else { "; " };
    Ok(pairs.collect::<Vec<_>>().join(joint))
}

fn akamai(format: &EdgeAuth, wanted: &Wanted) -> Result<String, String> {
    let patterns: Vec<String> = wanted
        .paths
        .iter()
        .map(|path| {
            if path.ends_with('/') {
                format!("{path}*")
            } else {
                path.clone()
            }
        })
        .collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let covers = match (patterns.as_slice(), &wanted.url) {
        ([], Some(url)) => Covers::Path(path_of(url)),
        ([], None) => return Err("what is it for? say --path, or --url".to_owned()),
        (patterns, _) => Covers::Paths(patterns),
    };
    let claims = Claims {
        address: wanted.ip,
        starts: wanted.not_before,
        expires: wanted.expires,
        covers,
        session: wanted.session.as_deref(),
        data: None,
        escape: Escape::Off,
    };
    format.mint(&claims).map_err(|error| error.to_string())
}

/// The path of a URL, without its query.
fn path_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find('/').map_or("/", |at| &url[host + at..]);
    path.split(['?', '#']).next().unwrap_or(path)
}
