//! A whole server in this process, and a plain client to ask it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use caudal::app::{App, Extras, Running, Stopped};
use caudal::config::Config;
use caudal::storage::Storage;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(crate) mod h2;
pub(crate) mod initial;
pub(crate) mod scripted;
pub(crate) mod tls;

pub(crate) use scripted::Scripted;

/// A running server. Stopped when dropped.
pub(crate) struct Server {
    running: Option<Running>,
    pub(crate) addr: SocketAddr,
    /// Of every listener, `addr` first.
    pub(crate) addrs: Vec<SocketAddr>,
    pub(crate) admin: SocketAddr,
    /// What it reads when it is told to read its configuration again.
    text: Arc<Mutex<String>>,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// `Err` where the connection was cut before the announced length.
    pub(crate) body: Result<Bytes, String>,
}

impl Server {
    /// A server over one storage called `media`, at `/`, with more configuration on top.
    pub(crate) fn over(storage: Arc<dyn Storage>, more: &str) -> Self {
        let text = format!("[storage.media]\nkind = \"memory\"\nattempts = 1\n{more}");
        Self::start(&text, [("media".to_owned(), storage)].into())
    }

    /// A server by configuration, on ports of the system's choice.
    pub(crate) fn start(text: &str, storages: HashMap<String, Arc<dyn Storage>>) -> Self {
        let config = configure(text).expect("the test's config");
        let text = Arc::new(Mutex::new(text.to_owned()));
        let shared = text.clone();
        let reread = Arc::new(move || configure(&shared.lock().unwrap()));
        // A runtime cannot be made from within one.
        let running = std::thread::spawn(move || {
            let app = App::load(
                &config,
                Extras {
                    storages,
                    reread: Some(reread),
                    ..Extras::default()
                },
            )
            .expect("the app loads");
            app.start().expect("the app starts")
        });
        let running = running.join().unwrap();
        let (addrs, admin) = (running.addrs().to_vec(), running.admin_addr());
        Self {
            running: Some(running),
            addr: addrs[0],
            addrs,
            admin,
            text,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.addr, method, path, headers).await
    }

    /// One number of `/metrics`: the sum over every series whose line starts with `series`.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = ask(self.admin, Method::GET, "/metrics", &[]).await.text();
        let lines = text.lines().filter(|line| line.starts_with(series));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Has it read another configuration, as SIGHUP would.
    pub(crate) async fn reload(&self, text: &str) -> Result<(), String> {
        *self.text.lock().unwrap() = text.to_owned();
        let answer = ask(self.admin, Method::POST, "/reload", &[]).await;
        match answer.status.as_u16() {
            200 => Ok(()),
            422 => Err(answer.text()),
            status => panic!("{status} {}", answer.text()),
        }
    }

    /// Stops it as SIGTERM would.
    pub(crate) fn stop(mut self) -> Stopped {
        let running = self.running.take().unwrap();
        std::thread::spawn(move || running.stop()).join().unwrap()
    }
}

/// A test's configuration, on ports of the system's choice.
fn configure(text: &str) -> Result<Config, String> {
    let config = Config::from_toml(text, std::iter::empty());
    let mut config = config.map_err(|error| error.to_string())?;
    config.server.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.server.drain_timeout = Duration::from_secs(4);
    config.admin.listen = "127.0.0.1:0".parse().unwrap();
    config.log.access = false;
    Ok(config)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = std::thread::spawn(move || running.stop()).join();
        }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = self.body.as_ref().map(Bytes::len);
        write!(f, "{} {:?}, body: {body:?}", self.status, self.headers)
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        self.body.as_ref().expect("a whole body")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }
}

pub(crate) async fn ask(
    addr: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "caudal.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let mut sender = connect(addr).await;
    let response = sender.send_request(request).await;
    whole(response.expect("an answer's head")).await
}

/// Reads an answer to its end.
pub(crate) async fn whole(response: http::Response<hyper::body::Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await;
    Answer {
        status: head.status,
        headers: head.headers,
        body: body
            .map(|body| body.to_bytes())
            .map_err(|error| error.to_string()),
    }
}

pub(crate) async fn connect(addr: SocketAddr) -> http1::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(addr).await.expect("a connection");
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Bytes that differ at every offset and from every other seed: a wrong byte is seen.
pub(crate) fn pattern(len: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

/// Waits until `condition` holds, five seconds at most.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {what}");
}
