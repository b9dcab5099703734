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

/// How a round of fetches went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    /// Whether any key changed: what was verified by the old ones must not be believed.
    pub(super) changed: bool,
    /// How many issuers' keys were due and could not be had.
    pub(super) failures: u64,
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

    /// Fetches what is due `now`.
    pub(super) async fn fetch(&mut self, now: Instant) -> Fetched {
        let mut fetched = Fetched::default();
        let Some(remote) = &self.remote else {
            return fetched;
        };
        for (name, set) in &mut self.sets {
            if set
                .format
                .as_ref()
                .is_some_and(|format| format.take_unknown_kid())
            {
                set.refresh.unknown_kid(now);
            }
            if now < set.refresh.next() {
                continue;
            }
            match set.fetch(remote, now).await {
                Ok(is_new) => fetched.changed |= is_new,
                Err(problem) => {
                    fetched.failures += 1;
                    set.refresh.failed(now);
                    tracing::warn!(token = name, %problem, "an issuer's keys cannot be fetched; known ones stay");
                }
            }
        }
        fetched
    }
}

impl Set {
    async fn fetch(&mut self, remote: &Remote, now: Instant) -> Result<bool, String> {
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
        self.refresh.succeeded(now, caching);
        self.text = Some(answer.body);
        let format = self.format.as_ref();
        Ok(format.is_some_and(|format| format.replace_remote_keys(keys)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::access::token::jwt::{Algorithm, KeySettings, Material, Settings};
    use crate::access::token::{Format, Found};
    use crate::access::{Refusal, Secret};

    const FIRST: &str = r#"{"kty":"EC","crv":"P-256","kid":"issuer-1","alg":"ES256","use":"sig",
        "x":"cDxdg9faFgwe8Qt-4zflyQZ6ACwgCz6C3vDR_ofQiDM","y":"nO5WcI50G-AI3LDnWWUdJ-PfUkHKi6NqI2Mj0TaWQ0I"}"#;
    const SECOND: &str = r#"{"kty":"EC","crv":"P-256","kid":"issuer-2","alg":"ES256","use":"sig",
        "x":"0hk73AhKNjpeqxLAl9uvEHSORpi6YUEQMugthlzWBq8","y":"9RwaAII0YF4pqKbKZqe1LZMYWOyY3eZQbHn3yefhkPs"}"#;

    fn set(keys: &[&str]) -> String {
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }

    fn found(token: &str) -> Found<'_> {
        Found {
            token: token.into(),
            bound: "".into(),
        }
    }

    /// What an issuer answers, and how often it was asked.
    struct Issuer {
        status: &'static str,
        document: String,
        asked: usize,
    }

    async fn issuer() -> (SocketAddr, Arc<Mutex<Issuer>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let issuer = Arc::new(Mutex::new(Issuer {
            status: "200 OK",
            document: set(&[FIRST]),
            asked: 0,
        }));
        let shared = issuer.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = {
                    let mut issuer = shared.lock().unwrap();
                    issuer.asked += 1;
                    let Issuer {
                        status, document, ..
                    } = &*issuer;
                    let len = document.len();
                    format!(
                        "HTTP/1.1 {status}\r\ncache-control: max-age=3600\r\ncontent-length: {len}\r\n\
                         connection: close\r\n\r\n{document}"
                    )
                };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (addr, issuer)
    }

    fn minted(kid: &str, pem: &str) -> String {
        let settings = Settings {
            keys: vec![KeySettings {
                name: kid.to_owned(),
                kid: Some(kid.to_owned()),
                algorithm: Algorithm::Es256,
                material: Material::Pem(Secret::new(pem)),
            }],
            ..Settings::default()
        };
        let claims = r#"{"exp":4000000000}"#;
        Jwt::new(settings).unwrap().mint(kid, claims).unwrap()
    }

    /// One token's keys, published at `addr`.
    fn published(addr: SocketAddr, now: Instant) -> Published {
        let set = Set {
            url: format!("http://{addr}/jwks.json"),
            refresh: Refresh::new(now),
            text: None,
            format: None,
        };
        Published {
            remote: Some(Remote::new().unwrap()),
            sets: BTreeMap::from([("viewers".to_owned(), set)]),
        }
    }

    #[tokio::test]
    async fn an_issuer_rotates_its_keys_and_goes_down_and_no_viewer_is_locked_out() {
        let (addr, issuer) = issuer().await;
        let start = Instant::now();
        let mut published = published(addr, start);
        let format = Arc::new(Jwt::new(Settings::default()).unwrap());
        published.serve("viewers", &format);
        let old = minted(
            "issuer-1",
            include_str!("../../../tests/data/cloudfront-test-ec.pkcs8.pem"),
        );
        let new = minted(
            "issuer-2",
            include_str!("../../../tests/data/issuer-2.pkcs8.pem"),
        );
        let verdict = |token: &str| format.verify(&found(token)).map(|_| ());
        let asked = || issuer.lock().unwrap().asked;
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let changed = Fetched {
            changed: true,
            failures: 0,
        };

        assert_eq!(published.fetch(at(0)).await, changed);
        assert_eq!(
            (verdict(&old), verdict(&new)),
            (Ok(()), Err(Refusal::TokenKey))
        );
        // Its new key is asked for when a viewer shows a token by it, a minute after the last fetch at the soonest.
        issuer.lock().unwrap().document = set(&[FIRST, SECOND]);
        assert_eq!(published.fetch(at(30)).await, Fetched::default());
        assert_eq!(asked(), 1);
        assert_eq!(published.fetch(at(60)).await, changed);
        assert_eq!((verdict(&old), verdict(&new)), (Ok(()), Ok(())));
        // Nothing is unknown any more: the answer's own age counts.
        assert_eq!(published.fetch(at(3600)).await, Fetched::default());
        assert_eq!(asked(), 2);
        issuer.lock().unwrap().document = set(&[SECOND]);
        assert_eq!(published.fetch(at(3660)).await, changed);
        assert_eq!(
            (verdict(&old), verdict(&new)),
            (Err(Refusal::TokenKey), Ok(()))
        );
        // It is ill, then talks nonsense: what was known last counts on, also after a reload of the policy.
        for (seconds, status, document) in [
            (7260, "500 Internal Server Error", ""),
            (7300, "200 OK", "<html>"),
        ] {
            issuer.lock().unwrap().status = status;
            issuer.lock().unwrap().document = document.to_owned();
            let failed = Fetched {
                changed: false,
                failures: 1,
            };
            assert_eq!(published.fetch(at(seconds)).await, failed, "{status}");
            assert_eq!(verdict(&new), Ok(()), "{status}");
        }
        let reloaded = Arc::new(Jwt::new(Settings::default()).unwrap());
        published.serve("viewers", &reloaded);
        assert!(reloaded.verify(&found(&new)).is_ok());
    }
}
