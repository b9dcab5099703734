//! The headers that follow from an entity alone: worked out once for each, not once for each request.

use std::sync::OnceLock;

use http::HeaderValue;

use crate::delivery::{Content, Encoding};

/// An entity's own headers. A value that cannot stand in one (a control character in an object's own metadata) is left
/// out: it must not fail the answer.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) etag: Option<HeaderValue>,
    pub(super) last_modified: Option<HeaderValue>,
    pub(super) media_type: Option<HeaderValue>,
    /// The object's own Cache-Control.
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) encoding: Option<HeaderValue>,
}

/// A version's entities.
#[derive(Debug, Default)]
struct Entities {
    identity: OnceLock<Entity>,
    gzip: OnceLock<Entity>,
}

impl Entity {
    /// The headers of what is served.
    pub(super) fn of(content: &Content) -> &Self {
        let entities: &Entities = content.version.worked_out(Entities::default);
        let place = match content.encoding {
            Encoding::Identity => &entities.identity,
            Encoding::Gzip => &entities.gzip,
        };
        place.get_or_init(|| Self::work_out(content))
    }

    fn work_out(content: &Content) -> Self {
        let meta = &content.version.meta;
        let value = |text: &str| HeaderValue::from_str(text).ok();
        let modified = meta.last_modified.map(httpdate::fmt_http_date);
        Self {
            etag: value(&content.etag()),
            last_modified: modified.as_deref().and_then(value),
            media_type: value(content.media_type()),
            cache_control: meta.cache_control.as_deref().and_then(value),
            encoding: match content.encoding {
                Encoding::Gzip => Some(HeaderValue::from_static("gzip")),
                Encoding::Identity => meta.content_encoding.as_deref().and_then(value),
            },
        }
    }
}
