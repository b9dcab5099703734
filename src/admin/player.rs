//! The player page: plays any title and shows what the server does meanwhile. Its files are in the binary.

use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use rust_embed::Embed;

use crate::exchange::Response;

#[derive(Embed)]
#[folder = "src/admin/player"]
struct Files;

/// Nothing from elsewhere but the media, which may be anywhere; players hand it over as blobs and run
/// their transmuxers in blob workers.
const POLICY: &str = "default-src 'self'; media-src * blob:; connect-src *; worker-src 'self' blob:; \
     img-src 'self' data: *; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file of the page by its path below `/player/`; the page itself for the empty path.
pub(super) fn file(path: &str) -> Option<Response> {
    let path = if path.is_empty() { "index.html" } else { path };
    let file = Files::get(path)?;
    let media_type = match path.rsplit('.').next()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        // Scripts and notes that make the page; not part of it.
        _ => return None,
    };
    let body = match file.data {
        std::borrow::Cow::Borrowed(bytes) => bytes::Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    };
    let mut response = super::of_type(media_type, body);
    response
        .headers
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_what_it_needs_are_in_the_binary() {
        for path in [
            "",
            "app.js",
            "style.css",
            "vendor/hls.min.js",
            "vendor/dash.all.min.js",
        ] {
            assert!(file(path).is_some(), "{path}");
        }
        for path in ["vendor.sh", "../mod.rs", "nothing"] {
            assert!(file(path).is_none(), "{path}");
        }
    }
}
