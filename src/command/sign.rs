//! `caudal sign`: mints tokens in every format that is verified, with the keys of the configuration.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args as Arguments, Parser, Subcommand};

use super::{Unusable, duration, load_config};
use crate::access::prefix;
use crate::app::access::{Signer, Wanted};

/// Mint a token, to try a policy or to see what one looks like.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    format: Format,
}

const AFTER_HELP: &str = "The keys are those of [token.NAME] in the configuration. Without one:\n  \
    VIEWER_KEY=… caudal sign jwt --secret env:VIEWER_KEY --path /vod/t1/ --for 4h\n\n\
    A URL that plays, the token before its path:\n  \
    caudal sign jwt --config caudal.toml --path /vod/t1/ --url https://media.example.com/vod/t1/master.m3u8";

#[derive(Debug, Subcommand)]
enum Format {
    /// A JSON Web Token (RFC 7519).
    Jwt(Ask),
    /// CloudFront: a signed URL, or cookies for patterns of paths.
    Cloudfront(Ask),
    /// Akamai EdgeAuth 2.0.
    Akamai(Ask),
    /// nginx secure_link.
    SecureLink(Ask),
    /// A Common Access Token (CTA-5007).
    Cat(Ask),
    /// The caudal-debug header, by which a refusal tells its reason.
    Debug(Debug),
}

#[derive(Debug, Arguments)]
struct Ask {
    /// The configuration that has the keys.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The [token.NAME] whose keys sign; not needed where the format has one only.
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    /// Where a key is, instead of a configuration: env:NAME, file:/path or aws-secretsmanager:NAME.
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["config", "token"])]
    secret: Option<String>,
    /// The private key that belongs to it, where it is the PEM of a public one.
    #[arg(long, value_name = "WHERE", requires = "secret")]
    private: Option<String>,
    /// What that key is for.
    #[arg(long, value_name = "NAME", requires = "secret")]
    algorithm: Option<String>,
    /// The id of that key in tokens.
    #[arg(long, value_name = "ID", requires = "secret")]
    kid: Option<String>,
    /// What the token is good for: /a/ for all below, /a/b.m3u8 for one. May be repeated.
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,
    /// How long it is good: 30m, 4h.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration)]
    lifetime: Duration,
    /// From which Unix second on.
    #[arg(long, value_name = "SECOND")]
    not_before: Option<i64>,
    /// Whom it is given to.
    #[arg(long, value_name = "WHO")]
    viewer: Option<String>,
    /// The session it belongs to.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Its own id, by which it can be revoked; hexadecimal for cat.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The only address it is good for.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// A country it is good in. May be repeated.
    #[arg(long, value_name = "CODE")]
    country: Vec<String>,
    /// More claims, for jwt and cat: a JSON object, laid over what the options say.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// Prints this URL with the token in it instead of the token.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where in the URL: "path" or "query".
    #[arg(long, value_name = "CARRIER", default_value = "path", value_parser = ["path", "query"])]
    carrier: String,
}

#[derive(Debug, Arguments)]
struct Debug {
    /// The configuration that has the key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The [access.NAME] whose debug_key signs; not needed where there is one only.
    #[arg(long, value_name = "NAME")]
    access: Option<String>,
    /// How long it is good, an hour at most.
    #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = duration)]
    lifetime: Duration,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = match args.format {
        Format::Jwt(ask) => mint("jwt", ask),
        Format::Cloudfront(ask) => mint("cloudfront", ask),
        Format::Akamai(ask) => mint("akamai", ask),
        Format::SecureLink(ask) => mint("secure-link", ask),
        Format::Cat(ask) => mint("cat", ask),
        Format::Debug(ask) => {
            let config = load_config(ask.config)?;
            let expires = end(ask.lifetime);
            Signer::debug(&config, ask.access.as_deref(), expires).map_err(Unusable::from)
        }
    };
    println!("{}", text?);
    Ok(ExitCode::SUCCESS)
}

fn mint(format: &str, ask: Ask) -> anyhow::Result<String> {
    let (config, name) = match &ask.secret {
        Some(secret) => (alone(format, secret, &ask)?, Some("alone".to_owned())),
        None => (load_config(ask.config.clone())?, ask.token.clone()),
    };
    let signer = Signer::load(&config, format, name.as_deref()).map_err(Unusable::from)?;
    let now = now();
    let wanted = Wanted {
        paths: ask.path,
        url: ask.url.clone(),
        issued: now,
        not_before: ask.not_before,
        expires: end(ask.lifetime),
        viewer: ask.viewer,
        session: ask.session,
        id: ask.id,
        ip: ask.ip,
        countries: ask.country,
        claims: ask.claims,
    };
    let minted = signer.mint(&wanted).map_err(Unusable::from)?;
    match &ask.url {
        None => Ok(minted.text),
        Some(url) => placed(url, &minted.text, minted.parameter.as_deref(), &ask.carrier),
    }
}

/// The URL with the token in it.
fn placed(
    url: &str,
    token: &str,
    parameter: Option<&str>,
    carrier: &str,
) -> anyhow::Result<String> {
    let no_url = || Unusable::from(format!("--url {url}: is no URL, write https://host/path"));
    let scheme = url.find("://").ok_or_else(no_url)? + 3;
    let slash = url[scheme..].find('/').ok_or_else(no_url)? + scheme;
    let (site, path) = url.split_at(slash);
    if carrier == "path" {
        return Ok(format!("{site}{}", prefix::join(token, path)));
    }
    let joint = if path.contains('?') { '&' } else { '?' };
    Ok(match parameter {
        Some(name) => format!("{url}{joint}{name}={token}"),
        None => format!("{url}{joint}{token}"),
    })
}

/// A configuration of one key, for those who have none.
fn alone(format: &str, secret: &str, ask: &Ask) -> anyhow::Result<crate::config::Config> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = format!("[key.alone]\nsecret = {}\n", quoted(secret));
    let algorithm = ask.algorithm.as_deref();
    let algorithm = algorithm.or(matches!(format, "jwt" | "cat").then_some("HS256"));
    let more = [
        ("private", ask.private.as_deref()),
        ("algorithm", algorithm),
        ("id", ask.kid.as_deref()),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            text.push_str(&format!("{key} = {}\n", quoted(value)));
        }
    }
    text.push_str(&format!(
        "[token.alone]\nformat = {}\nkeys = [\"alone\"]\n",
        quoted(format)
    ));
    crate::config::Config::from_toml(&text, std::iter::empty()).map_err(Unusable::from)
}

fn now() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(unix.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

fn end(lifetime: Duration) -> i64 {
    now().saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
}
