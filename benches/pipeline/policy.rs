//! What access costs a request: a token seen for the first time, one that is known, a viewer's place, and a whole
//! policy of everything there is.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use caudal::access::geo::{self, Geo, Locator};
use caudal::access::limits::{Asked, Local, RequestLimit, Settings, StreamLimit};
use caudal::access::networks::Networks;
use caudal::access::rights::{self, Rights};
use caudal::access::token::{cat, jwt};
use caudal::access::{
    Asking, Carrier, Format, Gate, Identify, Moderation, OriginLock, Policy, Renewal, Replays,
    Requirement, Scheme, Secret, Seen, Sender, Source, Tokens, Verified,
};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A format, and a token that it takes.
type Signed = (Arc<dyn Format>, String);

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;
const PATH: &str = "/vod/t1/720p/seg-42.m4s";
const CLAIMS: &str = r#"{"sub":"viewer-4711","jti":"0190a5b2","exp":1800003600,"path":"/vod/t1/"}"#;

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("access");
    first_seen(&mut group);
    known(&mut group);
    places(&mut group);
    whole(&mut group);
    group.finish();
}

/// A token that nobody has shown before.
fn first_seen(group: &mut Group<'_>) {
    let signed = [
        ("first/JWT HS256", web_token(jwt::Algorithm::Hs256)),
        ("first/CAT HS256", common_access_token()),
    ];
    for (name, (format, token)) in signed {
        let request = Request::new(&token);
        let asking = request.asking();
        let source = Source {
            carrier: Carrier::Header,
            asking: &asking,
        };
        group.bench_function(name, |b| {
            b.iter(|| {
                let found = format.find(black_box(&source)).expect("readable");
                format.verify(&found.expect("there")).expect("right")
            });
        });
    }
}

/// A token whose signature was verified with an earlier request.
fn known(group: &mut Group<'_>) {
    let signed = [
        ("known/JWT RS256", jwt::Algorithm::Rs256),
        ("known/JWT ES256", jwt::Algorithm::Es256),
    ];
    for (name, algorithm) in signed {
        let (format, token) = web_token(algorithm);
        let tokens = tokens(format);
        let request = Request::new(&token);
        let asking = request.asking();
        group.bench_function(name, |b| {
            b.iter(|| tokens.accept(black_box(&asking)).expect("right"));
        });
    }
}

/// Where an address is, and whether that will do.
fn places(group: &mut Group<'_>) {
    let (locator, geo) = (locator(), geo());
    let ip = Request::new("").seen.viewer.ip;
    group.bench_function("geo", |b| {
        b.iter(|| {
            geo.permit(ip, &locator.locate(black_box(ip)))
                .expect("let in")
        });
    });
}

/// The gate and everything that a policy can ask for. `Policy::decide` waits for nobody here.
fn whole(group: &mut Group<'_>) {
    let (format, token) = web_token(jwt::Algorithm::Rs256);
    let request = Request::new(&token);
    let policy = policy(format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    group.bench_function("policy", |b| {
        b.iter(|| {
            let seen = request.seen();
            let asking = request.asked_by(&seen);
            let decision = policy.decide(&asking, Asked::Media);
            runtime.block_on(decision).expect("granted")
        });
    });
}

fn policy(format: Arc<dyn Format>) -> Policy {
    let lock = OriginLock {
        header: HeaderName::from_static("caudal-origin-lock"),
        secrets: vec![Secret::new("old and out"), Secret::new("let me in")],
        identities: Vec::new(),
    };
    Policy {
        name: "all".into(),
        requirements: vec![
            Requirement::OriginLock(lock),
            Requirement::Token(tokens(format)),
            Requirement::Geo(Box::new(geo())),
            Requirement::Rights(Arc::new(rights())),
            Requirement::Limits(Moderation {
                limits: Arc::new(limits()),
                pace: None,
            }),
        ],
        renewal: Renewal::default(),
        expired_status: http::StatusCode::FORBIDDEN,
        debug_key: None,
    }
}

fn tokens(format: Arc<dyn Format>) -> Tokens {
    let many = NonZeroUsize::new(100_000).expect("is not zero");
    let scheme = Scheme {
        format,
        carriers: vec![Carrier::Path, Carrier::Query, Carrier::Header],
    };
    Tokens {
        generation: 1,
        schemes: vec![Arc::new(scheme)],
        skew: Duration::ZERO,
        revoked: Arc::default(),
        verified: Arc::new(Verified::new(many, 64 << 20)),
        replays: Arc::new(Replays::new(many)),
    }
}

fn geo() -> Geo {
    let settings = geo::Settings {
        allow: vec!["EEA".to_owned(), "GB".to_owned()],
        deny: vec!["10.0.0.0/8".to_owned()],
        groups: BTreeMap::new(),
        unknown: geo::Answer::Deny,
        anonymous: geo::Answer::Allow,
    };
    Geo::new(&settings).expect("rules")
}

fn locator() -> Locator {
    Locator::open(&[file("tests/mmdb/GeoIP2-Country-Test.mmdb")]).expect("a database")
}

fn rights() -> Rights {
    let paths = rights::Paths::new(&["/vod/{title}/{height}p/*".to_owned()]).expect("a pattern");
    let titles = "[title.t1]\ncountries = [\"GB\", \"EEA\"]\nuntil = \"2030-01-01T00:00:00Z\"\n\
                  max_height = 1080\n";
    let titles = rights::File::parse("rights.toml", titles.as_bytes(), &paths).expect("titles");
    Rights {
        paths,
        unknown: geo::Answer::Deny,
        source: Box::new(titles),
    }
}

/// Of a viewer who never asks too much.
fn limits() -> Local {
    let most = NonZeroU32::new(1_000_000_000).expect("is not zero");
    let settings = Settings {
        requests: Some(RequestLimit {
            requests: most,
            per: Duration::from_secs(1),
            burst: most,
        }),
        streams: Some(StreamLimit {
            streams: NonZeroU32::new(3).expect("is not zero"),
            window: Duration::from_secs(60),
        }),
        viewers: NonZeroUsize::new(100_000).expect("is not zero"),
    };
    Local::new(&settings, Instant::now()).expect("limits")
}

/// The format with a key of this algorithm, and a token that it has minted.
fn web_token(algorithm: jwt::Algorithm) -> Signed {
    let pem = |name| std::fs::read_to_string(file(name)).expect("a key");
    let material = match algorithm {
        jwt::Algorithm::Rs256 => {
            jwt::Material::Pem(Secret::new(pem("tests/data/cloudfront-test-rsa.pkcs8.pem")))
        }
        jwt::Algorithm::Es256 => {
            jwt::Material::Pem(Secret::new(pem("tests/data/cloudfront-test-ec.pkcs8.pem")))
        }
        _ => jwt::Material::Secret(Secret::new(SECRET)),
    };
    let key = jwt::KeySettings {
        name: "k1".to_owned(),
        kid: Some("k1".to_owned()),
        algorithm,
        material,
    };
    let settings = jwt::Settings {
        keys: vec![key],
        ..jwt::Settings::default()
    };
    let format = jwt::Jwt::new(settings).expect("a format");
    let token = format.mint("k1", CLAIMS).expect("a token");
    (Arc::new(format), token)
}

fn common_access_token() -> Signed {
    let secret = Secret::new(SECRET);
    let key = || cat::Key::new("k1", Some(b"k1"), cat::Algorithm::Hs256, &secret).expect("a key");
    let claims = serde_json::json!({
        "sub": "viewer-4711",
        "cti": "0190a5b2",
        "exp": NOW + 3600,
        "catu": {"path": {"prefix": "/vod/t1/"}},
    });
    let token = cat::mint(&key(), &claims).expect("a token");
    let settings = cat::Settings {
        keys: vec![key()],
        names: cat::Names {
            header: "authorization".to_owned(),
            ..cat::Names::default()
        },
        ..cat::Settings::default()
    };
    (Arc::new(cat::Cat::new(settings).expect("a format")), token)
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A viewer in Britain who asks for a segment through CloudFront, with a token in a header.
struct Request {
    headers: HeaderMap,
    gate: Gate,
    seen: Seen,
}

impl Request {
    fn new(token: &str) -> Self {
        let headers = [
            ("host", "origin.example".to_owned()),
            ("user-agent", "Amazon CloudFront".to_owned()),
            ("authorization", format!("Bearer {token}")),
            ("caudal-origin-lock", "let me in".to_owned()),
            ("cloudfront-viewer-address", "2.125.160.216:4711".to_owned()),
        ];
        let value = |text: String| HeaderValue::try_from(text).expect("a value");
        let headers = headers.map(|(name, text)| (HeaderName::from_static(name), value(text)));
        let headers = HeaderMap::from_iter(headers);
        let gate = Gate {
            identify: Identify {
                trusted: Networks::parse(["127.0.0.0/8"]).expect("a network"),
                sender: Sender::CloudFront,
            },
            locator: Some(Arc::new(locator())),
            policies: Vec::new(),
        };
        let seen = gate.see([127, 0, 0, 1].into(), &headers);
        Self {
            headers,
            gate,
            seen,
        }
    }

    fn seen(&self) -> Seen {
        self.gate.see([127, 0, 0, 1].into(), &self.headers)
    }

    fn asking(&self) -> Asking<'_> {
        self.asked_by(&self.seen)
    }

    fn asked_by<'a>(&'a self, seen: &'a Seen) -> Asking<'a> {
        Asking {
            method: "GET",
            scheme: "https",
            host: "origin.example",
            raw_path: PATH,
            path: PATH,
            query: "",
            headers: &self.headers,
            prefix: None,
            viewer: seen.viewer.ip,
            place: &seen.place,
            alpn: None,
            device: seen.viewer.device,
            identities: &[],
            now: NOW,
        }
    }
}
