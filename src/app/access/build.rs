//! Makes a gate of the configuration and of what was read for it.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderName, StatusCode};

use super::super::files::Files;
use super::super::secrets::Secrets;
use super::Counts;
use super::formats;
use super::published::Published;
use crate::access::geo::{self, Facts, Geo, Locator};
use crate::access::limits::pace::Pace;
use crate::access::limits::{Local, RequestLimit, Settings, StreamLimit};
use crate::access::networks::Networks;
use crate::access::revocation::Revocations;
use crate::access::rights::{self, Paths, Rights};
use crate::access::{
    Gate, Identify, Moderation, OriginLock, Policy, Renewal, Replays, Requirement, Scheme, Sender,
    Tokens, Verified,
};
use crate::config::{self, Access, Config, SentBy, Verdict};

/// Tokens whose verification is remembered: a segment then costs a look-up.
const VERIFIED: usize = 100_000;

/// The memory of that, in bytes.
const VERIFIED_BYTES: usize = 64 << 20;

/// Tokens for one use that are remembered.
const REPLAYS: usize = 200_000;

/// What goes on while gates come and go, and configurations too.
#[derive(Clone)]
pub(in crate::app) struct Kept {
    verified: Arc<Verified>,
    replays: Arc<Replays>,
    limits: Counts,
    /// Of gates: what was verified for one is not believed by another.
    generation: Arc<AtomicU64>,
}

impl Kept {
    /// For a configuration, and what was kept under the one before it. Limits that say the same count on.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Result<Self, String> {
        let mut limits = Counts::new();
        for (name, configured) in &config.limits {
            let same = before.and_then(|before| before.limits.get(name));
            let counts = match same.filter(|(settings, _)| settings == configured) {
                Some((_, counts)) => counts.clone(),
                None => {
                    let counts = Local::new(&settings(configured), Instant::now());
                    Arc::new(counts.map_err(|error| format!("limits.{name}: {error}"))?)
                }
            };
            limits.insert(name.clone(), (configured.clone(), counts));
        }
        Ok(match before.cloned() {
            Some(before) => Self { limits, ..before },
            None => Self {
                verified: Arc::new(Verified::new(count(VERIFIED), VERIFIED_BYTES)),
                replays: Arc::new(Replays::new(count(REPLAYS))),
                limits,
                generation: Arc::default(),
            },
        })
    }

    /// Drops what nobody will ask for again.
    pub(super) fn upkeep(&self, now: i64) {
        self.verified.forget_expired(now);
    }
}

fn count(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}

fn settings(limits: &config::Limits) -> Settings {
    let requests = NonZeroU32::new(limits.requests_per_second);
    let streams = NonZeroU32::new(limits.streams);
    let viewers = usize::try_from(limits.viewers).unwrap_or(usize::MAX);
    Settings {
        requests: requests.map(|requests| RequestLimit {
            requests,
            per: Duration::from_secs(1),
            burst: NonZeroU32::new(limits.burst).unwrap_or(NonZeroU32::MIN),
        }),
        streams: streams.map(|streams| StreamLimit {
            streams,
            window: limits.stream_window,
        }),
        viewers: NonZeroUsize::new(viewers).unwrap_or(NonZeroUsize::MIN),
    }
}

/// Everything that is needed to make a policy.
struct Parts<'a> {
    config: &'a Config,
    secrets: &'a Secrets,
    files: &'a mut Files,
    kept: &'a Kept,
    generation: u64,
    schemes: BTreeMap<&'a str, Arc<Scheme>>,
    /// What there is somebody to tell of viewers.
    told: Facts,
}

/// A gate of all policies, in the order of their names.
pub(super) fn gate(
    config: &Config,
    secrets: &Secrets,
    files: &mut Files,
    published: &mut Published,
    kept: &Kept,
) -> Result<Gate, String> {
    let generation = kept.generation.fetch_add(1, Ordering::Relaxed) + 1;
    kept.verified.clear();
    let mut schemes = BTreeMap::new();
    for (name, token) in &config.token {
        let scheme = formats::scheme(config, name, token, secrets, published);
        let scheme = scheme.map_err(|problem| format!("token.{name}: {problem}"))?;
        schemes.insert(name.as_str(), Arc::new(scheme));
    }
    let identify = Identify {
        trusted: trusted(&config.viewer, files)?,
        sender: match config.viewer.sent_by {
            SentBy::CloudFront => Sender::CloudFront,
            SentBy::Proxy => Sender::Proxy,
        },
    };
    let locator = match config.viewer.databases.as_slice() {
        [] => None,
        databases => Some(files.of("viewer.databases", databases, |paths| {
            Locator::open(paths).map_err(|problems| listed("viewer.databases", &problems))
        })?),
    };
    let mut parts = Parts {
        config,
        secrets,
        files,
        kept,
        generation,
        schemes,
        told: told(&identify, locator.as_deref()),
    };
    let policies = config.access.iter();
    let policies = policies.map(|(name, access)| parts.policy(name, access));
    Ok(Gate {
        policies: policies.collect::<Result<_, _>>()?,
        identify,
        locator,
    })
}

/// The networks that are written down, and those of the files that are named among them.
fn trusted(viewer: &config::Viewer, files: &mut Files) -> Result<Networks, String> {
    let path = |text: &String| text.strip_prefix("file:").map(PathBuf::from);
    let written = viewer
        .trusted_peers
        .iter()
        .filter(|text| path(text).is_none());
    let problems = |problems: Vec<String>| listed("viewer.trusted_peers", &problems);
    let mut sets = vec![Networks::parse(written.map(String::as_str)).map_err(problems)?];
    for path in viewer.trusted_peers.iter().filter_map(path) {
        let read = files.of("viewer.trusted_peers", &[path], |paths| {
            Networks::open(&paths[0], Some(SERVICE)).map_err(problems)
        })?;
        sets.push((*read).clone());
    }
    Ok(Networks::union(&sets))
}

/// Whose networks are taken from AWS's own list of all of them.
const SERVICE: &str = "CLOUDFRONT_ORIGIN_FACING";

impl Parts<'_> {
    fn policy(&mut self, name: &str, access: &Access) -> Result<Policy, String> {
        let in_policy = |problem| format!("access.{name}: {problem}");
        let requirements = access.require.iter();
        let requirements = requirements.map(|requirement| self.requirement(access, *requirement));
        Ok(Policy {
            name: name.into(),
            requirements: requirements.collect::<Result<_, _>>().map_err(in_policy)?,
            renewal: Renewal {
                cookie: access.set_cookie.clone(),
                lifetime: access.renew,
                limit: access.renew_limit,
            },
            expired_status: StatusCode::from_u16(access.expired_status)
                .unwrap_or(StatusCode::FORBIDDEN),
            debug_key: match &access.debug_key {
                Some(key) => {
                    Some(formats::secret(self.config, self.secrets, key).map_err(in_policy)?)
                }
                None => None,
            },
        })
    }

    fn requirement(
        &mut self,
        access: &Access,
        requirement: config::Requirement,
    ) -> Result<Requirement, String> {
        // Every name leads somewhere: the configuration was checked for that.
        let missing = || format!("{} is required and not configured", requirement.as_str());
        Ok(match requirement {
            config::Requirement::OriginLock => Requirement::OriginLock(self.lock(access)?),
            config::Requirement::Token => Requirement::Token(self.tokens(access)?),
            config::Requirement::Geo => {
                let name = access.geo.as_ref().ok_or_else(missing)?;
                let rules = self.config.geo.get(name).ok_or_else(missing)?;
                let geo = geo(name, rules)?;
                let missing = missing_facts(geo.needs().without(self.told));
                if !missing.is_empty() {
                    return Err(format!(
                        "geo.{name} asks for the viewer's {missing}, which nobody tells: name a database of it in \
                         viewer.databases, or the CDN in viewer.trusted_peers"
                    ));
                }
                Requirement::Geo(Box::new(geo))
            }
            config::Requirement::Rights => {
                let name = access.rights.as_ref().ok_or_else(missing)?;
                let rights = self.config.rights.get(name).ok_or_else(missing)?;
                Requirement::Rights(self.rights(name, rights)?)
            }
            config::Requirement::Limits => {
                let name = access.limits.as_ref().ok_or_else(missing)?;
                let (_, counts) = self.kept.limits.get(name).ok_or_else(missing)?;
                let pace = self.config.limits.get(name).and_then(pace);
                Requirement::Limits(Moderation {
                    limits: counts.clone(),
                    pace,
                })
            }
        })
    }

    fn lock(&self, access: &Access) -> Result<OriginLock, String> {
        let secret = |key: &String| formats::secret(self.config, self.secrets, key);
        let header = HeaderName::try_from(&access.origin_lock_header);
        Ok(OriginLock {
            header: header.map_err(|error| format!("origin_lock_header: {error}"))?,
            secrets: access
                .origin_lock_keys
                .iter()
                .map(secret)
                .collect::<Result<_, _>>()?,
            identities: access.origin_lock_identities.clone(),
        })
    }

    fn tokens(&mut self, access: &Access) -> Result<Tokens, String> {
        let revoked = match &access.revocations {
            None => Arc::new(Revocations::default()),
            Some(path) => self
                .files
                .of("revocations", std::slice::from_ref(path), |paths| {
                    let text = read(&paths[0])?;
                    let named = |error| format!("revocations: {}: {error}", paths[0].display());
                    Revocations::parse(&text, super::unix_now()).map_err(named)
                })?,
        };
        let schemes = access.tokens.iter();
        let schemes = schemes.filter_map(|name| self.schemes.get(name.as_str()).cloned());
        Ok(Tokens {
            generation: self.generation,
            schemes: schemes.collect(),
            skew: access.clock_skew,
            revoked,
            verified: self.kept.verified.clone(),
            replays: self.kept.replays.clone(),
        })
    }

    fn rights(&mut self, name: &str, configured: &config::Rights) -> Result<Arc<Rights>, String> {
        let files = std::slice::from_ref(&configured.file);
        let section = format!("rights.{name}");
        self.files.of(&section, files, |files| {
            let problems = |problems: Vec<String>| listed(&section, &problems);
            let paths = Paths::new(&configured.paths).map_err(problems)?;
            let text = read(&files[0])?;
            let file = files[0].display().to_string();
            let titles = rights::File::parse(&file, text.as_bytes(), &paths).map_err(problems)?;
            Ok(Rights {
                paths,
                unknown: answer(configured.unknown),
                source: Box::new(titles),
            })
        })
    }
}

/// What the CDN tells, and what the databases do.
fn told(identify: &Identify, locator: Option<&Locator>) -> Facts {
    let cdn = !identify.trusted.is_empty() && identify.sender == Sender::CloudFront;
    let known = locator.map(Locator::tells).unwrap_or_default();
    Facts {
        country: cdn || known.country,
        region: cdn || known.region,
        asn: cdn || known.asn,
        anonymous: known.anonymous,
    }
}

fn missing_facts(facts: Facts) -> String {
    let named = [
        (facts.country, "country"),
        (facts.region, "region"),
        (facts.asn, "autonomous system"),
        (facts.anonymous, "anonymity"),
    ];
    let missing = named.iter().filter(|(missing, _)| *missing);
    missing
        .map(|(_, name)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn pace(limits: &config::Limits) -> Option<Pace> {
    Some(Pace {
        rate: NonZeroU64::new(limits.pace)?,
        burst: limits.pace_burst,
    })
}

fn geo(name: &str, rules: &config::Geo) -> Result<Geo, String> {
    let mut groups = BTreeMap::new();
    for group in &rules.groups {
        let (group, members) = group.split_once('=').ok_or_else(|| {
            format!("geo.{name}.groups: {group:?} has no members, write NORDIC = DK SE NO")
        })?;
        let members = members.split_whitespace().map(str::to_owned).collect();
        groups.insert(group.trim().to_owned(), members);
    }
    let settings = geo::Settings {
        allow: rules.allow.clone(),
        deny: rules.deny.clone(),
        groups,
        unknown: answer(rules.unknown),
        anonymous: answer(rules.anonymous),
    };
    Geo::new(&settings).map_err(|problems| listed(&format!("geo.{name}"), &problems))
}

fn answer(verdict: Verdict) -> geo::Answer {
    match verdict {
        Verdict::Allow => geo::Answer::Allow,
        Verdict::Deny => geo::Answer::Deny,
    }
}

fn read(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Every problem on a line of its own, under what they are of.
fn listed(of: &str, problems: &[String]) -> String {
    match problems {
        [one] => format!("{of}: {one}"),
        many => format!("{of}:\n  {}", many.join("\n  ")),
    }
}
