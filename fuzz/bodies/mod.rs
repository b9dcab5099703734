//! What the fuzz targets do with their bytes: each parser of untrusted input must not panic, and what it accepts must
//! keep its promises. Shared with `tests/fuzz_smoke.rs`, so that they compile and run on stable.

mod akamai;
mod carriers;
mod cat;
mod cloudfront;
mod files;
mod jwt;
mod media;
mod proxy;
mod request;
mod secure_link;
mod token;
mod urgency;
mod viewer;

/// What one target does with its bytes.
pub(crate) type Body = fn(&[u8]);

/// Every target by its name, which is also that of its file and of its folder of seeds.
pub(crate) const ALL: [(&str, Body); 21] = [
    ("asset_path", media::asset_path),
    ("range", media::range),
    ("hls_liveness", media::hls_liveness),
    ("dash_liveness", media::dash_liveness),
    ("config", files::config),
    ("revocations", files::revocations),
    ("rights", files::rights),
    ("networks", files::networks),
    ("jwks", files::jwks),
    ("jwt", jwt::jwt),
    ("cloudfront", cloudfront::cloudfront),
    ("akamai", akamai::akamai),
    ("secure_link", secure_link::secure_link),
    ("cat", cat::cat),
    ("carriers", carriers::carriers),
    ("path_prefix", carriers::path_prefix),
    ("cmcd", media::cmcd),
    ("debug", carriers::debug),
    ("viewer", viewer::viewer),
    ("urgency", urgency::urgency),
    ("proxy_header", proxy::proxy_header),
];

/// Runs the body of this name.
pub(crate) fn run(name: &str, data: &[u8]) {
    let body = ALL.iter().find(|(own, _)| *own == name);
    body.expect("every target has a body").1(data);
}

/// How many tokens of the requests that this thread has run were believed: seeds that no format takes prove little.
#[allow(dead_code, reason = "the targets do not count, the tests do")]
pub(crate) fn believed() -> usize {
    token::count()
}
