//! Keys that issuers publish (JWKS): fetched when due, kept while they cannot be had.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{Request, StatusCode};

use crate::access::token::jwks::Refresh;
use crate::access::token::jwt::{Jwt, KeySet};
use crate::config::{Config, TokenFormat};
use crate::remote::Remote;

/// The key sets of all issuers.
pub(super) struct Published {
    remote: Option<Remote>,
    sets: BTreeMap<String, Set>,
}

struct Set {
    url: String,
    refresh: Refresh,
    /// The last one that could be read.
    text: Option<Bytes>,
    /// Where it is used now.
    format: Option<Arc<Jwt>>,
}

impl Published {
    pub(super) fn new(config: &Config, remote: Option<Remote>) -> Self {
        let mut sets = BTreeMap::new();
        for (name, token) in &config.token {
            if let TokenFormat::Jwt(jwt) = &token.format
                && let Some(url) = &jwt.jwks
            {
                let set = Set {
                    url: url.clone(),
                    refresh: Refresh::new(Instant::now()),
                    text: None,
                    format: None,
                };
                sets.insert(name.clone(), set);
            }
        }
        Self { remote, sets }
    }

    /// From now on it is this format that is given the keys of its issuer.
    pub(super) fn serve(&mut self, token: &str, format: &Arc<Jwt>) {
        let Some(set) = self.sets.get_mut(token) else {
            return;
        };
        let known = set
            .text
            .as_ref()
            .and_then(|text| KeySet::from_jwks(text).ok());
        if let Some(keys) = known {
            format.replace_remote_keys(keys);
        }
        set.format = Some(format.clone());
    }

    /// Fetches what is due. Says whether any key changed: what was verified by the old ones must not be believed.
    pub(super) async fn fetch(&mut self) -> bool {
        let Some(remote) = &self.remote else {
            return false;
        };
        let mut changed = false;
        for (name, set) in &mut self.sets {
            if set
                .format
                .as_ref()
                .is_some_and(|format| format.take_unknown_kid())
            {
                set.refresh.unknown_kid(Instant::now());
            }
            if Instant::now() < set.refresh.next() {
                continue;
            }
            match set.fetch(remote).await {
                Ok(is_new) => changed |= is_new,
                Err(problem) => {
                    set.refresh.failed(Instant::now());
                    tracing::warn!(token = name, %problem, "an issuer's keys cannot be fetched; known ones stay");
                }
            }
        }
        changed
    }
}

impl Set {
    async fn fetch(&mut self, remote: &Remote) -> Result<bool, String> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self
            .url
            .parse()
            .map_err(|_| "its URL cannot be asked".to_owned())?;
        let answer = remote.send(request).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status));
        }
        let keys = KeySet::from_jwks(&answer.body).map_err(|error| error.to_string())?;
        let caching = answer.headers.get(CACHE_CONTROL);
        let caching = caching.and_then(|value| value.to_str().ok());
        self.refresh.succeeded(Instant::now(), caching);
        self.text = Some(answer.body);
        let format = self.format.as_ref();
        Ok(format.is_some_and(|format| format.replace_remote_keys(keys)))
    }
}
