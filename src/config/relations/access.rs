//! What must hold between the parts of access: every name leads somewhere, and what is required can be met.

use super::super::format::quoted;
use super::super::units::duration;
use super::super::{Access, Config, Requirement, Token, TokenFormat};
use super::exists;

type Report<'a> = &'a mut dyn FnMut(String, String);

/// Reports every relation that does not hold as key and message.
pub(super) fn check(config: &Config, report: Report<'_>) {
    for (name, token) in &config.token {
        tokens(config, name, token, report);
    }
    for (name, access) in &config.access {
        let path = format!("access.{name}");
        references(config, &path, access, report);
        requirements(&path, access, report);
        renewal(&path, access, report);
    }
    for (at, route) in config.route.iter().enumerate() {
        if let Some(access) = &route.access {
            let key = format!("route[{at}].access");
            exists(&config.access, "access", key, access, report);
        }
    }
    if config.viewer.proxy_protocol && config.viewer.trusted_peers.is_empty() {
        let message = "viewer.proxy_protocol = true: nobody is trusted to say it, \
                       write viewer.trusted_peers = [\"10.0.0.0/8\"] with the load balancer's networks";
        report("viewer.proxy_protocol".to_owned(), message.to_owned());
    }
    if config.cors.credentials && config.cors.origin == "*" {
        let message = "cors.credentials = true: browsers refuse it beside origin = \"*\", \
                       write the player's origin, origin = \"https://player.example\"";
        report("cors.credentials".to_owned(), message.to_owned());
    }
}

fn tokens(config: &Config, name: &str, token: &Token, report: Report<'_>) {
    let path = format!("token.{name}");
    for key in &token.keys {
        exists(&config.key, "key", format!("{path}.keys"), key, report);
    }
    let (fetched, named) = match &token.format {
        TokenFormat::Jwt(jwt) => (jwt.jwks.is_some(), true),
        TokenFormat::Cat { .. } => (false, true),
        TokenFormat::Akamai { salt, .. } => {
            if let Some(salt) = salt {
                exists(&config.key, "key", format!("{path}.salt"), salt, report);
            }
            (false, false)
        }
        TokenFormat::CloudFront { .. } | TokenFormat::SecureLink { .. } => (false, false),
    };
    if token.keys.is_empty() && !fetched {
        let message =
            format!("{path}.keys is missing: nothing could be verified, name a [key.NAME] section");
        report(format!("{path}.keys"), message);
    }
    let unnamed = |key: &&String| {
        config
            .key
            .get(*key)
            .is_some_and(|key| key.algorithm.is_none())
    };
    if let Some(key) = token.keys.iter().find(unnamed).filter(|_| named) {
        let message = format!(
            "key.{key}.algorithm is missing: {path} has tokens of several, write algorithm = \"HS256\""
        );
        report(format!("key.{key}.algorithm"), message);
    }
    if token.carriers.is_empty() {
        let message = format!("{path}.carriers = []: no token could arrive, write [\"query\"]");
        report(format!("{path}.carriers"), message);
    }
}

fn references(config: &Config, path: &str, access: &Access, report: Report<'_>) {
    for key in &access.origin_lock_keys {
        let from = format!("{path}.origin_lock_keys");
        exists(&config.key, "key", from, key, report);
    }
    for token in &access.tokens {
        exists(
            &config.token,
            "token",
            format!("{path}.tokens"),
            token,
            report,
        );
    }
    if let Some(key) = &access.debug_key {
        exists(&config.key, "key", format!("{path}.debug_key"), key, report);
    }
    if let Some(geo) = &access.geo {
        exists(&config.geo, "geo", format!("{path}.geo"), geo, report);
    }
    if let Some(rights) = &access.rights {
        exists(
            &config.rights,
            "rights",
            format!("{path}.rights"),
            rights,
            report,
        );
    }
    if let Some(limits) = &access.limits {
        exists(
            &config.limits,
            "limits",
            format!("{path}.limits"),
            limits,
            report,
        );
    }
}

/// What is required has to be said, and what is said is meant to be required.
fn requirements(path: &str, access: &Access, report: Report<'_>) {
    let lock = !access.origin_lock_keys.is_empty() || !access.origin_lock_identities.is_empty();
    let said = [
        (Requirement::OriginLock, "origin_lock_keys", lock),
        (Requirement::Token, "tokens", !access.tokens.is_empty()),
        (Requirement::Geo, "geo", access.geo.is_some()),
        (Requirement::Rights, "rights", access.rights.is_some()),
        (Requirement::Limits, "limits", access.limits.is_some()),
    ];
    for (requirement, part, is_said) in said {
        let word = quoted(requirement.as_str());
        let required = access.require.contains(&requirement);
        if required && !is_said {
            let key = format!("{path}.{part}");
            report(
                key.clone(),
                format!("{key} is missing: {path}.require has {word}, say which"),
            );
        } else if is_said && !required {
            let message =
                format!("{path}.{part} has no effect: add {word} to {path}.require, or remove it");
            report(format!("{path}.require"), message);
        }
    }
}

fn renewal(path: &str, access: &Access, report: Report<'_>) {
    if access.renew > access.renew_limit {
        let key = format!("{path}.renew");
        let message = format!(
            "{key} = {}: must not be above renew_limit, write {}",
            quoted(&duration(access.renew)),
            quoted(&duration(access.renew_limit))
        );
        report(key, message);
    }
    if !access.renew.is_zero() && access.set_cookie.is_none() {
        let key = format!("{path}.renew");
        let message = format!(
            "{key} = {}: a renewed token needs a cookie to travel in, write set_cookie = \"token\"",
            quoted(&duration(access.renew))
        );
        report(key, message);
    }
}
