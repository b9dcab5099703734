//! Which bytes of the entity are sent (RFC 9110 §14).

use std::ops::Range;

use http::HeaderMap;
use http::header::RANGE;

use super::admit::Method;
use super::conditional;
use super::encoding;
use super::error::Error;
use super::multipart::Multipart;
use super::route::Routed;
use crate::cache::First;
use crate::delivery::{Ask, Content, Encoding};
use crate::exchange::Request;
use crate::media::range::{Hint, RangeSet, Resolution};

/// What a request asks for, before the length of the entity is known.
#[derive(Debug)]
pub(super) struct Asked {
    /// `None` where there is no Range header, or one to ignore: malformed, another unit, not on a GET.
    ranges: Option<RangeSet>,
    method: Method,
    gzip: bool,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Selection {
    Whole,
    Single(Range<u64>),
    Multi(Multipart),
}

impl Asked {
    pub(super) fn of(request: &Request, method: Method) -> Self {
        let mut lines = request.headers.get_all(RANGE).iter();
        let ranges = match (method, lines.next(), lines.next()) {
            (Method::Get, Some(line), None) => line.to_str().ok().and_then(RangeSet::parse),
            _ => None,
        };
        Self {
            // A range is over the stored bytes: a part of a compressed variant helps nobody.
            gzip: ranges.is_none() && encoding::accepts_gzip(&request.headers),
            ranges,
            method,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::Head
    }

    /// What delivery is asked for.
    pub(super) fn of_asset(&self, routed: &Routed) -> Ask {
        Ask {
            asset: routed.asset.clone(),
            // A text is read whole, whatever part of it is sent.
            first: match routed.kind.compressible() {
                true => First::From(0),
                false => self.first(),
            },
            gzip: self.gzip,
        }
    }

    /// The bytes needed first: what the one storage read on an unknown asset asks for.
    fn first(&self) -> First {
        match (&self.ranges, self.method) {
            (None, Method::Get) => First::From(0),
            (None, _) => First::Least,
            (Some(ranges), _) => match ranges.hint() {
                Hint::From(start, None) => First::From(start),
                Hint::From(start, Some(end)) => First::Bytes(start..end),
                Hint::Suffix(_) => First::Least,
            },
        }
    }

    /// The bytes to send of this entity.
    ///
    /// # Errors
    /// [`Error::RangeNotSatisfiable`] where no range lies within it.
    pub(super) fn select(
        &self,
        headers: &HeaderMap,
        content: &Content,
    ) -> Result<Selection, Error> {
        let Some(ranges) = &self.ranges else {
            return Ok(Selection::Whole);
        };
        if content.encoding != Encoding::Identity || !conditional::if_range(headers, content) {
            return Ok(Selection::Whole);
        }
        match ranges.resolve(content.len) {
            Resolution::Whole => Ok(Selection::Whole),
            Resolution::Single(range) => Ok(Selection::Single(range)),
            Resolution::Multi(ranges) => {
                let media_type = content.media_type();
                Ok(Selection::Multi(Multipart::new(
                    &ranges,
                    content.len,
                    media_type,
                )))
            }
            Resolution::Unsatisfiable => Err(Error::RangeNotSatisfiable { len: content.len }),
        }
    }
}
